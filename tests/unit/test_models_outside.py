"""Models made elsewhere: they answer as before, and what does not fit or wants to run code is refused."""

from __future__ import annotations

import copy
import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from tests.unit.foreign import HIDDEN, Odd, Plain, fitted, write_exported, write_onnx

from driftloop.errors import ModelError
from driftloop.models.export import export_model
from driftloop.models.networks import ConvNet
from driftloop.models.outside import adopt
from driftloop.models.predict import predict
from driftloop.models.program_files import read_program
from driftloop.models.store import load_model, save_model
from driftloop.params.named_class import allow

CLASSES = tuple("0123456789")
LEVELS, LABELS = load_digits(return_X_y=True)
IMAGES = np.rint(LEVELS * 255 / 16).astype(np.uint8).reshape(-1, 8, 8, 1)
NETWORK = {"_target_": "driftloop.models.networks.ConvNet"}
PLAIN = {"_target_": "torch.nn.Identity"}
allow({"trust": [f"tests.unit.foreign.{kind}" for kind in ("Plain", "Soft", "Odd")]})
allow({"trust": ["torch.nn.Identity", f"{__name__}.Preprocessing", f"{__name__}.SoftHead"]})


def take(path: Path, images: np.ndarray = IMAGES, classes: tuple[str, ...] = CLASSES, network=NETWORK):
    given = {"network": network, "mean": 0.0, "std": 1.0, "images": images[:8], "classes": classes}
    return adopt(path, **given).classifier


def logits() -> np.ndarray:
    with torch.inference_mode():
        return fitted()(torch.from_numpy(IMAGES[:300, ..., 0] / np.float32(255))).numpy()


@pytest.fixture(
    params=["onnx", "onnx of 7", "onnx with softmax", "exported", "exported of 7", "Plain", "Soft"]
)
def given(request: pytest.FixtureRequest, tmp_path: Path):
    """The same network in every form in which it may come."""
    match request.param.split():
        case ["onnx", "of", _]:
            return take(write_onnx(tmp_path / "m.onnx", batch=7))
        case ["onnx", *how]:
            return take(write_onnx(tmp_path / "m.onnx", softmax=bool(how)))
        case ["exported", *how]:
            return take(write_exported(tmp_path / "m.pt2", batch=7 if how else None))
    net = fitted()
    state = {"body.1.weight": net[1].weight, "end.weight": net[3].weight, "end.bias": net[3].bias}
    torch.save(state, tmp_path / "m.pt")
    return take(tmp_path / "m.pt", network={"_target_": f"tests.unit.foreign.{request.param}"})


def test_it_answers_as_it_did_elsewhere_and_shows_its_embeddings(given, tmp_path: Path) -> None:
    seen = predict(given, IMAGES[:300])
    wanted = logits()
    assert (seen.logits.argmax(1) == wanted.argmax(1)).all()
    assert (seen.logits.argmax(1) == LABELS[:300]).mean() > 0.9
    centred = seen.logits - seen.logits.mean(1, keepdims=True)
    np.testing.assert_allclose(centred, wanted - wanted.mean(1, keepdims=True), atol=2e-2)
    assert seen.embeddings.shape == (300, HIDDEN)
    save_model(tmp_path / "model", given)
    again = predict(load_model(tmp_path / "model"), IMAGES[:300])
    np.testing.assert_array_equal(again.logits, seen.logits)
    twin = predict(copy.deepcopy(given), IMAGES[:300])
    np.testing.assert_array_equal(twin.embeddings, seen.embeddings)


@pytest.mark.parametrize("write", [write_onnx, write_exported])
def test_a_program_can_be_filtered(write, tmp_path: Path) -> None:
    from driftloop.improver.imitate import Imitation
    from driftloop.improver.lesson import Lesson, Samples
    from driftloop.improver.train_filter import FilterSettings, train_filter

    model = take(write(tmp_path / ("m.onnx" if write is write_onnx else "m.pt2")))
    assert model.network.fixed
    candidate = train_filter(
        model,
        Lesson(
            Samples(IMAGES[:200], LABELS[:200]),
            Imitation("mnist_c", {("impulse_noise", 4): 1.0}),
            calibration=IMAGES[200:300],
        ),
        spec={"_target_": "driftloop.improver.filters.GatedDenoiser", "width": 8},
        settings=FilterSettings(steps=3, batch_size=8),
        seed=0,
    )
    save_model(tmp_path / "filtered", candidate)
    assert predict(load_model(tmp_path / "filtered"), IMAGES[:20]).logits.shape == (20, 10)


