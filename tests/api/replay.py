"""
The requests of today's command-line client, agent and multi-device connector, one
after the other, each with the headers and the order in which they send them, and
what each of them needs of the answer.  Called by test_clients.sh:

    replay.py URL CLIENT_ID SECRET AGENT_ID AGENT_SECRET ADMIN_ID ADMIN_SECRET

prints "ok" or "not ok" for each promise.
"""

import base64
import datetime
import http.client
import io
import json
import sys
import tarfile
import urllib.parse

AGENT = "python-requests/2.28.1"
failures = 0


def check(promise, good, got=None):
    global failures
    if good:
        print("ok: " + promise)
        return
    failures += 1
    print("not ok: " + promise)
    print("    got: %r" % (got,))


class Answer:
    def __init__(self, response, body):
        self.status = response.status
        self.headers = response.headers
        self.body = body

    def json(self):
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("application/json"):
            raise ValueError("not JSON but " + kind)
        return json.loads(self.body)

    def text(self):
        return self.body.decode("utf-8")

    def __repr__(self):
        return "%d %r" % (self.status, self.body[:300])


class Session:
    """One connection that is kept, as a session of the library does, with its
    cookies; closed after each request where the client keeps none."""

    def __init__(self, url, keep=True):
        parts = urllib.parse.urlsplit(url)
        self.host = parts.hostname
        self.port = parts.port
        self.keep = keep
        self.cookies = {}
        self.token = None
        self.connection = None
        self.connections = 0

    def request(self, method, path, body=None, kind=None, auth=None):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(
                self.host, self.port, timeout=30)
            self.connection.connect()
            self.connections += 1
        c = self.connection
        c.putrequest(method, urllib.parse.quote(path, safe="/?=&%:+"),
                     skip_host=True, skip_accept_encoding=True)
        c.putheader("Host", "%s:%d" % (self.host, self.port))
        c.putheader("User-Agent", AGENT)
        c.putheader("Accept-Encoding", "gzip, deflate")
        c.putheader("Accept", "*/*")
        c.putheader("Connection", "keep-alive")
        if self.cookies:
            c.putheader("Cookie", "; ".join(
                "%s=%s" % pair for pair in self.cookies.items()))
        if body is not None:
            c.putheader("Content-Length", str(len(body)))
            if kind is not None:
                c.putheader("Content-Type", kind)
        elif method in ("POST", "PUT", "DELETE"):
            c.putheader("Content-Length", "0")
        if auth is not None:
            c.putheader("Authorization", auth)
        elif self.token is not None:
            c.putheader("Authorization", "Bearer " + self.token)
        c.endheaders(body)
        response = c.getresponse()
        answer = Answer(response, response.read())
        for cookie in response.headers.get_all("Set-Cookie") or []:
            name, value = cookie.split(";")[0].split("=", 1)
            self.cookies[name] = value
        if response.will_close:
            c.close()
            self.connection = None
        if not self.keep:
            c.close()
            self.connection = None
        return answer

    def get(self, path):
        return self.request("GET", path)

    def send(self, method, path, value):
        return self.request(method, path, json.dumps(value).encode(),
                            "application/json")

    def post(self, path, value):
        return self.send("POST", path, value)

    def upload(self, path, name, data):
        mark = "8f1c4c9a3f5b4ed2a1f0d7c6b5a49382"
        body = (("--%s\r\nContent-Disposition: form-data; name=\"file\"; "
                 "filename=\"%s\"\r\nContent-Type: application/x-gzip\r\n\r\n"
                 % (mark, name)).encode() + data +
                ("\r\n--%s--\r\n" % mark).encode())
        return self.request("POST", path, body,
                            "multipart/form-data; boundary=" + mark)


def archive(name, text):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    return out.getvalue()


def basic(client_id, secret):
    return "Basic " + base64.b64encode(
        ("%s:%s" % (client_id, secret)).encode()).decode()


