"""
Each system call of a request dies or fails, one after the other, for test_inject.sh.

usage: inject.py [--long] [--only=ENDPOINT]... DIRECTORY...

One instance for each DIRECTORY (made by spawn/up, with WORKERS=1), which share the endpoints of
the table ENDPOINTS.  For each endpoint a request is recorded with strace; then at each call of
it, in each thread that made some, the responder is killed, or the call fails with ENOSPC, EIO
or EINTR (--long, which is of all endpoints: or all of them from then on), and it is judged:
* the answer is that of success, or an error that one may come back after;
* what was answered with success is there, once and whole;
* what was not is there or not, never in part, and the same request brings it, once;
* the instance serves again within five seconds;
* the log tells the cause of a refusal, and not twice, and of a change that was lost with others
  also by its request's id.
At the end the store must be sound.  Prints "ok" or "not ok" for each promise.
"""

import base64
import collections
import hashlib
import http.client
import json
import os
import queue
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid

from openapi import token

FAULTS = ("KILL", "ENOSPC", "EIO", "EINTR")
# In the long form, at calls to the disk: this one fails and all that follow.
LASTING = ("ENOSPC+", "EIO+")
TO_THE_DISK = ("fdatasync", "fsync", "ftruncate", "mkdirat", "openat", "pread64", "pwrite64",
               "renameat", "renameat2", "unlinkat")
# Calls that do not fail so: strace does not make the call at all, the kernel would have.
NEVER_FAIL = {
    "close": "the descriptor is closed whatever close says",
    "exit": "it does not return", "exit_group": "it does not return",
    "getrandom": "not once the kernel has begun; the process ends where it does",
    "futex": "it is no call to the disk; libc ends the process on such errors",
    "madvise": "a hint", "mprotect": "only ENOMEM", "munmap": "only ENOMEM",
    "brk": "it tells no error", "rt_sigprocmask": "only EINVAL",
    "clock_nanosleep": "only a signal ends it", "restart_syscall": "it is the kernel's own",
    "rt_sigtimedwait": "only a signal ends it", "sched_yield": "it does not fail",
}
# An unlock does not fail either, and is told from a lock by its arguments.
UNLOCK = re.compile(r"^(flock\(\d+, LOCK_UN|fcntl\(\d+, F_SETLK\w*, \{l_type=F_UNLCK)")
# What an agent may come back after.
COME_AGAIN = {500, 502, 503, 504}
HEALTHY = 5.0
# Seconds in which the calls after an answer come, and the writes that nobody waits for.
AFTER = 0.05
SETTLE = 0.03
TRIES = 4
RECORDED = 3
MISSED_PART = 0.02
EFFECT = "and then the effect is there:"
LOG_TYPE = "/v1/result/%s/log/output"
NOT_KEPT = re.compile(r"req=\S+ .*\"store: the change was not kept: ")
SIGNS = re.compile(r"cannot use \S*/data/seen: ")
KEY = os.environ.get("TF_JWT_KEY", "")

LOCK = threading.Lock()
COUNTS = collections.Counter()


def say(promise, why=None):
    """One promise."""
    with LOCK:
        print(("ok: " if not why else "not ok: ") + promise)
        for line in (why or [])[:12]:
            print("    " + str(line)[:700])
        sys.stdout.flush()


class Answer:
    def __init__(self, status, headers=None, body=b""):
        self.status = status
        self.headers = headers or {}
        self.body = body

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def __repr__(self):
        return "%s %.200r" % (self.status, self.body)