def test_both_sides_are_shown_where_model_and_data_do_not_fit(tmp_path: Path) -> None:
    for path in (write_onnx(tmp_path / "m.onnx"), write_exported(tmp_path / "m.pt2")):
        with pytest.raises(ModelError, match=r"8 x 8 pixels with 1 channels and gives 10.*\n.*28 x 28"):
            take(path, np.zeros((9, 28, 28, 1), np.uint8))
        with pytest.raises(ModelError, match=r"gives 10 numbers.*\n.*2 classes \(cat, dog\)"):
            take(path, classes=("cat", "dog"))
        with pytest.raises(ModelError, match="3 channels"):
            take(path, np.zeros((9, 8, 8, 3), np.uint8))


def test_weights_that_do_not_fit_name_the_tensor(tmp_path: Path) -> None:
    own = {"_target_": "tests.unit.foreign.Plain"}
    torch.save({"end.bias": torch.zeros(10)}, tmp_path / "few.pt")
    with pytest.raises(ModelError, match=r"lacks body\.1\.weight.*1 tensors, the network 3"):
        take(tmp_path / "few.pt", network=own)
    state = Plain().state_dict() | {"end.bias": torch.zeros(11)}
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(ModelError, match=r"end\.bias \(\(11,\) where the network takes \(10,\)\)"):
        take(tmp_path / "other.pt", network=own)


class Preprocessing(Plain):
    """A module with a hook of its own, without which it gives other answers."""

    def __init__(self) -> None:
        super().__init__()
        self.end.register_forward_pre_hook(lambda _, inputs: (inputs[0].roll(1, 1),))


def test_an_odd_module_is_kept_and_retrained(tmp_path: Path) -> None:
    from driftloop.improver.imitate import Imitation
    from driftloop.improver.lesson import Lesson, Samples
    from driftloop.improver.retrain import RetrainSettings, retrain

    odd = Odd()
    odd.end.load_state_dict(fitted()[3].state_dict())
    torch.save(odd.state_dict(), tmp_path / "m.pt")
    model = take(tmp_path / "m.pt", network={"_target_": "tests.unit.foreign.Odd"})
    save_model(tmp_path / "model", model)
    again = load_model(tmp_path / "model")
    np.testing.assert_array_equal(predict(again, IMAGES).logits, predict(model, IMAGES).logits)
    images = Samples(IMAGES, LABELS.astype(np.int64))
    noise = Imitation("mnist_c", {("impulse_noise", 3): 1.0})
    lesson = Lesson(images, noise, reviewed=images)
    candidate = retrain(again, lesson, settings=RetrainSettings(steps=5), seed=0)
    assert np.isfinite(predict(candidate, IMAGES).logits).all()
    mask = next(value for name, value in candidate.state_dict().items() if name.endswith("mask"))
    assert torch.equal(mask, odd.mask)