def claims(token):
    """The client reads the token without its key."""
    middle = token.split(".")[1]
    middle += "=" * (-len(middle) % 4)
    return json.loads(base64.urlsafe_b64decode(middle))


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat()


class Cli:
    """One command of the command-line client: first a token, then requests."""

    def __init__(self, url, client=None, refresh=None):
        self.url = url
        self.session = Session(url)
        self.refresh = refresh
        outside = Session(url, keep=False)
        if client is not None:
            a = outside.request("POST", "/v1/oauth2/token",
                                auth=basic(*client))
            if a.status == 200:
                self.session.token = a.json()["access_token"]
                self.refresh = a.json()["refresh_token"]
        elif refresh is not None:
            a = outside.post("/v1/oauth2/refresh", {"refresh_token": refresh})
            if a.status == 200:
                self.session.token = a.json()["access_token"]
        else:
            a = outside.request("POST", "/oidc/auth-init")
        self.login = a


def agent_login(url, client):
    """The host gets a refresh token, the agent exchanges it."""
    a = Session(url, keep=False).request("POST", "/v1/oauth2/token",
                                         auth=basic(*client))
    return a.json()["refresh_token"]


def agent_refresh(url, session, refresh):
    a = Session(url, keep=False).post("/v1/oauth2/refresh",
                                      {"refresh_token": refresh})
    session.token = a.json()["access_token"] if a.status == 200 else None
    return a


def is_report(a):
    """What an agent's POST needs: any code below 400."""
    return a.status < 400


def agent_start(s, name):
    check("an agent says that it waits",
          is_report(s.post("/v1/agents/data/" + name,
                           {"state": "waiting", "comment": ""})))
    check("the answer names the agent by a cookie",
          s.cookies.get("agent_name") == name, s.cookies)
    check("an agent advertises its queues",
          is_report(s.post("/v1/agents/queues", {"lab": "the lab's machines"})))
    check("an agent advertises its images",
          is_report(s.post("/v1/agents/images", {
              "lab": {"core22": "url: http://images.example.com/core22.xz"}})))
    check("an agent tells where it is", is_report(
        s.post("/v1/agents/data/" + name, {
            "location": "rack 1", "queues": ["lab", "spare"],
            "provision_type": "noprovision", "identifier": "202611-1"})))


def agent_idle(s, name):
    """One polling interval; the answer to the last request, GET /v1/job."""
    check("GET /v1 without its slash is an answer and no redirect",
          s.get("/v1").status == 200)
    me = s.get("/v1/agents/data/" + name)
    data = me.json()
    check("an agent reads its state and comment",
          data.get("state") == "waiting" and data.get("comment") == "", data)
    check("the time it was seen has a zone",
          datetime.datetime.fromisoformat(
              data["updated_at"].replace("Z", "+00:00")).tzinfo is not None,
          data)
    check("restricted_to is always there",
          isinstance(data.get("restricted_to"), dict), data)
    check("refreshed queues are taken",
          is_report(s.post("/v1/agents/queues", {"lab": "the lab's machines"})))
    for _ in range(3):
        s.get("/v1/agents/data/" + name)
    return s.get("/v1/job?queue=lab&queue=spare")


class Log:
    """Numbers rise through the whole job, for each type."""

    def __init__(self, s, job):
        self.s = s
        self.job = job
        self.next = {"output": 0, "serial": 0}

    def fragment(self, kind, phase, text, skip=False):
        number = self.next[kind]
        self.next[kind] += 1
        if skip:
            return None
        body = {"fragment_number": number, "timestamp": now(),
                "phase": phase, "log_data": text}
        path = "/v1/result/%s/log/%s" % (self.job, kind)
        a = self.s.post(path, body)
        return a, lambda: self.s.post(path, body)


