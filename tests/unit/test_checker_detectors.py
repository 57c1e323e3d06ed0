"""One contract for every detector, and the folder that keeps a fitted one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from driftloop.checker.check import check_window
from driftloop.checker.detector import rows
from driftloop.checker.fitted import CLEAN, FittedDetector, add_kind, fit_detector, make_detector
from driftloop.checker.neighbours import NearestNeighbours
from driftloop.checker.spaces import view_all
from driftloop.checker.store import load_detector, save_detector
from driftloop.errors import ModelError, ParameterError

PACKAGE = "driftloop.checker"
DETECTORS = [
    {"_target_": f"{PACKAGE}.neighbours.NearestNeighbours"},
    {"_target_": f"{PACKAGE}.neighbours.NearestNeighbours", "space": "directions", "k": 1, "limit": 100},
    {"_target_": f"{PACKAGE}.mahalanobis.Mahalanobis"},
    {"_target_": f"{PACKAGE}.mahalanobis.Mahalanobis", "relative": True},
    {"_target_": f"{PACKAGE}.mahalanobis.Mahalanobis", "space": "pixels", "classes": False},
    {"_target_": f"{PACKAGE}.softmax.SoftmaxConfidence"},
    {"_target_": f"{PACKAGE}.softmax.Energy"},
    {"_target_": f"{PACKAGE}.autoencoder.Autoencoder", "epochs": 10},
    {"_target_": f"{PACKAGE}.combined.Combined"},
]
every_detector = pytest.mark.parametrize(
    "spec", DETECTORS, ids=lambda spec: "-".join(map(str, spec.values()))
)


@every_detector
def test_far_samples_score_higher(spec, make_features):
    detector = make_detector(spec)
    state = detector.fit(make_features(400, seed=1), np.random.default_rng(0))
    clean = detector.score(state, make_features(200, seed=2))
    far = detector.score(state, make_features(200, seed=3, noise=1.0))
    assert clean.dtype == np.float64
    assert clean.shape == (200,)
    assert np.isfinite(clean).all()
    assert np.mean(far[:, None] > clean) > 0.8


@every_detector
def test_a_score_depends_on_its_sample_alone(spec, make_features):
    detector = make_detector(spec)
    state = detector.fit(make_features(300, seed=1), np.random.default_rng(0))
    window = make_features(700, seed=2, noise=0.3)
    whole = detector.score(state, window)
    order = np.random.default_rng(4).permutation(700)
    parts = [detector.score(state, rows(window, part)) for part in np.split(order, [1, 4, 90, 433])]
    np.testing.assert_array_equal(np.concatenate(parts), whole[order])


@every_detector
def test_fitting_again_gives_the_same_bytes(spec, make_features):
    states = [make_detector(spec).fit(make_features(300, seed=1), np.random.default_rng(7)) for _ in range(2)]
    assert {name: array.tobytes() for name, array in states[0].items()} == {
        name: array.tobytes() for name, array in states[1].items()
    }


@every_detector
def test_a_stored_detector_says_the_same(spec, make_features, tmp_path: Path):
    fitted = fit_detector(make_features(300, seed=1), make_features(200, seed=2), spec=spec)
    fitted = add_kind(fitted, "w02", make_features(80, seed=5, noise=0.6))
    window = make_features(60, seed=3, noise=0.5)
    digest = save_detector(tmp_path, fitted)
    report, again = (check_window(each, window, draws=199) for each in (fitted, load_detector(tmp_path)))
    assert report.digest == again.digest
    for name, column in report.samples.arrays().items():
        np.testing.assert_array_equal(column, again.samples.arrays()[name])
    assert save_detector(tmp_path, fitted) == digest


@pytest.fixture
def folder(make_features, tmp_path: Path) -> Path:
    spec = {"_target_": f"{PACKAGE}.softmax.Energy"}
    save_detector(tmp_path, fit_detector(make_features(40, seed=1), make_features(40, seed=2), spec=spec))
    return tmp_path


def test_altered_arrays_are_refused(folder: Path):
    path = folder / "detector.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    with pytest.raises(ModelError, match="digests differ"):
        load_detector(folder)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("detector", {"_target_": "os.system", "command": "true"}, "os.system, which is none of"),
        ("detector", {"_target_": "collections.Counter"}, "collections.Counter, which is none of"),
        ("detector", {"_target_": f"{PACKAGE}.softmax.Energy", "tempreature": 2}, "takes no tempreature"),
        ("format", 99, "format is 99"),
        ("kinds", ["clean", "w02"], "no usable detector folder"),
        ("sha256", "0" * 64, "digests differ"),
    ],
)
def test_a_tampered_description_is_refused(folder: Path, field, value, message):
    path = folder / "detector.json"
    meta = json.loads(path.read_text())
    path.write_text(json.dumps(meta | {field: value}))
    with pytest.raises(ModelError, match=message):
        load_detector(folder)


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(ModelError, match=r"nowhere is no detector folder"):
        load_detector(tmp_path / "nowhere")


def test_an_unknown_space_is_answered_with_the_list(make_features):
    with pytest.raises(ParameterError, match="one of embeddings, directions"):
        fit_detector(
            make_features(40, seed=1),
            make_features(40, seed=2),
            spec={"_target_": f"{PACKAGE}.mahalanobis.Mahalanobis", "space": "embedings"},
        )


def test_clean_is_the_first_kind(make_features):
    fitted: FittedDetector = fit_detector(make_features(40, seed=1), make_features(40, seed=2))
    assert [kind.name for kind in fitted.kinds] == [CLEAN]


def test_neighbours_are_the_true_nearest(make_features):
    from driftloop.checker.neighbours import NearestNeighbours

    reference, window = make_features(300, seed=1), make_features(30, seed=2)
    detector = NearestNeighbours(k=4)
    distances, index = detector.nearest(detector.fit(reference, np.random.default_rng(0)), window)
    gaps = np.linalg.norm(
        window.embeddings[:, None].astype(np.float64) - reference.embeddings.astype(np.float64), axis=2
    )
    np.testing.assert_array_equal(index, np.argsort(gaps, axis=1)[:, :4])
    np.testing.assert_allclose(distances, np.sort(gaps, axis=1)[:, :4], rtol=1e-5)


@pytest.mark.parametrize("space", ["embeddings", "edges"])
def test_the_neighbours_are_the_nearest_of_the_whole_reference(space, make_features):
    reference, window = make_features(600, seed=1), make_features(90, seed=2, noise=0.3)
    detector = NearestNeighbours(k=5, space=space)
    state = detector.fit(reference, np.random.default_rng(0))
    distances, places = detector.nearest(state, window)
    gaps = np.linalg.norm(view_all(window, space)[:, None] - state["vectors"], axis=2)
    np.testing.assert_allclose(distances, np.sort(gaps, axis=1)[:, :5], rtol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(gaps, places, 1), distances, rtol=1e-5)
