#!/bin/sh
# Requests for a job that wait until there is one (held.py), and what the start says
# where limits do not fit.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

start main --set AGENT_LOST_TIMEOUT=3
start small --set DISPATCH_HOLDS_MAX=2 --set DISPATCH_WAIT_MAX=2 \
	--set DISPATCH_WAIT=1
/usr/bin/python3 "$top/tests/api/held.py" "$scratch/main" "$scratch/small" \
	"$top" 3 >"$scratch/told" 2>&1
ended=$?
told "$scratch/told"
equal "the whole of it runs" 0 "$ended"

# Limits: the start tells of them, and goes on.
said=$(
	# shellcheck disable=SC3045 # the shells of Debian know it
	ulimit -n 1000
	TESTFLINGER_CONFIG="$scratch/main/conf/testflinger.conf" \
		"$BUILD/tf-dispatch" --check-config 2>&1
)
like "too few files for the requests to be held are told of" \
	'*warning: DISPATCH_HOLDS_MAX is 10000*limit of 1000*LimitNOFILE*good*' \
	"$said"
said=$(TESTFLINGER_CONFIG="$scratch/small/conf/testflinger.conf" \
	"$BUILD/tf-dispatch" --check-config 2>&1)
case $said in
*warning*) not_ok "enough are not" "$said" ;;
*) ok "enough are not" ;;
esac

# warned SETTING...: what --check-config says of them.
warned() {
	printf '%s\n' "$@" >"$scratch/waits.conf"
	TESTFLINGER_CONFIG="$scratch/waits.conf" "$BUILD/tf-dispatch" \
		--check-config 2>&1 | grep 'warning: DISPATCH_WAIT '
}
like "a wait that is cut by the longest is told of" \
	'*DISPATCH_WAIT is 60,*cuts it to 50: write DISPATCH_WAIT = 50, or*' \
	"$(warned 'DISPATCH_WAIT = 60')"
like "also where only the longest was set" '*is 20,*cuts it to 10:*' \
	"$(warned 'DISPATCH_WAIT_MAX = 10')"
equal "one that is not is not" "" "$(warned 'DISPATCH_WAIT = 50')"
equal "nor are waits that are turned off" "" "$(warned 'DISPATCH_WAIT_MAX = 0')"
like "unless one was asked for" '*is 20,*cuts it to 0:*' \
	"$(warned 'DISPATCH_WAIT_MAX = 0' 'DISPATCH_WAIT = 20')"

# nginx's time-out, when DISPATCH_WAIT_MAX is raised without it.
sed -i 's/TF_READ_TIMEOUT 60/TF_READ_TIMEOUT 6/' \
	"$scratch/main/conf/testflinger-locations.conf"
kill -HUP "$(cat "$scratch/main/nginx.pid")"
url=$(cat "$scratch/main/url")
# shellcheck disable=SC2317 # called by within
cut_to_one() {
	curl --silent --output /dev/null --dump-header "$scratch/head" \
		--header 'Prefer: wait=30' \
		"$url/v1/job?queue=nobody&agent=a"
	grep -q '^Preference-Applied: wait=1' "$scratch/head"
}
if within 70 cut_to_one; then
	ok "a request is held for less than nginx waits"
else
	not_ok "a request is held for less than nginx waits" \
		"$(cat "$scratch/head")"
fi
like "and the log says what to change" \
	'*DISPATCH_WAIT_MAX = 50: raise fastcgi_read_timeout and TF_READ_TIMEOUT*' \
	"$(cat "$scratch/main/logs/dispatch.log")"

# Who waits does not hold up the end.
start last
curl --silent --output /dev/null --write-out '%{http_code}' \
	"$url/v1/job?queue=nobody&agent=a&wait=50" >"$scratch/last.code" &
asker=$!
# shellcheck disable=SC2317 # called by within
held_here() {
	grep -qsE '^tfd: .* events: +2[0-9a-f]{3} ' \
		"/proc/$(pids_of last tf-dispatch)"/fdinfo/*
}
within 20 held_here || not_ok "a request is held"
begun=$(date +%s)
stop last
took=$(($(date +%s) - begun))
wait "$asker"
equal "spawn/down answers who waits" 204 "$(cat "$scratch/last.code")"
if [ "$took" -lt 4 ]; then
	ok "and is not held up"
else
	not_ok "and is not held up" "$took s"
fi
finish
