"""One run at a time in a project's folder: a lock that ends with its process, however that ends.

Snakemake's own lock stays behind when a run is killed, so that the next run is refused. Two runs that start
together can both take it. This one is the kernel's. The run that holds it removes the rest of a killed
run: Snakemake's lock and half-written files. It leaves them if that run was on another machine, which may
share the folder and no locks. A machine is known by the boot of its kernel, too: containers on it have names
of their own, which change at each start.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from driftloop import layout
from driftloop.errors import DriftloopError
from driftloop.files import sweep

_LOCK = Path(".driftloop") / "run.lock"
_SNAKEMAKE = Path(".snakemake") / "locks"
_held: dict[Path, int] = {}


def hold() -> None:
    """Keep other runs out of this folder until the process ends.

    Where the file system knows no locks, Snakemake's own has to do.

    Raises:
        DriftloopError: another run is under way, or the folder cannot be written.
    """
    if (path := _LOCK.absolute()) in _held:
        return
    try:
        _LOCK.parent.mkdir(exist_ok=True)
        lock = os.open(_LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise DriftloopError(
            f"{_LOCK.absolute()} cannot be written ({error.strerror}), and a run has to. Make the project "
            "writable for this account (for a group: chmod -R g+rwX, and umask 002 for all who run), or "
            "copy it to where it is."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = _holder()
        raise DriftloopError(
            f"Another run is under way in this folder: process {holder.get('process')} on "
            f"{holder.get('host')}, since {holder.get('since')}. Wait until it ends, or end it; "
            "how far it is: driftloop status"
        ) from error
    except OSError:
        os.close(lock)
        return
    _held[path] = lock
    if elsewhere():
        return  # what is written there is of that run, until somebody says that it has ended
    if _left():
        for root in layout.PRODUCTS:
            sweep(root)
        shutil.rmtree(_SNAKEMAKE)
    now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    who = {"process": os.getpid(), "host": socket.gethostname(), "boot": _boot(), "since": now}
    os.truncate(lock, 0)
    os.pwrite(lock, json.dumps(who).encode(), 0)


def under_way() -> bool:
    """Tell whether another process runs, or may run, the workflow in this folder."""
    if _LOCK.absolute() not in _held:
        try:
            with _LOCK.open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            pass
    return elsewhere() is not None


def elsewhere() -> str | None:
    """Say which run on another machine left its lock here, and how to go on where it was killed; or None.

    Whether it still runs only that machine can tell.
    """
    holder = _holder()
    if not _left() or _is_here(holder):
        return None
    return (
        f"A run on another machine left its lock here: process {holder.get('process', 'unknown')} on "
        f"{holder.get('host', 'an unknown host')}, since {holder.get('since', 'unknown')}. If it is "
        "still under way, wait until it ends; if it was killed: snakemake --unlock"
    )


def _is_here(holder: Mapping[str, Any]) -> bool:
    """Tell whether a run was on this machine, whose kernel then knows that it has ended."""
    return holder.get("host") == socket.gethostname() or (holder.get("boot") or "") == _boot()


def _boot() -> str | None:
    """Return what names this boot of the machine's kernel, in all its containers. None where none says."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return None


def _left() -> bool:
    """Tell whether a run has left Snakemake's lock behind, or still holds it."""
    return _SNAKEMAKE.is_dir() and any(_SNAKEMAKE.iterdir())


def _holder() -> dict[str, Any]:
    """Return what the lock's last holder wrote into it."""
    try:
        return dict(json.loads(_LOCK.read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}
