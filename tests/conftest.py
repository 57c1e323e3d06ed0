"""A project on disk, as the pipeline leaves it, built in a second: real images, no model is trained."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driftloop import __version__, layout
from driftloop.commands.table import steps
from driftloop.data.dataset import Dataset, save_dataset
from driftloop.files import digest_json, write_array, write_json, write_text
from driftloop.findings.drift import Pick
from driftloop.findings.evaluation import Evaluations, Strip
from driftloop.findings.verdict import Verdict
from driftloop.improver.comparison import compare, compare_on_window
from driftloop.improver.gate import choose, judge
from driftloop.improver.tally import count_draws
from driftloop.params import named_class
from driftloop.params.compose import compose, render
from driftloop.params.load import load_params
from driftloop.report.score import score
from driftloop.review.decision import REPAIRS, Answer, verdict
from driftloop.review.ledger import append, new_entry, project_id
from driftloop.review.material import load_material
from driftloop.tracker.lineage import Lineage, Repair, load_lineage, save_lineage
from driftloop.tracker.provenance import Made, record
from tests.support import BIN, drift_of
from tests.warm import warm_programs

# As driftloop.models does, before a test loads torch itself.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

MNIST_C = Path(__file__).parents[2] / "shared" / "data" / "mnist-c-reference.npz"
DIGITS = tuple("0123456789")
N = 120


@pytest.fixture(autouse=True)
def _no_trust_from_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget after each test which classes its parameters named. Outside tests a process has one project."""
    monkeypatch.setattr(named_class, "_allowed", set(named_class._allowed))


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PATH on which driftloop, Snakemake and DVC have their imports behind them."""
    with warm_programs(tmp_path_factory.mktemp("warm")) as folder:
        yield os.pathsep.join([str(folder), str(BIN), os.environ["PATH"]])


@pytest.fixture(scope="module")
def warmed(warm: str) -> Iterator[None]:
    """Let all programs that a module runs be warm ones."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PATH", warm)
        yield


@pytest.fixture(scope="session")
def demo_params() -> str:
    """What `driftloop configure` writes."""
    return render(compose(()), ())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demo_params: str) -> Project:
    """An empty project, made the working directory: params.yaml with the demo's stream, and a reference."""
    monkeypatch.chdir(tmp_path)
    write_text(Path("params.yaml"), demo_params)
    save_lineage(layout.model("reference"), Lineage("reference", "0" * 64, 0.9946))
    epochs = [
        {"loss": 0.62, "accuracy": 0.951},
        {"loss": 0.46, "accuracy": 0.986},
        {"loss": 0.43, "accuracy": 0.993},
    ]
    write_json(layout.results("reference") / "training.json", {"epochs": epochs})
    return Project()


@pytest.fixture
def finished(project: Project) -> Project:
    """The project after the demo's five windows."""
    project.keep("w01", parent="reference")
    project.repair("w02", "impulse_noise", "filter", parent="w01", before=0.31, after=0.97)
    project.repair(
        "w03", "rotate", "retrain", parent="w02", before=0.74, after=0.95, reviewer="Ada <ada@example.org>",
        reason="The camera was mounted askew after the repair on Tuesday; no filter turns pictures back.",
    )  # fmt: skip
    project.keep("w04", parent="w03")
    project.keep("w05", "impulse_noise", parent="w04", known_as="w02")
    return project


