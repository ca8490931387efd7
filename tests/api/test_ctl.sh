#!/bin/sh
# testflingerctl: the first admin is made on the host, and the whole way from there; what
# the security log tells of it.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

key=0123456789abcdef0123456789abcdef
start lab --set ANONYMOUS_ROLES= --set JWT_SIGNING_KEY=$key
conf=$scratch/lab/conf/testflinger.conf
secret='correct horse: battery'

# shellcheck disable=SC2317 # called by status_of
ctl() {
	"$BUILD/testflingerctl" --config "$conf" "$@" \
		>"$scratch/ctl.out" 2>"$scratch/ctl.err"
}

# status_of COMMAND...
status_of() {
	"$@"
	printf '%s\n' $?
}

out() {
	cat "$scratch/ctl.out"
}

err() {
	cat "$scratch/ctl.err"
}

# send METHOD PATH [OPTION...]: prints the status; the answer is in $scratch/answer.
send() {
	method=$1
	path=$2
	shift 2
	curl --silent --max-time 20 --output "$scratch/answer" \
		--write-out '%{http_code}' --request "$method" "$@" "$url$path"
}

# token_in NAME: a token of the last answer.
token_in() {
	sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$scratch/answer"
}

# login ID SECRET: prints the status; the access token is in access.
login() {
	login_status=$(send POST /v1/oauth2/token --user "$1:$2")
	access=$(token_in access_token)
}

equal "--help tells all commands" 0 "$(status_of ctl --help)"
like "--help names them" "*client add*client remove*queue restrict*" "$(out)"
equal "without a command it tells how it is used" 2 "$(status_of ctl)"
equal "an unknown command is a wrong command line" 2 \
	"$(status_of ctl client fire boss)"

printf '%s\n' "$secret" >"$scratch/secret"
equal "the first admin is made, its secret from standard input" 0 \
	"$(status_of ctl client add --role admin testflinger-admin \
		<"$scratch/secret")"
like "it tells what to do next" "*Next: *" "$(out)"
equal "the secret that came is not shown" "" "$(grep -F "$secret" \
	"$scratch/ctl.out")"
equal "one of the same name is refused" 1 \
	"$(status_of ctl client add testflinger-admin <"$scratch/secret")"
like "and what helps is told" "*client set*" "$(err)"
printf 'short\n' >"$scratch/short"
equal "a short secret is refused" 1 \
	"$(status_of ctl client add x <"$scratch/short")"
equal "an unknown role is refused" 2 \
	"$(status_of ctl client add --role king x <"$scratch/secret")"
equal "an id that could not log in is refused" 2 \
	"$(status_of ctl client add a:b <"$scratch/secret")"

login testflinger-admin "$secret"
equal "the admin logs in" 200 "$login_status"
auth="Authorization: Bearer $access"
equal "the admin makes another client" 200 \
	"$(send PUT /v1/client-permissions/host --header "$auth" --json \
		"{\"client_secret\":\"$secret\",\"role\":\"agent\"}")"
equal "the admin is out of reach over HTTP" 422 \
	"$(send DELETE /v1/client-permissions/testflinger-admin \
		--header "$auth")"
login host "$secret"
equal "the other client logs in" 200 "$login_status"
refresh=$(token_in refresh_token)
equal "and does what its role may" 204 \
	"$(send GET '/v1/job?queue=q&agent=a' --header \
		"Authorization: Bearer $access" --cookie agent_name=a)"
equal "and nothing else" 403 \
	"$(send GET /v1/client-permissions --header \
		"Authorization: Bearer $access")"

equal "a secret is made where none is given" 0 \
	"$(status_of ctl client set --new-secret host)"
made=$(sed -n 's/^Its secret .*: //p' "$scratch/ctl.out")
login host "$made"
equal "and is shown" 200 "$login_status"
login host "$secret"
equal "the former secret is forgotten at once" 401 "$login_status"
equal "limits are set" 0 "$(status_of ctl client set --max-priority '*=5' \
	--max-priority q=9 --max-reservation q=30000 --email a@b.co host)"
equal "and shown" 0 "$(status_of ctl client show host)"
like "as they were given" '*{"\*":5,"q":9}*' "$(out)"
equal "what is no limit is refused" 2 \
	"$(status_of ctl client set --max-priority q host)"
