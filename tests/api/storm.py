"""
Agents and submitters under which the ground moves, for test_storm.sh.

usage: storm.py MODE URL DIR JOBS

MODE kill: a random responder of the instance in DIR is killed every 50 ms.  MODE hangup: five
clients in a hundred go away before they ask, and as many before the answer.  MODE lossy, MODE
shared: a proxy in front loses as many requests and answers (proxy.py: own, shared).  Meanwhile
submitters post JOBS jobs onto five queues, each under an id of its own, and eight agents take
them, show a sign of each, post three fragments of log and its end; whoever gets no answer asks
again.  At the end every job must have been run by one agent, once, with each fragment of its
log once.  Prints "ok" or "not ok" for each promise.
"""

import ast
import collections
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid

MODE, URL, DIRECTORY, JOBS = sys.argv[1:5]
JOBS = int(JOBS)
QUEUES = ["storm%d" % n for n in range(5)]
AGENTS = 8
SUBMITTERS = 4
FRAGMENTS = 3
LIMIT = 600
PARTS = urllib.parse.urlsplit(URL)
PROXIES = {"lossy": "own", "shared": "shared"}
PORT = PARTS.port
DONE = threading.Event()
LOCK = threading.Lock()
FAILURES = []
RUNS = collections.defaultdict(list)
COUNTS = collections.Counter()
LOST = 5


def check(promise, good, got=None):
    """One promise."""
    print(("ok: " if good else "not ok: ") + promise)
    if not good:
        FAILURES.append(promise)
        print("    got: %r" % (got,))


class Lost(Exception):
    """No answer came."""


