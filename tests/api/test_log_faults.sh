#!/bin/sh
# Logs when things go wrong: tf-result killed amid appends, also at the worst
# calls, a full disk, and readers that are slow or leave.

# Mounts of ours are to be seen by nobody and to go with us.
if [ -z "${TF_OWN_MOUNTS-}" ] &&
	unshare --mount --propagation private true 2>/dev/null; then
	TF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# append ID THREADS EACH: in the background, its verdict in $scratch/verdict.
append() {
	: >"$scratch/verdict"
	/usr/bin/python3 "$top/tests/api/append.py" "$url" "$@" \
		>"$scratch/verdict" 2>"$scratch/refused" &
	appender=$!
}

new_id() {
	cat /proc/sys/kernel/random/uuid
}

# Some deaths, at any moment.
test_kills() {
	append "$(new_id)" 4 1500
	kills=0
	while [ "$kills" -lt 4 ] && kill -0 "$appender" 2>/dev/null; do
		sleep 0.1
		for victim in $(pids_of main tf-result); do
			kill -9 "$victim" && kills=$((kills + 1))
		done
	done
	wait "$appender"
	equal "after $kills deaths each fragment is there once, in order" whole \
		"$(cat "$scratch/verdict")"
	[ "$kills" -ge 3 ] || not_ok "it died amid appends" "$kills deaths"
}