equal "a client that is not there cannot be changed" 1 \
	"$(status_of ctl client set --role agent nobody)"
equal "all clients are listed" 0 "$(status_of ctl client list)"
like "with their roles" '*"host"*"testflinger-admin"*' "$(out)"

equal "a queue is restricted" 0 "$(status_of ctl queue restrict rq host)"
equal "to a client that there is" 1 \
	"$(status_of ctl queue restrict rq nobody)"
equal "restricted queues are listed" 0 "$(status_of ctl queue restricted)"
like "with their owners" '*"host"*"rq"*' "$(out)"
equal "a queue is released" 0 "$(status_of ctl queue release rq)"
equal "but once" 1 "$(status_of ctl queue release rq)"

equal "a client is removed" 0 "$(status_of ctl client remove host)"
equal "but once" 1 "$(status_of ctl client remove host)"
equal "its refresh token goes with it" 400 \
	"$(send POST /v1/oauth2/refresh --json \
		"{\"refresh_token\":\"$refresh\"}")"

owners=$(stat -c '%U' "$scratch/lab/data" "$scratch/lab/data"/state.db* |
	sort -u)
equal "all files of the store belong to its owner" \
	"$(stat -c '%U' "$scratch/lab/data")" "$owners"
equal "and the server goes on writing" 200 \
	"$(login testflinger-admin "$secret" && printf '%s' "$login_status")"
equal "a configuration that is not there is an error" 1 \
	"$(status_of "$BUILD/testflingerctl" --config "$scratch/none" \
		client list 2>/dev/null)"

# The security log.
login testflinger-admin 'another wrong secret'
login testflinger-admin "$secret"
token=$(token_in refresh_token)
auth="Authorization: Bearer $access"
hash=$(printf '%s' "$token" | sha256sum | cut -c 1-12)
send POST /v1/oauth2/revoke --header "$auth" --json \
	"{\"refresh_token\":\"$token\"}" >"$scratch/null"
send POST /v1/oauth2/refresh --json \
	"{\"refresh_token\":\"$token\"}" >"$scratch/null"
send POST /v1/oauth2/refresh --json '{}' >"$scratch/null"
send PUT /v1/client-permissions/new --header "$auth" --json \
	'{"role":"agent"}' >"$scratch/null"
send PUT /v1/client-permissions/new --header "$auth" --json \
	"{\"client_secret\":\"$secret\"}" >"$scratch/null"
send PUT /v1/client-permissions/new --header "$auth" --json \
	'{"role":"agent"}' >"$scratch/null"
send DELETE /v1/client-permissions/new --header "$auth" >"$scratch/null"
send DELETE /v1/client-permissions/new --header "$auth" >"$scratch/null"
log=$scratch/lab/logs/auth.log
# event NAME COUNT: so many lines of the log have it, each JSON and whole.
event() {
	equal "the security log has $1" "$2" \
		"$(grep -F "\"event\":\"$1\"" "$log" | grep -c \
			'^{"datetime":"[0-9TZ:-]*".*"description":".*"source_ip":"127.0.0.1".*"request_uri":"/v1/.*}$')"
}
event authn_login_fail:testflinger-admin 1
event authn_login_fail:unknown 2
event authn_token_revoked:testflinger-admin,"$hash" 1
event authn_token_reuse:testflinger-admin 1
event user_created:testflinger-admin,new,role=contributor 1
event user_updated:testflinger-admin,new,role=agent 1
event user_deleted:testflinger-admin,new 2
event user_deleted:testflinger-admin,testflinger-admin 1
like "the security log has log-ins" '*"event":"authn_login_success:host"*' \
	"$(cat "$log")"
like "the security log has tokens" \
	'*"event":"authn_token_created:testflinger-admin,admin"*' "$(cat "$log")"
like "the security log has administration refused" \
	'*"event":"authz_admin:testflinger-admin,*' "$(cat "$log")"
equal "no log has a secret or a token" "" \
	"$(grep -rlF -e "$secret" -e "$made" -e "$token" -e "$access" \
		-e "$(printf 'testflinger-admin:%s' "$secret" | base64 -w 0)" \
		"$scratch/lab/logs")"
finish
