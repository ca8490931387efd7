#!/bin/sh
# The description of the API (docs/openapi.json) is complete and true: walk.py gets every
# answer that it lists, matrix.py calls everything as everybody.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

key=$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')
master=$(head -c 32 /dev/urandom | base64)
mkfifo "$scratch/in"
python3 "$top/tests/api/walk.py" <"$scratch/in" >"$scratch/walk" 2>&1 &
walk=$!
exec 9>"$scratch/in"
within 20 grep -q . "$scratch/walk" || not_ok "the walk starts"
read -r issuer hook closed <"$scratch/walk"

# with NAME OPTION...: an instance, which the walk is told of.
with() {
	with_name=$1
	shift
	start "$with_name" "$@"
	printf '%s %s %s\n' "$with_name" "$url" "$scratch/$with_name" >&9
}

# oidc NAME ISSUER OPTION...: one where people sign in by OIDC.
oidc() {
	oidc_name=$1
	oidc_issuer=$2
	shift 2
	with "$oidc_name" --set JWT_SIGNING_KEY="$key" \
		--set WEB_SECRET_KEY="$key" --set OIDC_CLIENT_ID=lab \
		--set OIDC_PROVIDER_ISSUER="$oidc_issuer" "$@"
}

with main --set JWT_SIGNING_KEY="$key" --set SECRETS_MASTER_KEY="$master" \
	--set WEBHOOK_URL="$hook" --set ARTIFACT_MAX=65536 \
	--set TOKEN_FAILURES_MAX=3
main=$url
with contributor --set JOB_FIELDS=strict --set ANONYMOUS_ROLES=contributor \
	--set JWT_SIGNING_KEY="$key" --set WEBHOOK_URL="$closed"
contributor=$url
with none --set ANONYMOUS_ROLES= --set JWT_SIGNING_KEY="$key"
none=$url
oidc oidc "$issuer"
oidc=$url
oidc poor "$issuer/poor" --set ANONYMOUS_ROLES=agent
poor=$url
with bare --set STORE_WAIT_MS=100
# It is not ready then, which a start or a restart calls a failure.
printf 'DISK_FREE_MIN = 1099511627776\n' >>"$scratch/bare/conf/testflinger.conf"
"$top/spawn/restart" --dir "$scratch/bare" >"$scratch/restart" 2>&1
like "an instance without room says so" '*not ready*"disk":"full"*' \
	"$(cat "$scratch/restart")"
boss=$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
if ! printf '%s\n' "$boss" | "$BUILD/testflingerctl" \
	--config "$scratch/main/conf/testflinger.conf" \
	client add --role admin boss >"$scratch/ctl" 2>&1; then
	not_ok "the account boss is made" "$(cat "$scratch/ctl")"
	finish
fi

python3 "$top/tests/api/matrix.py" "$key" \
	"main=$main=contributor agent" "contributor=$contributor=contributor" \
	"none=$none=" "oidc=$oidc=" "poor=$poor=agent" \
	>"$scratch/matrix" 2>&1
matrix=$?
told "$scratch/matrix"
equal "the whole matrix runs" 0 "$matrix"
printf 'key %s\nboss %s\ncorpus %s\n\n' "$key" "$boss" \
	"$top/tests/fuzz/corpus/job_fields" >&9
wait "$walk"
walked=$?
sed 1d "$scratch/walk" >"$scratch/walked"
told "$scratch/walked"
equal "the whole walk runs" 0 "$walked"
finish
