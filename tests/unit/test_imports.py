"""Pure cores, thin edges: which module may import what, read from the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import driftloop

PACKAGE = Path(driftloop.__file__).parent
MODULES = sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))
CORES = (
    "checker/",
    "corruptions/",
    "improver/",
    "models/",
    "data/split.py",
    "data/window.py",
    "data/twins.py",
)
# Within those folders, what opens files says so by its name.
EDGES = ("checker/store.py", "models/store.py", "corruptions/archives.py")


def imports(module: str, *, at_top: bool) -> Iterator[str]:
    """The full names that a module imports: when it is loaded, or anywhere."""
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    for node in _loaded(tree) if at_top else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _loaded(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when a module is loaded: not in functions, not for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from _loaded(node)


def offenders(modules: list[str], *forbidden: str, at_top: bool = False) -> list[tuple[str, str]]:
    return [
        (module, name)
        for module in modules
        for name in imports(module, at_top=at_top)
        if any(name == root or name.startswith(f"{root}.") for root in forbidden)
    ]


def test_cores_open_no_files_and_know_no_command_line() -> None:
    cores = [module for module in MODULES if module.startswith(CORES) and module not in EDGES]
    assert len(cores) > 30
    assert (
        offenders(
            cores,
            "click",
            "rich",
            "driftloop.commands",
            "driftloop.cli",
            "driftloop.layout",
            "driftloop.files.read_json",
            "driftloop.files.write_json",
            "driftloop.files.read_array",
            "driftloop.files.write_array",
        )
        == []
    )


def test_rich_is_loaded_only_where_people_read() -> None:
    allowed = ("review/", "report/", "commands/", "containers/", "cli.py")
    assert offenders([m for m in MODULES if not m.startswith(allowed)], "rich") == []


def test_foreign_text_reaches_the_terminal_through_one_place_alone() -> None:
    """Names and reasons come from files: whatever prints them makes them printable first."""
    edges = ("commands/console.py", "commands/plain_console.py")
    others = [module for module in MODULES if module not in edges]
    # `RenderableType` and `Group` print nothing.
    printing = (
        "rich.console.Console",
        "rich.print",
        "rich.get_console",
        "rich.live.Live",
        "rich.progress.track",
    )
    assert [
        each for each in offenders(others, *printing) if each != ("commands/watch.py", "rich.live.Live")
    ] == []
    said = {module for module in others if calls(module) & {"click.echo", "click.secho", "print"}}
    assert said == set()


def calls(module: str) -> set[str]:
    """The names of the functions that a module calls."""
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def test_names_are_imported_in_one_place_alone() -> None:
    """A file names a class; `find_class` alone says which may be imported."""
    named = ("hydra.utils", "importlib.util.spec_from_file_location", "runpy", "imp")
    assert {module for module, _ in offenders(MODULES, *named)} == {"params/named_class.py"}
    importing = {module for module in MODULES if calls(module) & {"import_module", "importlib.import_module"}}
    own = {
        "__init__.py",
        "commands/table.py",
        "models/onnx_file.py",
        "data/codecs.py",
        "data/dicom.py",
        "data/bands.py",
    }
    assert importing - own == {"params/named_class.py"}  # the others name their own, whatever a file says


def test_click_is_known_to_the_command_line_alone() -> None:
    assert offenders([m for m in MODULES if not m.startswith(("commands/", "cli.py"))], "click") == []


def test_only_the_simulated_reviewer_and_the_scoring_see_the_answers() -> None:
    found = {module for module, _ in offenders(MODULES, "driftloop.data.answers")}
    assert found == {
        "commands/check.py",
        "commands/simulated.py",
        "commands/report.py",
    }  # the first one writes them


def test_what_is_said_has_styles_and_no_markup() -> None:
    """Names and paths are said as they are, so a tag would be, too."""
    assert [module for module in MODULES if "[/]" in (PACKAGE / module).read_text()] == []


def test_torchvision_is_never_loaded_with_a_module() -> None:
    assert offenders(MODULES, "torchvision", at_top=True) == []


@pytest.mark.parametrize(
    "module",
    [
        "driftloop.commands.review",
        "driftloop.commands.improve",
        "driftloop.commands.reference",
        "driftloop.checker.check",
        "driftloop.corruptions",
        "driftloop.data.sources",
        "driftloop.report.page",
        "driftloop.review.ask",
    ],
)
def test_no_torch_where_no_tensors_are(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_review_opens_without_scipy() -> None:
    code = "import sys, driftloop.review.ask; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_no_room_imports_from_one_above_it() -> None:
    """The rooms, folders and modules of the package, have an order: what a room imports lies below it."""
    below: dict[str, set[str]] = {}
    for module in MODULES:
        room = module.split("/")[0].removesuffix(".py")
        named = {
            name.split(".")[1] for name in imports(module, at_top=False) if name.startswith("driftloop.")
        }
        there = {each for each in named if (PACKAGE / each).is_dir() or (PACKAGE / f"{each}.py").is_file()}
        below.setdefault(room, set()).update(there - {room})
    TopologicalSorter(below).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("product", ["drift.json", "verdict.json", "evaluation.json", "score.json"])
def test_one_module_knows_where_a_windows_product_lies(product: str) -> None:
    def knows(module: str) -> bool:
        tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
        return any(isinstance(node, ast.Constant) and node.value == product for node in ast.walk(tree))

    assert [module for module in MODULES if knows(module)] == ["layout.py"]


@pytest.mark.parametrize("product", ["drift", "verdict", "evaluation", "score", "SUMMARY"])
def test_a_windows_products_are_read_as_what_they_are(product: str) -> None:
    """Their classes in `findings` read them, so that mypy sees a key that was renamed."""
    raw = f"read_json(layout.{product}"
    assert [module for module in MODULES if raw in (PACKAGE / module).read_text(encoding="utf-8")] == []
