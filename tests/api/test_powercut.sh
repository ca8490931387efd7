#!/bin/sh
# What a power cut could leave on the disk, at any moment of some work, holds all that was
# answered (powercut.py).  500 states of one run; LONG=yes: all of the runs with the seeds
# POWERCUT_FIRST (1) to POWERCUT_RUNS (50), so that the runs can be shared out:
#   LONG=yes POWERCUT_FIRST=26 POWERCUT_RUNS=50 tests/api/test_powercut.sh
# A line "seed N: N states in N s" is written for each run.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

if grep -qs -e __asan_init -e __tsan_init "$BUILD/tf-job"; then
	skip "power cuts" "the build has sanitizers, which must be loaded first"
	finish
fi

# Another process of program $2 than $3.
# shellcheck disable=SC2317 # called by within
replaced() {
	now=$(pids_of "$1" "$2")
	[ -n "$now" ] && [ "$now" != "$3" ]
}

# run_once SEED STATES SERVED: a run, and what may be left of it.
run_once() {
	begun=$(date +%s)
	record=$scratch/record
	: >"$record"
	chmod 666 "$record"
	export LD_PRELOAD="$BUILD/tests/recorder.so" TF_RECORD="$record"
	start "cut$1"
	unset LD_PRELOAD TF_RECORD
	data=$scratch/cut$1/data
	# Others go on in the place of those that began with an empty disk.
	/usr/bin/python3 "$top/tests/api/powercut.py" mark "$record"
	for program in tf-job tf-result tf-file; do
		victim=$(pids_of "cut$1" "$program")
		kill -9 "$victim"
		within 20 replaced "cut$1" "$program" "$victim" ||
			not_ok "run $1: $program is back"
	done
	/usr/bin/python3 "$top/tests/api/powercut.py" work "$record" "$url" "$1" \
		>"$scratch/told" 2>&1
	ended=$?
	stop "cut$1"
	if [ "$ended" -eq 0 ]; then
		/usr/bin/python3 "$top/tests/api/powercut.py" check "$record" \
			"$data" "$2" "$1" >>"$scratch/told" 2>&1
		ended=$?
	fi
	instances="$instances served"
	if [ "$ended" -eq 0 ]; then
		/usr/bin/python3 "$top/tests/api/powercut.py" served "$record" \
			"$data" "$3" "$1" "$scratch/served" >>"$scratch/told" 2>&1
		ended=$?
	fi
	told "$scratch/told" "run $1: "
	equal "run $1: the whole of it runs" 0 "$ended"
	looked=$(sed -n 's/^ *\([0-9]* states\), .*/\1/p' "$scratch/told")
	say "seed $1: ${looked:-0 states} in $(($(date +%s) - begun)) s"
	rm -rf "$scratch/cut$1"
}

if [ -n "${LONG-}" ]; then
	seed=${POWERCUT_FIRST:-1}
	last=${POWERCUT_RUNS:-50}
	[ "$seed" -le "$last" ] || not_ok "there are seeds from $seed to $last"
	while [ "$seed" -le "$last" ]; do
		run_once "$seed" all 4
		seed=$((seed + 1))
	done
else
	run_once 1 500 4
fi
finish
