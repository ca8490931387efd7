#!/bin/sh
# Artifacts and attachments over the wire: exact answers, big files, cut uploads,
# a full disk, slow clients, a responder killed in mid-upload.
# shellcheck disable=SC2317 # functions called by within

# Mounts of ours are to be seen by nobody and to go with us.
if [ -z "${TF_OWN_MOUNTS-}" ] &&
	unshare --mount --propagation private true 2>/dev/null; then
	TF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=broker.sh
. "$top/tests/api/broker.sh"

# send PATH OPTION...: a request; prints the status, the answer is in $scratch/answer.
send()
{
	send_path=$1
	shift
	: >"$scratch/answer"
	curl --silent --max-time 300 --dump-header "$scratch/head" \
		--output "$scratch/answer" --write-out '%{http_code}' "$@" \
		"$url$send_path"
}

# The value of a header of the last answer.
head_of()
{
	sed -n "s/^$1: \(.*\)\r\$/\1/Ip" "$scratch/head"
}

# says CASE STATUS TEXT PATH OPTION...
says()
{
	says_case=$1
	says_status=$2
	says_text=$3
	shift 3
	equal "$says_case: status" "$says_status" "$(send "$@")"
	equal "$says_case: body" "$says_text" "$(answer)"
}

new_id()
{
	cat /proc/sys/kernel/random/uuid
}

# A job that awaits attachments, on queue $1.
new_waiting()
{
	post /v1/job "{\"job_queue\":\"$1\",\"test_data\":{\"attachments\":[]}}" \
		>"$scratch/status"
	answer | id_in
}

tmp_files()
{
	find "$scratch/${1:-main}/data/tmp" -type f
}

no_tmp_files()
{
	[ -z "$(tmp_files main)" ]
}

a_tmp_file()
{
	[ -n "$(find "$scratch/main/data/tmp" -type f -size +0)" ]
}

bad_request='{"detail":{},"message":"Bad Request"}'

test_artifact()
{
	id=$(new_id)
	path=/v1/result/$id/artifact
	equal "no artifact yet" 204 "$(send "$path")"
	says "a bad id, posted to" 400 "Invalid job id" /v1/result/zz/artifact \
		-F "file=@$scratch/tgz"
	says "a bad id, read" 400 "Invalid job id" /v1/result/zz/artifact
	says "an artifact" 200 OK "$path" -F "file=@$scratch/tgz;filename="
	like "it is text" 'text/html*' "$(head_of Content-Type)"
	equal "it is read" 200 "$(send "$path")"
	equal "the bytes are those posted" "$(cksum <"$scratch/tgz")" \
		"$(cksum <"$scratch/answer")"
	equal "Content-Type" application/x-tar "$(head_of Content-Type)"
	equal "Content-Encoding" gzip "$(head_of Content-Encoding)"
	equal "Content-Disposition" 'inline; filename=artifact.tar.gz' \
		"$(head_of Content-Disposition)"
	equal "Cache-Control" no-cache "$(head_of Cache-Control)"
	equal "no path is shown" '' "$(head_of X-Accel-Redirect)"
	equal "it is decoded" 200 "$(send "$path" --compressed)"
	equal "to the tar" "$(cksum <"$scratch/tar")" \
		"$(cksum <"$scratch/answer")"
	equal "a range" 206 "$(send "$path" --range 10-19)"
	equal "the bytes of the range" \
		"$(tail -c +11 "$scratch/tgz" | head -c 10 | cksum)" \
		"$(cksum <"$scratch/answer")"
	for range in "$(wc -c <"$scratch/tgz")-" 999999999- -0 x; do
		says "no such range: $range" 416 \
			'{"detail":{},"message":"Range Not Satisfiable"}' \
			"$path" -H "Range: bytes=$range"
		equal "it is no gzip: $range" '' "$(head_of Content-Encoding)"
	done
	equal "HEAD" 200 "$(send "$path" --head)"
	says "an empty artifact" 200 OK "$path" -F 'file=@/dev/null'
	equal "the newest is served" 200 "$(send "$path")"
	equal "it is empty" 0 "$(wc -c <"$scratch/answer")"
	says "chunked" 200 OK "$path" -H 'Transfer-Encoding: chunked' \
		-F "file=@$scratch/tgz"
	equal "the chunked one is read" 200 "$(send "$path")"
	equal "as it was posted" "$(cksum <"$scratch/tgz")" \
		"$(cksum <"$scratch/answer")"
	equal "another method" 405 "$(send "$path" -X PUT)"
}

