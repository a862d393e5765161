#!/usr/bin/env python3
"""Runs mixed traffic for a while and compares the result with a model.

    tests/load/soak.py [SECONDS]        on a SQLite file, then on three replicas if TEST_POSTGRES_URL is set

Each thread has a workspace and a model of it. It creates, uses, lists, changes and revokes tokens, lets some expire,
flips toggles, advances the clock, arms faults, uses OAuth, and sometimes restores or replaces the workspace. Two more
threads share the default workspace and its admin. At the end no acknowledged change may be lost, no revoked or expired
token may work, every list and the audit log must have as many entries as the model, the server must not have failed
except by armed faults, and its memory must not have grown.
"""

import base64
import copy
import os
import random
import sys
import tempfile
import time

from servers import ADMIN_TOKEN, CREATE, DELETE, LIST, Client, Counts, postgres_database, run_threads, running

MANAGED = "/api/2.0/token-management/tokens"
HOUR = 3600
#: How much more memory the last third of a run may use than the second, because allocators and caches vary.
GROWTH, GROWTH_KIB = 1.10, 8 * 1024
#: Clocks advance by at most this much, so that no token is revoked because it was not used.
MOST_ADVANCED = 60 * 24 * HOUR


class Model:
    """The expected content of a workspace."""

    def __init__(self):
        self.live, self.dead = {}, []
        self.now = 0
        self.created = self.revoked = 0


class Worker:
    """A thread and its workspace."""

    def __init__(self, servers, counts):
        self.client, self.servers, self.counts = Client(servers), servers, counts
        self.begin()

    def any(self):
        return random.randrange(len(self.servers))

    def call(self, method, path, token=None, body=None, expected=200, **rest):
        status, answer = self.client.call(self.any(), method, path, token or self.admin, body, **rest)
        assert status == expected, f"{method} {path}: {status} instead of {expected}: {answer}"
        self.counts.add(f"{method} answered {status}")
        return answer

    def own(self, method, path, body=None):
        self.counts.add("calls to the control API")
        return self.client.own(self.any(), method, f"{self.place}/{path}" if path else self.place, body)

    def begin(self):
        made = self.client.own(self.any(), "POST", "workspaces")
        self.place, self.admin = f"workspaces/{made['id']}", made["admin_token"]
        self.basic = base64.b64encode(f"{made['client_id']}:{made['client_secret']}".encode()).decode()
        self.own("POST", "clock", {"mode": "frozen"})
        self.model, self.kept = Model(), None

    # What a thread does.

    def create(self):
        if len(self.model.live) > 200:
            # This test must not reach the quota.
            return self.revoke()
        lifetime = random.choice([2 * HOUR, 8 * HOUR, 400 * 24 * HOUR])
        comment = f"soak {random.getrandbits(32)}"
        made = self.call("POST", CREATE, body={"comment": comment, "lifetime_seconds": lifetime})
        id = made["token_info"]["token_id"]
        self.model.live[id] = [made["token_value"], comment, self.model.now + lifetime]
        self.model.created += 1

    def use(self):
        if self.model.live:
            self.call("GET", LIST, random.choice(list(self.model.live.values()))[0])

    def use_dead(self):
        if self.model.dead:
            self.call("GET", LIST, random.choice(self.model.dead), expected=403)

    def list(self):
        shown = {info["token_id"]: info["comment"] for info in self.call("GET", LIST).get("token_infos", [])}
        known = {id: comment for id, (_, comment, _) in self.model.live.items()}
        missing = known.items() - shown.items()
        assert not missing, f"missing from the list: {missing}"
        managed = self.call("GET", MANAGED).get("token_infos", [])
        assert known.keys() <= {info["token_id"] for info in managed}

    def update(self):
        if self.model.live:
            id = random.choice(list(self.model.live))
            comment = f"changed {random.getrandbits(32)}"
            body = {"token": {"comment": comment}, "update_mask": "comment"}
            self.call("PATCH", f"/api/2.0/token/{id}", body=body)
            self.model.live[id][1] = comment

    def revoke(self):
        if self.model.live:
            id = random.choice(list(self.model.live))
            if random.random() < 0.5:
                self.call("POST", DELETE, body={"token_id": id})
            else:
                self.call("DELETE", f"{MANAGED}/{id}")
            self.model.dead.append(self.model.live.pop(id)[0])
            self.model.revoked += 1

    def toggle(self):
        self.own("PATCH", "conf", {"enableTokensConfig": "false"})
        self.call("GET", LIST, expected=404)
        self.own("PATCH", "conf", {"enableTokensConfig": "true"})

    def advance(self):
        if self.model.now < MOST_ADVANCED:
            hours = random.randint(1, 5)
            self.own("POST", "clock/advance", {"by": f"{hours}h"})
            self.model.now += hours * HOUR
            over = [id for id, (_, _, expires) in self.model.live.items() if expires <= self.model.now]
            self.model.dead += [self.model.live.pop(id)[0] for id in over]
            self.counts.add("tokens expired", len(over))

    def fault(self):
        self.own("POST", "faults", {"times": 1, "effect": {"status": 503}})
        self.call("GET", LIST, expected=503)
        self.call("GET", LIST)

    def oauth(self):
        form = "grant_type=client_credentials&scope=all-apis"
        issued = self.call("POST", "/oidc/v1/token", form=form, basic=self.basic)
        self.call("GET", LIST, issued["access_token"])

    def keep(self):
        self.own("PUT", "checkpoints/soak")
        self.kept = copy.deepcopy(self.model)

    def reset(self):
        if self.kept:
            self.own("POST", "reset", {"to": "soak"})
            # The model cannot know what happened after the checkpoint.
            gone = [token for id, (token, _, _) in self.model.live.items() if id not in self.kept.live]
            self.model = copy.deepcopy(self.kept)
            if gone:
                self.call("GET", LIST, random.choice(gone), expected=403)

    def replace(self):
        self.check()
        self.own("DELETE", "")
        self.call("GET", LIST, expected=403)
        self.begin()

    WEIGHTS = {
        create: 30, use: 60, use_dead: 20, list: 8, update: 8, revoke: 22, toggle: 1, advance: 3, fault: 1, oauth: 3,
        keep: 1, reset: 1, replace: 0.3,
    }

    def work(self, go_on):
        while go_on():
            random.choices([*self.WEIGHTS], [*self.WEIGHTS.values()])[0](self)
        self.check()

    # What is checked at the end.

    def check(self):
        """Checks on every replica that exactly the acknowledged changes are there."""
        self.list()
        for server in range(len(self.servers)):
            for tokens, expected in ([row[0] for row in self.model.live.values()], 200), (self.model.dead[-20:], 403):
                for token in tokens:
                    status, answer = self.client.call(server, "GET", LIST, token)
                    assert status == expected, f"at the end: {status} instead of {expected}: {answer}"
                    self.counts.add(f"tokens used at the end, answered {expected}")
            rows = self.client.own(server, "GET", f"{self.place}/tokens?state=live")["tokens"]
            # The list also has the admin token.
            assert len(rows) == len(self.model.live) + 1, f"expected {len(self.model.live) + 1} live tokens: {len(rows)}"
        for action, expected in ("generateDbToken", self.model.created), ("revokeDbToken", self.model.revoked):
            event = {"action": action, "count": expected}
            status, answer = self.client.call(self.any(), "POST", f"/_mock/v1/{self.place}/audit/expect", None, event)
            assert status == 200, f"{action}: {answer}"
            self.counts.add("audit events counted", expected)


