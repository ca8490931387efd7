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
later, for all in their process group.  A job that is not for this agent, or a
server that is away, leaves the message on the queue.

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

It runs whatever a submitter sends, as the user who started it: give it a
machine, a container or at least a user of its own.

Needs curl, awk, iconv, and amqp-consume and amqp-declare-queue (Debian:
amqp-tools).  Its limits: the password in AMQP_URL is seen by who may list
processes; output is posted at the end, without NUL and bytes that are not
UTF-8.  Who ends the agent ends the commands of its job too.

Exit status: 0; 1 if the broker or the server failed, or with --once if the
message was left on the queue; 2 for a wrong command line.
TEXT
}

say() {
	printf 'amqp-agent: %s\n' "$*"
}

value() {
	LC_ALL=C awk -v want="$1" -f "$here/json.awk" "$2"
}

# What the answer says of a failure.
why() {
	said=$(value message "$work/answer" 2>/dev/null)
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
	NR > 1 { whole("\\n") }
	{
		while ((n = match($0, /["\\\001-\037]/)) > 0) {
			text(substr($0, 1, n - 1))
			whole(as[substr($0, n, 1)])
			$0 = substr($0, n + 1)
		}
		text($0)
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

log_in() {
	[ -n "${AGENT_LOGIN-}" ] || return 1
	printf 'user = "%s"\n' "$(printf '%s' "$AGENT_LOGIN" |
		sed 's/[\\"]/\\&/g')" |
		curl --silent --show-error --fail --max-time 60 --config - \
			--request POST --output "$work/login" \
			"$server/v1/oauth2/token" &
	finish || return 1
	use_token "$(value access_token "$work/login")"
}

call() {
	rm -f "$work/answer"
	curl --silent --show-error --max-time 60 --retry 5 \
		--header "@$work/token" --output "$work/answer" \
		--write-out '%{http_code}' "$@" >"$work/status" &
	finish
	status=$(cat "$work/status")
}

# Sets status.  401 means that the token has ended.
request() {
	[ -s "$work/token" ] || log_in
	call "$@"
	if [ "$status" = 401 ] && log_in; then
		call "$@"
	fi
}

# Claim the job of the message in file $1.  0: the job is ours, and its definition
# in $1.claimed; 1: nobody needs the message; 2: others may.
claim() {
	id=$(value job_id "$1")
	case $id in
	'' | *[!0-9A-Za-z-]*)
		say "a message without job_id, dropped" >&2
		return 1
		;;
	esac
	request --header 'Content-Type: application/json' \
		--data "{\"agent\":\"$agent\"}" "$server/v1/job/$id/claim"
	case $status in
	200) mv "$work/answer" "$1.claimed" ;;
	400 | 404 | 409)
		say "job $id: not to be run any more, dropped"
		return 1
		;;
	*)
		say "job $id: not claimed: $(why)" >&2
		return 2
		;;
	esac
}

# What amqp-consume runs for a message, which is on its input.  The message is
# acknowledged when this ends with 0.  It is spooled before it is claimed, so
# that what is claimed is never forgotten.
spool() {
	new="$spool/$$.$(date +%s)"
	cat >"$new" && mv "$new" "$new.job" || return 1
	claim "$new.job"
	case $? in
	0) return 0 ;;
	1) rm -f "$new.job" ;;
	*)
		rm -f "$new.job"
		: >"$spool/left"
		return 1
		;;
	esac
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
	: >"$work/beats"
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
# a whole or not at all.
begin() {
	mark_of "$$" >"$1.mark" && ln "$1.mark" "$1.group" || exit 143
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
	kill -s "$1" -- "-$2" 2>/dev/null
	for _ in 1 2 3 4 5; do
		group_runs "$2" || return 0
		sleep 1 &
		finish
	done
	! group_runs "$2"
}

# End what an agent that was killed has left running of the job $1.
end_group() {
	[ -e "$1.begun" ] && [ ! -e "$1.result" ] || return 0
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

# That the job $1 has begun is on disk before it does.  Sets code, with which its commands ended;
# 1: they have not begun.
run_commands() {
	value test_data/test_cmds "$1.claimed" >"$work/commands"
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
		cd "$work/dir" &&
			exec setsid "$here/amqp-agent.sh" begin "$1" "$work/commands"
	) </dev/null >"$1.output" 2>&1 &
	# And all that it starts.
	finish -$!
	code=$?
	end_beat
	beating=
	tell waiting ''
	rm -rf "$work/dir"
	return 0
}

# Report the fragment $2 of the log of job $1, whose text is on standard input.
fragment() {
	{
		printf '{"fragment_number":%d,"phase":"test",' "$2"
		date -u '+"timestamp":"%Y-%m-%dT%H:%M:%SZ",'
		printf '"log_data":"'
		tr -d '\n'
		printf '"}'
	} >"$work/log"
	mv "$work/log" "$1.log.$(printf '%06d' "$2")"
}