class Instance:
    """An instance, and its processes."""

    def __init__(self, directory):
        self.dir = directory
        with open(directory + "/url") as f:
            self.parts = urllib.parse.urlsplit(f.read().strip())

    def send(self, method, path, body=None, headers=None):
        """One request; a connection that was cut is an answer 0.  Each on a connection of its
        own: a second question on one would tell that the first was answered."""
        try:
            c = http.client.HTTPConnection(
                "127.0.0.1", self.parts.port, timeout=20)
            c.request(method, path, body, headers or {})
            answer = c.getresponse()
            text = answer.read()
            c.close()
            return Answer(answer.status, answer.headers, text)
        except (OSError, http.client.HTTPException) as e:
            return Answer(0, None, repr(e).encode())

    def sql(self, statement, *values):
        store = sqlite3.connect(self.dir + "/data/state.db", timeout=10)
        try:
            # Only the server checkpoints.
            store.execute("PRAGMA wal_autocheckpoint = 0")
            return store.execute(statement, values).fetchall()
        finally:
            store.close()

    def supervisor(self, name):
        with open("%s/pids/%s.pid" % (self.dir, name)) as f:
            return int(f.read())

    def responder(self, name, wait=HEALTHY):
        """The process of a responder, once it serves."""
        sup = self.supervisor(name)
        end = time.monotonic() + wait
        while time.monotonic() < end:
            try:
                with open("/proc/%d/task/%d/children" % (sup, sup)) as f:
                    pids = [int(p) for p in f.read().split()]
            except OSError:
                pids = []
            for pid in pids:
                try:
                    program = os.readlink("/proc/%d/exe" % pid)
                    if program.split(" (")[0].endswith("/tf-" + name):
                        return pid
                except OSError:
                    pass
            time.sleep(0.002)
        return None

    def log_size(self, name):
        return os.path.getsize("%s/logs/%s.log" % (self.dir, name))

    def errors_since(self, name, at):
        """Lines of errors, but for the death of a process."""
        with open("%s/logs/%s.log" % (self.dir, name), errors="replace") as f:
            f.seek(at)
            return [line.strip() for line in f
                    if "level=error" in line and "prog=tf-supervise" not in line]


# Endpoints.  A case is one request to be, and what tells of its effect.

class Case:
    def __init__(self, effect, method, path, body=None, headers=None):
        self.effect = effect  # how often it is there: 0, 1; or a text: what is wrong
        self.method = method
        self.path = path
        self.headers = dict(headers or {})
        self.body = body
        if isinstance(body, (dict, list)):
            self.body = json.dumps(body)
            self.headers["Content-Type"] = "application/json"

    def send(self, i):
        return i.send(self.method, self.path, self.body, self.headers)


class Endpoint:
    """A row of the table.  done: statuses of success; again: likewise, for a repeat;
    counts: each request that is carried out adds one more."""

    def __init__(self, name, responder, make, done=(200,), again=None,
                 counts=False, short=False):
        self.name = name
        self.responder = responder
        self.make = make
        self.done = done
        self.again = again or done
        self.counts = counts
        self.short = short


def bearer(**permissions):
    """A token of its own for each request: they end while the long form runs."""
    return {"Authorization": "Bearer " + token(KEY, **permissions)}


def admin():
    return bearer(role="admin", client_id="boss")


def new_job(i, **fields):
    """An ordinary job on a queue of its own."""
    job = dict({"job_queue": "q-" + uuid.uuid4().hex[:12], "job_id": str(uuid.uuid4()),
                "test_data": {"test_cmds": "true"}}, **fields)
    answer = i.send("POST", "/v1/job", json.dumps(job),
                    {"Content-Type": "application/json"})
    if answer.status != 200:
        raise RuntimeError("a job to work with: %r" % answer)
    return job


def journal(i, subject, kind):
    return i.sql("SELECT count(*) FROM journal WHERE subject = ? AND kind = ?",
                 subject, kind)[0][0]


def whole_job(i, job):
    """How often a job is there, in the store and for readers."""
    rows = i.sql("SELECT id, body FROM job WHERE queue = ?", job["job_queue"])
    for job_id, body in rows:
        if json.loads(body).get("test_data") != job["test_data"]:
            return "half a job: %r" % body
        shown = i.send("GET", "/v1/job/" + job_id)
        if shown.status != 200 or shown.json().get("test_data") != job["test_data"]:
            return "the job is not shown: %r" % shown
        told = journal(i, job_id, "job.submitted")
        if told != 1:
            return "the journal tells it %d times" % told
    return len(rows)


