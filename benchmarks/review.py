"""How fast the review is: until its first screen stands, a page turn, a key with its answer on the disk.

    python benchmarks/review.py

A window of 10,000 images, 96 of them picked; the real program at a pseudo-terminal, warm files, and no more
than the machine's own other work beside it. What counts is wall time as a person sees it: from the start of
the command to the last byte of the screen, and from a key to the last byte of the screen that answers it.
Targets: the first screen within 0.7 s, a page turn within 50 ms.
"""

from __future__ import annotations

import os
import platform
import runpy
import select
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pexpect

GOLDEN = Path(__file__).parents[1] / "tests/golden/review"
build_project = runpy.run_path(str(GOLDEN / "project.py"))["build_project"]
environment = runpy.run_path(str(GOLDEN / "person.py"))["environment"]

WINDOW = 10_000
STARTS = 10
TURNS = 40
SCREEN_ENDS = b"\x1b[?2026l"
SIZES = [(80, 24), (120, 40), (200, 60)]


def main() -> None:
    """Measure, and print a table in Markdown."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; ", end="")
    print(f"window of {WINDOW:,}; {STARTS} starts, {TURNS} keys each; median (worst)\n")
    print("| dataset | terminal | first screen | page turn | label |\n|---|---|---|---|---|")
    for dataset in ("mnist", "cifar10"):
        with tempfile.TemporaryDirectory() as folder:
            project = Path(folder)
            build_project(project, dataset, n=WINDOW, picks=96)
            for columns, rows in SIZES:
                starts = [first_screen(project, columns, rows) for _ in range(STARTS)]
                turns = keys(project, columns, rows, ["\x1b[6~", "\x1b[5~"])
                labels = keys(project, columns, rows, ["-"])
                cells = " | ".join(f"{shown(times)}" for times in (starts, turns, labels))
                print(f"| {dataset} | {columns}x{rows} | {cells} |", flush=True)


def start(project: Path, columns: int, rows: int) -> pexpect.spawn[bytes]:
    """Start the review at a terminal of this size."""
    for draft in (project / ".driftloop").rglob("*.jsonl"):
        draft.unlink()
    command = ["-m", "driftloop", "review", "w02"]
    program = pexpect.spawn(
        sys.executable, command, cwd=project, env=environment(), dimensions=(rows, columns), timeout=20
    )
    program.delaybeforesend = None  # pexpect waits 50 ms before each key otherwise
    return program


def first_screen(project: Path, columns: int, rows: int) -> float:
    """Return the seconds from starting the command until the first screen stands."""
    began = time.perf_counter()
    program = start(project, columns, rows)
    program.expect_exact(SCREEN_ENDS)
    took = time.perf_counter() - began
    leave(program)
    return took


def keys(project: Path, columns: int, rows: int, pressed: list[str]) -> list[float]:
    """Return the seconds from each key to the end of the screen that answers it."""
    program = start(project, columns, rows)
    program.expect_exact(SCREEN_ENDS)
    settle(program, 0.7)  # meanwhile the later screens are prepared
    program.send("\r")
    settle(program, 0.2)
    times = []
    for number in range(TURNS):
        began = time.perf_counter()
        program.send(pressed[number % len(pressed)])
        program.expect_exact(SCREEN_ENDS)
        times.append(time.perf_counter() - began)
        settle(program)
    leave(program)
    return times


def settle(program: pexpect.spawn[bytes], seconds: float = 0.02) -> None:
    """Take what comes until nothing came for so long."""
    while select.select([program.child_fd], [], [], seconds)[0]:
        program.read_nonblocking(1 << 16, 1)


def leave(program: pexpect.spawn[bytes]) -> None:
    """Leave the review."""
    program.send("\x03")
    program.expect(pexpect.EOF)
    program.close()


def shown(times: list[float]) -> str:
    """Return median and worst in milliseconds."""
    return f"{1000 * statistics.median(times):.0f} ms ({1000 * max(times):.0f})"


if __name__ == "__main__":
    subprocess.run([sys.executable, "-m", "driftloop", "--version"], check=True, capture_output=True)
    main()
