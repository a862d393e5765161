"""Tests of the pytest plugin. Each runs pytest in a process of its own."""

import re
from pathlib import Path

import pytest

pytest.importorskip("databricks.sdk")


@pytest.fixture
def run(pytester, monkeypatch):
    """Run a test file in a pytest process of its own; return its result."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    # This process may be a pytest-xdist worker; the one it starts is not.
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"):
        monkeypatch.delenv(name, raising=False)

    def run(text, *options):
        pytester.makepyfile(text)
        return pytester.runpytest_subprocess(*options)

    return run


def test_each_test_has_a_workspace_and_clients(run):
    result = run(
        """
        import os
        from databricks.sdk import WorkspaceClient

        IDS = set()

        def check(databricks_workspace):
            assert databricks_workspace.id not in IDS
            IDS.add(databricks_workspace.id)
            client = WorkspaceClient()
            client.tokens.create(comment="mine", lifetime_seconds=60)
            assert len(list(client.tokens.list())) == 2

        def test_one(databricks_workspace):
            check(databricks_workspace)

        def test_two(databricks_workspace):
            check(databricks_workspace)

        def test_clients(workspace_client, account_client, databricks_workspace):
            assert workspace_client.current_user.me().user_name == "admin@example.com"
            ids = [workspace.workspace_id for workspace in account_client.workspaces.list()]
            assert ids == [int(databricks_workspace.id)]
        """
    )
    result.assert_outcomes(passed=3)


def test_the_documentations_example_passes(run):
    beside, in_repository = Path(__file__).with_name("pytest.md"), Path(__file__).resolve().parents[2] / "docs/pytest.md"
    page = beside if beside.exists() else in_repository
    example = re.search(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)[1]
    run(example).assert_outcomes(passed=3)


def test_the_environment_is_restored_and_profiles_are_not_read(run, monkeypatch, tmp_path):
    profile = tmp_path / ".databrickscfg"
    profile.write_text("[DEFAULT]\nhost = https://real.cloud.databricks.com\naccount_id = real\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "real")
    monkeypatch.setenv("DATABRICKS_HOST", "https://real.cloud.databricks.com")
    monkeypatch.setenv("ARM_CLIENT_ID", "real")
    result = run(
        """
        import os
        from databricks.sdk import WorkspaceClient

        def test_inside(databricks_workspace):
            assert not {"DATABRICKS_CLIENT_ID", "ARM_CLIENT_ID"} & set(os.environ)
            client = WorkspaceClient()
            assert client.config.host == databricks_workspace.host
            assert client.config.account_id in (None, databricks_workspace.account_id)

        def test_outside():
            assert os.environ["DATABRICKS_HOST"] == "https://real.cloud.databricks.com"
            assert os.environ["DATABRICKS_CLIENT_ID"] == "real"
        """,
        "-p",
        "no:randomly",
    )
    result.assert_outcomes(passed=2)


def test_the_marker_describes_the_workspace(run):
    result = run(
        """
        import pytest
        from databricks.sdk.errors import InvalidParameterValue

        pytestmark = pytest.mark.databricks(conf={"maxTokenLifetimeDays": 7})

        @pytest.mark.databricks(template="leaky")
        def test_template_and_conf(workspace_client):
            assert len(list(workspace_client.token_management.list())) > 5
            with pytest.raises(InvalidParameterValue):
                workspace_client.tokens.create(lifetime_seconds=8 * 86400)

        @pytest.mark.databricks(tier="standard")
        def test_tier(databricks_workspace):
            assert databricks_workspace.call("GET", "/behaviour")["tier"] == "standard"

        @pytest.mark.databricks(seed={"users": [{"user_name": "ann@example.com"}]})
        def test_seed(workspace_client):
            assert list(workspace_client.users.list(filter='userName eq "ann@example.com"'))
        """,
        "--strict-markers",
    )
    result.assert_outcomes(passed=3)


def test_an_unknown_option_of_the_marker_is_an_error(run):
    result = run(
        """
        import pytest

        @pytest.mark.databricks(tire="standard")
        def test_it(databricks_workspace):
            pass
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*unknown option 'tire': expected template, seed, tier, conf*"])


