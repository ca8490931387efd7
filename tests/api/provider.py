"""
An OpenID Connect provider for tests: discovery, keys, device flow, authorization code
with PKCE, user info, on a free port of loopback.  It does as the standard says unless it is
told otherwise: `answers` replaces what a path answers, `claims` and `token_with` what an ID
token says and how it is signed.
"""

import base64
import hashlib
import http.server
import json
import os
import subprocess
import tempfile
import threading
import time
import urllib.parse


def b64(data):
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def run(*args, data=None):
    """What a program writes."""
    return subprocess.run(
        args, input=data, check=True, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL).stdout


class Key:
    """A key pair with an id."""

    def __init__(self, kind, kid):
        self.kind = kind
        self.kid = kid
        handle, self.file = tempfile.mkstemp()
        os.close(handle)
        if kind == "RSA":
            run("openssl", "genrsa", "-out", self.file, "2048")
        else:
            run("openssl", "ecparam", "-name", "prime256v1", "-genkey",
                "-noout", "-out", self.file)

    def jwk(self):
        """The public half as JSON Web Key."""
        if self.kind == "RSA":
            text = run("openssl", "rsa", "-in", self.file, "-modulus",
                       "-noout").decode()
            modulus = bytes.fromhex(text.strip().split("=")[1])
            return {"kty": "RSA", "kid": self.kid, "use": "sig",
                    "alg": "RS256", "n": b64(modulus), "e": "AQAB"}
        der = run("openssl", "ec", "-in", self.file, "-pubout", "-outform",
                  "DER")
        return {"kty": "EC", "kid": self.kid, "use": "sig", "alg": "ES256",
                "crv": "P-256", "x": b64(der[-64:-32]), "y": b64(der[-32:])}

    def sign(self, text):
        """The signature of text as JWS has it."""
        der = run("openssl", "dgst", "-sha256", "-sign", self.file, data=text)
        if self.kind == "RSA":
            return der
        numbers, at = [], 2
        for _ in range(2):
            size = der[at + 1]
            numbers.append(int.from_bytes(der[at + 2:at + 2 + size], "big"))
            at += 2 + size
        return b"".join(n.to_bytes(32, "big") for n in numbers)

    def token(self, claims, header=None):
        """Signed claims."""
        if header is None:
            header = {"alg": "RS256" if self.kind == "RSA" else "ES256",
                      "kid": self.kid}
        text = "%s.%s" % (b64(json.dumps(header).encode()),
                          b64(json.dumps(claims).encode()))
        return text + "." + b64(self.sign(text.encode()))

    def remove(self):
        """Forget it."""
        os.unlink(self.file)