def images_of(corruption: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Real digits, uint8 (500, 28, 28, 1), with or without a corruption, and their labels."""
    if MNIST_C.exists():
        with np.load(MNIST_C) as stored:
            return stored[corruption or "clean"][..., None], stored["label"].astype(np.int64)
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.kron(digits.images[:500] * 15, np.ones((3, 3))).astype(np.uint8)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))[..., None]
    if corruption is None:
        return padded, digits.target[:500].astype(np.int64)
    from driftloop.corruptions import corrupt

    changed = corrupt(padded, "mnist_c", corruption, None, rng=np.random.default_rng(0))
    return changed, digits.target[:500].astype(np.int64)


@dataclass(frozen=True)
class Project:
    """Takes windows through the steps of the pipeline, one method each, with results as told."""

    def check(
        self, window: str, corruption: str | None = None, *, drifted: bool, known_as: str | None = None
    ) -> None:
        images, labels = images_of(corruption)
        save_dataset(layout.window(window), Dataset(images[:N], None, f"mnist-{window}", DIGITS))
        rng = np.random.default_rng([*window.encode()])
        predicted = np.where(rng.random(N) < (0.3 if drifted else 0.99), labels[:N], rng.integers(0, 10, N))
        picks = tuple(
            Pick(int(index), random=place >= 36) for place, index in enumerate(rng.permutation(N)[:48])
        )
        report = drift_of(window, drifted=drifted, n=N, known_as=known_as, picks=picks)
        figures = (rng.uniform(0.4, 1, N), rng.gamma(4, 2, N), rng.uniform(0, 1, N))
        table = zip(range(N), map(str, predicted), *figures, ["clean"] * N, strict=True)
        folder = layout.results(window)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "samples.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(("index", "predicted", "confidence", "drift_score", "p_value", "kind"))
            writer.writerows(table)
        report.write(folder / "drift.json")

    def record_check(self, window: str) -> None:
        """Leave the record of a check by the present parameters, as its step does."""
        step = next(each for each in steps() if each.name == "check-window")
        seen, code = step.leaves(load_params(), window), {"version": __version__, "revision": ""}
        machine = {"machine": "", "cpus": 1, "gpu": None}
        made = Made(step.name, window, seen, {}, {}, code, None, machine, "2026-01-31T23:59:59Z", 1.0)
        write_json(record(layout.results(window), step.name), asdict(made))

    def decide(self, window: str, decision: str, **how: Any) -> None:
        material = load_material(window, "mnist_c")
        _, labels = images_of(None)
        answer = Answer(
            decision,
            how.get("diagnosis"),
            how.get("reason", ""),
            {pick.index: DIGITS[labels[pick.index]] for pick in material.picks},
        )
        entry = new_entry(
            answer,
            project=project_id(layout.DECISIONS),
            window=window,
            reviewer=how.get("reviewer", "simulated"),
            simulated="reviewer" not in how,
            report=material.reported,
            images=material.images_digest,
            content=material.content,
        )
        append(layout.ledger(window), entry)
        self.write_verdict(window, answer)

    def write_verdict(self, window: str, answer: Answer | None = None) -> None:
        verdict(window, drifted=answer is not None, answer=answer).write(layout.verdict(window))

    def evaluate(
        self, window: str, corruption: str, *repairs: str, before: float, after: float
    ) -> str | None:
        def right(share: float, n: int) -> np.ndarray:
            return np.arange(n) < share * n

        every, truth = np.arange(80), np.ones(80, np.int64)
        incumbent = right(before, 80).astype(np.int64)
        tried, tallies = {}, {}
        for place, repair in enumerate(repairs):
            candidate = right(after - 0.04 * place, 80).astype(np.int64)
            differs = incumbent != candidate
            tallies[repair] = count_draws(incumbent[differs], candidate[differs], truth[differs])
            tried[repair] = judge(
                compare_on_window(incumbent, candidate, every, truth, 0.05),
                compare(right(0.995, 2000), right(0.994, 2000), 0.05),
                tally=tallies[repair],
                alpha=0.05,
                margin=0.005,
            )
        decided, winner = choose(tried, tallies)
        value = Evaluations(
            window=window,
            verdict=Verdict.of(window).digest,
            winner=winner,
            candidates=decided,
            ask=(),
            draws={},
            settling={},
            strip=Strip((3, 5), (8, 5), (3, 5), taught=False),
        )
        arrived = images_of(corruption)[0][:2]
        through = images_of(None)[0][:2] if repairs[0] == "filter" else arrived
        write_array(layout.results(window) / "strip.npy", np.stack([arrived, through]))
        value.write(layout.evaluation(window))
        return winner

    def promote(
        self, window: str, parent: str, repair: str | None = None, diagnosis: str | None = None
    ) -> None:
        before = load_lineage(layout.model(parent))
        made = (
            (Repair(window, repair, diagnosis, digest_json(window), "f" * 64, imitation={}),)
            if repair
            else ()
        )
        lineage = Lineage(window, made[0].model if made else before.model, 0.9944, (*before.repairs, *made))
        save_lineage(layout.model(window), lineage)

    def score(self, window: str, before: float, after: float | None) -> None:
        _, labels = images_of(None)
        rng = np.random.default_rng([*window.encode()])
        sure = rng.random(len(labels))
        guess = rng.integers(0, 10, len(labels))
        incumbent = np.where(sure < before, labels, guess)
        candidate = None if after is None else np.where(sure < after, labels, guess)
        scored = score(labels, incumbent, candidate, classes=10)
        scored.write(layout.score(window))

    def keep(
        self, window: str, corruption: str | None = None, *, parent: str, known_as: str | None = None
    ) -> None:
        self.check(window, corruption, drifted=False, known_as=known_as)
        self.write_verdict(window)
        self.promote(window, parent)
        self.score(window, 0.98, None)

    def repair(
        self,
        window: str,
        corruption: str,
        decision: str,
        *,
        parent: str,
        before: float,
        after: float,
        **how: Any,
    ) -> None:
        self.check(window, corruption, drifted=True)
        self.decide(window, decision, diagnosis=corruption, **how)
        repairs = REPAIRS[decision]
        winner = self.evaluate(window, corruption, *repairs, before=before, after=after)
        self.promote(window, parent, winner, corruption)
        self.score(window, before, after)
