#!/bin/sh
# An agent that gets its jobs from RabbitMQ and posts results over HTTP.

set -u

usage() {
	cat <<'TEXT'
usage: amqp-agent.sh [--once] [--agent NAME] SERVER AMQP_URL QUEUE SPOOL

Consumes the jobs of QUEUE from the broker at AMQP_URL (such as
amqp://user:password@localhost:5672/vhost), claims each at SERVER (such as
http://localhost:8000), runs its test_data.test_cmds with sh, and posts
{"exit_code": N, "output": "..."} as the result.

A job that somebody else has, or that has ended, is not run: HTTP agents and
other consumers may serve the same queue, and a message may come twice.

A broker takes a message back that stays unacknowledged for long (30 minutes
with RabbitMQ), and a job may run longer.  So the command that consumes a
message puts it into the directory SPOOL, made if it is missing, and claims
the job; then it is acknowledged, and then it runs.  What lies in SPOOL when
the agent starts comes first: a job is not lost if the machine goes down.  One
whose commands had begun is not run again, for nobody knows what they have
done.  Its result is exit code 143, as of commands ended by a signal, and what
it had put out, with a line that says so.  Commands that still run, as those of
an agent ended by kill -9, are ended first: SIGTERM, and SIGKILL five seconds
later, for all in their process group.  So is what the commands of a job have
left running when they end.  A job that is not for this agent, or a server that
is away, leaves the message on the queue.

A result is posted until the server takes it, and no other message is consumed
before.  Also that of a job which has ended meanwhile, as by a cancellation: the
server keeps what comes late.  A result that the server refuses is kept with
the output in SPOOL/rejected, and why is said.  While SPOOL takes no file, as
on a full disk, nothing is consumed and nothing begins; what has ended then is
posted when there is room.  SPOOL is for one agent at a time.

  --once         run what is spooled, or else wait for a message and run its
                 job, and end; messages whose jobs are not to be run any more
                 are dropped, and it waits on, for as long as it takes
  --agent NAME   claim under this name, nobody else's, of letters, digits and
                 ".", "_", "-"; unless told it is made from the names of the
                 host and of SPOOL, since it must stay the same

Where the server has accounts, the environment says who the agent is:

  AGENT_TOKEN=TOKEN      an access token, good for ten minutes
  AGENT_LOGIN=ID:SECRET  a client of the role agent: it logs in, and again
                         whenever its token has ended

They are not in the environment of its jobs.  That keeps them out of logs, but
hides them from no job that looks for them: it runs as the same user, who may
read /proc/PID/environ of the agent and the file of its token.

The result is a report then: the exit code is its status.test, and the output
is the log of the test phase, in pieces.  Output that the server refuses as too
long (413) is left out, with a line in its place.

The secrets of a job are variables in the environment of its commands, under
their names in test_data.secrets, each shorter than 128 KiB.  It refuses a job
whose secret has a name that is none of a variable, or one such as PATH or
LD_PRELOAD.  It does not fetch attachments either, and refuses a job that has
some: its exit code is 1, and its output says why.

It runs whatever a submitter sends, as the user who started it: give it a
machine, a container or at least a user of its own.

Needs curl, awk, iconv, setsid, amqp-consume and amqp-declare-queue (Debian:
amqp-tools), and json.awk beside it.  Its limits: the password in AMQP_URL is
seen by who may list processes; output is posted at the end, without NUL and
bytes that are not UTF-8, and SPOOL needs room for it.  Who ends the agent ends
the commands of its job too.

Exit status: 0; 1 if the broker failed, SPOOL takes no file or is another
agent's, or something it needs is missing, or with --once if the server failed,
a result was refused or the message was left on the queue; 2 for a wrong
command line.
TEXT
}

say() {
	printf 'amqp-agent: %s\n' "$*"
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

# Standard input as JSON strings without their quotes, one a line, each of $1 bytes
# at most; of any length with 0.  A newline more at the end makes awk see whether the
# last line had one.
escape() {
	{
		tr -d '\000'
		echo
	} | iconv -c -f UTF-8 -t UTF-8 | LC_ALL=C awk -v most="$1" '
	BEGIN {
		for (i = 1; i < 32; i++)
			as[sprintf("%c", i)] = sprintf("\\u%04x", i)
		as["\""] = "\\\""
		as["\\"] = "\\\\"
	}
	# What must not be cut.
	function whole(s) {
		if (most > 0 && used + length(s) > most) {
			printf "\n"
			used = 0
		}
		printf "%s", s
		used += length(s)
	}
	# What may be, between characters.
	function text(s,    n) {
		while (most > 0 && used + length(s) > most) {
			n = most - used
			while (n > 0 && substr(s, n + 1, 1) ~ /[\200-\277]/)
				n--
			printf "%s\n", substr(s, 1, n)
			s = substr(s, n + 1)
			used = 0
		}
		printf "%s", s
		used += length(s)
	}
	# Byte for byte a long line would be copied for each quote in it.
	function line(s,    n) {
		while ((n = match(s, /["\\\001-\037]/)) > 0) {
			text(substr(s, 1, n - 1))
			whole(as[substr(s, n, 1)])
			s = substr(s, n + 1)
		}
		text(s)
	}
	NR > 1 { whole("\\n") }
	{
		size = length($0)
		for (at = 1; at <= size; at += n) {
			n = 1024
			while (n > 1 && substr($0, at + n, 1) ~ /[\200-\277]/)
				n--
			line(substr($0, at, n))
		}
	}
	END { printf "\n" }'
}

# The file is for nobody else, and a process list does not show what is in it.
use_token() {
	printf 'Authorization: Bearer %s\n' "$1" >"$work/token"
}

# Wait for the command that was started last; $1: the group that it leads, to be ended
# with it.  A trap waits for the end of any other command, and one that goes on would do
# so for an agent that has gone.
finish() {
	child="$! ${1-}"
	wait "$!"
	finished=$?
	child=
	return "$finished"
}

# pause SECONDS
pause() {
	sleep "$1" &
	finish
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
		curl --silent --show-error --max-time 60 --retry 5 --config - \
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
	rm -f "$work/answer"
	curl --silent --show-error --max-time 60 --retry 5 \
		--header "@$work/token" --cookie "agent_name=$agent" \
		--output "$work/answer" --write-out '%{http_code}' "$@" \
		>"$work/status" &
	answered
}

# Sets status.  401 means that the token has ended.  Who can log in asks for nothing
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

# Claim the job of the message in file $1.  0: the job is ours, and its definition
# in $1.claimed; 1: nobody is to run it, verdict says why; 2: others may; 3: nobody knows
# whether it is ours, or there is no room for it.
claim() {
	id=$(value job_id "$1") || return 3
	# As the server spells it.
	id=$(printf '%s' "$id" | sed 's/^urn://; s/^uuid://; s/[{}]//g')
	case $id in
	'' | *[!0-9A-Fa-f-]*)
		verdict='a message without job_id'
		return 1
		;;
	esac
	request --header 'Content-Type: application/json' \
		--data "{\"agent\":\"$agent\"}" "$server/v1/job/$id/claim"
	if [ "$status" = 200 ]; then
		mv "$work/answer" "$1.claimed" && return 0
		say "job $id: cannot be written down: is there room in $spool?" >&2
		return 3
	fi
	verdict=$(why)
	case $status in
	400 | 404 | 409) return 1 ;;
	esac
	say "job $id: not claimed: $verdict" >&2
	case $status in
	4??) return 2 ;;
	*) return 3 ;;
	esac
}

# What amqp-consume runs for a message, which is on its input.  The message is
# acknowledged when this ends with 0.  It is spooled before it is claimed, so
# that what is claimed, or may be, is never forgotten.  $spool/left, which is there
# before, tells that the message stays on the queue.  $1: the process of the agent, which
# may have been killed; others would wait for what is spooled for it.
spool() {
	started_by=$(mark_of "$1") && [ "$(cat "$spool/agent")" = "$started_by" ] ||
		return 1
	new=$(mktemp "$spool/new.XXXXXXXX") || return 1
	if ! cat >"$new" || ! sync "$new" || ! mv "$new" "$new.job" ||
		! sync "$spool"; then
		say "the message stays on the queue: is there room in $spool?" >&2
		rm -f "$new" "$new.job"
		return 1
	fi
	claim "$new.job"
	case $? in
	0) ;;
	1)
		say "job $id: not to be run any more, dropped: $verdict"
		rm -f "$new.job"
		;;
	2)
		rm -f "$new.job"
		return 1
		;;
	*) return 1 ;;
	esac
	rm -f "$spool/left"
}