class Handler(http.server.BaseHTTPRequestHandler):
    """The pages of the provider."""

    protocol_version = "HTTP/1.1"

    def answer(self, status, body, kind="application/json", headers=()):
        """A whole answer."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self):
        """Any request: noted, then answered."""
        p = self.server.provider
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size).decode()
        parts = urllib.parse.urlsplit(self.path)
        form = dict(urllib.parse.parse_qsl(body or parts.query))
        with p.lock:
            p.requests.append((self.command, parts.path, form,
                               dict(self.headers.items())))
            told = p.answers.get(parts.path)
        if told == "hang":
            p.stop.wait(30)
            self.close_connection = True
        elif told is not None:
            self.answer(*told)
        else:
            getattr(self, p.pages.get(parts.path, "nothing"))(p, form)

    do_GET = do_POST = handle_any

    def nothing(self, _p, _form):
        self.answer(404, {"error": "not_found"})

    def metadata(self, p, _form):
        self.answer(200, p.metadata())

    def poor_metadata(self, p, _form):
        self.answer(200, {"issuer": p.issuer + "/poor"})

    def keys(self, p, _form):
        self.answer(200, {"keys": [k.jwk() for k in p.keys]})

    def device(self, p, _form):
        self.answer(200, p.begin_device())

    def authorize(self, p, form):
        code = p.secret()
        p.codes[code] = form
        self.answer(302, b"", headers=[("Location", "%s?%s" % (
            form["redirect_uri"], urllib.parse.urlencode(
                {"code": code, "state": form["state"], "iss": p.issuer})))])

    def token(self, p, form):
        status, answer = p.trade(form)
        self.answer(status, answer)

    def userinfo(self, p, _form):
        given = self.headers.get("Authorization", "")
        user = p.tokens.get(given[len("Bearer "):])
        if user is None:
            self.answer(401, {"error": "invalid_token"})
        else:
            self.answer(200, user)

    def log_message(self, *_args):
        pass


class Server(http.server.ThreadingHTTPServer):
    """Whose callers go away when they like."""

    daemon_threads = True
    provider = None

    def handle_error(self, request, client_address):
        pass


class Provider:
    """One provider, serving until the program ends."""

    def __init__(self, client):
        self.client = client
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.requests = []
        self.answers = {}
        self.devices = {}
        self.codes = {}
        self.tokens = {}
        self.spent = []
        self.keys = [Key("RSA", "rsa-1"), Key("EC", "ec-1")]
        self.signer = self.keys[0]
        self.header = None
        self.claims = {}
        self.user = {"sub": "person-1", "email": "ann@example.com",
                     "name": "Ann"}
        self.email_in_token = True
        self.life = 300
        self.pages = {
            "/.well-known/openid-configuration": "metadata",
            "/poor/.well-known/openid-configuration": "poor_metadata",
            "/keys": "keys", "/device": "device", "/token": "token",
            "/authorize": "authorize", "/userinfo": "userinfo",
        }
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.provider = self
        self.issuer = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def close(self):
        """Let those go who hang, and forget the keys."""
        self.stop.set()
        self.server.shutdown()
        for key in self.keys:
            key.remove()

    def metadata(self):
        """What it says of itself."""
        i = self.issuer
        return {"issuer": i, "authorization_endpoint": i + "/authorize",
                "token_endpoint": i + "/token", "jwks_uri": i + "/keys",
                "userinfo_endpoint": i + "/userinfo",
                "device_authorization_endpoint": i + "/device",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256", "ES256"]}

    @staticmethod
    def secret():
        """A text that nobody guesses."""
        return b64(os.urandom(24))

    def begin_device(self):
        """A device flow begins."""
        code = self.secret()
        self.devices[code] = None
        return {"device_code": code, "user_code": "ABCD-EFGH",
                "verification_uri": self.issuer + "/activate",
                "expires_in": self.life, "interval": 1, "extra": [1, "\u00e9"]}

    def approve(self, user=None):
        """Whoever waits is this user."""
        for code in self.devices:
            self.devices[code] = user or self.user

    def trade(self, form):
        """The token endpoint."""
        if form.get("grant_type") == "authorization_code":
            begun = self.codes.pop(form.get("code"), None)
            self.spent.append(form.get("code"))
            digest = hashlib.sha256(
                form.get("code_verifier", "").encode()).digest()
            if (begun is None or begun["code_challenge"] != b64(digest)
                    or begun["redirect_uri"] != form.get("redirect_uri")):
                return 400, {"error": "invalid_grant"}
            return 200, self.tokens_for(self.user, begun.get("nonce"))
        code = form.get("device_code")
        if code not in self.devices:
            return 400, {"error": "invalid_grant"}
        if self.devices[code] is None:
            return 400, {"error": "authorization_pending"}
        return 200, self.tokens_for(self.devices.pop(code), None)

    def tokens_for(self, user, nonce):
        """Access token and ID token."""
        access = self.secret()
        self.tokens[access] = user
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": self.client, "iat": now,
                  "exp": now + 300, "sub": user["sub"]}
        if nonce is not None:
            claims["nonce"] = nonce
        if self.email_in_token:
            claims.update(user)
        claims.update(self.claims)
        claims = {k: v for k, v in claims.items() if v is not None}
        return {"access_token": access, "token_type": "Bearer",
                "expires_in": 300,
                "id_token": self.signer.token(claims, self.header)}
