#!/bin/sh
# What a host does to a server: no inodes, a file system that is read-only, a disk that refuses
# reads, no descriptors, no
# memory, a clock that is set, a writer stopped with the lock held.  What cannot be done is 503
# with Retry-After, reads go on, and five seconds after the fault all is as before.

# Mounts of ours are to be seen by nobody and to go with us.
if [ -z "${TF_OWN_MOUNTS-}" ] &&
	unshare --mount --propagation private true 2>/dev/null; then
	TF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

job='{"job_queue":"kept","test_data":{"test_cmds":"true"}}'
seed=/v1/result/00000000-0000-0000-0000-0000000000aa
accepted="$scratch/accepted"
: >"$accepted"
chmod 666 "$accepted"

# A job that is accepted is written down; prints the status.
submit() {
	: >"$scratch/answer"
	post /v1/job "$job"
	id_in <"$scratch/answer" >>"$accepted"
}

# refused CASE PATH JSON [AFTER]: 503 with Retry-After, in JSON.
refused() {
	: >"$scratch/answer"
	equal "$1 is refused" 503 "$(curl --silent --max-time 20 \
		--dump-header "$scratch/head" --output "$scratch/answer" \
		--write-out '%{http_code}' \
		--header 'Content-Type: application/json' --data "$3" "$url$2")"
	like "$1 may come again" '*[Rr]etry-[Aa]fter: [1-9]*' \
		"$(cat "$scratch/head")"
	like "$1: in JSON" '{*"message":"*' "$(answer)"
}

# shellcheck disable=SC2317 # called by within
all_kept() {
	[ "$(submit)" = 200 ] && [ "$(post "$seed" '{"b":2}')" = 200 ] &&
		[ "$(post "/v1/result/$id/log/output" "$log")" = 200 ] &&
		[ "$(post /v1/agents/data/watcher '{"state":"waiting"}')" = 200 ] &&
		[ "$(get /v1/health/ready)" = 200 ]
}

# recovered TEXT: by itself, within five seconds; and nothing is lost or doubled.
recovered() {
	if within 5 all_kept; then
		ok "$1: all is as before within 5 s"
	else
		not_ok "$1: all is as before within 5 s" "$(answer)"
	fi
	equal "$1: the store is sound" ok \
		"$(sqlite3 "$data/state.db" 'PRAGMA integrity_check')"
	equal "$1: it has what was accepted, and nothing else" \
		"$(sort "$accepted")" "$(sqlite3 "$data/state.db" \
			"SELECT id FROM job WHERE queue = 'kept'" | sort)"
}

# given TEXT: something to read, and the same on every instance.
given() {
	: >"$accepted"
	equal "$1: a job is kept" 200 "$(submit)"
	id=$(answer | id_in)
	equal "$1: a result is kept" 200 "$(post "$seed" '{"a":1}')"
	log='{"fragment_number":0,"timestamp":"2026-01-01T00:00:00Z","phase":"test","log_data":"x"}'
}

# reads_go_on TEXT
reads_go_on() {
	equal "$1: a job is read" 200 "$(get "/v1/job/$id")"
	equal "$1: a result is read" 200 "$(get "$seed")"
}

test_inodes() {
	text="no inodes"
	disk="$scratch/disk"
	mkdir "$disk"
	if [ -z "${TF_OWN_MOUNTS-}" ] ||
		! mount -t tmpfs -o nr_inodes=1200,mode=1777 tmpfs "$disk"; then
		skip "$text" "this user may not mount a tmpfs"
		return
	fi
	start inodes --set "DATA_PATH=$disk/data" --set DISK_FREE_MIN=0
	data=$disk/data
	given "$text"
	n=0
	while true 2>/dev/null >"$disk/fill$n"; do
		n=$((n + 1))
	done 2>/dev/null
	refused "$text: a seed result" \
		/v1/result/00000000-0000-0000-0000-0000000000bb '{"a":2}'
	refused "$text: a log" "/v1/result/$id/log/output" "$log"
	equal "$text: a job needs none" 200 "$(submit)"
	get /v1/health/ready >"$scratch/status"
	like "$text: health tells" '*"disk":"full"*' "$(answer)"
	reads_go_on "$text"
	rm "$disk"/fill*
	recovered "$text"
	equal "$text: no temporary file is left" "" \
		"$(find "$data/tmp" -type f)"
	stop inodes
	umount "$disk"
}

