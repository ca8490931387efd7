"""
Claims over AMQP, queues that are trimmed and brokers that heal, for test_claim.sh.

usage: claim.py DIR OTHER AMQP_URL

DIR and OTHER are directories of running instances on the broker at AMQP_URL, which DIR has
started; OTHER leaves the queues "old" alone, and takes offers back after a second.
"""

import glob
import http.client
import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid

import amqp
import kombu
import kombu.exceptions

import held
from held import check, name, until

LOST = (OSError, socket.timeout, amqp.exceptions.AMQPError,
        kombu.exceptions.KombuError)


class Broker:
    """A RabbitMQ of an instance, as its process tells how it was started."""

    def __init__(self, directory, url):
        self.url = url
        self.pid = self.find(directory)
        with open("/proc/%d/cmdline" % self.pid, "rb") as f:
            self.args = f.read().rstrip(b"\0").split(b"\0")
        with open("/proc/%d/environ" % self.pid, "rb") as f:
            self.env = dict(e.split(b"=", 1)
                            for e in f.read().split(b"\0") if b"=" in e)
        self.uid = os.stat("/proc/%d" % self.pid).st_uid
        self.child = None

    @staticmethod
    def find(directory):
        for exe in glob.glob("/proc/[0-9]*/exe"):
            try:
                with open(exe[:-3] + "environ", "rb") as f:
                    if os.readlink(exe).endswith("/beam.smp") and \
                            (directory + "/").encode() in f.read():
                        return int(exe.split("/")[2])
            except OSError:
                pass
        raise RuntimeError("no broker")

    def low(self):
        if self.uid != os.getuid():
            os.setgid(self.uid)
            os.setuid(self.uid)

    def control(self, *words):
        """rabbitmqctl."""
        env = {k: v for k, v in self.env.items() if k != b"PWD"}
        subprocess.run(("/usr/lib/rabbitmq/bin/rabbitmqctl",) + words,
                       env=env, preexec_fn=self.low, cwd="/", check=True,
                       stdout=subprocess.DEVNULL, timeout=60)

    def kill(self):
        os.kill(self.pid, 9)
        if self.child:
            self.child.wait()
        until(10, lambda: not os.path.exists("/proc/%d" % self.pid))

    def start(self):
        self.child = subprocess.Popen(
            self.args, env=self.env, preexec_fn=self.low, cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        self.pid = self.child.pid
        return until(180, self.answers)

    def wipe(self):
        base = self.env[b"RABBITMQ_MNESIA_BASE"].decode()
        for entry in os.listdir(base):
            path = os.path.join(base, entry)
            if os.path.isdir(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)

    def connect(self):
        return kombu.Connection(self.url, connect_timeout=2)

    def answers(self):
        try:
            with self.connect() as c:
                c.connect()
            return True
        except LOST:
            return False

    def depth(self, name_of_queue):
        """Messages that wait on the queue; -1: there is none."""
        with self.connect() as c:
            try:
                return c.channel().queue_declare(
                    name_of_queue, passive=True).message_count
            except amqp.exceptions.NotFound:
                return -1

    def delete(self, name_of_queue):
        with self.connect() as c:
            c.channel().queue_delete(name_of_queue)


def claim(at, job, agent):
    return at.request("POST", "/v1/job/%s/claim" % job, {"agent": agent})


def take(at, queue_name, agent):
    """The id of the job that the agent is offered, or None."""
    a = at.request("GET", "/v1/job?queue=%s&agent=%s" % (queue_name, agent))
    return json.loads(a.text)["job_id"] if a.status == 200 else None


def cancel(at, job):
    a = at.request("POST", "/v1/job/%s/action" % job, {"action": "cancel"})
    assert a.status == 200, a.text


def report(at, job):
    return at.request("POST", "/v1/result/" + job, {"job_state": "complete"})


def claims(at):
    q = name("q")
    job = at.submit(q, n=7)
    answers = {}

    def one(agent):
        answers[agent] = claim(at, job, agent)

    rivals = [threading.Thread(target=one, args=("r%d" % i,))
              for i in range(8)]
    for t in rivals:
        t.start()
    for t in rivals:
        t.join()
    holders = [a for a in answers if answers[a].status == 200]
    check("of many that claim a job one has it", len(holders) == 1, holders)
    check("and the others are told", sorted(
        a.status for a in answers.values()) == [200] + 7 * [409])
    got = json.loads(answers[holders[0]].text)
    check("who has it is told the job and when it started",
          got["n"] == 7 and got["job_id"] == job and "started_at" in got, got)
    again = claim(at, job, holders[0])
    check("and may ask again, to the same answer",
          again.status == 200 and json.loads(again.text) == got, again.text)
    check("the job is running", at.state(job) == "running")
    check("and no HTTP agent is given it", take(at, q, name("a")) is None)
    report(at, job)
    check("once it has ended nobody has it",
          claim(at, job, holders[0]).status == 409)
    job = at.submit(q)
    cancel(at, job)
    check("a cancelled job is nobody's", claim(at, job, "c").status == 409)
    check("and stays cancelled", at.state(job) == "cancelled")
    job = at.submit(q)
    agent = name("a")
    check("what an HTTP agent was offered", take(at, q, agent) == job)
    check("others cannot claim", claim(at, job, "c").status == 409)
    check("but it can", claim(at, job, agent).status == 200)
    check("a job that never was is 404",
          claim(at, str(uuid.uuid4()), "c").status == 404)


def depths(at, broker):
    q = name("q")
    jobs = [at.submit(q) for _ in range(6)]
    check("a queue has a message for each job", broker.depth(q) == 6)
    agent = name("a")
    take(at, q, agent)
    check("and one less when an HTTP agent takes one",
          until(10, lambda: broker.depth(q) == 5), broker.depth(q))
    cancel(at, jobs[1])
    check("or when one is cancelled",
          until(10, lambda: broker.depth(q) == 4), broker.depth(q))
    claim(at, jobs[2], "c")
    check("or claimed by who has not its message",
          until(10, lambda: broker.depth(q) == 3), broker.depth(q))
    cancel(at, jobs[4])
    other = name("q")
    marker = at.submit(other)
    cancel(at, marker)
    until(10, lambda: broker.depth(other) == 0)
    check("one behind a waiting job's stays until that is gone",
          broker.depth(q) == 3)
    cancel(at, jobs[3])
    check("and then goes too", until(10, lambda: broker.depth(q) == 1))
    report(at, jobs[5])
    check("at last none is left", until(10, lambda: broker.depth(q) == 0))


def never_below(at, broker):
    """One message may be in hand for a moment, as the broker counts those that wait."""
    q = name("q")
    waiting = [60]
    low = []
    for _ in range(waiting[0]):
        at.submit(q)
    stop = threading.Event()

    def watch():
        with broker.connect() as c:
            channel = c.channel()
            while not stop.is_set():
                samples = []
                for _ in range(6):
                    n = channel.queue_declare(q, passive=True).message_count
                    samples.append((n, waiting[0]))
                    if n >= waiting[0]:
                        break
                    time.sleep(0.05)
                else:
                    low.append(samples)

    t = threading.Thread(target=watch)
    t.start()
    agent = name("a")
    while True:
        # Counted before it happens.
        waiting[0] -= 1
        if waiting[0] < 0 or not claim_next(at, q, agent):
            break
    check("while jobs are taken there are never fewer messages than wait",
          until(20, lambda: broker.depth(q) == 0) and not low, low)
    stop.set()
    t.join()


def claim_next(at, q, agent):
    job = take(at, q, agent)
    if job:
        report(at, job)
    return job


def returned(other, broker):
    q = name("q")
    job = other.submit(q)
    agent = name("a")
    take(other, q, agent)
    check("the message of an offered job goes",
          until(10, lambda: broker.depth(q) == 0))
    check("and comes again when nobody gives a sign",
          until(20, lambda: broker.depth(q) == 1))
    check("for a consumer to claim", claim(other, job, "c").status == 200)
    report(other, job)
    job = other.submit(q)
    take(other, q, agent)
    until(10, lambda: broker.depth(q) == 0)
    take(other, name("q"), agent)
    check("likewise when its agent asks elsewhere",
          until(10, lambda: broker.depth(q) == 1))
    cancel(other, job)


def deleted(at, other, broker):
    q = name("q")
    for _ in range(3):
        at.submit(q)
    old = [other.submit("old") for _ in range(2)]
    report(other, take(other, "old", name("a")))
    other.submit("new")
    report(other, take(other, "new", name("a")))
    check("of a queue that is trimmed the message goes",
          until(10, lambda: broker.depth("new") == 0))
    check("of one whose consumers do not claim it stays",
          broker.depth("old") == 2)
    broker.delete(q)
    broker.delete("old")
    broker.control("close_all_connections", "--vhost",
                   broker.url.rsplit("/", 1)[1], "test")
    check("a queue that is gone is there again after a reconnect, with a "
          "message for each waiting job",
          until(20, lambda: broker.depth(q) == 3), broker.depth(q))
    broker.delete(q)
    take(at, q, name("a"))
    check("also without one, when a job of it is taken",
          until(20, lambda: broker.depth(q) == 2), broker.depth(q))
    check("but not one whose consumers do not claim",
          broker.depth("old") == -1)
    cancel(other, old[1])


class Traffic:
    """Jobs that come all the time, HTTP agents and consumers that claim."""

    def __init__(self, at, broker):
        self.at, self.broker, self.queue = at, broker, name("q")
        self.accepted, self.ran, self.faults, self.slowest = [], [], [], 0
        self.by_http, self.by_amqp, self.refused = 0, 0, 0
        self.stop, self.enough = threading.Event(), threading.Event()
        self.paused, self.lock = threading.Event(), threading.Lock()
        threads = [self.submitter] + 2 * [self.agent] + 2 * [self.consumer]
        self.threads = [threading.Thread(target=t, daemon=True)
                        for t in threads]
        for t in self.threads:
            t.start()

    def timed(self, call, *args):
        begun = time.monotonic()
        try:
            return call(*args)
        except (OSError, http.client.HTTPException, AssertionError) as e:
            with self.lock:
                self.faults.append(repr(e))
            return None
        finally:
            with self.lock:
                self.slowest = max(self.slowest, time.monotonic() - begun)

    def submitter(self):
        while not self.enough.wait(0.05):
            job = self.timed(self.at.submit, self.queue)
            if job:
                self.accepted.append(job)

    def run(self, job):
        with self.lock:
            self.ran.append(job)
        self.timed(report, self.at, job)

    def agent(self):
        me = name("a")
        while not self.stop.wait(0.05):
            if self.paused.is_set():
                continue
            job = self.timed(take, self.at, self.queue, me)
            if job:
                with self.lock:
                    self.by_http += 1
                self.run(job)

    def consumer(self):
        me = name("c")
        while not self.stop.is_set():
            try:
                self.consume(me)
            except LOST:
                time.sleep(0.2)

    def consume(self, me):
        with self.broker.connect() as c:
            messages = c.SimpleQueue(self.queue)
            while not self.stop.is_set():
                try:
                    message = messages.get(timeout=0.3)
                except queue.Empty:
                    continue
                job = message.properties["message_id"]
                answer = self.timed(claim, self.at, job, me)
                if answer is not None and answer.status == 200:
                    with self.lock:
                        self.by_amqp += 1
                    self.run(job)
                elif answer is None or answer.status != 409:
                    self.faults.append((job, answer and answer.status))
                else:
                    self.refused += 1
                message.ack()

    def goes_on(self, what):
        """HTTP agents are given jobs that came just now."""
        with self.lock:
            before = self.by_http
        check("%s HTTP agents get jobs at once" % what,
              until(5, lambda: self.by_http >= before + 3), self.by_http)

    def all_ran(self):
        with self.lock:
            return set(self.accepted) <= set(self.ran)


def storm(at, broker):
    t = Traffic(at, broker)
    until(20, lambda: t.by_http > 5 and t.by_amqp > 5)
    os.kill(broker.pid, 19)
    time.sleep(1)
    t.goes_on("while the broker is stopped")
    os.kill(broker.pid, 18)
    broker.control("set_vm_memory_high_watermark", "0.000001")
    t.goes_on("while the broker has no memory")
    broker.control("set_vm_memory_high_watermark", "0.4")
    broker.kill()
    t.goes_on("while the broker is dead")
    check("it comes back", broker.start())
    t.paused.set()
    broker.kill()
    broker.wipe()
    with t.lock:
        before = len(t.accepted)
    until(20, lambda: len(t.accepted) > before + 20)
    check("it comes back without its data", broker.start())
    t.enough.set()
    check("and consumers are given all that waited",
          until(60, t.all_ran), len(set(t.accepted) - set(t.ran)))
    t.paused.clear()
    check("at last the queue is empty",
          until(20, lambda: broker.depth(t.queue) == 0))
    t.stop.set()
    for thread in t.threads:
        thread.join(10)
    check("no job ran twice", len(t.ran) == len(set(t.ran)),
          sorted(j for j in set(t.ran) if t.ran.count(j) > 1))
    check("none ran that was not submitted", set(t.ran) == set(t.accepted))
    check("no request failed", not t.faults, t.faults[:5])
    check("and none waited over two seconds", t.slowest < 2, t.slowest)
    print("    %d by agents, %d by consumers, %d claims refused, "
          "the slowest request took %.2f s" % (
              t.by_http, t.by_amqp, t.refused, t.slowest))


def main():
    at, other = held.Instance(sys.argv[1]), held.Instance(sys.argv[2])
    broker = Broker(sys.argv[1], sys.argv[3])
    try:
        claims(at)
        depths(at, broker)
        never_below(at, broker)
        returned(other, broker)
        deleted(at, other, broker)
        storm(at, broker)
    finally:
        if broker.child:
            broker.child.kill()
            broker.child.wait()
    sys.exit(held.failures > 0)


if __name__ == "__main__":
    main()