def submit(i):
    job = {"job_queue": "q-" + uuid.uuid4().hex[:12], "job_id": str(uuid.uuid4()),
           "test_data": {"test_cmds": "x" * 300}}
    return Case(lambda: whole_job(i, job), "POST", "/v1/job", job)


def submit_twice(i):
    """Nothing tells a repeat of it."""
    job = {"job_queue": "q-" + uuid.uuid4().hex[:12], "test_data": {"test_cmds": "z"}}
    return Case(lambda: whole_job(i, job), "POST", "/v1/job", job)


def submit_key(i):
    job = {"job_queue": "q-" + uuid.uuid4().hex[:12], "tags": ["a", "b"],
           "test_data": {"test_cmds": "y"}}
    return Case(lambda: whole_job(i, job), "POST", "/v1/job", job,
                {"Idempotency-Key": uuid.uuid4().hex})


def taken(i, job, agent):
    """What tells whether the agent has the job, and nobody else."""
    def effect():
        state, taker, attempt = i.sql(
            "SELECT state, agent, attempt FROM job WHERE id = ?", job["job_id"])[0]
        if (state, taker) == ("waiting", None):
            return 0
        other = i.send("GET", "/v1/job?queue=%s&agent=other" % job["job_queue"])
        if (state, taker) != ("running", agent) or other.status != 204:
            return "half taken: %r, another agent: %r" % (
                (state, taker, attempt), other)
        return 1
    return effect


def take(i):
    job = new_job(i)
    agent = "a-" + uuid.uuid4().hex[:12]
    return Case(taken(i, job, agent), "GET", "/v1/job?queue=%s&agent=%s" % (
        job["job_queue"], agent))


def claim(i):
    job = new_job(i)
    agent = "a-" + uuid.uuid4().hex[:12]
    return Case(taken(i, job, agent), "POST", "/v1/job/%s/claim" % job["job_id"],
                {"agent": agent})


def report(i):
    job = new_job(i)["job_id"]

    def effect():
        view = i.send("GET", "/v1/result/" + job).json()
        told = journal(i, job, "job.state")
        if view == {"job_state": "waiting"} and told == 0:
            return 0
        if view == {"job_state": "test", "setup_status": 3,
                    "device_info": {"a": 1}} and told == 1:
            return 1
        return "half a report: %r, told %d times" % (view, told)
    return Case(effect, "POST", "/v1/result/" + job, {
        "job_state": "test", "status": {"setup": 3}, "device_info": {"a": 1}})


def seed_result(i):
    """The second result of a job without rows: the first stays, or the second is there."""
    job = str(uuid.uuid4())
    old, new = b'{"old": 1.10}', b'{"new": "%s"}' % (b"z" * 5000)
    path = "/v1/result/" + job
    kind = {"Content-Type": "application/json"}
    i.send("POST", path, old, kind)

    def effect():
        got = i.send("GET", path).body
        return {old: 0, new: 1}.get(got, "neither the old nor the new: %r" % got[:80])
    return Case(effect, "POST", path, new, kind)


def fragment(number, text):
    return {"fragment_number": number, "timestamp": "2026-11-25T08:00:00Z",
            "phase": "test", "log_data": text}


def log_effect(i, job, before, after):
    answer = i.send("GET", LOG_TYPE % job + "?phase=test")
    got = (answer.json() or {}).get("output", {}).get("test", {}).get("log_data", "")
    rows = i.sql("SELECT count(*) FROM job_fragment WHERE job = ?", job)[0][0]
    if answer.status == 200 and (got, rows) == before:
        return 0
    if answer.status == 200 and (got, rows) == after:
        return 1
    return "neither the old log nor the new: %r, %d fragments" % (answer, rows)


def log(i):
    job = new_job(i)["job_id"]
    i.send("POST", LOG_TYPE % job, json.dumps(fragment(0, "one\n")),
           {"Content-Type": "application/json"})
    return Case(lambda: log_effect(i, job, ("one\n", 1), ("one\ntwo\n", 2)),
                "POST", LOG_TYPE % job, fragment(1, "two\n"))


