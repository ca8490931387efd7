#!/bin/sh
# testflingerctl beside a running server, and the security log of what comes over HTTP.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

jwt=$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')
first=$(head -c 32 /dev/urandom | base64)
second=$(head -c 32 /dev/urandom | base64)

# start_lab OPTION...: the instance, on the same data each time.
start_lab() {
	start lab --set JOB_FIELDS=strict --set ANONYMOUS_ROLES=contributor \
		--set AMQP_URI= --set JWT_SIGNING_KEY="$jwt" \
		--set TOKEN_FAILURES_MAX=2 "$@"
}

# ctl ARGUMENT...: its status; what it said is in $scratch/said and $scratch/told.
ctl() {
	"$BUILD/testflingerctl" --config "$scratch/lab/conf/testflinger.conf" \
		"$@" >"$scratch/said" 2>"$scratch/told" </dev/null
}

# ctl_ends CASE STATUS ARGUMENT...
ctl_ends() {
	ends_case=$1
	ends_status=$2
	shift 2
	ctl "$@"
	ends_got=$?
	if [ "$ends_got" -eq "$ends_status" ]; then
		ok "$ends_case"
	else
		not_ok "$ends_case" "wanted $ends_status, got $ends_got
$(cat "$scratch/said" "$scratch/told")"
	fi
}

# http METHOD PATH OPTION...: prints the status; the answer is in $scratch/answer.
http() {
	http_method=$1
	http_path=$2
	shift 2
	: >"$scratch/answer"
	curl --silent --max-time 30 --output "$scratch/answer" \
		--write-out '%{http_code}' --request "$http_method" "$@" \
		"$url$http_path"
}

# The string under a key of the JSON answer.
answered() {
	sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$scratch/answer"
}

# login ID SECRET: prints the status; tokens in access and refresh.
login() {
	http POST /v1/oauth2/token --user "$1:$2"
}

test_clients() {
	ctl_ends "a client is made" 0 client add --role admin --new-secret \
		--max-priority '*=5' --max-priority q=9 \
		--max-reservation '*=30000' --email boss@example.org boss
	boss=$(sed -n 's/^Its secret is shown this once: //p' "$scratch/said")
	equal "its secret is made and told" 32 "${#boss}"
	like "and what to do next" '*Next: log in with it*POST ADDRESS/v1/*Write for ADDRESS where *' \
		"$(cat "$scratch/said")"
	equal "and good at once" 200 "$(login boss "$boss")"
	access=$(answered access_token)
	TESTFLINGER_PUBLIC_URL=https://lab.example.org/
	export TESTFLINGER_PUBLIC_URL
	ctl client add --new-secret guest
	unset TESTFLINGER_PUBLIC_URL
	like "where, if the configuration tells" \
		'* https://lab.example.org/v1/oauth2/token*' \
		"$(cat "$scratch/said")"
	ctl client remove guest
	ctl_ends "it is shown" 0 client show boss
	equal "with what was given" \
		'{"client_id":"boss","email":"boss@example.org","max_priority":{"*":5,"q":9},"max_reservation_time":{"*":30000},"role":"admin"}' \
		"$(cat "$scratch/said")"
	ctl client list
	equal "and listed" "[$(ctl client show boss && cat "$scratch/said")]" \
		"$(ctl client list && cat "$scratch/said")"
	ctl_ends "a client is changed" 0 client set --role manager \
		--max-priority r=1 boss
	ctl client show boss
	equal "what was not named stays" \
		'{"client_id":"boss","email":"boss@example.org","max_priority":{"r":1},"max_reservation_time":{"*":30000},"role":"manager"}' \
		"$(cat "$scratch/said")"
	equal "its secret too" 200 "$(login boss "$boss")"
	ctl_ends "a new secret is made" 0 client set --role admin --new-secret boss
	former=$boss
	boss=$(sed -n 's/^Its secret is shown this once: //p' "$scratch/said")
	equal "the former one is no good any more" 401 "$(login boss "$former")"
	equal "the new one is" 200 "$(login boss "$boss")"
	agent='a secret: of my own'
	printf '%s\n' "$agent" | "$BUILD/testflingerctl" \
		--config "$scratch/lab/conf/testflinger.conf" \
		client add --role agent --secret-stdin host >"$scratch/said" 2>&1
	equal "a secret may come from standard input" 0 $?
	equal "and is not shown" "" "$(grep -F "$agent" "$scratch/said")"
	equal "it is good" 200 "$(login host "$agent")"
	refresh=$(answered refresh_token)
	ctl_ends "the client of the system is the host's" 0 \
		client add --role admin --new-secret testflinger-admin
	ctl_ends "and only the host's to change" 0 \
		client set --email a@b.co testflinger-admin
	equal "over HTTP it is refused" 422 "$(http DELETE \
		/v1/client-permissions/testflinger-admin \
		--header "Authorization: Bearer $access")"
	ctl_ends "and to remove" 0 client remove testflinger-admin
	ctl_ends "a client is removed" 0 client remove host
	equal "its log-in is gone" 401 "$(login host "$agent")"
	equal "its refresh token too" 400 "$(http POST /v1/oauth2/refresh \
		--json "{\"refresh_token\":\"$refresh\"}")"
	ctl_ends "once removed there is none to show" 1 client show host
}

