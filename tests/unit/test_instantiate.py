"""A `_target_` out of a file makes an object of the right kind, or is refused before anything is called."""

from __future__ import annotations

import marshal
import subprocess
import sys
from collections import Counter, OrderedDict
from collections.abc import Mapping
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from typing import Any, Protocol

import pytest

from driftloop.errors import DriftloopError, ModelError, ParameterError
from driftloop.params import instantiate as module
from driftloop.params.named_class import allow


def instantiate(spec: Mapping[str, Any], base: type, **options: Any) -> Any:
    """As the project does with a class that its own params.yaml names."""
    allow(spec)
    return module.instantiate(spec, base, **options)


class Opens(Protocol):
    def open(self, mode: str = "r") -> Any: ...


class Denies(Protocol):
    def deny(self) -> None: ...


def test_keywords_of_the_specification_and_facts_reach_the_class() -> None:
    made = instantiate({"_target_": "fractions.Fraction", "numerator": 3}, object, denominator=4)
    assert str(made) == "3/4"


def test_subclass_of_the_base_is_taken() -> None:
    assert isinstance(instantiate({"_target_": "collections.OrderedDict"}, dict), OrderedDict)


def test_protocol_asks_for_its_methods_only() -> None:
    assert isinstance(instantiate({"_target_": "pathlib.PurePath"}, object), object)
    instantiate({"_target_": "pathlib.Path"}, Opens)
    with pytest.raises(ParameterError, match=r"pathlib.Path is no Denies: it has no deny\(\)"):
        instantiate({"_target_": "pathlib.Path"}, Denies)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "_target_ is None; it names a class"),
        ({"_target_": 5}, "_target_ is 5; it names a class"),
        ({"_target_": ""}, "cannot be imported"),
        ({"_target_": "no_such_module.Thing"}, "no_such_module.Thing cannot be imported"),
        ({"_target_": "collections.NoSuchThing"}, "collections.NoSuchThing cannot be imported"),
        (
            {"_target_": "os.system", "command": "true"},
            "os.system is a builtin_function_or_method, not a class",
        ),
        ({"_target_": "subprocess.Popen", "args": "true"}, "subprocess.Popen is no builtins.dict"),
        ({"_target_": "collections"}, "collections is a module, not a class"),
    ],
)
def test_unusable_targets_are_refused(spec: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        instantiate(spec, dict)


def test_refused_target_is_never_called(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    with pytest.raises(ParameterError):
        instantiate({"_target_": "os.mkdir", "path": str(victim)}, dict)
    with pytest.raises(ParameterError):
        instantiate({"_target_": "subprocess.Popen", "args": ["mkdir", str(victim)]}, dict)
    assert not victim.exists()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"lenght": 2, "step": 3}, "takes no lenght; did you mean length"),
        ({"zzz": 2}, "takes no zzz; it takes length, step"),
        ({"step": 1}, "needs length"),
        ({"length": 2, "step": "x"}, "refuses its arguments: step is not a number"),
        ({"length": 2, "classes": 3}, "classes of .*Ruler follows from the data; remove it"),
    ],
)
def test_wrong_keywords_are_named(keywords: dict[str, Any], message: str, ruler: str) -> None:
    facts = {"classes": 10} if "classes" in keywords else {}
    with pytest.raises(ParameterError, match=message):
        instantiate({"_target_": ruler, **keywords}, object, **facts)


@pytest.mark.parametrize("error", [ParameterError, ModelError])
def test_caller_chooses_the_error_and_says_where(error: type[DriftloopError]) -> None:
    with pytest.raises(error, match=r"^here: builtins.int is no collections.Counter"):
        instantiate({"_target_": "builtins.int"}, Counter, where="here", error=error)


def test_importing_it_pulls_neither_hydra_nor_torch() -> None:
    code = "import sys, driftloop.params.instantiate; print({'hydra', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.fixture
def ruler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "a_users_module.py").write_text(
        "class Ruler:\n"
        "    def __init__(self, length, step=1):\n"
        "        if not isinstance(step, int):\n"
        "            raise TypeError('step is not a number')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "a_users_module", raising=False)
    return "a_users_module.Ruler"


def test_no_class_is_imported_that_the_project_does_not_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "brought_along.py").write_text("open('executed', 'w').close()\nclass Ruler: pass\n")
    spec = {"_target_": "brought_along.Ruler"}
    with pytest.raises(
        ParameterError, match=r"none of driftloop's.*params.yaml(?s:.*)trust: \[brought_along.Ruler\]"
    ):
        module.instantiate(spec, object)
    assert not Path("executed").exists()
    Path("params.yaml").write_text("trust: [brought_along.Ruler]")
    assert type(module.instantiate(spec, object)).__name__ == "Ruler"
    assert str(tmp_path) not in sys.path


@pytest.mark.parametrize("where", ["forged", "package.forged"])
def test_of_a_projects_own_module_the_source_is_run_that_anybody_can_read(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = Path(where.replace(".", "/") + ".py")
    source.parent.mkdir(exist_ok=True)
    source.write_text("class Ruler: pass\n")
    cached = Path(cache_from_source(str(source)))
    cached.parent.mkdir()
    other = compile("open('executed', 'w').close()\nclass Ruler: pass\n", source, "exec")
    unchecked = (1).to_bytes(4, "little") + bytes(8)  # Python would believe it without a look at the source
    cached.write_bytes(MAGIC_NUMBER + unchecked + marshal.dumps(other))
    Path("params.yaml").write_text(f"trust: [{where}.Ruler]")
    assert type(module.instantiate({"_target_": f"{where}.Ruler"}, object)).__name__ == "Ruler"
    assert not Path("executed").exists()
