"""
What a power cut could leave is made, looked at, and compared with what had been answered, for
test_powercut.sh.

usage: powercut.py mark RECORD
       powercut.py work RECORD URL SEED
       powercut.py check RECORD DATA STATES SEED
       powercut.py served RECORD DATA STATES SEED DIRECTORY

mark: what comes later in RECORD is of processes that took the place of killed ones.

work: clients submit, take, claim, report, post logs, results, artifacts and attachments, and cancel.
The responders have tests/support/recorder.c loaded, which writes into RECORD what they do to
the disk; the clients write into it what they ask for and what they are answered.

check: RECORD is replayed to a number of cuts, and for each a state is made that a disk may have
then.  What was synced is there.  Of what was not
* a write to a file is there or not, by blocks of 4 KiB, or torn at a sector of 512 bytes,
* a file may be as long as any of its writes says,
* names that were made, renamed or removed in a directory are there up to one of them.
All that was answered must be in each state, whole; what was asked for and not answered may be
there, whole, or not; SQLite must find its tables sound.  STATES is how many states, or "all":
each cut in each way.  Then syncs of one kind after the other are left out, and loss must be
found: else the check could not fail.

served: some states become the data of an instance, spawn/up --dir DIRECTORY, which must serve,
show the same, and after it the same is looked at once more.

Prints "ok" or "not ok" for each promise.
"""

import collections
import concurrent.futures
import fcntl
import hashlib
import http.client
import itertools
import json
import multiprocessing
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import uuid

# As struct head in recorder.c; NOTE is the clients'.
HEAD = struct.Struct("<IIQQQ")
LINK, UNLINK, RENAME, WRITE, CUT, SYNC, ANSWER, NOTE = range(1, 9)

BLOCK = 4096
SECTOR = 512
CLIENTS = 4
CHAINS = 24  # jobs, one after the other, of each client
WAYS = ("nothing", "everything", "prefix", "torn")
UNSOUND = "unsound"


def say(promise, why=None):
    print(("ok: " if not why else "not ok: ") + promise)
    for line in (why or [])[:8]:
        print("    %.500s" % (line,))
    sys.stdout.flush()
    return not why


# What jobs should look like: an operation is a dict, a view what is to be seen of a job.