def log_first(i):
    """The one that makes the file."""
    job = new_job(i)["job_id"]
    text = "first\n" * 900
    return Case(lambda: log_effect(i, job, ("", 0), (text, 1)),
                "POST", LOG_TYPE % job, fragment(0, text))


def cancel(i):
    job = new_job(i)["job_id"]

    def effect():
        view = i.send("GET", "/v1/result/" + job).json()
        told = journal(i, job, "job.ended") + journal(i, job, "job.cancelled")
        if view == {"job_state": "waiting"} and told == 0:
            return 0
        if view == {"job_state": "cancelled"} and told == 1:
            return 1
        return "half cancelled: %r, told %d times" % (view, told)
    return Case(effect, "POST", "/v1/job/%s/action" % job, {"action": "cancel"})


def form(data):
    return (b"--B\r\nContent-Disposition: form-data; name=\"file\"; "
            b"filename=\"f\"\r\n\r\n") + data + b"\r\n--B--\r\n"


FORM = {"Content-Type": "multipart/form-data; boundary=B"}


def artifact(i):
    job = new_job(i)["job_id"]
    path = "/v1/result/%s/artifact" % job
    old, new = b"old" * 100, b"new" * 20000
    i.send("POST", path, form(old), FORM)

    def effect():
        got = i.send("GET", path).body
        return {old: 0, new: 1}.get(got, "neither the old nor the new: %r" % got[:80])
    return Case(effect, "POST", path, form(new), FORM)


def attachments(i):
    job = new_job(i, test_data={"attachments": [{"local": "f", "agent": "f"}]})
    path = "/v1/job/%s/attachments" % job["job_id"]
    data = b"data" * 20000

    def effect():
        got = i.send("GET", path)
        ready = i.sql("SELECT ready FROM job WHERE id = ?", job["job_id"])[0][0]
        if got.status == 204 and ready == 0:
            return 0
        if got.status == 200 and got.body == data and ready == 1:
            return 1
        return "half there: ready %r, %r" % (ready, got)
    return Case(effect, "POST", path, form(data), FORM)


def agent_data(i):
    agent = "a-" + uuid.uuid4().hex[:12]
    told = {"state": "waiting", "queues": ["q-" + agent], "location": "here"}

    def effect():
        got = i.send("GET", "/v1/agents/data/" + agent)
        if got.status == 404:
            return 0
        view = got.json() or {}
        if got.status == 200 and all(view.get(k) == v for k, v in told.items()):
            return 1
        return "half there: %r" % got
    return Case(effect, "POST", "/v1/agents/data/" + agent, told)


def provision(i):
    agent = "a-" + uuid.uuid4().hex[:12]
    i.send("POST", "/v1/agents/data/" + agent, json.dumps({"state": "waiting"}),
           {"Content-Type": "application/json"})
    return Case(
        lambda: i.sql("SELECT count(*) FROM provision_log WHERE agent = ?", agent)[0][0],
        "POST", "/v1/agents/provision_logs/" + agent,
        {"job_id": str(uuid.uuid4()), "exit_code": 1, "detail": "d"})


def advertise(i):
    name = "q-" + uuid.uuid4().hex[:12]
    return Case(
        lambda: i.sql("SELECT count(*) FROM queue WHERE name = ? AND description = 'x'",
                      name)[0][0],
        "POST", "/v1/agents/queues", {name: "x"})


def images(i):
    name = "q-" + uuid.uuid4().hex[:12]

    def effect():
        got = i.send("GET", "/v1/agents/images/" + name).json()
        return {"{}": 0, '{"i": "url: u"}': 1}.get(
            json.dumps(got), "half there: %r" % got)
    return Case(effect, "POST", "/v1/agents/images", {name: {"i": "url: u"}})


OWNER_SECRET = "s" * 20


def the_owner(i):
    """A client, made once, for its secret costs time."""
    if not i.sql("SELECT count(*) FROM client WHERE id = 'owner'")[0][0]:
        i.send("PUT", "/v1/client-permissions/owner",
               json.dumps({"client_secret": OWNER_SECRET}),
               dict(admin(), **{"Content-Type": "application/json"}))


