#!/usr/bin/env python3
"""Stops, crashes, kills, pauses, restarts and fills up PostgreSQL while three processes serve from it.

    tests/load/outages.py

The run starts a cluster of its own. Meanwhile, clients create, use, list and revoke tokens, and create and delete
workspaces. Each response must be a success or, while PostgreSQL is unavailable, a 503 with Retry-After in the envelope
of its API, within the limits in docs/replicas.md. Readiness must follow. At the end every acknowledged change must be
visible on all processes, the tokens must match the audit log, and nothing may be half-written.
"""

import base64
import contextlib
import json
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

from servers import CREATE, DELETE, LIST, ROOT, Client, Counts, run_threads, running

REPLICAS = 3
USERS = 10
#: The most tokens that a user keeps, and the most workspaces that a founder keeps.
MOST_LIVE, MOST_WORKSPACES = 60, 5
#: The limits of docs/replicas.md in seconds: to connect, to wait for a silent statement, to report readiness, and to
#: answer a request.
CONNECTION, STATEMENT, READINESS, REQUEST = 3, 11, 1, 40
#: The seed of a founder's workspaces, which has many rows.
SEEDED = {"template": "leaky"}
#: How many seconds later a response may be on a busy machine.
SLACK = 4
#: The server does not test a pooled connection that was used within this time.
TRIED_AFTER = 1
#: How long an outage lasts after every process has noticed it, and how long the pause between two outages is.
LASTS, CALM = 1, 1
#: What the cluster sets beyond .ci/postgres. It acknowledges a commit before it is on disk, unless `--durable` is set.
SETTINGS = {
    "fsync": "on", "full_page_writes": "on", "synchronous_commit": "off", "unix_socket_directories": "''",
    "max_connections": 60, "superuser_reserved_connections": 3,
}
#: The connections that are left for users other than superusers.
MOST_CONNECTIONS = SETTINGS["max_connections"] - SETTINGS["superuser_reserved_connections"]


