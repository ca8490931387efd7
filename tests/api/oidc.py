"""
Sign-in by OpenID Connect as the command-line client and a browser do it, for test_oidc.sh.

Prints the issuer, then reads from standard input, a line each: the addresses of four
instances (the provider as it is; without a client secret and with PUBLIC_URL; with a
provider that has no endpoints; with one that is not there), the secret of the admin "boss"
and the directory of the first one's logs.
"""

import base64
import glob
import http.client
import json
import sys
import time
import urllib.parse

from provider import Key, Provider, b64

CLIENT = "lab one"
failures = 0


def check(promise, good, got=None):
    """One promise."""
    global failures
    if good:
        print("ok: " + promise)
        return
    failures += 1
    print("not ok: " + promise)
    print("    got: %r" % (got,))


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def cookie(self):
        """The session of the answer, "" for one taken away, None without."""
        for line in self.headers.get_all("Set-Cookie", []):
            if line.startswith("session="):
                return line[len("session="):].split(";")[0]
        return None

    def __repr__(self):
        return "%d %r %r" % (self.status, self.body[:300],
                             self.headers.items())


def request(url, method, path, body=None, **headers):
    """One request; header names with _ for -."""
    parts = urllib.parse.urlsplit(url)
    c = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    named = {k.replace("_", "-"): v for k, v in headers.items()
             if v is not None}
    if isinstance(body, (dict, list)):
        named["Content-Type"] = "application/json"
        body = json.dumps(body)
    c.request(method, path, body=body, headers=named)
    answer = Answer(c.getresponse())
    c.close()
    return answer


def says(answer, status, message):
    """Is it this error, in the shape of the API's errors?"""
    return (answer.status == status
            and answer.headers["Content-Type"] == "application/json"
            and answer.json() == {"detail": {}, "message": message})


