"""
Who may do what: every operation of the description, called by everybody, wherever callers
without a token have other roles.  Called by test_openapi.sh:

    matrix.py KEY NAME=URL=ROLES...

KEY signs the tokens, ROLES are those of ANONYMOUS_ROLES of the instance.  Prints "ok" or
"not ok" for each caller at each instance.
"""

import re
import sys
import time

from openapi import Document, Server, token

LOGIN = "Authentication is required for specified endpoint"
REFUSALS = {LOGIN, "Unauthorized", "Token has expired", "Token not yet valid",
            "Unable to decode token", "Invalid Token",
            "Invalid Token signature"}
ROLE = "Specified action requires role: "


def callers(key):
    """Name, headers, and the role, or how the answer is told."""
    now = int(time.time())

    def bearer(text):
        return [("Authorization", "Bearer " + text)]

    for role in ("admin", "manager", "contributor", "agent"):
        yield role, bearer(token(key, client_id="m-" + role, role=role)), role
    yield "a token without a role", bearer(token(key, client_id="m")), \
        "contributor"
    yield "nobody", [], None
    yield "nobody with the cookie of an agent", \
        [("Cookie", "agent_name=m")], "cookie"
    yield "Basic", [("Authorization", "Basic YTpi")], "other"
    yield "another scheme", [("Authorization", "bearer a.b.c")], "other"
    yield "an empty token", [("Authorization", "Bearer ")], \
        (401, "Unauthorized")
    yield "an expired token", bearer(token(
        key, {"iat": now - 700, "exp": now - 100}, client_id="m",
        role="admin")), (401, "Token has expired")
    yield "a token of the future", bearer(token(
        key, {"iat": now + 100}, client_id="m", role="admin")), \
        (401, "Token not yet valid")
    yield "a token signed by another", bearer(token(
        key[::-1] + "x", client_id="m", role="admin")), \
        (403, "Invalid Token signature")
    yield "a token without a signature", bearer(token(
        key, header={"alg": "none"}, client_id="m",
        role="admin").rsplit(".", 1)[0] + "."), (403, "Invalid Token")
    yield "no token", bearer("x"), (403, "Unable to decode token")
    yield "a token of no role that there is", bearer(token(
        key, client_id="m", role="root")), (403, "Invalid Token")


def wanted(op, caller, anonymous):
    """Status and message of the refusal, or None: may pass."""
    if not op.roles or caller in op.roles:
        return None
    if isinstance(caller, tuple):
        return caller
    refusal = (403, ROLE + ", ".join(op.roles))
    if caller in ("admin", "manager", "contributor", "agent"):
        return refusal
    if caller != "other" and set(op.roles) & set(anonymous):
        return None
    if not anonymous or (caller == "cookie" and "agent" in op.roles):
        return (401, LOGIN)
    return refusal


def call(server, op, headers):
    """A request that does nothing if it is let in: of nobody's things, and with a body
    that is not read as one."""
    body = b"x" if "application/json" in op.body else None
    return server.send(op.method, op.target(), headers, body)


def is_refusal(answer):
    message = answer.message()
    return answer.status in (401, 403) and isinstance(message, str) and (
        message in REFUSALS or message.startswith(ROLE))


def fault(doc, op, answer, want, plain):
    """Why the answer is not the one wanted, or None."""
    if want is not None:
        got = (answer.status, answer.message())
        return None if got == want else "wanted %s %s" % want
    if is_refusal(answer):
        return "refused"
    # Where no role is asked for no token is read, but for the log-in itself.
    if not op.roles and op.id != "logIn" and answer.status != plain:
        return "the header is not ignored: %d without" % plain
    why = doc.faults(op, answer)
    return "; ".join(why) if why else None


def main():
    key, places = sys.argv[1], [a.split("=") for a in sys.argv[2:]]
    doc = Document(Server(places[0][1]).send("GET", "/openapi.json").body)
    failed = False
    for name, url, roles in places:
        server = Server(url)
        plain = {op.id: call(server, op, []).status
                 for op in doc.operations.values()}
        for caller, headers, kind in callers(key):
            why = []
            for op in doc.operations.values():
                answer = call(server, op, headers)
                f = fault(doc, op, answer,
                          wanted(op, kind, re.findall(r"\w+", roles)),
                          plain[op.id])
                if f is not None:
                    why.append("%s %s: %s: %r" % (op.method, op.path, f,
                                                  answer))
            failed = failed or bool(why)
            print("%s: %s at %s (%d operations)" % (
                "not ok" if why else "ok", caller, name,
                len(doc.operations)))
            for line in why:
                print("    " + line)
    sys.exit(failed)


if __name__ == "__main__":
    main()
