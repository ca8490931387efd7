#!/bin/sh
# Agents that fall silent while they have a job, over HTTP.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

start main --set AGENT_LOST_TIMEOUT=3 --set AGENT_LOST_TIMEOUT_QUIET=600

# begun QUEUE AGENT PHASE [FIELDS]: a job that the agent is at; its id in id.
begun() {
	equal "a job for $1 is accepted" 200 \
		"$(post /v1/job "{\"job_queue\":\"$1\",\"test_data\":{}${4-}}")"
	id=$(answer | id_in)
	at "$1" "$2" "$3" "$id"
}

# at QUEUE AGENT PHASE ID: the agent takes the job and begins the phase.
at() {
	equal "$2 takes a job" 200 "$(get "/v1/job?queue=$1&agent=$2")"
	equal "the one meant" "$4" "$(answer | id_in)"
	equal "and is in $3" 200 \
		"$(as "$2" "/v1/result/$4" "{\"job_state\":\"$3\"}")"
}

# has_event ID KIND
# shellcheck disable=SC2317 # called by within
has_event() {
	case " $(kinds "$1")" in
	*" $2 "*) true ;;
	*) false ;;
	esac
}

# While agents do what ordinary ones do: one asks for the result of its job, one posts its
# own data, one without a name posts about its job.
# shellcheck disable=SC2317 # called by within
has_event_meanwhile() {
	as poller "/v1/result/$polled" >/dev/null
	as teller /v1/agents/data/teller '{"comment":"at work"}' >/dev/null
	post "/v1/result/$nameless" '{"job_state":"test"}' >/dev/null
	has_event "$1" "$2"
}

begun quiet provisioner provision
quiet=$id
begun polled poller test
polled=$id
begun told teller test
told=$id
begun nameless nobody test
nameless=$id
begun wait w test
if within 40 has_event_meanwhile "$id" job.lost; then
	ok "an agent that says nothing is lost"
else
	not_ok "an agent that says nothing is lost" "$(kinds "$id")"
fi
equal "its job waits" test "$(state "$id")"
get "/v1/job/$id/explain" >/dev/null
like "and says so" '*"code":"agent_lost"*' "$(answer)"
for other in "$quiet" "$polled" "$told" "$nameless"; do
	case $(kinds "$other") in
	*job.lost*) not_ok "others are not lost" "$(kinds "$other")" ;;
	*) ok "others are not lost" ;;
	esac
done

equal "the agent asks for the result" 200 "$(as w "/v1/result/$id")"
if within 20 has_event "$id" job.heard; then
	ok "and is heard of again"
else
	not_ok "and is heard of again" "$(kinds "$id")"
fi

begun fail f test ',"agent_lost_policy":"fail"'
within 40 is_state "$id" cancelled
equal "a job may end when its agent is lost" cancelled "$(state "$id")"
equal "the journal has all of it" \
	"job.submitted job.offered job.started job.state job.lost job.ended " \
	"$(kinds "$id")"
get "/v1/job/$id/explain" >/dev/null
like "with the reason" '*"text":"It ended at 2*Z: agent lost."*' "$(answer)"
equal "a late outcome is accepted" 200 \
	"$(as f "/v1/result/$id" '{"job_state":"complete"}')"
equal "and counts" complete "$(state "$id")"

equal "a job with attachments is accepted" 200 "$(post /v1/job \
	'{"job_queue":"again","agent_lost_policy":"retry","test_data":{"attachments":[{"agent":"x"}]}}')"
id=$(answer | id_in)
printf 'attached' >"$scratch/file"
equal "its attachments come" 200 "$(curl --silent --max-time 20 \
	--output "$scratch/answer" --write-out '%{http_code}' \
	--form "file=@$scratch/file" "$url/v1/job/$id/attachments")"
at again r1 test "$id"
within 40 has_event "$id" job.retried
get "/v1/job/$id" >/dev/null
again=$(answer | sed -n 's/.*"retried_as":"\([0-9a-f-]*\)".*/\1/p')
equal "a job may run once more" cancelled "$(state "$id")"
get "/v1/job/$again" >/dev/null
like "as a new one, linked with the former" "*\"retry_of\":\"$id\"*" \
	"$(answer)"
equal "it is handed out" 200 "$(get "/v1/job?queue=again&agent=r2")"
equal "by its id" "$again" "$(answer | id_in)"
like "its attachments are there" '*"attachments_status":"complete"*' \
	"$(answer)"
equal "for its agent" 200 "$(as r2 "/v1/job/$again/attachments")"
equal "as they came" attached "$(answer)"
equal "the journal tells of the former" \
	"job.submitted job.offered job.started " "$(kinds "$again")"

equal "names of links are the server's" 422 \
	"$(post /v1/job '{"job_queue":"q","retry_of":"x"}')"
finish