def agent_phase(s, name, job, log, phase, status, output=None):
    a = s.get("/v1/result/" + job)
    check("before %s the agent reads the state" % phase,
          a.status == 200 and "job_state" in a.json(), a)
    if a.json()["job_state"] == "cancelled":
        return False
    s.get("/v1/agents/data/" + name)
    s.get("/v1/agents/data/" + name)
    check("the agent reports %s" % phase, is_report(
        s.post("/v1/result/" + job, {"job_state": phase})))
    check("the agent says it is in %s" % phase, is_report(
        s.post("/v1/agents/data/" + name, {"state": phase, "comment": ""})))
    if output is None:
        return True
    for line in ("*" * 20 + "\n", "* Starting %s *\n" % phase, "*" * 20 + "\n"):
        log.fragment("output", phase, line)
    s.post("/v1/result/" + job,
           {"device_info": {"device_ip": "10.1.1.2", "agent_name": name}})
    for text in output:
        a, again = log.fragment("output", phase, text)
        check("a fragment of %s is taken" % phase, is_report(a), a)
    check("a fragment repeated after a lost answer is taken too",
          is_report(again()))
    status[phase] = 0
    check("all exit codes so far are taken",
          is_report(s.post("/v1/result/" + job, {"status": status})))
    return True


def agent_job(s, name, taken, cancelled=False):
    """All that an agent does with a job; "cancelled" where somebody cancels it
    after its second phase."""
    job = taken["job_id"]
    status = {}
    log = Log(s, job)
    check("the agent says what it works on", is_report(
        s.post("/v1/agents/data/" + name, {"job_id": job})))
    if taken.get("attachments_status") == "complete":
        a = s.get("/v1/job/%s/attachments" % job)
        check("the attachments come as they were sent, without an encoding",
              a.status == 200 and "Content-Encoding" not in a.headers and
              a.body == attachments, a)
    outputs = {
        "provision": ["provisioning\n", "caf\u00e9 \U0001f600\n"],
        "test": ["line 1\n", "line 2\n"],
    }
    for phase in ("setup", "provision", "firmware_update", "test", "allocate",
                  "reserve"):
        if not agent_phase(s, name, job, log, phase, status,
                           outputs.get(phase)):
            break
        if phase == "provision":
            log.fragment("serial", "provision", "boot\n" * 1000)
            log.fragment("serial", "provision", "", skip=True)
            check("the outcome of provisioning is noted", is_report(
                s.post("/v1/agents/provision_logs/" + name, {
                    "job_id": job, "exit_code": 0,
                    "detail": "provision_success"})))
            if cancelled:
                Session(s_url, keep=False).post(
                    "/v1/job/%s/action" % job, {"action": "cancel"})
    log.fragment("output", "cleanup", "cleaned\n")
    check("artifacts are taken", is_report(
        s.upload("/v1/result/%s/artifact" % job, "file", artifact)))
    check("the end is taken", is_report(
        s.post("/v1/result/" + job,
               {"status": status, "job_state": "complete"})))
    check("the server is there after it", s.get("/v1").status < 500)
    check("the agent works on nothing", is_report(
        s.post("/v1/agents/data/" + name, {"job_id": ""})))
    s.get("/v1/agents/data/" + name)
    check("the agent waits again", is_report(
        s.post("/v1/agents/data/" + name,
               {"state": "waiting", "comment": ""})))
    return job


def cli_submit(cli, job, archive_data=None):
    q = cli.session.get("/v1/queues/%s/agents" % job["job_queue"])
    check("submit reads who serves the queue",
          q.status == 200 and all("name" in a and "state" in a
                                  for a in q.json()), q)
    a = cli.session.post("/v1/job", job)
    check("submit gets an id with 200", a.status == 200, a)
    job_id = a.json()["job_id"]
    if archive_data is not None:
        a = cli.session.upload("/v1/job/%s/attachments" % job_id,
                               "tmpab12cdtar.gz", archive_data)
        check("submit hands in attachments", a.status < 400, a)
    return job_id


