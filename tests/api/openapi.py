"""
The description of the API (docs/openapi.json) as a judge of answers, for walk.py and
matrix.py.

Of JSON Schema it knows what the file uses, and fails on anything else, so that nothing goes
unchecked.
"""

import base64
import hashlib
import hmac
import http.client
import json
import re
import socket
import time
import urllib.parse
import uuid

METHODS = ("get", "post", "put", "delete")
NOTES = {"description", "examples", "default", "format", "contentMediaType"}
TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "integer": lambda v: is_number(v) and v == int(v),
    "number": lambda v: is_number(v),
}


def is_number(v):
    return isinstance(v, (int, float)) and not isinstance(v, bool)


def same(a, b):
    """Equal as JSON, where true is not 1."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def matches(pattern, text):
    """As ECMA-262 means it: $ is the end, and classes are of ASCII."""
    if pattern.endswith("$") and not pattern.endswith("\\$"):
        pattern = pattern[:-1] + "\\Z"
    return re.search(pattern, text, re.ASCII) is not None


class Schemas:
    """Judges values.  `met` is what has been met of what may be met, as (node, value):
    each value of an enum, and each pattern, in values that were found good."""

    def __init__(self, doc):
        self.doc = doc
        self.met = set()

    def resolve(self, node):
        while "$ref" in node:
            at = self.doc
            for part in node["$ref"][2:].split("/"):
                at = at[part]
            node = at
        return node

    def faults(self, schema, value, at="$"):
        """Why value is not good, as texts; none: it is."""
        met = set()
        why = self.judge(schema, value, at, met)
        if not why:
            self.met |= met
        return why

    def judge(self, schema, value, at, met):
        why = []
        for word, arg in schema.items():
            if word in NOTES:
                continue
            if word.startswith("$"):
                why += self.judge(self.resolve(schema), value, at, met)
                continue
            check = getattr(self, "w_" + word, None)
            if check is None:
                raise SystemExit("unknown word of JSON Schema: " + word)
            why += check(arg, value, at, met, schema)
        return why

    def w_type(self, arg, value, at, _met, _schema):
        kinds = arg if isinstance(arg, list) else [arg]
        good = any(TYPES[kind](value) for kind in kinds)
        return [] if good else ["%s is no %s" % (at, arg)]

    def w_enum(self, arg, value, at, met, schema):
        for one in arg:
            if same(one, value):
                met.add((id(schema), one))
                return []
        return ["%s: %.200r is none of %.300r" % (at, value, arg)]

    def w_pattern(self, arg, value, at, met, schema):
        if not isinstance(value, str):
            return []
        if not matches(arg, value):
            return ["%s: %.200r is not like %s" % (at, value, arg)]
        met.add((id(schema), arg))
        return []

    def w_minLength(self, arg, value, at, _met, _schema):
        bad = isinstance(value, str) and len(value) < arg
        return ["%s is too short" % at] if bad else []

    def w_maxLength(self, arg, value, at, _met, _schema):
        bad = isinstance(value, str) and len(value) > arg
        return ["%s is too long" % at] if bad else []

    def w_minimum(self, arg, value, at, _met, _schema):
        bad = is_number(value) and value < arg
        return ["%s is too small" % at] if bad else []

    def w_maximum(self, arg, value, at, _met, _schema):
        bad = is_number(value) and value > arg
        return ["%s is too big" % at] if bad else []

    def w_exclusiveMaximum(self, arg, value, at, _met, _schema):
        bad = is_number(value) and value >= arg
        return ["%s is too big" % at] if bad else []

    def w_minItems(self, arg, value, at, _met, _schema):
        bad = isinstance(value, list) and len(value) < arg
        return ["%s has too few" % at] if bad else []

    def w_maxItems(self, arg, value, at, _met, _schema):
        bad = isinstance(value, list) and len(value) > arg
        return ["%s has too many" % at] if bad else []

    def w_minProperties(self, arg, value, at, _met, _schema):
        bad = isinstance(value, dict) and len(value) < arg
        return ["%s has too few" % at] if bad else []

    def w_maxProperties(self, arg, value, at, _met, _schema):
        bad = isinstance(value, dict) and len(value) > arg
        return ["%s has too many" % at] if bad else []

    def w_required(self, arg, value, at, _met, _schema):
        if not isinstance(value, dict):
            return []
        return ["%s has no %s" % (at, k) for k in arg if k not in value]

    def w_items(self, arg, value, at, met, _schema):
        why = []
        for i, v in enumerate(value if isinstance(value, list) else []):
            why += self.judge(arg, v, "%s[%d]" % (at, i), met)
        return why

    def w_properties(self, arg, value, at, met, _schema):
        why = []
        for k, s in arg.items() if isinstance(value, dict) else []:
            if k in value:
                why += self.judge(s, value[k], "%s.%s" % (at, k), met)
        return why

    def w_patternProperties(self, arg, value, at, met, _schema):
        why = []
        for k in value if isinstance(value, dict) else []:
            for pattern, s in arg.items():
                if matches(pattern, k):
                    why += self.judge(s, value[k], at + "." + k, met)
        return why

    def w_additionalProperties(self, arg, value, at, met, schema):
        why = []
        for k in value if isinstance(value, dict) else []:
            if k in schema.get("properties", {}) or any(
                    matches(p, k) for p in schema.get("patternProperties", {})):
                continue
            if arg is False:
                why.append("%s has %s" % (at, k))
            elif arg is not True:
                why += self.judge(arg, value[k], at + "." + k, met)
        return why

    def w_propertyNames(self, arg, value, at, met, _schema):
        why = []
        for k in value if isinstance(value, dict) else []:
            why += self.judge(arg, k, "%s: the name %s" % (at, k), met)
        return why

    def w_allOf(self, arg, value, at, met, _schema):
        return [f for s in arg for f in self.judge(s, value, at, met)]

    def branches(self, arg, value, at, met):
        """Faults of the branches, and how many have none."""
        why, good = [], 0
        for s in arg:
            own = set()
            found = self.judge(s, value, at, own)
            why += found
            if not found:
                good += 1
                met |= own
        return why, good

    def w_anyOf(self, arg, value, at, met, _schema):
        why, good = self.branches(arg, value, at, met)
        return [] if good else why

    def w_oneOf(self, arg, value, at, met, _schema):
        why, good = self.branches(arg, value, at, met)
        if good > 1:
            return [at + " is good in more than one way"]
        return [] if good else why

    def w_not(self, arg, value, at, _met, _schema):
        if self.judge(arg, value, at, set()):
            return []
        return ["%s: %.200r is what it may not be" % (at, value)]


class Operation:
    def __init__(self, path, method, node, schemas):
        self.path = path
        self.method = method.upper()
        self.id = node["operationId"]
        self.roles = node.get("x-permission-roles", [])
        self.holes = re.findall(r"\{(\w+)\}", path)
        self.params = [schemas.resolve(p) for p in node.get("parameters", [])]
        self.body = node.get("requestBody", {}).get("content", {})
        self.responses = {s: schemas.resolve(r)
                          for s, r in node["responses"].items()}

    def target(self, **values):
        """Its path with these values, or ones of nobody, in place of the holes."""
        path = self.path
        for hole in self.holes:
            value = values.get(hole)
            if value is None:
                value = ("output" if hole == "log_type"
                         else str(uuid.uuid4()) if hole == "job_id"
                         else "none-" + uuid.uuid4().hex)
            path = path.replace("{%s}" % hole, urllib.parse.quote(value))
        return path


class Document:
    """The file, checked for what this program relies on."""

    def __init__(self, text):
        self.doc = json.loads(text)
        self.schemas = Schemas(self.doc)
        self.operations = {}
        self.paths = {}
        for path, item in self.doc["paths"].items():
            for method, node in item.items():
                if method not in METHODS:
                    raise SystemExit("unknown method: " + method)
                op = Operation(path, method, node, self.schemas)
                if op.id in self.operations:
                    raise SystemExit("twice: " + op.id)
                self.operations[op.id] = op
                self.paths.setdefault(path, []).append(op)
        for place, schema in self.walk(self.doc, "#"):
            self.known_words(place, schema)

    def walk(self, node, place):
        """All schemas, with their places."""
        if isinstance(node, dict):
            for k, v in node.items():
                if k == "schema":
                    yield place + "/schema", v
                elif k == "schemas":
                    yield from ((place + "/schemas/" + n, s)
                                for n, s in v.items())
                elif k != "examples":
                    yield from self.walk(v, place + "/" + k)
        elif isinstance(node, list):
            for i, v in enumerate(node):
                yield from self.walk(v, "%s/%d" % (place, i))

    def parts(self, schema):
        """A schema and those within it, references not followed."""
        yield schema
        for word, arg in schema.items():
            if word in ("properties", "patternProperties"):
                inner = list(arg.values())
            elif word in ("anyOf", "oneOf", "allOf"):
                inner = arg
            elif isinstance(arg, dict) and word not in NOTES:
                inner = [arg]
            else:
                inner = []
            for s in inner:
                yield from self.parts(s)

    def known_words(self, place, schema):
        for part in self.parts(schema):
            for word in part:
                if (word not in NOTES and word != "$ref"
                        and not hasattr(Schemas, "w_" + word)):
                    raise SystemExit("%s: unknown word %s" % (place, word))
            self.schemas.resolve(part)

    def told(self):
        """Each value and pattern of the answers that a client may get to see as a message
        or a text: (whose, node, value), whose being operation and status, or "" for
        answers that are shared."""
        answers = [((op.id, status), r) for op in self.operations.values()
                   for status, r in op.responses.items()
                   if r not in self.doc["components"]["responses"].values()]
        answers += [("", r) for r in
                    self.doc["components"]["responses"].values()]
        for whose, response in answers:
            for kind, media in response.get("content", {}).items():
                for node, value in self.told_by(media.get("schema", {}),
                                                kind == "text/html"):
                    yield whose, node, value

    def told_by(self, schema, all_of_it):
        for part in self.parts(schema):
            if "$ref" in part:
                name = part["$ref"].split("/")[-1]
                if name in ("Unauthorized", "Forbidden"):
                    yield from self.told_by(self.schemas.resolve(part), False)
            message = part.get("properties", {}).get("message")
            for node in self.parts(message) if message else []:
                yield from self.values(node)
            if all_of_it:
                yield from self.values(part)

    @staticmethod
    def values(node):
        for value in node.get("enum", []):
            yield id(node), value
        if "pattern" in node:
            yield id(node), node["pattern"]

    def faults(self, op, answer):
        """Why this answer is not one that the file lists for the operation."""
        listed = op.responses.get(str(answer.status),
                                  op.responses.get("default"))
        if listed is None:
            return ["%d is not listed" % answer.status]
        why = []
        if answer.reason == "Other" and str(answer.status) in op.responses:
            why.append("no reason phrase")
        for name, header in listed.get("headers", {}).items():
            header = self.schemas.resolve(header)
            value = answer.headers.get(name)
            if value is not None:
                why += self.schemas.faults(header["schema"], value, name)
            elif header.get("required"):
                why.append("no header " + name)
        for name in ("X-Request-Id", "X-Content-Type-Options"):
            if len(answer.headers.get_all(name, [])) != 1:
                why.append("not once: " + name)
        if answer.status in (204, 304) or answer.head:
            if answer.body:
                why.append("a body")
            return why
        kind = answer.headers.get("Content-Type", "").split(";")[0]
        media = listed.get("content", {}).get(kind)
        if media is None:
            return why + ["a body of the type %r" % kind]
        if "schema" in media:
            value = answer.value(kind)
            why += self.schemas.faults(media["schema"], value)
        return why


class Answer:
    def __init__(self, response, head=False):
        self.status = response.status
        self.reason = response.reason
        self.headers = response.headers
        self.head = head
        self.body = response.read()

    def value(self, kind="application/json"):
        text = self.body.decode("utf-8")
        return json.loads(text) if kind == "application/json" else text

    def json(self):
        return self.value()

    def message(self):
        """What an error in JSON says, else None."""
        if self.headers.get("Content-Type") != "application/json":
            return None
        value = self.json()
        return value.get("message") if isinstance(value, dict) else None

    def __repr__(self):
        return "%d %s %.300r" % (
            self.status, self.headers.get("Content-Type"), self.body)


class Server:
    """One instance, over a connection that is kept."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.address = (parts.hostname, parts.port)
        self.kept = None

    def send(self, method, target, headers=(), body=None, keep=True):
        """Headers as pairs; a body of bytes goes with its length."""
        c = self.kept if keep else None
        if c is None:
            c = http.client.HTTPConnection(*self.address, timeout=30)
            if keep:
                self.kept = c
        names = [k.lower() for k, _ in headers]
        c.putrequest(method, target, skip_host="host" in names,
                     skip_accept_encoding=True)
        for k, v in headers:
            c.putheader(k, v)
        if body is not None and "content-length" not in names:
            c.putheader("Content-Length", str(len(body)))
        c.endheaders(body)
        answer = Answer(c.getresponse(), method == "HEAD")
        # After a 412 nginx ends the connection without saying so.
        if answer.status == 412 or not keep:
            c.close()
        return answer

    def send_head(self, method, target, headers=()):
        """The head of a request alone, on a connection of its own: the answer comes
        before the body that it announces."""
        with socket.create_connection(self.address, timeout=30) as s:
            lines = ["%s %s HTTP/1.1" % (method, target)]
            if "host" not in [k.lower() for k, _ in headers]:
                lines.append("Host: localhost")
            lines += ["%s: %s" % pair for pair in headers]
            s.sendall("\r\n".join(lines + ["", ""]).encode())
            response = http.client.HTTPResponse(s, method=method)
            response.begin()
            return Answer(response)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(key, claims=None, header=None, **permissions):
    """An access token; claims replaces some, None leaves one out."""
    now = int(time.time())
    all_claims = {"exp": now + 600, "iat": now, "sub": "access_token",
                  "permissions": permissions}
    all_claims.update(claims or {})
    text = "%s.%s" % (
        b64(json.dumps(header or {"alg": "HS256", "typ": "JWT"}).encode()),
        b64(json.dumps({k: v for k, v in all_claims.items()
                        if v is not None}).encode()))
    mac = hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()
    return text + "." + b64(mac)
