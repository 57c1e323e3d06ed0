"""A class that cannot be imported: an absence and a misfit are told apart, and each names what mends it."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import requires, version
from pathlib import Path

import pytest

from driftloop.errors import ParameterError
from driftloop.params.named_class import allow, find_class

ROOT = Path(__file__).parents[2]


def refusal(target: str) -> str:
    allow({"_target_": target})
    with pytest.raises(ParameterError) as caught:
        find_class(target, "dataset", ParameterError)
    return str(caught.value)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install a package that fails, and pins a version of torch as torchvision does."""

    def install(name: str, torch: str) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('operator x::nms does not exist')")
        info = tmp_path / f"{name}-0.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {name}\nVersion: 0.5\nRequires-Dist: torch (=={torch})\n")
        monkeypatch.syspath_prepend(str(tmp_path))

    return install


def test_another_version_of_torch_is_named(installed) -> None:
    installed("vision_of_old", "1.0.0")
    said = refusal("vision_of_old.datasets.Digits")
    assert f"made for torch 1.0.0, not for torch {version('torch')}" in said
    assert "operator x::nms does not exist" in said
    assert "pip install --force-reinstall torch vision_of_old" in said


def test_another_build_of_the_same_version_is_told(installed) -> None:
    installed("vision_of_now", version("torch").split("+")[0])
    assert "made for another build of torch" in refusal("vision_of_now.datasets.Digits")


def test_an_absence_is_told_as_one() -> None:
    assert "No module named 'vision_of_none'" in refusal("vision_of_none.datasets.Digits")


def test_the_lock_pairs_torchvision_with_torch() -> None:
    lock = (ROOT / "envs" / "dev.lock").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^(torch|torchvision)==([\d.]+)", lock, flags=re.MULTILINE))
    if pins["torchvision"] != version("torchvision"):
        pytest.skip(f"torchvision {version('torchvision')} is here, {pins['torchvision']} in the lock")
    assert any(re.match(rf"torch ?\(?=={pins['torch']}\b", each) for each in requires("torchvision") or ())
    done = subprocess.run(
        [sys.executable, "-c", "from torchvision import datasets"], capture_output=True, text=True
    )
    if done.returncode and "+" in version("torch"):
        # A machine may have a build of torch of its own; the lock names versions.
        pytest.skip(f"torchvision was built for another torch than {version('torch')}")
    assert done.returncode == 0, done.stderr