# Of the same size, within the same second: nobody may take one for the other.
test_replaced()
{
	path=/v1/result/$(new_id)/artifact
	equal "the first artifact" 200 \
		"$(send "$path" -F 'file=one;filename=f')"
	send "$path" >/dev/null
	etag=$(head_of ETag)
	time=$(head_of Last-Modified)
	like "it has an ETag" '"*"' "$etag"
	equal "its ETag holds" 304 "$(send "$path" -H "If-None-Match: $etag")"
	equal "the second, as long as the first" 200 \
		"$(send "$path" -F 'file=two;filename=f')"
	equal "the ETag of the first is the second's no more" "200 two" \
		"$(send "$path" -H "If-None-Match: $etag") $(answer)"
	equal "nor is its time" "200 two" \
		"$(send "$path" -H "If-Modified-Since: $time") $(answer)"
	equal "a range of the first does not go on with the second" \
		"200 two" "$(send "$path" --range 1- -H "If-Range: $etag") $(answer)"
}

test_forms()
{
	path=/v1/result/$(new_id)/artifact
	says "no part file" 400 "$bad_request" "$path" -F "other=@$scratch/tgz"
	says "file as a field" 400 "$bad_request" "$path" -F file=x
	says "no body" 400 "$bad_request" "$path" -X POST
	says "no form" 400 "$bad_request" "$path" \
		-H 'Content-Type: application/gzip' --data-binary "@$scratch/tgz"
	says "a form cut short" 400 "$bad_request" "$path" \
		-H 'Content-Type: multipart/form-data; boundary=x' \
		--data-binary '--x'
	head -c 500001 /dev/zero | tr '\0' x >"$scratch/field"
	says "big fields" 413 \
		'{"detail":{},"message":"Request Entity Too Large"}' "$path" \
		-F "a=<$scratch/field" -F "file=@$scratch/tgz"
	equal "nothing was kept of these" 204 "$(send "$path")"
	head -c 499999 "$scratch/field" >"$scratch/fits"
	says "fields that fit, and two files" 200 OK "$path" \
		-F "a=<$scratch/fits" -F "file=@$scratch/tgz" \
		-F 'file=@/dev/null'
	equal "the first is kept" 200 "$(send "$path")"
	equal "as posted" "$(cksum <"$scratch/tgz")" \
		"$(cksum <"$scratch/answer")"
	equal "no temporary file is left" '' "$(tmp_files)"
}

