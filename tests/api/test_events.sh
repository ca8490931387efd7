#!/bin/sh
# POST /v1/job/<id>/events with a webhook of our own.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

requests="$scratch/requests"
: >"$requests"
mkfifo "$scratch/stop"
"$top/tests/api/webhook.py" "$requests" <"$scratch/stop" >"$scratch/ports" &
# The webhook ends with this script.
exec 9>"$scratch/stop"
within 20 test -s "$scratch/ports" || not_ok "the webhook starts"
read -r port closed <"$scratch/ports"
hook="http://127.0.0.1:$port"

# send PATH [FIELDS]: report to a webhook at PATH; prints the status.
send() {
	post "/v1/job/$id/events" "{${2-}\"job_status_webhook\":\"$1\"}"
}

given_job() {
	post /v1/job '{"job_queue":"q"}' >/dev/null
	id=$(answer | id_in)
}

message() {
	printf '{"detail":{},"message":"%s"}' "$1"
}

# The named member of the last request, or of its headers.
last() {
	tail -n 1 "$requests" | /usr/bin/python3 -c '
import json, sys
at = json.loads(sys.stdin.read())
for key in sys.argv[1:]:
    at = at.get(key)
print(at)' "$@"
}

start main --set "WEBHOOK_URL=$hook/" --set WEBHOOK_AUTH=s3cret
given_job

equal "a report is passed on" 200 "$(send "$hook/a/b?c=d" \
	'"agent_id":"me","events":[{"event_name":"n","timestamp":"t"}],')"
equal "the webhook's answer is the agent's" "OK /a/b?c=d" "$(answer)"
equal "it is sent with PUT" PUT "$(last method)"
equal "to its path" "/a/b?c=d" "$(last path)"
equal "with the token" "Bearer s3cret" "$(last headers authorization)"
equal "as JSON" application/json "$(last headers content-type)"
equal "without the webhook, and else as it came" \
	'{"agent_id":"me","events":[{"event_name":"n","timestamp":"t"}]}' \
	"$(last body)"

type=$(curl --silent --max-time 20 --output /dev/null \
	--write-out '%{content_type}' --header 'Content-Type: application/json' \
	--data "{\"job_status_webhook\":\"$hook/status/201\"}" \
	"$url/v1/job/$id/events")
equal "the answer is text" "text/html; charset=utf-8" "$type"
for status in 200 201 400 404 410 500 503; do
	equal "$status is passed on" "$status" "$(send "$hook/status/$status")"
	equal "with its body" "it is $status" "$(answer)"
done
equal "204 is passed on" 204 "$(send "$hook/status/204")"
count=$(grep -c . "$requests")
equal "a redirect is passed on" 302 "$(send "$hook/redirect")"
equal "and not followed" $((count + 1)) "$(grep -c . "$requests")"
for status in 401 403; do
	equal "$status is about our token" 500 "$(send "$hook/status/$status")"
	equal "and says so" "$(message "Webhook authentication failed")" \
		"$(answer)"
done

equal "an endless answer is cut" 200 "$(send "$hook/endless")"
equal "after 64 KiB" 65536 "$(wc -c <"$scratch/answer" | tr -d ' ')"
equal "what fails before an answer is tried again" 200 \
	"$(send "$hook/torn-once/$id")"
equal "and not more than once" "502 2" "$(send "$hook/torn") $(
	grep -c '"/torn"' "$requests")"
equal "then it is unreachable" "$(message "Webhook unreachable")" "$(answer)"

(send "$hook/hang" >"$scratch/hung") &
hanging=$!
within 10 grep -q '"/hang"' "$requests"
equal "one that hangs holds up no other" 200 "$(send "$hook/x")"
if [ -s "$scratch/hung" ]; then
	not_ok "it was answered while the other hung"
else
	ok "it was answered while the other hung"
fi
wait "$hanging"
equal "one that hangs is given up" 504 "$(cat "$scratch/hung")"
equal "that is said" 504 "$(send "$hook/hang")"
equal "in words" "$(message "Webhook Timeout")" "$(answer)"

count=$(grep -c . "$requests")
for other in "http://127.0.0.1:$closed/" "https://127.0.0.1:$port/" \
	"http://localhost:$port/" "http://u@127.0.0.1:$port/" \
	"http://127.0.0.1:$port@localhost/" "http://127.0.0.1/"; do
	equal "$other is somewhere else" 403 "$(send "$other")"
	equal "and not called" \
		"$(message "Invalid job_status_webhook URL specified")" \
		"$(answer)"
done
equal "an address that is none is a fault" 422 "$(send "http://host/")"
equal "the fault is named" \
	'{"detail":{"json":{"job_status_webhook":["Not a valid URL."]}},"message":"Validation error"}' \
	"$(answer)"
id=$(printf %s "$id" | tr '0-9a-f' '1-9a-f0')
equal "an unknown job is not found" 404 "$(send "$hook/x")"
equal "that is said in JSON" "$(message "Job not found")" "$(answer)"
id=zz
equal "a bad id is refused" 400 "$(send "$hook/x")"
equal "in JSON" "$(message "Invalid job_id specified")" "$(answer)"
equal "after the body" 422 "$(send x)"
equal "nothing of that was sent" "$count" "$(grep -c . "$requests")"
stop main

start away --set "WEBHOOK_URL=http://127.0.0.1:$closed"
given_job
equal "a webhook that is away is unreachable" 502 \
	"$(send "http://127.0.0.1:$closed/")"
equal "it is said" "$(message "Webhook unreachable")" "$(answer)"
stop away

start none
given_job
equal "without a webhook configured there is none" 501 "$(send "$hook/x")"
equal "and it is said" "$(message "Webhook URL not configured")" "$(answer)"
stop none

HTTP_PROXY=$hook
export HTTP_PROXY
start proxy --set WEBHOOK_URL=http://hook.example
unset HTTP_PROXY
given_job
equal "the proxy of the environment is asked" 200 \
	"$(send http://hook.example/status/1)"
equal "for the whole address" http://hook.example/status/1 "$(last path)"
equal "without a token if there is none" None "$(last headers authorization)"
stop proxy

HTTP_PROXY=$hook
NO_PROXY=127.0.0.1
export HTTP_PROXY NO_PROXY
start direct --set "WEBHOOK_URL=$hook"
unset HTTP_PROXY NO_PROXY
given_job
equal "but not where it need not" 200 "$(send "$hook/direct")"
equal "the address is then a path" /direct "$(last path)"
stop direct

# Should it start all the same, it is stopped with the others.
instances="$instances bad"
"$top/spawn/up" --no-install --port 0 --dir "$scratch/bad" \
	--set WEBHOOK_URL=ftp://hook.example >"$scratch/bad.up" 2>&1
equal "an address that cannot be called refuses the start" 1 $?
like "and is named" '*WEBHOOK_URL*' "$(cat "$scratch/bad.up")"

exec 9>&-
finish
