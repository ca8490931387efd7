"""Post fragments of one log from several threads, each until it is accepted and some
of them twice, then read the log: every fragment must be there once, in order.

usage: append.py URL ID THREADS EACH
"""
import http.client
import json
import sys
import threading
import time

url, job, threads, each = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
host = url.split("//")[1]
path = "/v1/result/%s/log/output" % job
failures = []
refused = 0


def text(number):
    return "<%d>%s\n" % (number, "x" * (number * 37 % 5000))


def post(number):
    global refused
    body = json.dumps({"fragment_number": number, "phase": "test",
                       "timestamp": "2026-11-25T08:00:00+00:00",
                       "log_data": text(number)})
    for _ in range(200):
        try:
            c = http.client.HTTPConnection(host, timeout=20)
            c.request("POST", path, body, {"Content-Type": "application/json"})
            answer = c.getresponse()
            answer.read()
            c.close()
            if answer.status == 200:
                return
        except OSError:
            pass
        except http.client.HTTPException:
            pass
        refused += 1
        time.sleep(0.05)
    failures.append("%d was never accepted" % number)


def work(thread):
    for i in range(each):
        post(i * threads + thread)
        if i % 5 == 0:
            post(i * threads + thread)


all_threads = [threading.Thread(target=work, args=(t,)) for t in range(threads)]
for t in all_threads:
    t.start()
for t in all_threads:
    t.join()
c = http.client.HTTPConnection(host, timeout=20)
c.request("GET", path + "?phase=test")
log = json.loads(c.getresponse().read())["output"]["test"]
want = "".join(text(n) for n in range(threads * each))
if log["log_data"] != want:
    got = log["log_data"].split("\n")
    for n, line in enumerate(want.split("\n")):
        if n >= len(got) or got[n] != line:
            failures.append("line %d is %.60r, not %.60r" % (
                n, got[n] if n < len(got) else None, line))
            break
if log["last_fragment_number"] != threads * each - 1:
    failures.append("last is %d" % log["last_fragment_number"])
print("\n".join(failures) or "whole")
sys.stderr.write("%d refused\n" % refused)