class Caller:
    """One client on one connection, anew after each loss."""

    def __init__(self, name, seed):
        self.name = name
        self.random = random.Random(seed)
        self.connection = None

    def once(self, method, path, body):
        """One try."""
        hangup = MODE == "hangup"
        if hangup and self.random.randrange(100) < LOST:
            COUNTS["requests lost"] += 1
            raise Lost()
        if self.connection is None:
            self.connection = http.client.HTTPConnection(
                PARTS.hostname, PORT, timeout=30)
        headers = {"Cookie": "agent_name=" + self.name}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        self.connection.request(method, path, body, headers)
        if hangup and self.random.randrange(100) < LOST:
            # It may have been carried out or not.
            time.sleep(self.random.random() / 200)
            COUNTS["answers lost"] += 1
            raise Lost()
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status in (499, 500, 502, 503, 504):
            COUNTS["%d" % answer.status] += 1
            raise Lost()
        return answer.status, text

    def call(self, method, path, body=None):
        """Until an answer comes."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            try:
                return self.once(method, path, body)
            except (Lost, OSError, http.client.HTTPException):
                COUNTS["repeats"] += 1
                if self.connection is not None:
                    self.connection.close()
                self.connection = None
                time.sleep(0.01)
        raise RuntimeError("no answer to %s %s" % (method, path))


def guard(function, *args):
    """Run it; what goes wrong ends the storm."""
    try:
        function(*args)
    except Exception as e:  # noqa: whatever it is, it is told
        FAILURES.append(repr(e))
        print("not ok: %s ends well\n    got: %r" % (function.__name__, e))
        DONE.set()


def submit(number, ids):
    caller = Caller("submitter%d" % number, number)
    for job in ids:
        status, text = caller.call("POST", "/v1/job", {
            "job_queue": QUEUES[hash(job) % len(QUEUES)], "job_id": job,
            "test_data": {"test_cmds": "true"}})
        if status != 200:
            raise RuntimeError("submission: %d %r" % (status, text))


def run(caller, job):
    """What an agent does with a job."""
    with LOCK:
        RUNS[job].append(caller.name)
    steps = [("/v1/result/%s" % job, {"job_state": "test"})]
    for n in range(FRAGMENTS):
        steps.append(("/v1/result/%s/log/output" % job, {
            "fragment_number": n, "timestamp": "2026-01-01T00:00:00Z",
            "phase": "test", "log_data": "%d of %s\n" % (n, job)}))
    steps.append(("/v1/result/%s" % job,
                  {"job_state": "complete", "status": {"test": 0}}))
    for path, body in steps:
        status, text = caller.call("POST", path, body)
        if status != 200:
            raise RuntimeError("%s: %d %r" % (path, status, text))


def take(number):
    caller = Caller("agent%d" % number, 100 + number)
    path = "/v1/job?" + "&".join("queue=" + q for q in QUEUES)
    while not DONE.is_set():
        status, text = caller.call("GET", path)
        if status == 204:
            time.sleep(0.02)
        elif status == 200:
            run(caller, json.loads(text)["job_id"])
        else:
            raise RuntimeError("poll: %d %r" % (status, text))


def responders():
    """The responders of this instance, by program and configuration."""
    found = []
    want = ("TESTFLINGER_CONFIG=%s/" % DIRECTORY).encode()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            program = os.readlink("/proc/%s/exe" % name)
            with open("/proc/%s/environ" % name, "rb") as f:
                ours = any(v.startswith(want) for v in f.read().split(b"\0"))
        except OSError:
            continue
        base = os.path.basename(program)
        if ours and base.startswith("tf-") and base != "tf-supervise":
            found.append(int(name))
    return found


def kill():
    chance = random.Random(1)
    pids, looked = [], 0.0
    while not DONE.is_set():
        now = time.monotonic()
        if now - looked > 0.2 or not pids:
            pids, looked = responders(), now
        if pids:
            pid = chance.choice(pids)
            pids.remove(pid)
            try:
                os.kill(pid, signal.SIGKILL)
                COUNTS["kills"] += 1
            except ProcessLookupError:
                pass
        time.sleep(0.05)


class Proxy:
    """The proxy in front."""

    def __init__(self, kind):
        global PORT
        self.dir = tempfile.TemporaryDirectory()
        told = os.path.join(self.dir.name, "port")
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(os.path.dirname(__file__), "proxy.py"),
             kind, PARTS.hostname, str(PARTS.port), str(LOST), told],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        end = time.monotonic() + 60
        while not os.path.exists(told):
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError("the proxy does not start")
            time.sleep(0.02)
        with open(told, encoding="ascii") as f:
            PORT = int(f.read())

    def end(self):
        """What it lost is counted, and what follows does without it."""
        global PORT
        PORT = PARTS.port
        told = self.process.communicate("")[0]
        COUNTS.update(ast.literal_eval(told))
        self.dir.cleanup()


def judge(ids):
    caller = Caller("judge", 1000)
    unfinished, logs = [], []
    for job in ids:
        text = caller.call("GET", "/v1/result/" + job)[1]
        view = json.loads(text) if text else {}
        if view.get("job_state") != "complete":
            unfinished.append((job, view))
        want = "".join("%d of %s\n" % (n, job) for n in range(FRAGMENTS))
        if view.get("test_output") != want:
            logs.append((job, view.get("test_output")))
    check("no job is lost", not unfinished, unfinished[:5])
    twice = [(job, RUNS[job]) for job in ids if len(RUNS[job]) != 1]
    check("no job is run twice", not twice, twice[:5])
    check("nothing else is run", set(RUNS) <= set(ids))
    check("each fragment of a log is there once", not logs, logs[:5])


def main():
    global LOST
    ids = [str(uuid.uuid4()) for _ in range(JOBS)]
    threads = [threading.Thread(target=guard, args=(submit, n,
                                                    ids[n::SUBMITTERS]))
               for n in range(SUBMITTERS)]
    agents = [threading.Thread(target=guard, args=(take, n))
              for n in range(AGENTS)]
    killer = threading.Thread(target=guard, args=(kill,))
    proxy = Proxy(PROXIES[MODE]) if MODE in PROXIES else None
    for t in threads + agents + ([killer] if MODE == "kill" else []):
        t.start()
    begin = time.monotonic()
    for t in threads:
        t.join()
    had, end = len(RUNS), time.monotonic() + LIMIT
    while len(RUNS) < JOBS and time.monotonic() < end and not DONE.is_set():
        if len(RUNS) > had:
            had, end = len(RUNS), time.monotonic() + LIMIT
        time.sleep(0.05)
    # Those in hand are ended.
    time.sleep(0.2)
    DONE.set()
    for t in agents:
        t.join()
    if MODE == "kill":
        killer.join()
    if proxy is not None:
        proxy.end()
    LOST = 0
    judge(ids)
    print("    %d jobs in %.1f s: %s" % (
        JOBS, time.monotonic() - begin, dict(COUNTS)))
    check("it was a storm", COUNTS["kills"] > 20 if MODE == "kill"
          else COUNTS["answers lost"] > 20, dict(COUNTS))
    sys.exit(1 if FAILURES else 0)


main()
