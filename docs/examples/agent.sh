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
machine, a container or at least a user of its own.  What the commands of a
job have left running in their process group when they end is ended then:
SIGTERM, and SIGKILL five seconds later.

Needs curl, awk, setsid, and json.awk beside it.  Its limits: names of agent
and queues are letters, digits, dots, dashes and underscores, and NAME is
nobody else's; only the test phase is run; output goes to the terminal and not
to the server; a cancellation is seen before the commands start, not while
they run; the commands of an agent that is ended by kill -9 go on.

A job that cannot be written down, as on a full disk, is not begun.  The
outcome of one that has ended is told again and again until the server answers.

Stopped by a signal it ends at once, or when the job that it runs has ended and
is reported; if the server does not answer then, without that.

Exit status: 0; 1 if it was stopped, if a job could not be begun or reported
or, with --once, the server could not be asked; 2 for a wrong command line.
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
# nobody runs.  A signal that is only noted ends the wait and not the command.
finish() {
	child=$!
	wait "$child"
	finished=$?
	while kill -0 "$child" 2>/dev/null; do
		wait "$child"
		finished=$?
	done
	child=
	return "$finished"
}

# pause SECONDS, or until a signal.
pause() {
	sleep "$1" &
	child=$!
	wait "$child"
	kill "$child" 2>/dev/null
	child=
}

# Set status to that of the curl that was started last; 000: it has no whole answer, or
# could not write it.
answered() {
	if finish; then
		status=$(cat "$work/status")
	else
		status=000
	fi
}

# Sets status.
log_in() {
	printf 'user = "%s"\n' "$(printf '%s' "$AGENT_LOGIN" |
		sed 's/[\\"]/\\&/g')" |
		curl --silent --show-error --max-time 30 --retry 5 --config - \
			--request POST --output "$work/login" \
			--write-out '%{http_code}' \
			"$server/v1/oauth2/token" >"$work/status" &
	answered
	[ "$status" = 200 ] && use_token "$(value access_token "$work/login")"
}

# With its name in a cookie a post is the agent's own; else it would count for the agent
# that has the job now.
call() {
	path=$1
	shift
	rm -f "$work/answer"
	curl --silent --show-error --max-time 90 --retry 5 \
		--header "@$work/token" --cookie "agent_name=$name" \
		--dump-header "$work/headers" --output "$work/answer" \
		--write-out '%{http_code}' "$@" "$server$path" >"$work/status" &
	answered
}

# request PATH OPTION...: sets status and leaves the body of the answer in
# $work/answer.  401 means that the token has ended.  Who can log in asks for nothing
# without: it would be another agent, that of nobody.
request() {
	if [ -n "${AGENT_LOGIN-}" ] && [ ! -s "$work/token" ]; then
		log_in || return
	fi
	call "$@"
	if [ "$status" = 401 ] && [ -n "${AGENT_LOGIN-}" ] && log_in; then
		call "$@"
	fi
}

# post PATH JSON: likewise.
post() {
	request "$1" --header 'Content-Type: application/json' \
		--data-binary "$2"
}

# Whether the same may be answered in another way later.
may_change() {
	case $status in
	401) [ -n "${AGENT_LOGIN-}" ] ;;
	408 | 429) ;;
	4??) false ;;
	esac
}

# deliver PATH JSON: post it until the server takes or refuses it, or a signal comes; 0:
# taken.
deliver() {
	post "$@"
	while [ "$status" != 200 ] && may_change && [ "$stopped" = no ]; do
		say "job $id: trying again: $1: $(why)" >&2
		pause "$poll"
		post "$@"
	done
	[ "$status" = 200 ]
}

# Say what has become of the report $1.
reported() {
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
	true >"$work/beats"
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

# Whether any of the process group $1 runs.
group_runs() {
	cat /proc/[0-9]*/stat 2>/dev/null | LC_ALL=C awk -v group="$1" '
	{ sub(/.*\) /, "") }
	$1 != "Z" && $3 == group { found = 1 }
	END { exit !found }'
}

