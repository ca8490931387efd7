#!/bin/sh
# The example agents on hosts where things go wrong: signals, a server that is away, full
# disks, jobs that mean ill.  What they do on a good day is in test_examples.sh,
# test_amqp.sh and test_claim.sh.

# Mounts of its own end with the process, even if it is killed.
if [ -z "${TF_OWN_MOUNTS-}" ] &&
	unshare --mount --propagation private true 2>/dev/null; then
	TF_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=broker.sh
. "$top/tests/api/broker.sh"

need amqp-consume /usr/sbin/rabbitmq-server

# Copied to another place, with other names.
host="$scratch/a host"
mkdir "$host"
cp "$top/docs/examples/agent.sh" "$host/lab agent"
cp "$top/docs/examples/amqp-agent.sh" "$host/lab amqp agent"
cp "$top/docs/examples/json.awk" "$host"
http_agent="$host/lab agent"
amqp_agent="$host/lab amqp agent"

# A curl that fails, while $scratch/away is there, at what that names (a part of a command
# line), or, while $scratch/lost is there, has its answer lost, or likewise cut short.  And a
# pause that is short.
mkdir "$scratch/bin"
cat >"$scratch/bin/curl" <<SH
#!/bin/sh
away=\$(cat "$scratch/away" 2>/dev/null) && case "\$*" in
*"\$away"*) printf 000; exit 7 ;;
esac
lost=\$(cat "$scratch/lost" 2>/dev/null) && case "\$*" in
*"\$lost"*) $(command -v curl) "\$@" >/dev/null; printf 000; exit 28 ;;
esac
cut=\$(cat "$scratch/cut" 2>/dev/null) && case "\$*" in
*"\$cut"*)
	$(command -v curl) "\$@"
	while [ "\$1" != --output ]; do shift; done
	truncate -s -300 "\$2"
	exit 18
	;;
