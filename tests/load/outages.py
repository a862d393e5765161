#!/usr/bin/env python3
"""PostgreSQL itself is stopped, crashed, killed, paused, restarted and full, and three processes serve from it.

    tests/load/outages.py

It is a cluster of this run's own. Clients create, use, list and revoke tokens all the while, and make and remove
workspaces: each answer has to be a good one, or while PostgreSQL is away 503 with Retry-After in the envelope of its
API, within the limits that docs/replicas.md names. Readiness follows. In the end all that was acknowledged is there on
all processes, tokens and audit log agree, and nothing is half-written.
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
#: The most tokens that a user keeps, and the most workspaces that a founder does.
MOST_LIVE, MOST_WORKSPACES = 60, 5
#: Seconds, as docs/replicas.md names them: for a connection, for a statement of which nothing is heard, for readiness,
#: and for all of a request.
CONNECTION, STATEMENT, READINESS, REQUEST = 3, 11, 1, 40
#: The workspaces that a founder makes, with many rows.
SEEDED = {"template": "leaky"}
#: How much later an answer may be for a busy machine.
SLACK = 4
#: Connections that were in use more lately than this are not tried before they are given out.
TRIED_AFTER = 1
#: How long an outage goes on once every process has noticed, and how long all is well between two of them.
LASTS, CALM = 1, 1
#: The settings of the cluster, over those of .ci/postgres. It acknowledges before it writes, unless `--durable` asks.
SETTINGS = {
    "fsync": "on", "full_page_writes": "on", "synchronous_commit": "off", "unix_socket_directories": "''",
    "max_connections": 60, "superuser_reserved_connections": 3,
}
#: For all but superusers.
MOST_CONNECTIONS = SETTINGS["max_connections"] - SETTINGS["superuser_reserved_connections"]


class Postgres:
    """A cluster of our own, with a role and a database that are no superuser's."""

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
        """As superuser, for whom some connections are kept."""
        url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        words = [word for statement in statements for word in ("--command", statement)]
        psql = [f"{self.bin}/psql", "--quiet", "--no-psqlrc", "--tuples-only", *words, url]
        return subprocess.run(psql, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def is_up(self):
        ask = [f"{self.bin}/pg_isready", "--quiet", "--host", "127.0.0.1", "--port", str(self.port)]
        return subprocess.run(ask).returncode == 0

    def processes(self):
        """The postmaster, then its children."""
        postmaster = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        children = pathlib.Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]

    # Outages: each lasts as long as it is held.

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
        # So that it has no more children meanwhile.
        os.kill(self.processes()[0], signal.SIGSTOP)
        processes = self.processes()
        os.kill(processes[0], signal.SIGKILL)
        yield
        # Its children notice, and end by themselves.
        wait_until(lambda: not any(map(is_running, processes)), 20, "PostgreSQL's processes outlive their parent")
        # As the pid in it may stay for a while, a zombie's.
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
        """Others have all connections that are not a superuser's."""
        with contextlib.ExitStack() as taken:
            # They would not get them while the servers try again and again.
            self.sql("ALTER DATABASE mock ALLOW_CONNECTIONS false")
            self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'mock'")
            others = []

            def take():
                while other := connect(self.port):
                    others.append(taken.enter_context(other))
                return len(others) == MOST_CONNECTIONS

            wait_until(take, 20, "not all connections can be taken")
            self.sql("ALTER DATABASE mock ALLOW_CONNECTIONS true")
            yield

    # What is over as soon as it has happened.

    def restart(self):
        self.control("restart")

    def kill_a_backend(self):
        """All other connections end with it, and PostgreSQL recovers by itself."""
        backends = [int(pid) for pid in self.sql("SELECT pid FROM pg_stat_activity WHERE usename = 'mock'").split()]
        os.kill(random.choice(backends), signal.SIGKILL)
        wait_until(lambda: not any(map(is_running, backends)), 20, "PostgreSQL's other processes go on")
        # It cannot always be stopped in the middle of that.
        wait_until(self.is_up, 30, "PostgreSQL does not recover")