class Neighbour:
    """One of several threads that use the same workspace as the same user."""

    def __init__(self, servers, counts):
        self.client, self.servers, self.counts = Client(servers), servers, counts

    def work(self, go_on):
        mine = {}
        while go_on():
            token, id = self.client.create(random.randrange(len(self.servers)), ADMIN_TOKEN, comment="shared")
            assert token, f"create: {id}"
            mine[id] = token
            if len(mine) > 20:
                id, token = mine.popitem()
                server = random.randrange(len(self.servers))
                status, answer = self.client.call(server, "POST", DELETE, ADMIN_TOKEN, {"token_id": id})
                assert status == 200, answer
                status, answer = self.client.call(random.randrange(len(self.servers)), "GET", LIST, token)
                assert status == 403, answer
                self.counts.add("tokens of one user, created and revoked by several threads")
        for server in range(len(self.servers)):
            for token in mine.values():
                assert self.client.call(server, "GET", LIST, token)[0] == 200


def soak(database, replicas, seconds):
    counts = Counts()
    with running(database, replicas) as servers:
        samples = []

        def measure(go_on):
            while go_on():
                samples.append(sum(server.resident_kib() for server in servers))
                time.sleep(0.2)

        workers = [Worker(servers, counts) for _ in range(6)] + [Neighbour(servers, counts) for _ in range(2)]
        run_threads([worker.work for worker in workers] + [measure], seconds)
        said = [line for server in servers for line in server.said().splitlines() if "ERROR" in line]
        assert not said, said[:5]
    third = len(samples) // 3
    second, last = (sum(part) / len(part) for part in (samples[third : 2 * third], samples[2 * third :]))
    assert last <= second * GROWTH + GROWTH_KIB, f"memory grew from {second:.0f} KiB to {last:.0f} KiB"
    course = ", ".join(f"{sample / 1024:.1f}" for sample in samples[:: max(1, len(samples) // 10)])
    print(f"{counts}\n\nresident memory in MiB: {second / 1024:.1f} in the second third, {last / 1024:.1f} in the last; {course}\n")


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20
    print(f"one process on a SQLite file, {seconds:.0f} s", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        soak(f"sqlite:{folder}/soak.db", 1, seconds)
    if "TEST_POSTGRES_URL" in os.environ:
        print(f"three processes on PostgreSQL, {seconds:.0f} s", flush=True)
        with postgres_database("soak") as database:
            soak(database, 3, seconds)


if __name__ == "__main__":
    main()