def claims_of(token):
    """What an access token says."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def init(url):
    return request(url, "POST", "/oidc/auth-init")


def poll(url, request_id):
    return request(url, "POST", "/oidc/auth-poll/" + request_id)


def sign_in(url, provider, user=None):
    """The device flow, approved at once."""
    request_id = init(url).json()["request_id"]
    provider.approve(user)
    return poll(url, request_id)


def failing_discovery(url, p):
    """Nothing of a provider that cannot be understood is kept."""
    path = "/.well-known/openid-configuration"
    words = "OIDC provider returned an unexpected response"
    other = dict(p.metadata(), issuer="http://other.example")
    for name, told in (
            ("metadata that is no JSON", (200, b"<html>", "text/html")),
            ("metadata that is no object", (200, [])),
            ("metadata that is not there", (404, {})),
            ("metadata of another issuer", (200, other)),
            ("metadata without an end", (200, b" " * 200000))):
        p.answers[path] = told
        a = init(url)
        check(name + " is 502", says(a, 502, words), a)
    p.answers[path] = "hang"
    begin = time.monotonic()
    a = init(url)
    took = time.monotonic() - begin
    check("a provider that hangs is given up after 5 s",
          says(a, 502, "Failed to communicate with OIDC provider")
          and 4 < took < 9, (a, took))
    a = request(url, "GET", "/auth/login")
    check("a browser is told too", a.status == 502, a)
    del p.answers[path]


def device_begins(url, p):
    del p.requests[:]
    a = init(url)
    begun = a.json()
    check("a sign-in by device begins", a.status == 200, a)
    check("with the provider's words", begun.get("user_code") == "ABCD-EFGH"
          and begun.get("interval") == 1 and begun.get("expires_in") == 300
          and begun.get("verification_uri") == p.issuer + "/activate"
          and begun.get("extra") == [1, "\u00e9"], begun)
    check("its code stays here", "device_code" not in begun, begun)
    check("an id of 43 characters stands for it",
          len(begun.get("request_id", "")) == 43, begun)
    method, _, form, headers = [r for r in p.requests
                                if r[1] == "/device"][0]
    check("the provider is asked with POST and the scope", method == "POST"
          and form.get("scope") == "openid profile email"
          and form.get("client_id") == CLIENT, form)
    proof = base64.b64decode(headers["Authorization"].split(" ")[1]).decode()
    check("as this client, by Basic, encoded as RFC 6749 says",
          proof == "lab%20one:s%3Ae%25cret", proof)
    return begun["request_id"]


def device_fails(url, p):
    for name, told, words in (
            ("a refusal", (400, {"error": "invalid_client"}),
             "OIDC provider rejected device authorization request"),
            ("a refusal that is no JSON", (503, b"<html>", "text/html"),
             "OIDC provider rejected device authorization request"),
            ("no JSON", (200, b"<html>", "text/html"),
             "OIDC provider returned an unexpected response"),
            ("no code", (200, {"user_code": "x"}),
             "OIDC provider response missing device_code")):
        p.answers["/device"] = told
        a = init(url)
        check("instead of a code, %s: 502" % name, says(a, 502, words), a)
    del p.answers["/device"]


def device_polls(url, p, request_id):
    a = poll(url, "x" * 43)
    check("an unknown id is 400",
          says(a, 400, "Invalid or expired request_id"), a)
    a = poll(url, request_id)
    check("nobody signed in yet: pending", a.status == 400
          and a.json() == {"error": "authorization_pending"}, a)
    p.answers["/token"] = (400, {"error": "slow_down"})
    a = poll(url, request_id)
    check("slow_down says how slow", a.status == 400
          and a.json() == {"error": "slow_down"}
          and a.headers["Retry-After"] == "5", a)
    for name, told, words in (
            ("no JSON", (200, b"x", "text/plain"),
             "OIDC provider returned an unexpected response"),
            ("an error without a word", (500, {}),
             "OIDC provider returned an unexpected response"),
            ("no access token", (200, {"x": 1}),
             "OIDC provider returned an unexpected response")):
        p.answers["/token"] = told
        a = poll(url, request_id)
        check("instead of tokens, %s: 502" % name, says(a, 502, words), a)
    del p.answers["/token"]
    a = poll(url, request_id)
    check("none of that ends it", a.status == 400
          and a.json() == {"error": "authorization_pending"}, a)
    p.approve()
    a = poll(url, request_id)
    check("then tokens come", a.status == 200 and sorted(a.json()) == [
        "access_token", "expires_in", "refresh_token", "token_type"], a)
    tokens = a.json()
    claims = claims_of(tokens["access_token"])
    check("of a contributor by the email address", claims["permissions"] == {
        "client_id": "ann@example.com", "role": "contributor"}, claims)
    a = poll(url, request_id)
    check("once", says(a, 400, "Invalid or expired request_id"), a)
    request_id = init(url).json()["request_id"]
    p.answers["/token"] = (400, {"error": "access_denied"})
    a = poll(url, request_id)
    check("a refusal is passed on", a.status == 400
          and a.json() == {"error": "access_denied"}, a)
    del p.answers["/token"]
    a = poll(url, request_id)
    check("and ends it", says(a, 400, "Invalid or expired request_id"), a)
    p.life = 1
    request_id = init(url).json()["request_id"]
    p.life = 300
    end = time.monotonic() + 20
    while time.monotonic() < end and "error" in poll(url, request_id).json():
        time.sleep(0.1)
    a = poll(url, request_id)
    check("it ends when the provider says",
          says(a, 400, "Invalid or expired request_id"), a)
    return tokens


def token_serves(url, tokens):
    bearer = "Bearer " + tokens["access_token"]
    a = request(url, "GET", "/v1/agents/data")
    check("without a token nobody may",
          says(a, 401, "Authentication is required for specified endpoint"), a)
    a = request(url, "POST", "/v1/job", {"job_queue": "q"},
                Authorization=bearer)
    check("with one a job is accepted", a.status == 200, a)
    a = request(url, "POST", "/v1/oauth2/refresh",
                {"refresh_token": tokens["refresh_token"]})
    check("the refresh token serves", a.status == 200, a)


def user_info(url, p):
    p.email_in_token = False
    a = sign_in(url, p)
    check("an email address may come as user info", a.status == 200, a)
    words = "Failed to retrieve user information from OIDC provider"
    for name, told in (
            ("that is refused", (401, {"error": "invalid_token"})),
            ("that is no JSON", (200, b"x", "text/plain")),
            ("of somebody else", (200, {"sub": "other",
                                        "email": "eve@example.com"})),
            ("of nobody", (200, {"email": "eve@example.com"}))):
        p.answers["/userinfo"] = told
        a = sign_in(url, p)
        check("user info %s: 502" % name, says(a, 502, words), a)
    for name, told in (("no email address", {"sub": "person-1"}),
                       ("an email address that is none",
                        {"sub": "person-1", "email": 5}),
                       ("one that will not do as an id",
                        {"sub": "person-1", "email": "a/b:c@example.com"}),
                       ("one that is no address",
                        {"sub": "person-1", "email": "ann,role=admin"}),
                       ("one that it has not verified",
                        {"sub": "person-1", "email": "eve@example.com",
                         "email_verified": False})):
        p.answers["/userinfo"] = (200, told)
        a = sign_in(url, p)
        check("with %s: 502" % name,
              says(a, 502,
                   "OIDC provider did not return an email address"), a)
    del p.answers["/userinfo"]
    p.email_in_token = True


def id_tokens(url, p):
    """What of an ID token is believed, and what not."""
    words = "Failed to retrieve user information from OIDC provider"
    now = int(time.time())
    p.signer = p.keys[1]
    a = sign_in(url, p)
    check("an ID token by ES256 is believed", a.status == 200, a)
    p.signer = p.keys[0]
    for name, claims, good in (
            ("of another issuer", {"iss": "http://other.example"}, False),
            ("for another client", {"aud": "other"}, False),
            ("for nobody", {"aud": None}, False),
            ("for several, given to us",
             {"aud": ["other", CLIENT], "azp": CLIENT}, True),
            ("for several, given to nobody", {"aud": ["other", CLIENT]},
             False),
            ("for several, given to another",
             {"aud": ["other", CLIENT], "azp": "other"}, False),
            ("that has expired", {"exp": now - 60}, False),
            ("that never expires", {"exp": None}, False),
            ("of the future", {"iat": now + 600}, False),
            ("of nobody", {"sub": None}, False),
            ("of an empty name", {"sub": ""}, False)):
        p.claims = claims
        a = sign_in(url, p)
        check("an ID token %s is %s" % (
            name, "believed" if good else "refused"),
              a.status == 200 if good else says(a, 502, words), a)
    p.claims = {}
    for name, header in (
            ("not signed", {"alg": "none"}),
            ("by a secret", {"alg": "HS256"}),
            ("by another algorithm", {"alg": "RS512", "kid": "rsa-1"}),
            ("by an algorithm of another key",
             {"alg": "ES256", "kid": "rsa-1"}),
            ("with what must be understood",
             {"alg": "RS256", "kid": "rsa-1", "crit": ["x"]})):
        p.header = header
        a = sign_in(url, p)
        check("an ID token %s is refused" % name, says(a, 502, words), a)
    p.header = None
    forged = Key("RSA", "rsa-1")
    p.signer = forged
    a = sign_in(url, p)
    check("one signed by somebody else is refused", says(a, 502, words), a)
    # The provider changes its keys: the new one is fetched, if not at once.
    forged.kid = "rsa-2"
    p.keys.append(forged)
    end = time.monotonic() + 20
    a = sign_in(url, p)
    while a.status != 200 and time.monotonic() < end:
        time.sleep(0.5)
        a = sign_in(url, p)
    check("a new key of the provider is believed", a.status == 200, a)
    p.signer = p.keys[0]
    p.answers["/token"] = (200, {"access_token": "x", "id_token": "a.b"})
    request_id = init(url).json()["request_id"]
    a = poll(url, request_id)
    check("an ID token that cannot be read is refused",
          says(a, 502, words), a)
    del p.answers["/token"]


def clients(url, p, admin):
    """People and the clients of this server."""
    a = request(url, "POST", "/v1/oauth2/token", Authorization="Basic "
                + base64.b64encode(("boss:" + admin).encode()).decode())
    boss = "Bearer " + a.json()["access_token"]

    def change(who, body):
        return request(url, "PUT", "/v1/client-permissions/" + who, body,
                       Authorization=boss)

    a = change("ann@example.com", {"max_priority": {"*": 7}})
    check("an admin gives somebody permissions", a.status == 200, a)
    for body in ({"email": "a@example.com"},
                 {"client_secret": "0123456789abcdef"}):
        a = change("ann@example.com", body)
        check("but no %s" % list(body)[0], says(
            a, 422, "Error: Cannot add email or client secret to OIDC "
            "client id"), a)
    first = sign_in(url, p).json()
    check("they stand in the next token",
          claims_of(first["access_token"])["permissions"].get("max_priority")
          == {"*": 7}, first)
    a = request(url, "POST", "/v1/oauth2/token", Authorization="Basic "
                + base64.b64encode(b"ann@example.com:").decode())
    check("nobody logs in there with a secret", a.status == 401, a)
    a = change("taken@example.com", {"client_secret": "0123456789abcdef"})
    other = {"sub": "person-2", "email": "taken@example.com"}
    a = sign_in(url, p, other)
    check("an address that is another client's id is 409, which the client "
          "understands", a.status == 409
          and a.json().get("error") == "email_taken", a)
    a = request(url, "PUT", "/v1/secrets/ann@example.com/a/b",
                {"value": "v"},
                Authorization="Bearer " + first["access_token"])
    check("somebody keeps a secret", a.status == 200, a)
    p.user = {"sub": "person-1", "email": "ann.b@example.com"}
    second = sign_in(url, p).json()
    permissions = claims_of(second["access_token"])["permissions"]
    check("with another address it is the same client", permissions == {
        "client_id": "ann.b@example.com", "role": "contributor",
        "max_priority": {"*": 7}}, permissions)
    a = request(url, "POST", "/v1/oauth2/refresh",
                {"refresh_token": first["refresh_token"]})
    check("whose former refresh token serves", a.status == 200
          and claims_of(a.json()["access_token"])["permissions"]
          ["client_id"] == "ann.b@example.com", a)
    a = request(url, "GET", "/v1/client-permissions/ann@example.com",
                Authorization=boss)
    check("and the former id is gone", a.status == 404, a)
    a = request(url, "POST", "/v1/job", {
        "job_queue": "s", "test_data": {"secrets": {"X": "a/b"}}},
        Authorization="Bearer " + second["access_token"])
    check("its secrets are its own still", a.status == 200, a)
    p.user = {"sub": "person-1", "email": "taken@example.com"}
    a = sign_in(url, p)
    check("nobody takes another's id by changing the address",
          a.status == 409, a)
    p.user = {"sub": "person-1", "email": "ann.b@example.com"}


class Browser:
    """What a browser remembers."""

    def __init__(self, url, **headers):
        self.url = url
        self.session = None
        self.headers = headers

    def get(self, path):
        cookie = None if self.session is None else "x=1; session=" + (
            self.session)
        a = request(self.url, "GET", path, Cookie=cookie, **self.headers)
        if a.cookie() is not None:
            self.session = a.cookie() or None
        return a

    def leave(self):
        """To the provider and back; the path to call then."""
        a = self.get("/auth/login")
        there = urllib.parse.urlsplit(a.headers["Location"])
        b = request(a.headers["Location"], "GET",
                    there.path + "?" + there.query)
        back = urllib.parse.urlsplit(b.headers["Location"])
        return back.path + "?" + back.query

    def name(self):
        """Who the session says it is."""
        if self.session is None:
            return None
        return claims_of("x." + self.session.split(".")[0]).get("name")


def is_home(answer):
    return answer.status == 302 and answer.headers["Location"] == "/"


def browser_signs_in(url, p):
    p.user = {"sub": "person-3", "email": "web@example.com",
              "name": "W\u00e9b"}
    b = Browser(url)
    a = b.get("/auth/login")
    to = urllib.parse.urlsplit(a.headers["Location"])
    query = dict(urllib.parse.parse_qsl(to.query))
    check("a browser is sent to the provider", a.status == 302
          and a.headers["Location"].startswith(p.issuer + "/authorize?"), a)
    check("for a code, with the scope and PKCE",
          query.get("response_type") == "code"
          and query.get("client_id") == CLIENT
          and query.get("scope") == "openid profile email"
          and query.get("code_challenge_method") == "S256"
          and query.get("redirect_uri") == url + "/auth/callback", query)
    line = a.headers["Set-Cookie"]
    check("its cookie is for this server alone", "HttpOnly" in line
          and "SameSite=Lax" in line and "Path=/" in line
          and "Secure" not in line, line)
    check("nothing of it is cached", a.headers["Cache-Control"] == "no-store",
          a)
    back = b.leave()
    a = b.get(back)
    check("back with a code it is at home", is_home(a), a)
    check("and has a session with the name", b.name() == "W\u00e9b",
          b.session)
    a = request(url, "GET", "/v1/agents/data", Cookie="session=" + b.session)
    check("which opens no door of the API", a.status == 401, a)
    a = b.get(back)
    check("the way back is good once", is_home(a) and b.name() is None, a)
    p.user = dict(p.user, name="\u00e9" * 3000)
    a = b.get(b.leave())
    check("a name may be long", is_home(a) and b.name() == "\u00e9" * 100, a)
    a = b.get("/auth/logout")
    check("a sign-out takes it away", is_home(a) and b.session is None, a)


def browser_fails(url, p):
    back = Browser(url).leave()
    stranger = Browser(url)
    a = stranger.get(back)
    check("without a cookie nobody is signed in",
          is_home(a) and stranger.name() is None, a)
    stranger.leave()
    a = stranger.get(back)
    check("nor with that of another sign-in",
          is_home(a) and stranger.name() is None, a)
    for name, change in (
            ("a changed state", lambda s: s.replace("state=", "state=x")),
            ("no state", lambda s: s.replace("state=", "nostate=")),
            ("a changed code", lambda s: s.replace("code=", "code=x")),
            ("no code", lambda s: s.replace("code=", "nocode=")),
            ("another issuer", lambda s: s.replace("127.0.0.1",
                                                   "127.0.0.2")),
            ("an error", lambda s: s + "&error=access_denied")):
        b = Browser(url)
        a = b.get(change(b.leave()))
        check("%s signs nobody in" % name, is_home(a) and b.name() is None,
              (a, b.session))
    b = Browser(url)
    back = b.leave()
    payload, mac = b.session.split(".")
    told = claims_of("x." + payload)
    told["name"] = "root"
    b.session = b64(json.dumps(told).encode()) + "." + mac
    a = b.get(back)
    check("a changed cookie is none", is_home(a) and b.name() is None, a)
    for name, claims in (("without nonce", {"nonce": None}),
                         ("of another nonce", {"nonce": "other"}),
                         ("for another client", {"aud": "other"})):
        p.claims = claims
        b = Browser(url)
        a = b.get(b.leave())
        check("an ID token %s signs no browser in" % name,
              is_home(a) and b.name() is None, a)
    p.claims = {}
    p.answers["/token"] = (200, {"access_token": "x"})
    b = Browser(url)
    a = b.get(b.leave())
    check("no ID token signs no browser in",
          is_home(a) and b.name() is None, a)
    del p.answers["/token"]
    user, p.user = p.user, {"sub": "person-9", "email": "taken@example.com"}
    b = Browser(url)
    a = b.get(b.leave())
    check("an address that is a client's id is 409", a.status == 409
          and b.name() is None, a)
    p.user = user
    a = request(url, "GET", "/auth/login", Host="a b/c")
    check("a host that is none is 400", a.status == 400, a)


def public(url, p):
    """A client without a secret, behind another server."""
    del p.requests[:]
    a = sign_in(url, p, {"sub": "p", "email": "p@example.com"})
    check("a client without a secret signs people in", a.status == 200, a)
    _, _, form, headers = [r for r in p.requests if r[1] == "/device"][0]
    check("by its id alone", form.get("client_id") == CLIENT
          and "Authorization" not in headers, headers)
    a = request(url, "GET", "/auth/login")
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(
        a.headers["Location"]).query))
    check("PUBLIC_URL is where browsers come back",
          query["redirect_uri"] == "https://lab.example/auth/callback", query)
    check("and their cookie is for https alone",
          "; Secure" in a.headers["Set-Cookie"], a)


def others(poor, gone):
    a = init(poor)
    check("a provider without device flow is 500", says(
        a, 500, "OIDC provider does not support device authorization"), a)
    a = poll(poor, "begun")
    check("one without a token endpoint too", says(
        a, 500, "OIDC provider metadata missing token endpoint"), a)
    a = request(poor, "GET", "/auth/login")
    check("one without sign-in by browser is 502", a.status == 502, a)
    a = init(gone)
    check("one that is not there is 502", says(
        a, 502, "Failed to communicate with OIDC provider"), a)
    a = request(gone, "GET", "/v1/job/search")
    check("and the API is closed all the same", a.status == 401, a)
    a = request(gone, "GET", "/v1/")
    check("but for what everybody may", a.status == 200, a)
    a = request(gone, "GET", "/oidc/auth-init")
    check("another method is 405", a.status == 405
          and "POST" in a.headers["Allow"], a)


def logs(directory, p, tokens, request_id):
    text = ""
    for name in glob.glob(directory + "/*"):
        with open(name, encoding="utf-8", errors="replace") as f:
            text += f.read()
    for event in ("authn_login_success:ann@example.com",
                  "user_created:ann@example.com,ann@example.com,"
                  "role=contributor", "authn_login_fail:unknown",
                  "authn_login_fail:taken@example.com",
                  "authn_token_created:ann@example.com,contributor",
                  "authn_login_success:web@example.com"):
        check("the security log has " + event, '"%s"' % event in text)
    for name, secret in (
            ("an access token", tokens["access_token"]),
            ("a refresh token", tokens["refresh_token"]),
            ("the id of a sign-in", request_id),
            ("a code of the provider", list(p.spent)[0])):
        check("no log has " + name, secret not in text)


def main():
    p = Provider(CLIENT)
    print(p.issuer, flush=True)
    url, url_public, poor, gone, admin, directory = [
        sys.stdin.readline().strip() for _ in range(6)]
    failing_discovery(url, p)
    request_id = device_begins(url, p)
    device_fails(url, p)
    tokens = device_polls(url, p, request_id)
    token_serves(url, tokens)
    user_info(url, p)
    id_tokens(url, p)
    clients(url, p, admin)
    browser_signs_in(url, p)
    browser_fails(url, p)
    public(url_public, p)
    others(poor, gone)
    logs(directory, p, tokens, request_id)
    p.close()
    sys.exit(1 if failures else 0)


main()