esac
exec $(command -v curl) "\$@"
SH
printf '#!/bin/sh\nexec /bin/sleep 0.2\n' >"$scratch/bin/sleep"
chmod +x "$scratch/bin"/*
# mv fails at names that end with $1.
mkdir "$scratch/mv"
cat >"$scratch/mv/mv" <<'SH'
#!/bin/sh
for last; do :; done
case $last in
*"$FAIL") exit 1 ;;
esac
exec /bin/mv "$@"
SH
chmod +x "$scratch/mv/mv"

# in_shell NAME SECONDS COMMAND...: where sh is that shell.
in_shell() {
	shell_path="$scratch/shell.$1:$scratch/bin:$PATH"
	limit=$2
	shift 2
	PATH=$shell_path timeout "$limit" sh "$@"
}

# has_shell NAME COMMAND...
has_shell() {
	shell_name=$1
	shift
	mkdir "$scratch/shell.$shell_name"
	printf '#!/bin/sh\nexec %s "$@"\n' "$*" >"$scratch/shell.$shell_name/sh"
	# Its own first line must not come back to itself.
	sed -i "1s|.*|#!$(readlink -f /bin/sh)|" "$scratch/shell.$shell_name/sh"
	chmod +x "$scratch/shell.$shell_name/sh"
	"$scratch/shell.$shell_name/sh" -c : 2>/dev/null
}

# given QUEUE COMMANDS: a job that runs them; its id in id.
given() {
	/usr/bin/python3 -c '
import json, sys
print(json.dumps({"job_queue": sys.argv[1],
                  "test_data": {"test_cmds": sys.argv[2]}}))' "$@" \
		>"$scratch/job"
	equal "there is a job on $1" 200 "$(post /v1/job "@$scratch/job")"
	id=$(answer | id_in)
}

# http QUEUE: the HTTP agent for one job, what it says in $scratch/out.
http() {
	in_shell "$shell" 60 "$http_agent" --once --poll 1 "$url" "$1-agent" \
		"$1" >"$scratch/out" 2>&1
}

# amqp QUEUE: the AMQP agent likewise, with the spool $scratch/QUEUE.spool.
amqp() {
	in_shell "$shell" 60 "$amqp_agent" --once --agent "$1-agent" "$url" \
		"$broker_url" "$1" "$scratch/$1.spool" >"$scratch/out" 2>&1
}

# begin_amqp QUEUE: the AMQP agent until it is ended; its process in running,
# what it says in $scratch/QUEUE.out.
begin_amqp() {
	PATH="$scratch/shell.$shell:$scratch/bin:$PATH" sh "$amqp_agent" \
		--agent "$1-agent" "$url" "$broker_url" "$1" \
		"$scratch/$1.spool" >"$scratch/$1.out" 2>&1 &
	running=$!
}

said() {
	cat "$scratch/out"
}

# result JOB: what is told of it.
result() {
	get "/v1/result/$1" >/dev/null
	answer
}

# has_ended FILE: the process whose number is in it.
has_ended() {
	! grep -qs '^State:[[:space:]]*[^Z[:space:]]' \
		"/proc/$(cat "$1")/status"
}

cancel() {
	equal "it is cancelled meanwhile" 200 \
		"$(post "/v1/job/$1/action" '{"action":"cancel"}')"
}

# The job $1 of queue $2 ends, is submitted anew, and another agent has it.
becomes_anothers() {
	post "/v1/job/$1/action" '{"action":"cancel"}' >/dev/null
	post /v1/job "{\"job_queue\":\"$2\",\"job_id\":\"$1\",\"test_data\":{}}" \
		>/dev/null
	equal "another agent has it" 200 \
		"$(get "/v1/job?queue=$2&agent=rival")"
	as rival "/v1/result/$1" '{"job_state":"test"}' >/dev/null
}

# What holds for both, in the shell $shell; agent is http or amqp.
test_both() {
	queue=$agent-$shell
	text="$agent, $shell"

	# A signal to a beat that cannot hear it yet is lost.
	cp "$http_agent" "$http_agent.kept"
	cp "$amqp_agent" "$amqp_agent.kept"
	sed -i '/^beat() {/a trap "" TERM; /bin/sleep 1' "$http_agent" \
		"$amqp_agent"
	given "$queue" true
	"$agent" "$queue"
	equal "$text: the beat of a job that is shorter than its start is ended" \
		0 $?
	mv "$http_agent.kept" "$http_agent"
	mv "$amqp_agent.kept" "$amqp_agent"

	given "$queue" "/bin/sleep 600 & echo \$! >'$scratch/left'
echo \"quoted\" '\$(touch $scratch/evil)' --option \"-n\"; exit 3"
	"$agent" "$queue"
	equal "$text: a job that leaves something running is reported" 0 $?
	like "$text: with its exit code" '*exit code 3*' "$(said)"
	like "$text: and that" '*left running*' "$(said)"
	has_ended "$scratch/left"
	equal "$text: which is ended" 0 $?

	given "$queue" "echo \$\$ >'$scratch/runs'; until [ -e '$scratch/go' ]; do /bin/sleep 0.1; done; exit 4"
	rm -f "$scratch/runs" "$scratch/go"
	if [ "$agent" = http ]; then
		PATH="$scratch/shell.$shell:$scratch/bin:$PATH" sh "$http_agent" \
			"$url" "$queue-agent" "$queue" >"$scratch/out" 2>&1 &
		running=$!
	else
		begin_amqp "$queue"
	fi
	within 20 test -s "$scratch/runs"
	equal "$text: a job runs" 0 $?
	kill -TERM "$running"
	[ "$agent" = amqp ] || touch "$scratch/go"
	wait "$running"
	equal "$text: who is stopped ends with 1" 1 $?
	[ "$agent" = http ] || within 5 has_ended "$scratch/runs"
	has_ended "$scratch/runs"
	equal "$text: and no commands are left" 0 $?
}

# output_of JOB: the log of its test phase, as the result shows it.
output_of() {
	result "$1" | /usr/bin/python3 -c '
import json, sys
sys.stdout.write(json.load(sys.stdin).get("test_output", "none"))'
}

# Characters and escapes that a cut could go through, bytes that are none, and more than
# one piece.
test_http_output() {
	{
		head -c 16383 /dev/zero | tr '\0' x
		yes 'é"\	😀' | head -n 8000
		yes '"😀' | head -n 8000 | tr -d '\n'
		echo
	} >"$scratch/put"
	given "$queue" "printf '\\377\\000'; cat '$scratch/put'; exit 2"
	http "$queue"
	equal "$text: a job with output is reported" 0 $?
	equal "$text: the server has all of it that is text" \
		"$(cksum <"$scratch/put")" "$(output_of "$id" | cksum)"
	like "$text: and its exit code" '*"test_status":2*' "$(result "$id")"
	equal "$text: it is on the terminal too" "$(cksum <"$scratch/put")" \
		"$(LC_ALL=C tr -d '\377\000' <"$scratch/out" |
			LC_ALL=C sed "/^$queue-agent: /d" | cksum)"

	given "$queue" "echo first; until [ -e '$scratch/go' ]; do /bin/sleep 0.1; done; printf '\\303'"
	rm -f "$scratch/go"
	http "$queue" &
	running=$!
	within 20 has_output "$id" first
	equal "$text: output is there while the commands run" 0 $?
	touch "$scratch/go"
	wait "$running"
	equal "$text: half a character at the end is no failure" 0 $?

	given "$queue" "echo unheard; exit 6"
	printf log/output >"$scratch/away"
	http "$queue"
	equal "$text: output that is not taken is no failure" 0 $?
	rm "$scratch/away"
	like "$text: it is told" "*unheard*output not taken: status 000*output is not kept: *" \
		"$(said)"
	like "$text: the outcome is there" '*"test_status":6*' "$(result "$id")"
}

# shellcheck disable=SC2317 # called by within
has_output() {
	[ "$(output_of "$1")" = "$2" ]
}

test_http() {
	test_both
	like "$text: the job that it had has ended" '*"test_status":4*' \
		"$(result "$id")"
	test_http_output
}

test_amqp() {
	test_both
	amqp "$queue"
	equal "$text: started again it ends well" 0 $?
	like "$text: and reports what was interrupted" \
		'{"exit_code":143,"output":"*interrupted*' "$(result "$id")"

	given "$queue" "echo ran >>'$scratch/ran'"
	rm -f "$scratch/ran"
	# A file cannot be made where a link leads nowhere.
	for part in output begun; do
		ln -s /none/at/all "$scratch/$queue.spool/1.job.$part"
		printf '{"job_id":"%s"}' "$id" >"$scratch/$queue.spool/1.job"
		amqp "$queue"
		equal "$text: a spool without room for .$part is a failure" 1 $?
		like "$text: which is told" \
			"*$id: cannot begin: is there room in *" "$(said)"
		rm -f "$scratch/$queue.spool/1.job.$part"
	done
	amqp "$queue"
	equal "$text: with room it ends well" 0 $?
	equal "$text: and the job has run once" ran "$(cat "$scratch/ran")"
}

test_shells() {
	for shell in dash bash busybox; do
		case $shell in
		dash) has_shell dash dash ;;
		bash) has_shell bash bash --posix ;;
		busybox) has_shell busybox busybox sh ;;
		esac || {
			skip "the agents in $shell" "it is not installed"
			continue
		}
		shells="$shells $shell"
		agent=http
		test_http
		agent=amqp
		test_amqp
	done
}

# What the HTTP agent does when the server or its host fails it.
test_http_faults() {
	given away "touch '$scratch/runs'; until [ -e '$scratch/go' ]; do /bin/sleep 0.1; done; echo said late; exit 5"
	rm -f "$scratch/runs" "$scratch/go"
	in_shell "$shell" 60 "$http_agent" --once --poll 1 "$url" away-agent \
		away >"$scratch/out" 2>&1 &
	running=$!
	within 20 test -e "$scratch/runs"
	printf /v1/ >"$scratch/away"
	touch "$scratch/go"
	within 20 grep -q 'trying again' "$scratch/out"
	equal "an outcome is told again while the server is away" 0 $?
	rm "$scratch/away"
	wait "$running"
	equal "until it is back" 0 $?
	like "and is there" '*"test_status":5*' "$(result "$id")"
	equal "and so is the output" 'said late' "$(output_of "$id")"

	given gone true
	printf '"complete"' >"$scratch/away"
	PATH="$scratch/bin:$PATH" sh "$http_agent" --poll 600 "$url" gone-agent \
		gone >"$scratch/out" 2>&1 &
	running=$!
	within 20 grep -q 'trying again' "$scratch/out"
	kill "$running"
	within 20 has_gone "$running"
	equal "who is stopped while nobody takes its outcome ends" 0 $?
	wait "$running"
	equal "which is a failure" 1 $?
	like "and says what was not told" '*not reported: *"test":0*' "$(said)"
	rm "$scratch/away"

	printf /v1/ >"$scratch/away"
	PATH="$scratch/bin:$PATH" sh "$http_agent" --poll 1 "$url" early-agent \
		early >"$scratch/out" 2>&1 &
	running=$!
	within 20 grep -q 'registering at' "$scratch/out"
	equal "a server that is away at the start is told of" 0 $?
	rm "$scratch/away"
	given early true
	within 20 is_state "$id" complete
	equal "and served when it is there" 0 $?
	kill "$running"
	wait "$running"

	given offered "touch '$scratch/ran-offered'"
	get '/v1/job?queue=offered&agent=offered-agent' >/dev/null
	printf /claim >"$scratch/away"
	in_shell "$shell" 60 "$http_agent" --once --poll 1 "$url" offered-agent \
		offered >"$scratch/out" 2>&1 &
	running=$!
	within 20 grep -q 'trying again' "$scratch/out"
	cancel "$id"
	rm "$scratch/away"
	wait "$running"
	equal "a job that is cancelled after it was offered is no failure" 0 $?
	like "it is said why" "*$id: not run: status 409*" "$(said)"
	[ ! -e "$scratch/ran-offered" ]
	equal "and it is not run" 0 $?

	given changed "touch '$scratch/runs'; until [ -e '$scratch/go' ]; do /bin/sleep 0.1; done"
	rm -f "$scratch/runs" "$scratch/go"
	in_shell "$shell" 60 "$http_agent" --once "$url" changed-agent changed \
		>"$scratch/out" 2>&1 &
	running=$!
	within 20 test -e "$scratch/runs"
	becomes_anothers "$id" changed
	touch "$scratch/go"
	wait "$running"
	equal "an outcome of a job that another has is taken" 0 $?
	like "and changes nothing of it" '{"job_state":"test"}*' "$(result "$id")"

	id=$(cat /proc/sys/kernel/random/uuid)
	equal "there is a job whose end is long" 200 "$(post /v1/job \
		"{\"job_id\":\"$id\",\"job_queue\":\"short\",\"test_data\":{\"test_cmds\":\"touch '$scratch/ran-short' # $(
			head -c 500 /dev/zero | tr '\0' x)\"}}")"
	printf 'queue=short' >"$scratch/cut"
	http short
	equal "a job that has not come whole is a failure" 1 $?
	rm "$scratch/cut"
	[ ! -e "$scratch/ran-short" ]
	equal "and no part of it is run" 0 $?
	http short
	like "the same job comes again" "*$id: exit code 0*" "$(said)"

	given nobody true
	AGENT_LOGIN=a:b http nobody
	equal "who cannot log in fails" 1 $?
	equal "and takes no job as nobody" waiting "$(state "$id")"

	mkdir "$scratch/alone"
	cp "$http_agent" "$amqp_agent" "$scratch/alone"
	for alone in "$scratch/alone"/*; do
		sh "$alone" --once "$url" nobody nobody nobody >"$scratch/out" 2>&1
		equal "an agent without its json.awk fails" 1 $?
		like "and says what it needs" '*needs json.awk*' "$(said)"
	done
}

# Bodies and commands that are longer than the disk has room.
test_http_full() {
	given full "touch '$scratch/full-ran' # $(head -c 20000 /dev/zero | tr '\0' x)"
	for size in 16k 40k; do
		TMPDIR=$(tiny "$size")
		export TMPDIR
		http full
		equal "with $size for its files the agent fails" 1 $?
		[ ! -e "$scratch/full-ran" ]
		equal "with $size no half of a job is run" 0 $?
		like "with $size there is no outcome" '*"running"*' "$(result "$id")"
		unset TMPDIR
	done
	like "it is said where room is missing" '*not begun: is there room in *' \
		"$(said)"
	umount "$scratch/disk.16k" "$scratch/disk.40k"
	http full
	equal "with room it ends well" 0 $?
	like "and the same job is complete" '*"test_status":0*' "$(result "$id")"
}

# Output for which there is no room takes none from the outcome.
test_http_full_output() {
	given flood "head -c 1000000 /dev/zero | tr '\\0' x; exit 3"
	TMPDIR=$(tiny 600k)
	export TMPDIR
	http flood
	equal "a job whose output fills the disk is reported" 0 $?
	unset TMPDIR
	like "with its exit code" '*"test_status":3*' "$(result "$id")"
	like "and what there is of its output" 'xxxxxxxx*' "$(output_of "$id")"
	umount "$scratch/disk.600k"
}

# tiny SIZE: a disk of that; its directory.
tiny() {
	mkdir "$scratch/disk.$1" &&
		mount -t tmpfs -o "size=$1,mode=1777" tmpfs "$scratch/disk.$1" &&
		printf '%s\n' "$scratch/disk.$1"
}

# What was produced is not thrown away.
test_late() {
	given late "echo produced"
	late=$id
	printf "/v1/result/" >"$scratch/away"
	amqp late
	equal "a result that is not taken is a failure" 1 $?
	cancel "$late"
	rm "$scratch/away"
	given late true
	amqp late
	equal "started again the agent ends well" 0 $?
	like "the result is posted late, with why, and the next job is run" \
		"*$late: result posted late: status 409: The job has ended*$id: result posted*" \
		"$(said)"
	equal "the server has it" '{"exit_code":0,"output":"produced\n"}' \
		"$(result "$late")"
	equal "and nothing is left in the spool" "" "$(ls "$scratch/late.spool")"

	given late "echo produced"
	printf "/v1/result/" >"$scratch/away"
	amqp late
	rm "$scratch/away"
	becomes_anothers "$id" late
	late=$id
	given late true
	amqp late
	like "so is that of a job that another agent has by now" \
		"*$late: result posted late: status 409: Another agent has the job*" \
		"$(said)"
	like "of which it changes nothing" '{"job_state":"test"}*' \
		"$(result "$late")"
	like "it is kept apart" '*job.apart*' "$(kinds "$late")"
}

# In strict mode {"exit_code": ...} is no report.
test_refused() {
	start strict --set JOB_FIELDS=strict --set "AMQP_URI=$broker_url" \
		--set JWT_SIGNING_KEY=0123456789abcdef0123456789abcdef
	given refused "echo produced; exit 6"
	amqp refused
	equal "a result that is refused is a failure" 1 $?
	kept=$(said | sed -n 's/.*its result is kept in \(.*\.result\),.*/\1/p')
	like "which names the file and the reason" \
		"$scratch/refused.spool/rejected/$id.*422*" "$kept $(said)"
	equal "the result is there" '{"exit_code":6,"output":"produced\n"}' \
		"$(cat "$kept")"
	equal "and so is the output" produced "$(cat "${kept%.result}.output")"
	equal "nothing else is in the spool" rejected \
		"$(ls "$scratch/refused.spool")"

	echo 'a secret of the lab' | "$BUILD/testflingerctl" \
		--config "$scratch/strict/conf/testflinger.conf" \
		client add --role agent lab >/dev/null 2>&1 ||
		not_ok "there is an account"
	gone=$(cat /proc/sys/kernel/random/uuid)
	printf '{"job_id":"%s"}' "$gone" >"$scratch/refused.spool/1.job"
	: >"$scratch/refused.spool/1.job.output"
	printf '{"status":{"test":7}}' >"$scratch/refused.spool/1.job.result"
	given refused true
	AGENT_LOGIN='lab:a secret of the lab' amqp refused
	like "a result of which the server keeps nothing is kept too" \
		"*result is kept in $scratch/refused.spool/rejected/$gone.1.result,*404*" \
		"$(said)"
	equal "as it was" '{"status":{"test":7}}' \
		"$(cat "$scratch/refused.spool/rejected/$gone.1.result")"
	like "and the next job is run" "*$id: result posted*" "$(said)"
	stop strict
	url=$main_url
}

