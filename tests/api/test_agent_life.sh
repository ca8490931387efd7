#!/bin/sh
# Agents and their queues over time: idle ones cost no write, silent ones are
# forgotten, and a restart knows who was there.

# shellcheck disable=SC2317 # functions that within() calls
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# Bytes of the store's log, which grows by each commit.
log_size() {
	wc -c <"$scratch/$1/data/state.db-wal"
}

state_is() {
	[ "$(get "/v1/agents/data/$1")" = "$2" ]
}

not_listed() {
	get /v1/agents/queues >/dev/null
	! answer | grep -q "\"$1\""
}

updated_at() {
	get /v1/agents/data/idle >/dev/null
	answer | sed -n 's/.*"updated_at":"\([^"]*\)".*/\1/p'
}

moved_on() {
	post /v1/agents/data/idle '{"state":"waiting"}' >/dev/null
	[ "$(updated_at)" != "$1" ]
}

# What an idle agent does all day.
idle() {
	post /v1/agents/data/idle '{"state":"waiting","comment":""}'
	post /v1/agents/queues '{"life":"a queue","life2":""}'
	post /v1/agents/images '{"life":{"i":"url: x"}}'
	get /v1/agents/data/idle
	get '/v1/job?queue=life&agent=idle'
}

start quiet --set AMQP_URI=
idle >/dev/null
before=$(log_size quiet)
codes=$(idle && idle && idle)
equal 'an idle agent is answered' \
	200200200200204200200200200204200200200200204 "$codes"
equal 'an idle agent costs no write' "$before" "$(log_size quiet)"
stamp=$(updated_at)
if within 10 moved_on "$stamp"; then
	ok 'an unchanged post moves updated_at'
else
	not_ok 'an unchanged post moves updated_at' "$stamp"
fi
equal 'and costs no write' "$before" "$(log_size quiet)"

# The times of a generation that has gone are there for the next.
stamp=$(updated_at)
"$top/spawn/restart" --dir "$scratch/quiet" >"$scratch/restart" 2>&1 ||
	not_ok 'the instance restarts' "$(cat "$scratch/restart")"
equal 'a restart knows when agents were seen' "$stamp" "$(updated_at)"

# So does a server that has lost the map: it was written down at the end.
stop quiet
rm "$scratch/quiet/data/seen"
start quiet --set AMQP_URI=
equal 'a lost map is made good by the store' "$stamp" "$(updated_at)"
stop quiet
printf 'no map at all' >"$scratch/quiet/data/seen"
start quiet --set AMQP_URI=
equal 'so is a damaged one' "$stamp" "$(updated_at)"

start short --set AMQP_URI= --set AGENT_MAX_AGE=3 --set QUEUE_MAX_AGE=3
post /v1/agents/data/silent '{"state":"waiting"}' >/dev/null
post /v1/agents/queues '{"silent":"x"}' >/dev/null
post /v1/agents/images '{"silent":{"i":"x"},"pictures":{"i":"x"}}' >/dev/null
post /v1/job '{"job_queue":"used"}' >/dev/null

# One goes on, the other does not.
one_goes_on() {
	post /v1/agents/data/talker '{"state":"waiting"}' >/dev/null
	post /v1/agents/queues '{"talker":"x"}' >/dev/null
	state_is silent 404 && not_listed silent
}
if within 30 one_goes_on; then
	ok 'silent agents and queues are forgotten'
else
	not_ok 'silent agents and queues are forgotten' "$(answer)"
fi
equal 'who goes on talking is kept' 200 "$(get /v1/agents/data/talker)"
get /v1/agents/queues >/dev/null
equal 'and so is its queue, and one with nothing but images' \
	'{"pictures":"","talker":"x"}' "$(answer)"
get /v1/agents/images/silent >/dev/null
equal 'images of a forgotten queue go with it' '{}' "$(answer)"
equal 'a queue with jobs stays' 200 "$(get '/v1/job?queue=used&agent=talker')"

finish