def log_in(i):
    the_owner(i)
    count = "SELECT count(*) FROM refresh_token"
    before = i.sql(count)[0][0]
    text = base64.b64encode(("owner:" + OWNER_SECRET).encode()).decode()
    return Case(lambda: i.sql(count)[0][0] - before, "POST", "/v1/oauth2/token",
                None, {"Authorization": "Basic " + text})


def revoke(i):
    refresh = log_in(i).send(i).json()["refresh_token"]
    name = hashlib.sha256(refresh.encode()).hexdigest()
    return Case(
        lambda: i.sql("SELECT revoked FROM refresh_token WHERE hash = ?", name)[0][0],
        "POST", "/v1/oauth2/revoke", {"refresh_token": refresh}, admin())


def restrict(i):
    name = "q-" + uuid.uuid4().hex[:12]
    i.send("POST", "/v1/agents/data/of-" + name, json.dumps({"queues": [name]}),
           {"Content-Type": "application/json"})
    the_owner(i)
    # No more than fit into a token.
    for before, in i.sql("SELECT queue FROM client_queue WHERE client = 'owner'"):
        i.send("DELETE", "/v1/restricted-queues/" + before,
               json.dumps({"client_id": "owner"}),
               dict(admin(), **{"Content-Type": "application/json"}))
    return Case(
        lambda: i.sql("SELECT count(*) FROM client_queue WHERE queue = ?", name)[0][0],
        "POST", "/v1/restricted-queues/" + name, {"client_id": "owner"}, admin())


def unrestrict(i):
    case = restrict(i)
    case.send(i)
    there = case.effect
    return Case(lambda: 1 - there(), "DELETE", case.path,
                {"client_id": "owner"}, admin())


def client_put(i):
    name = "c-" + uuid.uuid4().hex[:12]
    return Case(
        lambda: i.sql("SELECT count(*) FROM client WHERE id = ?", name)[0][0],
        "PUT", "/v1/client-permissions/" + name,
        {"client_secret": "s" * 20, "max_priority": {"q": 3}}, admin())


def client_delete(i):
    case = client_put(i)
    case.send(i)
    there = case.effect
    return Case(lambda: 1 - there(), "DELETE", case.path, None, admin())


def secret_put(i):
    path = "p" + uuid.uuid4().hex[:12]
    owner = bearer(role="contributor", client_id="owner")
    return Case(
        lambda: i.sql("SELECT count(*) FROM secret WHERE path = ?", path)[0][0],
        "PUT", "/v1/secrets/owner/" + path, {"value": "v"}, owner)


def secret_delete(i):
    case = secret_put(i)
    case.send(i)
    there = case.effect
    return Case(lambda: 1 - there(), "DELETE", case.path, None, case.headers)


ENDPOINTS = (
    Endpoint("submit", "job", submit, short=True),
    Endpoint("take", "dispatch", take, short=True),
    Endpoint("claim", "job", claim, short=True),
    Endpoint("result", "result", report, short=True),
    Endpoint("log", "result", log, short=True),
    Endpoint("cancel", "job", cancel, again=(200, 400), short=True),
    Endpoint("submit by key", "job", submit_key),
    Endpoint("seed result", "result", seed_result, short=True),
    Endpoint("first log", "result", log_first, short=True),
    Endpoint("artifact", "file", artifact),
    Endpoint("attachments", "file", attachments, again=(200, 422)),
    Endpoint("agent", "agent", agent_data),
    Endpoint("provisioning", "agent", provision, counts=True),
    Endpoint("queues", "agent", advertise),
    Endpoint("images", "agent", images),
    Endpoint("restrict", "queue", restrict),
    Endpoint("unrestrict", "queue", unrestrict, again=(200, 404)),
    Endpoint("client", "auth", client_put),
    Endpoint("no client", "auth", client_delete, again=(200, 404)),
    Endpoint("log-in", "auth", log_in, counts=True),
    Endpoint("revocation", "auth", revoke, again=(200, 400)),
    Endpoint("secret", "auth", secret_put),
    Endpoint("no secret", "auth", secret_delete),
)