test_attachments()
{
	id=$(new_id)
	says "attachments of no job" 422 "Job $id is not valid" \
		"/v1/job/$id/attachments" -F "file=@$scratch/tgz"
	says "attachments of a bad id" 400 "Invalid job id" \
		/v1/job/zz/attachments -F "file=@$scratch/tgz"
	equal "attachments of no job, read" 204 \
		"$(send "/v1/job/$id/attachments")"
	says "attachments of a bad id, read" 400 "Invalid job id" \
		/v1/job/zz/attachments
	post /v1/job '{"job_queue":"plain"}' >/dev/null
	id=$(answer | id_in)
	says "a job without attachments" 422 "Job $id not awaiting attachments" \
		"/v1/job/$id/attachments" -F "file=@$scratch/tgz"
	id=$(new_waiting att)
	path=/v1/job/$id/attachments
	equal "none yet" 204 "$(send "$path")"
	equal "the job is not offered" 204 "$(get '/v1/job?queue=att&agent=a')"
	says "a bad upload" 400 "$bad_request" "$path" -F a=b
	says "the upload" 200 OK "$path" -F "file=@$scratch/tgz"
	says "once more: ignored" 200 OK "$path" -F 'file=@/dev/null'
	says "once more, no form: ignored" 200 OK "$path" -d x
	equal "they are read" 200 "$(send "$path" --compressed)"
	equal "the first is kept, and nothing undoes the gzip" \
		"$(cksum <"$scratch/tgz")" "$(cksum <"$scratch/answer")"
	equal "the type" application/gzip "$(head_of Content-Type)"
	equal "no Content-Encoding" '' "$(head_of Content-Encoding)"
	equal "no Content-Disposition" '' "$(head_of Content-Disposition)"
	equal "the job is offered" 200 "$(get '/v1/job?queue=att&agent=a')"
	like "with its status" '*"attachments_status":"complete"*' "$(answer)"
	says "a job that runs" 422 "Job $id is not valid" "$path" \
		-F "file=@$scratch/tgz"
	equal "its attachments are read again" 200 "$(send "$path")"
}

test_roles()
{
	start closed --set ANONYMOUS_ROLES=contributor
	id=$(new_id)
	for call in "artifact /v1/result/$id/artifact 403 204" \
		"attachments /v1/job/$id/attachments 422 403"; do
		# shellcheck disable=SC2086 # words
		set -- $call
		equal "$1 as a contributor, posted" "$3" \
			"$(send "$2" -F "file=@$scratch/tgz")"
		equal "$1 as a contributor, read" "$4" "$(send "$2")"
	done
	start limited --set ARTIFACT_MAX=1000 --set ATTACHMENT_TIMEOUT=1
	path=/v1/result/$id/artifact
	head -c 1001 "$scratch/field" >"$scratch/1001"
	head -c 1000 "$scratch/field" >"$scratch/1000"
	for size in 1001 field big; do
		says "$size bytes are over ARTIFACT_MAX" 413 \
			'{"detail":{},"message":"Payload too large"}' "$path" \
			-F "file=@$scratch/$size"
	done
	says "chunked is over it too" 413 \
		'{"detail":{},"message":"Payload too large"}' "$path" \
		-H 'Transfer-Encoding: chunked' -F "file=@$scratch/1001"
	says "1000 bytes are not" 200 OK "$path" -F "file=@$scratch/1000"
	equal "nothing is left of those" '' "$(tmp_files limited)"
	id=$(new_waiting limited)
	path=/v1/job/$id/attachments
	for size in 1001 big; do
		says "attachments of $size bytes are over ARTIFACT_MAX" 413 \
			'{"detail":{},"message":"Payload too large"}' "$path" \
			-F "file=@$scratch/$size"
	done
	says "chunked ones too" 413 \
		'{"detail":{},"message":"Payload too large"}' "$path" \
		-H 'Transfer-Encoding: chunked' -F "file=@$scratch/big"
	equal "none are there yet" 204 "$(send "$path")"
	says "attachments of 1000 bytes are not" 200 OK "$path" \
		-F "file=@$scratch/1000"
	equal "nothing is left of these either" '' "$(tmp_files limited)"
	id=$(new_waiting late)
	if within 20 is_cancelled; then
		ok "a job whose attachments do not come is cancelled"
	else
		not_ok "a job whose attachments do not come is cancelled" \
			"$(answer)"
	fi
	says "then they are refused" 422 "Job $id is not valid" \
		"/v1/job/$id/attachments" -F "file=@$scratch/1000"
	if grep -q "job $id is cancelled" "$scratch/limited/logs/file.log"; then
		ok "the log tells"
	else
		not_ok "the log tells" "$(tail "$scratch/limited/logs/file.log")"
	fi
	stop limited
	stop closed
}

is_cancelled()
{
	get "/v1/result/$id" >/dev/null
	[ "$(answer)" = '{"job_state":"cancelled"}' ]
}

