#!/bin/sh
# spawn/up, down and restart: an instance comes, goes, and is replaced under load
# without a refused request.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

job='{"job_queue":"spawn"}'

# All processes that have anything of the instance $1 in their command line or
# environment.
processes_of() {
	for pid_dir in /proc/[0-9]*; do
		[ "${pid_dir#/proc/}" != $$ ] || continue
		cat "$pid_dir/cmdline" "$pid_dir/environ" 2>/dev/null |
			tr '\0' '\n' | grep -qF "$scratch/$1/" &&
			tr '\0' ' ' <"$pid_dir/cmdline" && echo
	done
}

# up NAME OPTION...: as the user types it; its status, what it said in NAME.up.
up() {
	up_name=$1
	shift
	case " $instances " in
	*" $up_name "*) ;;
	*) instances="$instances $up_name" ;;
	esac
	"$top/spawn/up" --no-install --dir "$scratch/$up_name" "$@" \
		>"$scratch/$up_name.up" 2>&1
}

# A client that keeps its connection and does not ask twice, until $scratch/go is
# gone; a line for each answer.
keep_alive() {
	/usr/bin/python3 -c '
import http.client, os, sys
host, path, go = sys.argv[1].split("//")[1], sys.argv[2], sys.argv[3]
c = http.client.HTTPConnection(host, timeout=20)
while os.path.exists(go):
    try:
        c.request("GET", path)
        r = c.getresponse()
        r.read()
        print(r.status)
    except (OSError, http.client.HTTPException) as e:
        print(repr(e))
        c.close()' "$url" "$1" "$scratch/go"
}

test_restart() {
	start main
	old=$(pids_of main tf-job)
	: >"$scratch/codes"
	touch "$scratch/go"
	for _ in 1 2 3 4; do
		while [ -e "$scratch/go" ]; do
			curl --silent --max-time 20 --output /dev/null \
				--write-out '%{http_code}\n' --json "$job" \
				"$url/v1/job" --next --silent --max-time 20 \
				--output /dev/null --write-out '%{http_code}\n' \
				"$url/v1/result/00000000-0000-0000-0000-0000000000ee" \
				>>"$scratch/codes"
		done &
	done
	for n in 1 2; do
		keep_alive /v1/result/00000000-0000-0000-0000-0000000000ee \
			>"$scratch/kept.$n" &
	done
	within 10 test -s "$scratch/codes"
	within 10 test -s "$scratch/kept.1"
	for n in 1 2 3; do
		"$top/spawn/restart" --dir "$scratch/main" \
			>"$scratch/restart.out" 2>&1
		equal "restart $n ends well" 0 $?
	done
	rm "$scratch/go"
	wait
	new=$(pids_of main tf-job)
	if [ "$new" != "$old" ] && [ -n "$new" ]; then
		ok "the responder is another process"
	else
		not_ok "the responder is another process" "$old, then $new"
	fi
	equal "no request was refused meanwhile" "" \
		"$(grep -vxE '200|204' "$scratch/codes" | sort | uniq -c)"
	equal "nor a kept connection broken" 204 \
		"$(sort -u "$scratch/kept.1" "$scratch/kept.2")"
	submitted=$(grep -cx 200 "$scratch/codes")
	equal "each accepted job is there" "$submitted" \
		"$(sqlite3 "$scratch/main/data/state.db" 'SELECT count(*) FROM job')"
	printf 'WORKERS = -1\n' >>"$scratch/main/conf/testflinger.conf"
	if "$top/spawn/restart" --dir "$scratch/main" >"$scratch/restart.out" 2>&1; then
		not_ok "a restart with a bad configuration is told"
	else
		like "a restart with a bad configuration is told" \
			'*tf-job was not replaced*WORKERS*' \
			"$(cat "$scratch/restart.out")"
	fi
	equal "and the old process goes on" 200 "$(post /v1/job "$job")"
	sed -i 's/^WORKERS.*/WORKESR = 4/' "$scratch/main/conf/testflinger.conf"
	"$top/spawn/restart" --dir "$scratch/main" >"$scratch/restart.out" 2>&1
	equal "a key that is misspelt is no failure" 0 $?
	like "but told" 'restart: warning: *testflinger.conf: line *: WORKESR is no key*' \
		"$(cat "$scratch/restart.out")"
	equal "once" 1 "$(grep -c WORKESR "$scratch/restart.out")"
	sed -i '/^WORKESR/d' "$scratch/main/conf/testflinger.conf"
}

