#!/usr/bin/env python3
"""Checks under load that three processes on one PostgreSQL act as one server: each change applies to all at once.

    TEST_POSTGRES_URL=postgres://… tests/load/replicas.py [SECONDS]

Clients use tokens on every process while others revoke them. Meanwhile they flip toggles, advance clocks, deactivate
principals, arm faults and restore workspaces, each in a workspace of its own. The run ends at the first wrong response,
and prints how many it checked.
"""

import random
import sys
import threading
import time

from servers import ADMIN_TOKEN, DELETE, LIST, Client, Counts, postgres_database, run_threads, running

REPLICAS = 3
#: How many uses of a revoked token, after its revocation was acknowledged, a run must see.
CHECKS = 10_000


class Proof:
    def __init__(self, servers):
        self.servers, self.counts = servers, Counts()
        self.lock = threading.Lock()
        self.live, self.revoked = {}, []

    def client(self):
        return Client(self.servers)

    def uses(self, client, server, token, expected, what):
        status, answer = client.call(server, "GET", LIST, token)
        assert status == expected, f"{what}, on replica {server}: {status} {answer}"
        self.counts.add(what)

    def everywhere(self, client, token, expected, what):
        """Uses the token on all replicas, in random order."""
        for server in random.sample(range(REPLICAS), REPLICAS):
            self.uses(client, server, token, expected, what)

    # Revocation.

    def revoke(self, go_on):
        client = self.client()
        while go_on():
            made = random.randrange(REPLICAS)
            token, id = client.create(made, ADMIN_TOKEN, lifetime_seconds=3600)
            assert token, f"create: {id}"
            self.everywhere(client, token, 200, "uses of a live token: accepted")
            with self.lock:
                self.live[id] = token
            time.sleep(random.random() / 50)
            with self.lock:
                del self.live[id]
            status, answer = client.call(random.randrange(REPLICAS), "POST", DELETE, ADMIN_TOKEN, {"token_id": id})
            assert status == 200, answer
            # From here on no replica may accept the token.
            self.revoked.append(token)
            self.counts.add("tokens revoked")
            self.everywhere(client, token, 403, "uses after an acknowledged revocation: refused")

    def use(self, go_on):
        client = self.client()
        while go_on():
            # If a replica still accepts a revoked token, it is most likely a recent one.
            for token in random.sample(self.revoked[-20:], min(5, len(self.revoked[-20:]))):
                server = random.randrange(REPLICAS)
                self.uses(client, server, token, 403, "uses after an acknowledged revocation: refused")
            with self.lock:
                id, token = random.choice(list(self.live.items())) if self.live else (None, None)
            if id is None:
                continue
            status, answer = client.call(random.randrange(REPLICAS), "GET", LIST, token)
            with self.lock:
                if id in self.live:
                    assert status == 200, f"a live token: {status} {answer}"
                    self.counts.add("uses of a live token: accepted")

    # Everything else, each in a workspace of its own.

    def workspace(self, client):
        made = client.own(random.randrange(REPLICAS), "POST", "workspaces")
        return f"workspaces/{made['id']}", made["admin_token"]

    def toggle(self, go_on):
        client = self.client()
        place, token = self.workspace(client)
        while go_on():
            for value, expected in (("false", 404), ("true", 200)):
                client.own(random.randrange(REPLICAS), "PATCH", f"{place}/conf", {"enableTokensConfig": value})
                self.everywhere(client, token, expected, "uses after a toggle was flipped")

    def advance(self, go_on):
        client = self.client()
        place, token = self.workspace(client)
        while go_on():
            short, id = client.create(random.randrange(REPLICAS), token, lifetime_seconds=60)
            assert short, f"create: {id}"
            self.everywhere(client, short, 200, "uses before and after a clock advanced")
            client.own(random.randrange(REPLICAS), "POST", f"{place}/clock/advance", {"by": "61s"})
            self.everywhere(client, short, 403, "uses before and after a clock advanced")

    def fault(self, go_on):
        client = self.client()
        place, token = self.workspace(client)
        while go_on():
            times = random.randint(1, 3)
            client.own(random.randrange(REPLICAS), "POST", f"{place}/faults", {"times": times, "effect": {"status": 503}})
            statuses = []

            def ask(server):
                mine = self.client()
                for _ in range(3):
                    statuses.append(mine.call(server, "GET", LIST, token)[0])

            threads = [threading.Thread(target=ask, args=(server,)) for server in range(REPLICAS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert statuses.count(503) == times and statuses.count(200) == 3 * REPLICAS - times, (times, statuses)
            self.counts.add("faults, each fired as often as armed", times)
            # A workspace holds at most a hundred faults, exhausted ones included.
            client.own(random.randrange(REPLICAS), "DELETE", f"{place}/faults")

    def restrict(self, go_on):
        client = self.client()
        token = f"dapi{random.getrandbits(128):032x}"
        seed = {
            "users": [{"user_name": "robot@example.com"}],
            "may_use_tokens": ["users"],
            "tokens": [{"owner": "robot@example.com", "value": token}],
        }
        admin = client.own(0, "POST", "workspaces", {"seed": seed})["admin_token"]
        users = "/api/2.0/preview/scim/v2/Users"
        _, found = client.call(0, "GET", f"{users}?filter=userName+eq+robot@example.com", admin)
        user, acl = f"{users}/{found['Resources'][0]['id']}", "/api/2.0/permissions/authorization/tokens"
        admins = {"group_name": "admins", "permission_level": "CAN_MANAGE"}
        entry = {"group_name": "users", "permission_level": "CAN_USE"}

        def active(value):
            return "PATCH", user, {"Operations": [{"op": "replace", "path": "active", "value": value}]}

        def permitted(entries):
            return "PUT", acl, {"access_control_list": [admins, *entries]}

        changes = [(active(False), 403), (active(True), 200), (permitted([]), 403), (permitted([entry]), 200)]
        while go_on():
            for (method, path, body), expected in changes:
                status, answer = client.call(random.randrange(REPLICAS), method, path, admin, body)
                assert status == 200, answer
                self.everywhere(client, token, expected, "uses after a user or permissions changed")

    def put_back(self, go_on):
        """Checks that a request that was authorized before a reset writes nothing after it."""
        client = self.client()
        place, admin = self.workspace(client)
        client.own(0, "PUT", f"{place}/checkpoints/before")
        before = client.own(0, "GET", f"{place}/tokens")["tokens"]
        while go_on():
            # This token belongs to the state before the reset, and so does every request that it authorizes.
            late, id = client.create(random.randrange(REPLICAS), admin)
            assert late, f"create: {id}"
            outcomes = Counts()

            def create(server):
                mine = self.client()
                while True:
                    token, status = mine.create(server, late)
                    outcomes.add("created" if token else status)
                    if status == 403:
                        return

            threads = [threading.Thread(target=create, args=(server,)) for server in range(REPLICAS)]
            for thread in threads:
                thread.start()
            time.sleep(random.random() / 20)
            client.own(random.randrange(REPLICAS), "POST", f"{place}/reset", {"to": "before"})
            for thread in threads:
                thread.join()
            assert set(outcomes.numbers) <= {"created", 403, 503}, outcomes.numbers
            for server in range(REPLICAS):
                tokens = client.own(server, "GET", f"{place}/tokens")["tokens"]
                ids = [[row["token_id"] for row in rows] for rows in (tokens, before)]
                assert ids[0] == ids[1], f"the reset left {ids[0]}, expected {ids[1]}"
            self.counts.add("resets under load")
            self.counts.add("tokens created by requests during a reset", outcomes["created"])
            self.counts.add("requests refused because their workspace was replaced", outcomes[503])


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 15
    with postgres_database("replicas") as database, running(database, REPLICAS) as servers:
        proof = Proof(servers)
        others = [proof.toggle, proof.advance, proof.fault, proof.restrict, proof.put_back]
        checked = "uses after an acknowledged revocation: refused"
        run_threads([proof.revoke] * 4 + [proof.use] * 4 + others, seconds)
        # Gives a slow machine the time it needs.
        while proof.counts[checked] < CHECKS:
            run_threads([proof.revoke] * 4 + [proof.use] * 4, 5)
    print(f"{proof.counts}\n\n{REPLICAS} replicas: no wrong answer; {proof.counts[checked]} uses of revoked tokens, 0 accepted")


if __name__ == "__main__":
    main()