# Calls of threads, by strace.

def threads_of(pid):
    """In the order of their making, which is the same for each process of a program.  The kernel
    lists them so; by number they would not be once the numbers begin anew."""
    return [int(t) for t in os.listdir("/proc/%d/task" % pid)]


def dead(tid):
    try:
        with open("/proc/%d/stat" % tid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


def traced(tid):
    """Held by strace, or dead by it already."""
    try:
        with open("/proc/%d/status" % tid) as f:
            return dead(tid) or not re.search(r"^TracerPid:\t0$", f.read(), re.M)
    except OSError:
        return True


class Unlocked(Exception):
    """An unlock was made to fail, which no kernel does."""


class Strace:
    """strace on a process (all of its threads) or on one thread."""

    def __init__(self, where, tids, options):
        self.file = where
        self.process = subprocess.Popen(
            ["strace", "-qq", "-o", where, *options],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 10
        while not all(traced(t) for t in tids):
            if time.monotonic() > end or self.process.poll() is not None:
                why = self.end()
                raise RuntimeError("strace does not attach: %s" % why)
            time.sleep(0.001)

    def hit(self, pid, fault):
        """The call that the fault came to, or ""."""
        if fault == "KILL":
            return "it died" if dead(pid) else ""
        with open(self.file, errors="replace") as f:
            return next((line for line in f if "(INJECTED" in line), "")

    def end(self):
        """Let go; what strace said."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.communicate()[1]


ANSWER = re.compile(r'^writev?\(\d+, .*"\\1\\6')
WRITER = re.compile(r"^flock\(\d+, LOCK_EX[) ]")
CALL = re.compile(r"^(?:(\d+)\s+)?(\w+\(.*)")

Point = collections.namedtuple("Point", "thread call nth text")


def warm(i, endpoint):
    """A case, and all as it is after a former request."""
    endpoint.make(i).send(i)
    case = endpoint.make(i)
    time.sleep(SETTLE)
    return case


def trace(i, endpoint, where, threads):
    """The calls of a request in some threads (None: in all), as (thread, text)."""
    case = warm(i, endpoint)
    pid = i.responder(endpoint.responder)
    tids = threads_of(pid)
    held = tids if threads is None else [tids[t] for t in sorted(threads)]
    options = ["-f", "-p", str(pid)]
    if threads is not None:
        options = [word for t in held for word in ("-p", str(t))]
    s = Strace(where, held, ["-s", "32", *options])
    answer = case.send(i)
    # What comes after the answer belongs to the request too.
    time.sleep(AFTER)
    s.end()
    if answer.status not in endpoint.done:
        raise RuntimeError("%s: recorded with %r" % (endpoint.name, answer))
    with open(where, errors="replace") as f:
        lines = [CALL.match(line) for line in f]
    return [(tids.index(int(m.group(1))) if m.group(1) else sorted(threads)[0],
             m.group(2)) for m in lines
            if m and (not m.group(1) or int(m.group(1)) in tids)]


def threads_at_work(i, endpoint, where):
    """The thread that answers, and the one that writes into the store.  Others are woken by
    strace itself, and have nothing to do with the request."""
    calls = trace(i, endpoint, where, None)
    worker = next(t for t, text in calls if ANSWER.match(text))
    return worker, {worker} | {t for t, text in calls if WRITER.match(text)}


def record(i, endpoint, where):
    """The points of some requests, and which of them each of these passed before its answer:
    what is cached differs a little."""
    worker, threads = threads_at_work(i, endpoint, where)
    points, always = {}, None
    seen = collections.Counter()
    for _ in range(RECORDED):
        counts, before, left = collections.Counter(), set(), False
        for thread, text in trace(i, endpoint, where, threads):
            call = text.split("(", 1)[0]
            counts[thread, call] += 1
            point = Point(thread, call, counts[thread, call], text)
            points.setdefault(point[:3], point)
            seen[point[:3]] += 1
            if not left:
                before.add(point[:3])
            left = left or (thread == worker and ANSWER.match(text) is not None)
        always = before if always is None else always & before
    # What came once is some tidying.
    return [p for k, p in points.items() if seen[k] > 1], always, worker


def fits(point, fault):
    """Whether a call may fail so."""
    if fault == "KILL":
        return True
    if fault in LASTING:
        return point.call in TO_THE_DISK
    return point.call not in NEVER_FAIL and not UNLOCK.match(point.text)


class Tester:
    """What one instance is to be asked."""

    def __init__(self, instance, endpoint, where, faults=FAULTS):
        self.i = instance
        self.endpoint = endpoint
        self.faults = faults
        self.where = where
        self.why = []
        self.hit = 0
        self.missed = []
        self.statuses = collections.Counter()

    def wrong(self, point, fault, *what):
        self.why.append("%s at %s %d of thread %d (%.90s): %s" % (
            fault, point.call, point.nth, point.thread, point.text,
            " ".join(str(w) for w in what)))

    def inject(self, point, fault, case):
        """The answer under the fault, and whether there was one."""
        how = "signal=KILL" if fault == "KILL" else (
            fault if "=" in fault else "error=" + fault.rstrip("+"))
        last = "+" if fault.endswith("+") else ""
        pid = self.i.responder(self.endpoint.responder)
        tid = threads_of(pid)[point.thread]
        s = Strace(self.where, [tid], [
            "-s", "0", "-p", str(tid), "-e", "trace=" + point.call,
            "-e", "inject=%s:%s:when=%d%s" % (point.call, how, point.nth, last)])
        answer = case.send(self.i)
        # Some calls come after the answer.
        end = time.monotonic() + AFTER
        while not s.hit(pid, fault) and time.monotonic() < end:
            time.sleep(0.002)
        hit = s.hit(pid, fault)
        s.end()
        if UNLOCK.match(hit):
            # The calls before were others this time, and the lock is still held.
            os.kill(pid, signal.SIGKILL)
            raise Unlocked()
        return answer, hit

    def judge_answer(self, point, fault, answer):
        if answer.status in self.endpoint.done:
            return
        allowed = set(COME_AGAIN)
        if point.call in ("read", "recvfrom", "poll") and fault != "KILL":
            # The body is short then; whom it would be told has gone in truth.
            allowed.add(400)
        if answer.status not in allowed:
            self.wrong(point, fault, "answered", answer)
            return
        message = answer.json()
        if not isinstance(message, dict) or "message" not in message:
            self.wrong(point, fault, "no JSON:", answer)
        if answer.status == 503 and "Retry-After" not in answer.headers:
            self.wrong(point, fault, "no Retry-After:", answer)
        if fault == "KILL" and answer.status != 502:
            self.wrong(point, fault, "not 502:", answer)

    def judge_log(self, point, fault, answer, at):
        """The cause of a refusal by the responder itself is told, once, and of a change that
        was lost in its group also that, by the request's id; where a fault lasts, the store
        and the file of signs of life may each meet it."""
        told = self.i.errors_since(self.endpoint.responder, at)
        texts = [re.sub(r"^.*? msg=", "", line) for line in told]
        if answer.status == 503 and not told:
            self.wrong(point, fault, "503, and nothing in the log")
        causes = [t for line, t in zip(told, texts) if not NOT_KEPT.search(line)
                  and (fault not in LASTING or not SIGNS.search(t))]
        if len(set(texts)) != len(texts) or len(causes) > 1:
            self.wrong(point, fault, "told more than once:", texts)

    def again(self, point, fault, case):
        """The same request until it is answered; false if it is not in time."""
        end = time.monotonic() + HEALTHY
        answer = None
        while time.monotonic() < end:
            answer = case.send(self.i)
            if answer.status in self.endpoint.again:
                return True
            time.sleep(0.005)
        self.wrong(point, fault, "after %.0f s still" % HEALTHY, answer)
        return False

    def one(self, point, fault):
        """One fault at one point; false: it did not come to that."""
        case = warm(self.i, self.endpoint)
        before = self.i.log_size(self.endpoint.responder)
        try:
            answer, hit = self.inject(point, fault, case)
        except Unlocked:
            return False
        self.statuses[fault, answer.status] += 1
        self.judge_answer(point, fault, answer)
        self.judge_log(point, fault, answer, before)
        done = answer.status in self.endpoint.done
        most = 1
        if self.i.responder(self.endpoint.responder) is None:
            self.wrong(point, fault, "it does not come back")
            return hit
        effect = case.effect()
        if effect not in ((1,) if done else (0, 1)):
            self.wrong(point, fault, "answered", answer, EFFECT, effect)
        if self.endpoint.counts and not done:
            most = 2
        if not done or not self.endpoint.counts:
            if not self.again(point, fault, case):
                return hit
        effect = case.effect()
        if not isinstance(effect, int) or not 1 <= effect <= most:
            self.wrong(point, fault, "answered", answer, "and again", EFFECT, effect)
        return hit

    def run(self):
        e = self.endpoint
        e.make(self.i).send(self.i)
        points, always, _ = record(self.i, e, self.where)
        for point in points:
            tries = TRIES if point[:3] in always else 1
            for fault in self.faults:
                if not fits(point, fault):
                    continue
                if any(self.one(point, fault) for _ in range(tries)):
                    self.hit += 1
                elif tries > 1:
                    self.missed.append((point, fault))
        say("%s: whatever call dies or fails, never lost, never twice" % e.name,
            self.why)
        # The calls of a request vary a little with time too.
        say("%s: the faults come to pass" % e.name,
            None if len(self.missed) <= self.hit * MISSED_PART else self.missed)
        with LOCK:
            print("    %s: %d calls, %d faults: %s" % (e.name, len(points), self.hit, " ".join(
                "%s:%d=%d" % (f, s, n) for (f, s), n in
                sorted(self.statuses.items()))))
            COUNTS["faults"] += self.hit


def self_check(i, where):
    """What is lost or twice must be found out: after a write and a rename that say they were
    made and were not, and of a submission without an id whose answer is lost."""
    lies = (
        (Endpoint("log", "result", log), "pwrite64", "retval=4"),
        (Endpoint("seed result", "result", seed_result), "renameat2", "retval=0"),
        (Endpoint("submission without an id", "job", submit_twice), "write", "KILL"),
    )
    for endpoint, call, lie in lies:
        t = Tester(i, endpoint, where)
        points, _, worker = record(i, endpoint, where)
        point = next(p for p in points if p.call == call and p.thread == worker)
        t.one(point, lie)
        say("%s: %s at its %s makes a fault, which is found out" % (
            endpoint.name, lie, call),
            None if any(EFFECT in why for why in t.why) else ["it was not"] + t.why)


def work(i, waiting, number, faults):
    where = "%s/strace-%d" % (i.dir, number)
    while True:
        try:
            endpoint = waiting.get_nowait()
        except queue.Empty:
            break
        begin = time.monotonic()
        try:
            if endpoint is None:
                self_check(i, where)
                continue
            Tester(i, endpoint, where, faults).run()
        except Exception as e:  # noqa: whatever it is, it is told
            say("%s runs" % (endpoint.name if endpoint else "the check"), [repr(e)])
        with LOCK:
            print("    %s: %.1f s" % (endpoint.name, time.monotonic() - begin))
    try:
        sound = i.sql("PRAGMA integrity_check")
    except sqlite3.Error as e:
        sound = [repr(e)]
    say("the store of instance %d is sound" % number,
        None if sound == [("ok",)] else sound)


def main():
    args = sys.argv[1:]
    every = "--long" in args
    only = [a[7:] for a in args if a.startswith("--only=")]
    instances = [Instance(a) for a in args if not a.startswith("--")]
    faults = FAULTS + LASTING if every else FAULTS
    waiting = queue.Queue()
    for e in ENDPOINTS:
        if e.name in only or (not only and (every or e.short)):
            waiting.put(e)
    waiting.put(None)
    threads = [threading.Thread(target=work, args=(i, waiting, n, faults))
               for n, i in enumerate(instances)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print("    %d faults" % COUNTS["faults"])


if __name__ == "__main__":
    main()
