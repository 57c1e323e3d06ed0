"""A review that is killed at any moment loses no answer that the reviewer saw confirmed.

A few kills by default; `make test-kills` does a hundred.
"""

import os
import re
import runpy
import signal
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from driftloop.review.draft import open_draft
from driftloop.review.ledger import Entry, read_ledger, verify
from driftloop.review.material import load_material

GOLDEN = Path(__file__).parents[1] / "golden/review"
build_project = runpy.run_path(str(GOLDEN / "project.py"))["build_project"]
Person = runpy.run_path(str(GOLDEN / "person.py"))["Person"]

KILLS = int(os.environ.get("KILLS", "6"))
SIGNED = [str(place * 7 % 10) for place in range(24)]
"""The labels that the scripted reviewer gives."""
TITLES = {
    "what happened": ("\r", "what do they show?"),
    "diagnosis": ("\r", "What should happen now?"),
    "decision": ("f\r", "In your own words"),
    "reason": ("\r", "This goes into the ledger"),
}


def next_keys(screen: str) -> tuple[str, str]:
    """Read the screen as the scripted reviewer does: what to press next, and what will show then."""
    title, labelled = screen.splitlines()[0], confirmed(screen)
    for name, answer in TITLES.items():
        if name in title:
            return answer
    if "sign" in title:
        return "A\r", "signed by"
    if labelled < 24:
        return SIGNED[labelled], f" {labelled + 1}/24 labelled"
    return "\r", "What happened to these images?"


def kill(process: int) -> None:
    with suppress(ProcessLookupError):  # it had ended by itself
        os.kill(process, signal.SIGKILL)


def confirmed(screen: str) -> int:
    found = re.search(r"(\d+)/24 labelled", screen)
    return int(found[1]) if found else 0


def review_until_killed(project: Path, seconds: float, *, starting: bool) -> int:
    """Review with the script, and kill -9 some seconds after the start, or after the first screen stands.

    Returns:
        How many labels were seen confirmed.
    """
    person = Person(project, "review", "w02", "--reviewer", "Ada")
    killer = threading.Timer(seconds, kill, (person.program.pid,))
    seen = 0
    with suppress(AssertionError):  # the program is gone
        if starting:
            killer.start()
        screen = person.see("labelled")
        if not starting:
            killer.start()
        while True:
            seen = max(seen, confirmed(screen))
            keys, following = next_keys(screen)
            with suppress(OSError):
                person.press(keys)
            screen = person.see(following)
    person.leave()
    killer.join()
    return 0 if "signed by" in person.text() else seen


def on_disk(project: Path) -> tuple[list[str], tuple[Entry, ...]]:
    """Return the labels in the draft, and the ledger's entries."""
    material = load_material("w02", "mnist_c")
    folder, seen = (
        project / ".driftloop/drafts",
        {"report": material.reported, "images": material.images_digest},
    )
    with open_draft(folder, "w02", **seen) as draft:
        labels = draft.saved["labels"] if draft.saved else []
    return [label for label in labels if label is not None], read_ledger(project / "decisions/w02.jsonl")


@pytest.mark.slow
def test_kill_9_at_random_moments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    moments = np.random.default_rng(5)
    signed = before = most = 0
    for _ in range(KILLS):
        starting = moments.random() < 0.2
        seen = review_until_killed(tmp_path, moments.uniform(0, 1 if starting else 3), starting=starting)
        labels, entries = on_disk(tmp_path)
        assert verify(Path("decisions/w02.jsonl")) == len(entries) if entries else True
        assert all(list(entry.answer.labels.values()) == SIGNED for entry in entries)
        assert labels == SIGNED[: len(labels)]
        if len(entries) == signed:
            assert len(labels) >= max(seen, before)
        before, signed, most = len(labels), len(entries), max(most, seen)
    assert most > 0
