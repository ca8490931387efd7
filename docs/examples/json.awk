# One value out of a JSON text, for shell scripts without a JSON tool:
#
#   LC_ALL=C awk -v want=test_data/test_cmds -f json.awk FILE
#
# prints the value under these keys: a string decoded, another scalar as it
# stands, nothing if there is none or it is an object or a list.  Of repeated
# keys the last counts.  Keys that hold a slash cannot be named; lists are
# skipped.  The text must be JSON already: this reads, it does not check.
# What is nested deeper than 200 has no values.
#
# With -v exports=1 it prints the values below these keys instead, a line
# export NAME='VALUE' for each, as a shell reads it.  If one has a name that is
# none of a variable, or is that of one by which shells and programs are led, it
# prints that name alone, with "?" for odd characters, and exits with 3.
#
# It reads a line at a time, and of that so many bytes: some kinds of awk look
# through the whole of a text for each piece of it.

# Have a character at "at" of "text"; 0 at the end.
function more() {
	while (at > size) {
		if (from > line_size) {
			if ((getline line) <= 0)
				return 0
			line = line "\n"
			line_size = length(line)
			from = 1
		}
		text = substr(line, from, 16384)
		from += 16384
		size = length(text)
		at = 1
	}
	return 1
}

# The next character, which is passed; nothing at the end.
function take() {
	return more() ? substr(text, at++, 1) : ""
}

# Pass white space; the character behind it, which is left.
function next_char(    c) {
	while (more()) {
		c = substr(text, at, 1)
		if (index(" \t\r\n", c) == 0)
			return c
		at++
	}
	return ""
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

function hex(    i, n) {
	for (i = 1; i <= 4; i++)
		n = n * 16 + index("0123456789abcdef", tolower(take())) - 1
	return n
}

# What the escape stands for whose backslash was taken.
function escaped(    c, n) {
	c = take()
	if (c != "u")
		return c in plain ? plain[c] : c
	n = hex()
	if (n >= 55296 && n < 56320) {
		# A pair of surrogates, as JSON writes what is above U+FFFF.
		take()
		take()
		n = 65536 + (n - 55296) * 1024 + hex() - 56320
	}
	return n <= 0 ? "" : utf8(n)
}

# Pass a string; what it says, if that is asked for.  What is long is put
# together of pieces.
function string(asked,    out, piece, rest, n) {
	take()
	while (more()) {
		rest = substr(text, at, 256)
		n = match(rest, /["\\]/)
		if (asked)
			piece = piece substr(rest, 1, \
			    n > 0 ? n - 1 : length(rest))
		at += n > 0 ? n : length(rest)
		if (n > 0 && substr(rest, n, 1) == "\"")
			break
		if (n > 0)
			piece = piece escaped()
		if (length(piece) > 8192) {
			out = asked ? out piece : ""
			piece = ""
		}
	}
	return out piece
}

# Whether the value there is asked for.
function asked_for(path) {
	return exports ? index(path, want "/") == 1 : path == want
}

# A variable that a job may be given.
function may_set(name) {
	return name ~ /^[A-Za-z_][A-Za-z0-9_]*$/ && name !~ /^(LD_|BASH|OPT)/ && \
	    name !~ /^(PATH|CDPATH|IFS|ENV|HOME|PWD|OLDPWD|SHELL|SHELLOPTS)$/ && \
	    name !~ /^(PS[0-9]|PPID|UID|EUID|GROUPS|LINENO|RANDOM|SECONDS|_)$/
}

function exported(name, value) {
	if (!may_set(name)) {
		gsub(/[^A-Za-z0-9_]/, "?", name)
		printf "%s", name
		exit 3
	}
	gsub(/'/, "'\"'\"'", value)
	result = result "export " name "='" value "'\n"
	have = 1
}

function found(path, value) {
	if (exports && asked_for(path))
		exported(substr(path, length(want) + 2), value)
	if (!exports && path == want) {
		result = value
		have = 1
	}
}

function members(path,    key) {
	if (path == want) {
		have = 0
		result = ""
	}
	take()
	while (next_char() != "}" && more()) {
		key = string(1)
		next_char()
		take()
		value_at(path == "" ? key : path "/" key)
		if (next_char() == ",")
			take()
	}
	take()
}

function elements() {
	take()
	while (next_char() != "]" && more()) {
		value_at("\n")
		if (next_char() == ",")
			take()
	}
	take()
}

# A scalar that is no string; at least one character is passed.
function scalar(    c, out) {
	out = take()
	while (more()) {
		c = substr(text, at, 1)
		if (c !~ /[-+.0-9A-Za-z]/)
			break
		out = out c
		at++
	}
	return out
}

function value_at(path,    c) {
	c = next_char()
	if (++depth > 200) {
		have = 0
		exit
	}
	if (c == "{")
		members(path)
	else if (c == "[")
		elements()
	else if (c == "\"")
		found(path, string(asked_for(path)))
	else
		found(path, scalar())
	depth--
}

BEGIN {
	plain["b"] = "\b"
	plain["f"] = "\f"
	plain["n"] = "\n"
	plain["r"] = "\r"
	plain["t"] = "\t"
	at = from = 1
	size = line_size = 0
	value_at("")
	if (have)
		printf "%s", result
}
