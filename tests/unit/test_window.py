"""Windows of the stream: their own slices of the pool, reproducible, with the answers apart."""

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftloop.corruptions import corrupt as corrupt_suite
from driftloop.data.answers import load_answers, save_answers
from driftloop.data.dataset import Dataset
from driftloop.data.window import Window, WindowSpec, draw_window, window_indices
from driftloop.errors import DataError, ParameterError

mnist_c = partial(corrupt_suite, suite="mnist_c")


def invert(
    images: npt.NDArray[np.uint8], *, corruption: str, severity: int | None, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    return 255 - images


@pytest.fixture
def pool() -> Dataset:
    """100 images whose first pixel is their position and whose other pixels are real noise."""
    images = np.random.default_rng(0).integers(0, 256, (100, 8, 8, 1), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(100)
    return Dataset(images, np.arange(100, dtype=np.int64) % 10, "toy", tuple("0123456789"))


def draw(pool: Dataset, spec: WindowSpec, *before: int, seed: int = 0, population: int = 20) -> Window:
    return draw_window(pool, spec, before=before, population=population, corrupt=invert, seed=seed)


@given(
    usable=st.integers(1, 60),
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=12),
    seed=st.integers(0, 99),
)
def test_no_image_comes_twice_before_all_have_come_as_far_as_they_fit(
    usable: int, sizes: list[int], seed: int
) -> None:
    sizes = [min(size, usable) for size in sizes]
    seen: set[int] = set()
    wrapped_before = False
    for last in range(len(sizes)):
        index, wrapped = window_indices(usable, sizes[: last + 1], seed)
        assert len(index) == len(set(index)) == sizes[last]
        assert index.min() >= 0
        assert index.max() < usable
        if not wrapped:
            assert not seen & set(index)
        elif not wrapped_before:
            assert len(seen) + sizes[last] > usable
        seen |= set(index)
        wrapped_before = wrapped


def test_a_used_up_pool_starts_again_in_a_fresh_order() -> None:
    first, _ = window_indices(50, [50], seed=0)
    second, wrapped = window_indices(50, [50, 50], seed=0)
    third, _ = window_indices(50, [50, 50, 50], seed=0)
    assert wrapped
    np.testing.assert_array_equal(np.sort(second), first)
    assert not np.array_equal(second, first)
    assert not np.array_equal(second, third)


def test_windows_follow_one_another_and_never_show_the_population(pool: Dataset) -> None:
    shown = [draw(pool, WindowSpec(n), *before).images[:, 0, 0, 0] for n, before in ((30, ()), (25, (30,)))]
    np.testing.assert_array_equal(np.concatenate(shown), np.arange(55))
    wrapped = [draw(pool, WindowSpec(30), *[30] * k) for k in range(8)]
    assert max(window.images[:, 0, 0, 0].max() for window in wrapped) < 80
    assert [window.answers.wrapped for window in wrapped[:4]] == [False, False, True, True]
    np.testing.assert_array_equal(wrapped[0].population, pool.images[80:])
    np.testing.assert_array_equal(wrapped[0].answers.population_labels, pool.labels[80:])


def test_only_the_share_is_corrupted_and_the_mask_says_which(pool: Dataset) -> None:
    window = draw(pool, WindowSpec(40, "negative", share=0.3), 10)
    clean = pool.images[10:50]
    mask = window.answers.corrupted
    assert mask.sum() == 12
    np.testing.assert_array_equal(window.images[mask], 255 - clean[mask])
    np.testing.assert_array_equal(window.images[~mask], clean[~mask])
    np.testing.assert_array_equal(window.answers.labels, pool.labels[10:50])
    rest = pool.images[80:]
    hurt = (window.population != rest).any(axis=(1, 2, 3))
    assert hurt.sum() == 6
    np.testing.assert_array_equal(window.population[hurt], 255 - rest[hurt])


def test_the_pool_is_left_as_it_was(pool: Dataset) -> None:
    before = pool.images.copy()
    window = draw(pool, WindowSpec(80, "negative", share=0.5))
    window.images[:] = 0
    np.testing.assert_array_equal(pool.images, before)


def test_clean_windows_and_empty_shares_are_untouched(pool: Dataset) -> None:
    for spec in (WindowSpec(20), WindowSpec(20, "negative", share=0.0), WindowSpec(20, share=0.5)):
        window = draw(pool, spec)
        np.testing.assert_array_equal(window.images, pool.images[:20])
        assert not window.answers.corrupted.any()
        assert window.answers.share == 0


def test_real_corruptions_are_reproducible_and_differ_between_windows(pool: Dataset) -> None:
    spec = WindowSpec(20, "shot_noise", severity=3)
    draw_real = partial(draw_window, pool, spec, population=20, corrupt=mnist_c)
    one, again = draw_real(before=[20], seed=5), draw_real(before=[20], seed=5)
    np.testing.assert_array_equal(one.images, again.images)
    np.testing.assert_array_equal(one.population, again.population)
    other_seed, later = draw_real(before=[20], seed=6), draw_real(before=[10, 10], seed=5)
    assert not np.array_equal(one.images, other_seed.images)
    assert not np.array_equal(one.images, later.images)  # the same slice, but another window: other noise
    np.testing.assert_array_equal(one.answers.labels, later.answers.labels)


def test_what_earlier_windows_went_through_does_not_matter(pool: Dataset) -> None:
    # Only their sizes are an argument; a window's images stand apart from whether they were drawn at all.
    alone = draw(pool, WindowSpec(10, "negative", share=0.5), 30)
    draw(pool, WindowSpec(30, "negative"))
    np.testing.assert_array_equal(draw(pool, WindowSpec(10, "negative", share=0.5), 30).images, alone.images)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"n": 0}, "n is 0"),
        ({"n": 5, "share": 1.5}, "share is 1.5"),
        ({"n": 5, "share": float("nan")}, "share is nan"),
        ({"n": 5, "severity": 6}, "severity is 6"),
    ],
)
def test_impossible_windows_are_refused(spec: dict[str, float], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        WindowSpec(**spec)  # type: ignore[arg-type]


def test_a_pool_that_is_too_small_or_unlabelled_is_refused(pool: Dataset) -> None:
    with pytest.raises(ParameterError, match="n is 81, but the production pool has 80"):
        draw(pool, WindowSpec(81))
    with pytest.raises(ParameterError, match="population is 100"):
        draw(pool, WindowSpec(1), population=100)
    with pytest.raises(DataError, match="labels"):
        draw(Dataset(pool.images, None, "toy", pool.classes), WindowSpec(1))


def test_a_corruption_that_changes_the_form_is_refused(pool: Dataset) -> None:
    def floats(images: npt.NDArray[np.uint8], **_: object) -> npt.NDArray[np.uint8]:
        return images / 255  # type: ignore[return-value]

    with pytest.raises(DataError, match="float64"):
        draw_window(pool, WindowSpec(5, "x"), before=[], population=0, corrupt=floats, seed=0)


def test_answers_come_back_from_the_disk(pool: Dataset, tmp_path: Path) -> None:
    answers = draw(pool, WindowSpec(40, "negative", 2, share=0.3)).answers
    save_answers(tmp_path / "w02", answers)
    read = load_answers(tmp_path / "w02")
    np.testing.assert_array_equal(read.labels, answers.labels)
    np.testing.assert_array_equal(read.corrupted, answers.corrupted)
    np.testing.assert_array_equal(read.population_labels, answers.population_labels)
    assert (read.corruption, read.severity, read.share, read.wrapped) == ("negative", 2, 0.3, False)


def test_damaged_answers_are_refused(pool: Dataset, tmp_path: Path) -> None:
    save_answers(tmp_path, draw(pool, WindowSpec(40)).answers)
    np.save(tmp_path / "corrupted.npy", np.zeros(39, dtype=bool))
    with pytest.raises(DataError, match="do not belong together"):
        load_answers(tmp_path)
    (tmp_path / "answers.json").write_text('{"corruption": 5}')
    with pytest.raises(DataError, match="must have corruption, severity"):
        load_answers(tmp_path)
