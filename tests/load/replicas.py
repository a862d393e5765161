#!/usr/bin/env python3
"""Three processes on one PostgreSQL are one server, under load: what was acknowledged by one is in force on all.

    TEST_POSTGRES_URL=postgres://… tests/load/replicas.py [SECONDS]

Tokens are used through all while others are revoked; beside it toggles are flipped, clocks advanced, principals
deactivated, faults armed and workspaces put back, each in a workspace of its own. It ends with the first answer that
is wrong, and prints how many were looked at.
"""

import random
import sys
import threading
import time

from servers import ADMIN_TOKEN, DELETE, LIST, Client, Counts, postgres_database, run_threads, running

REPLICAS = 3
#: Uses of a revoked token after its revocation was acknowledged that a run has to see.
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
        assert status == expected, f"{what}, by replica {server}: {status} {answer}"
        self.counts.add(what)

    def everywhere(self, client, token, expected, what):
        """By all replicas, in any order."""
        for server in random.sample(range(REPLICAS), REPLICAS):
            self.uses(client, server, token, expected, what)

    # Revocation.

    def revoke(self, go_on):
        client = self.client()
        while go_on():
            made = random.randrange(REPLICAS)
            token, id = client.create(made, ADMIN_TOKEN, lifetime_seconds=3600)
            assert token, f"create: {id}"
            self.everywhere(client, token, 200, "uses of a live token, accepted")
            with self.lock:
                self.live[id] = token
            time.sleep(random.random() / 50)
            with self.lock:
                del self.live[id]
            status, answer = client.call(random.randrange(REPLICAS), "POST", DELETE, ADMIN_TOKEN, {"token_id": id})
            assert status == 200, answer
            # From here on nobody may accept it.
            self.revoked.append(token)
            self.counts.add("tokens revoked")
            self.everywhere(client, token, 403, "uses after the revocation was acknowledged, refused")

    def use(self, go_on):
        client = self.client()
        while go_on():
            # The newest have most often something left of them somewhere, if anything has.
            for token in random.sample(self.revoked[-20:], min(5, len(self.revoked[-20:]))):
                server = random.randrange(REPLICAS)
                self.uses(client, server, token, 403, "uses after the revocation was acknowledged, refused")
            with self.lock:
                id, token = random.choice(list(self.live.items())) if self.live else (None, None)
            if id is None:
                continue
            status, answer = client.call(random.randrange(REPLICAS), "GET", LIST, token)
            with self.lock:
                if id in self.live:
                    assert status == 200, f"a live token: {status} {answer}"
                    self.counts.add("uses of a live token, accepted")

    # The rest, each in a workspace of its own.

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
            self.everywhere(client, short, 200, "uses before and after a clock was advanced")
            client.own(random.randrange(REPLICAS), "POST", f"{place}/clock/advance", {"by": "61s"})
            self.everywhere(client, short, 403, "uses before and after a clock was advanced")

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
            self.counts.add("faults, each fired as often as it says", times)
            # A workspace has a hundred at most, those that are used up included.
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
                self.everywhere(client, token, expected, "uses after a user or the permissions were changed")

    def put_back(self, go_on):
        """Requests that were checked against the old state write nothing into the new one."""
        client = self.client()
        place, admin = self.workspace(client)
        client.own(0, "PUT", f"{place}/checkpoints/before")
        before = client.own(0, "GET", f"{place}/tokens")["tokens"]
        while go_on():
            # Of the state that goes: whoever is let in by it belongs to that.
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
                assert ids[0] == ids[1], f"after the reset there are {ids[0]}, not {ids[1]}"
            self.counts.add("resets under load")
            self.counts.add("tokens created by requests that a reset met", outcomes["created"])
            self.counts.add("requests refused since their workspace was exchanged", outcomes[503])


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 15
    with postgres_database("replicas") as database, running(database, REPLICAS) as servers:
        proof = Proof(servers)
        others = [proof.toggle, proof.advance, proof.fault, proof.restrict, proof.put_back]
        checked = "uses after the revocation was acknowledged, refused"
        run_threads([proof.revoke] * 4 + [proof.use] * 4 + others, seconds)
        # A slow machine gets the time that it needs.
        while proof.counts[checked] < CHECKS:
            run_threads([proof.revoke] * 4 + [proof.use] * 4, 5)
    print(f"{proof.counts}\n\n{REPLICAS} replicas: no wrong answer; {proof.counts[checked]} uses of revoked tokens, 0 accepted")


if __name__ == "__main__":
    main()
