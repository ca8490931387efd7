# Shared by the shell tests of the API: instances in a scratch directory, and
# one line for each case.  Sourced, with $0 below tests/api; sets:
#   top      the source tree             BUILD    the build directory
#   scratch  removed at the end, together with every instance that was started
# shellcheck shell=sh

set -u

top=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
BUILD=${BUILD:-$top/build}
export BUILD
suite=$(basename "$0" .sh)
scratch=$(mktemp -d) || exit 1
# nginx and the responders may run as a low user.
chmod 755 "$scratch"
instances=
passed=0
failed=0
skipped=0

# Keys of the caller's environment would go before those of the instance.
for key in $(env | sed -n 's/^\(TESTFLINGER_[A-Z_]*\)=.*/\1/p'); do
	unset "$key"
done
# All is on loopback.
unset http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY \
	all_proxy ALL_PROXY

say() {
	printf '%s: %s\n' "$suite" "$*"
}

ok() {
	passed=$((passed + 1))
	say "ok: $1"
}

not_ok() {
	failed=$((failed + 1))
	say "not ok: $1"
	[ -z "${2-}" ] || printf '%s\n' "$2" | sed 's/^/    /' | head -n 40
}

# skip CASE WHY
skip() {
	skipped=$((skipped + 1))
	say "skip: $1: $2"
}

# equal CASE WANTED GOT
equal() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "wanted: $2
got:    $3"
	fi
}

# like CASE PATTERN GOT, the pattern as in case
like() {
	# shellcheck disable=SC2254 # the pattern is meant to be one
	case $3 in
	$2) ok "$1" ;;
	*)
		not_ok "$1" "wanted: $2
got:    $3"
		;;
	esac
}

# told FILE [PREFIX]: lines "ok: CASE" and "not ok: CASE" that a program wrote, as cases,
# with PREFIX before each; all else is shown.
told() {
	while IFS= read -r told_line; do
		case $told_line in
		'ok: '*) ok "${2-}${told_line#ok: }" ;;
		'not ok: '*) not_ok "${2-}${told_line#not ok: }" ;;
		*) printf '    %s\n' "$told_line" ;;
		esac
	done <"$1"
}

# within SECONDS COMMAND...: repeat it until it succeeds.
within() {
	within_end=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt "$within_end" ] || return 1
		sleep 0.05
	done
}

# True where an instance of root runs as www-data: in a clone that only root may enter it
# stays root's.
low_user_reaches() {
	setpriv --reuid=www-data --regid=www-data --clear-groups \
		test -x "$BUILD/tf-job"
}

# start NAME OPTION...: an instance in $scratch/NAME; its address in url.
start() {
	start_name=$1
	shift
	instances="$instances $start_name"
	if ! "$top/spawn/up" --no-install --port 0 \
		--dir "$scratch/$start_name" "$@" \
		>"$scratch/$start_name.up" 2>&1; then
		not_ok "the instance $start_name starts" \
			"$(tail -n 30 "$scratch/$start_name.up")"
		finish
	fi
	url=$(cat "$scratch/$start_name/url")
}

stop() {
	"$top/spawn/down" --dir "$scratch/$1" >/dev/null 2>&1
}

# The processes of program $2 in the instance $1, told by program file and
# configuration, so that nobody else's is met.
pids_of() {
	for pid_dir in /proc/[0-9]*; do
		case $(readlink "$pid_dir/exe" 2>/dev/null) in
		*/"$2" | */"$2 (deleted)") ;;
		*) continue ;;
		esac
		tr '\0' '\n' 2>/dev/null <"$pid_dir/environ" |
			grep -q "^TESTFLINGER_CONFIG=$scratch/$1/" &&
			printf '%s\n' "${pid_dir#/proc/}"
	done
}

# The children of a process, sorted.
children_of() {
	pgrep -P "$1" | sort -n
}

# What the sanitizers or a crash left in the logs of the instance $1.
reports_of() {
	find "$scratch/$1" -type f -name '*log*' -exec grep -hE \
		'(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:|(SIG|signal )(SEGV|ABRT|BUS|ILL|FPE|4|6|7|8|11)\b' \
		{} + 2>/dev/null | head -n 20
}

# post PATH JSON: prints the status; the answer is in $scratch/answer.
post() {
	curl --silent --max-time 20 --output "$scratch/answer" \
		--write-out '%{http_code}' \
		--header 'Content-Type: application/json' \
		--data-binary "$2" "$url$1"
}

# get PATH: likewise.
get() {
	: >"$scratch/answer"
	curl --silent --max-time 20 --output "$scratch/answer" \
		--write-out '%{http_code}' "$url$1"
}

# as AGENT PATH [JSON]: a get, or a post, with the agent's cookie; likewise.
as() {
	as_agent=$1
	as_path=$2
	[ $# -lt 3 ] || set -- "$@" --header 'Content-Type: application/json' \
		--data "$3"
	shift "$(($# < 3 ? 2 : 3))"
	curl --silent --max-time 20 --output "$scratch/answer" \
		--write-out '%{http_code}' --cookie "agent_name=$as_agent" \
		"$@" "$url$as_path"
}

answer() {
	cat "$scratch/answer"
}

# The job_id in the JSON on standard input.
id_in() {
	sed -n 's/.*"job_id": *"\([0-9a-f-]\{36\}\)".*/\1/p'
}

# The state of a job.
state() {
	get "/v1/result/$1" >/dev/null
	answer | sed -n 's/.*"job_state":"\([a-z]*\)".*/\1/p'
}

# shellcheck disable=SC2317 # called by within
is_state() {
	[ "$(state "$1")" = "$2" ]
}

# The kinds of events of a job, in order.
kinds() {
	get "/v1/events?subject=$1" >/dev/null
	answer | grep -o '"kind":"[a-z_.]*"' | cut -d '"' -f 4 | tr '\n' ' '
}

# Take all jobs of a queue; their ids, one a line.
take_all() {
	# Nobody who was offered a job before: it would be offered that again.
	taker=auditor$(date +%s%N)
	taken=0
	while [ "$taken" -lt 5000 ] &&
		[ "$(get "/v1/job?queue=$1&agent=$taker$taken")" = 200 ]; do
		answer | id_in
		taken=$((taken + 1))
	done
}

cleanup() {
	for instance in $instances; do
		stop "$instance"
	done
	rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# The verdict, also on the logs of all instances; ends the script.
finish() {
	for instance in $instances; do
		finish_reports=$(reports_of "$instance")
		[ -z "$finish_reports" ] ||
			not_ok "the logs of $instance are clean" \
				"$finish_reports"
	done
	say "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
	exit
}