# Resident memory of tf-file, kB: now and at its highest.
resident()
{
	awk '/^VmRSS|^VmHWM/ { print $2 }' "/proc/$(pids_of main tf-file)/status"
}

# flat CASE BEFORE
flat()
{
	flat_now=$(resident | head -n 1)
	if [ $((flat_now - $2)) -le 1024 ]; then
		ok "$1"
	else
		not_ok "$1" "from $2 kB to $flat_now kB"
	fi
}

test_big()
{
	path=/v1/result/$(new_id)/artifact
	rss=$(resident | head -n 1)
	says "300 MB up" 200 OK "$path" -F "file=@$scratch/big"
	flat "memory is flat after 300 MB up" "$rss"
	equal "300 MB down" 200 "$(send "$path")"
	if cmp "$scratch/big" "$scratch/answer"; then
		ok "300 MB are the same"
	else
		not_ok "300 MB are the same"
	fi
	flat "memory is flat after 300 MB down" "$rss"
	id=$(new_waiting big)
	says "300 MB of attachments" 200 OK "/v1/job/$id/attachments" \
		-F "file=@$scratch/big"
	# The body is not read, and whoever sends all of it first gets the
	# answer all the same.
	for path in /v1/job/zz/attachments "/v1/job/$(new_id)/attachments" \
		"/v1/job/$id/attachments"; do
		equal "the answer to 300 MB that nobody wants: $path" \
			"$(send "$path" -F file=@/dev/null) $(answer)" \
			"$(send_all "$path" "$scratch/big")"
	done
	equal "no temporary file is left after big files" '' "$(tmp_files)"
}

# Send a form with FILE in it, all of it before the answer is read.
send_all()
{
	/usr/bin/python3 -c '
import os, socket, sys
host, path, name = sys.argv[1].split("//")[1], sys.argv[2], sys.argv[3]
head = b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n"
tail = b"\r\n--x--\r\n"
s = socket.create_connection(("127.0.0.1", int(host.rsplit(":", 1)[1])), 60)
s.sendall(("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"
           "Content-Type: multipart/form-data; boundary=x\r\n\r\n" % (path,
           os.path.getsize(name) + len(head) + len(tail))).encode() + head)
with open(name, "rb") as f:
    s.sendfile(f)
s.sendall(tail)
got = b""
while b"\r\n\r\n" not in got or not got.split(b"\r\n\r\n", 1)[1]:
    part = s.recv(65536)
    if not part:
        break
    got += part
print(got.split(b" ")[1].decode(), got.split(b"\r\n\r\n", 1)[1].decode().strip())
' "$url" "$1" "$2"
}

# Send the first MB of an upload to PATH and then wait to be killed, or with "cut"
# break the connection.
send_part()
{
	exec /usr/bin/python3 -c '
import socket, struct, sys, time
host, path, cut = sys.argv[1].split("//")[1], sys.argv[2], sys.argv[3]
s = socket.create_connection(("127.0.0.1", int(host.rsplit(":", 1)[1])), 60)
length = ("Transfer-Encoding: chunked" if cut == "chunked"
          else "Content-Length: 100000000")
body = (b"--x\r\nContent-Disposition: form-data; name=file; filename=f\r\n\r\n"
        + b"x" * 1000000 + b"\r\n--x--\r\n")
if cut == "chunked":
    body = b"%x\r\n" % len(body) + body + b"\r\n"
s.sendall(("POST %s HTTP/1.1\r\nHost: x\r\n%s\r\n"
           "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
           % (path, length)).encode() + body)
if cut == "held":
    time.sleep(60)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.close()' "$url" "$1" "$2"
}

test_cut()
{
	path=/v1/result/$(new_id)/artifact
	send "$path" -F "file=@$scratch/tgz" >/dev/null
	(send_part "$path" cut)
	# All of the form came, but not the end of the body.
	(send_part "$path" chunked)
	within 20 no_tmp_files
	equal "uploads that are cut leave nothing" '' "$(tmp_files)"
	send "$path" >/dev/null
	equal "and change nothing" "$(cksum <"$scratch/tgz")" \
		"$(cksum <"$scratch/answer")"
}

