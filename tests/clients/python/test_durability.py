"""Tests that acknowledged changes survive a crash, and that the quota holds for a thousand concurrent requests."""

import http.client
import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from databricks.sdk import WorkspaceClient

CALLERS = 1000
QUOTA = 600


@pytest.fixture
def server(start_server, tmp_path):
    return start_server(f"sqlite:{tmp_path / 'dapi-mock.db'}")


def connect(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.connect()
    return connection


def ask(connection, method, path, token, body=None):
    connection.request(method, path, body, {"Authorization": f"Bearer {token}"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def create(connection, server):
    return ask(connection, "POST", "/api/2.0/token/create", server.admin_token, "{}")


def assert_each_authenticates(server, values):
    connection = connect(server)
    for value in values:
        status, _ = ask(connection, "GET", "/api/2.0/preview/scim/v2/Me", value)
        assert status == 200


def live_tokens(server):
    return list(WorkspaceClient(host=server.host, token=server.admin_token).tokens.list())


def test_the_quota_holds_in_a_race_and_each_token_survives_a_kill(server):
    free = QUOTA - len(live_tokens(server))
    together = threading.Barrier(CALLERS, timeout=60)

    def create_together(_):
        connection = connect(server)
        together.wait()
        return create(connection, server)

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(create_together, range(CALLERS)))
    created = [body["token_value"] for status, body in answers if status == 200]
    refused = [(status, body["error_code"]) for status, body in answers if status != 200]
    assert len(set(created)) == len(created) == free
    assert refused == [(400, "QUOTA_EXCEEDED")] * (CALLERS - free)

    server.kill()
    server.start()
    assert_each_authenticates(server, created)
    assert len(live_tokens(server)) == QUOTA


def test_a_kill_in_the_middle_loses_nothing_that_was_acknowledged(server):
    created = []
    acknowledged = itertools.count(1)

    def create_until_it_dies(_):
        connection = None
        while True:
            try:
                # The server may die before the last caller has connected.
                connection = connection or connect(server)
                status, body = create(connection, server)
            except (OSError, http.client.HTTPException):
                return
            assert status == 200
            created.append(body["token_value"])
            if next(acknowledged) == 100:
                server.kill()

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(create_until_it_dies, range(32)))
    assert 100 <= len(created) < QUOTA

    server.start()
    assert_each_authenticates(server, created)
