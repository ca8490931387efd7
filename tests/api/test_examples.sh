#!/bin/sh
# docs/examples/agent.sh against a real instance; amqp-agent.sh is in
# test_amqp.sh, where there is a broker.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

agent="$top/docs/examples/agent.sh"

run_once() {
	timeout 60 "$agent" --once "$url" "$@" >"$scratch/out" 2>&1
}

start main

run_once lab-1 bench other
equal "without a job it ends well" 0 $?
like "it says that there is no job" '*no job*' "$(cat "$scratch/out")"
equal "it is registered" 200 "$(get /v1/agents/data/lab-1)"
like "it has told its queues" '*"queues":\["bench","other"\]*' "$(answer)"

post /v1/job '{"job_queue":"other","note":"\"test_cmds\":\"no\"",
"test_data":{"test_cmds":"echo \"h\u00e9llo\"\npwd >'"$scratch"'/where\nexit 7"}}' \
	>/dev/null
id=$(answer | id_in)
run_once lab-1 bench other
equal "after a job it ends well" 0 $?
like "the commands have run" '*héllo*' "$(cat "$scratch/out")"
equal "the result is there" 200 "$(get "/v1/result/$id")"
like "the job is complete" '*"job_state":"complete"*' "$(answer)"
like "the exit code is posted" '*"test_status":7*' "$(answer)"
if [ -s "$scratch/where" ] && [ ! -e "$(cat "$scratch/where")" ]; then
	ok "the directory of the job is gone"
else
	not_ok "the directory of the job is gone" "$(cat "$scratch/where")"
fi

post /v1/job '{ "job_queue": "bench", "option":"foo" }' >/dev/null
id=$(answer | id_in)
run_once lab-1 bench
equal "a job without commands ends well" 0 $?
get "/v1/result/$id" >/dev/null
like "a job without commands is complete" \
	'*"job_state":"complete"*' "$(answer)"

timeout 60 "$agent" --poll 1 "$url" lab-2 loop >"$scratch/loop.out" 2>&1 &
looping=$!
for n in 1 2; do
	post /v1/job '{"job_queue":"loop","test_data":{"test_cmds":"true"}}' \
		>/dev/null
	eval "id$n=\$(answer | id_in)"
done
# shellcheck disable=SC2154,SC2317 # set by eval above; called by within
completed() {
	get "/v1/result/$id1" >/dev/null && grep -q complete "$scratch/answer" &&
		get "/v1/result/$id2" >/dev/null &&
		grep -q complete "$scratch/answer"
}
if within 20 completed; then
	ok "without --once it takes job after job"
else
	not_ok "without --once it takes job after job" \
		"$(cat "$scratch/loop.out")"
fi
kill "$looping"
wait "$looping" 2>/dev/null

"$agent" --once "$url" lab-1 'no name' >"$scratch/out" 2>&1
equal "a name it cannot use is a wrong command line" 2 $?
"$agent" "$url" >"$scratch/out" 2>&1
equal "too few words are a wrong command line" 2 $?
like "usage is shown" 'usage: agent.sh*' "$(cat "$scratch/out")"
"$agent" --help >"$scratch/out" 2>&1
equal "--help ends well" 0 $?
stop main
run_once lab-1 bench
equal "a server that is away is a failure" 1 $?
finish
