"""The metrics of a service, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client import Metric

CONTENT_TYPE = CONTENT_TYPE_LATEST

_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_IMAGES = (1, 2, 4, 8, 16, 32)


class Metrics:
    """Metrics of one app: those of several in one process do not mix."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "bottlebank_requests",
            "Requests that were answered.",
            ["route", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "bottlebank_request_seconds",
            "From a request's arrival to its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.batch_images = Histogram(
            "bottlebank_batch_images",
            "Images in a pass through the network.",
            buckets=_IMAGES,
            registry=registry,
        )
        self.rejected = Counter(
            "bottlebank_rejected",
            "Requests and images that were refused, by the code of the answer.",
            ["code"],
            registry=registry,
        )
        self.swaps = Counter(
            "bottlebank_head_loads",
            "Head files that were tried, by what came of it.",
            ["result"],
            registry=registry,
        )

    def watch(
        self,
        waiting: Callable[[], int],
        head: Callable[[], Mapping[str, str]],
    ) -> None:
        """Read the queue of the network, and the head, whenever the metrics are read."""
        gauge = Gauge(
            "bottlebank_waiting_for_network",
            "Requests whose images wait for the network.",
            registry=self._registry,
        )
        gauge.set_function(waiting)
        self._registry.register(_Head(head))

    def watch_queue(self, queued: Callable[[], int]) -> None:
        """Read the length of the server's queue whenever the metrics are read."""
        gauge = Gauge(
            "bottlebank_queued_requests",
            "Requests that wait for a thread.",
            registry=self._registry,
        )
        gauge.set_function(queued)

    def text(self) -> bytes:
        """All metrics in the format of Prometheus."""
        return generate_latest(self._registry)


class _Head:
    """The head that answers, as a metric whose labels change with it."""

    def __init__(self, read: Callable[[], Mapping[str, str]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """The metric with its current labels."""
        yield InfoMetricFamily(
            "bottlebank_head", "The head that answers.", value=dict(self._read())
        )

    def describe(self) -> Iterable[Metric]:
        """The metric without values: registering it must not read them."""
        return [InfoMetricFamily("bottlebank_head", "The head that answers.")]