def connect(port):
    """Another client's connection; `None` where it gets none."""
    other = socket.create_connection(("127.0.0.1", port), timeout=10)
    message = struct.pack("!i", 3 << 16) + b"user\0others\0database\0postgres\0\0"
    other.sendall(struct.pack("!i", len(message) + 4) + message)
    answer = other.makefile("rb")
    while head := answer.read(5):
        kind, length = struct.unpack("!ci", head)
        answer.read(length - 4)
        if kind == b"Z":
            return other
        # Also after it has been let in.
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
    """How long it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() < began + seconds, otherwise
        time.sleep(0.02)
    return time.monotonic() - began


REFUSED = "answers 503, with Retry-After, each in the envelope of its API"


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
    """What all clients share, and the outages that they meet."""

    def __init__(self, postgres, servers):
        self.postgres, self.servers, self.counts = postgres, servers, Counts()
        #: When each process was asked for the last time, if it said that it is ready.
        self.ready = [None] * len(servers)
        #: Another object whenever PostgreSQL is well again; `None` while it is not.
        self.well = None
        #: How many seconds an answer may take.
        self.limit = REQUEST
        self.slowest = 0
        self.over = threading.Event()

    def is_away(self):
        return not any(self.ready)

    def outage(self, name, outage, limit=REQUEST, lasts=LASTS):
        """Holds an outage for as long as it says, once all processes have noticed."""

        def hold():
            with outage():
                wait_until(self.is_away, READINESS + SLACK, f"{name}: a process says that it is ready")
                self.limit = limit + SLACK
                time.sleep(lasts)
                assert self.is_away(), f"{name}: a process says that it is ready"
                self.limit = REQUEST

        self.jolt(name, hold)

    def jolt(self, name, happen):
        """Lets it happen, and waits until all is well again."""
        self.well, self.slowest = None, 0
        before = self.counts[REFUSED]
        happen()
        took = self.settle(name)
        refused = self.counts[REFUSED] - before
        slowest = f"the slowest answer after {self.slowest:.1f} s"
        print(f"{name}: {refused} answers 503, {slowest}, ready {took:.1f} s after it", flush=True)
        self.counts.add("outages of PostgreSQL")
        time.sleep(CALM)

    def settle(self, name):
        """Waits until all is well; how long it took."""
        over = time.monotonic()
        are_ready = lambda: all(at and at > over for at in self.ready)
        took = wait_until(are_ready, 30, f"{name}: not all processes are ready after it")
        # Connections that broke in the last moment show by then.
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
            lambda: self.outage("SIGSTOP, SIGCONT after the limit of statements", postgres.paused, silent, STATEMENT + 1),
            lambda: self.outage("all connections taken by others", postgres.full, CONNECTION),
        ):
            if go_on():
                happens()
        self.over.set()

    def watch(self, server):
        """Readiness follows PostgreSQL, and the process lives on."""
        client = Client(self.servers)

        def work(go_on):
            while go_on() and not self.over.is_set():
                began = time.monotonic()
                status, answer = client.call(server, "GET", "/readyz", None)
                took = time.monotonic() - began
                assert status in (200, 503) and took < READINESS + SLACK, f"readiness: {status} after {took:.1f} s"
                self.ready[server] = began if status == 200 else None
                assert client.call(server, "GET", "/livez", None)[0] == 200
                self.counts.add("probes of readiness and of life")
                time.sleep(0.05)

        return work


class Person:
    """A client of all processes, that knows what it was told."""

    def __init__(self, proof):
        self.proof, self.client = proof, Client(proof.servers)

    def ask(self, method, path, token=None, body=None, expected=200, **rest):
        """The answer; `None` when PostgreSQL is away."""
        proof, began = self.proof, time.monotonic()
        well, limit = proof.well, proof.limit
        server = random.randrange(REPLICAS)
        status, answer = self.client.call(server, method, path, token, body, **rest)
        took, what = time.monotonic() - began, f"{method} {path} by process {server}"
        proof.slowest = max(proof.slowest, took)
        assert took < limit, f"{what}: an answer after {took:.1f} s, where {limit} s are allowed"
        if status == expected:
            proof.counts.add(f"answers {status}")
            return answer
        assert status == 503, f"{what}: {status} instead of {expected}: {answer}"
        # Where an outage began or ended meanwhile, either may be.
        assert well is None or well is not proof.well, f"{what}: 503 while PostgreSQL is well: {answer}"
        assert self.client.headers["Retry-After"] == "1", f"{what}: {self.client.headers}"
        assert_envelope(path, answer)
        proof.counts.add(REFUSED)
        return None

    def work(self, go_on):
        while go_on() and not self.proof.over.is_set():
            self.act()
            time.sleep(random.random() / 50)

    def everywhere(self, token, expected):
        """A token's fate, by each of the processes."""
        for server in range(REPLICAS):
            status, answer = self.client.call(server, "GET", LIST, token)
            assert status == expected, f"in the end: {status} instead of {expected}: {answer}"
            self.proof.counts.add("uses of tokens in the end, each as it was told")