# shim SECONDS READ-ONLY, in place
set_shim() {
	printf '%10d %d\n' "$1" "$2" |
		dd of="$scratch/shim" conv=notrunc 2>/dev/null
}

# start_shimmed NAME OPTION...: false where it cannot be.
start_shimmed() {
	if nm -a "$BUILD/tf-job" 2>/dev/null | grep -q '__[at]san_init'; then
		skip "$1" "a sanitizer wants to be loaded first"
		return 1
	fi
	[ -e "$scratch/shim.so" ] || cc -shared -fPIC -O2 -D_GNU_SOURCE \
		-o "$scratch/shim.so" "$top/tests/api/shim.c" || return 1
	printf '%10d %d\n' 0 0 >"$scratch/shim"
	chmod 644 "$scratch/shim"
	export LD_PRELOAD="$scratch/shim.so" TF_SHIM="$scratch/shim"
	start "$@"
	unset LD_PRELOAD TF_SHIM
}

test_read_only() {
	text="a read-only file system"
	start_shimmed readonly || return
	data=$scratch/readonly/data
	given "$text"
	set_shim 0 1
	refused "$text: a job" /v1/job "$job"
	refused "$text: a seed result" "$seed" '{"a":2}'
	refused "$text: a log" "/v1/result/$id/log/output" "$log"
	refused "$text: an agent" /v1/agents/data/a '{"state":"waiting"}'
	reads_go_on "$text"
	set_shim 0 0
	recovered "$text"
	stop readonly
}

