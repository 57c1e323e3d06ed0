"""What the two engines share: telling how far a build is, and recognising a full disk."""

from __future__ import annotations

import re
from collections.abc import Callable

from driftloop.errors import ImageError

# Called with what is being done, the number of finished steps and the number of all (0: not known).
Watch = Callable[[str, int, int], None]


FULL_DISK = (
    "The disk is full, so the image was not built. Make room and run the same command again: "
    "`docker system prune` removes what Docker no longer needs; Apptainer works in $APPTAINER_TMPDIR (/tmp), "
    "everything else in the project's build/ and images/."
)


def out_of_space(output: str) -> None:
    """Turn an engine's message about a full disk into ours.

    Raises:
        ImageError: the output speaks of a full disk.
    """
    if re.search(r"no space left on device|disk quota exceeded", output, re.IGNORECASE):
        raise ImageError(FULL_DISK)