class Postgres:
    """A cluster for this run, with a database whose owner is not a superuser."""

    def __init__(self, folder):
        self.environment = {**os.environ, "CI_POSTGRES_STATE": str(folder / "state")}
        self.script("start")
        self.folder = pathlib.Path((folder / "state").read_text().strip())
        self.bin = (self.folder / "bin").read_text().strip()
        self.port = int((self.folder / "port").read_text())
        self.database = f"postgres://mock@127.0.0.1:{self.port}/mock"

    def set_up(self):
        with open(self.folder / "data" / "postgresql.conf", "a") as conf:
            conf.writelines(f"{name} = {value}\n" for name, value in SETTINGS.items())
        self.control("restart")
        self.sql("CREATE ROLE mock LOGIN", "CREATE ROLE others LOGIN", "CREATE DATABASE mock OWNER mock")

    def script(self, command):
        subprocess.run([ROOT / ".ci" / "postgres", command], env=self.environment, stdout=subprocess.DEVNULL, check=True)

    def control(self, *words):
        user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        options = ["-s", "-w", "-D", self.folder / "data", "-l", self.folder / "log", "-o", f"-p {self.port}"]
        ran = subprocess.run([*user, f"{self.bin}/pg_ctl", *words, *options], cwd="/", stderr=subprocess.PIPE, text=True)
        if ran.returncode:
            log = (self.folder / "log").read_text().splitlines()[-30:]
            raise SystemExit("\n".join([f"pg_ctl {' '.join(words)}: {ran.stderr}", *log]))

    def sql(self, *statements):
        """Runs statements as the superuser, for whom some connections are reserved."""
        url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        words = [word for statement in statements for word in ("--command", statement)]
        psql = [f"{self.bin}/psql", "--quiet", "--no-psqlrc", "--tuples-only", *words, url]
        return subprocess.run(psql, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def is_up(self):
        ask = [f"{self.bin}/pg_isready", "--quiet", "--host", "127.0.0.1", "--port", str(self.port)]
        return subprocess.run(ask).returncode == 0

    def processes(self):
        """Returns the postmaster's process id, then those of its children."""
        postmaster = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        children = pathlib.Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]

    # Outages that last as long as their context manager is open.

    @contextlib.contextmanager
    def stopped(self):
        self.control("stop", "-m", "fast")
        yield
        self.control("start")

    @contextlib.contextmanager
    def crashed(self):
        self.control("stop", "-m", "immediate")
        yield
        self.control("start")

    @contextlib.contextmanager
    def killed(self):
        # A stopped postmaster starts no more children.
        os.kill(self.processes()[0], signal.SIGSTOP)
        processes = self.processes()
        os.kill(processes[0], signal.SIGKILL)
        yield
        # The children notice that it is gone, and exit.
        wait_until(lambda: not any(map(is_running, processes)), 20, "PostgreSQL's children outlive the postmaster")
        # The process id in this file may belong to a zombie for a while, which would prevent the start.
        (self.folder / "data" / "postmaster.pid").unlink()
        self.control("start")

    @contextlib.contextmanager
    def paused(self):
        os.kill(self.processes()[0], signal.SIGSTOP)
        processes = self.processes()
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    @contextlib.contextmanager
    def full(self):
        """Lets another client take all connections that are not reserved for superusers."""
        with contextlib.ExitStack() as taken:
            # Keeps the servers, which try to reconnect all the time, from taking them.
            self.sql("ALTER DATABASE mock ALLOW_CONNECTIONS false")
            self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'mock'")
            others = []

            def take():
                while other := connect(self.port):
                    others.append(taken.enter_context(other))
                return len(others) == MOST_CONNECTIONS

            wait_until(take, 20, "could not take all connections")
            self.sql("ALTER DATABASE mock ALLOW_CONNECTIONS true")
            yield

    # Outages that are over at once.

    def restart(self):
        self.control("restart")

    def kill_a_backend(self):
        """Kills one backend, which makes PostgreSQL close all connections and recover."""
        backends = [int(pid) for pid in self.sql("SELECT pid FROM pg_stat_activity WHERE usename = 'mock'").split()]
        os.kill(random.choice(backends), signal.SIGKILL)
        wait_until(lambda: not any(map(is_running, backends)), 20, "PostgreSQL's other backends did not exit")
        # `pg_ctl stop` may fail during the recovery.
        wait_until(self.is_up, 30, "PostgreSQL did not recover")


def connect(port):
    """Opens another client's connection; returns `None` if PostgreSQL refuses it."""
    other = socket.create_connection(("127.0.0.1", port), timeout=10)
    message = struct.pack("!i", 3 << 16) + b"user\0others\0database\0postgres\0\0"
    other.sendall(struct.pack("!i", len(message) + 4) + message)
    answer = other.makefile("rb")
    while head := answer.read(5):
        kind, length = struct.unpack("!ci", head)
        answer.read(length - 4)
        if kind == b"Z":
            return other
        # An error may come even after the authentication.
        if kind == b"E":
            break
    other.close()
    return None