# account ROLE ID: with the secret of the lab.
account() {
	echo 'a secret of the lab' | "$BUILD/testflingerctl" \
		--config "$scratch/asked/conf/testflinger.conf" \
		client add --role "$1" "$2" >/dev/null 2>&1 ||
		not_ok "there is an account $2"
}

# asks JSON COMMANDS: a job of user on $queue with these fields of test_data; its id in id.
asks() {
	/usr/bin/python3 -c '
import json, sys
print(json.dumps({"job_queue": sys.argv[1],
                  "test_data": dict(json.loads(sys.argv[2]), test_cmds=sys.argv[3])}))' \
		"$queue" "$1" "$2" >"$scratch/job"
	curl --silent --header "Authorization: Bearer $access" \
		--header 'Content-Type: application/json' \
		--data-binary "@$scratch/job" "$url/v1/job" >"$scratch/answer"
	id=$(answer | id_in)
}

test_asked_by() {
	queue=asked-$agent-$shell
	text="$agent, $shell"
	rm -f "$scratch/told"*
	asks '{"secrets":{"PW":"lab/pw","work":"lab/pw","id":"lab/pw"}}' "
printf %s \"\$PW\" >'$scratch/told'
printf %s \"\$work\$id\" >'$scratch/told.more'
cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -ac '[s]3cret' >'$scratch/told.ps'
exit 4"
	AGENT_LOGIN='lab:a secret of the lab' "$agent" "$queue"
	equal "$text: a job with secrets is reported" 0 $?
	like "$text: as it ended" '*"test_status":4*' "$(result "$id")"
	equal "$text: it has its secret, as it is" "$secret" \
		"$(cat "$scratch/told")"
	equal "$text: also under a name that the agent uses" "$secret$secret" \
		"$(cat "$scratch/told.more")"
	equal "$text: no process list shows it" 0 "$(cat "$scratch/told.ps")"
	equal "$text: and the agent says nothing of it" '' \
		"$(grep s3cret "$scratch/out")"

	for bad in PATH LD_PRELOAD IFS; do
		asks "{\"secrets\":{\"PW\":\"lab/pw\",\"$bad\":\"lab/pw\"}}" \
			"touch '$scratch/told.$bad'"
		AGENT_LOGIN='lab:a secret of the lab' "$agent" "$queue"
		like "$text: a job with a secret $bad fails" '*"test_status":1*' \
			"$(result "$id")"
		like "$text: and its output says why" \
			"not run: no secret can be the variable $bad" \
			"$(output_of "$id")"
		[ ! -e "$scratch/told.$bad" ]
		equal "$text: it is not run" 0 $?
	done

	asks '{"attachments":[{"agent":"file"}]}' "touch '$scratch/told.files'"
	equal "$text: there are attachments" 200 "$(curl --silent \
		--output "$scratch/answer" --write-out '%{http_code}' \
		--form "file=@$scratch/job" "$url/v1/job/$id/attachments")"
	AGENT_LOGIN='lab:a secret of the lab' "$agent" "$queue"
	like "$text: a job with attachments fails" '*"test_status":1*' \
		"$(result "$id")"
	like "$text: and its output says why" \
		"not run: this example agent does not fetch attachments" \
		"$(output_of "$id")"
	like "$text: so does the agent" \
		"*$id: refused: this example agent does not fetch attachments*" \
		"$(said)"
	[ ! -e "$scratch/told.files" ]
	equal "$text: it is not run either" 0 $?

	asks '{}' true
	AGENT_LOGIN=lab:wrong "$agent" "$queue"
	equal "$text: a wrong log-in is a failure" 1 $?
	like "$text: that says what the server says" \
		'*status 401: Invalid client id or client key*' "$(said)"
}

