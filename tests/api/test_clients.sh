#!/bin/sh
# Today's clients, replayed request for request (replay.py), against a server as a
# lab with accounts has it.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

key=$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')
master=$(head -c 32 /dev/urandom | base64)
start lab --set DISPATCH_WAIT=1 --set JOB_FIELDS=strict --set ANONYMOUS_ROLES=contributor \
	--set JWT_SIGNING_KEY="$key" --set SECRETS_MASTER_KEY="$master"

# account ROLE ID: made on the host; its secret in account_secret.
account() {
	account_secret=$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
	if ! printf '%s\n' "$account_secret" | "$BUILD/testflingerctl" \
		--config "$scratch/lab/conf/testflinger.conf" \
		client add --role "$1" "$2" >"$scratch/ctl" 2>&1; then
		not_ok "the account $2 is made" "$(cat "$scratch/ctl")"
		finish
	fi
}

account contributor user
user=$account_secret
account agent lab-host
host=$account_secret
account admin boss
python3 "$top/tests/api/replay.py" "$url" user "$user" lab-host "$host" \
	boss "$account_secret" >"$scratch/replay" 2>&1
replayed=$?
told "$scratch/replay"
equal "the whole replay runs" 0 "$replayed"
finish
