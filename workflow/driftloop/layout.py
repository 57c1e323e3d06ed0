"""Where everything lies, relative to the project's root: the one place that the commands ask.

data/raw, data/splits/{train,calibration,test,production}   datasets
data/windows/{window}       what arrived in production
data/populations/{window}   the rest of what it was drawn from, where it was simulated
answers/{window}            the true labels of both
results/{window}            what was found, decided and tried
models/{owner}              what is in production after window `owner` (or `reference`): model and detector
arrivals.txt                the windows that came from production, in order
decisions/production.json   which of those is in use. The output of no rule
decisions/{window}.jsonl    the ledger. Written by people, the output of no rule
"""

from __future__ import annotations

from pathlib import Path

REFERENCE = "reference"
PRODUCTS = (Path("data"), Path("answers"), Path("results"), Path("models"))
RAW = Path("data/raw")
ARRIVALS = Path("arrivals.txt")
DECISIONS = Path("decisions")
SUMMARY = Path("results/summary.json")
REPORT = Path("results/report.html")
METRICS = Path("results/metrics.json")
PRODUCTION = DECISIONS / "production.json"


def homes(path: Path) -> tuple[Path, ...]:
    """The folders in which the record of the step may lie that made a file."""
    folder = path.parent
    drawn = folder in (population(folder.name), answers(folder.name))
    return (folder, folder.parent, *([window(folder.name)] if drawn else []))


def split(name: str) -> Path:
    """The dataset folder of a split: train, calibration, test or production."""
    return Path("data/splits") / name


def window(name: str) -> Path:
    """The dataset folder of a window, without labels."""
    return Path("data/windows") / name


def source(name: str) -> Path:
    """What lay in the inbox when a window was taken in."""
    return window(name) / "source.json"


def population(name: str) -> Path:
    """The dataset folder of the rest of a simulated window's population, without labels."""
    return Path("data/populations") / name


def answers(name: str) -> Path:
    """The true labels of a simulated window; for the simulated reviewer and the scoring alone."""
    return Path("answers") / name


def model(owner: str) -> Path:
    """Model, detector and lineage as they stand in production after a window."""
    return Path("models") / owner


def results(name: str) -> Path:
    """Everything found out about a window."""
    return Path("results") / name


def drift(name: str) -> Path:
    """What the check found."""
    return results(name) / "drift.json"


def verdict(name: str) -> Path:
    """What the reviewer decided, as the steps after it read it."""
    return results(name) / "verdict.json"


def evaluation(name: str) -> Path:
    """How the candidates did beside the incumbent."""
    return results(name) / "evaluation.json"


def score(name: str) -> Path:
    """How incumbent and candidate do by the true labels of a simulated window."""
    return results(name) / "score.json"


def predictions(name: str) -> Path:
    """What the incumbent sees in a window."""
    return results(name) / "predictions"


def carried(name: str) -> Path:
    """What the check of a window carries on to the next one: where its stream stands."""
    return results(name) / "stream.json"


def part(name: str, part: str) -> Path:
    """The scores of a part of a large window, such as 2-of-4, until its check has gathered them."""
    return results(name) / "parts" / f"{part}.safetensors"


def candidate(name: str, repair: str) -> Path:
    """The model folder of a repair that was tried on a window."""
    return results(name) / "candidates" / repair


def learnt(name: str, repair: str) -> Path:
    """The positions of a window's samples from which a repair has learnt, so that none of them judges it."""
    return candidate(name, repair) / "learnt.json"


def log(name: str, rule: str) -> Path:
    """What a rule's step said about a window when it was last run."""
    return Path("logs") / name / f"{rule}.log"


def ledger(name: str) -> Path:
    """The decisions that people made about a window."""
    return DECISIONS / f"{name}.jsonl"
