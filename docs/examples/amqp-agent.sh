#!/bin/sh
# An agent that gets its jobs from RabbitMQ and posts results over HTTP.

set -u

usage() {
	cat <<'TEXT'
usage: amqp-agent.sh [--once] SERVER AMQP_URL QUEUE SPOOL

Consumes the jobs of QUEUE from the broker at AMQP_URL (such as
amqp://user:password@localhost:5672/vhost), runs their test_data.test_cmds
with sh, and posts {"exit_code": N, "output": "..."} to SERVER (such as
http://localhost:8000) as the result.

A broker takes a message back that stays unacknowledged for long (30 minutes
with RabbitMQ), and a job may run longer.  So the command that consumes a
message only puts it into the directory SPOOL, made if it is missing; then it
is acknowledged, and then it runs.  What lies in SPOOL when the agent starts
runs first: a job is not lost if the machine goes down.  A job may be sent
twice; SPOOL/done remembers a week of job ids, so that it runs once.

  --once   run what is spooled or else one message, and end

It runs whatever a submitter sends, as the user who started it: give it a
machine, a container or at least a user of its own.  No HTTP agent may serve
the same queue, or both would run its jobs.

Needs curl, awk, iconv, and amqp-consume and amqp-declare-queue (Debian:
amqp-tools).  Its limits: the password in AMQP_URL is seen by who may list
processes; output is posted at the end and as a whole, without NUL and bytes
that are not UTF-8; no token is sent.

Exit status: 0; 1 if the broker or the server failed; 2 for a wrong command
line.
TEXT
}

say() {
	printf 'amqp-agent: %s\n' "$*"
}

value() {
	LC_ALL=C awk -v want="$1" -f "$here/json.awk" "$2"
}

# The command that amqp-consume runs for a message, which is on its input; it
# is acknowledged when this ends with 0, so the file must be whole by then.
spool() {
	cat >"$1/incoming.$$" && mv "$1/incoming.$$" "$1/$$.$(date +%s).job"
}

# Standard input as a JSON string without its quotes.  A newline more at the end
# makes awk see whether the last line had one.
escape() {
	{
		tr -d '\000'
		echo
	} | iconv -c -f UTF-8 -t UTF-8 | LC_ALL=C awk '
	BEGIN {
		for (i = 1; i < 32; i++)
			as[sprintf("%c", i)] = sprintf("\\u%04x", i)
		as["\""] = "\\\""
		as["\\"] = "\\\\"
	}
	NR > 1 { printf "\\n" }
	{
		while ((n = match($0, /["\\\001-\037]/)) > 0) {
			printf "%s%s", substr($0, 1, n - 1), as[substr($0, n, 1)]
			$0 = substr($0, n + 1)
		}
		printf "%s", $0
	}'
}

request() {
	curl --silent --show-error --max-time 60 --retry 5 \
		--output "$work/answer" --write-out '%{http_code}' "$@"
}

# False if the job has been cancelled, taken by somebody else, or has a result.
wanted() {
	case $(request "$server/v1/result/$1") in
	204) return 0 ;;
	200) [ "$(value job_state "$work/answer")" = waiting ] ;;
	*) return 0 ;;
	esac
}

run_commands() {
	value test_data/test_cmds "$1" >"$work/commands"
	mkdir "$work/dir" || return 1
	(cd "$work/dir" && exec sh "$work/commands") </dev/null \
		>"$work/output" 2>&1
	code=$?
	rm -rf "$work/dir"
	return "$code"
}

# Run the spooled job $1 and post its result; the file goes when that is done.
run_job() {
	id=$(value job_id "$1")
	case $id in
	'' | *[!0-9A-Za-z-]*)
		say "$1: no job_id in it, dropped" >&2
		rm -f "$1"
		return 0
		;;
	esac
	if [ -e "$spool/done/$id" ] || ! wanted "$id"; then
		say "job $id: not wanted any more, dropped"
		rm -f "$1"
		return 0
	fi
	say "job $id: running"
	run_commands "$1"
	code=$?
	{
		printf '{"exit_code":%d,"output":"' "$code"
		escape <"$work/output"
		printf '"}'
	} >"$work/result"
	status=$(request --header 'Content-Type: application/json' \
		--data-binary "@$work/result" "$server/v1/result/$id")
	if [ "$status" != 200 ]; then
		say "job $id: result refused with status $status" >&2
		return 1
	fi
	: >"$spool/done/$id"
	rm -f "$1"
	say "job $id: exit code $code, result posted"
}

# Run all that is spooled; "ran" tells whether there was any.
run_spooled() {
	ran=no
	for job in "$spool"/*.job; do
		[ -e "$job" ] || continue
		ran=yes
		run_job "$job" || return 1
	done
	find "$spool/done" -type f -mtime +7 -exec rm -f {} +
}

# Wait for one message and spool it.
consume() {
	amqp-consume --url="$url" --queue="$queue" --prefetch-count=1 \
		--count=1 "$here/amqp-agent.sh" spool "$spool"
}

# amqp-consume would take an option behind the command for one of its own.
if [ $# -eq 2 ] && [ "$1" = spool ]; then
	spool "$2"
	exit
fi
if [ "${1-}" = --help ]; then
	usage
	exit 0
fi
once=no
if [ "${1-}" = --once ]; then
	once=yes
	shift
fi
case ${1-} in
-*) set -- ;; # no other option is known
esac
if [ $# -ne 4 ]; then
	usage >&2
	exit 2
fi
server=${1%/}
url=$2
queue=$3
mkdir -p "$4/done" || exit 1
spool=$(cd "$4" && pwd) || exit 1
here=$(cd "$(dirname "$0")" && pwd) || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# As the server declares it: durable, without arguments.
amqp-declare-queue --url="$url" --queue="$queue" --durable >/dev/null || exit 1
run_spooled || exit 1
if [ "$once" = yes ]; then
	[ "$ran" = yes ] && exit 0
	consume && run_spooled || exit 1
	exit 0
fi
say "serving $queue"
while consume; do
	# A result that the server did not take stays spooled and is tried again
	# with the next message.
	run_spooled || say "trying again later" >&2
done
exit 1
