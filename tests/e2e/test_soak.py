"""A stream in which drifts come and go runs through, whoever comes late is treated as whoever came first.

A few windows with short trainings by default; `make test-soak` takes three hundred as they come. Prints what
benchmarks/soak.py measures.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from benchmarks.soak import soak

WINDOWS = int(os.environ.get("DRIFTLOOP_WINDOWS", "0"))


@pytest.mark.slow
def test_a_stream_runs_through(tmp_path: Path) -> None:
    found = soak(tmp_path, WINDOWS) if WINDOWS else soak(tmp_path, 8, "filter.steps=200")
    print(json.dumps(found, indent=2))  # noqa: T201
    assert found["corrupted"] + found["clean"] == found["windows"] == (WINDOWS or 8)
    assert found["overlooked"] == []
    assert found["answered_wrongly"] == []
    assert found["clean_that_drifted"] <= 2 + 0.05 * found["clean"]
