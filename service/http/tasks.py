"""Answering one complete request: by the app, or by a refusal without it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from waitress.task import ErrorTask, WSGITask

from ...formatting import counted
from ..errors import CODES, answer_body
from ..logs import REQUEST_ID, log_request, request_id
from ..request_context import ARRIVED, DROPPED
from ..security_headers import SECURITY_HEADERS
from .request_parser import TooBusyError

if TYPE_CHECKING:
    from waitress.utilities import Error as WaitressError

    from ..settings import Settings


class _CloseAtShutdown:
    """Sends `Connection: close` once the server is shutting down."""

    def build_response_header(self) -> bytes:
        task: Any = self
        if task.channel.server.ending:
            task.set_close_on_finish()
        return super().build_response_header()  # type: ignore[misc]  # of the task beside it


class Task(_CloseAtShutdown, WSGITask):
    """A request that the app answers."""

    def get_environment(self) -> dict[str, Any]:
        """With the time of the request's arrival: it may have waited for a thread since.

        Also with whether its body was dropped.
        """
        environment = super().get_environment()
        request: Any = self.request  # typeshed takes it for an error
        environment[ARRIVED] = request.arrived
        environment[DROPPED] = not request.is_kept
        return environment


class RefusalTask(_CloseAtShutdown, ErrorTask):
    """A request that is refused without the app: invalid, too large or too many."""

    def execute(self) -> None:
        """Answer with JSON; count and log it as the app does."""
        request: Any = self.request  # typeshed takes it for an error
        connection: Any = self.channel
        server: Any = connection.server
        error = request.error
        code = CODES.get(error.code, "bad_request")
        origin = {"Origin": request.headers["ORIGIN"]} if "ORIGIN" in request.headers else {}
        headers = {
            "Content-Type": "application/json",
            **SECURITY_HEADERS,
            **server.origins.headers(origin),
        }
        if error.code == 503:
            headers["Retry-After"] = str(server.settings.retry_after_s)
        if error.code != 503 or not request.completed:
            self.set_close_on_finish()  # where the next request begins is unknown
            connection.lingers = True
        path, message = connection.path_of(request), _message(error, server.settings)
        forwarded = request.headers.get("X_FORWARDED_FOR", "")
        body = json.dumps(answer_body(path, code, message)).encode() + b"\n"
        self.status = f"{error.code} {error.reason}"
        headers[REQUEST_ID] = request_id(request.headers.get("X_REQUEST_ID", ""))
        self.response_headers = [*self.response_headers, *headers.items()]
        self.content_length = len(body)
        self.write(body)
        is_queue = isinstance(error, TooBusyError)
        server.metrics.rejected.labels(code).inc()
        server.metrics.requests.labels("queue" if is_queue else "connection", error.code).inc()
        log_request(
            {
                "request_id": headers[REQUEST_ID],
                "method": request.command,
                "path": path or None,
                "status": error.code,
                "code": code,
                "client": server.proxies.client(str(connection.addr[0]), forwarded),
            }
        )


def _message(error: WaitressError, settings: Settings) -> str:
    if error.code == 413:
        return f"the body is too large; at most {settings.max_body_bytes:,} bytes are accepted"
    if error.code == 503 and error.body == "bodies":
        return (
            f"the server is overloaded: the bodies of requests that wait have "
            f"{settings.max_held_bytes:,} bytes together"
        )
    if error.code == 503:
        return (
            f"the server is overloaded, with {counted(settings.queue, 'request')} "
            f"waiting; try again later"
        )
    if error.code == 408:
        return "the request did not arrive in time; send it in one go"
    return f"not a request that can be read: {error.body}"
