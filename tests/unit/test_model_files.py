"""Model files as exporters write them: taken, answering as in their own runtime, or refused with a remedy."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from tests.unit.model_files import CASES, Case, images_of

from driftloop.errors import ModelError
from driftloop.models.outside import Adopted, adopt
from driftloop.models.predict import predict

TOLERANCE = 1e-4

pytestmark = pytest.mark.slow


def take(case: Case, path: Path) -> Adopted:
    return adopt(
        path,
        network={},
        mean=0.0,
        std=case.std,
        images=images_of(case.images),
        classes=tuple("0123456789"),
        output=case.output,
    )


def asked(path: Path, case: Case, x: np.ndarray) -> np.ndarray:
    """What the file's own runtime gives for images: one at a time where it takes any number."""
    ask = of_onnxruntime(path, case.output) if path.suffix == ".onnx" else of_torch(path, case.output)
    size = 4 if "batch of 4" in case.what or (case.output and "loss" in case.what) else 1
    return np.concatenate([ask(x[start : start + size]) for start in range(0, len(x), size)])


def of_onnxruntime(path: Path, output: str | None) -> Callable[[np.ndarray], np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    taken = session.get_inputs()[0]
    kinds = {"tensor(float)": "f4", "tensor(float16)": "f2", "tensor(double)": "f8", "tensor(uint8)": "u1"}
    # All inputs after the first are labels, which only a loss looks at.
    rest = {each.name: np.zeros(4, np.int64) for each in session.get_inputs()[1:]}

    def ask(x: np.ndarray) -> np.ndarray:
        given = {taken.name: x.astype(kinds[taken.type]), **rest}
        return session.run([output or session.get_outputs()[0].name], given)[0]

    return ask


def of_torch(path: Path, output: str | None) -> Callable[[np.ndarray], np.ndarray]:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.export.load(path).module()
    taken = next(node for node in module.graph.nodes if node.op == "placeholder").meta["val"].dtype

    def ask(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            found = module(torch.from_numpy(x).to(taken))
        return (found[output] if output else found).float().numpy()

    return ask


def arranged(case: Case) -> np.ndarray:
    """The images as the file takes them, by its description."""
    images = images_of(case.images)
    last = "N, H, W, C" in case.what or "Keras" in case.by
    x = images if last else images.transpose(0, 3, 1, 2)
    whole = "uint8" in case.what
    return np.ascontiguousarray(x if whole else x / np.float32(255) / np.float32(case.std))


def shares(numbers: np.ndarray) -> np.ndarray:
    """Probabilities of outputs that are logits or probabilities already."""
    numbers = numbers.astype(np.float64).reshape(len(numbers), -1)
    if (numbers >= 0).all() and np.allclose(numbers.sum(1), 1, atol=1e-3):
        return numbers
    powers = np.exp(numbers - numbers.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_model_file_is_taken_as_it_is_or_refused_with_a_remedy(case: Case, tmp_path: Path) -> None:
    for package in case.needs:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what exporters have to say of themselves
        path = tmp_path / f"model{case.ending}"
        path = case.write(path) or path
    if case.refused is not None:
        with pytest.raises(ModelError, match=case.refused) as caught:
            take(case, path)
        assert caught.match(case.remedy)
        assert "does not fit the data" not in str(caught.value)
        return
    taken = take(case, path)
    assert case.note in " ".join(taken.notes)
    seen = predict(taken.classifier, images_of(case.images))
    wanted = asked(path, case, arranged(case))
    np.testing.assert_allclose(shares(seen.logits), shares(wanted), atol=TOLERANCE)
    assert seen.embeddings.shape[1] == (case.embedding or len(taken.classifier.classes))
