"""What a benchmark of many hours has measured is kept, whoever else measures beside it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.improve_store import Agreement, Cell, Store, kept_in

CELL = Cell(Agreement(60, 20, 5, 10, 5), Agreement(95, 1, 2, 1, 1), 1.5, "code", "model", "a machine")
PUTS = """
import sys
from pathlib import Path
from benchmarks.improve_store import Store
from tests.unit.test_benchmark_store import CELL
store, who = Store(Path(sys.argv[1]), "mnist", 0), sys.argv[2]
for n in range(20):
    store.put(f"corruption {n % 2}", f"{who}-{n}", CELL)
"""


def test_processes_that_measure_side_by_side_lose_nothing(tmp_path: Path) -> None:
    others = [
        subprocess.Popen([sys.executable, "-c", PUTS, tmp_path, str(who)], cwd=Path(__file__).parents[2])
        for who in range(4)
    ]
    assert [other.wait() for other in others] == [0] * 4
    store = Store(tmp_path, "mnist", 0)
    for corruption in range(2):
        kept = store.cells(f"corruption {corruption}")
        assert set(kept) == {f"{who}-{n}" for who in range(4) for n in range(corruption, 20, 2)}
        assert set(kept.values()) == {CELL}
    assert kept_in(tmp_path) == [("mnist", 0)]


def test_cells_of_a_model_that_is_no_more_make_way(tmp_path: Path) -> None:
    store = Store(tmp_path, "mnist", 0)
    store.put("fog", "none", CELL)
    store.put("rotate", "none", CELL)
    store.put("fog", "bn", newer := replace(CELL, model="another"))
    assert store.cells("fog") == {"bn": newer}
    assert store.cells("rotate") == {"none": CELL}
    assert store.cells("scale") == {}


def test_agreement_counts_what_it_is_made_of_again() -> None:
    counted = CELL.drift
    assert Agreement.between(*counted.answers()) == counted
    assert counted.accuracy == 0.8
