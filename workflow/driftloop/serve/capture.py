"""Windows from traffic: what was predicted becomes arrays in the inbox, each whole or not there.

Answers never wait for this. What does not find room in the queue is dropped and counted. A window that is not
full yet is held in memory: a server that is killed loses it and nothing else.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from driftloop.errors import ParameterError
from driftloop.files import atomic
from driftloop.params.arrivals import is_window_name

LEAST = 20
"""Images of a window. Fewer say little of a drift."""
_MOST_SOURCES = 32
_WAITING = 256
_LONGEST = 40
"""Letters of a source. The moment comes behind it in the window's name."""


@dataclass(frozen=True)
class Plan:
    """When traffic becomes a window.

    Attributes:
        folder: the inbox.
        size: images of a window, 20 at least.
        seconds: a window closes after so long, with a random sample of `size` of what came, at least 20.
            None: it closes when it is full, and holds every image.
        share: of the images that are kept at all, above 0, at most 1.
        seed: of what is drawn.

    Raises:
        ParameterError: a value is out of range.
    """

    folder: Path
    size: int = 500
    seconds: float | None = None
    share: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size < LEAST:
            raise ParameterError(f"a window of {self.size} images is too small; it has at least {LEAST}.")
        if self.seconds is not None and self.seconds <= 0:
            raise ParameterError(f"a window of {self.seconds:g} seconds; the time is above 0.")
        if not 0 < self.share <= 1:
            raise ParameterError(f"a share of {self.share:g} of the images; it is above 0 and at most 1.")


@dataclass
class Reservoir:
    """A random sample of a stream, of fixed size (Vitter 1985, algorithm R).

    >>> from random import seed
    >>> held = Reservoir(2, began=0.0)
    >>> for image in np.arange(5, dtype=np.uint8):
    ...     held.add(image, np.random.default_rng(0))
    >>> held.seen, len(held.images)
    (5, 2)
    """

    size: int
    began: float
    images: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    seen: int = 0

    def add(self, image: npt.NDArray[np.uint8], rng: np.random.Generator) -> None:
        """Take an image (H, W, C) in, perhaps in the place of another one."""
        self.seen += 1
        if len(self.images) < self.size:
            self.images.append(image)
        elif (place := int(rng.integers(self.seen))) < self.size:
            self.images[place] = image


class Capture:
    """Collects images by source, and writes windows.

    Args:
        plan: when a window is written.
        clock: gives seconds that only grow.

    Attributes:
        captured: images that were taken in.
        dropped: images for which there was no room, or whose window could not be written.
        windows: how many were written.
        trouble: why the last window could not be written. None where it could.
    """

    def __init__(self, plan: Plan, clock: Callable[[], float] = time.monotonic) -> None:
        self.plan = plan
        self.captured = self.dropped = self.windows = 0
        self.trouble: str | None = None
        self._clock = clock
        self._rng = np.random.default_rng(plan.seed)
        self._held: dict[str, Reservoir] = {}
        self._queue: queue.Queue[tuple[str, npt.NDArray[np.uint8]] | None] = queue.Queue(_WAITING)
        self._writer = threading.Thread(target=self._work, name="capture", daemon=True)
        self._writer.start()

    @property
    def fill(self) -> dict[str, int]:
        """How many images the open window of each source holds."""
        return {source: len(held.images) for source, held in list(self._held.items())}

    def check(self, source: str) -> None:
        """Raise ParameterError unless a source may have windows."""
        if source and (len(source) > _LONGEST or not is_window_name(source)):
            raise ParameterError(
                f"source {source[:_LONGEST]!r}: use letters, digits, '-' and '_', {_LONGEST} at most."
            )
        if source not in self._held and len(self._held) >= _MOST_SOURCES:
            raise ParameterError(f"{_MOST_SOURCES} sources have windows already, and no more fit.")

    def offer(self, source: str, images: npt.NDArray[np.uint8]) -> None:
        """Take uint8 images (N, H, W, C) of a source in, unless there is no room. Never waits."""
        try:
            self._queue.put_nowait((source, images))
        except queue.Full:
            self.dropped += len(images)

    def close(self) -> None:
        """Write what is held, where that is enough for a window, and end."""
        self._queue.put(None)
        self._writer.join()

    def _work(self) -> None:
        while True:
            try:
                given = self._queue.get(timeout=1.0)
            except queue.Empty:
                self._close_due()
                continue
            if given is None:
                break
            self._take(*given)
            self._close_due()
        for source in [*self._held]:
            self._write(source)

    def _take(self, source: str, images: npt.NDArray[np.uint8]) -> None:
        if source not in self._held and len(self._held) >= _MOST_SOURCES:
            self.dropped += len(images)
            return
        for image in images[self._rng.random(len(images)) < self.plan.share]:
            held = self._held.setdefault(source, Reservoir(self.plan.size, self._clock()))
            held.add(image.copy(), self._rng)
            self.captured += 1
            if self.plan.seconds is None and len(held.images) == self.plan.size:
                self._write(source)

    def _close_due(self) -> None:
        if self.plan.seconds is None:
            return
        now = self._clock()
        for source in [name for name, held in self._held.items() if now - held.began >= self.plan.seconds]:
            if len(self._held[source].images) >= LEAST:
                self._write(source)

    def _write(self, source: str) -> None:
        """Write a source's window as an array in the inbox. Its name appears when it is whole."""
        held = self._held.pop(source)
        if len(held.images) < LEAST:
            return
        path = self._free_path(source or "traffic")
        try:
            with atomic(path) as temporary, temporary.open("wb") as stream:
                np.save(stream, np.stack(held.images), allow_pickle=False)
            self.windows, self.trouble = self.windows + 1, None
        except OSError as error:  # a full disk ends the capture of this window, and no answer
            self.dropped += len(held.images)
            self.trouble = f"{path.name} could not be written: {error.strerror}"

    def _free_path(self, source: str) -> Path:
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%S")
        names = [f"{source}-{stamp}", *(f"{source}-{stamp}-{number:03}" for number in range(2, 1000))]
        return next(path for name in names if not (path := self.plan.folder / f"{name}.npy").exists())