test_queues() {
	ctl_ends "a queue is restricted" 0 queue restrict rq boss
	ctl_ends "again changes nothing" 0 queue restrict rq boss
	ctl queue restricted
	equal "it is listed with its owner" \
		'[{"owners":["boss"],"queue":"rq"}]' "$(cat "$scratch/said")"
	equal "who owns none may not submit to it" 401 \
		"$(http POST /v1/job --json '{"job_queue":"rq"}')"
	login boss "$boss" >/dev/null
	access=$(answered access_token)
	equal "its owner may" 200 "$(http POST /v1/job \
		--header "Authorization: Bearer $access" \
		--json '{"job_queue":"rq"}')"
	ctl_ends "a queue is released" 0 queue release rq
	ctl queue restricted
	equal "and not listed" '[]' "$(cat "$scratch/said")"
	equal "everybody may submit again" 200 \
		"$(http POST /v1/job --json '{"job_queue":"rq"}')"
	ctl_ends "an owner must exist" 1 queue restrict rq nobody
	ctl_ends "what is not restricted is not released" 1 queue release rq
}

# refused STATUS WHAT ARGUMENT...: as the manual says, with a word on the error stream.
refused() {
	refused_status=$1
	shift
	ctl_ends "refused with $refused_status: $*" "$refused_status" "$@"
	[ -s "$scratch/told" ] || not_ok "it tells why: $*"
	[ ! -s "$scratch/said" ] || not_ok "on the error stream: $*"
}

test_usage() {
	refused 2
	refused 2 client
	refused 2 client frobnicate
	refused 2 --frobnicate
	refused 2 client add
	refused 2 client add a b
	refused 2 client add a:b
	refused 2 client add --role king a
	refused 2 client add --role ADMIN a
	refused 2 client add --max-priority q a
	refused 2 client add --max-reservation q=x a
	refused 2 client add --email x a
	refused 2 client add --frobnicate a
	refused 2 client show
	refused 2 client list all
	refused 2 client remove
	refused 2 queue restrict q
	refused 2 queue restrict amq.q boss
	refused 2 queue release
	refused 2 queue restricted q
	refused 2 secret rotate now
	refused 1 client add boss
	refused 1 client set nobody
	refused 1 client show nobody
	refused 1 client remove nobody
	refused 1 client add nobody
	refused 1 --config "$scratch/none" client list
	printf 'DATA_PATH = %s\n' "'$scratch/no/where'" >"$scratch/other.conf"
	refused 1 --config "$scratch/other.conf" client list
	like "a store that is not there: perhaps it is another's" \
		'*no/where*testflingerctl --config FILE*' "$(cat "$scratch/told")"
	printf 'short\n' | "$BUILD/testflingerctl" \
		--config "$scratch/lab/conf/testflinger.conf" \
		client add --secret-stdin short >"$scratch/said" 2>&1
	equal "a secret that is too short is a failure" 1 $?
	like "which tells what helps" '*Take 15 characters or more*' \
		"$(cat "$scratch/said")"
	ctl_ends "and nobody was made" 1 client show short
	printf 'long enough\0but not whole\n' | "$BUILD/testflingerctl" \
		--config "$scratch/lab/conf/testflinger.conf" \
		client add --secret-stdin short >"$scratch/said" 2>&1
	equal "nor does one with a NUL do" 1 $?
	like "of which it says so" '*Must not contain NUL*' \
		"$(cat "$scratch/said")"
	ctl_ends "--help helps" 0 --help
	like "by naming all commands" \
		'*client add*client remove*queue restrict*secret rotate*' \
		"$(cat "$scratch/said")"
	ctl_ends "--version tells it" 0 --version
}

