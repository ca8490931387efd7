# One value out of a JSON text, for shell scripts without a JSON tool:
#
#   LC_ALL=C awk -v want=test_data/test_cmds -f json.awk FILE
#
# prints the value under these keys: a string decoded, another scalar as it
# stands, nothing if there is none or it is an object or a list.  Of repeated
# keys the last counts.  Keys that hold a slash cannot be named; lists are
# skipped.  The text must be JSON already: this reads, it does not check.

function skip_space() {
	while (index(" \t\r\n", substr(text, at, 1)) > 0 && at <= size)
		at++
}

# A code point as UTF-8.
function utf8(n) {
	if (n < 128)
		return sprintf("%c", n)
	if (n < 2048)
		return sprintf("%c%c", 192 + int(n / 64), 128 + n % 64)
	if (n < 65536)
		return sprintf("%c%c%c", 224 + int(n / 4096), \
		    128 + int(n / 64) % 64, 128 + n % 64)
	return sprintf("%c%c%c%c", 240 + int(n / 262144), \
	    128 + int(n / 4096) % 64, 128 + int(n / 64) % 64, 128 + n % 64)
}

function hex(digits,    i, n) {
	for (i = 1; i <= 4; i++)
		n = n * 16 + index("0123456789abcdef", \
		    tolower(substr(digits, i, 1))) - 1
	return n
}

# The character that the escape at "at", behind its backslash, stands for.
function escaped(    c, n) {
	c = substr(text, at++, 1)
	if (c != "u")
		return c in plain ? plain[c] : c
	n = hex(substr(text, at, 4))
	at += 4
	if (n >= 55296 && n < 56320) {
		# A pair of surrogates, as JSON writes what is above U+FFFF.
		n = 65536 + (n - 55296) * 1024 + hex(substr(text, at + 2, 4)) \
		    - 56320
		at += 6
	}
	return n == 0 ? "" : utf8(n)
}

function string(    out, rest, n) {
	at++
	for (;;) {
		rest = substr(text, at, 4096)
		n = match(rest, /["\\]/)
		if (n == 0 && rest == "")
			return out
		out = out substr(rest, 1, n > 0 ? n - 1 : length(rest))
		at += n > 0 ? n : length(rest)
		if (n > 0 && substr(rest, n, 1) == "\"")
			return out
		if (n > 0)
			out = out escaped()
	}
}

function found(path, value) {
	if (path == want) {
		result = value
		have = 1
	}
}

function members(path,    key) {
	if (path == want)
		have = 0
	at++
	skip_space()
	while (at <= size && substr(text, at, 1) != "}") {
		key = string()
		skip_space()
		at++
		value_at(path == "" ? key : path "/" key)
		skip_space()
		if (substr(text, at, 1) == ",")
			at++
		skip_space()
	}
	at++
}

function elements() {
	at++
	skip_space()
	while (at <= size && substr(text, at, 1) != "]") {
		value_at("\n")
		skip_space()
		if (substr(text, at, 1) == ",")
			at++
		skip_space()
	}
	at++
}

function value_at(path,    c, rest) {
	skip_space()
	c = substr(text, at, 1)
	if (c == "{")
		members(path)
	else if (c == "[")
		elements()
	else if (c == "\"")
		found(path, string())
	else {
		rest = substr(text, at, 512)
		match(rest, /^[-+.0-9A-Za-z]*/)
		found(path, substr(rest, 1, RLENGTH))
		at += RLENGTH > 0 ? RLENGTH : 1
	}
}

BEGIN {
	plain["b"] = "\b"
	plain["f"] = "\f"
	plain["n"] = "\n"
	plain["r"] = "\r"
	plain["t"] = "\t"
}

{ text = text $0 "\n" }

END {
	size = length(text)
	at = 1
	value_at("")
	if (have)
		printf "%s", result
}
