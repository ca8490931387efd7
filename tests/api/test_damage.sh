#!/bin/sh
# A store damaged on purpose, below a running server and before its start: health says so, no
# process writes to it any more or dies of it, and a backup makes it good.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

store="$scratch/main/data/state.db"
page=4096

# Start again what was stopped, or go over to other settings.  It serves a damaged store
# too, whether that is met by the end of the start or later.
again() {
	"$top/spawn/up" --no-install --port 0 --dir "$scratch/main" "$@" \
		>"$scratch/up" 2>&1 || grep -q '"store":"damaged"' "$scratch/up" ||
		not_ok "a server starts on a store that is damaged" \
			"$(tail -n 20 "$scratch/up")"
	url=$(cat "$scratch/main/url")
}

# shellcheck disable=SC2317 # called by within
health_has() {
	get /v1/health/ready >"$scratch/status"
	answer | grep -q "$1"
}

# junk FROM TO: those pages of the store, counted from 0.
junk() {
	dd if=/dev/urandom of="$store" bs="$page" seek="$1" \
		count=$(($2 - $1)) conv=notrunc 2>/dev/null
}

pages() {
	echo $(($(wc -c <"$store") / page))
}

# The responders, children of the supervisors.
all_pids() {
	for file in "$scratch"/main/pids/*.pid; do
		children_of "$(cat "$file")"
	done
}

# refused CASE PATH JSON: 503 with Retry-After, in JSON.
refused() {
	equal "$1 is refused" 503 "$(curl --silent --max-time 20 \
		--dump-header "$scratch/head" --output "$scratch/answer" \
		--write-out '%{http_code}' \
		--header 'Content-Type: application/json' --data "$3" "$url$2")"
	like "$1 may come again" '*[Rr]etry-[Aa]fter: [1-9]*' \
		"$(cat "$scratch/head")"
}

# check_damaged TEXT: all that is promised of a damaged store.
check_damaged() {
	if within 10 health_has '"store":"damaged"'; then
		ok "$1: health says so"
	else
		not_ok "$1: health says so" "$(answer)"
	fi
	equal "$1: with 503" 503 "$(cat "$scratch/status")"
	like "$1: and what to do" '*restore a backup*' "$(answer)"
	before=$(cksum "$store" "$store-wal" 2>/dev/null)
	pids=$(all_pids)
	refused "$1: a job" /v1/job '{"job_queue":"q"}'
	refused "$1: a report" "/v1/result/$id" '{"job_state":"test"}'
	refused "$1: a log" "/v1/result/$id/log/output" \
		'{"fragment_number":0,"timestamp":"2026-01-01T00:00:00Z","phase":"test","log_data":"x"}'
	refused "$1: an agent" /v1/agents/data/a9 '{"state":"waiting"}'
	refused "$1: a cancellation" "/v1/job/$id/action" '{"action":"cancel"}'
	equal "$1: the process lives" 200 "$(get /v1/health/live)"
	# Whoever looks about by itself has done so by then.
	sleep 2
	equal "$1: nothing is written to it" "$before" \
		"$(cksum "$store" "$store-wal" 2>/dev/null)"
	equal "$1: nobody dies of it" "$pids" "$(all_pids)"
	equal "$1: it is told once where it was met" 1 \
		"$(cat "$scratch"/main/logs/*.log | grep -c 'is DAMAGED')"
	lines=$(cat "$scratch"/main/logs/*.log | grep -c 'level=error')
	[ "$lines" -le 40 ] || not_ok "$1: the logs stay short" \
		"$(cat "$scratch"/main/logs/*.log | cut -d' ' -f 3- | sort |
			uniq -c | sort -rn | head -n 20)"
}

# is_ready TEXT
is_ready() {
	if within 10 health_has '"status":"ready"'; then
		ok "$1"
	else
		not_ok "$1" "$(answer)"
	fi
}

logs_anew() {
	for log in "$scratch"/main/logs/*.log; do
		: >"$log"
	done
}

# repaired TEXT: as STORE.md tells.
repaired() {
	stop main
	rm -f "$store-wal" "$store-shm" "$store.mark"
	cat "$scratch/good" >"$store"
	logs_anew
	again
	is_ready "$1: a backup makes it good"
	equal "$1: then jobs are kept again" 200 \
		"$(post /v1/job '{"job_queue":"q"}')"
	equal "$1: and what was there is" 200 "$(get "/v1/job/$id")"
}

# stopped: everything is in the file.
stopped() {
	stop main
	sqlite3 "$store" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
}

start main
big=$(head -c 3000 /dev/zero | tr '\0' x)
n=0
while [ "$n" -lt 60 ]; do
	n=$((n + 1))
	post /v1/job "{\"job_queue\":\"q\",\"test_data\":{\"test_cmds\":\"$big\"}}" \
		>/dev/null
done
id=$(answer | id_in)
stopped
cp "$store" "$scratch/good"

junk 3 $(($(pages) - 3))
again
check_damaged "pages overwritten"
former=$(all_pids)
"$top/spawn/restart" --dir "$scratch/main" >"$scratch/restart" 2>&1
equal "a restart does not call it good" 1 $?
like "but tells what to do" '*not ready*"store":"damaged"*spawn/down*restore a backup*' \
	"$(cat "$scratch/restart")"
[ "$(all_pids)" != "$former" ] || not_ok "the responders are replaced"
"$top/spawn/up" --no-install --port 0 --dir "$scratch/main" >"$scratch/up" 2>&1
equal "nor does a start" 1 $?
like "which tells the same" '*answers on*not ready*restore a backup*' "$(cat "$scratch/up")"
url=$(cat "$scratch/main/url")
refused "after a restart a job" /v1/job '{"job_queue":"q"}'
repaired "pages overwritten"

stopped
half=$(($(pages) / 2))
truncate -s $((half * page)) "$store"
again
check_damaged "half of it gone"
repaired "half of it gone"

stopped
dd if=/dev/zero of="$store" bs=100 count=1 conv=notrunc 2>/dev/null
again
check_damaged "its header zeroed"
repaired "its header zeroed"

again --set STORE_CHECK=1
within 10 health_has '"status":"ready"'
junk 3 $(($(pages) - 3))
check_damaged "pages overwritten while it runs"
repaired "pages overwritten while it runs"

again --set STORE_CHECK=1
post /v1/job '{"job_queue":"q"}' >/dev/null
late=$(answer | id_in)
rm "$store-wal"
check_damaged "its log removed while it runs"
equal "its log removed while it runs: jobs are read" 200 "$(get "/v1/job/$id")"
former=$(all_pids)
"$top/spawn/restart" --dir "$scratch/main" >"$scratch/restart" 2>&1
equal "its log removed while it runs: a restart fails" 1 $?
equal "its log removed while it runs: and leaves those who can read" "$former" \
	"$(all_pids)"
like "its log removed while it runs: telling why" '*stop the server and restore a backup*' \
	"$(cat "$scratch/restart")"
# Who starts then has not the log that the others have.
victim=$(pids_of main tf-queue)
kill -s KILL "$victim"
# shellcheck disable=SC2317 # called by within
says_remedy() {
	grep 'prog=tf-queue' "$scratch/main/logs/queue.log" |
		grep -q 'stop the server and restore a backup'
}
if within 10 says_remedy; then
	ok "its log removed while it runs: who starts then tells what to do"
else
	not_ok "its log removed while it runs: who starts then tells what to do" \
		"$(tail -n 5 "$scratch/main/logs/queue.log")"
fi
refused "its log removed while it runs: a request for who cannot start" \
	/v1/restricted-queues/q '{}'
within 10 health_has '"down":\["tf-queue"\]'
equal "its log removed while it runs: health tells who cannot start" 0 $?
get /v1/health/ready >/dev/null
remedy=$(answer | sed -n 's/.*written to it: \(.*\)\.","status.*/\1/p')
like "its log removed while it runs: in the words of health" "*${remedy:-none}*" \
	"$(grep 'prog=tf-queue' "$scratch/main/logs/queue.log")"
stop main
rm -f "$store-wal" "$store-shm" "$store.mark"
equal "its log removed while it runs: it is kept, once" 1 \
	"$(find "$scratch/main/data" -name 'state.db-wal.saved.*' | wc -l)"
mv "$store"-wal.saved.* "$store-wal"
logs_anew
again
is_ready "its log removed while it runs: put back it makes all good"
equal "its log removed while it runs: and no job is lost" "200 200" \
	"$(get "/v1/job/$id") $(get "/v1/job/$late")"
equal "its log removed while it runs: then jobs are kept again" 200 \
	"$(post /v1/job '{"job_queue":"q"}')"

# Stopped before anybody met it.
post /v1/job '{"job_queue":"q"}' >/dev/null
late=$(answer | id_in)
rm "$store-wal"
stop main
rm -f "$store-wal" "$store-shm" "$store.mark"
mv "$store"-wal.saved.* "$store-wal"
again --set STORE_CHECK=1
is_ready "its log removed and the server stopped: put back it makes all good"
equal "its log removed and the server stopped: and no job is lost" 200 "$(get "/v1/job/$late")"
repaired "its log removed while it runs"

# Who starts then has an index of its own: each would write over what the other has committed.
again --set STORE_CHECK=1
post /v1/job '{"job_queue":"kept"}' >/dev/null
kept=$(answer | id_in)
rm "$store-shm"
kill -s KILL "$(pids_of main tf-job)"
check_damaged "its index removed while it runs"
stop main
logs_anew
again
is_ready "its index removed while it runs: a stop and a start make it good"
equal "its index removed while it runs: with all" 200 "$(get "/v1/job/$kept")"

# The last that was answered is lost with it, and more would be if anybody wrote on.
again --set STORE_CHECK=1
n=0
while [ "$n" -lt 5 ]; do
	n=$((n + 1))
	post /v1/job '{"job_queue":"cut"}' >/dev/null
done
truncate -s -4096 "$store-wal"
check_damaged "its log cut short while it runs"
equal "its log cut short while it runs: what is in the file is read" 200 \
	"$(get "/v1/job/$id")"
stop main
again
if within 10 health_has '"store":"damaged"'; then
	ok "its log cut short while it runs: a start does not call it good"
else
	not_ok "its log cut short while it runs: a start does not call it good" \
		"$(answer)"
fi
refused "its log cut short while it runs: then a job" /v1/job '{"job_queue":"q"}'
repaired "its log cut short while it runs"

# Those who have the log open have it still when its name is gone.
again
post /v1/job '{"job_queue":"kept"}' >/dev/null
kept=$(answer | id_in)
rm "$store-wal"
pid=$(pids_of main tf-job)
open=$(find "/proc/$pid/fd" -lname '*/state.db-wal (deleted)' | head -n 1)
mkdir "$scratch/saved"
cp "$open" "$scratch/saved/state.db-wal"
cp "$store" "$scratch/saved/state.db"
stop main
logs_anew
rm -f "$store-wal" "$store-shm" "$store.mark"
cat "$scratch/saved/state.db" >"$store"
install -o www-data -g www-data -m 600 "$scratch/saved/state.db-wal" "$store-wal"
again
is_ready "its log removed and saved: it goes on"
equal "its log removed and saved: with all" 200 "$(get "/v1/job/$kept")"
equal "its log removed and saved: jobs are kept again" 200 \
	"$(post /v1/job '{"job_queue":"q"}')"

# Those that were kept are in the log alone.
stop main
[ "$(wc -c <"$store-wal")" -gt 56 ] || not_ok "the log holds something"
rm "$store-wal"
again
check_damaged "its log removed while it rests"
repaired "its log removed while it rests"

# So is what the end of the log held.
again
n=0
while [ "$n" -lt 5 ]; do
	n=$((n + 1))
	post /v1/job '{"job_queue":"cut"}' >/dev/null
done
stop main
truncate -s -4096 "$store-wal"
again
check_damaged "its log cut short while it rests"
repaired "its log cut short while it rests"

# None is made in the place of one that was lost.
stop main
logs_anew
mkdir "$scratch/lost"
mv "$store" "$scratch/lost"
if "$top/spawn/up" --no-install --port 0 --dir "$scratch/main" \
	>"$scratch/up" 2>&1; then
	not_ok "no store is made where one was lost"
else
	like "no store is made where one was lost" \
		'*state.db is missing*restore a backup*move jobs/*' \
		"$(cat "$scratch/up")"
	equal "which a start tells once, however many met it" "3 1" \
		"$(wc -l <"$scratch/up") $(grep -c 'is missing' "$scratch/up")"
	for name in job status; do
		equal "and tf-supervise tells once that tf-$name has ended" 1 \
			"$(grep -c 'prog=tf-supervise .* ended with status 1' \
				"$scratch/main/logs/$name.log")"
	done
fi
[ ! -e "$store" ] || not_ok "nothing is left there"
mv "$scratch/lost/state.db" "$store"
again
is_ready "put back, it goes on"
equal "with all that was there" 200 "$(get "/v1/job/$id")"
# A backup made while it runs, restored as STORE.md tells.
sqlite3 "$store" ".backup '$scratch/backup.db'"
kept=$(cat "$scratch"/main/logs/*.log | grep -c 'is DAMAGED')
stop main
rm -f "$store-wal" "$store-shm" "$store.mark"
cp "$scratch/backup.db" "$store"
again
equal "a backup of a sound store is restored" 200 "$(get "/v1/job/$id")"
equal "and takes jobs" 200 "$(post /v1/job '{"job_queue":"q"}')"
# As before there was a mark, and with the times kept.
stop main
rm -f "$store-wal" "$store-shm"
cp -p "$scratch/backup.db" "$store"
again
equal "also where the mark was left" 200 "$(post /v1/job '{"job_queue":"q"}')"
# sqlite3 on a store that rests puts the log into it.
stop main
sqlite3 "$store" 'SELECT count(*) FROM job' >/dev/null
[ ! -e "$store-wal" ] || not_ok "sqlite3 removes the log"
again
equal "and after sqlite3 has looked at it" 200 \
	"$(post /v1/job '{"job_queue":"q"}')"
equal "without an alarm" "$kept" \
	"$(cat "$scratch"/main/logs/*.log | grep -c 'is DAMAGED')"
finish
