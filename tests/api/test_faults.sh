#!/bin/sh
# Faults are injected, not imagined: a responder killed at the worst calls, a
# full disk, a cut upload, a store that somebody else holds.

# Mounts of ours are to be seen by nobody and to go with us.
if [ -z "${TF_OWN_MOUNTS-}" ] &&
	unshare --mount --propagation private true 2>/dev/null; then
	TF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=broker.sh
. "$top/tests/api/broker.sh"

# Every thread of the process is held by strace.
# shellcheck disable=SC2317 # called by within
traced() {
	! grep -hE '^TracerPid:[[:space:]]*0$' "/proc/$1"/task/*/status \
		>/dev/null 2>&1
}

# submit QUEUE ID FILE: post until it is accepted, as a client does that got
# no answer; each status in FILE.
submit() {
	tries=0
	status=
	while [ "$status" != 200 ] && [ "$tries" -lt 40 ]; do
		tries=$((tries + 1))
		status=$(curl --silent --max-time 20 --output /dev/null \
			--write-out '%{http_code}' \
			--header 'Content-Type: application/json' --data-binary \
			"{\"job_queue\":\"$1\",\"job_id\":\"$2\"}" "$url/v1/job")
		printf '%s %s\n' "$2" "$status" >>"$3"
		[ "$status" = 200 ] || sleep 0.1
	done
}

# kill_at NAME CALLS N TEXT: tf-job dies at the Nth of these system calls of a
# thread while eight clients at a time submit; then every job that was answered 200
# is there, once, in the store and on the queue.
kill_at() {
	victim=$(pids_of main tf-job)
	strace -f -qq -o "$scratch/strace" -p "$victim" -e "trace=$2" \
		-e "inject=$2:signal=KILL:when=$3" &
	tracer=$!
	if ! within 10 traced "$victim"; then
		skip "$4" "strace may not attach here"
		return
	fi
	: >"$scratch/$1.tries"
	: >"$scratch/$1.ids"
	rounds=0
	while kill -0 "$victim" 2>/dev/null && [ "$rounds" -lt 20 ]; do
		rounds=$((rounds + 1))
		clients=
		for _ in 1 2 3 4 5 6 7 8; do
			id=$(cat /proc/sys/kernel/random/uuid)
			printf '%s\n' "$id" >>"$scratch/$1.ids"
			submit "$1" "$id" "$scratch/$1.tries" &
			clients="$clients $!"
		done
		# shellcheck disable=SC2086 # one word for each pid
		wait $clients
	done
	kill "$tracer" 2>/dev/null
	wait "$tracer" 2>/dev/null
	if kill -0 "$victim" 2>/dev/null; then
		not_ok "$4: the responder died" "$(cat "$scratch/strace")"
		return
	fi
	sort "$scratch/$1.ids" >"$scratch/$1.sorted"
	equal "$4: in the end every submission is accepted" \
		"$(cat "$scratch/$1.sorted")" \
		"$(sed -n 's/ 200$//p' "$scratch/$1.tries" | sort)"
	: >"$scratch/$1.came"
	if within 60 all_arrived "$amqp" "$1" "$scratch/$1.ids" \
		"$scratch/$1.came"; then
		ok "$4: the queue holds every accepted job"
	else
		not_ok "$4: the queue holds every accepted job" \
			"$(comm -23 "$scratch/$1.ids.set" "$scratch/$1.came.set")"
	fi
	equal "$4: each is taken exactly once" "$(cat "$scratch/$1.sorted")" \
		"$(take_all "$1" | sort)"
}

test_kills() {
	start main --rabbitmq
	amqp=$(amqp_url_of main)
	# Connections are open and declared, so that the next send is a publish.
	for n in 1 2 3 4; do
		post /v1/job "{\"job_queue\":\"warm\",\"n\":$n}" >/dev/null
	done
	kill_at commit fsync,fdatasync 1 "killed at the commit"
	kill_at second fsync,fdatasync 2 "killed at the second commit"
	kill_at publish sendto,sendmsg,writev 1 "killed at the publish"
	kill_at published sendto,sendmsg,writev 2 "killed amid publishing"
	kill_at answer write 1 "killed before the answer"
	kill_at answers write 3 "killed amid answers"
	equal "the store is sound after the kills" ok "$(integrity main)"
}

# responders NAME: each of the nine processes of an instance, one a line.
responders() {
	for responder in job dispatch result file agent queue auth event \
		status; do
		printf '%s %s\n' "$responder" \
			"$(pids_of "$1" "tf-$responder")"
	done
}

# restarted NAME TEXT: spawn/restart on a full disk, after which each is another process.
restarted() {
	former=$(responders "$1")
	"$top/spawn/restart" --dir "$scratch/$1" >"$scratch/restart.out" 2>&1
	equal "$2 ends with 1" 1 $?
	# A line for each that stayed, and for each that is gone or there twice.
	equal "$2 replaces each responder" "" "$(responders "$1" |
		while read -r responder pid more; do
			if [ -z "$pid" ] || [ -n "$more" ]; then
				echo "$responder: $pid $more"
			elif printf '%s\n' "$former" |
				grep -qxF "$responder $pid"; then
				echo "$responder: stayed"
			fi
		done)"
}

integrity() {
	sqlite3 "$scratch/$1/data/state.db" 'PRAGMA integrity_check'
}

test_full_disk() {
	disk="$scratch/disk"
	mkdir "$disk"
	if [ -z "${TF_OWN_MOUNTS-}" ] ||
		! mount -t tmpfs -o size=16m,mode=1777 tmpfs "$disk"; then
		skip "a full disk" "this user may not mount a tmpfs"
		return
	fi
	# All of the instance is there, as spawn/up lays it out.
	chmod 755 "$disk"
	instances="$instances full"
	"$top/spawn/up" --no-install --port 0 --dir "$disk/full" \
		--set DISK_FREE_MIN=0 >"$scratch/full.up" 2>&1 || {
		not_ok "the instance on the small disk starts" \
			"$(cat "$scratch/full.up")"
		finish
	}
	url=$(cat "$disk/full/url")
	big=$(head -c 400000 /dev/zero | tr '\0' x)
	printf '{"job_queue":"full","big":"%s"}' "$big" >"$scratch/big.json"
	printf '{"job_queue":"full"}' >"$scratch/small.json"
	head -c 4000000 /dev/zero | tr '\0' 1 >"$scratch/long.json"
	long=/v1/result/00000000-0000-0000-0000-0000000000ac
	equal "a long result is kept" 200 "$(post "$long" "@$scratch/long.json")"
	result=/v1/result/00000000-0000-0000-0000-0000000000aa
	equal "a result is kept" 200 "$(post "$result" '{"old":1.10}')"
	equal "a job is kept" 200 "$(post /v1/job '{"job_queue":"full"}')"
	id=$(answer | id_in)
	# dd ends with "no space left": that is the point.
	dd if=/dev/zero of="$disk/fill" bs=4096 2>/dev/null
	for size in big small; do
		body=$scratch/$size.json
		check_refused "a $size job on a full disk" /v1/job
		check_refused "a $size result on a full disk" "$result"
	done
	equal "a slow reader gets a long result whole on a full disk" \
		"$(cksum <"$scratch/long.json")" "$(read_slowly "$long" | cksum)"
	equal "a result is read on a full disk" 200 "$(get "$result")"
	equal "the old result is whole" '{"old":1.10}' "$(answer)"
	equal "a job is read on a full disk" 200 "$(get "/v1/job/$id")"
	rm "$disk/fill"
	equal "a result is kept again" 200 "$(post "$result" "@$scratch/big.json")"
	equal "a job is kept again" 200 "$(post /v1/job "@$scratch/big.json")"
	new=$(answer | id_in)
	equal "each accepted job is handed out, and nothing else" "$id
$new" "$(take_all full)"
	equal "no temporary file is left" "" \
		"$(find "$disk/full/data/tmp" -type f)"
	equal "the store is sound after it" ok \
		"$(sqlite3 "$disk/full/data/state.db" 'PRAGMA integrity_check')"
	dd if=/dev/zero of="$disk/fill" bs=4096 2>/dev/null
	restarted disk/full "a restart on a full disk"
	like "a restart on a full disk tells of it" '*not ready*"disk":"full"*room*' \
		"$(cat "$scratch/restart.out")"
	before=$(cat "$disk"/full/conf/nginx.conf "$disk"/full/conf/testflinger-*)
	# It fits into the last block of the file.
	echo 'JOB_BODY_MAX = 1000000' >>"$disk/full/conf/testflinger.conf"
	restarted disk/full "a restart with new files of nginx"
	like "for which there is no room, which is told" '*nginx goes on with its former files*' \
		"$(cat "$scratch/restart.out")"
	equal "and the former ones are whole" "$before" \
		"$(cat "$disk"/full/conf/nginx.conf "$disk"/full/conf/testflinger-*)"
	"$top/spawn/down" --dir "$disk/full" >/dev/null 2>&1
	equal "down leaves nothing on a full disk" 0 \
		"$(umount "$disk" 2>&1 | wc -l)"
}

# 503 with Retry-After, in JSON.
check_refused() {
	equal "$1 is refused with 503" 503 \
		"$(curl --silent --max-time 20 --dump-header "$scratch/head" \
			--output "$scratch/answer" --write-out '%{http_code}' \
			--header 'Content-Type: application/json' \
			--data-binary "@$body" "$url$2")"
	like "$1: the refusal has Retry-After" '*[Rr]etry-[Aa]fter: [1-9]*' \
		"$(cat "$scratch/head")"
	like "$1: the refusal is JSON" '{"detail":{},"message":"*' "$(answer)"
}

# The body of PATH, read through a small buffer after a pause.
read_slowly() {
	/usr/bin/python3 -c '
import socket, sys, time
host, path = sys.argv[1].split("//")[1], sys.argv[2]
name, port = host.rsplit(":", 1)
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.settimeout(20)
s.connect(("127.0.0.1", int(port)))
s.sendall(("GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
           % path).encode())
time.sleep(1)
all = b""
while True:
    part = s.recv(65536)
    if not part:
        break
    all += part
sys.stdout.buffer.write(all.split(b"\r\n\r\n", 1)[1])' "$url" "$1"
}

# Send half of a body to PATH and break the connection.
send_half() {
	/usr/bin/python3 -c '
import socket, struct, sys
host, path, size = sys.argv[1].split("//")[1], sys.argv[2], 4000000
name, port = host.rsplit(":", 1)
s = socket.create_connection((name, int(port)), 20)
s.sendall(("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n"
           "Content-Type: application/json\r\n\r\n\""
           % (path, host, size)).encode() + b"x" * (size // 2))
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.close()' "$url" "$1"
}

test_cut_upload() {
	result=/v1/result/00000000-0000-0000-0000-0000000000bb
	equal "a result is there before the cut" 200 "$(post "$result" '[1]')"
	for n in 1 2 3; do
		send_half "$result"
	done
	get "$result" >/dev/null
	equal "an upload that is cut changes nothing" '[1]' "$(answer)"
	equal "an upload that is cut leaves nothing" "" \
		"$(find "$scratch/held/data/tmp" -type f)"
}

# Hold the store's lock until killed, as another writer would.
hold_lock() {
	sh -c 'exec 9<>"$1" && flock 9 && : >"$2" && exec sleep 60' hold \
		"$scratch/held/data/state.db.lock" "$scratch/holding" &
	holder=$!
	within 10 test -e "$scratch/holding"
}

test_held_store() {
	equal "a job is kept before the store is held" 200 \
		"$(post /v1/job '{"job_queue":"held"}')"
	id=$(answer | id_in)
	printf '{"job_queue":"held","n":2}' >"$scratch/held.json"
	body=$scratch/held.json
	hold_lock
	begun=$(date +%s%N)
	check_refused "a job while the store is held" /v1/job
	took=$((($(date +%s%N) - begun) / 1000000))
	if [ "$took" -ge 500 ] && [ "$took" -lt 4000 ]; then
		ok "it is refused after STORE_WAIT_MS"
	else
		not_ok "it is refused after STORE_WAIT_MS" "after $took ms"
	fi
	equal "a job is read while the store is held" 200 "$(get "/v1/job/$id")"
	equal "an empty queue is told while the store is held" 204 \
		"$(get '/v1/job?queue=none&agent=a')"
	kill "$holder"
	wait "$holder" 2>/dev/null
	equal "a job is kept when the store is free" 200 \
		"$(post /v1/job '{"job_queue":"held","n":3}')"
	equal "what was refused has never been done" "$id
$(answer | id_in)" "$(take_all held)"
}

# Resident memory of a responder of the instance big, in kB.
resident() {
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$(pids_of big "$1")/status"
}

# flat PROGRAM KB: no more than 8 MB above what it was.
# shellcheck disable=SC2317 # called by within
flat() {
	[ "$(resident "$1")" -le $(($2 + 8192)) ]
}

# says_flat PROGRAM KB
says_flat() {
	if within 20 flat "$1" "$2"; then
		ok "memory of $1 is flat after jobs of 16 MB"
	else
		not_ok "memory of $1 is flat after jobs of 16 MB" \
			"from $2 kB to $(resident "$1") kB"
	fi
}

# Jobs of the greatest size, several at a time: what they took of memory is given back.
test_big_jobs() {
	start big --set AMQP_URI=
	{
		printf '{"job_queue":"big","a":"'
		head -c 16777189 /dev/zero | tr '\0' x
		printf '"}'
	} >"$scratch/16mb.json"
	equal "the body is of the greatest size" 16777215 \
		"$(wc -c <"$scratch/16mb.json")"
	post /v1/job '{"job_queue":"small"}' >/dev/null
	get '/v1/job?queue=small&agent=a' >/dev/null
	job_kb=$(resident tf-job)
	dispatch_kb=$(resident tf-dispatch)
	clients=
	for n in 1 2 3 4 5 6 7 8; do
		curl --silent --max-time 120 --output /dev/null \
			--write-out '%{http_code}\n' \
			--header 'Content-Type: application/json' \
			--data-binary "@$scratch/16mb.json" "$url/v1/job" \
			>"$scratch/big.$n" &
		clients="$clients $!"
	done
	# shellcheck disable=SC2086 # numbers
	wait $clients
	equal "eight big jobs at a time are accepted" "8 200" \
		"$(cat "$scratch"/big.? | sort | uniq -c | sed 's/^ *//')"
	says_flat tf-job "$job_kb"
	equal "one is handed out" 200 "$(get '/v1/job?queue=big&agent=a')"
	like "whole" '*"started_at":"*' "$(tail -c 50 "$scratch/answer")"
	equal "with all its bytes" 16777189 \
		"$(sed 's/.*"a":"\(x*\)".*/\1/' "$scratch/answer" | tr -d '\n' | wc -c)"
	equal "it is read too" 200 "$(get "/v1/job/$(id_in <"$scratch/answer")")"
	says_flat tf-dispatch "$dispatch_kb"
	says_flat tf-job "$job_kb"
	stop big
}

start held --set STORE_WAIT_MS=500
test_cut_upload
test_held_store
test_big_jobs
test_full_disk
test_kills
finish
