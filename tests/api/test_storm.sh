#!/bin/sh
# Every job accepted is run by one agent, once, whatever dies or is lost in between
# (storm.py).  STORM_JOBS says how many jobs (2000).

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

for mode in kill lossy; do
	start "$mode"
	python3 "$top/tests/api/storm.py" "$mode" "$url" "$scratch/$mode" \
		"${STORM_JOBS:-2000}" >"$scratch/told" 2>&1
	ended=$?
	while IFS= read -r line; do
		case $line in
		'ok: '*) ok "$mode: ${line#ok: }" ;;
		'not ok: '*) not_ok "$mode: ${line#not ok: }" ;;
		*) printf '    %s\n' "$line" ;;
		esac
	done <"$scratch/told"
	equal "$mode: the whole of it runs" 0 "$ended"
	stop "$mode"
done
finish
