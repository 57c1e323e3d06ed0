"""Provenance: beside its products, each step leaves a record of what made them.

A record holds digests of what the step read and wrote, the parameters that it could see, and what it ran
on. It is taken away before the step begins and comes after everything else, so that products without a
record are not believed. Whether they still hold is asked of the record by content, never by time. Every file
that a step reads is held against the record of the step that made it.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from driftloop import __version__, layout
from driftloop.containers.image import current_image, revision
from driftloop.errors import DataError
from driftloop.files import digest_file, digest_json, read_json, write_json
from driftloop.trace import Trace, tracing

SUFFIX = ".made.json"

Digest = Callable[[str], str | None]
"""Gives a file's SHA-256, or None where there is no such file."""


@dataclass(frozen=True)
class Made:
    """What made some products.

    Attributes:
        step: the command.
        window: that it worked on, or None.
        params: all parameters that it could see, its seed among them.
        inputs: SHA-256 of every file that it read, as it read it. None for one that was not there.
        outputs: SHA-256 of every file that it left.
        code: driftloop's version, the Git revision of its source, and a digest of the source as it ran.
        image: digest of what the container image was made from, or None on the host.
        hardware: the machine, its processor cores, and its GPU or None.
        began: UTC, as `2026-01-31T23:59:59Z`.
        seconds: how long it took.
    """

    step: str
    window: str | None
    params: dict[str, Any]
    inputs: dict[str, str | None]
    outputs: dict[str, str]
    code: dict[str, str]
    image: str | None
    hardware: dict[str, Any]
    began: str
    seconds: float

    @property
    def name(self) -> str:
        """What the step is called where windows are told apart."""
        return f"{self.step} {self.window}" if self.window else self.step


def record(home: Path, step: str) -> Path:
    """Return where the record of a step lies whose products are in `home`."""
    return home / f"{step}{SUFFIX}"


def read_made(path: Path) -> Made | None:
    """Read a record. None where there is none, or none of this form, or one that was changed."""
    try:
        facts = read_json(path)
        told = facts.pop("digest", None)  # an earlier version's record has none
        made = Made(**facts)
        return made if told in (None, digest_json(facts)) and _well_formed(made) else None
    except (DataError, TypeError, ValueError, AttributeError):
        return None


def _well_formed(made: Made) -> bool:
    """Tell whether a record's parts are what they are taken for."""
    digests = {**made.inputs, **made.outputs, **made.code}
    return (
        all(isinstance(each, str | None) for each in (made.window, made.image, *digests.values()))
        and all(isinstance(each, str) for each in (made.step, made.began, *made.outputs.values()))
        and isinstance(made.seconds, int | float)
        and isinstance(made.params, dict)
        and made.code.keys() >= {"version", "revision"}
        and made.hardware.keys() >= {"machine", "cpus", "gpu"}
    )


def vouched() -> AbstractContextManager[Trace]:
    """Keep a trace of a block that must not believe what was damaged.

    Reading raises a DataError where a file is not what the step that made it has left. That is asked of the
    records beside it. A file that no step made, or a step whose record is gone, is read as it is.
    """
    left: dict[Path, dict[str, tuple[str, str]]] = {}

    def check(path: Path, digest: str) -> None:
        for home in layout.homes(path):
            if home not in left:
                left[home] = _left_in(home)
            step, expected = left[home].get(path.as_posix(), ("", digest))
            if digest != expected:
                raise DataError(
                    f"{path} is not what {step} left: it was changed or damaged since. "
                    "To have it made anew: snakemake --cores all"
                )

    return tracing(check)


def _left_in(home: Path) -> dict[str, tuple[str, str]]:
    """Return what the steps left whose records lie in a folder: path → the step and the file's digest."""
    with tracing():
        found = [made for path in home.glob(f"*{SUFFIX}") if (made := read_made(path))]
    return {path: (made.name, digest) for made in found for path, digest in made.outputs.items()}


def make(
    path: Path,
    step: str,
    window: str | None,
    params: dict[str, Any],
    work: Callable[[], None],
    *,
    anew: bool = False,
) -> bool:
    """Do a step's work and leave its record at `path`; unless its products hold, which stay as they are.

    Args:
        path: of the record.
        step: the command.
        window: that it works on, or None.
        params: all parameters that the work can see.
        work: what makes the products.
        anew: do it also where the products hold.

    Returns:
        Whether the work was done.
    """
    made = None if anew else read_made(path)
    if made and not any(changes(made, params, _digest)):
        return False
    path.unlink(missing_ok=True)
    began, started = datetime.now(UTC), time.monotonic()
    with vouched() as trace:
        work()
    image = current_image()
    made = Made(
        step,
        window,
        params,
        inputs=trace.inputs,
        outputs={each: digest_file(Path(each)) for each in sorted(trace.writes) if Path(each).exists()},
        code={
            "version": __version__,
            "revision": image["revision"] if image else revision(Path(__file__).parent),
            "source": source_digest(),
        },
        image=image["inputs"] if image else None,
        hardware=_hardware(),
        began=began.strftime("%Y-%m-%dT%H:%M:%SZ"),
        seconds=round(time.monotonic() - started, 3),
    )
    facts = asdict(made)
    write_json(path, {**facts, "digest": digest_json(facts)})
    return True


def changes(made: Made, params: Mapping[str, Any], digest: Digest) -> Iterator[str]:
    """Say why a step's products no longer hold, one reason at a time. Nothing where they do.

    Args:
        made: their record.
        params: the parameters that the step would see now.
        digest: gives the files' present digests.
    """
    if made.code["version"] != __version__:
        yield f"driftloop {made.code['version']} made it, this is {__version__}"
    yield from _differences(made.params, params)
    for path, before in made.inputs.items():
        if (now := digest(path)) != before:
            yield f"{path} {'is gone' if now is None else 'is new' if before is None else 'has changed'}"
    for path, before in made.outputs.items():
        if (now := digest(path)) != before:
            yield f"{path} is {'gone' if now is None else 'not what the step left'}"


def _differences(before: Mapping[str, Any], now: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Name the parameters that differ, with both values."""
    for key in sorted(before.keys() | now.keys()) if before != now else ():
        old, new, path = before.get(key), now.get(key), f"{above}{key}"
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differences(old, new, f"{path}.")
        elif digest_json(old) != digest_json(new):
            yield f"{path} was {_short(old)} and is {_short(new)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _digest(path: str) -> str | None:
    return digest_file(Path(path)) if Path(path).is_file() else None


@cache
def source_digest() -> str:
    """Return the SHA-256 of the package's own Python files: it names also what no Git revision does."""
    package = Path(layout.__file__).parent
    files = sorted(package.rglob("*.py"))
    return digest_json({path.relative_to(package).as_posix(): digest_file(path) for path in files})


def _hardware() -> dict[str, Any]:
    torch = sys.modules.get("torch")  # a step that does not load torch uses no GPU
    gpu = torch.cuda.get_device_name() if torch and torch.cuda.is_available() else None
    return {"machine": platform.machine(), "cpus": os.cpu_count(), "gpu": gpu}