def cli_poll(s, job, start, stamp=None, phase=None):
    """One round of poll; the next fragment number and the text."""
    state = s.get("/v1/result/" + job).json()["job_state"]
    query = "start_fragment=%d" % start
    if stamp is not None:
        query += "&start_timestamp=" + urllib.parse.quote(stamp)
    if phase is not None:
        query += "&phase=" + phase
    a = s.get("/v1/result/%s/log/output?%s" % (job, query))
    logs = a.json()["output"]
    check("a round of poll finds every phase",
          a.status == 200 and (phase in logs if phase else len(logs) == 7), a)
    last = max(e["last_fragment_number"] for e in logs.values())
    text = "".join(e["log_data"] for e in logs.values())
    if state == "waiting":
        a = s.get("/v1/job/%s/position" % job)
        check("while it waits its position is a number",
              a.status == 200 and int(a.text()) >= 0, a)
    return state, max(start, last + 1), text


def anonymous_commands(url):
    cli = Cli(url)
    check("without OIDC the sign-in is 404 and nothing else",
          cli.login.status == 404, cli.login)
    s = cli.session
    a = s.get("/v1/queues/nobody/agents")
    check("submit is told by name that a queue does not exist",
          a.status == 404 and
          a.json()["message"] == "Queue 'nobody' does not exist.", a)
    a = s.get("/v1/agents/queues")
    check("list-queues", a.json().get("lab") == "the lab's machines", a)
    a = s.get("/v1/agents/images/lab")
    check("reserve finds the images",
          a.json()["core22"].split("url:")[1].strip().startswith("http"), a)
    a = s.get("/v1/agents/images/nobody")
    check("reserve finds none", a.status == 200 and a.json() == {}, a)
    a = s.get("/v1/agents/data")
    check("list-agents has name and state of each and null nowhere",
          a.status == 200 and all(
              "name" in x and "state" in x and None not in x.values()
              for x in a.json()), a)
    a = s.get("/v1/agents/data/nobody")
    check("agent-status of an unknown agent", a.status == 404, a)
    unknown = "00000000-0000-4000-8000-000000000000"
    for path, status in (
            ("/v1/result/" + unknown, 204), ("/v1/result/zz", 400),
            ("/v1/job/" + unknown, 204), ("/v1/job/zz", 400),
            ("/v1/result/%s/artifact" % unknown, 204),
            ("/v1/result/zz/artifact", 400),
            ("/v1/result/%s/log/output?start_fragment=0" % unknown, 200)):
        a = s.get(path)
        check("GET %s is %d" % (path, status), a.status == status, a)
    for method, path, value in (
            ("POST", "/v1/agents/data/a1", {"state": "x"}),
            ("PUT", "/v1/client-permissions/x", {"role": "admin"})):
        a = s.send(method, path, value)
        check("%s %s is 403 in JSON" % (method, path),
              a.status == 403 and "message" in a.json(), a)
    a = s.send("PUT", "/v1/secrets/x/y", {"value": "v"})
    check("a secret needs a login", a.status in (400, 401) and
          isinstance(a.json()["detail"], dict), a)
    a = s.post("/v1/job", {"job_queue": "lab", "bogus": 1})
    check("a mistyped field is told by 422 with detail.json",
          a.status == 422 and
          a.json()["detail"]["json"] == {"bogus": ["Unknown field."]}, a)


def wrong_logins(url, client):
    a = Cli(url, client=(client[0], "not the secret at all")).login
    check("a wrong secret is 401", a.status == 401, a)
    a = Cli(url, refresh="0" * 48).login
    check("a refresh token nobody knows is 400 with a message",
          a.status == 400 and "message" in a.json(), a)


