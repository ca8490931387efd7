#!/usr/bin/python3
"""A webhook that does as the path says, for test_events.sh.

usage: webhook.py LOG

Prints the port it serves and one on which nobody listens, and writes a JSON
line to LOG for each request.  Ends when its standard input does.
"""

import http.server
import json
import socket
import sys
import threading

STOP = threading.Event()
TORN = set()


class Handler(http.server.BaseHTTPRequestHandler):
    """PUT /status/N, /hang, /endless, /torn-once/X, /torn, /redirect."""

    protocol_version = "HTTP/1.1"

    def note(self, body):
        """One line for this request."""
        line = json.dumps(
            {
                "method": self.command,
                "path": self.path,
                "headers": {k.lower(): v for k, v in self.headers.items()},
                "body": body.decode(),
            },
            sort_keys=True,
        )
        with open(sys.argv[1], "a", encoding="utf-8") as log:
            log.write(line + "\n")

    def answer(self, status, body, headers=()):
        """A whole answer."""
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def endless(self):
        """An answer that never ends."""
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        try:
            while not STOP.is_set():
                self.wfile.write(b"x" * 65536)
        except OSError:
            pass

    def torn(self):
        """True if the connection shall end without an answer."""
        if self.path == "/torn":
            return True
        if self.path.startswith("/torn-once/") and self.path not in TORN:
            TORN.add(self.path)
            return True
        return False

    def do_PUT(self):  # pylint: disable=invalid-name
        """As the path says."""
        self.note(self.rfile.read(int(self.headers["Content-Length"])))
        if self.torn():
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif self.path == "/hang":
            STOP.wait()
        elif self.path == "/endless":
            self.endless()
        elif self.path == "/redirect":
            self.answer(302, b"elsewhere", [("Location", "/status/200")])
        elif self.path.startswith("/status/204"):
            self.send_response(204)
            self.end_headers()
        elif self.path.startswith("/status/"):
            status = int(self.path[8:11])
            self.answer(status, f"it is {status}".encode())
        else:
            self.answer(200, b"OK " + self.path.encode())

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        """Nothing on standard error."""


def main():
    """Serve until standard input ends."""
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], closed.getsockname()[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    STOP.set()


if __name__ == "__main__":
    main()