nginx_workers() {
	children_of "$(cat "$scratch/main/nginx.pid")"
}

# What nginx must know of the configuration it is told by the same command.
test_restart_nginx() {
	conf=$scratch/main/conf
	{
		printf '{"job_queue":"spawn","note":"'
		head -c 100000 /dev/zero | tr '\0' x
		printf '"}'
	} >"$scratch/big.json"
	equal "a job of 100 kB is taken" 200 "$(post /v1/job "@$scratch/big.json")"
	before=$(nginx_workers)
	"$top/spawn/restart" --dir "$scratch/main" >"$scratch/restart.out" 2>&1
	equal "a restart without changes leaves nginx alone" "$before" \
		"$(nginx_workers)"
	printf '%s\n' 'JOB_BODY_MAX = 20_000 # small' \
		'DISPATCH_WAIT_MAX = 80' >>"$conf/testflinger.conf"
	curl --silent --max-time 40 --output /dev/null \
		--write-out '%{http_code}' \
		"$url/v1/job?queue=nobody&agent=held&wait=30" >"$scratch/held" &
	holder=$!
	"$top/spawn/restart" --dir "$scratch/main" >"$scratch/restart.out" 2>&1
	equal "a restart with another limit and wait ends well" 0 $?
	wait "$holder"
	equal "and ends a request that waits with an answer" 204 \
		"$(cat "$scratch/held")"
	equal "a job that is bigger is refused" 413 \
		"$(post /v1/job "@$scratch/big.json")"
	like "by nginx too" '*client_max_body_size 20000;*' \
		"$(cat "$conf/testflinger-locations.conf")"
	like "and nginx waits longer than the longest wait" \
		'*fastcgi_read_timeout 90s;*' \
		"$(cat "$conf/testflinger-locations.conf")"
	sed -i 's/20_000 .*/200000/' "$conf/testflinger.conf"
	"$top/spawn/restart" --dir "$scratch/main" >"$scratch/restart.out" 2>&1
	equal "with a greater limit it is taken again" 200 \
		"$(post /v1/job "@$scratch/big.json")"
	cp "$conf/testflinger-locations.conf" "$scratch/locations"
	sed -i 's/200000/0x9000/' "$conf/testflinger.conf"
	"$top/spawn/restart" --dir "$scratch/main" >"$scratch/restart.out" 2>&1
	equal "a number that is not in digits is refused" 1 $?
	like "with the remedy" '*JOB_BODY_MAX*write it so*' \
		"$(cat "$scratch/restart.out")"
	equal "and nginx's files stay" "" "$(diff "$scratch/locations" \
		"$conf/testflinger-locations.conf")"
	# As where the kernel does not list the children of a process.
	sed -i 's/0x9000/300000/' "$conf/testflinger.conf"
	master=$(cat "$scratch/main/nginx.pid")
	before=$(nginx_workers)
	# In a chroot paths of files that others have open are others then.
	if unshare --mount --propagation private find "/proc/$master/fd" \
		-lname "$scratch/main/logs/*" 2>/dev/null | grep -q .; then
		# shellcheck disable=SC2016 # for the inner shell
		unshare --mount --propagation private sh -c 'mount --bind \
			/dev/null "/proc/$1/task/$1/children" && shift &&
			exec "$@"' hide "$master" \
			"$top/spawn/restart" --dir "$scratch/main" \
			>"$scratch/restart.out" 2>&1
		equal "without a list of nginx's workers it ends well" 0 $?
		[ "$(nginx_workers)" != "$before" ] ||
			not_ok "without a list of nginx's workers they are others"
	else
		skip "without a list of nginx's workers" \
			"this user may not mount anything there"
	fi
	sed -i '/^JOB_BODY_MAX/d; /^DISPATCH_WAIT_MAX/d' "$conf/testflinger.conf"
	"$top/spawn/restart" --dir "$scratch/main" >"$scratch/restart.out" 2>&1
	equal "and back to the defaults" 0 $?
}