# Every thread of the process is held by strace.
# shellcheck disable=SC2317 # called by within
traced() {
	! grep -hE '^TracerPid:[[:space:]]*0$' "/proc/$1"/task/*/status \
		>/dev/null 2>&1
}

# The supervisor has started it again; its process is victim.
# shellcheck disable=SC2317 # called by within
runs() {
	victim=$(pids_of main tf-result)
	[ -n "$victim" ]
}

# kill_at CALLS N TEXT: tf-result dies at the Nth of these system calls.
kill_at() {
	if ! within 20 runs; then
		not_ok "$3: the responder is back"
		return
	fi
	strace -f -qq -o "$scratch/strace" -p "$victim" -e "trace=$1" \
		-e "inject=$1:signal=KILL:when=$2" &
	tracer=$!
	if ! within 10 traced "$victim"; then
		skip "$3" "strace may not attach here"
		return
	fi
	append "$(new_id)" 3 20
	wait "$appender"
	kill "$tracer" 2>/dev/null
	wait "$tracer" 2>/dev/null
	if kill -0 "$victim" 2>/dev/null; then
		not_ok "$3: the responder died" "$(tail -n 3 "$scratch/strace")"
		return
	fi
	equal "$3: each fragment is there once, in order" whole \
		"$(cat "$scratch/verdict")"
}

test_kill_points() {
	kill_at pwrite64 1 "killed at the first write"
	kill_at pwrite64 9 "killed at a write"
	kill_at fdatasync 1 "killed at a sync"
	kill_at fdatasync 6 "killed at a later sync"
	kill_at flock 3 "killed at a lock"
	equal "the store is sound after the kills" ok \
		"$(sqlite3 "$scratch/main/data/state.db" 'PRAGMA integrity_check')"
}

# fragment NUMBER FILE: the body of a fragment with the text in FILE.
fragment() {
	printf '{"fragment_number":%d,"timestamp":"2026-11-25T08:00:00Z","phase":"test","log_data":"' "$1"
	cat "$2"
	printf '"}'
}

# told_of TEXT PATH RESPONDER PATTERN CURL...: refused, and found in the log by the id of the request.
told_of() {
	told_what=$1 told_path=$2 told_log=$scratch/full/logs/$3.log told_words=$4
	shift 4
	equal "$told_what is refused" 503 "$(curl --silent --max-time 20 \
		--dump-header "$scratch/head" --output /dev/null \
		--write-out '%{http_code}' "$@" "$url$told_path")"
	told_id=$(sed -n 's/\r$//; s/^[Xx]-[Rr]equest-[Ii]d: //p' "$scratch/head")
	told_lines=$(grep -F "req=$told_id " "$told_log" | grep -cE "$told_words")
	equal "$told_what is in the log, with its id, once" 1 "$told_lines"
}

test_full_disk() {
	disk="$scratch/disk"
	mkdir "$disk"
	if [ -z "${TF_OWN_MOUNTS-}" ] ||
		! mount -t tmpfs -o size=16m,mode=1777 tmpfs "$disk"; then
		skip "a full disk" "this user may not mount a tmpfs"
		return
	fi
	chmod 755 "$disk"
	instances="$instances full"
	"$top/spawn/up" --no-install --port 0 --dir "$scratch/full" \
		--set DATA_PATH="$disk/data" --set DISK_FREE_MIN=0 \
		--set AMQP_URI= >"$scratch/full.up" 2>&1 || {
		not_ok "the instance on the small disk starts" \
			"$(cat "$scratch/full.up")"
		finish
	}
	url=$(cat "$scratch/full/url")
	log=/v1/result/00000000-0000-0000-0000-0000000000cc/log/output
	head -c 2000000 /dev/zero | tr '\0' x >"$scratch/long"
	head -c 500 /dev/zero | tr '\0' y >"$scratch/short"
	fragment 0 "$scratch/short" >"$scratch/first.json"
	fragment 1 "$scratch/long" >"$scratch/long.json"
	fragment 2 "$scratch/short" >"$scratch/short.json"
	equal "a fragment is kept" 200 "$(post "$log" "@$scratch/first.json")"
	get "$log?phase=test" >/dev/null
	answer >"$scratch/before"
	# dd ends with "no space left": that is the point.
	dd if=/dev/zero of="$disk/fill" bs=4096 2>/dev/null
	for size in long short; do
		equal "a $size fragment on a full disk is refused" 503 \
			"$(curl --silent --max-time 20 \
				--dump-header "$scratch/head" \
				--output "$scratch/answer" \
				--write-out '%{http_code}' \
				--header 'Content-Type: application/json' \
				--data-binary "@$scratch/$size.json" "$url$log")"
		like "a $size fragment on a full disk may come again" \
			'*Retry-After: *' "$(cat "$scratch/head")"
	done
	told_of "a submission on a full disk" /v1/job job \
		': the disk is full' \
		--json '{"job_queue":"full"}'
	told_of "an artifact on a full disk" \
		/v1/result/00000000-0000-0000-0000-0000000000cc/artifact file \
		'artifact.tar.gz of 00000000-0000-0000-0000-0000000000cc: ' \
		--form "file=@$scratch/long"
	equal "the log is read on a full disk" 200 "$(get "$log?phase=test")"
	equal "and is what it was" "$(cat "$scratch/before")" "$(answer)"
	rm "$disk/fill"
	equal "the long fragment is kept when there is room" 200 \
		"$(post "$log" "@$scratch/long.json")"
	equal "the short one too" 200 "$(post "$log" "@$scratch/short.json")"
	equal "the file has them once each" 2001000 \
		"$(wc -c <"$(find "$disk/data/jobs" -name log.output.test)")"
	"$top/spawn/down" --dir "$scratch/full" >/dev/null 2>&1
	umount "$disk"
}

# Sixty readers of a long log that take nothing: others are served meanwhile, one more of
# the long log is told to come again; whoever reads to the end has it whole.
test_slow_readers() {
	use_id=$(new_id)
	post /v1/job "{\"job_queue\":\"slow\",\"job_id\":\"$use_id\",\"test_data\":{}}" >/dev/null
	head -c 9000000 /dev/zero | tr '\0' z >"$scratch/long"
	fragment 0 "$scratch/long" >"$scratch/long.json"
	post "/v1/result/$use_id/log/output" "@$scratch/long.json" >/dev/null
	short_id=$(new_id)
	head -c 1000000 "$scratch/long" | fragment 0 - >"$scratch/1mb.json"
	/usr/bin/python3 -c '
import socket, sys, time
name, port = sys.argv[1].split("//")[1].rsplit(":", 1)
all = []
for n in range(60):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(20)
    s.connect(("127.0.0.1", int(port)))
    s.sendall(("GET /v1/result/%s HTTP/1.1\r\nHost: x\r\n"
               "Connection: close\r\n\r\n" % sys.argv[2]).encode())
    all.append(s)
first = [s.recv(12) for s in all]
open(sys.argv[3], "w").close()
sys.stdin.read()
whole = 0
for s, head in zip(all, first):
    if not head.endswith(b" 200"):
        continue
    if whole >= 2:
        s.close()
        continue
    data = b""
    while True:
        part = s.recv(1 << 20)
        if not part:
            break
        data += part
    whole += data.count(b"z") == 9000000
print(whole)
' "$url" "$use_id" "$scratch/held" <"$scratch/pipe" >"$scratch/slow" &
	readers=$!
	exec 8>"$scratch/pipe"
	within 20 test -e "$scratch/held"
	if within 20 is_refused; then
		ok "one too many is refused"
	else
		not_ok "one too many is refused" "$(head -c 200 "$scratch/answer")"
	fi
	like "and may come again" '*[Rr]etry-[Aa]fter: [1-9]*' \
		"$(curl --silent --include --output - "$url/v1/result/$use_id" |
			head -n 12)"
	equal "a log that nginx takes as a whole is served beside slow readers" 200 \
		"$(post "/v1/result/$short_id/log/output" "@$scratch/1mb.json" \
			>/dev/null
		get "/v1/result/$short_id/log/output")"
	equal "a view without logs is served beside slow readers" 200 \
		"$(post /v1/job '{"job_queue":"s","job_id":"00000000-0000-4000-8000-0000000000dd","test_data":{}}' >/dev/null
		get /v1/result/00000000-0000-4000-8000-0000000000dd)"
	equal "a fragment is kept beside slow readers" 200 \
		"$(post "/v1/result/$(new_id)/log/output" "$(printf x | fragment 0 -)")"
	exec 8>&-
	wait "$readers"
	equal "slow readers get all of it" 2 "$(cat "$scratch/slow")"
	# Those who left have given their threads back.
	equal "a long view is served afterwards" 200 "$(get "/v1/result/$use_id")"
}

# shellcheck disable=SC2317 # called by within
is_refused() {
	[ "$(get "/v1/result/$use_id")" = 503 ]
}

mkfifo "$scratch/pipe"
start main --set AMQP_URI=
test_kills
test_kill_points
test_slow_readers
test_full_disk
finish