# given_secret PATH VALUE
given_secret() {
	http PUT "/v1/secrets/boss/$1" --header "Authorization: Bearer $access" \
		--json "{\"value\":\"$2\"}"
}

# What a new job that names the secret PATH is told.
told() {
	http POST /v1/job --header "Authorization: Bearer $access" --json \
		"{\"job_queue\":\"s\",\"test_data\":{\"test_cmds\":\"x\",\"secrets\":{\"S\":\"$1\"}}}" \
		>/dev/null
	http GET '/v1/job?queue=s&agent=a1' \
		--header "Authorization: Bearer $agent_access" >/dev/null
	told_value=$(answered S)
	http POST "/v1/result/$(id_in <"$scratch/answer")" \
		--header "Authorization: Bearer $agent_access" \
		--json '{"job_state":"complete"}' >/dev/null
	printf '%s\n' "$told_value"
}

log_in_both() {
	login a "$agent" >/dev/null
	agent_access=$(answered access_token)
	login boss "$boss" >/dev/null
	access=$(answered access_token)
}

test_rotation() {
	printf '%s\n' "$agent" | "$BUILD/testflingerctl" \
		--config "$scratch/lab/conf/testflinger.conf" \
		client add --role agent a >/dev/null 2>&1
	refused 1 secret rotate
	start_lab --set SECRETS_MASTER_KEY="$first"
	log_in_both
	equal "a secret is kept" 200 "$(given_secret p/one needle-one)"
	equal "it is told" needle-one "$(told p/one)"
	start_lab --set SECRETS_MASTER_KEY="$second"
	equal "with another key it is told as empty" "" "$(told p/one)"
	ctl_ends "and cannot be sealed anew" 1 secret rotate
	like "which tells what to do" \
		'*handed out empty*SECRETS_MASTER_KEY_OLD, restart*run this again*' \
		"$(cat "$scratch/told")"
	start_lab --set SECRETS_MASTER_KEY="$second" \
		--set SECRETS_MASTER_KEY_OLD="$first"
	equal "with the former key beside it is told" needle-one "$(told p/one)"
	given_secret p/two needle-two >/dev/null
	ctl_ends "all are sealed anew" 0 secret rotate
	like "and counted" '2 secrets are sealed with the present key.*' \
		"$(cat "$scratch/said")"
	like "and it says what to do next" \
		"*Next:*Remove SECRETS_MASTER_KEY_OLD from $scratch/lab/conf/*spawn/restart*backup*" \
		"$(cat "$scratch/said")"
	sed -i '/^SECRETS_MASTER_KEY_OLD/d' "$scratch/lab/conf/testflinger.conf"
	"$top/spawn/restart" --dir "$scratch/lab" >"$scratch/restart" 2>&1
	equal "which works" "0 needle-one" "$? $(told p/one)"
	start_lab --set SECRETS_MASTER_KEY="$second"
	equal "then the former key is not needed: one" needle-one "$(told p/one)"
	equal "then the former key is not needed: two" needle-two "$(told p/two)"
	ctl_ends "a rotation without former key does not mind" 0 secret rotate
	like "and says that all is done" '*nothing is left to do.*' \
		"$(cat "$scratch/said")"
}

