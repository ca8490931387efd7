# The files of nginx, made of the settings: for up and restart.  Sourced after lib.sh; the
# functions work on $dir, the instance's directory, and on
#   settings  the lines of the configuration     data     DATA_PATH
#   sockets   the directory of the sockets       as_user  whom nginx's workers are, or nothing
#   tls       not empty: HTTPS too
# shellcheck shell=sh
# shellcheck disable=SC2154 # they are set by the one that sources this

default_of()
{
	sed -n "s/^CONF_ENUM($1, CONF_INT, \"\([0-9]*\)\",.*/\1/p" \
		"$top/src/lib/conf_keys.h"
}

# setting_of KEY [SETTINGS]: what stands behind its "=", as set last.
setting_of()
{
	printf '%s\n' "${2-$settings}" |
		sed -n "s/^[[:space:]]*$1[[:space:]]*=[[:space:]]*//p" |
		tail -n 1
}

# The value that a number has here: as set, or its default.
number_of()
{
	number=$(setting_of "$1" | sed 's/[[:space:]]*#.*//' | tr -d '_ \t')
	printf '%s\n' "${number:-$(default_of "$1")}"
}

# The first of the numbers that nginx must know and that is not written in plain digits.
unplain()
{
	for key in JOB_BODY_MAX RESULT_BODY_MAX LOG_BODY_MAX \
		DISPATCH_WAIT_MAX DISPATCH_HOLDS_MAX; do
		case $(number_of "$key") in
		'' | *[!0-9]*)
			printf '%s\n' "$key"
			return
			;;
		esac
	done
}

# text_of KEY FALLBACK: likewise of a text between quotes.
text_of()
{
	setting_of "$1" |
		sed -nE "s/^'(([^'\\]|\\.)*)'.*/\1/p
			s/^\"(([^\"\\]|\\.)*)\".*/\1/p" |
		sed 's/\\\(.\)/\1/g' | grep . || printf '%s\n' "$2"
}

# limit_nginx LIMIT: sets connections and files of each of nginx's processes, which may have
# LIMIT files.  A request that is held takes two connections.  They come to the processes
# unevenly, so each has room for twice its share, and a few files that are none.
limit_nginx()
{
	holds=$(number_of DISPATCH_HOLDS_MAX)
	[ "$(number_of DISPATCH_WAIT_MAX)" -gt 0 ] || holds=0
	workers=$(nproc)
	connections=$((2 * holds + 4096))
	[ "$workers" -le 2 ] || connections=$((connections * 2 / workers))
	[ "$connections" -ge 12288 ] || connections=12288
	wanted_files=$((connections + 1024))
	files=$1
	case $files in
	unlimited) files=$wanted_files ;;
	*) [ "$files" -le "$wanted_files" ] || files=$wanted_files ;;
	esac
	if [ "$files" -ge 8192 ]; then
		connections=$((files - 1024))
	else
		connections=$((files * 3 / 4))
	fi
	room=$(((connections * workers - 1024) / 2))
	[ "$room" -ge "$holds" ] || cat >&2 <<T
${0##*/}: warning: DISPATCH_HOLDS_MAX is $holds, but with $files open files for each of its
$workers processes nginx has connections for $((room > 0 ? room : 0)) held requests only.
Raise the limit of open files (as root: ulimit -H -n $wanted_files), or lower
DISPATCH_HOLDS_MAX to $((room > 0 ? room : 0)).
T
}

listen_tls()
{
	[ -n "$tls" ] || return 0
	if [ ! -s "$dir/conf/tls.key" ]; then
		(
			umask 077
			openssl req -x509 -newkey ec \
				-pkeyopt ec_paramgen_curve:prime256v1 -nodes \
				-days 825 -subj /CN=localhost \
				-addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' \
				-keyout "$dir/conf/tls.key" \
				-out "$dir/conf/tls.crt"
		) 2>/dev/null || die 'openssl cannot make a certificate'
		chmod 644 "$dir/conf/tls.crt"
	fi
	# From nginx 1.25.1 on "http2 on;" says the same.
	printf 'listen 127.0.0.1:%d ssl http2;' "$(($1 + 443))"
	[ -z "$2" ] || printf ' listen [::1]:%d ssl http2;' "$(($1 + 443))"
	printf ' ssl_certificate "%s"; ssl_certificate_key "%s";' \
		"$dir/conf/tls.crt" "$dir/conf/tls.key"
	printf ' ssl_protocols TLSv1.2 TLSv1.3;'
	printf ' ssl_session_cache shared:testflinger:1m;'
}

# quote_sed TEXT: as it may stand in the replacement of s|||.
quote_sed()
{
	printf '%s\n' "$1" | sed 's/[|&\\]/\\&/g'
}

made_files='nginx.conf testflinger-locations.conf testflinger-http.conf
testflinger-fastcgi.conf openapi.json'

# made FILE PORT: print what it has to hold, after limit_nginx.
made()
{
	template=$1
	case $1 in
	testflinger-fastcgi.conf)
		cat "$top/nginx/$1"
		return
		;;
	openapi.json)
		cat "$top/docs/$1"
		return
		;;
	# testflinger.conf of nginx, beside the one of the responders
	testflinger-locations.conf) template=testflinger.conf ;;
	esac
	# nginx waits longer than any request is held.
	job_timeout=$(($(number_of DISPATCH_WAIT_MAX) + 10))
	[ "$job_timeout" -ge 60 ] || job_timeout=60
	six=
	[ ! -s /proc/net/if_inet6 ] ||
		! grep -q '^0*1 ' /proc/net/if_inet6 || six=yes
	user=
	[ -z "$as_user" ] || user="user $as_user;"
	sed -e "s|@DIR@/conf/testflinger.conf|@DIR@/conf/testflinger-locations.conf|" \
		-e "s|@DIR@|$(quote_sed "$dir")|g" \
		-e "s|@CONF@|$(quote_sed "$dir/conf")|g" \
		-e "s|@SHARE@|$(quote_sed "$dir/conf")|g" \
		-e "s|@SOCKETS@|$(quote_sed "$sockets")|g" \
		-e "s|@DATA@|$(quote_sed "$data")|g" \
		-e "s|@FILES@|$files|g" \
		-e "s|@CONNECTIONS@|$connections|g" \
		-e "s|@PORT@|$2|g" \
		-e "s|@USER@|$user|g" \
		-e "s|@LISTEN6@|${six:+listen [::1]:$2 backlog=4096;}|g" \
		-e "s|@LISTEN_TLS@|$(quote_sed "$(listen_tls "$2" "$six")")|g" \
		-e "s|@JOB_BODY_MAX@|$(number_of JOB_BODY_MAX)|g" \
		-e "s|@RESULT_BODY_MAX@|$(number_of RESULT_BODY_MAX)|g" \
		-e "s|@JOB_TIMEOUT@|$job_timeout|g" \
		-e "s|@LOG_BODY_MAX@|$(number_of LOG_BODY_MAX)|g" \
		"$top/nginx/$template.in"
}

# render PORT DIRECTORY: write the files there, after limit_nginx.
render()
{
	for file in $made_files; do
		made "$file" "$1" >"$2/$file" || return 1
	done
}
