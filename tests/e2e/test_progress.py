"""What steps that run at once show at a terminal."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
from tests.support import ROOT

Person = runpy.run_path(str(ROOT / "tests" / "golden" / "review" / "person.py"))["Person"]

pytestmark = pytest.mark.slow

STEP = """
import sys, time
from driftloop.commands.console import progress, say

name, steps = sys.argv[1], int(sys.argv[2])
with progress(f"{name}: working") as advance:
    for step in range(steps):
        time.sleep(0.1)
        advance(step + 1, steps)
        if step % 7 == 0:
            say(f"{name}: {step}")
say(f"{name}: ended")
"""
STEPS = {"brief": 40, "long": 100}


def test_steps_that_run_at_once_do_not_write_over_each_other(tmp_path: Path) -> None:
    """One has a bar, the other has it after that; neither tears a line of the other."""
    command = "".join(f'"$0" -c "$1" {name} {steps} & ' for name, steps in STEPS.items()) + "wait"
    person = Person(tmp_path, "-c", command, sys.executable, STEP, rows=40, program=["bash"])
    assert person.see("working").count("working") == 1
    person.see("brief: ended")
    assert "long: working" in person.see("working")
    assert person.leave() == 0
    said = [f"{name}: {step}" for name, steps in STEPS.items() for step in range(0, steps, 7)]
    assert sorted(person.text().split("\n")) == sorted(["", *said, *(f"{name}: ended" for name in STEPS)])
