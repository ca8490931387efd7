"""
Every answer that the description of the API lists, got from servers that run.  Called by
test_openapi.sh.

Prints a line with the addresses of a provider for sign-in by OIDC, of a webhook, and one of
nobody.  Reads "NAME URL DIRECTORY" of each instance, and the values of "key", "boss" and
"corpus", up to an empty line.
Prints "ok" or "not ok" for each promise.
"""

import base64
import fcntl
import glob
import gzip
import http.client
import http.server
import json
import os
import socket
import sqlite3
import sys
import threading
import time
import urllib.parse
import uuid

from openapi import Answer, Document, Server, token
from provider import Provider

# Answers that are not got, and why not.  "*": of every operation.
NOT_GOT = {
    ("*", "408"): "a body would have to stay away for a minute",
    ("*", "504"): "a responder would have to be silent for a minute",
    ("describe", "503"): "nginx would have to be out of files",
    ("describe", "404"): "the file would have to be missing",
    ("downloadArtifact", "503"): "the store would have to fail",
    ("downloadAttachments", "503"): "the store would have to fail",
    ("pollDevice", "401"): "the client would have to go between two statements",
}
# Messages of answers that are not got in those words.
NOT_MET = {
    "out of memory": "memory would have to be short",
    "Request Timeout": "see 408",
    "Gateway Timeout": "see 504",
    "The body is shorter than its Content-Length":
        "whom it tells has gone; the units know it",
}


# Where a provider says of itself what there is.
DISCOVERY = "/.well-known/openid-configuration"
# An "answer" of the provider.
HANG_UP = "hang"


class Hook(http.server.BaseHTTPRequestHandler):
    """A webhook that answers with the status in the path, or not at all."""

    protocol_version = "HTTP/1.1"
    stop = threading.Event()

    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path[1:]
        if name == "hang":
            self.stop.wait(30)
            self.close_connection = True
            return
        self.send_response(int(name))
        if name != "204":
            self.send_header("Content-Length", "2")
        self.end_headers()
        if name != "204":
            self.wfile.write(b"OK")

    def log_message(self, *_args):
        pass


def form(name, data, *fields, filename="f"):
    """multipart/form-data with a file, after these fields: body and media type."""
    parts = ["--B\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n"
             % pair for pair in fields]
    head = ("--B\r\nContent-Disposition: form-data; name=\"%s\"; "
            "filename=\"%s\"\r\n\r\n" % (name, filename))
    return ("".join(parts) + head).encode() + data + b"\r\n--B--\r\n", \
        "multipart/form-data; boundary=B"


def changed(value):
    """A body with one thing in it changed, in every way."""
    if isinstance(value, dict):
        yield dict(value, no_such_field=1)
        for key, inner in value.items():
            yield {k: v for k, v in value.items() if k != key}
            for other in changed(inner):
                yield dict(value, **{key: other})
    elif isinstance(value, list):
        yield value + value[:1]
        for i, inner in enumerate(value):
            for other in changed(inner):
                yield value[:i] + [other] + value[i + 1:]
    for other in (None, True, -1, 1.5, 10 ** 19, "", "x", "7", "a b", [], {}):
        if other != value:
            yield other


def basic(client, secret):
    text = base64.b64encode(("%s:%s" % (client, secret)).encode()).decode()
    return [("Authorization", "Basic " + text)]


def name():
    """Of a queue, an agent or a client that is nobody's yet."""
    return "w-" + uuid.uuid4().hex[:12]


