"""Starts processes of the built binary on one database, and clients that put load on them.

This module uses only the standard library, so that the load tests run wherever Python does.
"""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).parents[2]
BINARY = str(pathlib.Path(os.environ.get("DAPI_MOCK_BIN") or ROOT / "target" / "release" / "dapi-mock").resolve())
ADMIN_TOKEN = "dapi00000000000000000000000000000001"
LIST = "/api/2.0/token/list"
CREATE = "/api/2.0/token/create"
DELETE = "/api/2.0/token/delete"


@contextlib.contextmanager
def postgres_database(name):
    """Creates a database on the PostgreSQL of TEST_POSTGRES_URL, and drops it at the end."""
    base = os.environ["TEST_POSTGRES_URL"]
    server, database = base.rsplit("/", 1)
    name = f"{database}_{name}"

    def sql(statement):
        subprocess.run(["psql", "--quiet", "--no-psqlrc", "--command", statement, base], check=True, stderr=subprocess.DEVNULL)

    sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    sql(f"CREATE DATABASE {name}")
    try:
        yield f"{server}/{name}"
    finally:
        sql(f"DROP DATABASE {name} WITH (FORCE)")


class Server:
    """One server process."""

    def __init__(self, database, folder, number, settings):
        self.log = open(folder / f"log-{number}", "w+b")
        args = [BINARY, "--database", database, "--admin-token", ADMIN_TOKEN, "--sweep-interval", "1"]
        # With a short journal, memory soon stops growing.
        args += ["--port", "0", "--log-level", "warn", "--journal-requests", "100", *settings]
        environment = {"PATH": os.environ["PATH"]}
        self.process = subprocess.Popen(args, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=self.log)

    def wait_until_ready(self):
        for line in self.process.stdout:
            if line.startswith(b"dapi-mock ready host=http://127.0.0.1:"):
                self.port = int(line.split(b":")[2].split()[0])
                return
        raise SystemExit(f"the server exited before it was ready: {self.said()}")

    def said(self):
        self.log.seek(0)
        return self.log.read().decode()

    def resident_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        assert code == 0, f"a server exited with {code}: {self.said()}"


@contextlib.contextmanager
def running(database, count, *settings):
    """Runs servers on one database: starts all at the same time and stops them one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        servers = [Server(database, pathlib.Path(folder), number, settings) for number in range(count)]
        try:
            for server in servers:
                server.wait_until_ready()
            yield servers
            for server in servers:
                server.stop()
        finally:
            for server in servers:
                server.process.kill()
                server.process.wait()
                server.log.close()


class Client:
    """Talks to any of the servers, with one connection to each. Only one thread may use it."""

    #: The headers and the text of the last response.
    headers, text = {}, b""

    def __init__(self, servers):
        self.connections = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=60) for server in servers]

    def call(self, server, method, path, token=ADMIN_TOKEN, body=None, form=None, basic=None):
        """Sends a request; returns the status, and the response if it is JSON."""
        headers = {"Content-Type": "application/x-www-form-urlencoded" if form else "application/json"}
        if basic or token:
            headers["Authorization"] = f"Basic {basic}" if basic else f"Bearer {token}"
        connection = self.connections[server]
        connection.request(method, path, form or (json.dumps(body) if body is not None else None), headers)
        if connection.sock:
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answer = connection.getresponse()
        self.headers, self.text = answer.headers, answer.read()
        try:
            return answer.status, json.loads(self.text)
        except ValueError:
            return answer.status, {}

    def own(self, server, method, path, body=None):
        """Calls the control API; the test fails unless the call succeeds."""
        status, answer = self.call(server, method, f"/_mock/v1/{path}", None, body if body is not None else {})
        assert status < 300, f"{method} {path}: {status} {answer}"
        return answer

    def create(self, server, token, **request):
        """Creates a token; returns its value and id, or `None` and the status if it was refused."""
        status, answer = self.call(server, "POST", CREATE, token, request)
        if status != 200:
            return None, status
        return answer["token_value"], answer["token_info"]["token_id"]


class Counts:
    """Counts what happened, over all threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.numbers = {}

    def add(self, what, number=1):
        with self.lock:
            self.numbers[what] = self.numbers.get(what, 0) + number

    def __getitem__(self, what):
        return self.numbers.get(what, 0)

    def __str__(self):
        return "\n".join(f"{number:>8}  {what}" for what, number in sorted(self.numbers.items()))


def run_threads(work, seconds):
    """Runs each function in a thread, with a `go_on` that is true until the time is over or one of them fails."""
    failures, until = [], time.monotonic() + seconds

    def go_on():
        return not failures and time.monotonic() < until

    def run(function):
        try:
            function(go_on)
        except BaseException as failure:  # The other threads must stop after any failure.
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(function,)) for function in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
