#!/bin/sh
# Sign-in by OpenID Connect, with a provider of our own (oidc.py).

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

key=$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')
mkfifo "$scratch/in"
python3 "$top/tests/api/oidc.py" <"$scratch/in" >"$scratch/told" 2>&1 &
oidc=$!
exec 9>"$scratch/in"
within 20 grep -q . "$scratch/told" || not_ok "the provider starts"
read -r issuer <"$scratch/told"

# with NAME ISSUER OPTION...: an instance where people sign in by OIDC.
with() {
	with_name=$1
	with_issuer=$2
	shift 2
	start "$with_name" --set JOB_FIELDS=strict \
		--set JWT_SIGNING_KEY="$key" --set WEB_SECRET_KEY="$key" \
		--set OIDC_PROVIDER_ISSUER="$with_issuer" \
		--set OIDC_CLIENT_ID="lab one" "$@"
	printf '%s\n' "$url" >&9
}

with main "$issuer" --set OIDC_CLIENT_SECRET="s:e%cret" \
	--set SECRETS_MASTER_KEY="$(head -c 32 /dev/urandom | base64)"
with public "$issuer/" --set PUBLIC_URL=https://lab.example
with poor "$issuer/poor"
with gone http://127.0.0.1:9
# A sign-in that began before the provider lost its addresses.
sqlite3 "$scratch/poor/data/state.db" \
	"INSERT INTO device_code VALUES ('begun', 'x', 9999999999999)"
admin=$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
if ! printf '%s\n' "$admin" | "$BUILD/testflingerctl" \
	--config "$scratch/main/conf/testflinger.conf" \
	client add --role admin boss >"$scratch/ctl" 2>&1; then
	not_ok "the account boss is made" "$(cat "$scratch/ctl")"
	finish
fi
printf '%s\n%s\n' "$admin" "$scratch/main/logs" >&9
wait "$oidc"
ended=$?
# The first line is the address.
sed 1d "$scratch/told" >"$scratch/told.cases"
told "$scratch/told.cases"
equal "the whole of it runs" 0 "$ended"

# refused NAME KEY WORDS OPTION...: a start with these settings says why not.
refused() {
	refused_case=$1
	refused_words=$2
	shift 2
	refused_said=$(env TESTFLINGER_CONFIG=/dev/null "$@" "$BUILD/tf-auth" \
		--check-config 2>&1)
	refused_status=$?
	equal "$refused_case refuses the start" 1 "$refused_status"
	like "$refused_case: the words" "*$refused_words*" "$refused_said"
}

refused "OIDC without a key for tokens" "JWT_SIGNING_KEY" \
	TESTFLINGER_OIDC_PROVIDER_ISSUER=https://id.example \
	TESTFLINGER_OIDC_CLIENT_ID=x TESTFLINGER_WEB_SECRET_KEY="$key"
refused "a short key for cookies" "shorter than 32 bytes" \
	TESTFLINGER_WEB_SECRET_KEY=short
refused "an issuer that is no address" "no http or https address" \
	TESTFLINGER_OIDC_PROVIDER_ISSUER=id.example
refused "an address of our own with a path" "without a path" \
	TESTFLINGER_PUBLIC_URL=https://lab.example/tf
finish
