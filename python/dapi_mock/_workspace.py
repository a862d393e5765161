"""A workspace of a running server, and what a test can do with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ._control import Control

Json = dict[str, Any]
# The method `list` of the classes below hides the type `list`.
Rows = list[Json]


class Workspace:
    """One isolated workspace. No test in another workspace can see or disturb it.

    `env` has the variables that point an official client at it. `admin_token`, `client_id` and `client_secret`
    belong to its admins; they are None if the server no longer knows them.
    """

    def __init__(self, control: Control, workspace: Json):
        self._control = control
        self.id: str = workspace["id"]
        self.account_id: str = workspace["account_id"]
        self.name: str = workspace["name"]
        self.host: str = workspace.get("host") or control.url
        self.admin_token: str | None = workspace.get("admin_token")
        self.client_id: str | None = workspace.get("client_id")
        self.client_secret: str | None = workspace.get("client_secret")
        self.env: dict[str, str] = dict(workspace.get("env") or {})
        self.clock = Clock(self)
        self.faults = Faults(self)
        self.requests = Requests(self)
        self.tokens = Tokens(self)
        self.audit = Audit(self)

    def __repr__(self) -> str:
        return f"<Workspace {self.id} at {self.host}>"

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a path of the control API under this workspace: `call("GET", "/census")`."""
        return self._control.call(method, f"/workspaces/{self.id}{path}", body, query)

    def explain(self, request: str | Mapping[str, Any] = "last") -> Json:
        """Explain a decision.

        Give the `X-Request-Id` of a response, `"last"` for this workspace's latest refusal, or a request that was never
        sent: `{"as": "ann@example.com", "method": "POST", "path": "/api/2.0/token/create"}`.
        """
        if not isinstance(request, str):
            answer: Json = self.call("POST", "/explain", request)
            return answer
        if request == "last":
            refusals = self.requests.list(refused=True, limit=1)
            if not refusals:
                raise LookupError(f"workspace {self.id} has refused no request")
            request = str(refusals[-1]["request_id"])
        explanation: Json = self._control.call("GET", f"/explain/{quote(request, safe='')}")
        return explanation

    def reset(self, to: str = "seed") -> None:
        """Restore a checkpoint, the state after the seed (`"seed"`), or the state before it (`"empty"`)."""
        self.call("POST", "/reset", {"to": to})

    def checkpoint(self, name: str = "checkpoint") -> str:
        """Save the workspace as it is now, to restore it with `reset(to=name)`."""
        self.call("PUT", f"/checkpoints/{quote(name, safe='')}")
        return name

    def fork(self, **options: Any) -> Workspace:
        """Copy the workspace and everything in it. Options are those of the control API, such as `ttl="1h"`."""
        return Workspace(self._control, self.call("POST", "/fork", options))

    def configure(self, conf: Mapping[str, Any]) -> None:
        """Set workspace configuration without a credential, such as `{"enableTokensConfig": False}`."""
        texts = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in conf.items()}
        self.call("PATCH", "/conf", texts)

    def delete(self) -> None:
        """Delete the workspace and everything in it."""
        self.call("DELETE", "")


class _Part:
    def __init__(self, workspace: Workspace):
        self._workspace = workspace


class Clock(_Part):
    """The workspace's clock. It only moves forward, and events that become due on the way happen."""

    def get(self) -> Json:
        """Return mode, offset and the current time."""
        answer: Json = self._workspace.call("GET", "/clock")
        return answer

    @property
    def now_ms(self) -> int:
        """The workspace's time in milliseconds since the epoch."""
        return int(self.get()["now"]["ms"])

    def advance(self, by: str | None = None, to: str | int | None = None, until: str | None = None) -> Rows:
        """Advance by a duration (`"90d"`), to an instant, or until the next event of a kind (`"token.expired"`).

        Returns the events that happened on the way, in order.
        """
        change = {name: value for name, value in (("by", by), ("to", to), ("until", until)) if value is not None}
        events: Rows = self._workspace.call("POST", "/clock/advance", change)["events"]
        return events

    def freeze(self) -> None:
        """Stop the clock."""
        self._workspace.call("POST", "/clock", {"mode": "frozen"})

    def resume(self) -> None:
        """Resume the clock from its current time."""
        self._workspace.call("POST", "/clock", {"mode": "offset"})

    def upcoming(self, limit: int = 100) -> Rows:
        """Return the upcoming events, in order."""
        events: Rows = self._workspace.call("GET", "/clock/upcoming", query={"limit": limit})["events"]
        return events


