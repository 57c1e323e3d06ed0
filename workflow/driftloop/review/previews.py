"""`previews.safetensors`, for the review: how corruptions and filters would look, or how a filter does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from driftloop.checker.previews import Preview
from driftloop.errors import DataError
from driftloop.files import atomic
from driftloop.trace import note_read

_FACTS = "previews"


def save_previews(path: Path, previews: Sequence[Preview], *, about: str = "") -> None:
    """Write previews, likeliest first. None at all is a file, too.

    Args:
        path: the file.
        previews: what to write.
        about: digest of the samples that they were made of, where the file may outlive those.
    """
    from safetensors.numpy import save_file

    arrays = {f"examples/{item.name}": item.examples for item in previews}
    arrays |= {f"filtered/{item.name}": item.filtered for item in previews if item.filtered is not None}
    facts = {"about": about, "previews": [[item.name, item.distance, item.removed] for item in previews]}
    with atomic(path) as temporary:
        contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        save_file(contiguous, temporary, metadata={_FACTS: json.dumps(facts)})


def load_previews(path: Path, *, about: str = "") -> tuple[Preview, ...]:
    """Read previews. A missing file has none, nor has one about other samples.

    Raises:
        DataError: the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return ()
    note_read(path, path.read_bytes())
    try:
        with safe_open(path, framework="np") as stored:
            facts, names = json.loads(stored.metadata()[_FACTS]), set(stored.keys())
            return tuple(
                Preview(
                    name=name,
                    distance=distance,
                    examples=stored.get_tensor(f"examples/{name}"),
                    filtered=stored.get_tensor(key) if (key := f"filtered/{name}") in names else None,
                    removed=removed,
                )
                for name, distance, removed in facts["previews"]
                if facts["about"] == about
            )
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}).") from error
