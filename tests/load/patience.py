#!/usr/bin/env python3
"""Checks the limits on slow clients in SECURITY.md: 30 s to send a body, 75 s to send a head or to read a response.

    tests/load/patience.py

All clients wait at the same time, so the run takes about 80 s and almost no processor time.
"""

import pathlib
import socket
import time

from servers import ADMIN_TOKEN, CREATE, run_threads, running

#: Seconds.
BODY, HEAD, TAKEN = 30, 75, 75
#: How many seconds later the server may be on a busy machine.
SLACK = 5
#: A response of 117 kB, requested often enough that the buffers on the way cannot hold all responses.
LONG, TIMES = "/_mock/v1/compat/openapi.json", 200


class Slow:
    """A slow client's connection."""

    def __init__(self, server):
        self.socket = socket.socket()
        # Set before connecting, or else the system makes the buffer larger.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.socket.connect(("127.0.0.1", server.port))
        self.socket.settimeout(HEAD + SLACK)
        self.ends = [self.socket.getsockname()[1], server.port]
        self.began = time.monotonic()

    def send(self, text):
        try:
            self.socket.sendall(text.encode("latin-1"))
        except OSError:
            # The server has closed the connection.
            pass

    def trickle(self, text, seconds):
        """Sends one character a second."""
        for character in text[:seconds]:
            self.send(character)
            time.sleep(1)

    def hear(self):
        """Returns what the server sends next; empty at the end."""
        try:
            return self.socket.recv(64 * 1024)
        except ConnectionResetError:
            return b""

    def hear_all(self):
        heard = bytearray()
        while part := self.hear():
            heard += part
        return bytes(heard)

    def is_open(self):
        """Tells whether the server still holds the connection, even if data is on its way."""
        mine, its = (f":{port:04X}" for port in self.ends)
        rows = (row.split() for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:])
        established = "01"
        return any(row[1].endswith(its) and row[2].endswith(mine) and row[3] == established for row in rows)

    def assert_over(self, what, limit):
        took = time.monotonic() - self.began
        assert limit - 0.5 < took < limit + SLACK, f"{what}: closed after {took:.1f} s, but the limit is {limit} s"
        print(f"{what}: closed after {took:.1f} s\n", end="", flush=True)


def head(method, path, rest=""):
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n{rest}\r\n"


def post(path):
    return head("POST", path, "Content-Type: application/json\r\nContent-Length: 1000\r\n")


# The slow clients. Each returns a function that checks what the server does with it.


def body(what, path, says, trickle):
    def work(server):
        slow = Slow(server)
        slow.send(post(path))
        slow.trickle(" " * 1000, BODY + 1 if trickle else 1)
        heard = slow.hear_all()
        slow.assert_over(what, BODY)
        assert heard.startswith(b"HTTP/1.1 408 ") and says in heard and heard.count(b"HTTP/1.1") == 1, heard

    return work


def beginning(what, first, trickle=""):
    """A connection on which no request is ever complete."""

    def work(server):
        slow = Slow(server)
        slow.send(first)
        slow.trickle(trickle, HEAD - 5)
        heard = slow.hear_all()
        slow.assert_over(what, HEAD)
        assert b" 200 " not in heard, heard

    return work


def idle(server):
    slow = Slow(server)
    slow.send(head("GET", "/livez"))
    assert slow.hear().startswith(b"HTTP/1.1 200 ")
    assert slow.hear_all() == b""
    slow.assert_over("between two requests", HEAD)


def untaken(server):
    slow = Slow(server)
    slow.send(head("GET", LONG) * TIMES)
    while slow.is_open() and time.monotonic() < slow.began + TAKEN + SLACK:
        time.sleep(0.1)
    slow.assert_over("a response that is not read", TAKEN)
    heard = slow.hear_all()
    assert 0 < heard.count(b"HTTP/1.1 200 ") < TIMES, "the server sent all responses"


def taken_slowly(server):
    slow = Slow(server)
    slow.send(head("GET", LONG) * TIMES)
    heard = 0
    while time.monotonic() < slow.began + TAKEN + 2:
        heard += slow.hear().count(b"HTTP/1.1 200 ")
        time.sleep(0.5)
    assert slow.is_open() and heard < TIMES, heard
    print(f"a response that is read slowly: still sent after {TAKEN + 2} s\n", end="", flush=True)


WORK = [
    body("a body", CREATE, b"MALFORMED_REQUEST", trickle=False),
    body("a body that arrives slowly", CREATE, b"MALFORMED_REQUEST", trickle=True),
    body("a body of the control API", "/_mock/v1/workspaces", b'{"error":', trickle=False),
    beginning("a connection without a request", ""),
    beginning("half a TLS handshake", "\x16\x03\x01"),
    beginning("half a head", "GET /livez HTTP/1.1\r\nHost: "),
    beginning("a head that arrives slowly", "GET /livez HTTP/1.1\r\nHost: ", "x" * 1000),
    idle,
    untaken,
    taken_slowly,
]


def main():
    with running("sqlite::memory:", 1) as [server]:
        # Each client has one thread and runs once.
        run_threads([lambda _, work=work: work(server) for work in WORK], 0)
    print(f"\n{len(WORK)} slow clients: each was closed at its limit, not before")


if __name__ == "__main__":
    main()