class Faults(_Part):
    """Failures on demand."""

    def arm(
        self,
        name: str | None = None,
        *,
        times: int | None = None,
        offset: int | None = None,
        match: Mapping[str, Any] | None = None,
        when: str | None = None,
        effect: Mapping[str, Any] | None = None,
    ) -> Json:
        """Arm a fault from the catalogue (`"rate_limited"`), or one that `effect` describes."""
        given = (
            ("name", name),
            ("times", times),
            ("offset", offset),
            ("match", match),
            ("when", when),
            ("effect", effect),
        )
        fault: Json = self._workspace.call("POST", "/faults", {key: value for key, value in given if value is not None})
        return fault

    def list(self) -> Rows:
        """Return the armed faults. Each has the number of requests `seen` and how often it has `fired`."""
        faults: Rows = self._workspace.call("GET", "/faults")["faults"]
        return faults

    def clear(self) -> None:
        """Disarm all faults."""
        self._workspace.call("DELETE", "/faults")


class Requests(_Part):
    """The request journal."""

    def list(self, **filters: Any) -> Rows:
        """Return the newest matching requests, oldest first: `list(path="/api/2.0/token/*", status=403)`."""
        entries: Rows = self._workspace.call("GET", "/requests", query=filters)["requests"]
        return entries

    def verify(
        self,
        at_least: int | None = None,
        at_most: int | None = None,
        exactly: int | None = None,
        in_order: Sequence[Mapping[str, Any]] | None = None,
        **match: Any,
    ) -> Json:
        """Raise `ControlError` with the server's message unless the expected requests were received."""
        counts = (("at_least", at_least), ("at_most", at_most), ("exactly", exactly))
        question: Json = {name: value for name, value in counts if value is not None}
        if in_order is not None:
            question["in_order"] = [dict(one) for one in in_order]
        else:
            question["match"] = match
        verdict: Json = self._workspace.call("POST", "/requests/verify", question)
        return verdict

    def clear(self) -> None:
        """Empty the journal."""
        self._workspace.call("DELETE", "/requests")


class Tokens(_Part):
    """The history of each token, including expired and revoked ones."""

    def list(self, **filters: Any) -> Rows:
        """Return the matching tokens, oldest first: `list(state="ended", owner="ann@example.com")`."""
        tokens: Rows = self._workspace.call("GET", "/tokens", query=filters)["tokens"]
        return tokens

    def get(self, token_id: str) -> Json:
        """Return a token and its state; raise `LookupError` if the workspace never had it."""
        for token in self.list(token_id=token_id):
            return token
        raise LookupError(f"workspace {self._workspace.id} never had the token {token_id}")


class Audit(_Part):
    """The audit log."""

    def list(self, **filters: Any) -> Rows:
        """Return audit entries, oldest first: `list(action="generateDbToken", shape="system_table")`."""
        lines: str = self._workspace.call("GET", "/audit", query=filters)
        return [json.loads(line) for line in _lines(lines)]

    def expect(
        self, action: str, actor: str | None = None, count: int | None = None, within: str | None = None
    ) -> Json:
        """Raise `ControlError` with the server's message unless the action is in the audit log."""
        given = (("action", action), ("actor", actor), ("count", count), ("within", within))
        question = {name: value for name, value in given if value is not None}
        verdict: Json = self._workspace.call("POST", "/audit/expect", question)
        return verdict


def _lines(text: str) -> Iterable[str]:
    return (line for line in text.split("\n") if line)
