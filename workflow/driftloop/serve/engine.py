"""The engine: follows the model in production, and computes answers in batches.

A batch is what came in while the one before was computed, so that nobody waits for others. An image's answer
does not depend on what others ask: the size of a batch follows from its own request alone.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from driftloop.data.pictures import Form
from driftloop.models.classifier import Classifier
from driftloop.models.predict import batch_size, fill_batch

_SOME = 64
"""Requests of more than a few and up to so many images go through the network as one batch of this size."""
_WAITING = 256
"""Requests that may wait. More are told to come again later."""


@dataclass(frozen=True)
class Served:
    """A model that is in production.

    Attributes:
        owner: the window whose promotion made it, or `reference`.
        digest: of the model.
        classifier: it, in eval mode.
        form: how pictures are made to fit it.
    """

    owner: str
    digest: str
    classifier: Classifier
    form: Form


@dataclass(frozen=True)
class Answers:
    """What one model answers to the images of one request.

    Attributes:
        served: the model.
        probabilities: float32 (N, K).
        acted: which filters changed which image, bool (N, F), the newest filter first.
    """

    served: Served
    probabilities: npt.NDArray[np.float32]
    acted: npt.NDArray[np.bool_]

    @property
    def classes(self) -> list[str]:
        """The class of each image."""
        return [self.served.classifier.classes[place] for place in self.probabilities.argmax(1).tolist()]


class BusyError(Exception):
    """Too many requests wait."""


@dataclass(frozen=True)
class _Job:
    served: Served
    images: npt.NDArray[np.uint8]
    done: Future[Answers]

    @property
    def size(self) -> int:
        n, most = len(self.images), batch_size(self.served.classifier, len(self.images))
        return min(_SOME, most) if n <= _SOME else most


class Engine:
    """Answers requests, one batch at a time.

    Args:
        load: returns the model in production, or the given one where that is it still.

    Attributes:
        trouble: why the model in production cannot be loaded. None where it can.
    """

    def __init__(self, load: Callable[[Served | None], Served]) -> None:
        self._load = load
        self.served = load(None)
        self.trouble: str | None = None
        self._jobs: queue.Queue[_Job | None] = queue.Queue(_WAITING)
        self._worker = threading.Thread(target=self._work, name="engine", daemon=True)
        self._worker.start()

    def follow(self) -> bool:
        """Take up the model that is in production now. Return whether it is another one than before.

        Requests that came before are answered by the model that they met. One that cannot be loaded leaves
        the model as it is.
        """
        from driftloop.errors import DriftloopError

        try:
            served, self.trouble = self._load(self.served), None
        except DriftloopError as error:
            self.trouble = str(error)
            return False
        changed = served is not self.served
        self.served = served
        return changed

    async def answer(self, served: Served, images: npt.NDArray[np.uint8]) -> Answers:
        """Return what a model answers to uint8 images (N, H, W, C).

        Raises:
            BusyError: too many requests wait.
        """
        job = _Job(served, images, Future())
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            raise BusyError from None
        return await asyncio.wrap_future(job.done)

    def close(self) -> None:
        """Answer what waits, and end."""
        self._jobs.put(None)
        self._worker.join()

    def _work(self) -> None:
        while (first := self._jobs.get()) is not None:
            jobs, ends = [first], False
            while not self._jobs.empty():
                if (job := self._jobs.get()) is None:
                    ends = True
                    break
                jobs.append(job)
            for alike in _grouped(jobs):
                _compute(alike)
            if ends:
                return


def _grouped(jobs: Sequence[_Job]) -> list[list[_Job]]:
    """Put together what the same model computes in batches of the same size."""
    groups: dict[tuple[int, int], list[_Job]] = {}
    for job in jobs:
        groups.setdefault((id(job.served), job.size), []).append(job)
    return list(groups.values())


def _compute(jobs: Sequence[_Job]) -> None:
    served, size = jobs[0].served, jobs[0].size
    jobs = [job for job in jobs if job.done.set_running_or_notify_cancel()]
    if not jobs:
        return
    try:
        probabilities, acted = see(served.classifier, np.concatenate([job.images for job in jobs]), size)
    except Exception as error:
        for job in jobs:
            job.done.set_exception(error)
        return
    start = 0
    for job in jobs:
        rows = slice(start, start := start + len(job.images))
        job.done.set_result(Answers(served, probabilities[rows], acted[rows]))


@torch.inference_mode()
def see(
    classifier: Classifier, images: npt.NDArray[np.uint8], size: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return probabilities (N, K) and which filters acted (N, F) for uint8 images (N, H, W, C).

    Args:
        classifier: in eval mode.
        images: of its form.
        size: how many go through the network at a time.
    """
    probabilities = np.empty((len(images), len(classifier.classes)), np.float32)
    acted = np.empty((len(images), len(classifier.filters)), np.bool_)
    for start in range(0, len(images), size):
        rows = slice(start, min(start + size, len(images)))
        n = rows.stop - start
        _, logits, changed = classifier.trace(fill_batch(classifier, images[rows], size))
        probabilities[rows] = logits[:n].float().softmax(1).cpu().numpy()
        acted[rows] = changed[:n].cpu().numpy()
    return probabilities, acted
