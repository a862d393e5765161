"""Calls the control API with nothing but the standard library."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit


class ControlError(Exception):
    """The control API refused a call. `status` is the HTTP status; the text is the server's message."""

    def __init__(self, status: int, message: str, answer: Any = None):
        super().__init__(message)
        self.status = status
        self.answer = answer


class ServerUnreachable(ConnectionError):
    """No server answered."""


class Control:
    """The control API of one server. It connects directly and ignores proxy settings."""

    def __init__(self, url: str, key: str | None = None, timeout: float = 60.0):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"invalid URL {url!r}: expected http://HOST:PORT or https://HOST:PORT")
        self.url = f"{parts.scheme}://{parts.netloc}"
        self._is_tls = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._key = key
        self._timeout = timeout

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a path under `/_mock/v1` and return the JSON response; raise `ControlError` unless it is 2xx."""
        status, _, answer = self.exchange(method, path, body, query)
        if status >= 400:
            message = answer.get("error") if isinstance(answer, dict) else None
            raise ControlError(status, message or f"{method} {path} answered {status}", answer)
        return answer

    def exchange(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> tuple[int, Mapping[str, str], Any]:
        """Call a path and return status, headers and body, which is parsed if it is JSON."""
        given = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        target = f"/_mock/v1{path}" + (f"?{urlencode(given)}" if given else "")
        headers = {"Accept": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        data = None
        if method != "GET":
            headers["Content-Type"] = "application/json"
            data = json.dumps({} if body is None else body)
        connection = self._connection()
        try:
            connection.request(method, target, data, headers)
            response = connection.getresponse()
            text = response.read().decode()
        except OSError as error:
            raise ServerUnreachable(f"no dapi-mock server answers at {self.url}: {error}") from error
        finally:
            connection.close()
        answer: Any = text
        if response.headers.get_content_type() == "application/json":
            answer = json.loads(text)
        return response.status, dict(response.headers.items()), answer

    def _connection(self) -> http.client.HTTPConnection:
        if self._is_tls:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
