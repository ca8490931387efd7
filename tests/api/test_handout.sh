#!/bin/sh
# The hand-out in two stages, the journal, explanations, and submissions that are repeated,
# over HTTP.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

start main --set OFFER_TIMEOUT=2 --set RETURN_GRACE=1

# given QUEUE [FIELDS]: a job; its id in id.
given() {
	equal "a job for $1 is accepted" 200 \
		"$(post /v1/job "{\"job_queue\":\"$1\",\"test_data\":{}${2-}}")"
	id=$(answer | id_in)
}

# poll QUEUE AGENT: prints the status and the id.
poll() {
	poll_status=$(get "/v1/job?queue=$1&agent=$2")
	printf '%s %s\n' "$poll_status" "$(answer | id_in)"
}

given two
first=$id
given two
equal "a job is offered" "200 $first" "$(poll two a1)"
equal "and again, should the answer have been lost" "200 $first" \
	"$(poll two a1)"
equal "another agent gets the next" "200 $id" "$(poll two a2)"
equal "a post that names it is its start" 200 \
	"$(as a1 "/v1/result/$first" '{"job_state":"setup"}')"
equal "then it is not offered again" "204 " "$(poll two a1)"
equal "the journal has all of it" \
	"job.submitted job.offered job.offered_again job.started job.state job.agent_returned " \
	"$(kinds "$first")"
within 10 is_state "$first" cancelled
equal "a job whose agent returned ends" cancelled "$(state "$first")"
equal "with the reason" 200 "$(get "/v1/job/$first/explain")"
like "which is told" '*agent returned without result*' "$(answer)"
equal "a late outcome is accepted" 200 \
	"$(as a1 "/v1/result/$first" '{"job_state":"complete"}')"
equal "and counts" complete "$(state "$first")"

given keep
printf 'url = "%s/v1/job?queue=keep&agent=k"\n' "$url" "$url" >"$scratch/two"
got=$(curl --silent --max-time 20 --write-out '\nstatus %{http_code}\n' \
	--config "$scratch/two" | sed -n 's/^status //p' | tr '\n' ' ')
equal "on the same connection a second poll proves that the first arrived" \
	"200 204 " "$got"

given proxy
printf 'url = "%s/v1/job?queue=proxy&agent=p"\n' "$url" "$url" >"$scratch/two"
for header in 'Via: 1.1 front' 'Forwarded: for=192.0.2.1' \
	'X-Forwarded-For: 192.0.2.1' 'X-Real-IP: 192.0.2.1'; do
	got=$(curl --silent --max-time 20 --header "$header" \
		--write-out '\nstatus %{http_code}\n' --config "$scratch/two" |
		sed -n 's/^status //p' | tr '\n' ' ')
	equal "the connection of a proxy proves nothing (${header%%:*})" \
		"200 200 " "$got"
done

given old
old=$id
equal "an offer" "200 $old" "$(poll old o1)"
within 15 is_state "$old" waiting
equal "goes back without a sign" waiting "$(state "$old")"
equal "to another agent" "200 $old" "$(poll old o2)"
equal "what the former one posts then is answered" 200 \
	"$(as o1 "/v1/result/$old" '{"job_state":"complete","status":{"test":7}}')"
equal "and changes nothing" running "$(state "$old")"
get "/v1/events?subject=$old" >/dev/null
kept=$(answer | sed -n 's/.*"kept":"\([0-9a-f-]*\)".*/\1/p')
equal "but is kept" 200 "$(get "/v1/result/$kept")"
like "as it came" '*"test":7*' "$(answer)"
equal "its log too" 200 "$(as o1 "/v1/result/$old/log/output" \
	'{"fragment_number":0,"timestamp":"2026-01-01T00:00:00Z","phase":"test","log_data":"old"}')"
get "/v1/result/$old/log/output" >/dev/null
case $(answer) in
*'"log_data":"old"'*) not_ok "apart from the job's" "$(answer)" ;;
*) ok "apart from the job's" ;;
esac
get "/v1/result/$kept/log/output" >/dev/null
like "where the rest is" '*"log_data":"old"*' "$(answer)"

given left
equal "an offer is made" "200 $id" "$(poll left l1)"
equal "and given back when the agent asks elsewhere" "204 " \
	"$(poll elsewhere l1)"
equal "at once" "200 $id" "$(poll left l2)"

given gone
equal "cancelled" 200 "$(post "/v1/job/$id/action" '{"action":"cancel"}')"
for word in waiting setup complete; do
	equal "$word after the end is answered" 200 \
		"$(post "/v1/result/$id" "{\"job_state\":\"$word\"}")"
	equal "and changes nothing" cancelled "$(state "$id")"
done
equal "but stands in the journal" \
	"job.submitted job.cancelled job.ignored job.ignored job.ignored " \
	"$(kinds "$id")"

given why
equal "why a job waits" 200 "$(get "/v1/job/$id/explain")"
like "nobody serves its queue" '*"code":"no_agent"*' "$(answer)"
as w1 /v1/agents/data/w1 '{"queues":["why","other"],"state":"waiting"}' \
	>/dev/null
get "/v1/job/$id/explain" >/dev/null
like "now somebody does" '*"name":"w1"*"reasons":\[{"code":"soon"*' "$(answer)"
as w1 /v1/agents/data/w1 '{"state":"offline","comment":"broken arm"}' \
	>/dev/null