# Tell of the agent: its state, and the job that it works on or nothing.
tell() {
	request --header 'Content-Type: application/json' \
		--data "{\"state\":\"$1\",\"job_id\":\"$2\"}" \
		"$server/v1/agents/data/$agent"
}

# Be heard of while the commands run, as long as the agent is there: one that is silent
# for AGENT_LOST_TIMEOUT is called lost.
beat() {
	child=
	trap '[ -z "$child" ] || kill $child; exit 0' TERM
	true >"$work/beats"
	while kill -0 "$$"; do
		tell test "$id"
		sleep 60 &
		finish
	done
}

# The process $1, as no other is: with when it started, in ticks, and since which boot.
mark_of() {
	started=$(LC_ALL=C awk '{ sub(/.*\) /, ""); at = $20 } END { print at }' \
		"/proc/$1/stat" 2>/dev/null) || return 1
	echo "$1 $started $(cat /proc/sys/kernel/random/boot_id)"
}

# What run_commands runs for the job $1, as the leader of a group: the commands in file
# $2, unless an agent has come meanwhile that takes them for ended.  Its mark is there as
# a whole or not at all.  What file $3 sets may be any variable of this script.
begin() {
	mark_of "$$" >"$1.mark" && ln "$1.mark" "$1.group" || exit 143
	# shellcheck source=/dev/null
	. "$3"
	exec sh "$2"
}

