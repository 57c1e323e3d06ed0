"""The commands of the cheap pages, typed as they stand there, in order, in a finished project on digits."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from tests.docs import TYPED, commands
from tests.support import ROOT, run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("page", [page for page in TYPED if page != "own-data"])
def test_the_commands_of_a_page_run(page: str, copied: Path, warm: str) -> None:
    lay_out(copied)
    type_in(f"docs/{page}.md", copied, warm)


def test_three_commands_lead_from_a_folder_of_pictures_to_a_drift_report(tmp_path: Path, warm: str) -> None:
    digits = load_digits()
    for number in range(300):
        picture = tmp_path / "photos" / str(digits.target[number]) / f"{number}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digits.images[number] * 15).astype(np.uint8)).save(picture)
    type_in("docs/own-data.md", tmp_path, warm)
    reported = {path.parent.name for path in (tmp_path / "my-project" / "results").glob("*/drift.json")}
    assert reported == {"rehearsal-clean", "rehearsal-noise"}


def lay_out(project: Path) -> None:
    """Put into a project what a reader has at hand."""
    window = np.load(project / "data" / "windows" / "w01" / "images.npy")[:4]
    np.save(project / "images.npy", window)
    (project / "pictures").mkdir()
    for name in ("one.png", "pictures/two.png"):
        Image.fromarray(window[0, ..., 0]).save(project / name)
    (project / "labels.csv").write_text("index,label\n")
    shutil.copytree(ROOT / "examples", project, dirs_exist_ok=True)


def type_in(page: str, folder: Path, path: str) -> None:
    """Type the commands of a page, one after the other; each must succeed."""
    typed = [command for command in commands(ROOT / page) if command.whole and not command.elsewhere]
    assert typed
    for command in typed:
        if command.text.startswith("cd "):
            folder /= command.text.split()[1]
            continue
        result = run(folder, "bash", "-c", command.text, PATH=path)
        assert result.returncode == 0, f"{command}\n{result.stdout}"
