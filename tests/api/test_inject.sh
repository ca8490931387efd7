#!/bin/sh
# Each system call of the requests that change something dies, or fails with ENOSPC, EIO or
# EINTR (inject.py).  Of submit, take, claim, result, log and cancel; LONG=yes: of all endpoints.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

if ! strace -qq -o /dev/null true 2>/dev/null; then
	skip "each call dies or fails" "strace may not trace here"
	finish
fi
# Responders are slow to come back under sanitizers, and strace finds other calls there.
if grep -qs -e __asan_init -e __tsan_init "$BUILD/tf-job"; then
	skip "each call dies or fails" "the build has sanitizers"
	finish
fi

# One thread serves, so that it is known which one will.  An instance for each endpoint of
# the short form, because most of the time is spent waiting for a responder to come back.
TF_JWT_KEY=0123456789abcdef0123456789abcdef
export TF_JWT_KEY
dirs=
for n in 1 2 3 4 5 6 7; do
	start "inject$n" --set WORKERS=1 --set JWT_SIGNING_KEY="$TF_JWT_KEY" \
		--set SECRETS_MASTER_KEY="$(head -c 32 /dev/urandom | base64)"
	dirs="$dirs $scratch/inject$n"
done
# shellcheck disable=SC2086 # one word for each directory
/usr/bin/python3 "$top/tests/api/inject.py" ${LONG:+--long} $dirs \
	>"$scratch/told" 2>&1
ended=$?
told "$scratch/told"
equal "the whole of it runs" 0 "$ended"
finish