test_slow()
{
	path=/v1/result/$(new_id)/artifact
	holders=
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		(send_part "$path" held) &
		holders="$holders $!"
	done
	if within 20 a_tmp_file; then
		ok "slow uploads are under way"
	else
		not_ok "slow uploads are under way"
	fi
	says "twenty slow clients block no other" 200 OK "$path" \
		-F "file=@$scratch/tgz" --max-time 5
	victim=$(pids_of main tf-file)
	kill -9 "$victim"
	within 20 another_serves
	# The next process has removed what the dead one left.
	equal "a killed responder leaves nothing when the next serves" '' \
		"$(tmp_files)"
	equal "what was there is there" 200 "$(send "$path")"
	equal "and whole" "$(cksum <"$scratch/tgz")" \
		"$(cksum <"$scratch/answer")"
	# shellcheck disable=SC2086 # numbers
	kill $holders 2>/dev/null
	# shellcheck disable=SC2086 # numbers
	wait $holders 2>/dev/null
}

another_serves()
{
	now=$(pids_of main tf-file)
	[ -n "$now" ] && [ "$now" != "$victim" ] &&
		[ "$(send "$path" --max-time 2)" = 200 ]
}

test_full_disk()
{
	disk="$scratch/disk"
	mkdir "$disk"
	if [ -z "${TF_OWN_MOUNTS-}" ] ||
		! mount -t tmpfs -o size=24m,mode=1777 tmpfs "$disk"; then
		skip "a full disk" "this user may not mount a tmpfs"
		return
	fi
	chmod 755 "$disk"
	"$top/spawn/up" --no-install --port 0 --dir "$disk/full" \
		--set DISK_FREE_MIN=0 >"$scratch/full.up" 2>&1 || {
		not_ok "the instance on the small disk starts" \
			"$(cat "$scratch/full.up")"
		return
	}
	url=$(cat "$disk/full/url")
	path=/v1/result/$(new_id)/artifact
	says "an artifact that fits" 200 OK "$path" -F "file=@$scratch/tgz"
	says "one that does not" 503 \
		'{"detail":{},"message":"Service unavailable"}' "$path" \
		-F "file=@$scratch/big"
	like "Retry-After is there" '[1-9]*' "$(head_of Retry-After)"
	equal "its room is free again at once" '' \
		"$(find "$disk/full/data/tmp" -type f)"
	equal "the one before is whole" 200 "$(send "$path")"
	equal "as posted" "$(cksum <"$scratch/tgz")" \
		"$(cksum <"$scratch/answer")"
	says "one that fits is kept again" 200 OK "$path" \
		-F "file=@$scratch/tgz"
	"$top/spawn/down" --dir "$disk/full" >/dev/null 2>&1
	umount "$disk"
}

test_published()
{
	start rabbit --rabbitmq
	amqp=$(amqp_url_of rabbit)
	id=$(new_waiting pub)
	printf '%s\n' "$id" >"$scratch/pub.ids"
	: >"$scratch/pub.came"
	says "attachments, with a broker" 200 OK "/v1/job/$id/attachments" \
		-F "file=@$scratch/tgz"
	if within 20 all_arrived "$amqp" pub "$scratch/pub.ids" \
		"$scratch/pub.came"; then
		ok "the message is sent when the attachments are there"
	else
		not_ok "the message is sent when the attachments are there"
	fi
	stop rabbit
}

head -c 300000 /dev/urandom >"$scratch/tar"
gzip -c "$scratch/tar" >"$scratch/tgz"
head -c 300000000 /dev/urandom >"$scratch/big"
start main
test_artifact
test_replaced
test_forms
test_attachments
test_big
test_cut
test_slow
test_roles
test_full_disk
test_published
finish
