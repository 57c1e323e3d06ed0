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
from driftloop.models.programs import describe_program
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
    return adopt(path, network=network, mean=0.0, std=1.0, images=images[:8], classes=classes)


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
    from driftloop.improver.train_filter import FilterSettings, train_filter

    model = take(write(tmp_path / ("m.onnx" if write is write_onnx else "m.pt2")))
    assert model.network.fixed
    candidate = train_filter(
        model,
        IMAGES[:200],
        IMAGES[200:300],
        Imitation("mnist_c", {("impulse_noise", 4): 1.0}),
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
    from driftloop.improver.retrain import RetrainSettings, Samples, retrain

    odd = Odd()
    odd.end.load_state_dict(fitted()[3].state_dict())
    torch.save(odd.state_dict(), tmp_path / "m.pt")
    model = take(tmp_path / "m.pt", network={"_target_": "tests.unit.foreign.Odd"})
    save_model(tmp_path / "model", model)
    again = load_model(tmp_path / "model")
    np.testing.assert_array_equal(predict(again, IMAGES).logits, predict(model, IMAGES).logits)
    images = Samples(IMAGES, LABELS.astype(np.int64))
    noise = Imitation("mnist_c", {("impulse_noise", 3): 1.0})
    candidate = retrain(again, images, images, noise, settings=RetrainSettings(steps=5), seed=0)
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


@pytest.mark.parametrize("inner", [False, True])
def test_weights_in_other_files_are_refused_wherever_they_are_named(inner: bool, tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    path = write_onnx(tmp_path / "m.onnx")
    outside = TensorProto(name="outside", data_type=TensorProto.FLOAT, dims=[10])
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="secret.bin")
    (tmp_path / "secret.bin").write_bytes(bytes(40))
    node = helper.make_node("Constant", [], ["outside"], value=outside)
    if inner:
        value = helper.make_tensor_value_info("outside", TensorProto.FLOAT, [10])
        branch = helper.make_graph([node], "branch", [], [value])
        yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
        ask = helper.make_node("Constant", [], ["ask"], value=yes)
        node = helper.make_node("If", ["ask"], ["chosen"], then_branch=branch, else_branch=branch)
    model = onnx.load_model(path)
    model.graph.node.insert(0, node)
    if inner:
        model.graph.node.insert(0, ask)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"keeps weights in other files|is no ONNX model"):
        take(path)


def test_an_adopted_program_is_exported_again(tmp_path: Path) -> None:
    classifier = take(write_exported(tmp_path / "m.pt2"))
    assert export_model(classifier, tmp_path / "again.pt2") < 1e-4
    run = torch.export.load(tmp_path / "again.pt2").module()
    for n in (1, 5, 300):
        assert np.allclose(run(torch.from_numpy(IMAGES[:n])).detach().numpy(), logits()[:n], atol=1e-4)
    for path in (write_onnx(tmp_path / "m.onnx"), write_exported(tmp_path / "m.pt2", batch=7)):
        with pytest.raises(ModelError, match="cannot export"):
            export_model(take(path), tmp_path / "never.pt2")
    assert not (tmp_path / "never.pt2").exists()


def test_a_program_says_what_it_takes(tmp_path: Path) -> None:
    found = describe_program(write_onnx(tmp_path / "m.onnx", batch=3))
    assert (found.size, found.channels, found.outputs, found.batch) == ((8, 8), 1, 10, 3)
    found = describe_program(write_exported(tmp_path / "m.pt2"))
    assert (found.size, found.channels, found.outputs, found.batch) == ((8, 8), 1, 10, None)
