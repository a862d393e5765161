"""Start dapi-mock from Python: the token service of Databricks, on your own machine.

    from dapi_mock import Server

    with Server() as server:
        workspace = server.create_workspace()
        workspace.env          # DATABRICKS_HOST, DATABRICKS_TOKEN, DATABRICKS_WORKSPACE_ID
        workspace.clock.advance(by="90d")

The pytest plugin is in `dapi_mock.pytest_plugin`; pytest loads it automatically.
"""

from ._binary import BinaryNotFound, find_binary
from ._control import ControlError, ServerUnreachable
from ._server import Server, StartFailed
from ._workspace import Audit, Clock, Faults, Json, Requests, Tokens, Workspace

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "BinaryNotFound",
    "Clock",
    "ControlError",
    "Faults",
    "Json",
    "Requests",
    "Server",
    "ServerUnreachable",
    "StartFailed",
    "Tokens",
    "Workspace",
    "__version__",
    "find_binary",
]
