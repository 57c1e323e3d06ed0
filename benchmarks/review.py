"""How fast the review is: until its first screen stands, a page turn, a key with its answer on the disk.

    python benchmarks/review.py

And how fast `driftloop status` is, with 500 windows that were all drifted, answered, repaired and promoted.

A window of 10,000 images, 96 of them picked; the real program at a pseudo-terminal, warm files, and no more
than the machine's own other work beside it. What counts is wall time as a person sees it: from the start of
the command to the last byte of the screen, and from a key to the last byte of the screen that answers it.
Targets: the first screen within 0.7 s, a page turn within 50 ms, the status within 1 s.
"""

from __future__ import annotations

import fcntl
import os
import platform
import runpy
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pexpect
import yaml

from driftloop import layout
from driftloop.findings.drift import Drift
from driftloop.review.decision import Answer, verdict
from driftloop.review.ledger import append, new_entry, project_id, reported
from driftloop.tracker.lineage import Lineage, Repair, save_lineage

GOLDEN = Path(__file__).parents[1] / "tests/golden/review"
PROJECT = runpy.run_path(str(GOLDEN / "project.py"))
build_project, evaluation_of = PROJECT["build_project"], PROJECT["evaluation_of"]
environment = runpy.run_path(str(GOLDEN / "person.py"))["environment"]

WINDOW = 10_000
STARTS = 10
TURNS = 40
SCREEN_ENDS = b"\x1b[?2026l"
STREAM = 500
CASES = [
    (80, 24, "blocks"),
    (120, 40, "blocks"),
    (200, 60, "blocks"),
    (120, 40, "kitty"),
    (120, 40, "sixel"),
]


def main() -> None:
    """Measure, and print tables in Markdown."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; ", end="")
    print(f"window of {WINDOW:,}; {STARTS} starts, {TURNS} keys each; median (worst)\n")
    print("| dataset | terminal | pictures | first screen | page turn | label |\n|---|---|---|---|---|---|")
    for dataset in ("mnist", "cifar10"):
        with tempfile.TemporaryDirectory() as folder:
            build_project(Path(folder), dataset, n=WINDOW, picks=96)
            for case in CASES:
                seat = Seat(Path(folder), *case)
                starts = [first_screen(seat) for _ in range(STARTS)]
                turns, labels = keys(seat, ["\x1b[6~", "\x1b[5~"]), keys(seat, ["-"])
                cells = " | ".join(shown(times) for times in (starts, turns, labels))
                print(f"| {dataset} | {seat.columns}x{seat.rows} | {seat.pictures} | {cells} |", flush=True)
    print(f"\n`driftloop status` with {STREAM} windows: {shown(statuses())}; {STARTS} runs")


@dataclass(frozen=True)
class Seat:
    """A terminal in front of a project."""

    project: Path
    columns: int
    rows: int
    pictures: str


def statuses() -> list[float]:
    """Return the seconds that each of several runs of `driftloop status` takes."""
    with tempfile.TemporaryDirectory() as folder:
        build_stream(Path(folder), STREAM)
        times = []
        for _ in range(STARTS):
            began = time.perf_counter()
            command = [sys.executable, "-m", "driftloop", "status"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
            times.append(time.perf_counter() - began)
        if done.stdout.count("promoted") != STREAM:
            raise SystemExit(f"status does not show {STREAM} promoted windows:\n{done.stdout}")
        return times


def build_stream(folder: Path, count: int) -> None:
    """Write what `status` reads of that many windows: reports, ledgers, verdicts, evaluations, lineages."""
    names = [f"w{number:03}" for number in range(count)]
    build_project(folder)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["stream"] = {name: {"n": 24} for name in names}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    report = Drift.read(folder / "results/w02/drift.json")
    answer = Answer("filter", "impulse_noise", "grain", dict.fromkeys(range(24), "7"))
    project, repairs = project_id(folder / layout.DECISIONS), []
    for name in names:
        results, seen = folder / layout.results(name), replace(report, window=name)
        digests = {"report": reported(seen), "images": "shown", "content": "all"}
        entry = new_entry(answer, project=project, window=name, reviewer="Ada", **digests)
        append(folder / layout.ledger(name), entry)
        seen.write(results / "drift.json")
        decided = verdict(name, drifted=True, answer=answer)
        decided.write(results / "verdict.json")
        evaluation_of(decided, before=0.4, after=0.9).write(results / "evaluation.json")
        repairs = [*repairs, Repair(name, "filter", "impulse_noise", "model", "verdict", {})][-20:]
        save_lineage(folder / layout.model(name), Lineage(name, "model", 0.99, tuple(repairs)))


def start(seat: Seat) -> pexpect.spawn[bytes]:
    """Start the review at a terminal of this size, with characters of 10 x 20 pixels."""
    for draft in (seat.project / ".driftloop").rglob("*.jsonl"):
        draft.unlink()
    size = (seat.rows, seat.columns)
    program = pexpect.spawn(
        sys.executable,
        ["-m", "driftloop", "review", "w02", "--pictures", seat.pictures],
        cwd=seat.project,
        env=environment(),
        dimensions=size,
        timeout=20,
    )
    packed = struct.pack("4H", *size, 10 * seat.columns, 20 * seat.rows)
    fcntl.ioctl(program.child_fd, termios.TIOCSWINSZ, packed)
    program.delaybeforesend = None  # pexpect waits 50 ms before each key otherwise
    return program


def first_screen(seat: Seat) -> float:
    """Return the seconds from starting the command until the first screen stands."""
    began = time.perf_counter()
    program = start(seat)
    see_screen(program)
    took = time.perf_counter() - began
    leave(program)
    return took


def keys(seat: Seat, pressed: list[str]) -> list[float]:
    """Return the seconds from each key to the end of the screen that answers it."""
    program = start(seat)
    see_screen(program)
    settle(program, 0.7)  # meanwhile the later screens are prepared
    program.send("\r")
    settle(program, 0.2)
    times = []
    for number in range(TURNS):
        began = time.perf_counter()
        program.send(pressed[number % len(pressed)])
        see_screen(program)
        times.append(time.perf_counter() - began)
        settle(program)
    leave(program)
    return times


def see_screen(program: pexpect.spawn[bytes]) -> None:
    """Take what comes until a screen is whole, as fast as a terminal takes it."""
    end = b""
    while SCREEN_ENDS not in end:
        end = end[-len(SCREEN_ENDS) :] + os.read(program.child_fd, 1 << 16)


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
