#!/bin/sh
# Every job accepted is run by one agent, once, whatever dies or is lost in between
# (storm.py).  STORM_JOBS says how many jobs (2000 while responders
# are killed, 700 in each other storm), STORM_MODES which of the storms.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

for mode in ${STORM_MODES:-kill hangup lossy shared}; do
	jobs=700
	[ "$mode" != kill ] || jobs=2000
	start "$mode"
	python3 "$top/tests/api/storm.py" "$mode" "$url" "$scratch/$mode" \
		"${STORM_JOBS:-$jobs}" >"$scratch/told" 2>&1
	ended=$?
	told "$scratch/told" "$mode: "
	equal "$mode: the whole of it runs" 0 "$ended"
	stop "$mode"
done
finish
