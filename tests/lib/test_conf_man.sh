#!/bin/sh
# testflinger.conf(5) documents the keys of conf_keys.h and no others, with their
# defaults, bounds and choices.  In the page a key is the line ".It Ic NAME";
# before the next item stand the comments
#   .\" default: LITERAL
#   .\" bounds: MIN..MAX     of a whole number
#   .\" choices: WORD...     of a choice, or of words
# and the default once more in text that a reader sees.
set -eu
source=${SOURCE:-$(pwd)}
table=$source/src/lib/conf_keys.h
page=$source/docs/man/testflinger.conf.5
for file in "$table" "$page"; do
	[ -r "$file" ] || {
		echo "$file: cannot be read; run this from the root" >&2
		exit 1
	}
done

# The page shows what a plain "configure" makes of names of the build.
exec awk -v data_path=/usr/local/var/lib/testflinger '
function complain(text)
{
	print "testflinger.conf.5: " text
	bad++
}

# One row of the table: name, type, fallback, min, max, choices, doc.
function end_row(a)
{
	rows++
	type_of[a[1]] = a[2]
	want[a[1], "default"] = a[3]
	want[a[1], "bounds"] = a[2] == "CONF_INT" ? a[4] ".." a[5] : ""
	want[a[1], "choices"] = a[6] == "NULL" ? "" : a[6]
}

# Read the rows of C text s: strings joined, white space between tokens
# dropped, names of the build replaced.
function read_table(s,    c, n, a, string, word)
{
	while (match(s, /CONF_ENUM\(/)) {
		s = substr(s, RSTART + RLENGTH)
		n = 1
		split("", a)
		string = 0
		for (;;) {
			if (s == "") {
				complain("conf_keys.h: a row has no end")
				return
			}
			c = substr(s, 1, 1)
			if (!string && match(s, /^TF_[A-Z_]+/)) {
				word = substr(s, 1, RLENGTH)
				if (word != "TF_DATA_PATH")
					complain("what is " word "?")
				a[n] = a[n] data_path
				s = substr(s, RLENGTH + 1)
				continue
			}
			s = substr(s, 2)
			if (c == "\"") {
				string = !string
			} else if (string && c == "\\") {
				a[n] = a[n] substr(s, 1, 1)
				s = substr(s, 2)
			} else if (string) {
				a[n] = a[n] c
			} else if (c == ",") {
				n++
			} else if (c == ")") {
				break
			} else if (c !~ /[ \t\n]/) {
				a[n] = a[n] c
			}
		}
		end_row(a)
	}
}

# Does the page say of key what the table does?
function compare(key, what)
{
	if (got[key, what] == want[key, what])
		return
	if (got[key, what] == "")
		complain(key ": no line .\\\" " what ": " want[key, what])
	else if (want[key, what] == "")
		complain(key ": has " what " " got[key, what] \
		    ", but conf_keys.h none")
	else
		complain(key ": " what " is " got[key, what] \
		    ", but in conf_keys.h " want[key, what])
}

part == "table" {
	text = text $0 "\n"
	next
}

/^\.It / || /^\.El/ || /^\.Sh / {
	key = ""
}
/^\.It Ic / {
	key = $3
	if (key in seen)
		complain(key ": stands there twice")
	seen[key] = " "
	next
}
key == "" {
	next
}
/^\.\\" (default|bounds|choices): / {
	what = $2
	sub(/:$/, "", what)
	value = $0
	sub(/^\.\\" [a-z]+: /, "", value)
	got[key, what] = value
	next
}
!/^\.\\"/ {
	seen[key] = seen[key] $0 " "
}

END {
	while (match(text, /\/\*([^*]|\*+[^*\/])*\*+\//))
		text = substr(text, 1, RSTART - 1) \
		    substr(text, RSTART + RLENGTH)
	read_table(text)
	if (rows == 0)
		complain("conf_keys.h has no rows")
	for (key in type_of) {
		if (!(key in seen)) {
			complain(key ": no item .It Ic " key)
			continue
		}
		compare(key, "default")
		compare(key, "bounds")
		compare(key, "choices")
		if (!index(seen[key], " " want[key, "default"] " "))
			complain(key ": no reader sees its default " \
			    want[key, "default"])
	}
	for (key in seen)
		if (!(key in type_of))
			complain(key ": is no key of conf_keys.h")
	if (bad > 0)
		exit 1
	print rows " keys are as conf_keys.h has them"
}' part=table "$table" part=page "$page"