# What a job may ask for beyond its commands.
test_asked() {
	start asked --set "AMQP_URI=$broker_url" --set LOG_BODY_MAX=1024 \
		--set JWT_SIGNING_KEY=0123456789abcdef0123456789abcdef \
		--set SECRETS_MASTER_KEY="$(head -c 32 /dev/urandom | base64)"
	account agent lab
	account contributor user
	access=$(curl --silent --user 'user:a secret of the lab' --request POST \
		"$url/v1/oauth2/token" | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
	secret="it's \"s3cret\" \$(touch $scratch/evil) \\
*"
	/usr/bin/python3 -c '
import json, sys
print(json.dumps({"value": sys.argv[1]}))' "$secret" >"$scratch/value"
	equal "there is a secret" 200 "$(curl --silent --request PUT \
		--output "$scratch/answer" --write-out '%{http_code}' \
		--header "Authorization: Bearer $access" \
		--header 'Content-Type: application/json' \
		--data-binary "@$scratch/value" "$url/v1/secrets/user/lab/pw")"
	for shell in $shells; do
		for agent in http amqp; do
			test_asked_by
		done
	done
	queue=long-log
	asks '{}' 'yes | head -c 30000; exit 5'
	AGENT_LOGIN='lab:a secret of the lab' http "$queue"
	like "the outcome of a job whose output is too long is there" \
		'*"test_status":5*' "$(result "$id")"
	like "and says what is missing" '*left out*' "$(output_of "$id")"
	stop asked
	url=$main_url
}

test_amqp_full() {
	disk=$(tiny 512k)
	mkdir "$disk/spool"
	ln -s "$disk/spool" "$scratch/filled.spool"
	given filled "echo before; head -c 1000000 /dev/zero >'$disk/filling'; exit 3"
	amqp filled
	equal "a result for which there is no room is a failure" 1 $?
	like "it is said what is so and what to do" \
		"*$id: exit code 3, but its result cannot be written: it is posted when there is room in $scratch/filled.spool*" \
		"$(said)"
	amqp filled
	equal "it stays one until there is room" 1 $?
	rm "$disk/filling"
	amqp filled
	equal "with room the agent ends well" 0 $?
	like "and the result is what came of the job" \
		'{"exit_code":3,"output":"before*' "$(result "$id")"

	given filled "echo anew"
	head -c 1000000 /dev/zero >"$disk/filling" 2>/dev/null
	amqp filled
	equal "on a full disk the agent fails" 1 $?
	like "and says so" '*cannot begin: is there room in*' "$(said)"
	rm "$disk/filling"
	amqp filled
	like "with room the job is run" "*$id: result posted*" "$(said)"

	begin_amqp filled
	within 20 grep -q serves "$scratch/filled.out"
	head -c 1000000 /dev/zero >"$disk/filling" 2>/dev/null
	given filled true
	within 20 grep -q 'stays on the queue: is there room' "$scratch/filled.out"
	equal "a message for which there is no room stays on the queue" 0 $?
	rm "$disk/filling"
	within 20 grep -q "$id: result posted" "$scratch/filled.out"
	equal "until there is" 0 $?
	kill "$running"
	wait "$running"
	umount "$disk"

	given unwritten true
	FAIL=.claimed PATH="$scratch/mv:$PATH" amqp unwritten
	equal "a job that is claimed and cannot be written down is a failure" 1 $?
	amqp unwritten
	like "and is not forgotten" "*$id: result posted*" "$(said)"

	given unnoted "exit 9"
	FAIL=.9 PATH="$scratch/mv:$PATH" amqp unnoted
	like "an end that cannot be noted in the spool is known all the same" \
		"*$id: exit code 9*$id: result posted*" "$(said)"
}

# A claim whose answer is lost.  The server takes the message away, or another agent.
test_lost_claim() {
	given claims "exit 8"
	printf /claim >"$scratch/lost"
	amqp claims
	equal "without an answer to its claim the agent fails" 1 $?
	rm "$scratch/lost"
	claimed=$id
	given claims true
	timeout 60 sh "$amqp_agent" --once --agent other "$url" "$broker_url" \
		claims "$scratch/other.spool" >"$scratch/out" 2>&1
	like "another gets the next one" "*$id: result posted*" "$(said)"
	amqp claims
	like "but who may have the job runs it" \
		"*$claimed: exit code 8*$claimed: result posted*" "$(said)"
}

test_two() {
	given two "touch '$scratch/runs'; until [ -e '$scratch/go' ]; do /bin/sleep 0.1; done
umask; find '$scratch/two.spool' -type f ! -perm 600 ! -name '*.mark' ! -name '*.group'"
	rm -f "$scratch/runs" "$scratch/go"
	begin_amqp two
	within 20 test -e "$scratch/runs"
	amqp two
	equal "a second agent of the same spool fails" 1 $?
	like "and names the first" "*used by another agent, process $running:*" \
		"$(said)"
	# The result comes without another message.
	printf "/v1/result/" >"$scratch/away"
	touch "$scratch/go"
	within 20 grep -q 'trying again' "$scratch/two.out"
	equal "a result is posted again while the server is away" 0 $?
	rm "$scratch/away"
	within 20 grep -q 'result posted' "$scratch/two.out"
	equal "until it is back" 0 $?
	equal "what is spooled is for nobody else, what a job makes as ever" \
		"{\"exit_code\":0,\"output\":\"$(umask)\\n\"}" "$(result "$id")"
	# Its consumer stays behind, and is the first that is given a message.
	within 20 consume 1
	equal "it waits for the next message" 0 $?
	kill -KILL "$running"
	wait "$running" 2>/dev/null
	begin_amqp two
	within 20 consume 2
	equal "a spool whose agent was killed has another" 0 $?
	given two true
	within 20 grep -q "$id: result posted" "$scratch/two.out"
	equal "that is given the next job" 0 $?
	kill "$running"
	wait "$running"
}

# consume NUMBER: of processes, for that spool.
# shellcheck disable=SC2317 # called by within
consume() {
	[ "$(pgrep -c -f "^amqp-consume .*$scratch/two.spool")" = "$1" ]
}

# Messages that are none, and ids as people spell them.
test_messages() {
	urn=$(cat /proc/sys/kernel/random/uuid)
	post /v1/job "{\"job_queue\":\"odd\",\"job_id\":\"urn:uuid:$urn\",\"test_data\":{\"test_cmds\":\"true\"}}" \
		>/dev/null
	amqp odd
	like "a job whose id is spelled in another way is run" \
		"*$urn: result posted*" "$(said)"
	/usr/bin/python3 -c 'print("[" * 200000)' >"$scratch/deep"
	for odd in '' 'no JSON' '{"job_id":"--config x"}' '{"job_id":"x/../y"}' \
		"{\"job_id\":\"\$(touch $scratch/evil)\"}" "@$scratch/deep"; do
		case $odd in
		@*) cat "${odd#@}" ;;
		*) printf '%s' "$odd" ;;
		esac | amqp-publish --url="$broker_url" --exchange=odd \
			--routing-key=odd
	done
	given odd true
	amqp odd
	equal "messages that are none are no failure" 0 $?
	equal "they are dropped" 6 "$(said | grep -c dropped)"
	like "and the job behind them is run" "*$id: result posted*" "$(said)"
	[ ! -e "$scratch/evil" ]
	equal "nothing of what they say is done" 0 $?
}

