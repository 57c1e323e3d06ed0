"""A classifier exported to ONNX runs in onnxruntime, filters inside, for any number of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from tests.unit.model_files import images_of

from driftloop.errors import ModelError
from driftloop.models.classifier import Classifier, ClassifierSpec
from driftloop.models.export import export_model
from driftloop.models.predict import predict

FILTERS, NETWORKS = "driftloop.improver.filters", "driftloop.models.networks"

pytestmark = pytest.mark.slow


def made(network: str, repair: str, images: np.ndarray) -> Classifier:
    torch.manual_seed(0)
    height, width, channels = images.shape[1:]
    spec = ClassifierSpec(
        {"_target_": f"{NETWORKS}.{network}", "width": 8},
        (height, width, channels),
        tuple("0123456789"),
        (0.3,) * channels,
        (0.4,) * channels,
        ({"_target_": f"{FILTERS}.{repair}", "channels": channels, "width": 8},),
    )
    return Classifier(spec).eval()


@pytest.mark.parametrize(
    ("network", "repair", "kind"),
    [("ConvNet", "GatedDenoiser", "digits"), ("ResNet", "ResidualDenoiser", "photographs of 30")],
)
def test_onnxruntime_gives_the_same_logits(network: str, repair: str, kind: str, tmp_path: Path) -> None:
    images = images_of(kind)
    classifier = made(network, repair, images)
    assert export_model(classifier, tmp_path / "model.onnx") < 1e-4
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.type, taken.shape[1:]) == ("images", "tensor(uint8)", list(images.shape[1:]))
    assert (given.name, given.type) == ("logits", "tensor(float)")
    wanted = predict(classifier, images).logits
    for n in (1, 5, len(images)):
        (logits,) = session.run(None, {"images": images[:n]})
        np.testing.assert_allclose(logits, wanted[:n], atol=1e-4)


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"ends in \.pt2 or \.onnx"):
        export_model(made("ConvNet", "GatedDenoiser", images_of("digits")), tmp_path / "model.h5")