def user_commands(url, client):
    cli = Cli(url, client=client)
    a = cli.login.json()
    p = claims(a["access_token"])["permissions"]
    check("the token tells role and client", p["role"] == "contributor" and
          p["client_id"] == client[0], p)
    again = Cli(url, refresh=cli.refresh)
    check("a stored refresh token logs in",
          again.session.token is not None, again.login)
    s = again.session
    path = "/v1/secrets/%s/hosts/lab/password" % client[0]
    a = s.send("PUT", path, {"value": "hunter2hunter2", "expire_after":
                             31536000})
    check("secret write tells an expiry that Python reads",
          a.status == 200 and datetime.datetime.fromisoformat(
              a.json()["expires_at"]).tzinfo is not None, a)
    a = s.send("PUT", "/v1/secrets/%s/once" % client[0],
               {"value": "only once", "ephemeral": True})
    check("an ephemeral secret has no expiry",
          a.status == 200 and a.json() == {"expires_at": None}, a)
    a = s.request("DELETE", "/v1/secrets/%s/nothing" % client[0])
    check("secret delete", a.status == 200, a)
    return s


def admin_commands(url, admin):
    s = Cli(url, client=admin).session
    a = s.send("PUT", "/v1/client-permissions/robot", {
        "client_secret": "fifteen letters or more", "max_priority": {"*": 3},
        "max_reservation_time": {}, "role": "contributor"})
    check("admin set client-permissions answers text with 200",
          a.status == 200 and
          a.text() == "Created permissions for client 'robot'", a)
    a = s.get("/v1/client-permissions/robot")
    check("admin get client-permissions",
          a.json()["max_priority"] == {"*": 3}, a)
    check("admin get client-permissions of all",
          "robot" in [x["client_id"]
                      for x in s.get("/v1/client-permissions").json()])
    a = s.request("DELETE", "/v1/client-permissions/robot")
    check("admin delete client-permissions", a.status == 200, a)
    s.get("/v1/agents/data/a1")
    a = s.post("/v1/agents/data/a1", {"state": "maintenance",
                                      "comment": "broken"})
    check("admin set agent-status", a.status == 200, a)
    check("the cookie it brings does no harm",
          s.get("/v1/agents/data/a1").json()["state"] == "maintenance")
    s.post("/v1/agents/data/a1", {"state": "waiting", "comment": ""})


def multi_connector(url, parent):
    """Neither session nor token nor cookie."""
    def once():
        return Session(url, keep=False)
    a = once().post("/v1/job", {
        "job_queue": "spare", "test_data": {"test_cmds": "true"},
        "allocate_data": {"allocate": True}, "parent_job_id": parent})
    check("the connector submits a child", a.status == 200, a)
    child = a.json()["job_id"]
    a = once().get("/v1/result/" + child)
    check("the connector sees the child wait",
          a.json()["job_state"] == "waiting", a)
    check("the connector reads the parent",
          once().get("/v1/result/" + parent).status == 200)
    a = once().post("/v1/job/%s/action" % child, {"action": "cancel"})
    check("the connector cancels a child", a.status == 200, a)
    a = once().post("/v1/job/%s/action" % child, {"action": "cancel"})
    check("and is told 400 the second time", a.status == 400, a)


def lost_refresh(url, s, name, refresh):
    """After a refresh that failed the agent goes on without its token; only a
    401 makes it try again."""
    token, s.token = s.token, None
    a = s.get("/v1/job?queue=lab")
    check("an agent without its token is told 401, not 403",
          a.status == 401, a)
    a = s.post("/v1/agents/data/" + name, {"state": "waiting"})
    check("also when it posts", a.status == 401, a)
    agent_refresh(url, s, refresh)
    check("and is served after the refresh",
          s.get("/v1/job?queue=lab").status == 204)
    check("a token that came anew differs or is the same, and works",
          token is not None and s.token is not None)


attachments = archive("test/data.txt", b"attached\n")
artifact = archive("artifacts/report.txt", b"made\n")
s_url = None


