#!/bin/sh
# Claims of jobs over AMQP on a real RabbitMQ: agents and consumers on one queue, queues in
# step with the store, and a broker that is lost with all its messages.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=broker.sh
. "$top/tests/api/broker.sh"

need amqp-consume /usr/sbin/rabbitmq-server
start main --rabbitmq
main=$url
amqp=$(amqp_url_of main)
start other --set "AMQP_URI=$amqp" --set AMQP_UNCLAIMED_QUEUES=old \
	--set OFFER_TIMEOUT=5
url=$main

# amqp_agent SPOOL QUEUE [OPTION...]: the example agent for one message; prints what it
# says.
amqp_agent() {
	amqp_spool=$scratch/$1
	amqp_queue=$2
	shift 2
	timeout 60 "$top/docs/examples/amqp-agent.sh" --once "$@" "$url" \
		"$amqp" "$amqp_queue" "$amqp_spool" 2>&1
}

# given QUEUE COMMAND: a job that runs it; its id in id.
given() {
	post /v1/job "{\"job_queue\":\"$1\",\"test_data\":{\"test_cmds\":\"$2\"}}" \
		>/dev/null
	id=$(answer | id_in)
}

# A copy of the message of job $2 on queue $1.
again() {
	printf '{"job_id":"%s"}' "$2" |
		amqp-publish --url="$amqp" --exchange="$1" --routing-key="$1"
}

given shell "echo ran >>$scratch/ran; exit 3"
like "the example agent claims a job and runs it" \
	"*$id: running*$id: exit code 3*$id: result posted*" \
	"$(amqp_agent one shell)"
get "/v1/result/$id" >/dev/null
like "its result is there" '*"exit_code":3*' "$(answer)"
equal "its spool is empty" "" "$(ls "$scratch/one")"
get "/v1/events?subject=$id" >/dev/null
like "the journal tells the claim" '*"kind":"job.claimed"*' "$(answer)"
again shell "$id"
former=$id
given shell true
like "a message that comes again is dropped, and --once goes on to the next" \
	"*$former: not to be run any more*$id: result posted*" \
	"$(amqp_agent one shell)"
given shell "echo ran >>$scratch/ran"
again shell "$id"
get '/v1/job?queue=shell&agent=http' >/dev/null
equal "a job that an HTTP agent was given" "$id" "$(answer | id_in)"
former=$id
given shell "echo ran >>$scratch/ran"
again shell "$id"
equal "a job is cancelled" 200 \
	"$(post "/v1/job/$id/action" '{"action":"cancel"}')"
cancelled=$id
given shell true
like "both are dropped too" \
	"*$former: not to be run*$cancelled: not to be run*$id: result posted*" \
	"$(amqp_agent two shell)"
equal "and none of these was run" 1 "$(wc -l <"$scratch/ran")"
# For others alone, or with the server away, a message stays where it is.
post /v1/agents/data/you '{"queues":["others"]}' >/dev/null
post /v1/job '{"job_queue":"others","exclude_agents":["me"],
"test_data":{"test_cmds":"true"}}' >/dev/null
id=$(answer | id_in)
amqp_agent one others --agent me >"$scratch/out"
equal "an agent that is excluded fails" 1 $?
like "and says so" "*$id: not claimed: status 403*" "$(cat "$scratch/out")"
url=http://127.0.0.1:1
amqp_agent one others --agent you >"$scratch/out"
equal "so does one without its server" 1 $?
url=$main
like "another is given the message" "*$id: result posted*" \
	"$(amqp_agent one others --agent you)"

# Left behind, its consumer would claim a job that nobody runs.
# shellcheck disable=SC2317 # called by within
consumes() {
	pgrep -f "^amqp-consume .*$scratch/ends" >/dev/null
}
# shellcheck disable=SC2317
ceased() {
	! consumes
}
"$top/docs/examples/amqp-agent.sh" "$url" "$amqp" ends "$scratch/ends" \
	>"$scratch/out" 2>&1 &
ending=$!
within 20 consumes
equal "an agent consumes" 0 $?
kill "$ending"
within 20 ceased
equal "and when it is ended its consumer ends too" 0 $?
kill -KILL "$ending" 2>/dev/null

# Nobody knows what the commands of a job that had begun have done, so it runs once.
given cut "echo \$\$ >>$scratch/cut; echo so far; sleep 600"
"$top/docs/examples/amqp-agent.sh" "$url" "$amqp" cut "$scratch/cutting" \
	>"$scratch/out" 2>&1 &