# Whether any of the process group $1 runs.
group_runs() {
	cat /proc/[0-9]*/stat 2>/dev/null | LC_ALL=C awk -v group="$1" '
	{ sub(/.*\) /, "") }
	$1 != "Z" && $3 == group { found = 1 }
	END { exit !found }'
}

# Send the signal $1 to the group $2, and give it five seconds to end.
end_by() {
	kill "-$1" "-$2" 2>/dev/null
	for _ in 1 2 3 4 5; do
		group_runs "$2" || return 0
		pause 1
	done
	! group_runs "$2"
}

# End what an agent that was killed has left running of the job $1.
end_group() {
	[ -e "$1.begun" ] || return 0
	# Those that are about to begin do not.
	(set -C && : >"$1.group") 2>/dev/null && return 0
	read -r leader rest <"$1.group" || return 0
	[ "$leader $rest" = "$(mark_of "$leader")" ] || return 0
	say "commands of an interrupted job still run, ended now"
	end_by TERM "$leader" || end_by KILL "$leader" && return 0
	say "they cannot be ended" >&2
	return 1
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

# That the job $1 has begun is on disk before it does.  Sets code, with which its commands ended;
# 1: they have not begun.
run_commands() {
	write_commands "$1.claimed" || return 1
	rm -rf "$work/dir"
	mkdir "$work/dir" && true >"$1.output" || return 1
	if ! true >"$1.begun" || ! sync "$1.begun" "$spool"; then
		rm -f "$1.begun"
		return 1
	fi
	rm -f "$work/beats"
	beat >/dev/null 2>&1 &
	beating=$!
	(
		unset AGENT_TOKEN AGENT_LOGIN
		umask "$mask"
		cd "$work/dir" &&
			exec setsid sh "$me" begin "$1" "$work/commands" \
				"$work/secrets"
	) </dev/null >"$1.output" 2>&1 &
	group=$!
	# And all that it starts.
	finish "-$group"
	code=$?
	note_end "$1"
	# What they have left running would be in the way of the next job.
	if group_runs "$group"; then
		say "job $id: ended what it had left running"
		end_by TERM "$group" || end_by KILL "$group"
	fi
	end_beat
	beating=
	tell waiting ''
	rm -rf "$work/dir" "$work/secrets"
	return 0
}

# Keep with what code the commands of job $1 ended: by a new name, for which a full disk
# has room, and in mind.
note_end() {
	ended=$1
	ended_code=$code
	mv "$1.begun" "$1.ended.$code"
}

# Set code to that with which the commands of job $1 ended; 1: it is not known.
end_of() {
	if [ "$1" = "$ended" ]; then
		code=$ended_code
		return 0
	fi
	for file in "$1".ended.*; do
		code=${file##*.}
		[ -e "$file" ]
		return
	done
}

# Report the fragment $2 of the log of job $1, whose text is on standard input.
fragment() {
	{
		printf '{"fragment_number":%d,"phase":"test",' "$2" &&
			date -u '+"timestamp":"%Y-%m-%dT%H:%M:%SZ",' &&
			printf '"log_data":"' &&
			tr -d '\n' &&
			printf '"}'
	} >"$work/log" && mv "$work/log" "$1.log.$(printf '%06d' "$2")"
}

# What there is to post of job $1, which ended with code $2.  With a token a result is
# a report, and the output a log, its last piece the one with the highest number.  The
# result comes last, as a whole or not at all.
write_result() {
	rm -rf "$1".log.* "$work/pieces"
	if [ -s "$work/token" ]; then
		escape "$piece" <"$1.output" >"$work/escaped" &&
			mkdir "$work/pieces" &&
			(cd "$work/pieces" && split -a 6 -l 1) <"$work/escaped" ||
			return 1
		n=0
		for file in "$work/pieces"/*; do
			fragment "$1" "$n" <"$file" || return 1
			n=$((n + 1))
		done
		printf '{"status":{"test":%d},"job_state":"complete"}' "$2" \
			>"$1.new" || return 1
	else
		escape 0 <"$1.output" >"$work/escaped" || return 1
		{
			printf '{"exit_code":%d,"output":"' "$2" &&
				tr -d '\n' <"$work/escaped" &&
				printf '"}'
		} >"$1.new" || return 1
		printf '{"exit_code":%d,"output":"%s\\n"}' "$2" "$left_out" \
			>"$1.short" || return 1
	fi
	rm -rf "$work/escaped" "$work/pieces"
	sync -f "$spool" && mv "$1.new" "$1.result"
}

# Have the outcome of job $1 written, after its commands have run, unless they had begun.
outcome() {
	[ ! -e "$1.result" ] || return 0
	if ! end_of "$1" && [ -e "$1.begun" ]; then
		say "job $id: interrupted, not run again"
		if ! printf '\n%s\n' "$interrupted" >>"$1.output"; then
			say "job $id: this cannot be written: is there room in $spool?" >&2
			return 1
		fi
		code=143
		note_end "$1"
		tell waiting ''
	elif ! end_of "$1"; then
		say "job $id: running"
		if ! run_commands "$1"; then
			say "job $id: cannot begin: is there room in $spool and $work?" >&2
			return 1
		fi
	fi
	if ! write_result "$1" "$code"; then
		say "job $id: exit code $code, but its result cannot be written:" \
			"it is posted when there is room in $spool and $work" >&2
		return 1
	fi
	say "job $id: exit code $code"
}

# post FILE PATH
post() {
	request --header 'Content-Type: application/json' \
		--data-binary "@$1" "$server$2"
	[ "$status" = 200 ] && return 0
	verdict=$(why)
	say "job $id: $2 not taken: $verdict" >&2
	return 1
}

# Post what is left of the log of job $1.  A piece that is too long never gets shorter.
post_log() {
	for file in "$1".log.*; do
		[ -e "$file" ] || continue
		if ! post "$file" "/v1/result/$id/log/output"; then
			[ "$status" = 413 ] || return 1
			number=${file##*.log.}
			if ! printf '%s\\n' "$left_out" |
				fragment "$1" $((1$number - 1000000)); then
				status=000
				return 1
			fi
			post "$file" "/v1/result/$id/log/output" ||
				[ "$status" = 413 ] || return 1
		fi
		rm -f "$file"
	done
}

post_result() {
	post "$1.result" "/v1/result/$id" && return 0
	[ "$status" = 413 ] && [ -e "$1.short" ] || return 1
	mv "$1.short" "$1.result"
	post "$1.result" "/v1/result/$id"
}

forget() {
	rm -f "$1" "$1".*
	ended=
}

# Keep the outcome of job $1, which the server refuses for the reason $2, for people.
set_aside() {
	kept=${1##*/}
	kept=${kept%.job}
	kept=$spool/rejected/$id.${kept#new.}
	mkdir -p "$spool/rejected" && mv "$1.result" "$kept.result" &&
		mv "$1.output" "$kept.output" || return 1
	say "job $id: its result is kept in $kept.result," \
		"its output in $kept.output: $2" >&2
	forget "$1"
	rejected=yes
}

# Post the outcome of job $1.  1: later, perhaps.
post_outcome() {
	if post_log "$1" && post_result "$1"; then
		return 0
	fi
	case $status in
	400 | 404 | 409 | 413 | 422) set_aside "$1" "$verdict" ;;
	*) return 1 ;;
	esac
}