# Every thread of the process is held by strace.
# shellcheck disable=SC2317 # called by within
traced() {
	! grep -hE '^TracerPid:[[:space:]]*0$' "/proc/$1"/task/*/status \
		>/dev/null 2>&1
}

# SQLite calls a read that fails damage, and it is none.
test_unreadable() {
	text="a disk that refuses reads"
	start unreadable
	data=$scratch/unreadable/data
	given "$text"
	big=$(head -c 3000 /dev/zero | tr '\0' x)
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		post /v1/job "{\"job_queue\":\"big\",\"test_data\":{\"test_cmds\":\"$big\"}}" \
			>/dev/null
	done
	pid=$(pids_of unreadable tf-job)
	strace -f -qq -o "$scratch/strace" -p "$pid" -e trace=pread64 \
		-e inject=pread64:error=EIO &
	tracer=$!
	if within 10 traced "$pid"; then
		refused "$text: a job" /v1/job "$job"
		equal "$text: a list of jobs is refused" 503 \
			"$(get '/v1/job/search?limit=100')"
		kill "$tracer"
		wait "$tracer" 2>/dev/null
		recovered "$text"
	else
		skip "$text" "strace may not attach here"
	fi
	stop unreadable
}

# as AGENT QUEUE: polls once; the status and the job.
poll() {
	status=$(get "/v1/job?queue=$2&agent=$1")
	printf '%s %s\n' "$status" "$(answer | id_in)"
}

report() {
	curl --silent --output /dev/null --write-out '%{http_code}' \
		--cookie "agent_name=$1" --header 'Content-Type: application/json' \
		--data "{\"job_state\":\"$3\"}" "$url/v1/result/$2"
}

state_of() {
	sqlite3 "$data/state.db" "SELECT state FROM job WHERE id = '$1'"
}

# given_job QUEUE [MORE]
given_job() {
	post /v1/job "{\"job_queue\":\"$1\",\"test_data\":{}${2-}}" >/dev/null
	answer | id_in
}

# The sweep of tf-dispatch has seen the clock.
# shellcheck disable=SC2317 # called by within
clock_seen() {
	[ "$(grep -c 'the clock was set' "$scratch/$1/logs/dispatch.log")" -ge "$2" ]
}

day=86400

test_clock() {
	text="a clock set"
	start_shimmed clock || return
	data=$scratch/clock/data
	given "$text"
	waits=$(given_job slow ',"queue_timeout":3600')
	offered=$(given_job offered)
	equal "$text: a job is offered" "200 $offered" "$(poll o1 offered)"
	started=$(given_job started)
	poll s1 started >/dev/null
	report s1 "$started" test >/dev/null
	marked=$(given_job marked)
	poll m1 marked >/dev/null
	report m1 "$marked" test >/dev/null
	poll m1 marked >/dev/null
	seen=0
	for by in $day 0 -$day 0; do
		curl --silent --max-time 20 --output /dev/null --write-out \
			'%{http_code} %{time_total}\n' \
			"$url/v1/job?queue=nothing&agent=h1&wait=2" \
			>"$scratch/held" &
		holder=$!
		set_shim "$by" 0
		seen=$((seen + 1))
		within 5 clock_seen clock "$seen" ||
			not_ok "$text to $by s: it is seen"
		wait "$holder"
		like "$text to $by s: a held request ends in its time" \
			'204 [23].*' "$(cat "$scratch/held")"
		equal "$text to $by s: a job is kept and handed out" \
			"200 $(given_job new)" "$(poll "n$seen" new)"
		equal "$text to $by s: an offer stands" running \
			"$(state_of "$offered")"
		equal "$text to $by s: nobody else gets it" "204 " \
			"$(poll o2 offered)"
		equal "$text to $by s: a started job goes on" test \
			"$(state_of "$started")"
		equal "$text to $by s: one whose agent came back may yet end" \
			test "$(state_of "$marked")"
		equal "$text to $by s: queue_timeout has not come" waiting \
			"$(state_of "$waits")"
	done
	recovered "$text"
	equal "$text: the result is still taken" "200complete" \
		"$(report m1 "$marked" complete)$(state_of "$marked")"
	stop clock
}

# shellcheck disable=SC2317 # called by within
is_state() {
	[ "$(state_of "$1")" = "$2" ]
}

test_clock_back() {
	text="a clock set back"
	start_shimmed back --set OFFER_TIMEOUT=2 --set RETURN_GRACE=2 || return
	data=$scratch/back/data
	set_shim "$day" 0
	within 5 clock_seen back 1
	offered=$(given_job offered)
	poll o1 offered >/dev/null
	marked=$(given_job marked)
	poll m1 marked >/dev/null
	report m1 "$marked" test >/dev/null
	poll m1 marked >/dev/null
	waits=$(given_job slow ',"queue_timeout":2')
	set_shim 0 0
	for pair in "$offered waiting" "$marked cancelled" "$waits cancelled"; do
		# shellcheck disable=SC2086 # two words
		if within 10 is_state $pair; then
			ok "$text freezes nothing: ${pair#* }"
		else
			not_ok "$text freezes nothing: ${pair#* }" \
				"$(state_of "${pair%% *}")"
		fi
	done
	stop back
}

# A container may hide the name of the host's start.  Its start is then what it looks like in
# the store: a clock that is further ahead than it was, by the time between two starts.
test_untold_start() {
	text="a host that does not tell its starts"
	hidden=/proc/sys/kernel/random/boot_id
	if [ -z "${TF_OWN_MOUNTS-}" ] ||
		! mount --bind /dev/null "$hidden"; then
		skip "$text" "this user may not mount anything there"
		return
	fi
	start untold --set AMQP_URI=
	data=$scratch/untold/data
	offered=$(given_job offered)
	equal "$text: a job is offered" "200 $offered" "$(poll o1 offered)"
	late=$(given_job late ',"queue_timeout":1')
	stop untold
	sqlite3 "$data/state.db" "UPDATE clock_base SET ahead = ahead - 5*86400000" \
		"UPDATE job SET offered_at = offered_at - 1200000
			WHERE offered_at IS NOT NULL"
	equal "$text: nor does the store" "|1" \
		"$(sqlite3 "$data/state.db" 'SELECT boot, one FROM clock_base')"
	"$top/spawn/up" --no-install --port 0 --dir "$scratch/untold" \
		>"$scratch/untold.up" 2>&1 ||
		not_ok "$text: it starts again" "$(cat "$scratch/untold.up")"
	url=$(cat "$scratch/untold/url")
	if within 10 is_state "$late" cancelled; then
		ok "$text: what is late ends"
	else
		not_ok "$text: what is late ends"
	fi
	equal "$text: an offer from before may yet be answered" running \
		"$(state_of "$offered")"
	stop untold
	umount "$hidden"
}

# limit PID LIMIT: as the user of the process, who may.
limit() {
	setpriv --reuid="$(stat -c %u "/proc/$1")" \
		--regid="$(stat -c %g "/proc/$1")" --clear-groups \
		prlimit --pid "$1" "$2"
}

# The lowest descriptor that a process does not have: with that limit it gets no other.
descriptors() {
	lowest=0
	while [ -e "/proc/$1/fd/$lowest" ] || [ -L "/proc/$1/fd/$lowest" ]; do
		lowest=$((lowest + 1))
	done
	echo "$lowest"
}

test_descriptors() {
	text="no descriptors"
	start files
	data=$scratch/files/data
	given "$text"
	for name in job result agent dispatch; do
		pid=$(pids_of files "tf-$name")
		limit "$pid" --nofile="$(descriptors "$pid"):" || {
			skip "$text" "this user may not limit a process"
			stop files
			return
		}
	done
	begun=$(date +%s%N)
	equal "$text: a job is kept" 200 "$(submit)"
	refused "$text: a file" "$seed" '{"a":2}'
	equal "$text: a job is read" 200 "$(get "/v1/job/$id")"
	equal "$text: an empty queue is told" "204 " "$(poll f1 nothing)"
	took=$((($(date +%s%N) - begun) / 1000000))
	[ "$took" -lt 10000 ] ||
		not_ok "$text: answers come soon" "after $took ms"
	like "$text: it is told" '*cannot accept: Too many open files*' \
		"$(head -n 20 "$scratch/files/logs/job.log")"
	lines=$(cat "$scratch"/files/logs/*.log | grep -c 'level=error')
	[ "$lines" -lt 100 ] ||
		not_ok "$text: the logs stay short" "$lines lines"
	for name in job result agent dispatch; do
		limit "$(pids_of files "tf-$name")" --nofile=1024:
	done
	recovered "$text"
	stop files
}

# Jobs of half a megabyte by eight clients; the statuses, each once.
crowd() {
	printf '{"job_queue":"crowd","test_data":{"test_cmds":"%s"}}' \
		"$(head -c 500000 /dev/zero | tr '\0' x)" >"$scratch/big.json"
	clients=
	for n in 1 2 3 4 5 6 7 8; do
		curl --silent --max-time 30 --output /dev/null \
			--dump-header "$scratch/head$n" \
			--header 'Content-Type: application/json' \
			--data-binary "@$scratch/big.json" "$url/v1/job" &
		clients="$clients $!"
	done
	# shellcheck disable=SC2086 # one word for each pid
	wait $clients
}

test_memory() {
	text="no memory"
	start memory
	data=$scratch/memory/data
	given "$text"
	pid=$(pids_of memory tf-job)
	# The heaps have address space in reserve, but no more data.
	size=$(awk '/^VmData:/ { print $2 }' "/proc/$pid/status")
	if ! limit "$pid" --data="$((size * 1024)):"; then
		skip "$text" "this user may not limit a process"
		stop memory
		return
	fi
	crowd
	grep -h '^HTTP' "$scratch"/head[1-8] | tr -d '\r' | sort | uniq -c \
		>"$scratch/statuses"
	sed 's/^/    /' "$scratch/statuses"
	equal "$text: each is answered 200, or 503, or 502 where it died" "" \
		"$(grep -vE ' (200|503|502) ' "$scratch/statuses")"
	like "$text: not all are kept" '* 50[23] *' "$(cat "$scratch/statuses")"
	for n in 1 2 3 4 5 6 7 8; do
		grep -qE '^HTTP/1.1 50' "$scratch/head$n" || continue
		like "$text: client $n may come again" \
			'*[Rr]etry-[Aa]fter: [1-9]*' "$(cat "$scratch/head$n")"
	done
	equal "$text: what was answered 200 is there, and nothing else" \
		"$(grep -lE '^HTTP/1.1 200' "$scratch"/head[1-8] | wc -l)" \
		"$(sqlite3 "$data/state.db" \
			"SELECT count(*) FROM job WHERE queue = 'crowd'")"
	# It may have no memory for a read either, or die of it; the others are not concerned.
	code=$(get "/v1/job/$id")
	case $code in
	200 | 502 | 503) ok "$text: a job is read, or to be asked for again" ;;
	*) not_ok "$text: a job is read, or to be asked for again" "$code" ;;
	esac
	equal "$text: a result is read" 200 "$(get "$seed")"
	[ ! -d "/proc/$pid" ] || limit "$pid" --data=unlimited:
	recovered "$text"
	stop memory
	# libfcgi asserts that it gets memory: that death alone is none of a mistake.
	sed -i '/prog=tf-supervise .*was ended by signal 6/d' "$scratch/memory/logs/job.log"
}

# Submissions without end.
submit_on() {
	while [ ! -e "$scratch/enough" ]; do
		curl --silent --max-time 20 --header \
			'Content-Type: application/json' --data "$job" \
			"$url/v1/job" | id_in >>"$accepted"
	done
}

# stop_writer PID: SIGSTOP at a moment at which it has the lock of the writers.
stop_writer() {
	submit_on &
	load=$!
	tries=0
	while [ "$tries" -lt 400 ]; do
		tries=$((tries + 1))
		kill -STOP "$1"
		# Whoever else has it gives it back soon.
		flock --wait 0.3 "$data/state.db.lock" true || break
		kill -CONT "$1"
		sleep 0.01
	done
	: >"$scratch/enough"
	[ "$tries" -lt 400 ]
}

# stopped SIGNAL TEXT: what ends it.
test_stopped() {
	text=$2
	start "stop$1" --set STORE_WAIT_MS=500
	data=$scratch/stop$1/data
	given "$text"
	rm -f "$scratch/enough"
	writer=$(pids_of "stop$1" tf-job)
	if stop_writer "$writer"; then
		refused "$text: a report" "/v1/result/$id" '{"job_state":"test"}'
		refused "$text: an agent" /v1/agents/data/a '{"state":"waiting"}'
		equal "$text: a result is read" 200 "$(get "$seed")"
		equal "$text: an empty queue is told" "204 " "$(poll f1 nothing)"
	else
		not_ok "$text: it stops with the lock held"
	fi
	kill "-$1" "$writer"
	wait "$load"
	# A submission that was cut off without an answer may be there.
	sqlite3 "$data/state.db" \
		"SELECT id FROM job WHERE queue = 'kept'" | sort >"$scratch/there"
	equal "$text: whatever was accepted is there" "" \
		"$(sort "$accepted" | comm -23 - "$scratch/there")"
	cp "$scratch/there" "$accepted"
	recovered "$text"
	stop "stop$1"
}

test_inodes
test_read_only
test_unreadable
test_clock
test_clock_back
test_untold_start
test_descriptors
test_memory
test_stopped CONT "a writer stopped with the lock held"
test_stopped KILL "a writer stopped and killed with the lock held"
finish
