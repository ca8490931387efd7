#!/bin/sh
# tf-supervise: requests for a program that cannot start are answered at once, those for one
# that is started again are not refused, and health tells of programs that do not run.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

result=/v1/result/00000000-0000-0000-0000-0000000000ee

supervisor_of() {
	cat "$scratch/main/pids/$1.pid"
}

# shellcheck disable=SC2317 # called by within
says() {
	[ "$(get "$1")" = "$2" ]
}

# cannot_start NAME: its configuration is bad from now on, and its process is gone.
cannot_start() {
	printf 'WORKERS = -1\n' >>"$scratch/main/conf/testflinger.conf"
	kill -KILL "$(pids_of main "tf-$1")"
	within 10 grep -q "tf-$1 cannot start" "$scratch/main/logs/$1.log" ||
		not_ok "tf-supervise tells that tf-$1 cannot start"
}

can_start() {
	sed -i '/^WORKERS/d' "$scratch/main/conf/testflinger.conf"
}

# unavailable CASE PATH OPTION...: 503 before anybody's patience ends, as the API says it.
unavailable() {
	case_name=$1
	path=$2
	shift 2
	equal "$case_name is answered at once" 503 "$(curl --silent \
		--max-time 3 --dump-header "$scratch/head" \
		--output "$scratch/answer" --write-out '%{http_code}' \
		"$@" "$url$path")"
	like "$case_name may come again" '*[Rr]etry-[Aa]fter: 5*' \
		"$(cat "$scratch/head")"
	like "$case_name is told in JSON" '*application/json*' \
		"$(cat "$scratch/head")"
	equal "$case_name is told in the form of the API" \
		'{"detail":{},"message":"Service unavailable"}' "$(answer)"
}

# silent COUNT SOCKET: so many connections that say nothing, or half a record, until the end of
# its standard input; a line once they are there.
silent() {
	/usr/bin/python3 -c '
import socket, sys
peers = []
for n in range(int(sys.argv[1])):
    peers.append(socket.socket(socket.AF_UNIX))
    peers[n].connect(sys.argv[2])
    if n % 2 == 0:
        peers[n].send(b"\1\1\0\1\0")
print("there", flush=True)
sys.stdin.read()' "$1" "$2"
}

socket_of() {
	sockets=$scratch/main/sockets
	[ ! -s "$scratch/main/socket-dir" ] ||
		sockets=$(cat "$scratch/main/socket-dir")
	printf '%s/%s.sock\n' "$sockets" "$1"
}

test_cannot_start() {
	cannot_start result
	unavailable "a read" "$result"
	unavailable "an empty report" "$result" --request POST --data ""
	head -c 10000000 /dev/zero | tr '\0' 1 >"$scratch/big.json"
	unavailable "a body of 10 MB" "$result" --header 'Expect:' \
		--header 'Content-Type: application/json' \
		--data-binary "@$scratch/big.json"
	equal "health says that it does not" 503 "$(get /v1/health/ready)"
	like "and which" '*"down":\["tf-result"\],"responders":"down"*"not ready"*' \
		"$(answer)"
	equal "while all else goes on" 200 \
		"$(post /v1/job '{"job_queue":"q"}')"
	# Half of the places are taken by peers who are in no hurry.
	mkfifo "$scratch/hold"
	silent 128 "$(socket_of result)" <"$scratch/hold" >"$scratch/there" &
	peers=$!
	exec 3>"$scratch/hold"
	within 10 grep -q there "$scratch/there"
	unavailable "beside silent peers, a read" "$result"
	can_start
	within 10 says "$result" 204
	equal "it is started again in time, and serves" 204 "$(get "$result")"
	exec 3>&-
	wait "$peers"
	within 10 says /v1/health/ready 200
	equal "which health says" 200 "$(get /v1/health/ready)"
	equal "that it cannot start is told once" 1 \
		"$(grep -c 'cannot start' "$scratch/main/logs/result.log")"
	like "and how many heard of it" '*requests were answered with 503*' \
		"$(cat "$scratch/main/logs/result.log")"
}

# Half of an upload, and the rest when nobody waits for it any more.
test_upload() {
	cannot_start file
	mkfifo "$scratch/body"
	{
		head -c 300000 "$scratch/big.json"
		within 10 test -s "$scratch/head.upload"
		head -c 300000 "$scratch/big.json"
	} >"$scratch/body" &
	sender=$!
	: >"$scratch/head.upload"
	equal "an upload that is under way is answered" 503 "$(curl --silent \
		--max-time 20 --dump-header "$scratch/head.upload" \
		--output "$scratch/answer" --write-out '%{http_code}' \
		--header 'Content-Type: multipart/form-data; boundary=x' \
		--header 'Expect:' --request POST --upload-file - \
		"$url$result/artifact" <"$scratch/body")"
	wait "$sender"
	equal "in the form of the API" \
		'{"detail":{},"message":"Service unavailable"}' "$(answer)"
	can_start
	within 10 says "$result/artifact" 204
	equal "and downloads are served again" 204 "$(get "$result/artifact")"
}

test_status() {
	cannot_start status
	unavailable "a question for health" /v1/health/ready
	unavailable "a question for life" /v1/health/live
	can_start
	within 10 says /v1/health/live 200
	equal "health is there again" 200 "$(get /v1/health/live)"
}