# The same of a job that is not ours any more, for the reason $verdict.  The server keeps
# what comes late, but perhaps nothing of a job that it does not know.
post_late() {
	late=$verdict
	post_outcome "$1" || return 1
	[ -e "$1" ] || return 0
	request "$server/v1/result/$id"
	case $status in
	200)
		say "job $id: result posted late: $late"
		forget "$1"
		;;
	204) set_aside "$1" "the server has not kept it: $late" ;;
	*) return 1 ;;
	esac
}

# Run the spooled job $1 and post its result; the files go when that is done.
# A result that was not taken is posted again, the job is not run again.
run_job() {
	claim "$1"
	case $? in
	0) ;;
	1)
		if [ ! -e "$1.begun" ] && [ ! -e "$1.result" ] && ! end_of "$1"; then
			say "job $id: not to be run any more, dropped: $verdict"
			forget "$1"
			return 0
		fi
		outcome "$1" && post_late "$1"
		return
		;;
	*) return 1 ;;
	esac
	outcome "$1" && post_outcome "$1" || return 1
	ran=yes
	[ -e "$1" ] || return 0
	forget "$1"
	say "job $id: result posted"
}

# Run all that is spooled, when nothing of a former agent runs; "ran" tells whether
# one of the jobs was ours to the end.
run_spooled() {
	ran=no
	for job in "$spool"/*.job; do
		end_group "$job" || return 1
	done
	for job in "$spool"/*.job; do
		[ -e "$job" ] || continue
		run_job "$job" || return 1
	done
}

# Wait for one message and spool it; by heartbeats a broker is missed that has gone
# without a word.  Who ends the agent ends the consumer: left
# behind it would claim a job that nobody runs.
consume() {
	if ! true >"$spool/left"; then
		say "nothing is consumed: is there room in $spool?" >&2
		return 1
	fi
	amqp-consume --url="$url" --queue="$queue" --heartbeat=60 \
		--prefetch-count=1 --count=1 sh "$me" spool "$spool" "$server" "$agent" "$$" &
	finish
}

# Have the spool for this agent alone: another would take the job that it runs for an
# interrupted one.
lock() {
	if ! mark_of "$$" >"$spool/agent.$$"; then
		say "cannot begin: is there room in $spool?" >&2
		rm -f "$spool/agent.$$"
		return 1
	fi
	if ! ln "$spool/agent.$$" "$spool/agent" 2>/dev/null; then
		holder=$(cat "$spool/agent")
		if [ -n "$holder" ] &&
			[ "$holder" = "$(mark_of "${holder%% *}")" ]; then
			rm -f "$spool/agent.$$"
			say "$spool is used by another agent, process ${holder%% *}:" \
				"give each a SPOOL of its own" >&2
			return 1
		fi
		# Of two that come to this the last has it.
		mv "$spool/agent.$$" "$spool/agent"
		pause 1
		[ "$(cat "$spool/agent")" = "$(mark_of "$$")" ] || return 1
	fi
	locked=yes
	rm -f "$spool"/agent.* "$spool"/new.????????
}

# Where answers and the job's own files go, until this ends.  What is written is for
# nobody else; a job may hold secrets.
make_work() {
	mask=$(umask)
	umask 077
	work=$(mktemp -d) || exit 1
	child=
	beating=
	locked=
	ended=
	rejected=no
	piece=65536
	left_out='[output left out: longer than the server takes]'
	interrupted='amqp-agent: interrupted: the agent ended while this ran,'
	interrupted="$interrupted or could not note that it had ended"
	trap 'rm -rf "$work"
		[ -z "$locked" ] || rm -f "$spool/agent" "$spool/left"
		[ -z "$child$beating" ] || kill -TERM $child $beating' EXIT
	trap 'exit 1' HUP INT TERM
	true >"$work/token" || exit 1
	[ -z "${AGENT_TOKEN-}" ] || use_token "$AGENT_TOKEN"
}

# What it cannot do without: with no answer to what a message holds all would be dropped.
check_tools() {
	if [ ! -r "$here/json.awk" ]; then
		say "needs json.awk, which is to lie beside it in $here" >&2
		exit 1
	fi
	for tool in curl awk iconv setsid amqp-consume amqp-declare-queue; do
		command -v "$tool" >/dev/null && continue
		say "needs $tool, which is not installed" >&2
		exit 1
	done
}

here=$(cd "$(dirname "$0")" && pwd) || exit 1
me=$here/${0##*/}
# amqp-consume would take an option behind the command for one of its own.
if [ $# -eq 5 ] && [ "$1" = spool ]; then
	spool=$2
	server=$3
	agent=$4
	make_work
	spool "$5"
	exit
fi
if [ $# -eq 4 ] && [ "$1" = begin ]; then
	begin "$2" "$3" "$4"
fi
once=no
agent=
while :; do
	case ${1-} in
	--help)
		usage
		exit 0
		;;
	--once) once=yes ;;
	--agent)
		[ $# -lt 2 ] || shift
		agent=$1
		;;
	*) break ;;
	esac
	shift
done
case $agent in
-* | *[!0-9A-Za-z._-]*) set -- ;;
esac
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
check_tools
mkdir -p "$4" || exit 1
spool=$(cd "$4" && pwd) || exit 1
[ -n "$agent" ] ||
	agent=$(uname -n)-$(printf '%s' "$spool" | cksum | cut -d ' ' -f 1)
make_work
lock || exit 1

# As the server declares it: durable, without arguments.
amqp-declare-queue --url="$url" --queue="$queue" --durable >/dev/null || exit 1
if [ "$once" = yes ]; then
	run_spooled || exit 1
	while [ "$ran" = no ]; do
		consume && run_spooled && [ ! -e "$spool/left" ] || exit 1
	done
	[ "$rejected" = no ]
	exit
fi
say "$agent serves $queue"
while :; do
	# A result that the server did not take stays spooled; more would only join it.
	until run_spooled; do
		say "trying again in ten seconds" >&2
		pause 10
	done
	if ! consume; then
		# It may have been lost with the message spooled.
		run_spooled
		exit 1
	fi
	# Let others have what is not for us.
	[ ! -e "$spool/left" ] || pause 10
done