get "/v1/job/$id/explain" >/dev/null
like "but is offline" '*"code":"all_away"*' "$(answer)"
like "for the reason it gives" '*"comment":"broken arm"*' "$(answer)"
as w1 /v1/agents/data/w1 '{"state":"waiting"}' >/dev/null
given other ',"job_priority":0'
given why
get "/v1/job/$id/explain" >/dev/null
like "two jobs are before it on the queues that its agent serves" \
	'*"ahead":2*' "$(answer)"
like "how long is not known" '*"estimate":null*' "$(answer)"
get "/v1/job/$old/explain" >/dev/null
like "what became of another" '*"code":"offered"*' "$(answer)"
like "and who has it, since when" '{"agent":"*"since":"2*' "$(answer)"
get "/v1/job/00000000-0000-0000-0000-000000000000/explain" >"$scratch/s"
equal "an unknown job is 404" 404 "$(cat "$scratch/s")"

given still
gone=$id
equal "an agent takes a job" "200 $gone" "$(poll still s1)"
as s1 /v1/agents/data/s1 \
	"{\"queues\":[\"still\"],\"state\":\"provision\",\"job_id\":\"$gone\"}" \
	>/dev/null
equal "which is cancelled" 200 \
	"$(post "/v1/job/$gone/action" '{"action":"cancel"}')"
given still
get "/v1/job/$id/explain" >/dev/null
like "while the agent says that it is at it, it is busy" \
	"*\"busy_with\":\"$gone\"*\"busy_ended\":true*\"code\":\"all_busy\"*" \
	"$(answer)"
get "/v1/job/$gone/explain" >/dev/null
like "as the job itself tells" '*"code":"agent_still_runs"*' "$(answer)"
poll elsewhere s1 >/dev/null
get "/v1/job/$id/explain" >/dev/null
like "until it asks for work" '*"code":"soon"*' "$(answer)"
get "/v1/job/$gone/explain" >/dev/null
case $(answer) in
*agent_still_runs*) not_ok "for the job, too" "$(answer)" ;;
*) ok "for the job, too" ;;
esac

given late ',"queue_timeout":1'
within 10 is_state "$id" cancelled
equal "a job that nobody takes in its time ends" cancelled "$(state "$id")"
get "/v1/job/$id/explain" >/dev/null
like "with that reason" '*no agent took it within queue_timeout*' "$(answer)"
equal "and is not handed out" "204 " "$(poll late z)"

# keyed KEY JSON: a submission with that key; prints the status.
keyed() {
	curl --silent --max-time 20 --output "$scratch/answer" \
		--write-out '%{http_code}' --header "Idempotency-Key: $1" \
		--header 'Content-Type: application/json' --data "$2" \
		"$url/v1/job"
}

equal "a submission with a key" 200 "$(keyed k1 '{"job_queue":"idem"}')"
id=$(answer | id_in)
equal "is repeated" 200 "$(keyed k1 '{"job_queue":"idem"}')"
equal "with the same answer" "$id" "$(answer | id_in)"
equal "another content is refused" 422 "$(keyed k1 '{"job_queue":"idem2"}')"
equal "another key is another job" 200 "$(keyed k2 '{"job_queue":"idem"}')"
equal "there are two jobs" 2 "$(take_all idem | wc -l | tr -d ' ')"
equal "also after its end" 200 "$(keyed k1 '{"job_queue":"idem"}')"
equal "it is the same job" "$id" "$(answer | id_in)"
equal "and no third" 0 "$(take_all idem | wc -l | tr -d ' ')"
equal "a key of other characters is 400" 400 "$(keyed 'a b' '{"job_queue":"q"}')"

equal "events from a number on" 200 "$(get "/v1/events?after=0&limit=2")"
like "are as many as asked for" '*"last":2}' "$(answer)"
equal "a bad number names the parameter" 422 "$(get "/v1/events?after=x")"
like "in the shape of all errors" '*"query":{"after":*' "$(answer)"

equal "events of a kind" 200 "$(get "/v1/events?kind=job.ended&limit=1")"
like "are of that kind" '{"events":\[{*"kind":"job.ended",*}\],"last":*' "$(answer)"
get "/v1/events?kind=job.ended&kind=agent.&limit=1000" >/dev/null
equal "or of one of several" "" "$(answer | tr , '\n' | grep '^"kind"' |
	grep -v -e '"job.ended"' -e '"agent\.')"
equal "an unknown kind is refused" 422 "$(get '/v1/events?kind=job.&kind=job.end')"
like "and named" '{"detail":{"query":{"kind":{"1":\["Not a kind of event*' "$(answer)"
for kind in $(tr '\140' '\n' <"$top/docs/API.md" |
	grep -x '\(job\|agent\|queue\|client\)\.[a-z_]*' | sort -u); do
	[ "$(get "/v1/events?kind=$kind&limit=1")" = 200 ] ||
		not_ok "a kind that API.md has is known: $kind"
done

# Rows of queue_front that were removed by hand, of a queue in which nothing else happens.
given hidden
flock "$scratch/main/data/state.db.lock" sqlite3 "$scratch/main/data/state.db" \
	'PRAGMA wal_autocheckpoint=0' 'DELETE FROM queue_front' >/dev/null
equal "a job that no front names is not found" "204 " "$(poll hidden a)"
"$top/spawn/restart" --dir "$scratch/main" >"$scratch/restart" 2>&1 ||
	not_ok "a restart" "$(cat "$scratch/restart")"
# shellcheck disable=SC2317 # called by within
is_offered() {
	[ "$(poll hidden a)" = "200 $id" ]
}
within 10 is_offered || not_ok "a look at all queues brings it back"
finish