# A supervisor that answers for its program ends when told, whoever is connected.
test_stop() {
	cannot_start queue
	mkfifo "$scratch/hold.stop"
	silent 300 "$(socket_of queue)" <"$scratch/hold.stop" \
		>"$scratch/there.stop" &
	peers=$!
	exec 3>"$scratch/hold.stop"
	within 10 grep -q there "$scratch/there.stop"
	pid=$(supervisor_of queue)
	kill -TERM "$pid"
	# shellcheck disable=SC2317 # called by within
	has_ended() {
		[ -z "$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")" ]
	}
	within 3 has_ended
	equal "silent peers do not keep a supervisor from its end" 0 $?
	exec 3>&-
	wait "$peers"
	can_start
	"$top/spawn/up" --no-install --port "${url##*:}" \
		--dir "$scratch/main" >"$scratch/up" 2>&1
	equal "and a start is good again" 0 $?
}

# Who dies may serve again in a moment: nobody is refused for that.
test_kills() {
	for name in result job; do
		: >"$scratch/main/logs/$name.log"
	done
	: >"$scratch/codes"
	touch "$scratch/go"
	clients=
	for _ in 1 2 3 4; do
		while [ -e "$scratch/go" ]; do
			get_code "$result"
			get_code /v1/job/search
		done >>"$scratch/codes" &
		clients="$clients $!"
	done
	within 10 test -s "$scratch/codes"
	kills=0
	for _ in $(seq 60); do
		for name in result job; do
			pid=$(children_of "$(supervisor_of $name)")
			[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
			[ -z "$pid" ] || kills=$((kills + 1))
			sleep 0.05
		done
	done
	rm "$scratch/go"
	# shellcheck disable=SC2086 # one word for each pid
	wait $clients
	equal "under kills each 50 ms nothing is 503" "" \
		"$(grep -vxE '200|204|502' "$scratch/codes" | sort | uniq -c)"
	equal "for no program was given up" "" "$(grep -h 'cannot start' \
		"$scratch/main/logs/result.log" "$scratch/main/logs/job.log")"
	if [ "$(grep -cxE '200|204' "$scratch/codes")" -le 20 ] ||
		[ "$kills" -le 20 ]; then
		not_ok "requests were served, and programs killed, meanwhile" \
			"$kills kills, $(sort "$scratch/codes" | uniq -c)"
	fi
}

get_code() {
	curl --silent --max-time 30 --output /dev/null \
		--write-out '%{http_code}\n' "$url$1"
}

test_ready_through_restarts() {
	: >"$scratch/codes"
	touch "$scratch/go"
	while [ -e "$scratch/go" ]; do
		get_code /v1/health/ready
	done >"$scratch/codes" &
	client=$!
	for _ in 1 2; do
		"$top/spawn/restart" --dir "$scratch/main" \
			>"$scratch/restart" 2>&1 || not_ok "a restart ends well" \
			"$(cat "$scratch/restart")"
	done
	rm "$scratch/go"
	wait "$client"
	equal "it is ready all through a restart" 200 \
		"$(sort -u "$scratch/codes")"
}

test_gone() {
	kill -KILL "$(supervisor_of file)"
	within 10 says /v1/health/ready 503
	like "a supervisor that is gone is told by health" \
		'*"down":\["tf-file"\],"responders":"down","status":"not ready"*' \
		"$(answer)"
	kill -TERM "$(supervisor_of agent)"
	# shellcheck disable=SC2317 # called by within
	names_both() {
		get /v1/health/ready >/dev/null
		answer | grep -q '"down":\["tf-agent","tf-file"\]'
	}
	within 10 names_both
	equal "so is one that was stopped" 0 $?
	"$top/spawn/up" --no-install --port "${url##*:}" \
		--dir "$scratch/main" >"$scratch/up" 2>&1
	equal "after a start it is ready again" 200 "$(get /v1/health/ready)"
}

# alone NAME COUNT SCRIPT: a supervisor of so many processes of this script, with the status
# file NAME.status.
alone() {
	printf '#!/bin/sh\n%s\n' "$3" >"$scratch/$1"
	chmod +x "$scratch/$1"
	"$BUILD/tf-supervise" -n "$2" -s "$scratch/$1.status" -- "$scratch/$1" \
		</dev/null 2>"$scratch/$1.log" &
	alone="${alone-} $!"
}

# shellcheck disable=SC2317 # called by within
fails() {
	[ "$(grep -c . "$scratch/fails")" -ge "$1" ]
}

# Whoever is killed by the kernel at each start is waited for longer, so this begins first.
test_alone() {
	: >"$scratch/fails"
	alone killed 1 'kill -KILL $$'
	alone one 2 "mkdir $scratch/one.serves 2>/dev/null || {
			echo x >>$scratch/fails
			exit 1
		}
		printf x >/proc/self/fd/\$TF_READY_FD
		exec sleep 600"
	within 20 fails 4
	like "of two one that serves is enough" '*up*' \
		"$(cat "$scratch/one.status")"
	like "a few kills do not tell that it cannot start" '*up*' \
		"$(cat "$scratch/killed.status")"
}

test_alone_end() {
	within 90 grep -q down "$scratch/killed.status"
	equal "kills at each start do at last" 0 $?
	# shellcheck disable=SC2086 # one word for each pid
	kill $alone
	# shellcheck disable=SC2086
	wait $alone
}

start main
equal "at first all responders run" 200 "$(get /v1/health/ready)"
like "and health says so" '*"responders":"ok"*' "$(answer)"
test_alone
test_cannot_start
test_upload
test_status
test_stop
test_kills
test_ready_through_restarts
test_gone
test_alone_end
finish
