#!/bin/sh
# The runner that most builds use in Criterion's place finds each bad end of a case, and
# tells it.
set -u

failed=0
cases=${BUILD:-build}/tests/runner_cases

# tells FILTER WANTED: what is said of these cases has that, and the run is no success.
tells()
{
	if said=$("$cases" --filter "$1" 2>&1); then
		echo "not ok: $1 is a success"
		failed=1
	fi
	case $said in
	*"$2"*) echo "ok: $1: $2" ;;
	*)
		printf 'not ok: %s is not told: %s\n%s\n' "$1" "$2" "$said"
		failed=1
		;;
	esac
}

"$cases" --filter runner/passes || failed=1
tells runner/asserts 'runner/asserts: wanted otherwise'
tells runner/asserts 'runner/asserts: failed, exit status 1'
tells runner/expects_and_goes_on 'runner/expects_and_goes_on: and gone on'
tells runner/crashes 'runner/crashes: crashed by signal 6'
tells runner/leaves_with_a_status 'runner/leaves_with_a_status: failed, exit status 3'
tells runner/has_no_setup 'runner/has_no_setup: the setup fails'
tells runner/has_no_teardown 'runner/has_no_teardown: the teardown fails'
tells nobody/is_called_so 'Tested: 0'
tells 'runner/*' 'Tested: 7 | Passing: 1 | Failing: 5 | Crashing: 1'
exit "$failed"
