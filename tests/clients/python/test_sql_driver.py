"""Tests that the SQL driver fails at once, because the mock runs no statements."""

import pytest
from databricks import sql
from databricks.sql.exc import RequestError


@pytest.mark.parametrize("path", ["/sql/1.0/warehouses/0123456789abcdef", "/sql/protocolv1/o/3274327432743274/0101-abc"])
def test_it_fails_at_once_with_the_reason(server, own, path):
    with pytest.raises(RequestError, match="dapi-mock does not emulate SQL warehouses and clusters"):
        # The driver has its own certificate store.
        sql.connect(
            server_hostname=server.host.removeprefix("https://"),
            http_path=path,
            access_token=server.admin_token,
            _connection_uri=server.host + path,
            _tls_no_verify=True,
        )
    # By default the driver retries for fifteen minutes.
    status, journal = own("GET", f"requests?path={path}")
    assert status == 200
    assert [entry["status"] for entry in journal["requests"]] == [501]
