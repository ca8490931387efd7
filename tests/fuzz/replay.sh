#!/bin/sh
# Every seed and every former crash once more through each parser.
set -eu
source=${SOURCE:-$(pwd)}
build=${BUILD:-$source/build}

for target in amqp_uri conf fcgi_record job_fields js jwks jwt log multipart seal seen uri; do
	set --
	# A parser that never crashed has no directory of regressions.
	for file in "$source/tests/fuzz/corpus/$target"/* \
	    "$source/tests/fuzz/regressions/$target"/*; do
		[ ! -f "$file" ] || set -- "$@" "$file"
	done
	printf '%s: ' "$target"
	"$build/tests/fuzz/replay_$target" "$@"
done