def main(url, client, agent, admin):
    global s_url
    s_url = url
    refresh = agent_login(url, agent)
    s = Session(url)
    agent_refresh(url, s, refresh)
    agent_start(s, "a1")
    check("no job is 204", agent_idle(s, "a1").status == 204)
    anonymous_commands(url)
    wrong_logins(url, client)
    user = user_commands(url, client)
    admin_commands(url, admin)

    cli = Cli(url, client=client)
    job = cli_submit(cli, {
        "job_queue": "lab", "tags": ["nightly"],
        "provision_data": {"skip": True},
        "test_data": {"test_cmds": "echo $TOKEN",
                      "attachments": [{"agent": "data.txt"}],
                      "secrets": {"TOKEN": "hosts/lab/password",
                                  "ONCE": "once"}}}, attachments)
    shown = cli.session.get("/v1/job/" + job).json()
    check("show gives the definition with paths, not values",
          shown["test_data"]["secrets"]["TOKEN"] == "hosts/lab/password" and
          "attachments_status" not in shown and "client_id" not in shown and
          "reserve_data" not in shown, shown)
    state, start, _ = cli_poll(cli.session, job, 0)
    check("the state is waiting", state == "waiting", state)
    a = cli.session.get("/v1/queues/lab/jobs")
    check("queue-status lists it", [x["job_state"] for x in a.json()
                                    if x["job_id"] == job] == ["waiting"], a)
    a = agent_idle(s, "a1")
    check("the agent is given the job", a.status == 200, a)
    taken = a.json()
    check("with the values of its secrets",
          taken["test_data"]["secrets"] ==
          {"TOKEN": "hunter2hunter2", "ONCE": "only once"}, taken)
    check("and the time it was taken",
          taken["started_at"].endswith("Z") and
          "+" not in taken["started_at"], taken)
    agent_job(s, "a1", taken)
    state, start, text = cli_poll(cli.session, job, start)
    check("poll ends on complete", state == "complete", state)
    check("poll shows each fragment once, in order",
          text.count("provisioning\ncaf\u00e9 \U0001f600\n") == 1 and
          text.count("line 1\nline 2\n") == 1, text)
    _, _, text = cli_poll(cli.session, job, start)
    check("a further round shows nothing again", text == "", text)
    _, _, text = cli_poll(cli.session, job, 0, phase="test")
    check("one phase alone", "line 1" in text and "provisioning" not in text,
          text)
    _, _, text = cli_poll(cli.session, job, 0, stamp="2031-01-01T00:00:00")
    check("nothing from a later time on", text == "", text)
    a = cli.session.get("/v1/result/%s/log/serial?start_fragment=0" % job)
    check("poll-serial", a.json()["serial"]["provision"] ==
          {"last_fragment_number": 0, "log_data": "boot\n" * 1000}, a)
    result = cli.session.get("/v1/result/" + job).json()
    check("results in the flat form",
          result["test_status"] == 0 and result["provision_status"] == 0 and
          "line 1" in result["test_output"] and
          result["provision_serial"].startswith("boot") and
          result["device_info"]["device_ip"] == "10.1.1.2" and
          "setup_output" not in result, result)
    a = cli.session.get("/v1/result/%s/artifact" % job)
    check("artifacts are written as they come off the wire",
          a.status == 200 and a.body == artifact, a)
    a = cli.session.post("/v1/job/%s/action" % job, {"action": "cancel"})
    check("cancel of a job that is over is 400", a.status == 400, a)
    a = cli.session.get("/v1/job/%s/position" % job)
    check("and it has no position any more", a.status == 410, a)

    job = cli_submit(cli, {"job_queue": "lab", "provision_data": None,
                           "test_data": {"test_cmds": "sleep 99"}})
    taken = agent_idle(s, "a1").json()
    check("the second job comes", taken["job_id"] == job, taken)
    agent_job(s, "a1", taken, cancelled=True)
    a = cli.session.get("/v1/result/" + job).json()
    check("a cancelled job ends a poll",
          a["job_state"] in ("cancelled", "complete"), a)
    multi_connector(url, job)
    lost_refresh(url, s, "a1", refresh)
    check("the agent used one connection all the time",
          s.connections == 1, s.connections)
    check("the user's session lives", user.get("/v1/").status == 200)


if __name__ == "__main__":
    a = sys.argv[1:]
    main(a[0], (a[1], a[2]), (a[3], a[4]), (a[5], a[6]))
    sys.exit(1 if failures else 0)
