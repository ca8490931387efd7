#!/bin/sh
# Requests that cannot both have their way, at once (races.c): cancel against take, take
# against take, result against cancel, submission against submission.  RACE_CONTESTS says how
# many of each (10000), RACES which.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

port_of() {
	sed 's/.*://' "$scratch/$1/url"
}

# Two of everything on one store, so that the two sides meet in the store alone.  What was
# offered must not go back meanwhile.
start one --set OFFER_TIMEOUT=86400
start two --set OFFER_TIMEOUT=86400 --set "DATA_PATH=$scratch/one/data"
# shellcheck disable=SC2086 # a list of words
"$BUILD/tests/api/races" "$(port_of one)" "$(port_of two)" \
	"${RACE_CONTESTS:-10000}" ${RACES-} >"$scratch/told" 2>&1
ended=$?
told "$scratch/told"
equal "the whole of it runs" 0 "$ended"
equal "the store is sound afterwards" ok \
	"$(sqlite3 "$scratch/one/data/state.db" 'PRAGMA integrity_check')"
equal "what was cancelled in time or not is cancelled" 0 \
	"$(sqlite3 "$scratch/one/data/state.db" "SELECT count(*) FROM job
		WHERE queue LIKE 'cancel-take%' AND state != 'cancelled'")"
equal "no job has an id or a key twice" "0|0" \
	"$(sqlite3 "$scratch/one/data/state.db" \
		'SELECT count(*) - count(DISTINCT id),
		count(submit_key) - count(DISTINCT submit_key) FROM job')"
finish