def test_a_failed_test_prints_what_was_refused_and_why(run):
    result = run(
        """
        def test_it(workspace_client):
            workspace_client.tokens.create(lifetime_seconds=731 * 86400)
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*dapi-mock: what was refused, and why*",
            "POST /api/2.0/token/create answered 400 by admin@example.com",
            "*because *730 days*",
            "*remedy: *",
        ]
    )


def test_a_passing_test_prints_no_refusals(run):
    result = run(
        """
        import pytest
        from databricks.sdk.errors import DatabricksError

        def test_it(workspace_client):
            with pytest.raises(DatabricksError):
                workspace_client.tokens.create(lifetime_seconds=731 * 86400)
        """,
        "-rA",
    )
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*what was refused*")


def test_a_suspected_real_credential_fails_the_test_that_sent_it(run):
    result = run(
        """
        import secrets, urllib.error, urllib.request

        def send(workspace, value):
            request = urllib.request.Request(
                f"{workspace.host}/api/2.0/token/list", headers={"Authorization": f"Bearer {value}"})
            try:
                urllib.request.urlopen(request)
            except urllib.error.HTTPError as error:
                error.close()

        def test_before(databricks_workspace):
            send(databricks_workspace, "dapi" + "0" * 32)

        def test_real(databricks_workspace):
            send(databricks_workspace, "dapi" + "9f3a61c07be258d4" + "0d5b9e7714fc2a68")

        def test_after(databricks_workspace):
            pass
        """,
        "-p",
        "no:randomly",
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*looks like a real one*", "*personal_access_token by Python-urllib*"])


def test_retries_take_no_real_time(run):
    result = run(
        """
        import time

        def test_it(workspace_client, databricks_faults, databricks_workspace):
            before = databricks_workspace.clock.now_ms
            databricks_faults.arm("rate_limited", times=3)
            assert workspace_client.current_user.me().user_name
            (fault,) = databricks_faults.list()
            assert fault["fired"] == 3
            # Each response asked for a wait of at least a second.
            assert databricks_workspace.clock.now_ms - before >= 3000
        """
    )
    result.assert_outcomes(passed=1)


def test_databricks_labs_pytester_works_with_the_plugin(run):
    pytest.importorskip("databricks.labs.pytester")
    result = run(
        """
        import pytest

        @pytest.fixture
        def debug_env(databricks_workspace):
            return dict(databricks_workspace.env)

        def test_it(ws, make_user, make_group):
            user = make_user()
            group = make_group(members=[user.id])
            assert ws.groups.get(group.id).members[0].value == user.id
        """
    )
    result.assert_outcomes(passed=1)


def test_a_running_server_can_be_used(run):
    from dapi_mock import Server

    text = """
        def test_it(databricks_mock, workspace_client):
            assert databricks_mock.pid is None
            assert workspace_client.current_user.me().user_name
        """
    with Server() as server:
        run(text, f"--databricks-mock-url={server.url}").assert_outcomes(passed=1)
        assert [workspace["is_default"] for workspace in workspaces(server)] == [True], "its workspace is deleted"


def workspaces(server):
    return server.default_workspace._control.call("GET", "/workspaces")["workspaces"]


def test_the_log_is_kept(run, pytester):
    result = run(
        """
        from databricks.sdk import WorkspaceClient

        def test_it(databricks_workspace):
            try:
                WorkspaceClient(host=databricks_workspace.host, token="dapi" + "0" * 32).current_user.me()
            except Exception:
                pass
        """,
        "--databricks-mock-log=mock.log",
    )
    result.assert_outcomes(passed=1)
    assert "refused" in (pytester.path / "mock.log").read_text()


@pytest.mark.parametrize("options", [[], ["--databricks-mock-shared"]], ids=["a server each", "a shared server"])
def test_xdist_workers_are_isolated(run, options):
    pytest.importorskip("xdist")
    result = run(
        """
        import pytest

        @pytest.mark.parametrize("number", range(100))
        def test_it(databricks_workspace, number):
            workspace = databricks_workspace
            assert [token["comment"] for token in workspace.tokens.list()] == ["dapi-mock admin token"]
            workspace.configure({"maxTokenLifetimeDays": number % 700 + 1})
            workspace.clock.advance(by="1d")
            assert len(workspace.audit.list(action="workspaceConfEdit")) == 1
        """,
        "-n",
        "8",
        *options,
    )
    result.assert_outcomes(passed=100)
