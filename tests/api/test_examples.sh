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
like "and the output" '*"test_output":"héllo\\n"*' "$(answer)"
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

# Its minute made short, so that it tells of itself again while the job runs.
mkdir "$scratch/short"
printf '#!/bin/sh\nexec /bin/sleep 0.1\n' >"$scratch/short/sleep"
chmod +x "$scratch/short/sleep"
post /v1/job '{"job_queue":"long","test_data":{"test_cmds":"until [ -e '"$scratch"'/go ]; do /bin/sleep 0.05; done"}}' \
	>/dev/null
id=$(answer | id_in)
PATH="$scratch/short:$PATH" timeout 60 "$agent" --once "$url" lab-6 long \
	>"$scratch/long.out" 2>&1 &
running=$!
# shellcheck disable=SC2317 # called by within
heard_again() {
	[ "$(grep -c 'POST.*/v1/agents/data/lab-6' \
		"$scratch/main/logs/access.log")" -ge 5 ]
}
if within 40 heard_again; then
	ok "while the commands run it is heard of"
else
	not_ok "while the commands run it is heard of" "$(cat "$scratch/long.out")"
fi
get /v1/agents/data/lab-6 >/dev/null
like "with its job" "*$id*\"state\":\"test\"*" "$(answer)"
touch "$scratch/go"
wait "$running"
equal "and ends well" 0 $?
get /v1/agents/data/lab-6 >/dev/null
like "after that without it" '*"job_id":""*"state":"waiting"*' "$(answer)"

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

# It is held until there is a job, and comes long before its pause would end.
timeout 60 "$agent" --poll 600 "$url" lab-3 late >"$scratch/late.out" 2>&1 &
looping=$!
# shellcheck disable=SC2317 # called by within
held() {
	grep -qsE '^tfd: .* events: +2[0-9a-f]{3} ' \
		"/proc/$(pids_of main tf-dispatch)"/fdinfo/*
}
within 20 held || not_ok "it is held" "$(cat "$scratch/late.out")"
post /v1/job '{"job_queue":"late","test_data":{"test_cmds":"true"}}' >/dev/null
id1=$(answer | id_in)
id2=$id1
if within 20 completed; then
	ok "it waits for a job"
else
	not_ok "it waits for a job" "$(cat "$scratch/late.out")"
fi
kill "$looping"
wait "$looping" 2>/dev/null

# Not by timeout, which would stop its curl too.
"$agent" "$url" lab-4 stopped >"$scratch/stopped.out" 2>&1 &
looping=$!
within 20 held || not_ok "it is held" "$(cat "$scratch/stopped.out")"
kill "$looping"
# shellcheck disable=SC2317 # called by within
gone() {
	! grep -qs . "/proc/$looping/cmdline"
}
if within 5 gone; then
	ok "stopped while it is held it ends at once"
else
	not_ok "stopped while it is held it ends at once"
fi
wait "$looping" 2>/dev/null
post /v1/job '{"job_queue":"stopped"}' >/dev/null
# shellcheck disable=SC2317 # called by within
taken() {
	[ "$(get '/v1/job?queue=stopped&agent=lab-5')" = 200 ]
}
if within 5 taken; then
	ok "and takes no job any more"
else
	not_ok "and takes no job any more"
fi

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

# A server that asks who it is.
start accounts --set ANONYMOUS_ROLES=contributor \
	--set JWT_SIGNING_KEY=0123456789abcdef0123456789abcdef
secret='a "secret" with \ in it'
printf '%s\n' "$secret" | "$BUILD/testflingerctl" \
	--config "$scratch/accounts/conf/testflinger.conf" \
	client add --role agent lab >/dev/null 2>&1 ||
	not_ok "there is an account"
run_once lab-1 bench
equal "without a token it is refused" 1 $?
like "and says why" '*registering*status 40[13]: ?*' "$(cat "$scratch/out")"
post /v1/job '{"job_queue":"bench","test_data":{"test_cmds":"env >'"$scratch"'/env"}}' \
	>/dev/null
id=$(answer | id_in)
AGENT_LOGIN="lab:$secret" run_once lab-1 bench
equal "with a log-in it ends well" 0 $?
get "/v1/result/$id" >/dev/null
like "and does its job" '*"job_state":"complete"*' "$(answer)"
equal "which does not get the log-in" "" "$(grep AGENT_ "$scratch/env")"
token=$(curl --silent --user "lab:$secret" --request POST \
	"$url/v1/oauth2/token" | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
AGENT_TOKEN=$token run_once lab-1 bench
equal "so it does with a token" 0 $?
ended=$(/usr/bin/python3 - "$token" <<'P'
import base64, hashlib, hmac, json, sys
head, body, _ = sys.argv[1].split(".")
claims = json.loads(base64.urlsafe_b64decode(body + "=="))
claims["exp"] = claims["iat"] = 1000000000
text = lambda b: base64.urlsafe_b64encode(b).decode().rstrip("=")
said = head + "." + text(json.dumps(claims).encode())
print(said + "." + text(hmac.new(b"0123456789abcdef0123456789abcdef",
                                 said.encode(), hashlib.sha256).digest()))
P
)
AGENT_TOKEN=$ended run_once lab-1 bench
equal "one that has ended is refused" 1 $?
like "as that" '*status 401*' "$(cat "$scratch/out")"
AGENT_TOKEN=$ended AGENT_LOGIN="lab:$secret" run_once lab-1 bench
equal "but replaced by a log-in" 0 $?
AGENT_LOGIN='lab:wrong' run_once lab-1 bench
equal "a wrong log-in is a failure" 1 $?
like "and says what the server says" '*status 401: Invalid client id or client key*' \
	"$(cat "$scratch/out")"
finish
