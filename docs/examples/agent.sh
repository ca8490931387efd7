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
  --poll SECONDS   how long to pause where the server does not let it wait for
                   a job (default 10)

Where the server has accounts, the environment says who the agent is:

  AGENT_TOKEN=TOKEN      an access token, good for ten minutes
  AGENT_LOGIN=ID:SECRET  a client of the role agent: it logs in, and again
                         whenever its token has ended

They are not in the environment of its jobs.  That keeps them out of logs, but
hides them from no job that looks for them: it runs as the same user, who may
read /proc/PID/environ of the agent and the file of its token.

It runs whatever a submitter sends, as the user who started it: give it a
machine, a container or at least a user of its own.

Needs curl and awk.  Its limits: names of agent and queues are letters,
digits, dots, dashes and underscores; only the test phase is run; output goes
to the terminal and not to the server; a cancellation is seen before the
commands start, not while they run.

Stopped by a signal it ends at once, or when the job that it runs has ended and
is reported.

Exit status: 0; 1 if it was stopped, if a job could not be reported or, with
--once, the server could not be asked; 2 for a wrong command line.
TEXT
}

say() {
	printf '%s: %s\n' "$name" "$*"
}

# The file is for nobody else, and a process list does not show what is in it.
use_token() {
	printf 'Authorization: Bearer %s\n' "$1" >"$work/token"
}

# Wait for the command that was started last.  A trap waits for the end of any other
# command: whoever stops the agent would leave a curl behind that takes a job which
# nobody runs.
finish() {
	child=$!
	wait "$child"
	finished=$?
	child=
	return "$finished"
}

log_in() {
	[ -n "${AGENT_LOGIN-}" ] || return 1
	printf 'user = "%s"\n' "$(printf '%s' "$AGENT_LOGIN" |
		sed 's/[\\"]/\\&/g')" |
		curl --silent --show-error --fail --max-time 30 --config - \
			--request POST --output "$work/login" \
			"$server/v1/oauth2/token" &
	finish || return 1
	use_token "$(value access_token "$work/login")"
}

call() {
	path=$1
	shift
	rm -f "$work/answer"
	curl --silent --show-error --max-time 90 --retry 5 \
		--header "@$work/token" --dump-header "$work/headers" \
		--output "$work/answer" --write-out '%{http_code}' \
		"$@" "$server$path" >"$work/status" &
	finish
	status=$(cat "$work/status")
}

# request PATH OPTION...: sets status and leaves the body of the answer in
# $work/answer.  401 means that the token has ended.
request() {
	[ -s "$work/token" ] || log_in
	call "$@"
	if [ "$status" = 401 ] && log_in; then
		call "$@"
	fi
}

# post PATH JSON: likewise.
post() {
	request "$1" --header 'Content-Type: application/json' \
		--data-binary "$2"
}

# Report to /v1/result/<job id>.
report() {
	post "/v1/result/$id" "$1"
	if [ "$status" != 200 ]; then
		say "job $id: not reported: $1: $(why)" >&2
		return 1
	fi
	say "job $id: reported $1"
}

value() {
	LC_ALL=C awk -v want="$1" -f "$here/json.awk" "$2"
}

# What the answer says of a failure.
why() {
	said=$(value message "$work/answer" 2>/dev/null)
	printf 'status %s%s' "$status" "${said:+: $said}"
}

# Tell of the agent: its state, and the job that it works on or nothing.
tell() {
	post "/v1/agents/data/$name" "{\"state\":\"$1\",\"job_id\":\"$2\"}"
}

# Be heard of while the commands run, as long as the agent is there: one that is silent
# for AGENT_LOST_TIMEOUT is called lost.
beat() {
	child=
	trap '[ -z "$child" ] || kill "$child"; exit 0' TERM
	: >"$work/beats"
	while kill -0 "$$"; do
		tell test "$id"
		sleep 60 &
		finish
	done
}

# A signal that comes before its trap is set may be lost, and it would beat for a minute
# more.
end_beat() {
	for _ in 1 2 3 4 5; do
		[ ! -e "$work/beats" ] || break
		sleep 1
	done
	kill "$beating"
	wait "$beating"
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
	rm -f "$work/beats"
	beat >/dev/null 2>&1 &
	beating=$!
	(
		unset AGENT_TOKEN AGENT_LOGIN
		cd "$work/dir" && exec sh "$work/commands"
	) </dev/null 2>&1
	code=$?
	end_beat
	rm -rf "$work/dir"
	return "$code"
}

run_job() {
	id=$(value job_id "$work/job")
	say "job $id: taken"
	request "/v1/result/$id"
	if [ "$status" = 200 ] &&
		[ "$(value job_state "$work/answer")" = cancelled ]; then
		say "job $id: cancelled, not run"
		return 0
	fi
	report '{"job_state":"test"}' || return 1
	trap 'stopped=yes' HUP INT TERM
	run_commands
	code=$?
	trap 'exit 1' HUP INT TERM
	say "job $id: exit code $code"
	report "{\"status\":{\"test\":$code},\"job_state\":\"complete\"}"
	reported=$?
	tell waiting ''
	[ "$stopped" = no ] || exit 1
	return "$reported"
}

# Be known to the server, which also tells users who serves a queue.
register() {
	list=
	for queue; do
		list="$list${list:+,}\"$queue\""
	done
	post "/v1/agents/data/$name" \
		"{\"state\":\"waiting\",\"queues\":[$list]}"
	[ "$status" = 200 ] && return 0
	say "registering at $server: $(why)" >&2
	return 1
}

# One question for a job, which the server may hold for $wait seconds (RFC 7240): 0
# after a job or without one, 1 for a failure.
ask() {
	query=
	for queue; do
		query="${query}queue=$queue&"
	done
	request "/v1/job?${query}agent=$name" --header "Prefer: wait=$wait"
	case $status in
	200)
		mv "$work/answer" "$work/job"
		worked=yes
		run_job
		;;
	204) worked=no ;;
	*)
		say "asking $server for a job: $(why)" >&2
		worked=no
		return 1
		;;
	esac
}

wrong_usage() {
	usage >&2
	exit 2
}

# Who was held may ask again soon; not at once, for another agent of the same name
# would end each wait.
rest() {
	if [ "$status" = 204 ] &&
		grep -qi '^Preference-Applied: wait=[1-9]' "$work/headers"; then
		sleep 1
	else
		sleep "$poll" &
		finish
	fi
}

once=no
poll=10
wait=50
while [ $# -gt 0 ]; do
	case $1 in
	--once)
		once=yes
		wait=0
		;;
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
child=
stopped=no
trap 'rm -rf "$work"; [ -z "$child" ] || kill "$child"' EXIT
trap 'exit 1' HUP INT TERM
: >"$work/token"
[ -z "${AGENT_TOKEN-}" ] || use_token "$AGENT_TOKEN"

if [ "$once" = yes ]; then
	register "$@" && ask "$@" || exit 1
	[ "$worked" = yes ] || say "no job"
	exit 0
fi
say "serving $* at $server"
until register "$@"; do
	sleep "$poll" &
	finish
done
while :; do
	ask "$@"
	[ "$worked" = yes ] || rest
done