ending=$!
within 20 test -s "$scratch/cut"
kill "$ending"
wait "$ending"
# shellcheck disable=SC2317 # called by within
commands_ended() {
	! kill -0 "$(cat "$scratch/cut")" 2>/dev/null
}
if within 5 commands_ended; then
	ok "an agent that is ended amid a job ends its commands"
else
	not_ok "an agent that is ended amid a job ends its commands"
fi
like "and does not run it again" "*$id: interrupted, not run again*$id: result posted*" \
	"$(amqp_agent cutting cut)"
equal "so it has run once" 1 "$(wc -l <"$scratch/cut")"
get "/v1/result/$id" >/dev/null
like "its result says so" '{"exit_code":143,"output":"so far*amqp-agent: interrupted*' \
	"$(answer)"
equal "and nothing of it is left" "" "$(ls "$scratch/cutting")"

# Where it cannot be written down that they begin, as on a full disk, they do not.
mkdir "$scratch/bin"
cat >"$scratch/bin/sync" <<'SH'
#!/bin/sh
case $* in
*.begun*) exit 1 ;;
esac
exec /bin/sync "$@"
SH
chmod +x "$scratch/bin/sync"
given full "echo ran >>$scratch/fully"
PATH="$scratch/bin:$PATH" amqp_agent full full >"$scratch/out"
equal "an agent that cannot note that a job begins fails" 1 $?
get "/v1/result/$id" >/dev/null
like "and makes up no result" '*"job_state":"running"*' "$(answer)"
like "with its disk back it runs the job" "*$id: exit code 0*$id: result posted*" \
	"$(amqp_agent full full)"
equal "once" 1 "$(wc -l <"$scratch/fully")"

# killed NAME COMMANDS: an agent is killed while the commands of its job run; their
# process in $scratch/NAME.
killed() {
	given "$1" "echo \$\$ >$scratch/$1; $2; sleep 600"
	"$top/docs/examples/amqp-agent.sh" "$url" "$amqp" "$1" \
		"$scratch/$1.spool" >"$scratch/out" 2>&1 &
	ending=$!
	within 20 test -s "$scratch/$1"
	kill -KILL "$ending"
	wait "$ending" 2>/dev/null
	commands=$(cat "$scratch/$1")
	if kill -0 "$commands"; then
		ok "commands go on when their agent is killed"
	else
		not_ok "commands go on when their agent is killed"
	fi
}

# Whether process $commands has ended; one that nobody has waited for yet has.
has_ended() {
	! grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$commands/status"
}

killed stubborn "trap '' TERM"
like "the next agent reports it" \
	"*still run, ended now*$id: interrupted, not run again*$id: result posted*" \
	"$(amqp_agent stubborn.spool stubborn)"
has_ended
equal "but has ended its commands, which ignored SIGTERM" 0 $?
equal "and leaves nothing in its spool" "" "$(ls "$scratch/stubborn.spool")"
kill -KILL "$commands" 2>/dev/null

killed gone "trap 'touch $scratch/termed; exit' TERM"
equal "its job is cancelled" 200 \
	"$(post "/v1/job/$id/action" '{"action":"cancel"}')"
former=$id
given gone "! grep -s '^State:[[:space:]]*[^Z[:space:]]' /proc/$commands/status"
like "the next agent reports it late and runs another job alone" \
	"*$former: result posted late*$id: exit code 0*" \
	"$(amqp_agent gone.spool gone)"
kill -KILL "$commands" 2>/dev/null

# The number of a process may be another's by now.
sleep 600 &
commands=$!
given other.process true
printf '{"job_id":"%s"}' "$id" >"$scratch/x"
mkdir "$scratch/other.spool"
mv "$scratch/x" "$scratch/other.spool/1.job"
echo "$commands 1 $(cat /proc/sys/kernel/random/boot_id)" \
	>"$scratch/other.spool/1.job.group"
: >"$scratch/other.spool/1.job.begun"
like "a process that has the number of a former one" "*$id: result posted*" \
	"$(amqp_agent other.spool other.process)"
kill -0 "$commands"
equal "is left alone" 0 $?
kill "$commands"

/usr/bin/python3 "$top/tests/api/claim.py" "$scratch/main" "$scratch/other" \
	"$amqp" >"$scratch/claims" 2>&1
claims=$?
told "$scratch/claims"
equal "all of it runs" 0 "$claims"
finish
