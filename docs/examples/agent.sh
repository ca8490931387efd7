#!/bin/sh
# An agent in shell: takes jobs over HTTP, runs them, reports what came of them.

set -u

usage() {
	cat <<'TEXT'
usage: agent.sh [--once] [--poll SECONDS] SERVER NAME QUEUE...

Takes jobs from the queues of SERVER (such as http://localhost:8000) as the
agent NAME, runs their test_data.test_cmds with sh, each in a directory of its
own that is removed afterwards, and reports states, output and exit code.

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

The secrets of a job are variables in the environment of its commands, under
their names in test_data.secrets, each shorter than 128 KiB.  It refuses a job
whose secret has a name that is none of a variable, or one such as PATH or
LD_PRELOAD.  It does not fetch attachments either, and refuses a job that has
some: its exit code is 1, and its output says why.

It runs whatever a submitter sends, as the user who started it: give it a
machine, a container or at least a user of its own.  What the commands of a
job have left running in their process group when they end is ended then:
SIGTERM, and SIGKILL five seconds later.

Output goes to the terminal, and while the commands run in pieces to the log of
the job, without NUL and bytes that are not UTF-8.  It is in a file until the
job has ended, for which TMPDIR needs room: a command that opens /dev/stdout or
/dev/stderr anew with ">" cuts off what is there, with ">>" not.  What the
server does not take is tried once more after the outcome, and left out then;
it is said why.

Needs curl, awk, iconv, setsid, and json.awk beside it.  Its limits: names of
agent and queues are letters, digits, dots, dashes and underscores, and NAME is
nobody else's; only the test phase is run; a cancellation is seen before the
commands start, not while they run; the commands of an agent that is ended by
kill -9 go on.

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
	rm -f "$work/login"
	printf 'user = "%s"\n' "$(printf '%s' "$AGENT_LOGIN" |
		sed 's/[\\"]/\\&/g')" |
		curl --silent --show-error --max-time 30 --retry 5 --config - \
			--request POST --output "$work/login" \
			--write-out '%{http_code}' \
			"$server/v1/oauth2/token" >"$work/status" &
	answered
	if [ "$status" = 200 ]; then
		use_token "$(value access_token "$work/login")"
		return
	fi
	# It is the answer to what could not be asked.
	rm -f "$work/answer"
	[ ! -e "$work/login" ] || mv "$work/login" "$work/answer"
	return 1
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

# What the answer says of a failure, in JSON or in a line of text.
why() {
	said=$(value message "$work/answer" 2>/dev/null)
	[ -n "$said" ] || said=$(head -c 200 "$work/answer" 2>/dev/null |
		head -n 1 | LC_ALL=C tr -cd '[:print:]')
	case $said in
	'<'* | '{'* | '['*) said= ;;
	esac
	printf 'status %s%s' "$status" "${said:+: $said}"
}

# Tell of the agent: its state, and the job that it works on or nothing.
tell() {
	post "/v1/agents/data/$name" "{\"state\":\"$1\",\"job_id\":\"$2\"}"
}

# Standard input as a JSON string without its quotes.  A newline more at the end makes awk
# see whether the last line had one.
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

# How many bytes at the end of file $1 begin a character that is not whole.
unfinished() {
	tail -c 3 "$1" | od -An -tu1 | LC_ALL=C awk '
	{ for (i = 1; i <= NF; i++) byte[++n] = $i }
	END {
		for (k = 1; k <= n && byte[n - k + 1] >= 128; k++) {
			c = byte[n - k + 1]
			if (c >= 192) {
				part = (c < 224 ? 2 : c < 240 ? 3 : 4) > k ? k : 0
				break
			}
		}
		print part + 0
	}'
}

# Have the next piece of the output in $work/piece, which stays until the server has it,
# and show it on descriptor 3; 1: there is none.  Descriptor 4 is where the output has been
# read to.  What is left of a character goes before the next piece, or with $1 into this.
next_piece() {
	[ ! -s "$work/piece" ] || return 0
	if ! { cat "$work/rest" && dd bs=16384 count=1 <&4 2>/dev/null; } \
		>"$work/read"; then
		say "job $id: some of its output is lost: is there room in $work?" >&3
	fi
	[ -s "$work/read" ] || return 1
	part=0
	[ -n "${1-}" ] && [ "$(wc -c <"$work/read")" -lt 16384 ] ||
		part=$(unfinished "$work/read")
	tail -c "$part" "$work/read" >"$work/rest"
	head -c "$(($(wc -c <"$work/read") - part))" "$work/read" >"$work/piece"
	cat "$work/piece" >&3
	[ -s "$work/piece" ]
}