def test_a_copy_of_a_module_keeps_its_hooks_and_shows_its_own_embeddings(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(Preprocessing().state_dict(), tmp_path / "m.pt")
    model = take(tmp_path / "m.pt", network={"_target_": f"{__name__}.Preprocessing"})
    twin = copy.deepcopy(model)
    seen, again = predict(model, IMAGES[:20]), predict(twin, IMAGES[:20])
    np.testing.assert_array_equal(again.logits, seen.logits)
    np.testing.assert_array_equal(again.embeddings, seen.embeddings)
    with torch.no_grad():
        twin.network.module.body[1].weight.zero_()
    assert predict(model, IMAGES[:20]).embeddings.any()
    assert not predict(twin, IMAGES[:20]).embeddings.any()


@pytest.mark.parametrize("kind", ["Plain", "Soft"])
def test_a_module_of_one_s_own_can_be_exported(kind: str, tmp_path: Path) -> None:
    net = fitted()
    state = {"body.1.weight": net[1].weight, "end.weight": net[3].weight, "end.bias": net[3].bias}
    torch.save(state, tmp_path / "m.pt")
    model = take(tmp_path / "m.pt", network={"_target_": f"tests.unit.foreign.{kind}"})
    export_model(model, tmp_path / "model.pt2")
    program = torch.export.load(tmp_path / "model.pt2").module()
    for n in (1, 7):
        given = program(torch.from_numpy(IMAGES[:n])).detach().numpy()
        np.testing.assert_allclose(given, predict(model, IMAGES[:n]).logits, atol=1e-4)


class SoftHead(ConvNet):
    """A network of one's own that gives probabilities, which a `Network` must not."""

    def head(self, embedding: torch.Tensor) -> torch.Tensor:
        return super().head(embedding).softmax(1)


def test_a_network_that_gives_probabilities_is_refused(tmp_path: Path) -> None:
    torch.save(SoftHead(channels=1, classes=10).state_dict(), tmp_path / "m.pt")
    own = {"_target_": f"{__name__}.SoftHead"}
    with pytest.raises(ModelError, match="SoftHead gives probabilities; a Network gives logits"):
        take(tmp_path / "m.pt", network=own)


class Bomb:
    def __reduce__(self):
        return (Path("executed").write_text, ("yes",))


def test_a_pickle_in_disguise_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("m.pt", "m.safetensors", "m.onnx", "m.pt2"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(ModelError, match="m\\."):
            take(Path(name), network=PLAIN)
    torch.save({"a": Bomb()}, tmp_path / "zip.pt")
    with pytest.raises(ModelError, match="no plain weights"):
        take(Path("zip.pt"), network=PLAIN)
    assert not Path("executed").exists()


def tamper(path: Path, change) -> Path:
    """Rewrite the graph of an exported program."""
    copied = io.BytesIO()
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copied, "w") as target:
        for member in archive.infolist():
            data = archive.read(member)
            if "/models/" in member.filename:
                data = json.dumps(change(json.loads(data))).encode()
            target.writestr(member.filename, data)
    path.write_bytes(copied.getvalue())
    return path


def set_guards(program):
    return program | {"guards_code": ["__import__('pathlib').Path('executed').write_text('yes')"]}


def set_target(program):
    program["graph_module"]["graph"]["nodes"][0]["target"] = "torch.hub.load"
    return program


def set_size(program):
    text = json.dumps(program)
    found = text.index('"expr_str": "') + len('"expr_str": "')
    code = "__import__('pathlib').Path('executed').write_text('yes')"
    return json.loads(text[:found] + code + text[text.index('"', found) :])


def test_an_exported_program_runs_no_code_that_it_brings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    harmless = take(tamper(write_exported(tmp_path / "guards.pt2"), set_guards))
    assert predict(harmless, IMAGES[:5]).logits.shape == (5, 10)
    for change in (set_target, set_size):
        with pytest.raises(ModelError, match="driftloop"):
            take(tamper(write_exported(tmp_path / "m.pt2"), change))
    sample = write_exported(tmp_path / "pickle.pt2")
    with zipfile.ZipFile(sample) as archive:
        members = {m.filename: archive.read(m) for m in archive.infolist()}
    name = next(each for each in members if "sample_inputs" in each)
    torch.save(Bomb(), tmp_path / "bomb.pt")
    members[name] = (tmp_path / "bomb.pt").read_bytes()
    with zipfile.ZipFile(sample, "w") as archive:
        for each, data in members.items():
            archive.writestr(each, data)
    with pytest.raises(ModelError, match="cannot be read"):
        take(sample)
    assert not Path("executed").exists()


def write_with_weights_beside(path: Path, location: str, *, inner: bool = False, **entries: str) -> Path:
    """Write a program whose last bias lies in another file, in the graph itself or in a branch of it."""
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load_model(write_onnx(path))
    bias = next(each for each in model.graph.initializer if each.name == "b2")
    (path.parent / "weights.bin").write_bytes(b"1234" + bias.raw_data)
    beside = TensorProto(name="b2", data_type=TensorProto.FLOAT, dims=[10])
    beside.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "4", "length": "40", **entries}.items():
        beside.external_data.add(key=key, value=value)
    model.graph.initializer.remove(bias)
    if inner:
        node = helper.make_node("Constant", [], ["value"], value=beside)
        branch = helper.make_graph(
            [node], "branch", [], [helper.make_tensor_value_info("value", TensorProto.FLOAT, [10])]
        )
        yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
        model.graph.initializer.append(yes)
        model.graph.node.insert(
            0, helper.make_node("If", ["yes"], ["b2"], then_branch=branch, else_branch=branch)
        )
    else:
        model.graph.initializer.append(beside)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("inner", [False, True])
