"""What is counted, in Prometheus' text format: the traffic, and where the stream stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from driftloop.serve.capture import Capture
from driftloop.serve.engine import Answers

disable_created_metrics()  # type: ignore[no-untyped-call]

_LATENCIES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1)


@dataclass(frozen=True)
class StreamFacts:
    """Where the stream of windows stands.

    Attributes:
        states: how many windows are in each state.
        waited: seconds since the oldest window that waits for a person was checked. None if none waits.
        owner: whose model is in production, or None.
        since: when it was put there, in seconds since 1970, or None.
        last: figures of the last check, such as its p-value, by name.
    """

    states: Mapping[str, int]
    waited: float | None = None
    owner: str | None = None
    since: float | None = None
    last: Mapping[str, float] = field(default_factory=dict)


class Metrics:
    """Counters of a server's life.

    Args:
        stream: tells where the stream stands.
    """

    def __init__(self, stream: Callable[[], StreamFacts]) -> None:
        self._stream = stream
        self._registry = registry = CollectorRegistry()
        self._requests = Counter("driftloop_requests", "Requests, by status.", ["status"], registry=registry)
        self._seconds = Histogram(
            "driftloop_request_seconds", "Time of a request.", buckets=_LATENCIES, registry=registry
        )
        self._images = Counter(
            "driftloop_images", "Images, by the class they got.", ["class", "model"], registry=registry
        )
        self._confidence = Histogram(
            "driftloop_confidence", "Confidence of each answer.", buckets=_CONFIDENCES, registry=registry
        )
        self._filtered = Counter(
            "driftloop_filtered_images", "Images on which a filter acted.", registry=registry
        )

    def requested(self, status: str, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(status).inc()
        self._seconds.observe(seconds)

    def answered(self, answers: Answers) -> None:
        """Count the images of an answer."""
        for name in answers.classes:
            self._images.labels(name, answers.served.owner).inc()
        for value in answers.probabilities.max(1).tolist():
            self._confidence.observe(value)
        self._filtered.inc(int(answers.acted.any(1).sum()))

    def render(self, capture: Capture | None) -> tuple[bytes, str]:
        """Return all of it, and its media type."""
        stood = CollectorRegistry()
        if capture:
            _add_capture(stood, capture)
        text = generate_latest(self._registry) + generate_latest(stood) + stream_text(self._stream())
        return text, CONTENT_TYPE_PLAIN_0_0_4


def _add_capture(registry: CollectorRegistry, capture: Capture) -> None:
    for name, told, value in (
        ("captured_images", "Images taken in for windows.", capture.captured),
        ("dropped_images", "Images for which there was no room.", capture.dropped),
        ("written_windows", "Windows written to the inbox.", capture.windows),
    ):
        Counter(f"driftloop_{name}", told, registry=registry).inc(value)
    fill = Gauge("driftloop_window_images", "Images of the open window.", ["source"], registry=registry)
    for source, images in capture.fill.items():
        fill.labels(source).set(images)


def stream_text(facts: StreamFacts) -> bytes:
    """Return where the stream stands, in Prometheus' text format."""
    registry = CollectorRegistry()
    windows = Gauge("driftloop_windows", "Windows of the stream, by state.", ["state"], registry=registry)
    for state, n in facts.states.items():
        windows.labels(state).set(n)
    waited = Gauge(
        "driftloop_review_waiting_seconds",
        "Since the oldest window that waits for a person was checked. 0 if none waits.",
        registry=registry,
    )
    waited.set(facts.waited or 0)
    if facts.owner:
        since = Gauge(
            "driftloop_production_since_seconds",
            "When the model in production was put there, since 1970.",
            ["model"],
            registry=registry,
        )
        since.labels(facts.owner).set(facts.since or 0)
    for name, value in facts.last.items():
        Gauge(f"driftloop_last_check_{name}", f"Of the last check: {name}.", registry=registry).set(value)
    text: bytes = generate_latest(registry)
    return text
