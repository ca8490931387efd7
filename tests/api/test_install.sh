#!/bin/sh
# What "make install" leaves on a host is enough to serve: the programs, the files for
# nginx, the units for systemd, the manual.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

root="$scratch/root"
pids=
trap 'stop_installed; cleanup' EXIT

# shellcheck disable=SC2317 # called by trap
stop_installed() {
	# shellcheck disable=SC2086 # one word for each pid
	[ -z "$pids" ] || kill $pids 2>/dev/null
	for pid in $pids; do
		wait "$pid" 2>/dev/null
	done
	pids=
}

install_it() {
	(
		set -e
		mkdir "$scratch/build"
		cd "$scratch/build"
		"$top/configure" -q --prefix="$root"
		make -s -j2
		make -s install
	) >"$scratch/install.log" 2>&1
}

# unit_value UNIT KEY RESPONDER: as systemd would read it.
unit_value() {
	sed -n "s/^$2=//p" "$root/lib/systemd/system/testflinger@.$1" |
		sed "s/%i/$3/g; s|%t|$root/run|g"
}

# What systemd would do with the two units of a responder.
start_unit() {
	socket=$(unit_value socket ListenStream "$1")
	mkdir -p "$(dirname "$socket")" \
		"$root/run/$(unit_value service RuntimeDirectory "$1")"
	command=$(unit_value service ExecStart "$1")
	# shellcheck disable=SC2086 # a command with its arguments
	spawn-fcgi -n -b "$(unit_value socket Backlog "$1")" -s "$socket" \
		-M "$(unit_value socket SocketMode "$1")" -- $command \
		>>"$scratch/$1.log" 2>&1 &
	pids="$pids $!"
}

start_installed_nginx() {
	user=
	[ "$(id -u)" -ne 0 ] || user='user root;'
	mkdir -p "$scratch/tmp"
	cat >"$scratch/nginx.conf" <<-C
		$user
		daemon off;
		pid "$scratch/nginx.pid";
		error_log "$scratch/nginx.log";
		events {}
		http {
		    include "$root/share/testflinger/nginx/testflinger-http.conf";
		    access_log "$scratch/access.log" testflinger;
		    client_body_temp_path "$scratch/tmp/body";
		    fastcgi_temp_path "$scratch/tmp/fastcgi";
		    proxy_temp_path "$scratch/tmp/proxy";
		    scgi_temp_path "$scratch/tmp/scgi";
		    uwsgi_temp_path "$scratch/tmp/uwsgi";
		    server {
		        listen unix:$scratch/http.sock;
		        include "$root/share/testflinger/nginx/testflinger.conf";
		    }
		}
	C
	nginx -e "$scratch/nginx.log" -c "$scratch/nginx.conf" \
		>"$scratch/nginx.out" 2>&1 &
	pids="$pids $!"
}

# status_of PATH [OPTION...]: its status; the answer is in $scratch/answer.
status_of() {
	path=$1
	shift
	curl --silent --max-time 20 --output "$scratch/answer" \
		--write-out '%{http_code}' --unix-socket "$scratch/http.sock" \
		"$@" "http://localhost$path"
}

# shellcheck disable=SC2317 # called by within
serves() {
	[ "$(status_of "$1")" = "$2" ]
}

if ! install_it; then
	not_ok "it builds and installs" "$(tail -n 20 "$scratch/install.log")"
	finish
fi
ok "it builds and installs"
missing=
# shellcheck source=../../spawn/lib.sh
. "$top/spawn/lib.sh"
for name in $responders supervise; do
	[ -x "$root/libexec/testflinger/tf-$name" ] &&
		[ -s "$root/share/man/man8/tf-$name.8" ] ||
		missing="$missing tf-$name"
done
[ -s "$root/share/man/man5/testflinger.conf.5" ] ||
	missing="$missing testflinger.conf.5"
equal "each program is there with its manual page" "" "$missing"
equal "no placeholder is left in what was installed" "" \
	"$(grep -rlE '@[A-Za-z_]+@' "$root/share/testflinger" \
		"$root/lib/systemd")"
mkdir -p "$root/etc/testflinger"
printf "AMQP_URI = ''\n" >"$root/etc/testflinger/testflinger.conf"
equal "the installed configuration is the one that is read" \
	"tf-job: the configuration is good: $root/etc/testflinger/testflinger.conf" \
	"$("$root/libexec/testflinger/tf-job" --check-config)"
for name in $responders; do
	start_unit "$name"
done
start_installed_nginx
within 20 serves /v1/health/ready 200
equal "the server is ready" 200 "$(status_of /v1/health/ready)"
like "which says that all responders run" '*"responders":"ok"*' "$(answer)"
equal "a job is accepted" 200 "$(status_of /v1/job --json '{"job_queue":"q"}')"
id=$(answer | id_in)
equal "the job is handed out" 200 "$(status_of '/v1/job?queue=q&agent=a')"
equal "a result is accepted" 200 \
	"$(status_of "/v1/result/$id" --json '{"job_state":"complete"}')"
equal "an agent is known" 200 "$(status_of /v1/agents/data/a --json '{}')"
equal "the API is described" 200 "$(status_of /openapi.json)"
equal "the store is where the manual says" "$root/var/lib/testflinger/state.db" \
	"$(find "$root/var" -name state.db)"
if command -v systemd-analyze >/dev/null; then
	equal "systemd finds no fault with the units" "" \
		"$(systemd-analyze verify --man=no \
			"$root/lib/systemd/system/testflinger@job.service" 2>&1 |
			grep -F testflinger)"
fi
finish
