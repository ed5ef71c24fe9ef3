"""Figures of a long run for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from ...errors import UsageError

_PREFIX = "bottlebank_extract_"


class Metrics:
    """Counts of one run, served over HTTP at ``/metrics`` while the block lasts.

    Parameters
    ----------
    address
        Host and port; None serves nothing.
    """

    def __init__(self, address: tuple[str, int] | None) -> None:
        self._address = address
        self._registry = registry = CollectorRegistry()
        self.images = Counter(
            f"{_PREFIX}images_total",
            "Images whose rows are committed",
            ["worker"],
            registry=registry,
        )
        self.rejected = Counter(f"{_PREFIX}rejected_total", "Images rejected", registry=registry)
        self.lost = Counter(f"{_PREFIX}workers_lost_total", "Workers lost", registry=registry)
        self.chunks = Counter(f"{_PREFIX}chunks_total", "Chunks finished", registry=registry)
        self.ready = Gauge(f"{_PREFIX}workers_ready", "Workers that are ready", registry=registry)
        self.left = Gauge(f"{_PREFIX}images_left", "Images not handed out yet", registry=registry)

    def __enter__(self) -> Metrics:
        if self._address is not None:
            host, port = self._address
            try:
                self._server, self._thread = start_http_server(port, host, self._registry)
            except OSError as error:
                raise UsageError(
                    f"metrics cannot be served at {host}:{port}: {error.strerror or error}"
                ) from error
        return self

    def __exit__(self, *exception: object) -> None:
        if self._address is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