# What would take hours if it took the square of its size.
test_long() {
	given long "head -c 4000000 /dev/zero | tr '\\0' '\"'"
	amqp long
	equal "four million quotes on a line are no failure" 0 $?
	equal "and are the result" 8000027 "$(result "$id" | wc -c)"
	{
		printf '{"job_queue":"long","test_data":{"test_cmds":"exit 2"'
		head -c 4000000 /dev/zero | tr '\0' '\n'
		printf '},"more":"'
		yes '\"' | head -n 1000000 | tr -d '\n'
		printf '"}'
	} >"$scratch/long"
	equal "there is a job of megabytes" 200 \
		"$(post /v1/job "@$scratch/long")"
	id=$(answer | id_in)
	amqp long
	like "it is run" "*$id: exit code 2*$id: result posted*" "$(said)"
	given long "exit 0"
	amqp long
	equal "no output is an empty one" '{"exit_code":0,"output":""}' \
		"$(result "$id")"
}

# As if its host had gone: the connection is neither used nor closed.
test_broker_gone() {
	cat >"$scratch/bin/amqp-consume" <<SH
#!/bin/sh
for word; do
	shift
	[ "\$word" != --heartbeat=60 ] || word=--heartbeat=1
	set -- "\$@" "\$word"
done
exec $(command -v amqp-consume) "\$@"
SH
	chmod +x "$scratch/bin/amqp-consume"
	begin_amqp stalls
	within 20 grep -q serves "$scratch/stalls.out"
	stalled=$(broker_pid main)
	kill -STOP "$stalled"
	within 20 has_gone "$running"
	equal "a broker that is not heard of ends the agent" 0 $?
	kill -CONT "$stalled"
	kill "$running" 2>/dev/null
	wait "$running"
	equal "which has failed" 1 $?
	rm "$scratch/bin/amqp-consume"
}

# shellcheck disable=SC2317 # called by within
has_gone() {
	! grep -qs . "/proc/$1/cmdline"
}

start main --rabbitmq
main_url=$url
broker_url=$(amqp_url_of main)
shells=
test_shells
test_asked
shell=dash
test_http_faults
test_late
test_refused
test_lost_claim
test_two
test_messages
test_long
test_broker_gone
if [ -n "${TF_OWN_MOUNTS-}" ]; then
	test_http_full
	test_http_full_output
	test_amqp_full
else
	skip "full disks" "only root mounts small ones"
fi
[ ! -e "$scratch/evil" ]
equal "nothing that was only quoted was done" 0 $?
finish
