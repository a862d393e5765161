#!/usr/bin/env python3
"""The limits on slow clients, as SECURITY.md has them: 30 s for a body, 75 s for a head, and for taking an answer.

    tests/load/patience.py

All are waited for at once: it takes some 80 s, and nearly no processor time.
"""

import pathlib
import socket
import time

from servers import ADMIN_TOKEN, CREATE, run_threads, running

#: Seconds.
BODY, HEAD, TAKEN = 30, 75, 75
#: How much later the server may be, on a busy machine.
SLACK = 5
#: 117 kB, and so often that all buffers on the way hold a part of it only.
LONG, TIMES = "/_mock/v1/compat/openapi.json", 200


class Slow:
    """A connection of its own."""

    def __init__(self, server):
        self.socket = socket.socket()
        # Before it connects, or the system makes it larger.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.socket.connect(("127.0.0.1", server.port))
        self.socket.settimeout(HEAD + SLACK)
        self.ends = [self.socket.getsockname()[1], server.port]
        self.began = time.monotonic()

    def send(self, text):
        try:
            self.socket.sendall(text.encode("latin-1"))
        except OSError:
            # The server has ended it.
            pass

    def trickle(self, text, seconds):
        """A character each second."""
        for character in text[:seconds]:
            self.send(character)
            time.sleep(1)

    def hear(self):
        """What comes next; nothing at the end."""
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
        """Whether the server has it still, whatever of it is on its way."""
        mine, its = (f":{port:04X}" for port in self.ends)
        rows = (row.split() for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:])
        established = "01"
        return any(row[1].endswith(its) and row[2].endswith(mine) and row[3] == established for row in rows)

    def assert_over(self, what, limit):
        took = time.monotonic() - self.began
        assert limit - 0.5 < took < limit + SLACK, f"{what}: over after {took:.1f} s, where the limit is {limit} s"
        print(f"{what}: over after {took:.1f} s\n", end="", flush=True)


def head(method, path, rest=""):
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n{rest}\r\n"


def post(path):
    return head("POST", path, "Content-Type: application/json\r\nContent-Length: 1000\r\n")


# What clients do that are too slow, and what then comes.


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
    """Of a connection on which no request comes to its end."""

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
    slow.assert_over("an answer of which nothing is taken", TAKEN)
    heard = slow.hear_all()
    assert 0 < heard.count(b"HTTP/1.1 200 ") < TIMES, "all of it was sent"


def taken_slowly(server):
    slow = Slow(server)
    slow.send(head("GET", LONG) * TIMES)
    heard = 0
    while time.monotonic() < slow.began + TAKEN + 2:
        heard += slow.hear().count(b"HTTP/1.1 200 ")
        time.sleep(0.5)
    assert slow.is_open() and heard < TIMES, heard
    print(f"an answer that is taken slowly: goes on after {TAKEN + 2} s\n", end="", flush=True)


WORK = [
    body("a body", CREATE, b"MALFORMED_REQUEST", trickle=False),
    body("a body that trickles", CREATE, b"MALFORMED_REQUEST", trickle=True),
    body("a body of the control API", "/_mock/v1/workspaces", b'{"error":', trickle=False),
    beginning("a connection on which nothing comes", ""),
    beginning("half a handshake of TLS", "\x16\x03\x01"),
    beginning("half a head", "GET /livez HTTP/1.1\r\nHost: "),
    beginning("a head that trickles", "GET /livez HTTP/1.1\r\nHost: ", "x" * 1000),
    idle,
    untaken,
    taken_slowly,
]


def main():
    with running("sqlite::memory:", 1) as [server]:
        # One thread each; nothing of it is done twice.
        run_threads([lambda _, work=work: work(server) for work in WORK], 0)
    print(f"\n{len(WORK)} slow clients: each had its time, and no more")


if __name__ == "__main__":
    main()
