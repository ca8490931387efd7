#!/bin/sh
# An agent in a page of shell: takes jobs over HTTP, runs them, reports.

set -u

usage() {
	cat <<'TEXT'
usage: agent.sh [--once] [--poll SECONDS] SERVER NAME QUEUE...

Takes jobs from the queues of SERVER (such as http://localhost:8000) as the
agent NAME, runs their test_data.test_cmds with sh, each in a directory of its
own that is removed afterwards, and reports states and exit code.

  --once           ask once, run the job if there is one, and end
  --poll SECONDS   how long to wait when there is no job (default 10)

It runs whatever a submitter sends, as the user who started it: give it a
machine, a container or at least a user of its own.

Needs curl and awk.  Its limits: names of agent and queues are letters,
digits, dots, dashes and underscores; only the test phase is run; output goes
to the terminal and not to the server; a cancellation is seen before the
commands start, not while they run; no token is sent.

Exit status: 0; 1 if a job could not be reported or, with --once, the server
could not be asked; 2 for a wrong command line.
TEXT
}

say() {
	printf '%s: %s\n' "$name" "$*"
}

# A request whose body, if any, is the second argument: prints the status and
# leaves the body of the answer in $work/answer.
request() {
	if [ $# -gt 1 ]; then
		set -- "$1" --header 'Content-Type: application/json' \
			--data-binary "$2"
	fi
	path=$1
	shift
	curl --silent --show-error --max-time 30 --retry 5 \
		--output "$work/answer" --write-out '%{http_code}' \
		"$@" "$server$path"
}

# Report to /v1/result/<job id>.
report() {
	status=$(request "/v1/result/$id" "$1")
	if [ "$status" != 200 ]; then
		say "job $id: report refused with status $status: $1" >&2
		return 1
	fi
	say "job $id: reported $1"
}

value() {
	LC_ALL=C awk -v want="$1" -f "$here/json.awk" "$2"
}

# Run the commands of the job in $work/job; the exit code is theirs.
run_commands() {
	value test_data/test_cmds "$work/job" >"$work/commands"
	if [ ! -s "$work/commands" ]; then
		say "job $id: no test_cmds, nothing to run"
		return 0
	fi
	mkdir "$work/dir" || return 1
	say "job $id: running test_cmds"
	(cd "$work/dir" && exec sh "$work/commands") </dev/null 2>&1
	code=$?
	rm -rf "$work/dir"
	return "$code"
}

run_job() {
	id=$(value job_id "$work/job")
	say "job $id: taken"
	rm -f "$work/answer"
	if [ "$(request "/v1/result/$id")" = 200 ] &&
		[ "$(value job_state "$work/answer")" = cancelled ]; then
		say "job $id: cancelled, not run"
		return 0
	fi
	report '{"job_state":"test"}' || return 1
	run_commands
	code=$?
	say "job $id: exit code $code"
	report "{\"status\":{\"test\":$code},\"job_state\":\"complete\"}"
}

# Be known to the server, which also tells users who serves a queue.
register() {
	list=
	for queue; do
		list="$list${list:+,}\"$queue\""
	done
	status=$(request "/v1/agents/data/$name" \
		"{\"state\":\"waiting\",\"queues\":[$list]}")
	[ "$status" = 200 ] && return 0
	say "registering at $server: status $status" >&2
	return 1
}

# One question for a job: 0 after a job or without one, 1 for a failure.
ask() {
	query=
	for queue; do
		query="${query}queue=$queue&"
	done
	status=$(request "/v1/job?${query}agent=$name")
	case $status in
	200)
		mv "$work/answer" "$work/job"
		worked=yes
		run_job
		;;
	204) worked=no ;;
	*)
		say "asking $server for a job: status $status" >&2
		worked=no
		return 1
		;;
	esac
}

wrong_usage() {
	usage >&2
	exit 2
}

once=no
poll=10
while [ $# -gt 0 ]; do
	case $1 in
	--once) once=yes ;;
	--poll)
		[ $# -gt 1 ] || wrong_usage
		poll=$2
		shift
		;;
	--help)
		usage
		exit 0
		;;
	-*) wrong_usage ;;
	*) break ;;
	esac
	shift
done
case $poll in
'' | *[!0-9]*) wrong_usage ;;
esac
[ $# -ge 3 ] || wrong_usage
server=${1%/}
name=$2
shift 2
for word in "$name" "$@"; do
	case $word in
	'' | *[!A-Za-z0-9._-]*)
		printf 'agent.sh: not a name it can use: %s\n' "$word" >&2
		exit 2
		;;
	esac
done
here=$(cd "$(dirname "$0")" && pwd) || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

if [ "$once" = yes ]; then
	register "$@" && ask "$@" || exit 1
	[ "$worked" = yes ] || say "no job"
	exit 0
fi
say "serving $* at $server"
until register "$@"; do
	sleep "$poll"
done
while :; do
	ask "$@"
	[ "$worked" = yes ] || sleep "$poll"
done