def test_weights_beside_are_kept_inside(inner: bool, tmp_path: Path) -> None:
    path = write_with_weights_beside(tmp_path / "m.onnx", "weights.bin", inner=inner)
    model = take(path)
    save_model(tmp_path / "model", model)
    path.unlink()
    (tmp_path / "weights.bin").unlink()
    seen = predict(load_model(tmp_path / "model"), IMAGES[:300])
    np.testing.assert_allclose(seen.logits, logits(), atol=1e-4)
    assert seen.embeddings.shape == (300, HIDDEN)


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize(
    ("location", "entries", "said"),
    [
        ("../weights.bin", {}, "only files in its own folder"),
        ("inner/../../weights.bin", {}, "only files in its own folder"),
        ("/etc/hostname", {}, "only files in its own folder"),
        ("..\\weights.bin", {}, "only files in its own folder"),
        ("", {}, "only files in its own folder"),
        ("link.bin", {}, "is a link"),
        ("folder/weights.bin", {}, "is a link"),
        ("lacking.bin", {}, r"not there.*onnx\.save_model"),
        ("weights.bin", {"length": "400"}, "ends at byte 44, but b2 goes up to 404"),
        ("weights.bin", {"offset": "-4"}, "no number of bytes"),
        ("weights.bin", {"length": "36"}, "."),
    ],
)
def test_no_weights_are_read_from_elsewhere(
    location: str, entries: dict[str, str], said: str, inner: bool, tmp_path: Path
) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    other.mkdir()
    for folder in (tmp_path, other):
        (folder / "weights.bin").write_bytes(bytes(44))
    (home / "link.bin").symlink_to(tmp_path / "weights.bin")
    (home / "folder").symlink_to(other)
    path = write_with_weights_beside(home / "m.onnx", location, inner=inner, **entries)
    with pytest.raises(ModelError, match=said):
        take(path)


def test_an_adopted_program_is_exported_again(tmp_path: Path) -> None:
    classifier = take(write_exported(tmp_path / "m.pt2"))
    assert export_model(classifier, tmp_path / "again.pt2") < 1e-4
    run = torch.export.load(tmp_path / "again.pt2").module()
    for n in (1, 5, 300):
        assert np.allclose(run(torch.from_numpy(IMAGES[:n])).detach().numpy(), logits()[:n], atol=1e-4)
    for path in (write_onnx(tmp_path / "m.onnx"), write_exported(tmp_path / "m.pt2", batch=7)):
        with pytest.raises(ModelError, match="cannot export this model"):
            export_model(take(path), tmp_path / "never.pt2")
    assert not (tmp_path / "never.pt2").exists()


def test_a_program_says_what_it_takes(tmp_path: Path) -> None:
    found = read_program(write_onnx(tmp_path / "m.onnx", batch=3)).described
    assert (found.size, found.channels, found.outputs, found.batch) == ((8, 8), 1, 10, 3)
    found = read_program(write_exported(tmp_path / "m.pt2")).described
    assert (found.size, found.channels, found.outputs, found.batch) == ((8, 8), 1, 10, None)