def new_view():
    return {"state": None, "agent": None, "status": None, "logs": {},
            "artifact": None, "attachments": None, "result": None, "awaits": False}


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def content(size, name):
    """Bytes that are told from all others in each of their blocks."""
    text = (name + "|") * (size // (len(name) + 1) + 1)
    return text[:size].encode()


def json_text(size, name):
    """The same as a JSON string."""
    return b'"' + content(size, name)[1:-1] + b'"'


def carry_out(view, op):
    """The view after an operation."""
    view = dict(view, logs=dict(view["logs"]))
    kind = op["op"]
    if kind == "submit":
        view.update(state="waiting", awaits=op["awaits"])
    elif kind == "take":
        view.update(state="running", agent=op["agent"])
    elif kind == "report":
        view.update(state=op["state"], status=op["code"])
    elif kind == "cancel":
        view["state"] = "cancelled"
    elif kind == "log":
        view["logs"][op["type"]] = view["logs"].get(op["type"], "") + op["text"]
    elif kind == "result":
        view["result"] = digest(json_text(op["size"], op["name"]))
        if view["state"] is not None:
            view["state"] = "complete"
    else:
        view[kind] = digest(content(op["size"], op["name"]))
        if kind == "attachments":
            view["awaits"] = False
    return view


# The clients.

def write_note(record, **what):
    text = json.dumps(what).encode()
    fcntl.flock(record, fcntl.LOCK_EX)
    record.write(HEAD.pack(NOTE, len(text), 0, 0, 0) + text)
    fcntl.flock(record, fcntl.LOCK_UN)


class Client(threading.Thread):
    """One client: a chain of operations on a job, and then the next job."""

    def __init__(self, record, url, number, seed):
        super().__init__()
        self.record = open(record, "ab", buffering=0)
        self.port = urllib.parse.urlsplit(url).port
        self.random = random.Random("%s %d" % (seed, number))
        self.number = number
        self.asked = 0
        self.failure = None

    def note(self, **what):
        write_note(self.record, **what)

    def ask(self, method, path, body, kind, op):
        """One request that changes something, with its notes."""
        self.asked += 1
        number = "%d-%d" % (self.number, self.asked)
        self.note(begin=number, **op)
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        c.request(method, path, body, {"Content-Type": kind} if kind else {})
        answer = c.getresponse()
        text = answer.read()
        c.close()
        if answer.status != 200:
            raise RuntimeError("%s: %d %r" % (path, answer.status, text))
        self.note(end=number, request=answer.headers["X-Request-Id"])
        return text

    def ask_json(self, method, path, value, op):
        return self.ask(method, path, json.dumps(value), "application/json", op)

    def submit(self, job, **fields):
        body = dict({"job_queue": "q" + job, "job_id": job}, **fields)
        self.ask_json("POST", "/v1/job", body, {
            "op": "submit", "job": job,
            "awaits": "attachments" in fields.get("test_data", {})})

    def take(self, job):
        agent = "agent%d" % self.number + job[:8]
        text = self.ask("GET", "/v1/job?queue=q%s&agent=%s" % (job, agent), None,
                        None, {"op": "take", "job": job, "agent": agent})
        if json.loads(text)["job_id"] != job:
            raise RuntimeError("another job: %r" % text)

    def claim(self, job):
        agent = "consumer%d" % self.number + job[:8]
        self.ask_json("POST", "/v1/job/%s/claim" % job, {"agent": agent},
                      {"op": "take", "job": job, "agent": agent})

    def report(self, job, state, code):
        self.ask_json("POST", "/v1/result/" + job,
                      {"job_state": state, "status": {"test": code}},
                      {"op": "report", "job": job, "state": state, "code": code})

    def cancel(self, job):
        self.ask_json("POST", "/v1/job/%s/action" % job, {"action": "cancel"},
                      {"op": "cancel", "job": job})

    def log(self, job, kind, number):
        text = "%d of %s\n" % (number, job) * self.random.randrange(1, 120)
        self.ask_json("POST", "/v1/result/%s/log/%s" % (job, kind), {
            "fragment_number": number, "timestamp": "2026-11-25T08:00:00Z",
            "phase": "test", "log_data": text},
            {"op": "log", "job": job, "type": kind, "text": text})

    def some(self, what, number):
        return self.random.randrange(20, 12000), "%s %d" % (what, number)

    def result(self, job, number):
        size, name = self.some("result", number)
        self.ask("POST", "/v1/result/" + job, json_text(size, name), "application/json",
                 {"op": "result", "job": job, "size": size, "name": name})

    def archive(self, job, what, number):
        size, name = self.some(what, number)
        path = {"artifact": "/v1/result/%s/artifact",
                "attachments": "/v1/job/%s/attachments"}[what]
        body = (b"--B\r\nContent-Disposition: form-data; name=\"file\"; "
                b"filename=\"f\"\r\n\r\n") + content(size, name) + b"\r\n--B--\r\n"
        self.ask("POST", path % job, body, "multipart/form-data; boundary=B",
                 {"op": what, "job": job, "size": size, "name": name})

    # Chains.

    def life(self, job):
        """From submission to end."""
        self.submit(job, test_data={"test_cmds": "x" * self.random.randrange(3000)})
        self.take(job)
        self.report(job, "setup", 0)
        for n in range(self.random.randrange(1, 5)):
            self.log(job, "output", n)
            if self.random.randrange(2):
                self.log(job, "serial", n)
        for n in range(self.random.randrange(3)):
            self.archive(job, "artifact", n)
        self.report(job, "complete", 7)

    def cancelled(self, job):
        self.submit(job, test_data={"test_cmds": "true"})
        if self.random.randrange(2):
            self.take(job)
        self.cancel(job)

    def attached(self, job):
        self.submit(job, test_data={
            "attachments": [{"local": "f", "agent": "f"}]})
        self.archive(job, "attachments", 0)
        self.claim(job)

    def results(self, job):
        """Of a job that the server does not know."""
        for n in range(3):
            self.result(job, n)

    def seed(self, job):
        self.submit(job, option="foo")
        for n in range(2):
            self.result(job, n)

    def waiting(self, job):
        self.submit(job, test_data={"test_cmds": "true"})

    def run(self):
        chains = (self.life, self.life, self.cancelled, self.attached,
                  self.results, self.seed, self.waiting)
        try:
            for _ in range(CHAINS):
                job = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
                self.random.choice(chains)(job)
        except Exception as e:  # noqa: whatever it is, it is told
            self.failure = e


def work(record, url, seed):
    clients = [Client(record, url, n, seed) for n in range(CLIENTS)]
    for c in clients:
        c.start()
    for c in clients:
        c.join()
    failures = [repr(c.failure) for c in clients if c.failure]
    say("%d requests are answered" % sum(c.asked for c in clients), failures)
    if failures:
        sys.exit(1)


# The disk.

class Image:
    """What may be found of a file: its first operations, count of them, and pieces of later
    ones.  Its bytes are to be had until something more happens to the file."""

    def __init__(self, file, count, pieces=()):
        self.file = file
        self.count = count
        self.pieces = pieces
        self.digested = None

    def key(self):
        """The same only for the same bytes."""
        return self.file.number, self.count, self.pieces

    def way(self):
        """What is applied to the sure bytes: (offset, bytes), or (size, None) for a cut."""
        yield from self.file.ops[self.file.sure_count:self.count]
        for n, start, stop in self.pieces:
            at, new = self.file.ops[n]
            yield (at, None) if new is None else (start, new[start - at:stop - at])

    def data(self):
        if self.count == self.file.sure_count and not self.pieces:
            return self.file.sure
        data = bytearray(self.file.sure)
        for op in self.way():
            apply(data, op)
        return data

    def digest(self):
        if self.digested is None:
            self.digested = digest(self.data())
        return self.digested


class Node:
    """A file or directory, told from all others by its number."""

    numbers = itertools.count()

    def __init__(self):
        self.number = next(self.numbers)
        self.parents = []  # the directories that ever had it

    def touch(self):
        """Something happened to it."""
        for parent in self.parents:
            parent.touch()


class File(Node):
    """A file: what happened to it, in order, and what is on disk for sure."""

    def __init__(self):
        super().__init__()
        self.ops = []  # (offset, bytes), or (size, None) for a cut
        self.sure = bytearray()
        self.sure_count = 0  # the operations in it; the others are on their way

    def calm(self):
        return self.sure_count == len(self.ops)

    def change(self, at, new):
        self.ops.append((at, new))
        self.touch()

    def sync(self):
        for op in self.ops[self.sure_count:]:
            apply(self.sure, op)
        self.sure_count = len(self.ops)
        self.touch()

    def image(self, way, chance):
        """What may be found."""
        sure, now = self.sure_count, len(self.ops)
        if self.calm() or way == "nothing":
            return Image(self, sure)
        if way == "prefix":
            return Image(self, sure + chance.randrange(now - sure + 1))
        if way == "torn":
            return Image(self, sure, tuple(torn(self.ops, sure, chance)))
        return Image(self, now)


def apply(data, op):
    at, new = op
    if new is None:
        if at < len(data):
            del data[at:]
        else:
            data.extend(bytes(at - len(data)))
        return
    if at > len(data):
        data.extend(bytes(at - len(data)))
    data[at:at + len(new)] = new


def torn(ops, first, chance):
    """Each block of each write is there, or not, or up to a sector; if it is not, the file may
    have become longer all the same.  Pieces: number of the operation, start and end."""
    kept = chance.choice((0.2, 0.5, 0.8))
    for n in range(first, len(ops)):
        at, new = ops[n]
        if new is None:
            if chance.random() < kept:
                yield n, at, at
            continue
        start = at
        end = at + len(new)
        while start < end:
            stop = min(end, (start // BLOCK + 1) * BLOCK)
            dice = chance.random()
            if dice < kept:
                yield n, start, stop
            elif dice < kept + 0.15:
                cut = min(stop, (start // SECTOR + 1 + chance.randrange(8)) * SECTOR)
                yield n, start, cut
            elif dice < kept + 0.2:
                yield n, stop, stop
            start = stop


class Directory(Node):
    """Names: those that are on disk for sure, and the changes on their way, in order."""

    def __init__(self):
        super().__init__()
        self.sure = {}
        self.now = {}
        self.way = []  # (name, node or None)
        self.settled = None  # path and tree, where nothing in or below it is on its way

    def touch(self):
        self.settled = None
        super().touch()

    def change(self, name, node):
        self.way.append((name, node))
        if node is None:
            self.now.pop(name, None)
        else:
            self.now[name] = node
            node.parents.append(self)
        self.touch()

    def sync(self):
        self.sure = dict(self.now)
        self.way = []
        self.touch()

    def image(self, way, chance):
        if not self.way or way == "nothing":
            return self.sure
        if way == "everything":
            return self.now
        names = dict(self.sure)
        for name, node in self.way[:chance.randrange(len(self.way) + 1)]:
            if node is None:
                names.pop(name, None)
            else:
                names[name] = node
        return names

    def tree(self, path, way, chance):
        """A state: for each directory, the images of its files by name.  As long as nothing is
        on its way, it is the very same."""
        if self.settled and self.settled[0] == path:
            return self.settled[1]
        files = {}
        found = {path: files}
        calm = not self.way
        for name, node in self.image(way, chance).items():
            if isinstance(node, Directory):
                below = path + name + "/"
                found.update(node.tree(below, way, chance))
                calm = calm and node.settled is not None
            elif not (name.endswith("-shm") or name == "seen"):
                files[name] = node.image(way, chance)
                calm = calm and node.calm()
        if calm:
            self.settled = path, found
        return found


class Disk:
    """The replay.  forget: which syncs are left out."""

    def __init__(self, record, forget=None):
        self.root = Directory()
        self.nodes = {record.root: self.root}
        self.names = {self.root.number: ""}
        self.forget = forget
        self.steps = record.steps
        self.place = 0

    def go_to(self, place):
        while self.place < place:
            self.step(*self.steps[self.place])
            self.place += 1

    def step(self, kind, a, b, c, payload):
        if kind == LINK:
            if a in self.nodes:
                node = Directory() if c else File()
                self.nodes[b] = node
                self.names[node.number] = payload.decode()
                self.nodes[a].change(payload.decode(), node)
        elif kind == UNLINK:
            if a in self.nodes:
                self.nodes[a].change(payload.decode(), None)
        elif kind == RENAME:
            old, new = payload.decode().split("\0")
            node = self.nodes[a].now[old]
            self.nodes[b].change(new, node)
            self.nodes[a].change(old, None)
            self.names[node.number] = new
        elif kind in (WRITE, CUT):
            node = self.nodes.get(a)
            if isinstance(node, File):
                node.change(b, payload if kind == WRITE else None)
        elif kind == SYNC:
            node = self.nodes.get(a)
            if node is not None and not (self.forget and self.forget(
                    node, self.names[node.number], self.place, b)):
                node.sync()

    def name_of(self, number):
        node = self.nodes.get(number)
        return self.names[node.number] if node else None

    def tree(self, way, chance):
        return self.root.tree("", way, chance)


class Record:
    """A record, read; where requests were begun and answered."""

    def __init__(self, path, data):
        self.root = os.stat(data).st_ino
        self.steps = []
        self.ops = []
        self.mark = 0
        left = {}
        by_number = {}
        with open(path, "rb") as f:
            whole = f.read()
        at = 0
        while at < len(whole):
            kind, n, a, b, c = HEAD.unpack_from(whole, at)
            payload = whole[at + HEAD.size:at + HEAD.size + n]
            at += HEAD.size + n
            place = len(self.steps)
            if kind == ANSWER:
                left.setdefault(payload.decode(), place)
            elif kind == NOTE:
                note = json.loads(payload)
                if "mark" in note:
                    self.mark = place
                elif "begin" in note:
                    note["begun"] = place
                    by_number[note["begin"]] = note
                    self.ops.append(note)
                else:
                    by_number[note["end"]]["answered"] = left[note["request"]]
            else:
                self.steps.append((kind, a, b, c, payload))
        self.jobs = collections.defaultdict(list)
        for op in self.ops:
            self.jobs[op["job"]].append(op)

    def views(self, job, cut):
        """The views of a job of which one must be seen."""
        view, after = new_view(), []
        for op in self.jobs[job]:
            if op.get("answered", cut + 1) <= cut:
                view = carry_out(view, op)
            elif op["begun"] <= cut:
                after = [carry_out(view, op)]
        return [view] + after

    def allowed(self, cut):
        return {job: self.views(job, cut) for job in self.jobs}

    def syncers(self, directory):
        """The processes that sync a directory."""
        inode = next(s[2] for s in self.steps
                     if s[0] == LINK and s[4].decode() == directory)
        return {s[2] for s in self.steps if s[0] == SYNC and s[1] == inode}

    def bounds(self):
        """Cuts that matter most: before each sync, and when each answer left."""
        found = {op["answered"] for op in self.ops}
        found |= {n for n, s in enumerate(self.steps) if s[0] == SYNC}
        return sorted(found)


class Expected:
    """record.allowed() of one cut after the other, each not before the last.  Of a job to which
    nothing happened between two, the views are the very same."""

    def __init__(self, record):
        self.record = record
        self.views = record.allowed(-1)
        # Where the views of a job change, last first.
        self.changes = sorted(((op[what], op["job"]) for op in record.ops
                               for what in ("begun", "answered") if what in op), reverse=True)

    def at(self, cut):
        jobs = set()
        while self.changes and self.changes[-1][0] <= cut:
            jobs.add(self.changes.pop()[1])
        for job in jobs:
            self.views[job] = self.record.views(job, cut)
        return self.views


# What is seen of a state.

class Store:
    """What a store holds: why it is unsound, whether it has tables, and what they have of each
    job."""

    def __init__(self, connection):
        self.unsound = None
        self.tables = False
        self.rows = {}
        self.logs = collections.defaultdict(list)
        try:
            self.read(connection)
        except sqlite3.DatabaseError as e:
            self.unsound = repr(e)

    def read(self, connection):
        connection.execute("PRAGMA synchronous = OFF")
        sound = connection.execute("PRAGMA integrity_check").fetchall()
        if sound != [("ok",)]:
            self.unsound = str(sound)
            return
        self.tables = bool(connection.execute(
            "SELECT count(*) FROM sqlite_schema WHERE name = 'job_log'").fetchone()[0])
        if not self.tables:
            return
        self.rows = {row[0]: row[1:] for row in connection.execute(
            "SELECT id, state, agent, status, attachments, result_file, ready FROM job")}
        for job, *log in connection.execute(
                "SELECT job, type, phase, size, (SELECT coalesce(sum(length), 0) FROM "
                "job_fragment AS f WHERE f.job = l.job AND f.type = l.type AND "
                "f.phase = l.phase) FROM job_log AS l"):
            self.logs[job].append(log)

    def of(self, job):
        return self.rows.get(job), self.logs.get(job)


def see_log(files, kind, phase, size, total):
    file = files.get("log.%s.%s" % (kind, phase))
    data = None if file is None else file.data()
    if data is None or len(data) < size or total != size:
        return "a log of %d bytes with %s, of fragments %d" % (
            size, None if data is None else len(data), total)
    return bytes(data[:size]).decode(errors="replace")


def see(row, logs, files):
    """What the server would show of a job, from what its store and its directory hold."""
    def whole(name):
        return files[name].digest() if name in files else None

    view = new_view()
    if row is not None:
        state, agent, status, attachments, result_file, ready = row
        view.update(state=state, agent=agent, awaits=ready == 0)
        if status is not None:
            view["status"] = json.loads(status)["test"]
        if attachments == "complete":
            view["attachments"] = whole("attachments.tar.gz") or "missing"
    if row is None or result_file == 1:
        view["result"] = whole("result.json")
        if row is not None and view["result"] is None:
            view["result"] = "missing"
    view["artifact"] = whole("artifact.tar.gz")
    for log in logs or []:
        view["logs"][log[0]] = see_log(files, *log)
    return view


class Judge:
    """Tells what is wrong with states.  What depends on nothing that is not the same as in the
    state before is not found out anew."""

    NO_FILES = {}

    def __init__(self, jobs):
        self.paths = {job: "jobs/%s/%s/" % (job[:2], job) for job in jobs}
        self.last = {}

    def job(self, job, views, store, files):
        """What is wrong with a job, as a text, or None."""
        seen = see(*store.of(job), files)
        return None if seen in views else "%s: %s instead of %s" % (job, seen, views)

    def job_again(self, job, views, store, files):
        last = self.last.get(job)
        if not (last and last[0] is views and last[2] is files and (
                last[1] is store or last[1].of(job) == store.of(job))):
            wrong = self.job(job, views, store, files)
        else:
            wrong = last[3]
        self.last[job] = views, store, files, wrong
        return wrong

    def state(self, store, tree, allowed):
        """What is wrong with a state, as texts."""
        if store.unsound:
            return ["%s: %s" % (UNSOUND, store.unsound)]
        if not store.tables:
            if any(views[0] != new_view() for views in allowed.values()):
                return ["there are no tables"]
            return []
        found = (self.job_again(job, views, store,
                                tree.get(self.paths[job], self.NO_FILES))
                 for job, views in allowed.items())
        return [wrong for wrong in found if wrong]


# Stores of states.

class Copy:
    """A file that becomes one image after the other: what differs is written."""

    def __init__(self, path):
        self.out = open(path, "w+b")
        self.file = None
        self.count = 0  # its operations that are in the copy
        self.spoilt = []  # where it may be other than they make it: from, to

    def put(self, at, data):
        self.out.seek(at)
        self.out.write(data)

    def apply(self, at, new):
        if new is None:
            self.spoilt.append((at, None))
            self.out.truncate(at)
            return
        self.spoilt.append((at, at + len(new)))
        if new:
            self.put(at, new)
        elif self.out.seek(0, os.SEEK_END) < at:
            self.out.truncate(at)

    def become(self, image):
        file = image.file
        if file is not self.file:
            self.file, self.count, self.spoilt = file, 0, [(0, None)]
        for at, new in file.ops[self.count:file.sure_count]:
            self.spoilt.append((at, None if new is None else at + len(new)))
        for start, end in self.spoilt:
            self.put(start, file.sure[start:end])
        self.out.truncate(len(file.sure))
        self.count, self.spoilt = file.sure_count, []
        for op in image.way():
            self.apply(*op)
        self.out.flush()


class Stores:
    """The stores of states, looked at one after the other in a directory."""

    NAMES = ("state.db", "state.db-journal", "state.db-wal")
    KEPT = 200

    def __init__(self, directory):
        self.directory = directory
        self.copies = {}
        self.known = {}  # by keys of images, oldest first

    def path(self, name):
        return os.path.join(self.directory, name)

    def drop(self, name):
        if name in self.copies:
            self.copies.pop(name).out.close()
        if os.path.exists(self.path(name)):
            os.unlink(self.path(name))

    def connect(self, files):
        """A store of which SQLite knows nothing.  It must not write into the copies where it
        need not: nothing but that is meant by the mode, the log is recovered all the same.
        A store that is not there yet is made; one with a journal is rolled back."""
        self.drop("state.db-shm")
        for name in self.NAMES:
            if name not in files:
                self.drop(name)
                continue
            if name not in self.copies:
                self.copies[name] = Copy(self.path(name))
            self.copies[name].become(files[name])
        writes = ("state.db-journal" in files or "state.db" not in files
                  or os.path.getsize(self.path("state.db")) == 0)
        return writes, sqlite3.connect("file:%s?mode=%s" % (
            urllib.parse.quote(self.path("state.db")), "rwc" if writes else "ro"), uri=True)

    def look(self, files):
        writes, connection = self.connect(files)
        store = Store(connection)
        connection.close()
        if writes:
            for name in self.NAMES:
                self.drop(name)
        return store

    def of(self, files):
        """The store of a state.  Of the same bytes it is the very same."""
        key = tuple(files[name].key() if name in files else None for name in self.NAMES)
        if key not in self.known:
            if len(self.known) == self.KEPT:
                del self.known[next(iter(self.known))]
            self.known[key] = self.look(files)
        return self.known[key]


# States, made and looked at.

def look(record, scratch, cuts, forget, enough):
    """What is wrong in states at cuts, (place, way, seed), in order of place."""
    disk, expected = Disk(record, forget), Expected(record)
    judge, stores = Judge(record.jobs), Stores(scratch)
    why = []
    for place, way, seed in cuts:
        disk.go_to(place)
        tree = disk.tree(way, random.Random(seed))
        found = judge.state(stores.of(tree[""]), tree, expected.at(place))
        why += ["cut %d of %d, %s, seed %s: %s" % (
            place, len(record.steps), way, seed, w) for w in found]
        if enough and len(why) >= enough:
            break
    return why


def plan(record, states, seed):
    """Which states: all cuts in all ways, or the cuts that matter most and some more."""
    places = range(len(record.steps) + 1)
    bounds = record.bounds()
    if states == "all":
        # What is not on its way makes a difference only where that changes.
        bare = set(bounds) | {n + 1 for n in bounds}
        return [(p, way, "%s/%d" % (seed, p)) for p in places for way in WAYS
                if way != "nothing" or p in bare]
    chance = random.Random(seed)
    cuts = [(p, WAYS[n % len(WAYS)], "%s/%d" % (seed, n))
            for n, p in enumerate(bounds)]
    for n in range(max(int(states) - len(cuts), int(states) // 4)):
        cuts.append((chance.choice(places), chance.choice(WAYS[2:]),
                     "%s/more %d" % (seed, n)))
    return sorted(cuts)


class Looks:
    """Looks on all processors."""

    PARTS = 8  # of a look for each processor: a part that takes long ends not much later

    def __init__(self, record, scratch):
        self.record = record
        self.scratch = scratch
        self.looks = []

    def add(self, cuts, forget=None):
        """All cuts.  Returns where in what was found to find what is wrong."""
        size = -(-len(cuts) // (self.PARTS * processors()))
        begun = len(self.looks)
        self.looks += [(cuts[at:at + size], forget, None) for at in range(0, len(cuts), size)]
        return slice(begun, len(self.looks))

    def add_first(self, cuts, forget):
        """The cuts up to the first where something is wrong."""
        self.looks.append((cuts, forget, 1))
        return slice(len(self.looks) - 1, len(self.looks))

    def look(self, n):
        with tempfile.TemporaryDirectory(dir=self.scratch) as directory:
            return look(self.record, directory, *self.looks[n])

    def found(self):
        """What is wrong, for each look."""
        # A forked process has the record, and functions that cannot be sent.
        with concurrent.futures.ProcessPoolExecutor(
                processors(), multiprocessing.get_context("fork"), inherit, (self,)) as pool:
            return list(pool.map(look_inherited, range(len(self.looks))))


def processors():
    return len(os.sched_getaffinity(0))


inherited = None


def inherit(looks):
    global inherited
    inherited = looks


def look_inherited(n):
    return inherited.look(n)


# Syncs by what they are for: without any one kind something must be lost.
KINDS = (
    ("the log of the store", lambda node, name, *_: name == "state.db-wal"),
    ("the store", lambda node, name, *_: name == "state.db"),
    ("logs", lambda node, name, *_: name.startswith("log.")),
    # A file is synced under the name that it has then.
    ("uploads", lambda node, name, *_: isinstance(node, File) and len(name) == 16),
    ("directories of jobs", lambda node, name, *_: isinstance(node, Directory)
     and len(name) == 36),
    ("the directory of the store", lambda node, name, *_: name == ""),
    ("directories of directories", lambda node, name, *_: isinstance(node, Directory)
     and len(name) == 2),
)


def check(record, states, seed, scratch):
    looks = Looks(record, scratch)
    cuts = plan(record, states, seed)
    whole = looks.add(cuts)
    some = plan(record, "500", seed) if states == "all" else cuts
    mark, keepers = record.mark, record.syncers("jobs")
    # Before that nobody goes on from what the first ones made.  A result of an unknown job is
    # kept by a file alone, after the syncs that are left out.
    stored = min(op["answered"] for op in record.ops if op["op"] != "result")
    next_jobs = looks.add([cut for cut in some if cut[0] >= mark], lambda _, name, place, __: name == "jobs" and place < mark)
    next_store = looks.add(
        [cut for cut in some if cut[0] >= stored],
        lambda _, name, place, pid: name == "" and (place < mark or pid in keepers))
    kinds = [(name, looks.add_first(some, forget)) for name, forget in KINDS]
    all_found = looks.found()

    def found(part):
        return [why for look in all_found[part] for why in look]

    say("the log of the store begins anew amid the work",
        None if wal_wraps(record) else ["it does not: the work is too small"])
    say("what is told of the log of the store has been synced", marks_ahead(record))
    say("whatever a power cut leaves: what was answered is there, whole, and nothing in part",
        found(whole))
    print("    %d states, %d steps, %d requests" % (
        len(cuts), len(record.steps), len(record.ops)))
    say("directories that a process made, and did not live to sync, are synced by the next",
        found(next_jobs))
    say("a store that a process made, and did not live to sync, is synced by the next",
        found(next_store))
    for name, part in kinds:
        say("without the syncs of %s loss is found" % name,
            None if found(part) else ["none is"])


def marks_ahead(record):
    """What state.db.mark says of the log, its second line: salts and how many frames.  It is not
    synced itself, so all that it tells must have been synced before."""
    disk, marks, why = Disk(record), 0, []
    for place, (kind, a, b, _, payload) in enumerate(record.steps):
        if kind == WRITE and b == len(payload) == 63 and disk.name_of(a) == "state.db.mark":
            marks += 1
            log = next(node for name, node in disk.root.now.items() if name == "state.db-wal")
            salts, frames = payload[:17].split(), int(payload[17:])
            if not log.calm() or frames_of(log.sure, salts) < frames:
                why.append("step %d: %d frames are told, synced are %d" % (
                    place, frames, frames_of(log.sure, salts)))
        disk.go_to(place + 1)
    return why if marks > 1 else ["it is not told"]


def frames_of(log, salts):
    """How many frames with these salts a log has; none without its header."""
    wanted = b"".join(int(n, 16).to_bytes(4, sys.byteorder) for n in salts)
    if log[16:24] != wanted:
        return 0
    size = 24 + int.from_bytes(log[8:12], "big")
    found = itertools.takewhile(lambda at: at + size <= len(log) and log[at + 8:at + 16] == wanted,
                                itertools.count(32, size))
    return sum(1 for _ in found)


def wal_wraps(record):
    """How often the log of the store was begun."""
    name = {}
    n = 0
    for kind, a, b, _, payload in record.steps:
        if kind == LINK and payload == b"state.db-wal":
            name["wal"] = b
        elif kind == WRITE and a == name.get("wal") and b == 0:
            n += 1
    return n > 1


# Real servers on states.

class Content:
    """A file that is there, as an Image."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.bytes = f.read()

    def data(self):
        return self.bytes

    def digest(self):
        return digest(self.bytes)


def write_tree(tree, data):
    os.makedirs(data)
    os.chmod(data, 0o750)
    for path, files in tree.items():
        os.makedirs(os.path.join(data, path), mode=0o750, exist_ok=True)
        for name, image in files.items():
            with open(os.path.join(data, path, name), "wb") as f:
                f.write(image.data())


def read_tree(data):
    tree = {}
    for root, _, names in os.walk(data):
        paths = [os.path.join(root, name) for name in names]
        tree[os.path.relpath(root, data) + "/"] = {
            os.path.basename(path): Content(path) for path in paths if os.path.isfile(path)}
    return tree


def get(port, path):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    c.request("GET", path)
    answer = c.getresponse()
    data = answer.read()
    c.close()
    return answer.status, data


def take_late(port, job, views):
    """A job that waits is still handed out, unless it waits for attachments."""
    op = {"op": "take", "agent": "late" + job[:8]}
    status, data = get(port, "/v1/job?queue=q%s&agent=%s" % (job, op["agent"]))
    if status == 204 and views[0]["awaits"]:
        return []
    if status != 200 or json.loads(data)["job_id"] != job:
        return ["%s is not handed out: %d" % (job, status)]
    views[0] = carry_out(views[0], op)
    return []


def ask_server(port, allowed):
    """What a server tells, where it is sure what it must."""
    why = []
    status, _ = get(port, "/v1/health/ready")
    if status != 200:
        why.append("not ready: %d" % status)
    for job, views in allowed.items():
        if len(views) > 1:
            continue
        want = views[0]
        if want["artifact"] and digest(
                get(port, "/v1/result/%s/artifact" % job)[1]) != want["artifact"]:
            why.append("the artifact of " + job)
        if want["attachments"] and digest(
                get(port, "/v1/job/%s/attachments" % job)[1]) != want["attachments"]:
            why.append("the attachments of " + job)
        status, data = get(port, "/v1/result/" + job)
        if want["state"] == "waiting":
            why += take_late(port, job, views)
        if want["result"]:
            if digest(data) != want["result"]:
                why.append("the result of %s: %d" % (job, status))
        elif want["status"] is not None:
            view = json.loads(data)
            if view["job_state"] != want["state"] or view["test_status"] != \
                    want["status"] or view.get("test_output", "") != \
                    want["logs"].get("output", ""):
                why.append("%s: %r instead of %s" % (job, data[:200], want))
    return why


def serve(top, directory, tree, allowed):
    """An instance on a state."""
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    write_tree(tree, directory + "/data")
    up = subprocess.run(
        [top + "/spawn/up", "--no-install", "--port", "0", "--dir", directory],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if up.returncode != 0:
        return ["it does not start: %s" % up.stdout[-400:]]
    try:
        with open(directory + "/url") as f:
            port = urllib.parse.urlsplit(f.read().strip()).port
        why = ask_server(port, allowed)
    finally:
        subprocess.run([top + "/spawn/down", "--dir", directory],
                       stdout=subprocess.DEVNULL, check=False)
    store = sqlite3.connect(directory + "/data/state.db")
    why += Judge(allowed).state(Store(store), read_tree(directory + "/data"), allowed)
    store.close()
    left = [os.path.join(r, n) for r, _, names in os.walk(directory + "/data/tmp")
            for n in names]
    return why + ["left: " + p for p in left]


def served(record, states, seed, directory):
    top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
    chance = random.Random(seed)
    bounds = record.bounds()
    # The last third has most to lose.
    places = sorted(chance.choice(bounds[len(bounds) // 3:]) for _ in range(int(states)))
    disk, why = Disk(record), []
    for n, place in enumerate(places):
        disk.go_to(place)
        way = WAYS[n % len(WAYS)]
        found = serve(os.path.normpath(top), directory,
                      disk.tree(way, random.Random("%s/%d" % (seed, n))),
                      record.allowed(place))
        why += ["cut %d, %s: %s" % (place, way, w) for w in found]
    say("servers begin on what a power cut leaves, and show what was answered", why)


def main():
    what, path, *args = sys.argv[1:]
    if what == "mark":
        with open(path, "ab", buffering=0) as record:
            write_note(record, mark=True)
        return
    if what == "work":
        work(path, *args)
        return
    data, states, seed, *rest = args
    record = Record(path, data)
    if what == "check":
        scratch = path + ".state"
        os.makedirs(scratch, exist_ok=True)
        check(record, states, seed, scratch)
        shutil.rmtree(scratch)
    else:
        served(record, states, seed, rest[0])


if __name__ == "__main__":
    main()