class Walk:
    def __init__(self, provider):
        self.provider = provider
        self.servers = {}
        self.dirs = {}
        self.told = {}
        self.slow = None
        self.accepted = {}
        self.doc = None
        self.got = set()
        self.failures = 0
        self.calls = 0

    def read(self):
        """What test_openapi.sh tells."""
        for line in iter(sys.stdin.readline, ""):
            words = line.split()
            if not words:
                break
            if len(words) == 3:
                self.servers[words[0]] = Server(words[1])
                self.told[words[0]] = words[1]
                self.dirs[words[0]] = words[2]
            else:
                self.told[words[0]] = words[1]

    def fail(self, text, *more):
        self.failures += 1
        print("not ok: " + text)
        for line in more:
            print("    " + str(line)[:1000])

    def ok(self, promise, good, *more):
        if good:
            print("ok: " + promise)
        else:
            self.fail(promise, *more)

    def bearer(self, who, **permissions):
        """The header of a role, or of a client with permissions."""
        role = permissions.pop("role", who)
        text = token(self.told["key"], client_id=who, role=role,
                     **permissions)
        return [("Authorization", "Bearer " + text)]

    def headers(self, op, who, kind):
        headers = []
        if who == "":
            who = op.roles[0] if op.roles else None
        if isinstance(who, list):
            headers += who
        elif who is not None:
            headers += self.bearer(who)
        return headers + ([("Content-Type", kind)] if kind else [])

    def judge(self, op, answer, want, at=""):
        """Note an answer, and whatever is wrong with it."""
        self.calls += 1
        self.got.add((op.id, str(answer.status)))
        why = self.doc.faults(op, answer)
        if want is not None and answer.status != want:
            why.append("wanted %d" % want)
        if why:
            self.fail("%s %s %s" % (op.id, want, at), repr(answer), *why)

    def call(self, op_id, want, who="", at="main", body=None, kind=None,
             query="", headers=(), method=None, **holes):
        """One request.  who: a role, the headers of somebody, None for nobody, or the
        first of the operation's roles."""
        op = self.doc.operations[op_id]
        value = body
        if body is not None and not isinstance(body, bytes):
            kind = kind or "application/json"
            body = json.dumps(body).encode()
        answer = self.servers[at].send(
            method or op.method, op.target(**holes) + query,
            self.headers(op, who, kind) + list(headers), body,
            keep="multipart/form-data" not in op.body)
        self.judge(op, answer, want, query)
        if kind == "application/json" and value is not body:
            self.judge_body(op, answer, value, at)
            if answer.status < 300:
                kept = self.accepted.setdefault((op_id, at), (None, None, {}))
                if len(str(value)) > len(str(kept[1])):
                    self.accepted[op_id, at] = (who, value, holes)
        return answer

    def says(self, message, op_id, want, *args, **kwargs):
        """The same, and in these words."""
        answer = self.call(op_id, want, *args, **kwargs)
        got = answer.message()
        if got is None:
            got = answer.body.decode()
        if got != message:
            self.fail("%s %d says %s" % (op_id, want, message), repr(answer))
        return answer

    def fits(self, op, value, at):
        """Whether the file allows that body, here."""
        schema = op.body["application/json"]["schema"]
        if "anyOf" in schema:
            schema = schema["anyOf"][
                op.id == "submit" and at == "contributor"]
        return self.doc.schemas.faults(schema, value)

    def judge_body(self, op, answer, value, at):
        """What was accepted the file allows, what was refused for its fields it does
        not."""
        if "application/json" not in op.body:
            return
        why = self.fits(op, value, at)
        # What is looked for only then has been read.
        if (answer.status < 300 or answer.status in (404, 409)) and why:
            self.fail("%s accepts what the file forbids" % op.id, value, *why)
        if answer.message() == "Validation error" and not why:
            self.fail("%s refuses what the file allows" % op.id, value,
                      repr(answer))

    def sql(self, at, *statements):
        store = sqlite3.connect(self.dirs[at] + "/data/state.db", timeout=10)
        # Only the server checkpoints.
        store.execute("PRAGMA wal_autocheckpoint = 0")
        with store:
            for s in statements:
                store.execute(*s)
        store.close()

    # What the file says of every operation alike.

    def home_of(self, op):
        return "oidc" if op.path.startswith(("/oidc", "/auth")) else "main"

    def common(self):
        for op in self.doc.operations.values():
            at = self.home_of(op)
            json_body = "application/json" in op.body
            if op.id == "describe":
                answer = self.servers[at].send_head(
                    op.method, op.path, [("Host", "a b")])
                self.judge(op, answer, 400)
            else:
                self.call(op.id, 400, at=at, query="?x=%00")
            if op.roles:
                self.call(op.id, 401, [("Authorization", "Bearer ")])
                self.call(op.id, 403, [("Authorization", "Bearer x")])
            # Where a path may be of any length, it goes on behind the slash.
            for hole in op.holes if "/v1/secrets/" not in op.path else ():
                answer = self.servers[at].send(
                    op.method, op.target(**{hole: "HOLE"}).replace(
                        "HOLE", "a%2Fb"))
                self.judge(op, answer, 404, hole)
            self.other_methods(op, at)
            self.too_long(op, at)
            if json_body:
                self.call(op.id, 415, body=b"x", kind="text/plain", at=at)
                self.call(op.id, 400, body=b"{", kind="application/json",
                          at=at)
                self.call(op.id, 422, body=[], at=at)
                self.call(op.id, 422, body={"no such field": 1}
                          if op.id not in ("submit", "advertiseQueues",
                                           "advertiseImages")
                          else {"$x": 5}, at=at)
        print("ok: what every operation answers alike")

    def other_methods(self, op, at):
        here = {o.method for o in self.doc.paths[op.path]}
        wanted = here | {"OPTIONS"}
        if "GET" in here and not (op.path == "/v1/job"
                                  or op.path.startswith("/auth")):
            wanted.add("HEAD")
        if op.id == "describe":
            wanted.discard("OPTIONS")
        for method in {"GET", "PUT", "POST", "DELETE", "PATCH"} - here:
            answer = self.servers[at].send(method, op.target())
            self.judge(op, answer, 405, method)
            allow = set(answer.headers.get("Allow", "").split(", "))
            if allow != wanted:
                self.fail("405 of %s allows %s" % (op.path, wanted), allow)
        if "OPTIONS" in wanted:
            answer = self.servers[at].send("OPTIONS", op.target())
            allow = set(answer.headers.get("Allow", "").split(", "))
            if answer.status != 200 or allow != wanted:
                self.fail("OPTIONS of %s" % op.path, answer, allow)
        if op.method == "GET" and "HEAD" in wanted:
            get = self.call(op.id, None, at=at)
            self.call(op.id, get.status, at=at, method="HEAD")

    def too_long(self, op, at):
        head = self.servers[at].send_head
        self.judge(op, head(op.method, op.target() + "?" + "x" * 20000), 414)
        if "413" in op.responses and "multipart/form-data" not in op.body:
            self.judge(op, head(op.method, op.target(),
                                [("Content-Length", "9" * 15)]), 413)

    # Each group of operations.

    def status(self):
        for op_id in ("home", "index", "live", "ready"):
            self.call(op_id, 200)
        answer = self.call("ready", 503, at="bare")
        self.ok("a full disk is told", answer.json().get("disk") == "full",
                answer)
        answer = self.call("describe", 200)
        self.ok("it describes itself", answer.json() == self.doc.doc)
        self.parts("describe", answer.body)

    def parts(self, op_id, body, who="", **holes):
        """Ranges and conditions of a file."""
        answer = self.call(op_id, 206, who, headers=[("Range", "bytes=0-3")],
                           **holes)
        self.ok("%s sends a part" % op_id, answer.body == body[:4], answer)
        self.call(op_id, 206, who, headers=[("Range", "bytes=0-0,2-2")],
                  **holes)
        self.call(op_id, 416, who, headers=[("Range", "bytes=9999999-")],
                  **holes)
        self.call(op_id, 412, who, headers=[("If-Match", '"x"')], **holes)
        etag = self.call(op_id, 200, who, **holes).headers["ETag"]
        self.call(op_id, 304, who, headers=[("If-None-Match", etag)], **holes)

    def submit(self, want, who=None, at="main", **job):
        job.setdefault("job_queue", name())
        return self.call("submit", want, who, at=at, body=job)

    def submissions(self):
        queue, taken = name(), str(uuid.uuid4())
        self.submit(200)
        self.submit(200, job_id=taken)
        self.submit(409, job_id=taken)
        self.submit(400, job_id="zz")
        self.restrict(queue, "boss")
        for job in ({"job_priority": 1}, {"job_queue": queue},
                    {"reserve_data": {"timeout": 30000}}):
            self.submit(401, **job)
            self.submit(403, "contributor", **job)
        self.submit(422, exclude_agents=["a"])
        secrets = {"test_data": {"secrets": {"A": "b/c"}}}
        self.submit(422, **secrets)
        self.submit(422, "contributor", **secrets)
        self.says("No secrets store", "submit", 422, None, at="contributor",
                  body=dict(secrets, job_queue=queue))

    def corpus(self):
        """Jobs of all kinds: the file and the server are of one mind."""
        files = sorted(glob.glob(self.told["corpus"] + "/*"))
        for at in ("main", "contributor"):
            for path in files:
                with open(path, encoding="utf-8") as f:
                    job = json.load(f)
                if isinstance(job, dict) and job.get("job_id"):
                    job["job_id"] = str(uuid.uuid4())
                self.call("submit", None, None, at=at, body=job)
        self.ok("the file knows the jobs that are accepted", len(files) > 20)

    def jobs(self):
        queue = name()
        take = "?queue=%s" % queue
        self.call("take", 400)
        self.call("take", 401, query=take)
        self.call("take", 204, query=take + "&agent=a")
        self.call("take", 204, query=take + "&agent=a&wait=1")
        self.call("take", 422, query=take + "&agent=a&wait=x")
        self.call("queueJobs", 204, queue=queue)
        job = self.submit(200, job_queue=queue, tags=[queue]).json()["job_id"]
        self.call("readJob", 200, job_id=job)
        self.call("readJob", 204)
        self.call("readJob", 400, job_id="zz")
        self.call("queueJobs", 200, queue=queue)
        self.call("searchJobs", 200, query="?tags=%s&state=waiting" % queue)
        self.call("searchJobs", 422, query="?match=x&state=y")
        self.call("position", 200, job_id=job)
        self.call("position", 410)
        self.call("position", 400, job_id="zz")
        self.call("explain", 200, job_id=job)
        self.call("explain", 404)
        self.call("explain", 400, job_id="zz")
        self.call("journal", 200, query="?subject=%s&limit=1" % job)
        self.call("journal", 200, "admin", query="?after=1")
        self.call("journal", 422, query="?after=-1&limit=x")
        key = [("Idempotency-Key", queue)]
        one = {"job_queue": queue + "i"}
        self.call("submit", 200, body=one, headers=key)
        self.call("submit", 200, body=one, headers=key)
        self.call("submit", 422, body={"job_queue": queue}, headers=key)
        self.call("submit", 400, body=one, headers=[("Idempotency-Key", "a b")])
        answer = self.call("take", 200, query=take,
                           headers=[("Cookie", "agent_name=a")])
        self.ok("the job is handed out", answer.json()["job_id"] == job)
        answer = self.call("explain", 200, job_id=job)
        self.ok("who has it is told", answer.json()["agent"] == "a")
        self.call("waitTimes", 200, query="?queue=" + queue)
        cancel = {"action": "cancel"}
        agent = {"queues": [queue + "w"], "state": "test", "job_id": job}
        self.call("updateAgent", 200, agent_name="a", body=agent)
        self.call("cancel", 200, body=cancel, job_id=job)
        waits = self.submit(200, job_queue=queue + "w").json()["job_id"]
        answer = self.call("explain", 200, job_id=waits)
        self.ok("who says that it is at a cancelled job is busy",
                answer.json()["agents"][0].get("busy_ended") is True)
        self.call("cancel", 400, body=cancel, job_id=job)
        self.call("cancel", 400, body=cancel, job_id="zz")
        self.call("cancel", 422, body={"action": "x"}, job_id=job)

    def claims(self):
        queue, agent = name(), name()
        me = {"agent": agent}
        job = self.submit(200, job_queue=queue).json()["job_id"]
        answer = self.call("claim", 200, body=me, job_id=job)
        self.ok("a claim is told the job", answer.json()["job_id"] == job)
        self.call("claim", 200, body=me, job_id=job)
        self.says("Another agent has the job", "claim", 409, body={"agent": "b"},
                  job_id=job)
        self.call("cancel", 200, body={"action": "cancel"}, job_id=job)
        self.says("The job has ended", "claim", 409, body=me, job_id=job)
        self.call("claim", 400, body=me, job_id="zz")
        self.says("Job not found", "claim", 404, body=me)
        self.call("claim", 422, body={"agent": "a\nb"}, job_id=job)
        job = self.submit(200, job_queue=queue, test_data={
            "attachments": [{"agent": "x"}]}).json()["job_id"]
        self.call("claim", 409, body=me, job_id=job)
        self.call("updateAgent", 200, agent_name=name(),
                  body={"queues": [queue]})
        job = self.submit(200, job_queue=queue,
                          exclude_agents=[agent]).json()["job_id"]
        self.says("The job excludes this agent", "claim", 403, body=me,
                  job_id=job)
        self.call("restrictQueue", 200, queue=queue,
                  body={"client_id": "boss"})
        self.call("claim", 401, None, body={"agent": "b"}, job_id=job)
        answer = self.call("claim", 200, body={"agent": "b"}, job_id=job)

    def with_secrets(self):
        queue = name()
        self.account("ann", role="contributor")
        ann = self.bearer("ann", role="contributor")
        put = {"client_id": "ann", "path": "lab/token"}
        self.call("putSecret", 200, ann, body={"value": "s"}, **put)
        answer = self.call("submit", 200, ann, body={
            "job_queue": queue, "test_data": {"secrets": {"A": "lab/token"}}})
        answer = self.call("take", 200, query="?queue=%s&agent=a" % queue)
        self.ok("an agent is told the secret",
                answer.json()["test_data"]["secrets"] == {"A": "s"}, answer)
        for body in ({"value": ""}, {"value": "s", "expire_after": 0},
                     {"value": "s", "ephemeral": "maybe"}):
            self.call("putSecret", 422, ann, body=body, **put)
        for body in ({"value": "s", "expire_after": None},
                     {"value": "s", "expire_after": "60"},
                     {"value": "s", "ephemeral": 1}):
            self.call("putSecret", 200, ann, body=body, **put)
        bad = {"client_id": "ann", "path": "a.b"}
        for op_id, body in (("putSecret", {"value": "s"}),
                            ("deleteSecret", None)):
            self.call(op_id, 422, ann, body=body, **bad)
            self.call(op_id, 403, body=body, **put)
            self.call(op_id, 401, None, body=body, **put)
            self.says("No secrets store", op_id, 400, at="none", body=body,
                      **put)
        self.call("deleteSecret", 200, ann, **put)

    def attachments(self):
        queue = name()
        job = self.submit(200, job_queue=queue, test_data={
            "attachments": [{"agent": "a"}]}).json()["job_id"]
        data = gzip.compress(b"attachments")
        body, kind = form("file", data)

        def upload(want, body=body, kind=kind, job=job):
            return self.call("uploadAttachments", want, body=body, kind=kind,
                             job_id=job)

        self.call("downloadAttachments", 204, job_id=job)
        self.call("downloadAttachments", 400, job_id="zz")
        upload(400, job="zz")
        upload(400, b"x", "text/plain")
        upload(400, *form("other", data))
        upload(413, *form("file", b"x" * 70000))
        upload(413, *form("file", data, ("a", "x" * 600000)))
        upload(422, job=str(uuid.uuid4()))
        upload(422, job=self.submit(200).json()["job_id"])
        upload(200)
        upload(200)
        answer = self.call("downloadAttachments", 200, job_id=job)
        self.ok("the attachments come back", answer.body == data)
        self.parts("downloadAttachments", data, job_id=job)
        self.call("take", 200, query="?queue=%s&agent=b" % queue)

    def artifacts(self):
        job = str(uuid.uuid4())
        data = gzip.compress(b"artifact")
        body, kind = form("file", data)
        self.call("downloadArtifact", 204, job_id=job)
        self.call("downloadArtifact", 400, job_id="zz")
        self.call("uploadArtifact", 400, body=body, kind=kind, job_id="zz")
        self.call("uploadArtifact", 400, body=b"x", kind="text/plain")
        for body in (form("file", b"x" * 70000),
                     form("file", data, ("a", "x" * 600000))):
            self.call("uploadArtifact", 413, body=body[0], kind=kind)
        self.call("uploadArtifact", 200, body=form("file", data)[0], kind=kind,
                  job_id=job)
        answer = self.call("downloadArtifact", 200, job_id=job)
        self.ok("the artifact comes back", answer.body == data)
        self.parts("downloadArtifact", data, job_id=job)

    def results(self):
        seed, job = str(uuid.uuid4()), None
        self.call("readResult", 204)
        self.call("readResult", 400, job_id="zz")
        self.call("report", 400, body={}, job_id="zz")
        # One so big that nginx sends it.
        text = b'{"n": 1.10, "output": "%s"}' % (b"x" * 300000)
        self.call("report", 200, None, body=text, kind="application/json",
                  job_id=seed)
        answer = self.call("readResult", 200, job_id=seed)
        self.ok("a seed result comes back", answer.body == text)
        self.parts("readResult", answer.body, job_id=seed)
        late = str(uuid.uuid4())
        self.submit(200, job_id=late)
        self.call("cancel", 200, body={"action": "cancel"}, job_id=late)
        self.call("report", 200, None, body=text, kind="application/json",
                  job_id=late)
        answer = self.call("readResult", 200, job_id=late)
        self.ok("that of a cancelled job tells so", answer.body == text and
                answer.headers["Job-State"] == "cancelled", answer)
        self.parts("readResult", answer.body, job_id=late)
        job = self.submit(200, test_data={}).json()["job_id"]
        self.call("report", 200, job_id=job)
        self.call("report", 200, job_id=job, body={
            "job_state": "test", "status": {"setup": "0", "test": 1.5},
            "device_info": {"ip": "192.0.2.7"}})
        self.call("report", 422, body={"status": {"x": 1}}, job_id=job)
        fragment = {"fragment_number": 0, "phase": "setup",
                    "timestamp": "2026-11-25 08:00", "log_data": "x\n"}
        for log_type in ("output", "serial"):
            where = {"job_id": job, "log_type": log_type}
            self.call("addLog", 200, body=fragment, **where)
            self.call("addLog", 422, body=dict(fragment, phase="x"), **where)
            self.call("addLog", 422, body=dict(fragment, timestamp="now"),
                      **where)
            self.call("readLog", 200, query="?start_fragment=0", **where)
            self.call("readLog", 200, query="?phase=setup", **where)
            self.call("readLog", 400, query="?start_fragment=-1&x=1", **where)
        self.call("addLog", 400, body=fragment, job_id="zz")
        self.call("addLog", 404, body=fragment, log_type="other")
        self.call("readLog", 400, job_id="zz")
        self.call("readLog", 404, log_type="other")
        answer = self.call("readResult", 200, job_id=job)
        why = self.doc.schemas.faults(
            {"$ref": "#/components/schemas/Result"}, answer.json())
        self.ok("the view of a job is a Result", not why, answer, *why)

    def agents(self):
        agent, queue = name(), name()
        known = {"agent_name": agent}
        self.call("readAgent", 404, **known)
        self.call("addProvisionOutcome", 404, **known,
                  body={"job_id": "x", "exit_code": 0})
        self.call("updateAgent", 200, **known)
        self.call("updateAgent", 200, **known, body={
            "state": "waiting", "queues": [queue], "location": "here",
            "provision_type": "none", "identifier": "1", "comment": "",
            "job_id": "", "log": ["x"]})
        for key, status in (("once", 200), ("once", 200), ("a b", 400)):
            self.call("updateAgent", status, **known, body={"log": ["x"]},
                      headers=[("Idempotency-Key", key)])
        self.call("updateAgent", 422, **known, body={"queues": ["x" * 201]})
        self.call("addProvisionOutcome", 200, **known,
                  body={"job_id": "x", "exit_code": "-1", "detail": "d"})
        self.call("addProvisionOutcome", 422, **known, body={"job_id": "x"})
        self.restrict(queue, "boss", agent)
        self.call("readAgent", 200, **known)
        self.call("listAgents", 200)
        self.call("queueAgents", 200, queue=queue)
        self.call("queueAgents", 404)
        for op_id, good, bad in (
                ("advertiseQueues", "text", 5),
                ("advertiseImages", {"image": "url: x"}, {"a.b": "x"})):
            self.call(op_id, 200, body={queue: good})
            self.call(op_id, 422, body={queue: bad})
            self.call(op_id, 422, body={"": good})
        self.call("listAdvertisedQueues", 200)
        self.call("readImages", 200, queue=queue)

    def restrict(self, queue, client, agent=None):
        self.call("updateAgent", 200, agent_name=agent or name(),
                  body={"queues": [queue]})
        self.call("restrictQueue", 200, queue=queue,
                  body={"client_id": client})

    def restricted(self):
        queue = name()
        boss, nobody = {"client_id": "boss"}, {"client_id": ""}
        self.call("restrictQueue", 400, body=nobody)
        self.call("restrictQueue", 404, body=boss)
        self.call("restrictQueue", 404, body={"client_id": name()})
        self.call("restrictQueue", 422, body={})
        self.restrict(queue, "boss")
        self.call("listRestrictedQueues", 200)
        self.call("readRestrictedQueue", 200, queue=queue)
        self.call("readRestrictedQueue", 404)
        self.call("unrestrictQueue", 400, body=nobody, queue=queue)
        self.call("unrestrictQueue", 200, body=boss, queue=queue)
        self.call("unrestrictQueue", 404, body=boss, queue=queue)

    def account(self, client, **change):
        change["client_secret"] = "secret of " + client.ljust(20)
        return self.call("putClient", 200, client_id=client, body=change)

    def log_in(self, client="boss", secret=None):
        secret = secret or self.told["boss"]
        return self.call("logIn", 200, basic(client, secret)).json()

    def tokens(self):
        for op_id, body in (("logIn", None), ("refresh", {
                "refresh_token": "x"})):
            self.call(op_id, 501, at="bare", body=body)
        self.call("logIn", 401, None)
        self.call("logIn", 401, [("Authorization", "Bearer x")])
        for want in (401, 401, 401, 429):
            self.call("logIn", want, basic("mallory", "x" * 20))
        old = self.log_in()["refresh_token"]
        self.call("refresh", 200, body={"refresh_token": old})
        self.call("refresh", 400, body={"refresh_token": "unknown"})
        self.call("refresh", 422, body={"refresh_token": ""})
        self.call("revoke", 200, body={"refresh_token": old})
        self.call("revoke", 400, body={"refresh_token": old})
        self.call("revoke", 400, body={"refresh_token": "unknown"})
        self.says("Refresh token revoked.", "refresh", 400,
                  body={"refresh_token": old})
        self.account("eve")
        old = self.log_in("eve", "secret of " + "eve".ljust(20))
        self.sql("main", ("UPDATE refresh_token SET expires_at = ? "
                          "WHERE client = 'eve'",
                          ((int(time.time()) - 60) * 1000,)))
        self.says("Refresh token expired", "refresh", 400,
                  body={"refresh_token": old["refresh_token"]})

    def clients(self):
        client = name()
        self.call("listClients", 200)
        self.call("readClient", 404)
        self.call("putClient", 400, body={})
        self.call("putClient", 400)
        self.account(client, role="admin", email="a@example.com",
                     max_priority={"*": "5"}, max_reservation_time={"q": 1})
        self.call("putClient", 200, client_id=client, body={})
        self.call("readClient", 200, client_id=client)
        for role in ({}, {"role": "admin"}):
            self.call("putClient", 403, "manager", body=role,
                      client_id=client if not role else "eve")
        for body in ({"client_secret": "short"}, {"role": "root"},
                     {"email": "x"}, {"max_priority": {"q": "x"}}):
            self.call("putClient", 422, body=body, client_id=client)
        self.call("putClient", 422, body={}, client_id="testflinger-admin")
        self.sql("main", ("INSERT INTO client (id, role, sub, created_at) "
                          "VALUES ('o@example.com', 'contributor', 's', 0)",))
        self.call("putClient", 422, body={"email": "a@example.com"},
                  client_id="o@example.com")
        self.call("deleteClient", 200, client_id=client)
        self.call("deleteClient", 404, client_id=client)
        self.call("deleteClient", 422, client_id="testflinger-admin")

    def events(self, hook, closed):
        job = self.submit(200).json()["job_id"]

        def send(want, path, at="main", hook=hook, job=job):
            body = {"job_status_webhook": hook + path, "agent_id": "a",
                    "events": [{"event_name": "e", "timestamp": "t",
                                "detail": "d"}]}
            return self.call("sendEvents", want, at=at, body=body, job_id=job)

        for status in (200, 204, 302, 404, 418, 422, 502, 503):
            send(status, "/%d" % status)
        send(500, "/401")
        # It takes three seconds, on a connection of its own.
        self.servers["meanwhile"] = Server(self.told["main"])
        self.slow = threading.Thread(target=send,
                                     args=(504, "/hang", "meanwhile"))
        self.slow.start()
        send(400, "/200", job="zz")
        send(404, "/200", job=str(uuid.uuid4()))
        send(403, "/200", hook="http://other.example")
        send(422, "/200", hook="http://single")
        for at, status, where in (("none", 501, hook),
                                  ("contributor", 502, closed)):
            other = self.submit(200, "contributor", at=at).json()["job_id"]
            send(status, "/", at=at, hook=where, job=other)

    def off(self):
        """Without OIDC there is no sign-in by it."""
        for op in self.doc.operations.values():
            if self.home_of(op) == "oidc":
                self.call(op.id, 404, at="main")

    def no_provider(self):
        """Before the provider has said where its pages are; nothing of that is kept."""
        answers = self.provider.answers
        for told in (HANG_UP, (200, [])):
            answers[DISCOVERY] = told
            self.call("beginDevice", 502, at="oidc")
            self.call("beginLogin", 502, at="oidc")
        del answers[DISCOVERY]

    def device(self):
        p = self.provider

        def begin(want, at="oidc"):
            return self.call("beginDevice", want, at=at)

        def poll(want, request_id, at="oidc"):
            return self.call("pollDevice", want, at=at, request_id=request_id)

        begun = begin(200).json()["request_id"]
        for told in (HANG_UP, (400, {"error": "x"}), (200, {"user_code": "x"})):
            p.answers["/device"] = told
            begin(502)
        del p.answers["/device"]
        poll(400, begun)
        poll(400, "x" * 43)
        for status, told in ((400, (400, {"error": "slow_down"})),
                             (502, (200, b"x", "text/plain")), (502, HANG_UP)):
            p.answers["/token"] = told
            poll(status, begun)
        del p.answers["/token"]
        p.approve()
        poll(200, begun)
        p.email_in_token = False
        for told in ((401, {}), (200, {"sub": "person-1"})):
            p.answers["/userinfo"] = told
            begun = begin(200).json()["request_id"]
            p.approve()
            poll(502, begun)
        del p.answers["/userinfo"]
        p.email_in_token = True
        self.sql("oidc", ("INSERT INTO client (id, role, created_at) VALUES "
                          "('taken@example.com', 'agent', 0)",))
        begun = begin(200).json()["request_id"]
        p.approve({"sub": "person-2", "email": "taken@example.com"})
        poll(409, begun)
        begin(500, "poor")
        self.sql("poor", ("INSERT INTO device_code VALUES "
                          "('begun', 'x', 9999999999999)",))
        poll(500, "begun", "poor")

    def browser(self):
        p = self.provider

        def sign_in(want, *headers):
            begun = self.call("beginLogin", 302, at="oidc")
            cookie = begun.headers["Set-Cookie"].split(";")[0]
            at = urllib.parse.urlsplit(begun.headers["Location"])
            c = http.client.HTTPConnection(at.netloc, timeout=30)
            c.request("GET", at.path + "?" + at.query)
            back = urllib.parse.urlsplit(c.getresponse().headers["Location"])
            c.close()
            return self.call("endLogin", want, at="oidc",
                             query="?" + back.query,
                             headers=[("Cookie", cookie), *headers])

        bad_host = ("Host", "a!b")
        self.call("beginLogin", 400, at="oidc", headers=[bad_host])
        sign_in(400, bad_host)
        answer = sign_in(302)
        cookie = answer.headers["Set-Cookie"].split(";")[0]
        self.ok("a browser signs in", len(cookie) > 40, answer)
        p.user = {"sub": "person-2", "email": "taken@example.com"}
        sign_in(409)
        self.call("endLogin", 302, at="oidc")
        self.call("logOut", 302, at="oidc")

    def mutants(self):
        """Bodies next to those that were accepted: the file and the server agree on each."""
        n = 0
        for (op_id, at), (who, value, holes) in list(self.accepted.items()):
            for body in changed(value):
                self.call(op_id, None, who, at=at, body=body, **holes)
                n += 1
        self.ok("of %d bodies the file knows which are accepted" % n, n > 500)

    # What a server that is not well answers; "bare" is given up here.

    def busy(self):
        """The store's lock is held by another."""
        job = self.submit(200, at="bare", test_data={
            "attachments": []}).json()["job_id"]
        body, kind = form("file", b"x")
        with open(self.dirs["bare"] + "/data/state.db.lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.submit(503, at="bare")
            self.call("uploadAttachments", 503, None, at="bare", body=body,
                      kind=kind, job_id=job)

    def no_room(self):
        """No place for bodies: what nginx cannot keep it refuses; nor for files."""
        os.rename(self.dirs["bare"] + "/tmp/body",
                  self.dirs["bare"] + "/tmp/gone")
        for op in self.doc.operations.values():
            if (op.id, "503") in NOT_GOT or "multipart/form-data" in op.body:
                continue
            self.call(op.id, 503, None, at="bare", body=b"x" * 300000,
                      kind="application/json")
        tmp = self.dirs["bare"] + "/data/tmp/"
        for one in os.listdir(tmp):
            os.rename(tmp + one, tmp + one + ".gone")
            with open(tmp + one, "wb"):
                pass
        body, kind = form("file", b"x")
        self.call("uploadArtifact", 503, None, at="bare", body=body, kind=kind)

    def nobody_there(self):
        """No responder listens."""
        for path in glob.glob(self.dirs["bare"] + "/sockets/*.sock"):
            os.rename(path, path + ".gone")
        for op in self.doc.operations.values():
            if "502" in op.responses:
                self.call(op.id, 502, None, at="bare")

    # Nothing is left over.

    def complete(self):
        missing = []
        for op in self.doc.operations.values():
            for status in op.responses:
                if (status == "default" or (op.id, status) in self.got
                        or (op.id, status) in NOT_GOT
                        or ("*", status) in NOT_GOT):
                    continue
                missing.append("%s %s" % (op.id, status))
        self.ok("every status in the file was got", not missing, *missing)
        unknown = [str(k) for k in NOT_GOT if k[0] != "*" and (
            k in self.got
            or k[1] not in self.doc.operations[k[0]].responses)]
        self.ok("no exception is without need", not unknown, *unknown)
        told = set(self.doc.told())
        unmet = ["%s: %s" % (whose, v) for whose, node, v in told
                 if (node, v) not in self.doc.schemas.met
                 and whose not in NOT_GOT and v not in NOT_MET]
        self.ok("each of %d messages in the file was met" % len(told),
                not unmet, *unmet)

    def run(self, hook, closed):
        self.doc = Document(
            self.servers["main"].send("GET", "/openapi.json").body)
        steps = [self.no_provider, self.common, self.status, self.submissions, self.corpus,
                 self.jobs, self.claims, self.with_secrets, self.attachments,
                 self.artifacts, self.results, self.agents, self.restricted,
                 self.tokens, self.clients,
                 lambda: self.events(hook, closed), self.off, self.device,
                 self.browser, self.tokens_refused, self.mutants, self.busy, self.no_room,
                 self.nobody_there]
        for step in steps:
            step()
        self.slow.join()
        self.complete()
        print("ok: %d answers were judged" % self.calls)

    def tokens_refused(self):
        """Every way in which a token may not do."""
        now = int(time.time())
        key = self.told["key"]
        who = {"client_id": "x", "role": "admin"}
        for want, text in (
                (401, token(key, {"exp": now - 100, "iat": now - 700}, **who)),
                (401, token(key, {"iat": now + 100}, **who)),
                (403, token("other" * 8, **who)),
                (403, token(key, header={"alg": "none"}, **who)),
                (403, token(key, {"exp": None}, **who))):
            self.call("listAgents", want,
                      [("Authorization", "Bearer " + text)])
        self.call("listAgents", 401, None, at="none")
        self.call("listAgents", 403, "agent")


def main():
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    hook.daemon_threads = True
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    provider = Provider("lab")
    # It hangs up at once where it would let others wait.
    provider.stop.set()
    provider.answers[DISCOVERY] = HANG_UP
    addresses = ["http://127.0.0.1:%d" % s.getsockname()[1]
                 for s in (hook.socket, closed)]
    print(provider.issuer, *addresses, flush=True)
    walk = Walk(provider)
    walk.read()
    try:
        walk.run(*addresses)
    finally:
        Hook.stop.set()
        provider.close()
    sys.exit(walk.failures > 0)


if __name__ == "__main__":
    main()