def is_running(process):
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(holds, seconds, otherwise):
    """Waits until the condition holds; returns how many seconds it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() < began + seconds, otherwise
        time.sleep(0.02)
    return time.monotonic() - began


REFUSED = "responses 503 with Retry-After, each in the envelope of its API"


def assert_envelope(path, answer):
    if path.startswith("/_mock/"):
        assert isinstance(answer["error"], str), answer
    elif path.startswith("/oidc/"):
        assert answer["error"] == "temporarily_unavailable", answer
    elif "/scim/" in path:
        assert answer["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"] and answer["status"] == "503", answer
    else:
        assert answer["error_code"] == "TEMPORARILY_UNAVAILABLE" and answer["message"], answer


class Proof:
    """What all clients share, and the outages."""

    def __init__(self, postgres, servers):
        self.postgres, self.servers, self.counts = postgres, servers, Counts()
        #: When each process last reported that it is ready; `None` if its last report was another.
        self.ready = [None] * len(servers)
        #: A new object each time PostgreSQL is available again; `None` during an outage.
        self.well = None
        #: How many seconds a response may take.
        self.limit = REQUEST
        self.slowest = 0
        self.over = threading.Event()

    def is_away(self):
        return not any(self.ready)

    def outage(self, name, outage, limit=REQUEST, lasts=LASTS):
        """Starts an outage, and ends it `lasts` seconds after all processes have noticed it."""

        def hold():
            with outage():
                wait_until(self.is_away, READINESS + SLACK, f"{name}: a process still reports that it is ready")
                self.limit = limit + SLACK
                time.sleep(lasts)
                assert self.is_away(), f"{name}: a process reports that it is ready during the outage"
                self.limit = REQUEST

        self.jolt(name, hold)

    def jolt(self, name, happen):
        """Causes an outage, and waits until all processes are ready again."""
        self.well, self.slowest = None, 0
        before = self.counts[REFUSED]
        happen()
        took = self.settle(name)
        refused = self.counts[REFUSED] - before
        slowest = f"slowest response after {self.slowest:.1f} s"
        print(f"{name}: {refused} responses 503, {slowest}, ready again after {took:.1f} s", flush=True)
        self.counts.add("outages of PostgreSQL")
        time.sleep(CALM)

    def settle(self, name):
        """Waits until all processes are ready; returns how many seconds it took."""
        over = time.monotonic()
        are_ready = lambda: all(at and at > over for at in self.ready)
        took = wait_until(are_ready, 30, f"{name}: not all processes became ready again")
        # By then the servers have noticed every connection that broke at the last moment.
        time.sleep(TRIED_AFTER + 0.5)
        self.well = object()
        return took

    def direct(self, go_on):
        postgres, silent = self.postgres, CONNECTION + STATEMENT
        self.settle("the start")
        for happens in (
            lambda: self.outage("pg_ctl stop -m fast, start", postgres.stopped, CONNECTION),
            lambda: self.outage("pg_ctl stop -m immediate, start", postgres.crashed, CONNECTION),
            lambda: self.outage("kill -9 of the postmaster, start", postgres.killed, CONNECTION),
            lambda: self.jolt("kill -9 of a backend", postgres.kill_a_backend),
            lambda: self.jolt("pg_ctl restart", postgres.restart),
            lambda: self.outage("SIGSTOP, SIGCONT", postgres.paused, silent),
            lambda: self.outage("SIGSTOP, SIGCONT after the statement limit", postgres.paused, silent, STATEMENT + 1),
            lambda: self.outage("all connections taken by another client", postgres.full, CONNECTION),
        ):
            if go_on():
                happens()
        self.over.set()

    def watch(self, server):
        """Checks that readiness follows PostgreSQL and that the process stays alive."""
        client = Client(self.servers)

        def work(go_on):
            while go_on() and not self.over.is_set():
                began = time.monotonic()
                status, answer = client.call(server, "GET", "/readyz", None)
                took = time.monotonic() - began
                assert status in (200, 503) and took < READINESS + SLACK, f"readiness: {status} after {took:.1f} s"
                self.ready[server] = began if status == 200 else None
                assert client.call(server, "GET", "/livez", None)[0] == 200
                self.counts.add("probes of readiness and liveness")
                time.sleep(0.05)

        return work


class Person:
    """A client of all processes that remembers what was acknowledged."""

    def __init__(self, proof):
        self.proof, self.client = proof, Client(proof.servers)

    def ask(self, method, path, token=None, body=None, expected=200, **rest):
        """Sends a request to any process; returns the response, or `None` if PostgreSQL is unavailable."""
        proof, began = self.proof, time.monotonic()
        well, limit = proof.well, proof.limit
        server = random.randrange(REPLICAS)
        status, answer = self.client.call(server, method, path, token, body, **rest)
        took, what = time.monotonic() - began, f"{method} {path} by process {server}"
        proof.slowest = max(proof.slowest, took)
        assert took < limit, f"{what}: answered after {took:.1f} s, but the limit is {limit} s"
        if status == expected:
            proof.counts.add(f"answers {status}")
            return answer
        assert status == 503, f"{what}: {status} instead of {expected}: {answer}"
        # If an outage began or ended during the request, either response is right.
        assert well is None or well is not proof.well, f"{what}: 503 while PostgreSQL is available: {answer}"
        assert self.client.headers["Retry-After"] == "1", f"{what}: {self.client.headers}"
        assert_envelope(path, answer)
        proof.counts.add(REFUSED)
        return None

    def work(self, go_on):
        while go_on() and not self.proof.over.is_set():
            self.act()
            time.sleep(random.random() / 50)

    def everywhere(self, token, expected):
        """Checks that each process accepts or refuses a token."""
        for server in range(REPLICAS):
            status, answer = self.client.call(server, "GET", LIST, token)
            assert status == expected, f"at the end: {status} instead of {expected}: {answer}"
            self.proof.counts.add("uses of tokens at the end, each as acknowledged")


class User(Person):
    """Creates, uses, lists and revokes tokens in a workspace of its own."""

    def __init__(self, proof):
        super().__init__(proof)
        made = self.client.own(0, "POST", "workspaces")
        self.place, self.admin = f"workspaces/{made['id']}", made["admin_token"]
        self.own_id = self.rows()[0]["token_id"]
        #: Token values by id: tokens whose creation was acknowledged, those whose revocation was acknowledged too, and
        #: those whose revocation was answered 503.
        self.live, self.revoked, self.unclear = {}, {}, {}
        #: How many creations were answered 503.
        self.untold = 0

    def rows(self):
        return self.client.own(0, "GET", f"{self.place}/tokens")["tokens"]

    def act(self):
        kinds = {self.create: 4, self.use: 8, self.use_revoked: 4, self.list: 1, self.revoke: 3}
        random.choices([*kinds], [*kinds.values()])[0]()

    def create(self):
        if len(self.live) >= MOST_LIVE:
            return self.revoke()
        made = self.ask("POST", CREATE, self.admin, {"comment": "outages"})
        if made:
            self.live[made["token_info"]["token_id"]] = made["token_value"]
        else:
            self.untold += 1

    def use(self):
        if self.live:
            self.ask("GET", LIST, random.choice([*self.live.values()]))

    def use_revoked(self):
        if self.revoked:
            self.ask("GET", LIST, random.choice([*self.revoked.values()]), expected=403)

    def list(self):
        answer = self.ask("GET", LIST, self.admin)
        if answer:
            shown = {info["token_id"] for info in answer["token_infos"]}
            assert self.live.keys() <= shown, f"missing from the list: {self.live.keys() - shown}"
            assert not self.revoked.keys() & shown, "the list shows revoked tokens"

    def revoke(self):
        if self.live:
            id = random.choice([*self.live])
            value = self.live.pop(id)
            told = self.ask("POST", DELETE, self.admin, {"token_id": id})
            (self.unclear if told is None else self.revoked)[id] = value

    def told_of(self, action):
        """Returns the ids of the tokens for which the audit log has this action."""
        self.client.own(0, "GET", f"{self.place}/audit?action={action}")
        events = map(json.loads, self.client.text.splitlines())
        return sorted(event["requestParams"]["tokenId"] for event in events)

    def check(self, _):
        counts = self.proof.counts
        states = {row["token_id"]: row["state"] for row in self.rows() if row["token_id"] != self.own_id}
        rows, ended = states.keys(), {id for id, state in states.items() if state != "live"}
        assert self.live.keys() <= rows - ended, "a created token is lost"
        assert self.revoked.keys() <= ended, "a revocation is lost"
        # Every change has exactly one audit event.
        assert self.told_of("generateDbToken") == sorted(rows), "the audit log does not match the created tokens"
        assert self.told_of("revokeDbToken") == sorted(ended), "the audit log does not match the revoked tokens"
        told = self.live.keys() | self.revoked.keys() | self.unclear.keys()
        assert told <= rows and len(rows) - len(told) <= self.untold
        for id, value in (self.live | self.revoked | self.unclear).items():
            self.everywhere(value, 403 if id in ended else 200)
        counts.add("tokens created and acknowledged", len(told))
        counts.add("tokens revoked and acknowledged", len(self.revoked))
        counts.add("revocations answered 503", len(self.unclear))
        counts.add("revocations answered 503 but done", len(self.unclear.keys() & ended))
        counts.add("creations answered 503", self.untold)
        counts.add("creations answered 503 but done", len(rows) - len(told))
        counts.add("tokens compared with the audit log", len(rows))


class Founder(Person):
    """Creates and deletes whole workspaces."""

    def __init__(self, proof):
        super().__init__(proof)
        #: Admin tokens by id.
        self.there, self.gone = {}, set()
        self.whole = self.held(self.client.own(0, "POST", "workspaces", SEEDED)["id"])

    def held(self, id):
        tokens = self.client.own(random.randrange(REPLICAS), "GET", f"workspaces/{id}/tokens")["tokens"]
        return sorted(str((row["comment"], row["state"])) for row in tokens)

    def act(self):
        made = self.ask("POST", "/_mock/v1/workspaces", None, SEEDED, expected=201)
        if made:
            self.there[made["id"]] = made["admin_token"]
        if len(self.there) > MOST_WORKSPACES:
            id, token = self.there.popitem()
            if self.ask("DELETE", f"/_mock/v1/workspaces/{id}", None, {}) is not None:
                self.gone.add(id)
                self.ask("GET", LIST, token, expected=403)

    def check(self, _):
        rows = self.client.own(0, "GET", "workspaces")["workspaces"]
        seeded = {row["id"] for row in rows if row["name"] == SEEDED["template"]}
        assert self.there.keys() <= seeded, "a workspace is lost"
        assert not self.gone & seeded, "a deleted workspace is still there"
        for id in seeded:
            held = self.held(id)
            assert held == self.whole, f"workspace {id} is half-written: {set(held) ^ set(self.whole)}"
        for token in self.there.values():
            self.everywhere(token, 200)
        self.proof.counts.add("workspaces found complete", len(seeded))
        self.proof.counts.add("workspaces deleted and acknowledged", len(self.gone))


class Visitor(Person):
    """Calls the APIs whose error envelopes differ."""

    def __init__(self, proof):
        super().__init__(proof)
        made = self.client.own(0, "POST", "workspaces")
        self.place, self.admin = f"/_mock/v1/workspaces/{made['id']}", made["admin_token"]
        self.basic = base64.b64encode(f"{made['client_id']}:{made['client_secret']}".encode()).decode()

    def act(self):
        self.ask("GET", "/api/2.0/preview/scim/v2/Users", self.admin)
        self.ask("POST", "/oidc/v1/token", form="grant_type=client_credentials&scope=all-apis", basic=self.basic)
        self.ask("GET", f"{self.place}/audit")


@contextlib.contextmanager
def postgres(folder):
    cluster = Postgres(folder)
    try:
        cluster.set_up()
        yield cluster
    finally:
        cluster.script("stop")


def main():
    with tempfile.TemporaryDirectory() as folder, postgres(pathlib.Path(folder)) as cluster:
        with running(cluster.database, REPLICAS, "--durable") as servers:
            proof = Proof(cluster, servers)
            people = [User(proof) for _ in range(USERS)] + [Founder(proof)]
            watches = [proof.watch(server) for server in range(REPLICAS)]
            run_threads([proof.direct, *watches, Visitor(proof).work, *(person.work for person in people)], 300)
            run_threads([person.check for person in people], 60)
            said = [line for server in servers for line in server.said().splitlines() if " ERROR " in line]
            defects = [line for line in said if "the database is not available" not in line]
            assert not defects, defects[:5]
    print(f"\n{proof.counts}")


if __name__ == "__main__":
    main()
