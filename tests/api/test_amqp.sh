#!/bin/sh
# Jobs on a real RabbitMQ: what consumers get, and what a broker that dies or
# stalls does to submitters.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=broker.sh
. "$top/tests/api/broker.sh"

drain() {
	/usr/bin/python3 "$top/tests/api/drain.py" "$@"
}

# The member $1 of the JSON object on standard input.
json_member() {
	/usr/bin/python3 -c '
import json, sys
print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

# Members that would not survive being read and written again.
odd='"n":1.10,"big":18446744073709551616,"huge":1e400, "t" : "ä\u00e9\/","o":{ }'

test_consume() {
	body="{\"job_queue\":\"tools\",$odd}"
	equal "a job is accepted" 200 "$(post /v1/job "$body")"
	id=$(answer | id_in)
	got=$(timeout 20 amqp-consume --url="$amqp" --queue=tools --count=1 cat)
	equal "amqp-consume gets the posted bytes with job_id added" \
		"${body%\}},\"job_id\":\"$id\"}" "$got"
}

test_kombu() {
	body="{\"job_queue\":\"kombu\",$odd}"
	post /v1/job "$body" >/dev/null
	id=$(answer | id_in)
	got=$(drain "$amqp" kombu 1 10)
	equal "kombu gets the posted text with job_id added" \
		"${body%\}},\"job_id\":\"$id\"}" \
		"$(printf '%s' "$got" | json_member body)"
	for pair in "message_id $id" 'content_type text/plain' \
		'content_encoding utf-8' 'delivery_mode 2' 'priority 0'; do
		equal "the message has ${pair%% *} ${pair##* }" "${pair##* }" \
			"$(printf '%s' "$got" | json_member "${pair%% *}")"
	done
}

test_consumer_first() {
	drain "$amqp" first 0
	equal "a queue that a consumer declared is no conflict" 200 \
		"$(post /v1/job '{"job_queue":"first"}')"
	id=$(answer | id_in)
	equal "the consumer that came first gets the job" "$id" \
		"$(drain "$amqp" first 1 10 | json_member message_id)"
}

test_ordinary_job() {
	body='{"job_queue":"plain","test_data":{"test_cmds":"true"}}'
	post /v1/job "$body" >/dev/null
	id=$(answer | id_in)
	like "a job with sections has its id and default in the message" \
		"${body%\}},*\"job_id\":\"$id\"*}" \
		"$(drain "$amqp" plain 1 10 | json_member body)"
}

test_repeat() {
	id=$(cat /proc/sys/kernel/random/uuid)
	body="{\"job_queue\":\"repeat\",\"job_id\":\"$id\"}"
	post /v1/job "$body" >/dev/null
	post /v1/job "$body" >/dev/null
	equal "a repeated submission is one message" "$id" \
		"$(drain "$amqp" repeat 9 2 | sed -n 's/.*"message_id": "\([^"]*\)".*/\1/p')"
}

# post_many QUEUE COUNT NAME: a line "status seconds" for each in NAME.times,
# the accepted ids in NAME.ids.
post_many() {
	i=0
	while [ "$i" -lt "$2" ] && [ ! -e "$scratch/$3.stop" ]; do
		i=$((i + 1))
		curl --silent --max-time 20 --output "$scratch/$3.answer" \
			--write-out '%{http_code} %{time_total}\n' \
			--header 'Content-Type: application/json' \
			--data-binary "{\"job_queue\":\"$1\",\"n\":$i}" \
			"$url/v1/job" >>"$scratch/$3.times"
		id_in <"$scratch/$3.answer" >>"$scratch/$3.ids"
	done
}

# check_posts NAME TEXT
check_posts() {
	equal "$2: every submission is answered 200 within 2.5 s" "" \
		"$(awk '$1 != 200 || $2 > 2.5' "$scratch/$1.times")"
	equal "$2: every submission has an id" \
		"$(wc -l <"$scratch/$1.times")" "$(wc -l <"$scratch/$1.ids")"
}

# check_arrival QUEUE NAME TEXT
check_arrival() {
	: >"$scratch/$2.came"
	if within 60 all_arrived "$amqp" "$1" "$scratch/$2.ids" \
		"$scratch/$2.came"; then
		ok "$3: every accepted job is on its queue in the end"
	else
		not_ok "$3: every accepted job is on its queue in the end" \
			"$(comm -23 "$scratch/$2.ids.set" "$scratch/$2.came.set")"
	fi
	equal "$3: nothing else is there" "" \
		"$(comm -13 "$scratch/$2.ids.set" "$scratch/$2.came.set")"
}

test_stall() {
	broker=$(broker_pid main)
	kill -STOP "$broker"
	post_many stall 12 stall
	equal "reads go on while the broker stalls" 204 \
		"$(get /v1/result/00000000-0000-0000-0000-0000000000ff)"
	equal "jobs are handed out over HTTP while the broker stalls" 200 \
		"$(get '/v1/job?queue=stall&agent=a')"
	# Taken before it could be sent: nobody waits for that message any more.
	taken=$(answer | id_in)
	kill -CONT "$broker"
	grep -vF "$taken" "$scratch/stall.ids" >"$scratch/stalled.ids"
	check_posts stall "a stalled broker"
	: >"$scratch/stalled.came"
	if within 60 all_arrived "$amqp" stall "$scratch/stalled.ids" \
		"$scratch/stalled.came"; then
		ok "a stalled broker: every job is on its queue in the end"
	else
		not_ok "a stalled broker: every job is on its queue in the end"
	fi
}

test_kill() {
	broker_note main
	post_many kill 2000 kill &
	poster=$!
	within 10 test -s "$scratch/kill.ids"
	kill -KILL "$(broker_pid main)"
	broker_again
	if within 60 broker_answers "$amqp"; then
		ok "the broker is back after kill -9"
	else
		not_ok "the broker is back after kill -9" \
			"$(tail -n 20 "$scratch/broker.out")"
	fi
	: >"$scratch/kill.stop"
	wait "$poster"
	check_posts kill "a killed broker"
	check_arrival kill kill "a killed broker"
}

# Whether a queue stands on the broker, without making it.
queue_exists() {
	amqp-get --url="$amqp" --queue="$1" >/dev/null 2>"$scratch/get.err"
	! grep -q NOT_FOUND "$scratch/get.err"
}

test_max_queues() {
	start few --set MAX_QUEUES=2 --set "AMQP_URI=$amqp"
	equal "the first queue is known" 200 "$(post /v1/job '{"job_queue":"few1"}')"
	equal "the second queue is known" 200 "$(post /v1/job '{"job_queue":"few2"}')"
	equal "a queue beyond MAX_QUEUES is refused" 422 \
		"$(post /v1/job '{"job_queue":"few3"}')"
	like "the refusal names the field" '*"json":{"job_queue":\[*' "$(answer)"
	equal "a known queue goes on" 200 "$(post /v1/job '{"job_queue":"few1"}')"
	if queue_exists few1 && ! queue_exists few3; then
		ok "the broker never hears of the refused queue"
	else
		not_ok "the broker never hears of the refused queue" \
			"$(cat "$scratch/get.err")"
	fi
	url=$main_url
}

test_agent() {
	agent="$top/docs/examples/amqp-agent.sh"
	body='{"job_queue":"agents","test_data":{"test_cmds":"printf \"a\\\"b\\\\\\\\\\n\\303\\251\"; exit 3"}}'
	post /v1/job "$body" >/dev/null
	id=$(answer | id_in)
	out=$(timeout 60 "$agent" --once "$url" "$amqp" agents \
		"$scratch/spool" 2>&1)
	equal "the example agent ends well" 0 $?
	equal "its result is there" 200 "$(get "/v1/result/$id")"
	equal "the result has exit code and output" \
		'{"exit_code":3,"output":"a\"b\\\né"}' "$(answer)"
	equal "nothing is left in the spool" "" \
		"$(ls "$scratch/spool")"
	like "the agent tells what it did" "*$id: exit code 3*" "$out"
	# What a broker may do: send the same once more.
	printf '%s' "{\"job_id\":\"$id\",\"test_data\":{\"test_cmds\":\"touch $scratch/twice\"}}" |
		amqp-publish --url="$amqp" --exchange=agents --routing-key=agents
	# The agent goes on to this one.
	post /v1/job '{"job_queue":"agents"}' >/dev/null
	timeout 60 "$agent" --once "$url" "$amqp" agents "$scratch/spool" \
		>/dev/null 2>&1
	if [ -e "$scratch/twice" ]; then
		not_ok "a job that is sent twice runs once"
	else
		ok "a job that is sent twice runs once"
	fi
}

# What the server takes no part of is left out, and the next job has its turn.
test_agent_long_result() {
	start short --set RESULT_BODY_MAX=1024 --set "AMQP_URI=$amqp"
	post /v1/job '{"job_queue":"short","test_data":{"test_cmds":"yes | head -n 3000; exit 5"}}' \
		>/dev/null
	id=$(answer | id_in)
	timeout 60 "$agent" --once "$url" "$amqp" short "$scratch/spool3" \
		>"$scratch/out" 2>&1
	equal "the example agent ends well with output that is too long" 0 $?
	get "/v1/result/$id" >/dev/null
	like "its result has the exit code and says what is missing" \
		'{"exit_code":5,"output":"*left out*"}' "$(answer)"
	equal "nothing is left in that spool" "" "$(ls "$scratch/spool3")"
	stop short
	url=$main_url
}

# log_of JOB: what its log of the test phase holds.
log_of() {
	get "/v1/result/$1" >/dev/null
	json_member test_output <"$scratch/answer"
}

# agent_runs TEXT COMMANDS: for the instance account; the job in id.
agent_runs() {
	post /v1/job "{\"job_queue\":\"agents\",\"test_data\":{\"test_cmds\":\"$2\"}}" \
		>/dev/null
	id=$(answer | id_in)
	AGENT_LOGIN='lab:a secret of the lab' timeout 60 "$agent" --once "$url" \
		"$at" agents "$scratch/spool2" >"$scratch/out" 2>&1
	equal "$1: the agent ends well" 0 $?
	equal "$1: nothing is left in its spool" "" "$(ls "$scratch/spool2")"
	get "/v1/result/$id" >/dev/null
	like "$1: the job is complete" '*"job_state":"complete"*' "$(answer)"
}

# Longer than LOG_BODY_MAX, with characters and escapes that a cut could go through.
test_agent_long_log() {
	text="output of 400 kB"
	odd_line='a"b\c	é'
	{
		yes "$odd_line" | head -n 20000
		yes "$odd_line" | head -n 10000 | tr -d '\n'
		echo
	} >"$scratch/long"
	agent_runs "$text" "cat $scratch/long"
	log_of "$id" >"$scratch/long.log"
	equal "$text: its log is whole" "$(cksum <"$scratch/long")" \
		"$(head -c -1 "$scratch/long.log" | cksum)"
	text="output of which no piece is taken"
	sed -i 's/^LOG_BODY_MAX.*/LOG_BODY_MAX = 1024/' \
		"$scratch/account/conf/testflinger.conf"
	"$top/spawn/restart" --dir "$scratch/account" >"$scratch/restart" 2>&1 ||
		not_ok "$text: the limit is lower" "$(cat "$scratch/restart")"
	agent_runs "$text" "cat $scratch/long"
	like "$text: its log says so" '*left out*' "$(log_of "$id" | head -n 1)"
}

# On a server that asks who it is, the same as the consumer of a message and by itself.
test_agent_with_account() {
	start account --rabbitmq --set LOG_BODY_MAX=100000 --set ANONYMOUS_ROLES=contributor \
		--set JWT_SIGNING_KEY=0123456789abcdef0123456789abcdef
	echo 'a secret of the lab' | "$BUILD/testflingerctl" \
		--config "$scratch/account/conf/testflinger.conf" \
		client add --role agent lab >/dev/null 2>&1 ||
		not_ok "there is an account"
	post /v1/job '{"job_queue":"agents","test_data":{"test_cmds":"env | grep AGENT_; echo done"}}' \
		>/dev/null
	id=$(answer | id_in)
	at=$(amqp_url_of account)
	timeout 60 "$agent" --once "$url" "$at" agents "$scratch/spool2" \
		>"$scratch/out" 2>&1
	equal "the example agent without a log-in leaves the job" 1 $?
	AGENT_LOGIN='lab:a secret of the lab' timeout 60 "$agent" --once "$url" \
		"$at" agents "$scratch/spool2" >"$scratch/out" 2>&1
	equal "with one it ends well" 0 $?
	equal "its result is there" 200 "$(get "/v1/result/$id")"
	equal "with exit code and output, and the job did not get the log-in" \
		'{"job_state":"complete","test_status":0,"test_output":"done\n"}' \
		"$(answer)"
	equal "nothing is left in its spool" "" "$(ls "$scratch/spool2")"
	test_agent_long_log
	stop account
	url=$main_url
}

need amqp-consume amqp-declare-queue /usr/sbin/rabbitmq-server
broker=
# The broker that broker_again has started is ours to end.
trap '[ -z "$broker" ] || kill -KILL "$broker" 2>/dev/null; cleanup' EXIT
start main --rabbitmq
main_url=$url
amqp=$(amqp_url_of main)
test_consume
test_kombu
test_consumer_first
test_ordinary_job
test_repeat
test_max_queues
test_agent
test_agent_long_result
test_agent_with_account
test_stall
test_kill
finish
