"""
Requests for a job that are held, for test_held.sh.

usage: held.py DIR SMALL TOP SILENT

DIR and SMALL are directories of running instances; SMALL holds two requests, for two
seconds at most and one by default.  TOP is the source tree.  In DIR an agent is silent after
SILENT seconds.
"""

import calendar
import concurrent.futures
import fcntl
import glob
import http.client
import json
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
import uuid

failures = 0


def check(promise, good, got=None):
    """One promise."""
    global failures
    if good:
        print("ok: " + promise, flush=True)
        return
    failures += 1
    print("not ok: " + promise)
    print("    got: %r" % (got,), flush=True)


def until(seconds, condition):
    """Whether it comes true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def name(stem):
    """One that nobody else uses."""
    return stem + "-" + uuid.uuid4().hex[:12]


class Instance:
    def __init__(self, directory):
        self.directory = directory
        with open(directory + "/url", encoding="ascii") as f:
            address = f.read().strip().split("//")[1]
        self.port = int(address.split(":")[1])

    def request(self, method, path, body=None, **headers):
        """Status, headers and body of the answer."""
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        if body is not None:
            named["Content-Type"] = "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body)
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        c.request(method, path, body, named)
        a = c.getresponse()
        a.text = a.read()
        c.close()
        return a

    def submit(self, queue, **more):
        """The id of a new ordinary job."""
        a = self.request("POST", "/v1/job",
                         dict({"job_queue": queue, "test_data": {}}, **more))
        assert a.status == 200, a.text
        return json.loads(a.text)["job_id"]

    def state(self, job):
        return json.loads(self.request("GET", "/v1/result/" + job).text).get(
            "job_state")

    def set_state(self, agent, state):
        a = self.request("POST", "/v1/agents/data/" + agent, {"state": state})
        assert a.status == 200, a.text

    def dispatchers(self):
        """The processes of tf-dispatch."""
        found = []
        for exe in glob.glob("/proc/[0-9]*/exe"):
            try:
                if not os.readlink(exe).endswith("/tf-dispatch"):
                    continue
                with open(exe[:-3] + "environ", "rb") as f:
                    if ("TESTFLINGER_CONFIG=%s/" % self.directory).encode() \
                            in f.read():
                        found.append(int(exe.split("/")[2]))
            except OSError:
                pass
        return found

    def held(self):
        """How many requests are held: the sockets that are watched for a hang-up."""
        n = 0
        for pid in self.dispatchers():
            for path in glob.glob("/proc/%d/fdinfo/*" % pid):
                try:
                    with open(path, encoding="ascii") as f:
                        for line in f:
                            word = line.split()
                            if line.startswith("tfd:") and \
                                    int(word[3], 16) & 0x2000:
                                n += 1
                except OSError:
                    pass
        return n

    def write(self, sql, *values):
        """Into the store, as its writers do, and nobody is told."""
        path = self.directory + "/data/state.db"
        with open(path + ".lock", "rb+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            db = sqlite3.connect(path, isolation_level=None)
            db.execute("PRAGMA wal_autocheckpoint = 0")
            db.execute("BEGIN")
            for values_of_one in values:
                db.execute(sql, values_of_one)
            db.execute("COMMIT")
            db.close()


class Poll:
    """A request for a job in a thread, known to be held unless wait is None."""

    def __init__(self, at, agent, *queues, wait=30, held=True, cookie=None,
                 prefer=None):
        path = "/v1/job?" + "&".join("queue=" + q for q in queues)
        lines = ["Host: localhost"]
        if cookie:
            lines.append("Cookie: agent_name=" + agent)
        else:
            path += "&agent=" + agent
        if wait is not None:
            path += "&wait=%s" % wait
        if prefer is not None:
            lines.append("Prefer: " + prefer)
        before = at.held()
        self.begun = time.monotonic()
        self.socket = socket.create_connection(("127.0.0.1", at.port))
        self.socket.settimeout(70)
        self.socket.sendall(
            ("GET %s HTTP/1.1\r\n%s\r\n\r\n" % (path, "\r\n".join(lines)))
            .encode())
        self.status = self.took = self.came = None
        self.headers = self.body = None
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        if held:
            assert until(20, lambda: at.held() > before), "it is not held"

    def read(self):
        try:
            a = http.client.HTTPResponse(self.socket, method="GET")
            a.begin()
            self.headers = a.headers
            self.body = a.read()
            self.came = time.monotonic()
            self.took = self.came - self.begun
            self.status = a.status
        except (OSError, http.client.HTTPException) as e:
            self.status = repr(e)

    def wait(self, seconds=20):
        """The answer's status; None if it has not come."""
        self.thread.join(seconds)
        return self.status

    def job(self):
        """The id of the job that has come."""
        return json.loads(self.body)["job_id"] if self.wait() == 200 else \
            self.status

    def leave(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def __repr__(self):
        return "%r after %r: %r" % (self.status, self.took, self.body and
                                    self.body[:200])


def answers_at_once(at):
    took = []
    for _ in range(9):
        queue = name("q")
        p = Poll(at, name("a"), name("other"), queue)
        begun = time.monotonic()
        job = at.submit(queue)
        if p.job() != job:
            break
        took.append(p.came - begun)
    check("a held request gets a job that comes",
          len(took) == 9 and p.headers["Content-Type"] == "application/json",
          p)
    # By the look each second alone it would be half a second.
    check("within moments", took and statistics.median(took) < 0.25, took)
    check("and the job is running", at.state(job) == "running")


def waiting_job(at, queue, **more):
    """One that may be taken once it is marked ready."""
    return at.submit(queue, **dict(
        more, test_data={"attachments": [{"agent": "x"}]}))


READY = "UPDATE job SET ready = 1, priority = ? WHERE id = ?"


def best_first(at):
    q1, q2 = name("q"), name("q")
    old, young = waiting_job(at, q2), waiting_job(at, q1)
    p = Poll(at, name("a"), q1, q2)
    at.write(READY, (0, young), (0, old))
    check("of two jobs the older one goes first", p.job() == old, p)
    p = Poll(at, name("a"), q1, q2, wait=0, held=False)
    check("and the younger one next", p.job() == young, p)
    old, young = waiting_job(at, q1), waiting_job(at, q1)
    p = Poll(at, name("a"), q1)
    at.write(READY, (0, old), (7, young))
    check("before both one of higher priority", p.job() == young, p)
    p = Poll(at, name("a"), q1, wait=0, held=False)
    check("which leaves the other", p.job() == old, p)


def longest_first(at):
    queue = name("q")
    polls = [Poll(at, name("a"), queue) for _ in range(4)]
    jobs = []
    for p in polls:
        jobs.append(at.submit(queue))
        p.wait()
    check("who has waited longest gets the next job",
          [p.job() for p in polls] == jobs, (polls, jobs))


def excluded(at):
    queue, bad = name("q"), name("a")
    at.request("POST", "/v1/agents/data/" + name("a"), {"queues": [queue]})
    first = Poll(at, bad, queue)
    second = Poll(at, name("a"), queue)
    job = at.submit(queue, exclude_agents=[bad])
    check("an excluded agent is passed over", second.job() == job, second)
    check("and goes on waiting", first.status is None, first)
    job = at.submit(queue)
    check("for one that it may have", first.job() == job, first)
    queue = name("q")
    at.request("POST", "/v1/agents/data/" + name("a"), {"queues": [queue]})
    names = [name("a") for _ in range(80)]
    polls = [Poll(at, n, queue) for n in names]
    job = at.submit(queue, exclude_agents=names[:-1])
    check("however many are before it", polls[-1].job() == job, polls[-1])
    check("who all go on waiting",
          all(p.status is None for p in polls[:-1]), polls[0])
    for p in polls[:-1]:
        p.leave()
    until(20, lambda: at.held() == 0)


def one_for_each_agent(at):
    queue, agent = name("q"), name("a")
    older = Poll(at, agent, queue)
    newer = Poll(at, agent, queue, held=False)
    check("a newer poll of an agent ends the older with 204",
          older.wait() == 204 and older.took < 10 and older.body == b"",
          older)
    assert until(20, lambda: at.held() == 1)
    job = at.submit(queue)
    check("and gets the job", newer.job() == job, newer)


def client_gone(at):
    queue = name("q")
    p = Poll(at, name("a"), queue)
    q = Poll(at, name("a"), queue)
    p.leave()
    check("a client that goes is forgotten at once",
          until(5, lambda: at.held() == 1), at.held())
    job = at.submit(queue)
    check("and takes no job from who is still there", q.job() == job, q)
    p = Poll(at, name("a"), queue)
    p.leave()
    until(5, lambda: at.held() == 0)
    job = at.submit(queue)
    check("nor from who is yet to come", at.state(job) == "waiting")
    p = Poll(at, name("a"), queue, wait=0, held=False)
    check("who gets it", p.job() == job, p)


def agent_off(at):
    for state in ("offline", "maintenance", "restart"):
        queue, agent = name("q"), name("a")
        at.set_state(agent, "waiting")
        p = Poll(at, agent, queue)
        at.set_state(agent, state)
        check("an agent that is set to %s is answered with 204 at once" % state,
              p.wait(5) == 204, p)
        p = Poll(at, agent, queue, held=False)
        check("and then not held", p.wait(5) == 204, p)
        at.set_state(agent, "waiting")
        p = Poll(at, agent, queue)
        job = at.submit(queue)
        check("until it is set to waiting", p.job() == job, p)
    queue, agent = name("q"), name("a")
    at.set_state(agent, "waiting")
    p = Poll(at, agent, queue)
    at.write("UPDATE agent SET state = 'offline' WHERE name = ?", (agent,))
    job = at.submit(queue)
    check("one that is set so unheard gets no job all the same",
          p.wait() == 204 and at.state(job) == "waiting", p)


def not_silent(at, silent_s):
    queue, agent = name("q"), name("a")
    a = at.request("POST", "/v1/agents/data/" + agent, {"queues": [queue]})
    assert a.status == 200, a.text
    job = waiting_job(at, queue)
    p = Poll(at, agent, queue)

    def explained():
        a = at.request("GET", "/v1/job/%s/explain" % job)
        return json.loads(a.text)["agents"][0]
    begun = explained()

    def heard():
        return calendar.timegm(time.strptime(explained()["seen_at"],
                                             "%Y-%m-%dT%H:%M:%SZ"))
    first = heard()
    check("who waits is heard of as long as it waits",
          until(silent_s + 20, lambda: heard() > first + silent_s),
          (begun, explained()))
    now = explained()
    check("and not silent, though it asked longer ago than that",
          not now["silent"] and p.status is None, (now, p))
    p.leave()
    check("until it has gone for so long",
          until(silent_s + 20, lambda: explained()["silent"]), explained())


def lost_word(at):
    queue = name("q")
    job = waiting_job(at, queue)
    p = Poll(at, name("a"), queue)
    begun = time.monotonic()
    at.write(READY, (0, job))
    check("a change that nobody told of is found within a second or so",
          p.job() == job and p.came - begun < 3, p)


def ends_by_itself(at, small):
    queue = name("q")
    p = Poll(at, name("a"), queue, wait=1)
    check("a hold ends with 204 when its time is over",
          p.wait() == 204 and 0.9 < p.took < 5 and p.body == b"", p)
    check("and tells how long it was to be",
          p.headers["Preference-Applied"] == "wait=1", p.headers.items())
    p = Poll(at, name("a"), queue, wait=None, prefer="foo, wait=1")
    check("Prefer: wait asks for it too", p.wait() == 204 and p.took > 0.9 and
          p.headers["Preference-Applied"] == "wait=1", p)
    p = Poll(at, name("a"), queue, wait=None, prefer="wait=30")
    at.submit(queue)
    check("and is told with a job", p.wait() == 200 and
          p.headers["Preference-Applied"] == "wait=30", p)
    at.submit(queue)
    p = Poll(at, name("a"), queue, wait=None, prefer="wait=30", held=False)
    check("also with one that was there", p.wait() == 200 and
          p.headers["Preference-Applied"] == "wait=30", p)
    for prefer in ("wait=x", "wait=-1", "wait", "respond-async"):
        p = Poll(at, name("a"), queue, wait=None, prefer=prefer, held=False)
        check("Prefer: %s is no notice taken of" % prefer,
              p.wait(5) == 204 and p.headers["Preference-Applied"] is None, p)
    for wait in ("", "x", "-1", "1.5", "1s"):
        p = Poll(at, name("a"), queue, wait=wait, held=False)
        check("?wait=%s is refused by name" % wait, p.wait(5) == 422 and
              json.loads(p.body) == {
                  "detail": {"query": {
                      "wait": ["Not a whole number of seconds."]}},
                  "message": "Validation error"}, p)
    p = Poll(at, name("a"), queue, wait=0, prefer="wait=9", held=False)
    check("?wait=0 is answered at once, whatever is preferred",
          p.wait(5) == 204 and p.headers["Preference-Applied"] == "wait=0", p)
    p = Poll(at, name("a"), queue, wait=None, held=False)
    check("and so is a poll by agent=NAME that asks for nothing",
          p.wait(5) == 204 and p.headers["Preference-Applied"] is None, p)
    p = Poll(small, name("a"), queue, wait=None, cookie=True)
    check("one by cookie waits DISPATCH_WAIT seconds",
          p.wait() == 204 and 0.9 < p.took < 5 and
          p.headers["Preference-Applied"] is None, p)
    p = Poll(small, name("a"), queue, wait=99999999999999999999)
    check("and none longer than DISPATCH_WAIT_MAX",
          p.wait() == 204 and 1.9 < p.took < 8 and
          p.headers["Preference-Applied"] == "wait=2", p)


def bounded(small):
    queue = name("q")
    polls = [Poll(small, name("a"), queue, wait=2) for _ in range(2)]
    p = Poll(small, name("a"), queue, wait=2, held=False)
    check("no more than DISPATCH_HOLDS_MAX are held", p.wait() == 204 and
          p.took < polls[1].took if polls[1].wait() else False, p)
    check("and who is not is not told otherwise",
          p.headers["Preference-Applied"] is None, p.headers.items())
    assert until(20, lambda: small.held() == 0)
    p = Poll(small, name("a"), queue, wait=2)
    check("others are once there is room", p.wait() == 204, p)


def same_bytes(at):
    queue = name("q")
    p = Poll(at, name("a"), queue)
    text = "0123456789" * 90000
    at.submit(queue, n=1.10, text=text)
    check("a long job comes whole", p.wait() == 200 and
          json.loads(p.body)["text"] == text, p)


def with_body(at):
    queue, agent = name("q"), name("a")
    a = at.request("GET", "/v1/job?queue=%s&agent=%s&wait=9" % (queue, agent),
                   {"some": "body"})
    check("a poll with a body is answered at once", a.status == 204, a.status)


def burst(at):
    """Many jobs and many who wait, each queue with several."""
    queues = [name("q") for _ in range(40)]
    polls = []
    for i in range(200):
        polls.append(Poll(at, name("a"), name("q"), queues[i % 40],
                          held=False))
    assert until(20, lambda: at.held() == 200), at.held()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(at.submit, [queues[i % 40] for i in range(200)]))
    begun = time.monotonic()
    got = [p.job() for p in polls]
    check("of many jobs at once each goes to one who waits",
          sorted(map(str, got)) == sorted(jobs), (got, jobs))
    check("in a short time", time.monotonic() - begun < 10)