# The supervisor too, so that nothing restarts it.
test_gone_responder() {
	main_url=$url
	start gone
	kill -KILL "$(cat "$scratch/gone/pids/file.pid")"
	"$top/spawn/restart" --dir "$scratch/gone" >"$scratch/restart.out" 2>&1
	equal "a restart without tf-file fails" 1 $?
	like "and says to give the options again" \
		'*tf-file does not run*all options again*--set*' \
		"$(cat "$scratch/restart.out")"
	stop gone
	url=$main_url
}

test_killed_responder() {
	kill -KILL "$(pids_of main tf-result)"
	equal "a killed responder means waiting, no refusal" 204 \
		"$(get /v1/result/00000000-0000-0000-0000-0000000000ee)"
}

test_again() {
	post /v1/job '{"job_queue":"kept"}' >/dev/null
	kept=$(answer | id_in)
	port=${url##*:}
	up main --port "$port"
	equal "up over a running instance starts it anew" 0 $?
	equal "with its data" 200 "$(get "/v1/job/$kept")"
	up main --port "$port" --fresh
	equal "up --fresh starts" 0 $?
	equal "without the data" 204 "$(get "/v1/job/$kept")"
	up main --port "$port" --set ANONYMOUS_ROLES=contributor --set WORKERS=9
	equal "up with settings starts" 0 $?
	equal "what it did not set before is no loss" "" \
		"$(grep 'not in force' "$scratch/main.up")"
	up main --port "$port" --set WORKERS=8
	like "settings that are not given again are named" \
		'*not in force any more: ANONYMOUS_ROLES
*conf.old*--set KEY=VALUE*' "$(cat "$scratch/main.up")"
	old=$scratch/main/conf/testflinger.conf.old
	equal "and kept, for the owner" "600 ANONYMOUS_ROLES = 'contributor'" \
		"$(stat -c %a "$old") $(grep ANONYMOUS "$old")"
	up second --port "$port"
	equal "a port that is taken is refused" 1 $?
	like "with the remedy" '*--port 0*' "$(cat "$scratch/second.up")"
	equal "and leaves nothing running" "" "$(processes_of second)"
	up main --port "$port" --set WORKERS=-1
	equal "up with a bad value is refused" 1 $?
	equal "and leaves alone what runs" 204 "$(get "/v1/job/$kept")"
	up second --port 0
	equal "two instances run side by side" 0 $?
	main_url=$url
	url=$(cat "$scratch/second/url")
	equal "one does not know the other's jobs" 204 "$(get "/v1/job/$kept")"
	url=$main_url
}

test_refusals() {
	up refused --port 0 --set WORKERS=-5
	equal "a bad value is refused" 1 $?
	like "the refusal names program, line and bounds" \
		'*tf-job refuses*line 2*WORKERS*0 to 1024*' \
		"$(cat "$scratch/refused.up")"
	up refused --port 0 --set NO_SUCH_KEY=1
	equal "an unknown key is refused" 1 $?
	up refused --port 99999
	equal "a number that is no port is refused" 1 $?
	up refused --no-such-option
	equal "an unknown option is a usage error" 2 $?
	equal "nothing runs after a refusal" "" "$(processes_of refused)"
}

# What spawn/up says to type next is answered well, whatever the configuration.
test_hints() {
	key=0123456789abcdef0123456789abcdef
	for option in JOB_FIELDS=open JOB_FIELDS=strict ANONYMOUS_ROLES= \
		ANONYMOUS_ROLES=contributor ANONYMOUS_ROLES=agent; do
		up hints --port 0 --fresh --set JWT_SIGNING_KEY=$key \
			--set "$option"
		equal "it starts with $option" 0 $?
		equal "and with $option it refuses nobody by that" "" \
			"$(grep -h authz_fail "$scratch"/hints/logs/*.log)"
		sed -n 's/^  curl /curl --silent --fail /p
			/^  \/.*testflingerctl/p' "$scratch/hints.up" \
			>"$scratch/hints.sh"
		equal "with $option it says what to type" 0 \
			"$(test -s "$scratch/hints.sh"; echo $?)"
		sh -e "$scratch/hints.sh" >/dev/null 2>&1
		equal "and with $option that is answered well" 0 $?
	done
	# What is there to be tried differs.
	up hints --port 0 --set JWT_SIGNING_KEY=$key \
		--set ANONYMOUS_ROLES=contributor
	like "who may only submit is told how agents come in" \
		'*curl*/v1/job -X POST*may not take jobs.*client add*' \
		"$(cat "$scratch/hints.up")"
	equal "and not to take" "" "$(grep 'agent=\|/v1/result' "$scratch/hints.up")"
	up hints --port 0 --set ANONYMOUS_ROLES=contributor
	like "without tokens it says how to have some" \
		'*may not take jobs, and there are no tokens*JWT_SIGNING_KEY=*' \
		"$(cat "$scratch/hints.up")"
	stop hints
}

# An instance of which one part does not come up is no success.  Both at once, for spawn/up
# waits long before it says so.
test_parts() {
	all=$BUILD
	instances="$instances without-event without-file"
	for part in event file; do
		BUILD=$scratch/programs-$part
		mkdir "$BUILD"
		ln -s "$all"/tf-* "$BUILD"
		rm "$BUILD/tf-$part"
		printf '#!/bin/sh\n%s\n%s\n' \
			"[ \"\$1\" != --check-config ] || exec $all/tf-$part \"\$@\"" \
			'exit 1' >"$BUILD/tf-$part"
		chmod +x "$BUILD/tf-$part"
		{
			up "without-$part" --port 0
			echo $? >"$scratch/without-$part.ended"
		} &
	done
	BUILD=$all
	wait
	for part in event file; do
		equal "without tf-$part it does not come up" 1 \
			"$(cat "$scratch/without-$part.ended")"
		like "which is told" '*the server does not answer*' \
			"$(cat "$scratch/without-$part.up")"
		equal "and nothing runs" "" "$(processes_of "without-$part")"
	done
}

# nginx must not outlive its instance, whatever has become of its master.
test_orphans() {
	start orphans
	port=${url##*:}
	kill -KILL "$(cat "$scratch/orphans/nginx.pid")"
	stop orphans
	equal "down finds the workers of an nginx that was killed" "" \
		"$(processes_of orphans)"
	up orphans --port "$port"
	equal "and the port is free" 0 $?
	# A client that never ends its body.
	mkfifo "$scratch/body"
	curl --silent --max-time 60 "telnet://127.0.0.1:$port" \
		<"$scratch/body" >/dev/null &
	slow=$!
	exec 3>"$scratch/body"
	printf 'POST /v1/job HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n' >&3
	within 10 grep -q . "$scratch/orphans/url"
	stop orphans
	equal "down does not wait for a client that never ends" "" \
		"$(processes_of orphans)"
	exec 3>&-
	kill "$slow" 2>/dev/null
	wait "$slow" 2>/dev/null
}

test_data_path() {
	start elsewhere --set "DATA_PATH=$scratch/other/data"
	equal "DATA_PATH may be anywhere" 200 "$(post /v1/job "$job")"
	head -c 200000 /dev/zero | tr '\0' 1 >"$scratch/big.json"
	result=/v1/result/00000000-0000-0000-0000-0000000000ab
	equal "a big result is kept" 200 "$(post "$result" "@$scratch/big.json")"
	equal "a big result comes from there" 200 "$(get "$result")"
	equal "whole" "$(cksum <"$scratch/big.json")" "$(answer | cksum)"
	equal "and as JSON" application/json \
		"$(curl --silent --output /dev/null --write-out \
			'%{content_type}' "$url$result")"
	equal "its place is hidden" 404 \
		"$(get /_testflinger_files/00/00000000-0000-0000-0000-0000000000ab/result.json)"
	equal "the store is for its owner alone" 600 \
		"$(stat -c %a "$scratch/other/data/state.db")"
	up elsewhere --port 0 --set "DATA_PATH=$scratch/other/data" --fresh
	equal "--fresh empties no directory that is not its own" 1 $?
	stop elsewhere
	mkdir "$scratch/foreign"
	chmod 555 "$scratch/foreign"
	if [ "$(id -u)" -eq 0 ] && low_user_reaches; then
		up unwritable --port 0 --set "DATA_PATH=$scratch/foreign"
		like "a DATA_PATH that cannot be written is told at once" \
			'*foreign is not writable*chown*' \
			"$(cat "$scratch/unwritable.up")"
	fi
}

test_tls() {
	start tls --tls
	secure=$(cat "$scratch/tls/url-tls")
	equal "HTTPS is served, by HTTP/2" "200 2" \
		"$(curl --silent --max-time 20 --output /dev/null \
			--cacert "$scratch/tls/conf/tls.crt" \
			--write-out '%{http_code} %{http_version}' \
			--json "$job" "$secure/v1/job")"
	equal "and HTTP beside it" 200 "$(post /v1/job "$job")"
	stop tls
}

# The clone and the instance under a directory that only its owner may enter, with
# a path too long for a socket.
test_private_directory() {
	long=private/$(printf '%0100d' 0)
	mkdir -p "$scratch/$long"
	chmod 700 "$scratch/private"
	start "$long/main"
	equal "an instance in a private directory serves" 200 \
		"$(post /v1/job "$job")"
	sockets=$(cat "$scratch/$long/main/socket-dir")
	stop "$long/main"
	equal "its directory of sockets is gone after down" "" \
		"$(find "$sockets" 2>/dev/null)"
}

test_down() {
	start broker --rabbitmq
	"$top/spawn/down" --dir "$scratch/broker" >/dev/null 2>&1
	equal "down ends well" 0 $?
	equal "down leaves no process, broker and port mapper included" "" \
		"$(processes_of broker)"
	"$top/spawn/down" --dir "$scratch/broker" >/dev/null 2>&1
	equal "down again ends well" 0 $?
	start broker --rabbitmq
	equal "the broker comes up again with its data" 200 \
		"$(post /v1/job "$job")"
	"$top/spawn/down" --dir "$scratch/broker" >/dev/null 2>&1
	equal "and goes again" "" "$(processes_of broker)"
}

# What a new process did that never served is not taken for the doing of the old one.
test_old_after_failed_roll() {
	cat >"$scratch/served" <<-TEXT
		#!/bin/sh
		[ ! -e $scratch/bad ] || exit 1
		trap 'exit 1' USR1
		trap 'exit 0' TERM
		echo \$\$ >>$scratch/serving
		printf x >/proc/self/fd/\$TF_READY_FD
		while :; do sleep 0.05; done
	TEXT
	chmod +x "$scratch/served"
	"$BUILD/tf-supervise" -- "$scratch/served" </dev/null \
		2>"$scratch/supervised" &
	supervisor=$!
	within 10 test -s "$scratch/serving"
	old=$(cat "$scratch/serving")
	: >"$scratch/bad"
	kill -HUP "$supervisor"
	within 10 grep -q 'the restart has failed' "$scratch/supervised"
	equal "a process that ends before it serves is no restart" 0 $?
	rm "$scratch/bad"
	kill -USR1 "$old"
	within 10 grep -q "$old ended with status 1\"" "$scratch/supervised"
	equal "that the old one ends alike within a minute is told" 0 $?
	kill "$supervisor"
	wait "$supervisor"
}

test_restart
test_old_after_failed_roll
test_restart_nginx
test_killed_responder
test_gone_responder
test_again
test_refusals
test_hints
test_parts
test_orphans
test_data_path
test_tls
test_private_directory
test_down
finish