test_owner() {
	if [ "$(id -u)" -ne 0 ]; then
		skip "files of the store stay the server's" "not root"
		return
	fi
	owner=$(stat -c %U "$scratch/lab/data/state.db")
	if [ "$owner" = root ] && ! low_user_reaches; then
		skip "files of the store stay the server's" \
			"www-data cannot reach $BUILD"
		return
	fi
	if [ "$owner" = root ]; then
		not_ok "the server runs as a low user" "it runs as root"
		return
	fi
	stop lab
	# All in one file, so that the command makes those beside it itself.
	sqlite3 "$scratch/lab/data/state.db" 'PRAGMA wal_checkpoint(TRUNCATE)' \
		>/dev/null
	rm -f "$scratch"/lab/data/state.db?*
	ctl_ends "root may run it on a store that rests" 0 \
		client set --email c@d.ef boss
	equal "and leaves no file of its own there" "" \
		"$(find "$scratch/lab/data" ! -user "$owner")"
	start_lab --set SECRETS_MASTER_KEY="$second"
	ctl_ends "root may run it on a store in use" 0 \
		client set --email b@c.de boss
	equal "and leaves no file of its own there either" "" \
		"$(find "$scratch/lab/data" ! -user "$owner")"
	equal "the server can write on" 200 "$(login boss "$boss")"
}

# logged CASE EVENT LEVEL METHOD PATH: such a line is in the log of tf-auth, whole.
logged() {
	if python3 - "$scratch/lab/logs/auth.log" "$2" "$3" "$4" "$5" <<-'P'; then
		import json, sys
		file, event, level, method, path = sys.argv[1:]
		fields = {"datetime", "appid", "level", "event", "description",
		          "source_ip", "hostname", "request_method",
		          "request_uri", "useragent", "request_id"}
		for line in open(file, encoding="utf-8"):
		    if not line.startswith("{"):
		        continue
		    o = json.loads(line)
		    if (set(o) == fields and all(isinstance(v, str) and v
		            for v in o.values()) and o["event"] == event and
		            o["level"] == level and o["appid"] == "testflinger" and
		            o["source_ip"] in ("127.0.0.1", "127.0.0.2") and
		            o["request_method"] == method and
		            o["request_uri"] == path):
		        sys.exit(0)
		sys.exit(1)
	P
		ok "logged: $1"
	else
		not_ok "logged: $1" "$(grep '^{' "$scratch/lab/logs/auth.log" |
			tail -n 8)"
	fi
}