# Post $work/piece as the fragment that $number tells.
post_piece() {
	{
		printf '{"fragment_number":%d,"phase":"test",' "$number" &&
			date -u '+"timestamp":"%Y-%m-%dT%H:%M:%SZ",' &&
			printf '"log_data":"' &&
			escape <"$work/piece" &&
			printf '"}'
	} >"$work/fragment" && post "/v1/result/$id/log/output" "@$work/fragment"
}

# relay [all]: pass on a piece of the output; 1: there is none, or the server does not take
# it now.  The name of a file tells its number: a new one needs no room.
relay() {
	status=000
	next_piece "$@" || return 1
	number=$(cd "$work" && echo number.*)
	number=${number#number.}
	post_piece
	if [ "$status" = 413 ]; then
		echo '[output left out: longer than the server takes]' >"$work/piece"
		post_piece
	fi
	[ "$status" = 200 ] || [ "$status" = 413 ] || return 1
	rm -f "$work/piece"
	mv "$work/number.$number" "$work/number.$((number + 1))"
}

# Pass on what is left of the output; 1: the server does not take it.
relay_rest() {
	while relay all; do
		:
	done
	[ ! -s "$work/piece" ]
}

# Be heard of while the commands run, as long as the agent is there: one that is silent
# for AGENT_LOST_TIMEOUT is called lost.  And pass their output on.  A piece that is on
# its way gets there before this ends.
beat() {
	child=
	over=no
	relaying=no
	trap 'over=yes
		[ "$relaying" = yes ] || [ -z "$child" ] || kill "$child"' TERM
	true >"$work/beats"
	round=0
	idle=no
	while [ "$over" = no ] && kill -0 "$$"; do
		[ $((round % 30)) -ne 0 ] || tell test "$id"
		round=$((round + 1))
		relaying=yes
		[ "$over" = yes ] || relay || idle=yes
		relaying=no
		[ "$over" = yes ] || [ "$idle" = no ] || pause 2
		idle=no
	done
}

# A signal that comes before its trap is set may be lost, and it would beat on.
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

# What is to run of the job in file $1: its test_cmds in $work/commands, and in $work/secrets
# what sets its secrets.  Of a job that asks for what this cannot do only that is told, and
# it fails.
write_commands() {
	refused=
	secrets=$(LC_ALL=C awk -v exports=1 -v want=test_data/secrets \
		-f "$here/json.awk" "$1")
	case $? in
	0) ;;
	3)
		refused="no secret can be the variable $secrets"
		secrets=
		;;
	*) return 1 ;;
	esac
	[ -z "$(value attachments_status "$1")" ] ||
		refused='this example agent does not fetch attachments'
	printf '%s\n' "$secrets" >"$work/secrets" || return 1
	secrets=
	commands=$(value test_data/test_cmds "$1") || return 1
	if [ -n "$refused" ]; then
		say "job $id: refused: $refused" >&2
		commands="echo 'not run: $refused'; exit 1"
	fi
	printf '%s\n' "$commands" >"$work/commands"
}

# All that must be written before the job in $work/job can begin.  With $work/room goes
# what takes the place of an end that a full disk has no room for.
prepare() {
	rm -f "$work/piece" "$work"/number.*
	write_commands "$work/job" &&
		printf '%20s\n' '' >"$work/leader" &&
		true >"$work/output" && exec 4<"$work/output" &&
		true >"$work/rest" && true >"$work/number.0" &&
		head -c 131072 /dev/zero >"$work/room" &&
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
	beat 3>&1 >/dev/null 2>&1 &
	beating=$!
	# Who leads their group is written over blanks, for which there is room.
	(
		unset AGENT_TOKEN AGENT_LOGIN
		# shellcheck disable=SC2016 # for the inner shell
		cd "$work/dir" && exec setsid sh -c \
			'echo "$$" 1<>"$0" && . "$2" && exec sh "$1"' \
			"$work/leader" "$work/commands" "$work/secrets"
	) </dev/null >>"$work/output" 2>&1 4<&-
	code=$?
	end_rest
	end_beat
	rm -rf "$work/dir" "$work/secrets" "$work/room"
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
	relay_rest 3>&1
	relayed=$?
	[ "$relayed" = 0 ] || say "job $id: output not taken: $(why)" >&2
	say "job $id: exit code $code"
	outcome="{\"status\":{\"test\":$code},\"job_state\":\"complete\"}"
	deliver "/v1/result/$id" "$outcome"
	reported "$outcome"
	told=$?
	# What the commands had to say is worth another try, but not their outcome.
	if [ "$relayed" != 0 ] && ! relay_rest 3>&1; then
		say "job $id: the rest of its output is not kept: $(why)" >&2
		cat "$work/rest" - <&4
	fi
	rm -f "$work/output"
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
for tool in curl awk iconv setsid; do
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
