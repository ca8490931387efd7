# The broker of an instance, for the shell tests that hurt it.  Sourced after
# lib.sh.
# shellcheck shell=sh
# shellcheck disable=SC2154 # scratch and top are set by lib.sh

# need TOOL...: the suite ends here unless all of them are installed.
need() {
	for need_tool in "$@"; do
		command -v "$need_tool" >/dev/null || {
			not_ok "$need_tool is installed" \
				"apt-get install amqp-tools python3-kombu rabbitmq-server"
			finish
		}
	done
}

# The address the instance $1 uses.
amqp_url_of() {
	find "$scratch/$1" -name testflinger.conf -exec \
		sed -n "s/^AMQP_URI *= *'\(.*\)'.*/\1/p" {} \;
}

# The Erlang machine that the instance $1 has started.
broker_pid() {
	for pid_dir in /proc/[0-9]*; do
		case $(readlink "$pid_dir/exe" 2>/dev/null) in
		*/beam.smp) ;;
		*) continue ;;
		esac
		tr '\0' '\n' 2>/dev/null <"$pid_dir/environ" |
			grep -qF "$scratch/$1/" &&
			printf '%s\n' "${pid_dir#/proc/}"
	done
}

# Remember how the broker of the instance $1 was started, for broker_again.
broker_note() {
	cat "/proc/$(broker_pid "$1")/cmdline" >"$scratch/broker.args"
	cat "/proc/$(broker_pid "$1")/environ" >"$scratch/broker.env"
}

# Start it once more the same way; its pid in broker.
broker_again() {
	/usr/bin/python3 -c '
import os, sys
args, env = (open(f, "rb").read().rstrip(b"\0").split(b"\0")
             for f in sys.argv[1:3])
os.execve(args[0], args, dict(e.split(b"=", 1) for e in env))
' "$scratch/broker.args" "$scratch/broker.env" \
		>"$scratch/broker.out" 2>&1 </dev/null &
	# shellcheck disable=SC2034 # for the script that sources this
	broker=$!
}

broker_answers() {
	amqp-declare-queue --url="$1" --queue=answers --durable \
		>/dev/null 2>&1
}

# The message_ids on a queue, appended to a file; the messages are gone then.
drain_ids() {
	/usr/bin/python3 "$top/tests/api/drain.py" "$1" "$2" >"$scratch/drained" ||
		return 1
	sed -n 's/.*"message_id": "\([^"]*\)".*/\1/p' "$scratch/drained" >>"$3"
}

# True once each id in the file $3 has come by the queue $2; what has come is
# gathered in $4.
all_arrived() {
	drain_ids "$1" "$2" "$4" || return 1
	sort -u "$4" >"$4.set"
	sort -u "$3" >"$3.set"
	[ -z "$(comm -23 "$3.set" "$4.set")" ]
}
