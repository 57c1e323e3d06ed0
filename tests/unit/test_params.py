"""Parameters: presets, overrides, and what is said about a wrong one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from driftloop.errors import ParameterError
from driftloop.params.compose import compose, render
from driftloop.params.load import load_params, read_params
from driftloop.params.merge import only, override, overrides_between
from driftloop.params.validate import schema, validate

ROOT = Path(__file__).resolve().parents[2]
DATASETS = ("mnist", "fashion_mnist", "cifar10", "digits")


def test_the_committed_params_are_what_configure_writes() -> None:
    written = (ROOT / "params.yaml").read_text(encoding="utf-8")
    assert written == render(compose()), "run: driftloop configure --force"


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("stream", ["demo", "sweep"])
def test_every_preset_composes_and_reads_back(dataset: str, stream: str, tmp_path: Path) -> None:
    choices = [f"dataset={dataset}", f"stream={stream}"]
    path = tmp_path / "params.yaml"
    path.write_text(render(compose(choices), choices))
    params = load_params(path=path)
    assert only(params, ["dataset", "train"]) == only(compose(choices), ["dataset", "train"])


def test_every_knob_is_described() -> None:
    def bare(rule: dict, path: str = "") -> list[str]:
        properties = rule.get("properties", {})
        if isinstance(rule.get("additionalProperties"), dict):
            properties = properties | rule["additionalProperties"].get("properties", {})
        return [
            name
            for key, value in properties.items()
            for name in ([] if "description" in value or key == "_target_" else [f"{path}{key}"])
            + bare(value, f"{path}{key}.")
        ]

    assert bare(schema()) == []


def test_a_number_with_an_exponent_is_one(tmp_path: Path) -> None:
    assert validate(override(compose(), ["train.learning_rate=1e-3"]))["train"]["learning_rate"] == 0.001
    path = tmp_path / "params.yaml"
    path.write_text(re.sub(r"learning_rate: [\d.]+", "learning_rate: 5e-2", render(compose())))
    assert load_params(path=path)["train"]["learning_rate"] == 0.05


def test_what_is_null_can_be_set_from_the_engine_s_command_line() -> None:
    changed = compose() | {"model": {"file": "m.onnx", "mean": 0.5, "std": 0.3}}
    (change,) = overrides_between(compose(), changed)
    assert validate(override(compose(), [change]))["model"]["file"] == "m.onnx"


def test_what_is_set_to_nothing_is_empty():
    inbox = "inbox={folder: inbox, cut: null, settle: 5}"
    assert compose(["stream={}", inbox])["stream"] == {}
    with pytest.raises(ParameterError, match="stream"):
        compose(["stream={}"])
    assert compose(["stream={}", "inbox={folder: f, settle: 0}"])["inbox"]["folder"] == "f"
    assert list(compose(["stream={}", "+stream.w9={n: 100}", inbox])["stream"]) == ["w9"]


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    params = compose() | {
        "stream": {"12e4": {"n": 100, "parent": "reference"}, "on": {"n": 7, "parent": "12e4"}}
    }
    params["dataset"] = params["dataset"] | {"classes": ["1e1", "yes", "3"]}
    (tmp_path / "params.yaml").write_text(render(params))
    assert read_params(tmp_path / "params.yaml") == params


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("detector.alpha=5", "detector.alpha is 5; it lies between 0.001 and 1"),
        ("detector.alpha=0.0001", "detector.alpha is 0.0001; it lies"),
        ("detector.run_length=9000", "detector.run_length is 9000; it lies"),
        ("detector.alpha=high", "detector.alpha is 'high'; it must be a number"),
        ("train.epochs=2.0", "train.epochs is 2.0; it must be a whole number"),
        ("seed=true", "seed is True; it must be a whole number"),
        ("detector.alpah=0.1", "unknown key 'alpah'. Did you mean 'alpha'?"),
        ("review.reviewer=robot", "it is one of auto, human, simulated"),
        ("stream={}", "stream is empty"),
        ("stream.w02.n=9000", "stream.w02.n is 9000; split.production less split.population leaves"),
        ("stream={reference: {n: 5}}", "'reference' cannot name a window"),
        ("stream={../x: {n: 5}}", "'../x' cannot name a window"),
        ("stream={w01: {n: 5, parent: w02}, w02: {n: 5}}", "it names a window that stands before it"),
        ("stream={w01: {n: 5, severity: 9}}", "stream.w01.severity is 9; it lies between 1 and 5"),
        ("split.population=10000", "it is a part of split.production (10000) and must be smaller"),
        ("network=resnet", "network is 'resnet'; it must be a mapping of keys to values"),
        ("network={_target_: 'os;system'}", "network._target_"),
        ("seed=1.5", "seed is 1.5; it must be a whole number"),
    ],
)
def test_a_wrong_value_is_told_where_what_and_what_is_allowed(change: str, complaint: str) -> None:
    with pytest.raises(ParameterError) as caught:
        validate(override(compose(), [change]))
    assert complaint in str(caught.value)
    assert str(caught.value).startswith("params.yaml")


@pytest.mark.parametrize("content", ["", "- a\n- b\n", "just words", "a: [", "\x00"])
def test_what_is_no_mapping_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(content)
    with pytest.raises(ParameterError):
        load_params(path=path)


def test_a_missing_file_names_the_next_command(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="driftloop configure"):
        load_params(path=tmp_path / "params.yaml")


@pytest.mark.parametrize("text", ["seed", "=5", "--seed=5", "seed.x=1", "seed=[1"])
def test_a_malformed_override_is_refused(text: str) -> None:
    with pytest.raises(ParameterError):
        override(compose(), [text])


def test_windows_know_their_parent_and_what_came_before() -> None:
    stream = validate(override(compose(), ["stream={a: {n: 5}, b: {n: 7}, c: {n: 2, parent: reference}}"]))[
        "stream"
    ]
    assert [window["parent"] for window in stream.values()] == ["reference", "a", "reference"]
    assert [window["before"] for window in stream.values()] == [[], [5], [5, 7]]