# End what the commands have left running: it would be in the way of the next job.
end_rest() {
	read -r leader _ <"$work/leader"
	[ -n "$leader" ] && group_runs "$leader" || return 0
	say "job $id: ended what it had left running"
	kill -TERM "-$leader"
	for _ in 1 2 3 4 5; do
		group_runs "$leader" || return 0
		sleep 1
	done
	kill -KILL "-$leader"
}

# All that must be written before the job in $work/job can begin.
prepare() {
	commands=$(value test_data/test_cmds "$work/job") &&
		printf '%s\n' "$commands" >"$work/commands" &&
		printf '%20s\n' '' >"$work/leader" &&
		rm -rf "$work/dir" && mkdir "$work/dir"
}

# Run them; the exit code is theirs.
run_commands() {
	if [ -z "$commands" ]; then
		say "job $id: no test_cmds, nothing to run"
		return 0
	fi
	say "job $id: running test_cmds"
	rm -f "$work/beats"
	beat >/dev/null 2>&1 &
	beating=$!
	# Who leads their group is written over blanks, for which there is room.
	(
		unset AGENT_TOKEN AGENT_LOGIN
		# shellcheck disable=SC2016 # for the inner shell
		cd "$work/dir" && exec setsid sh -c \
			'echo "$$" 1<>"$0" && exec sh "$1"' \
			"$work/leader" "$work/commands"
	) </dev/null 2>&1
	code=$?
	end_rest
	end_beat
	rm -rf "$work/dir"
	return "$code"
}

# The claim tells that the job begins: nobody has cancelled it then, and no other agent
# has it.  What has begun comes to its end.
run_claimed() {
	if ! deliver "/v1/job/$id/claim" "{\"agent\":\"$name\"}"; then
		say "job $id: not run: $(why)" >&2
		[ "$status" = 404 ] || [ "$status" = 409 ]
		return
	fi
	post "/v1/result/$id" '{"job_state":"test"}'
	reported '{"job_state":"test"}'
	run_commands
	code=$?
	say "job $id: exit code $code"
	outcome="{\"status\":{\"test\":$code},\"job_state\":\"complete\"}"
	deliver "/v1/result/$id" "$outcome"
	reported "$outcome"
	told=$?
	tell waiting ''
	return "$told"
}

run_job() {
	id=$(value job_id "$work/job")
	say "job $id: taken"
	if ! prepare; then
		say "job $id: not begun: is there room in $work?" >&2
		return 1
	fi
	trap 'stopped=yes' HUP INT TERM
	run_claimed
	told=$?
	trap 'exit 1' HUP INT TERM
	[ "$stopped" = no ] || exit 1
	return "$told"
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
		pause 1
	else
		pause "$poll"
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
if [ ! -r "$here/json.awk" ]; then
	echo "agent.sh: needs json.awk, which is to lie beside it in $here" >&2
	exit 1
fi
for tool in curl awk setsid; do
	if ! command -v "$tool" >/dev/null; then
		echo "agent.sh: needs $tool, which is not installed" >&2
		exit 1
	fi
done
work=$(mktemp -d) || exit 1
child=
stopped=no
trap 'rm -rf "$work"; [ -z "$child" ] || kill "$child"' EXIT
trap 'exit 1' HUP INT TERM
true >"$work/token" || exit 1
[ -z "${AGENT_TOKEN-}" ] || use_token "$AGENT_TOKEN"

if [ "$once" = yes ]; then
	register "$@" && ask "$@" || exit 1
	[ "$worked" = yes ] || say "no job"
	exit 0
fi
say "serving $* at $server"
until register "$@"; do
	pause "$poll"
done
# Not at once after a job that went wrong, for the next would too.
while :; do
	if ! ask "$@" || [ "$worked" = no ]; then
		rest
	fi
done
