# Shared by up, down and restart, and by tests/all for its packages.  Sourced; the
# functions work on $dir, the instance's directory.
# shellcheck shell=sh
# shellcheck disable=SC2154 # dir is set by the one that sources this

responders='job dispatch result file agent queue auth event status'

die()
{
	printf '%s: %s\n' "${0##*/}" "$1" >&2
	[ -z "${2-}" ] || printf '%s\n' "$2" >&2
	exit 1
}

# Progress, for people who watch.
tell()
{
	[ ! -t 1 ] || printf '%s\n' "$*"
}

missing_of()
{
	for package; do
		dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null |
			grep -qx installed || printf '%s ' "$package"
	done
}

# install_packages NAME...: those that are missing, without starting their daemons:
# for so long there is a policy that forbids it, unless the host has its own.
install_packages()
{
	missing=$(missing_of "$@")
	[ -n "$missing" ] || return 0
	[ "$(id -u)" -eq 0 ] ||
		die "these packages are missing: $missing" \
			"Install them as root: apt-get install $missing"
	printf 'Installing: %s\n' "$missing"
	policy=/usr/sbin/policy-rc.d
	made=
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
		made=$policy
	fi
	status=0
	# shellcheck disable=SC2086 # a list of words
	(
		export DEBIAN_FRONTEND=noninteractive
		apt-get -qq -o DPkg::Lock::Timeout=300 update &&
			apt-get -qq -y -o DPkg::Lock::Timeout=300 \
				-o Dpkg::Use-Pty=0 install \
				--no-install-recommends $missing
	) || status=$?
	[ -z "$made" ] || rm -f "$made"
	return "$status"
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for()
{
	wait_begun=$(date +%s)
	wait_most=$1
	shift
	while ! "$@"; do
		waited=$(($(date +%s) - wait_begun))
		[ "$waited" -le "$wait_most" ] || return 1
		# What has not come for long is not asked after all the time.
		if [ "$waited" -lt 3 ]; then
			sleep 0.02
		else
			sleep 0.2
		fi
	done
}

# The process of a pid file if it is still this instance's: its command line or its
# environment names a file of the instance.
pid_of()
{
	[ -s "$dir/pids/$1.pid" ] || return 1
	pid=$(cat "$dir/pids/$1.pid")
	[ -r "/proc/$pid/cmdline" ] || return 1
	cat "/proc/$pid/cmdline" "/proc/$pid/environ" 2>/dev/null |
		tr '\0' '\n' | grep -qF "$dir/" || return 1
	printf '%s\n' "$pid"
}

# A process that has ended and that nobody has asked after yet has no command line.
gone()
{
	[ -z "$(tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline")" ]
}

# stop_one NAME SIGNAL SECONDS: and then by force.
stop_one()
{
	if stop_pid=$(pid_of "$1"); then
		kill -s "$2" "$stop_pid" 2>/dev/null
		wait_for "$3" gone "$stop_pid" ||
			kill -s KILL "$stop_pid" 2>/dev/null
		wait_for 5 gone "$stop_pid"
	fi
	rm -f "$dir/pids/$1.pid"
}

# mark_logs: from here on why_not reads.
mark_logs()
{
	log_marks=
	for mark_name in $responders; do
		mark_size=$(wc -c 2>/dev/null <"$dir/logs/$mark_name.log")
		log_marks="$log_marks $mark_name:$((${mark_size:-0} + 1))"
	done
}

# why_not NAME...: what these responders have said of failures since mark_logs, each thing once,
# and who said it unless all did.  Ends with 1 if they said nothing.
why_not()
{
	for why_mark in $log_marks; do
		case " $* " in
		*" ${why_mark%%:*} "*)
			tail -c "+${why_mark#*:}" \
				"$dir/logs/${why_mark%%:*}.log"
			;;
		esac
	done 2>/dev/null |
		sed -n 's/.* level=error prog=\(tf-[a-z]*\) .*msg="\(.*\)"$/\1 \2/p' |
		sed 's/\\\(.\)/\1/g' | awk -v all=$# '
		$1 == "tf-supervise" { next }
		{
			who = $1
			sub(/^[^ ]* /, "")
			if (!($0 in said))
				order[n++] = $0
			if (!(($0, who) in by)) {
				by[$0, who] = 1
				said[$0] = said[$0] (said[$0] == "" ? "" : ", ") who
				count[$0]++
			}
		}
		END {
			for (i = 0; i < n; i++)
				print (count[order[i]] < all ? \
				    said[order[i]] ": " : "") order[i]
			exit n == 0
		}'
}