def pss(pid):
    with open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as f:
        for line in f:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def cheap(at):
    pid = at.dispatchers()[0]
    before = pss(pid)
    threads = len(os.listdir("/proc/%d/task" % pid))
    polls = [Poll(at, name("a"), name("q"), "pool", held=False)
             for _ in range(500)]
    assert until(20, lambda: at.held() == 500), at.held()
    each = (pss(pid) - before) / 500
    with open("/proc/%d/exe" % pid, "rb") as f:
        # Which keeps what was freed.
        sanitized = b"__asan_init" in f.read()
    check("a held request costs less than 16 KiB",
          sanitized or each < 16384, each)
    check("and no thread",
          len(os.listdir("/proc/%d/task" % pid)) == threads)

    def written():
        with open("/proc/%d/io" % pid, encoding="ascii") as f:
            n = [line for line in f if line.startswith("write_bytes")]
        st = os.stat(at.directory + "/data/state.db-wal")
        return n, st.st_size, st.st_mtime_ns
    before = written()
    time.sleep(2.5)
    check("500 that wait write nothing", written() == before,
          (before, written()))
    for p in polls:
        p.leave()
    check("and all are forgotten when they go",
          until(20, lambda: at.held() == 0), at.held())


def drained(at, top):
    queue = name("q")
    polls = [Poll(at, name("a"), queue) for _ in range(20)]
    refused = []
    stop = threading.Event()

    def go_on():
        while not stop.is_set():
            a = at.request("GET", "/v1/job?queue=%s&agent=%s&wait=1" %
                           (name("q"), name("a")))
            if a.status != 204:
                refused.append(a.status)
    others = [threading.Thread(target=go_on) for _ in range(4)]
    for t in others:
        t.start()
    begun = time.monotonic()
    ended = subprocess.run([top + "/spawn/restart", "--dir", at.directory],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           check=False)
    took = time.monotonic() - begun
    stop.set()
    for t in others:
        t.join()
    check("a restart ends what is held with 204",
          [p.wait() for p in polls] == [204] * 20 and
          max(p.took for p in polls) < 29, polls)
    check("and refuses no poll", ended.returncode == 0 and not refused,
          (ended, refused))
    check("without waiting for those who wait", took < 25, took)
    check("nothing is left of the old process in DATA_PATH/wake",
          until(5, lambda: len(os.listdir(at.directory + "/data/wake")) == 1),
          os.listdir(at.directory + "/data/wake"))
    p = Poll(at, name("a"), queue)
    job = at.submit(queue)
    check("the new one holds requests too", p.job() == job, p)


def main():
    at, small = Instance(sys.argv[1]), Instance(sys.argv[2])
    answers_at_once(at)
    best_first(at)
    longest_first(at)
    excluded(at)
    one_for_each_agent(at)
    client_gone(at)
    agent_off(at)
    not_silent(at, int(sys.argv[4]))
    lost_word(at)
    ends_by_itself(at, small)
    bounded(small)
    same_bytes(at)
    with_body(at)
    burst(at)
    cheap(at)
    drained(at, sys.argv[3])
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