test_security_log() {
	wrong='a secret that is wrong'
	made='a secret for the new one'
	: >"$scratch/lab/logs/auth.log"
	log_in_both
	equal "a wrong secret is refused" 401 "$(login a "$wrong")"
	equal "and again" 401 "$(login a "$wrong")"
	equal "then the client has to wait" 429 "$(login a "$wrong")"
	equal "but not elsewhere" 200 "$(http POST /v1/oauth2/token \
		--user "a:$agent" --interface 127.0.0.2)"
	equal "nor by a header that pretends so" 429 "$(http POST \
		/v1/oauth2/token --user "a:$wrong" \
		--header 'X-Forwarded-For: 10.0.0.1')"
	http POST /v1/oauth2/token --user "boss:$boss" >/dev/null
	refresh=$(answered refresh_token)
	as="Authorization: Bearer $access"
	http POST /v1/oauth2/refresh \
		--json "{\"refresh_token\":\"$refresh\"}" >/dev/null
	another=$(answered access_token)
	http POST /v1/oauth2/revoke --header "$as" \
		--json "{\"refresh_token\":\"$refresh\"}" >/dev/null
	http POST /v1/oauth2/refresh \
		--json "{\"refresh_token\":\"$refresh\"}" >/dev/null
	http POST /v1/oauth2/refresh \
		--json '{"refresh_token":"nobody-knows-this-one"}' >/dev/null
	http PUT /v1/client-permissions/new --header "$as" \
		--json '{"role":"agent"}' >/dev/null
	http PUT /v1/client-permissions/new --header "$as" --json \
		"{\"client_secret\":\"$made\",\"role\":\"agent\"}" >/dev/null
	http PUT /v1/client-permissions/new --header "$as" \
		--json '{"role":"contributor"}' >/dev/null
	http PUT /v1/client-permissions/testflinger-admin --header "$as" \
		--json '{}' >/dev/null
	http DELETE /v1/client-permissions/new --header "$as" >/dev/null
	http DELETE /v1/client-permissions/gone --header "$as" >/dev/null
	http GET /v1/client-permissions \
		--header "Authorization: Bearer $agent_access" >/dev/null
	http GET /v1/client-permissions >/dev/null
	http GET /v1/client-permissions \
		--header "Authorization: Bearer $access.x" >/dev/null
	given_secret p/three needle-three >/dev/null
	http POST /v1/oauth2/token --header "Authorization: Basic $(printf \
		'a:%s' "$wrong" | base64 -w0)" >/dev/null

	http POST /v1/oauth2/token --header 'Authorization: Digest x' \
		--header 'X-Forwarded-For: 10.0.0.1' >/dev/null
	http PUT /v1/secrets/boss/p --json '{"value":"v"}' >/dev/null
	http PUT /v1/secrets/other/p --header "$as" --json '{"value":"v"}' \
		>/dev/null
	http POST /v1/job --json '{"job_queue":"q","job_priority":5}' >/dev/null

	hash=$(printf %s "$refresh" | sha256sum)
	token=/v1/oauth2/token
	logged "a log-in" authn_login_success:boss INFO POST $token
	logged "a log-in that failed" authn_login_fail:a WARN POST $token
	logged "a token made" authn_token_created:boss,admin INFO POST $token
	logged "a token made by refresh" authn_token_created:boss,admin INFO \
		POST /v1/oauth2/refresh
	logged "a token revoked, by the begin of its hash" \
		"authn_token_revoked:boss,$(printf %.12s "$hash")" INFO \
		POST /v1/oauth2/revoke
	logged "a revoked token used" authn_token_reuse:boss CRITICAL \
		POST /v1/oauth2/refresh
	logged "an unknown token used" authn_login_fail:unknown WARN \
		POST /v1/oauth2/refresh
	path=/v1/client-permissions
	logged "a client made" user_created:boss,new,role=agent WARN \
		PUT $path/new
	logged "a client changed" user_updated:boss,new,role=contributor WARN \
		PUT $path/new
	logged "a client deleted" user_deleted:boss,new WARN DELETE $path/new
	logged "a client that was to be deleted in vain" \
		user_deleted:boss,gone WARN DELETE $path/gone
	logged "a client not made for want of a secret" \
		authz_admin:boss,create_client WARN PUT $path/new
	logged "an administration refused" authz_admin:boss,update_client WARN \
		PUT $path/testflinger-admin
	logged "a client that may not" authz_fail:a,$path CRITICAL GET $path
	logged "a caller that may not" authz_fail:unauthenticated,$path \
		CRITICAL GET $path
	logged "a log-in without id and secret" authn_login_fail:unknown WARN \
		POST $token
	path='/v1/secrets/{client_id}/{path...}'
	logged "a secret of nobody's" "authz_fail:unauthenticated,$path" \
		CRITICAL PUT /v1/secrets/boss/p
	logged "a secret of somebody else" "authz_fail:boss,$path" CRITICAL \
		PUT /v1/secrets/other/p
	like "a submission that may not be is logged too" \
		'*setting priority: 5*' "$(grep -F \
			'"authz_fail:unauthenticated,/v1/job"' \
			"$scratch/lab/logs/job.log")"
	for secret in "$boss" "$former" "$agent" "$wrong" "$made" "$access" \
		"$agent_access" "$another" "$refresh" needle- \
		nobody-knows-this-one "$jwt" "$first" "$second" \
		"$(printf 'a:%s' "$wrong" | base64 -w0)"; do
		[ -n "$secret" ] || not_ok "each token and secret is known"
		grep -rlF -e "$secret" "$scratch/lab/logs"
	done >"$scratch/leaks"
	equal "no token and no secret stands in any log" "" \
		"$(sort -u "$scratch/leaks")"
}

start_lab
test_clients
test_queues
test_usage
test_rotation
test_owner
test_security_log
finish