# What there is to post of job $1, which ended with code $2.  With a token a result is
# a report, and the output a log, its last piece the one with the highest number.
write_result() {
	if [ -s "$work/token" ]; then
		rm -rf "$work/pieces"
		mkdir "$work/pieces" || return 1
		escape "$piece" <"$1.output" |
			(cd "$work/pieces" && split -a 6 -d -l 1)
		n=0
		for file in "$work/pieces"/*; do
			fragment "$1" "$n" <"$file" || return 1
			n=$((n + 1))
		done
		printf '{"status":{"test":%d},"job_state":"complete"}' "$2" \
			>"$work/result"
	else
		{
			printf '{"exit_code":%d,"output":"' "$2"
			escape 0 <"$1.output" | tr -d '\n'
			printf '"}'
		} >"$work/result"
		printf '{"exit_code":%d,"output":"%s\\n"}' "$2" "$left_out" \
			>"$1.short"
	fi
	mv "$work/result" "$1.result"
}

# The job $1 was begun, and its end was not seen.
write_interrupted() {
	printf '\n%s\n' 'amqp-agent: interrupted: the agent ended while this ran' \
		>>"$1.output"
	tell waiting ''
	write_result "$1" 143
}

# post FILE PATH
post() {
	request --header 'Content-Type: application/json' \
		--data-binary "@$1" "$server$2"
	[ "$status" = 200 ] && return 0
	say "job $id: $2 refused: $(why)" >&2
	return 1
}

# Post what is left of the log of job $1.  A piece that is too long never gets shorter.
post_log() {
	for file in "$1".log.*; do
		[ -e "$file" ] || continue
		if ! post "$file" "/v1/result/$id/log/output"; then
			[ "$status" = 413 ] || return 1
			number=${file##*.log.}
			printf '%s\\n' "$left_out" |
				fragment "$1" $((1$number - 1000000)) || return 1
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
	rm -f "$1" "$1".claimed "$1".log.* "$1".result "$1".short "$1".output \
		"$1".begun "$1".mark "$1".group
}

# Run the spooled job $1 and post its result; the files go when that is done.
# A result that was not taken is posted again, the job is not run again.
run_job() {
	claim "$1"
	case $? in
	0) ;;
	1)
		forget "$1"
		return 0
		;;
	*) return 1 ;;
	esac
	if [ -e "$1.begun" ] && [ ! -e "$1.result" ]; then
		say "job $id: interrupted, not run again"
		write_interrupted "$1" || return 1
	elif [ ! -e "$1.result" ]; then
		say "job $id: running"
		if ! run_commands "$1"; then
			say "job $id: cannot begin" >&2
			return 1
		fi
		write_result "$1" "$code" || return 1
		say "job $id: exit code $code"
	fi
	post_log "$1" && post_result "$1" || return 1
	forget "$1"
	ran=yes
	say "job $id: result posted"
}

# Run all that is spooled, when nothing of a former agent runs; "ran" tells whether a
# result was posted.
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

# Wait for one message and spool it.  Who ends the agent ends the consumer: left
# behind it would claim a job that nobody runs.
consume() {
	amqp-consume --url="$url" --queue="$queue" --prefetch-count=1 \
		--count=1 "$here/amqp-agent.sh" spool "$spool" "$server" \
		"$agent" &
	finish
}

# Where answers and the job's own files go, until this ends.
make_work() {
	here=$(cd "$(dirname "$0")" && pwd) || exit 1
	work=$(mktemp -d) || exit 1
	child=
	beating=
	piece=65536
	left_out='[output left out: longer than the server takes]'
	trap 'rm -rf "$work"
		[ -z "$child$beating" ] || kill -s TERM -- $child $beating' EXIT
	trap 'exit 1' HUP INT TERM
	: >"$work/token"
	[ -z "${AGENT_TOKEN-}" ] || use_token "$AGENT_TOKEN"
}

# amqp-consume would take an option behind the command for one of its own.
if [ $# -eq 4 ] && [ "$1" = spool ]; then
	spool=$2
	server=$3
	agent=$4
	make_work
	spool
	exit
fi
if [ $# -eq 3 ] && [ "$1" = begin ]; then
	begin "$2" "$3"
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
mkdir -p "$4" || exit 1
spool=$(cd "$4" && pwd) || exit 1
[ -n "$agent" ] ||
	agent=$(uname -n)-$(printf '%s' "$spool" | cksum | cut -d ' ' -f 1)
make_work

# As the server declares it: durable, without arguments.
amqp-declare-queue --url="$url" --queue="$queue" --durable >/dev/null || exit 1
rm -f "$spool/left"
run_spooled || exit 1
if [ "$once" = yes ]; then
	while [ "$ran" = no ]; do
		consume && run_spooled && [ ! -e "$spool/left" ] || exit 1
	done
	exit 0
fi
say "$agent serves $queue"
while consume; do
	# A result that the server did not take stays spooled and is tried again
	# with the next message.
	run_spooled || say "trying again later" >&2
	# Let others have what is not for us.
	if [ -e "$spool/left" ]; then
		rm -f "$spool/left"
		sleep 10
	fi
done
exit 1