class User(Person):
    """Has a workspace alone: creates tokens there, uses, lists and revokes them."""

    def __init__(self, proof):
        super().__init__(proof)
        made = self.client.own(0, "POST", "workspaces")
        self.place, self.admin = f"workspaces/{made['id']}", made["admin_token"]
        self.own_id = self.rows()[0]["token_id"]
        #: Values by id: tokens that were told to be created, and of those, told to be revoked, or not told of it.
        self.live, self.revoked, self.unclear = {}, {}, {}
        #: Creations that were not told to have happened.
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
            assert self.live.keys() <= shown, f"the list lacks {self.live.keys() - shown}"
            assert not self.revoked.keys() & shown, "the list has revoked tokens"

    def revoke(self):
        if self.live:
            id = random.choice([*self.live])
            value = self.live.pop(id)
            told = self.ask("POST", DELETE, self.admin, {"token_id": id})
            (self.unclear if told is None else self.revoked)[id] = value

    def told_of(self, action):
        """The ids of the tokens for which the audit log has an action."""
        self.client.own(0, "GET", f"{self.place}/audit?action={action}")
        events = map(json.loads, self.client.text.splitlines())
        return sorted(event["requestParams"]["tokenId"] for event in events)

    def check(self, _):
        counts = self.proof.counts
        states = {row["token_id"]: row["state"] for row in self.rows() if row["token_id"] != self.own_id}
        rows, ended = states.keys(), {id for id, state in states.items() if state != "live"}
        assert self.live.keys() <= rows - ended, "a created token is lost"
        assert self.revoked.keys() <= ended, "a revocation is lost"
        # Each change with its event, and each once.
        assert self.told_of("generateDbToken") == sorted(rows), "the audit log has other creations"
        assert self.told_of("revokeDbToken") == sorted(ended), "the audit log has other revocations"
        told = self.live.keys() | self.revoked.keys() | self.unclear.keys()
        assert told <= rows and len(rows) - len(told) <= self.untold
        for id, value in (self.live | self.revoked | self.unclear).items():
            self.everywhere(value, 403 if id in ended else 200)
        counts.add("tokens created, and told so", len(told))
        counts.add("tokens revoked, and told so", len(self.revoked))
        counts.add("revocations answered 503", len(self.unclear))
        counts.add("revocations answered 503, and done", len(self.unclear.keys() & ended))
        counts.add("creations answered 503", self.untold)
        counts.add("creations answered 503, and done", len(rows) - len(told))
        counts.add("tokens compared with the audit log", len(rows))


class Founder(Person):
    """Makes whole workspaces, and removes them."""

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
        assert not self.gone & seeded, "a removed workspace is there"
        for id in seeded:
            held = self.held(id)
            assert held == self.whole, f"workspace {id} is half-written: {set(held) ^ set(self.whole)}"
        for token in self.there.values():
            self.everywhere(token, 200)
        self.proof.counts.add("workspaces found whole", len(seeded))
        self.proof.counts.add("workspaces removed, and told so", len(self.gone))


class Visitor(Person):
    """Asks the APIs that have other envelopes."""

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