# Processes of a program that have something open below a directory of the instance:
# these_of PROGRAM DIRECTORY
these_of()
{
	find /proc/[0-9]*/exe -maxdepth 0 -lname "*/$1" 2>/dev/null |
		while IFS=/ read -r _ _ these_pid _; do
			find "/proc/$these_pid/fd" -lname "$2/*" 2>/dev/null |
				grep -q . && printf '%s\n' "$these_pid"
		done
}

# nginx with its workers, which outlive a master that was killed.
nginx_pids()
{
	these_of nginx "$dir/logs"
}

no_nginx()
{
	[ -z "$(nginx_pids)" ]
}

# Requests that wait for a job are answered now; nobody comes after them.
end_waiting()
{
	if waiting_pid=$(pid_of dispatch); then
		sleep 0.1
		kill -s TERM "$waiting_pid" 2>/dev/null
	fi
}

# First after the requests at hand, then at once, then by force.
stop_nginx()
{
	[ -d "$dir/logs" ] || return 0
	for stop_signal in QUIT TERM KILL; do
		stop_pids=$(nginx_pids)
		[ -n "$stop_pids" ] || break
		# shellcheck disable=SC2086 # one word for each pid
		kill -s "$stop_signal" $stop_pids 2>/dev/null
		[ "$stop_signal" != QUIT ] || end_waiting
		wait_for 5 no_nginx && break
	done
	rm -f "$dir/nginx.pid"
}

epmd_pids()
{
	find /proc/[0-9]*/exe -maxdepth 0 -lname '*/epmd' 2>/dev/null |
		while IFS=/ read -r _ _ these_pid _; do
			tr '\0' '\n' 2>/dev/null <"/proc/$these_pid/environ" |
				grep -qxF "HOME=$dir/rabbitmq" &&
				printf '%s\n' "$these_pid"
		done
}

stop_broker()
{
	[ -d "$dir/rabbitmq" ] || return 0
	stop_one rabbitmq TERM 30
	# The port mapper daemon is the instance's own, and now has no node.
	if [ -s "$dir/rabbitmq/epmd-port" ]; then
		ERL_EPMD_ADDRESS=127.0.0.1 \
			ERL_EPMD_PORT=$(cat "$dir/rabbitmq/epmd-port") \
			HOME=$dir/rabbitmq epmd -kill >/dev/null 2>&1
		# It will not go while it believes in a node.
		epmd_pids=$(epmd_pids)
		# shellcheck disable=SC2086 # one word for each pid
		[ -z "$epmd_pids" ] || kill $epmd_pids 2>/dev/null
		rm -f "$dir/rabbitmq/epmd-port"
	fi
}

# Everything that up has started; quiet if nothing runs.
stop_all()
{
	stop_nginx
	for stop_name in $responders; do
		if pid=$(pid_of "$stop_name"); then
			kill -s TERM "$pid" 2>/dev/null
		fi
	done
	for stop_name in $responders; do
		stop_one "$stop_name" TERM 80
	done
	stop_broker
	if [ -s "$dir/socket-dir" ]; then
		rm -rf "$(cat "$dir/socket-dir")"
		rm -f "$dir/socket-dir"
	fi
}

# check_ready PORT: ends with 1 and the remedy where the server keeps nothing.
check_ready()
{
	ready_said=$(curl --silent --max-time 20 \
		"http://127.0.0.1:$1/v1/health/ready")
	case $ready_said in
	*'"status":"ready"'*) return ;;
	*'"store":"damaged"'*)
		ready_remedy="Stop it with spawn/down --dir $dir, restore a backup, or the log that it has kept as
state.db-wal.saved.*, as section 6 of docs/STORE.md tells, and start it again"
		;;
	*'"responders":"down"'*)
		ready_remedy="What \"down\" names does not run; the logs in $dir/logs tell why"
		;;
	*'"disk":"full"'*)
		ready_remedy="Make room where DATA_PATH is, or lower DISK_FREE_MIN; no start is needed then"
		;;
	*) ready_remedy="The logs are in $dir/logs" ;;
	esac
	die 'the server runs, but is not ready: it answers changes, and what it cannot read, with 503' \
		"/v1/health/ready says: ${ready_said:-nothing}
$ready_remedy"
}
