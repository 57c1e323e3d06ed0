"""The test on labels that arrive later."""

from __future__ import annotations

import numpy as np
import pytest

from driftloop.checker.realised import accuracy_fell

ALPHA = 0.05


def _alarms(accuracy: float, *, n: int, streams: int, labels: int) -> list[int | None]:
    generator = np.random.default_rng(0)
    return [
        accuracy_fell(
            generator.random(labels) > accuracy,
            reference_errors=int(generator.binomial(n, 0.05)),
            reference_n=n,
            alpha=ALPHA,
        ).alarmed_at
        for _ in range(streams)
    ]


@pytest.mark.parametrize("n", [50, 1000])
def test_a_model_that_is_as_good_as_ever_rarely_alarms(n: int) -> None:
    found = _alarms(0.95, n=n, streams=60, labels=200)
    assert np.mean([each is not None for each in found]) <= ALPHA


def test_a_fall_is_found() -> None:
    found = _alarms(0.85, n=1000, streams=30, labels=300)
    assert np.median([each or np.inf for each in found]) < 150


def test_two_classes_that_changed_their_names_are_found_where_the_images_are_the_same() -> None:
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    images, truth = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(truth))
    learnt, clean, late = order[:700], order[700:1200], order[1200:]
    model = LogisticRegression(max_iter=50, C=0.1).fit(images[learnt] / 16, truth[learnt])
    said = model.predict(images / 16)
    swapped = np.select([truth == 3, truth == 8], [8, 3], truth)
    reference = {"reference_errors": int((said != truth)[clean].sum()), "reference_n": len(clean)}
    assert accuracy_fell((said != truth)[late], **reference).alarmed_at is None
    assert (accuracy_fell((said != swapped)[late], **reference).alarmed_at or 600) < 100


def test_an_alarm_stays_whatever_comes_after_it() -> None:
    stream = np.arange(2000) < 40
    result = accuracy_fell(stream, reference_errors=50, reference_n=1000)
    assert result.alarmed_at is not None
    assert result.p_value <= ALPHA
    assert result.accuracy == pytest.approx(0.98)


@pytest.mark.parametrize(
    ("wrong", "errors", "n", "alpha"),
    [([], 1, 10, 0.05), ([True], 11, 10, 0.05), ([True], 0, 0, 0.05), ([True], 1, 10, 1.0)],
)
def test_what_cannot_be_is_refused(wrong: list[bool], errors: int, n: int, alpha: float) -> None:
    with pytest.raises(ValueError, match=r"label|cannot be|alpha"):
        accuracy_fell(wrong, reference_errors=errors, reference_n=n, alpha=alpha)


def test_a_model_that_was_always_wrong_cannot_fall() -> None:
    assert accuracy_fell([True] * 50, reference_errors=10, reference_n=10).alarmed_at is None
