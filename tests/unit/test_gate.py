import json
from dataclasses import asdict

import numpy as np
import pytest
from scipy import stats

from driftloop.errors import DriftloopError, ParameterError
from driftloop.improver.comparison import compare
from driftloop.improver.evidence import Evidence, gather
from driftloop.improver.gate import Evaluation, choose, judge
from driftloop.improver.paired import gain_interval
from driftloop.improver.reviewed import Reviewed, part
from driftloop.improver.tally import UNTOLD, count_draws

CLEAN = np.ones(5000, bool)
ALPHA, MARGIN = 0.02, 0.005


CLEAN_KEPT = compare(CLEAN, CLEAN, ALPHA)


def pair(better: int, worse: int, both: int, neither: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Incumbent's and candidate's answers with so many samples of each kind; the true class is always 1."""
    counts = [better, worse, both, neither]
    return np.repeat([0, 1, 1, 0], counts), np.repeat([1, 0, 1, 0], counts)


def judged(
    found: Evidence, asked: dict[int, int] | None = None, *, clean=CLEAN_KEPT, earlier=None, margin=MARGIN
) -> Evaluation:
    asked = asked or {}
    return judge(
        found.compare(asked, ALPHA), clean, earlier, tally=found.tally(asked), alpha=ALPHA, margin=margin
    )


def verdict(*counts: int, rows: np.ndarray | None = None, **how) -> Evaluation:
    """What the gate says with all samples labelled, or those at `rows`, drawn at random."""
    incumbent, candidate = pair(*counts)
    rows = np.arange(len(incumbent)) if rows is None else rows
    picks = dict.fromkeys(rows.tolist(), True)
    reviewed = Reviewed(rows, np.ones(len(rows), np.int64))
    return judged(gather(reviewed, picks, np.zeros(0, np.int64), incumbent, candidate, 0), **how)


def evidence(
    incumbent: np.ndarray,
    candidate: np.ndarray,
    seed: int,
    *,
    learns: bool,
    drawn: int = 24,
    strange: int = 24,
    skipped: int = 0,
) -> Evidence:
    """A review of so many samples drawn at random and of the first ones, the strangest; class 1 is true.

    What learns has learnt from the strange ones; the last few of these are left without a label.
    """
    n = len(incumbent)
    chosen = np.random.default_rng([seed, 1]).choice(n, drawn, replace=False)
    strangest = np.setdiff1d(np.arange(n), chosen)[:strange]
    picks = {int(i): False for i in strangest} | {int(i): True for i in chosen}
    labelled = np.array(sorted(picks.keys() - set(strangest[strange - skipped :].tolist())))
    reviewed = Reviewed(labelled, np.ones(len(labelled), np.int64))
    learnt = strangest if learns else np.zeros(0, np.int64)
    return gather(reviewed, picks, learnt, incumbent, candidate, seed)


def labelled_on(
    candidates: dict[str, Evidence], answered: float = 1, most: int = 100
) -> tuple[dict[str, Evaluation], str | None]:
    """Label what the gate asks for, as long as it asks; so much of it can be told."""
    asked: dict[int, int] = {}
    rng = np.random.default_rng(len(candidates))
    while True:
        found, winner = choose(
            {name: judged(each, asked) for name, each in candidates.items()},
            {name: each.tally(asked) for name, each in candidates.items()},
        )
        new = [each.ask(found[name].more_labels, asked) for name, each in candidates.items()]
        wanted = np.unique(np.concatenate(new))
        if not len(wanted) or len(asked) >= most:
            return found, winner
        asked |= {int(index): 1 if rng.random() < answered else UNTOLD for index in wanted}


def goes_through(
    rng: np.random.Generator, better: float, worse: float, *, rivals: int = 1, learns: bool = False
) -> bool:
    """Send candidates of such worth through the gate at a window of 500."""
    incumbent = (rng.random(500) < 0.8).astype(np.int64)
    differs = np.where(incumbent == 1, worse / 0.8, better / 0.2)
    seed = int(rng.integers(2**31))
    candidates = {
        str(name): evidence(
            incumbent,
            np.where(rng.random(500) < differs, 1 - incumbent, incumbent),
            seed,
            learns=learns,
        )
        for name in range(rivals)
    }
    return labelled_on(candidates)[1] is not None


@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_a_candidate_no_better_is_rarely_promoted(rate):
    rng = np.random.default_rng(0)
    assert np.mean([goes_through(rng, rate, rate) for _ in range(150)]) <= 2 * ALPHA


def test_trying_several_worthless_candidates_does_not_help():
    rng = np.random.default_rng(4)
    assert np.mean([goes_through(rng, 0.1, 0.1, rivals=4) for _ in range(25)]) <= 2.5 * ALPHA


def test_a_candidate_five_points_better_is_found():
    rng = np.random.default_rng(1)
    assert np.mean([goes_through(rng, 0.06, 0.01) for _ in range(100)]) >= 0.9


@pytest.mark.parametrize("gain", [-0.006, 0.0, 0.03])
def test_the_interval_misses_the_true_gain_no_more_often_than_alpha_says(gain):
    rng = np.random.default_rng(2)
    n, alpha, worse = 400, 0.05, 0.02
    low_misses = high_misses = 0
    for _ in range(1000):
        b, c = rng.multinomial(n, [worse + gain, worse, 1 - 2 * worse - gain])[:2]
        low, high = gain_interval(b, c, n, alpha)
        low_misses += low > gain
        high_misses += high < gain
    # Binomial noise of 1,000 trials around 0.05 has a deviation of 0.007.
    assert 0.02 < low_misses / 1000 < 0.075
    assert 0.02 < high_misses / 1000 < 0.075


def test_an_interval_of_no_confidence_is_a_point():
    assert gain_interval(0, 0, 5000, 0.4999) == pytest.approx((0, 0), abs=1e-6)
    assert gain_interval(30, 10, 100, 0.5) == pytest.approx((0.2, 0.2), abs=1e-6)


def test_the_interval_is_where_the_likelihood_says():
    """The ends satisfy the definition, with the nuisance rate found by brute force."""
    b, c, n, alpha = 9, 3, 80, 0.05
    for end, sign in zip(gain_interval(b, c, n, alpha), (1, -1), strict=True):
        rates = np.linspace(max(0, -end), (1 - end) / 2, 200_001)[1:-1]
        likelihood = b * np.log(rates + end) + c * np.log(rates) + (n - b - c) * np.log1p(-2 * rates - end)
        rate = rates[likelihood.argmax()]
        score = (b - c - n * end) / np.sqrt(n * (2 * rate + end - end**2))
        assert sign * score == pytest.approx(stats.norm.isf(alpha), abs=1e-3)


def test_a_loss_on_clean_data_beyond_the_margin_rejects():
    fallen = CLEAN.copy()
    fallen[:40] = False
    clean = compare(CLEAN, fallen, ALPHA)
    assert not verdict(30, 0, 10, clean=clean).promote
    assert "the incumbent alone 40 (-0.80 points)" in verdict(30, 0, 10, clean=clean).sentence
    assert verdict(30, 0, 10, clean=clean).more_labels == 0
    assert verdict(30, 0, 10, clean=clean, margin=0.02).promote


def test_few_clean_samples_cannot_show_that_nothing_is_lost():
    found = verdict(30, 0, 10, clean=compare(CLEAN[:50], CLEAN[:50], ALPHA))
    assert not found.promote
    assert "cannot be ruled out" in found.sentence


def test_unlearning_a_drift_repaired_before_rejects():
    lost = CLEAN.copy()
    lost[:200] = False
    assert verdict(30, 0, 10, earlier={"w02": CLEAN_KEPT}).promote
    found = verdict(30, 0, 10, earlier={"w02": compare(CLEAN, lost, ALPHA)})
    assert not found.promote
    assert "unlearns w02" in found.sentence


def test_nothing_to_judge_on_is_no_reason_to_promote():
    found = verdict(30, 0, 10, rows=np.zeros(0, np.int64))
    assert not found.promote
    assert found.drift.candidate_accuracy is None
    assert 0 < found.more_labels <= 30
    assert "of 30 samples on which the two disagree, none that may judge has a label" in found.sentence
    json.dumps(asdict(found), allow_nan=False)


def test_few_labels_speak_for_the_whole_window():
    """A tenth of each kind labelled gives the accuracies that all labels give."""
    whole, tenth = (
        verdict(60, 20, 300, 20, rows=rows).drift for rows in (np.arange(400), np.arange(0, 400, 10))
    )
    assert (whole.incumbent_accuracy, whole.candidate_accuracy) == (0.8, 0.9)
    assert tenth.incumbent_accuracy == pytest.approx(0.8)
    assert tenth.candidate_accuracy == pytest.approx(0.9)
    assert tenth.gain == pytest.approx(0.1)
    assert (tenth.disagreements, tenth.labelled_disagreements) == (80, 8)
    assert tenth.low < whole.low < 0.1 < whole.high < tenth.high


def test_where_the_two_never_differ_nothing_is_asked():
    found = verdict(0, 0, 30, 10)
    assert not found.promote
    assert not found.more_labels
    assert "as the incumbent does" in found.sentence


def breaking(rng: np.random.Generator, broken: int, mended: int) -> tuple[np.ndarray, np.ndarray]:
    """Answers of which the candidate's fail the strangest samples, and mend others."""
    incumbent, candidate = np.ones(500, np.int64), np.ones(500, np.int64)
    candidate[:broken] = 0
    incumbent[rng.choice(np.arange(broken, 500), mended, replace=False)] = 0
    return incumbent, candidate


@pytest.mark.parametrize("learns", [False, True])
def test_what_breaks_the_strange_samples_and_mends_as_many_others_is_not_promoted(learns):
    rng = np.random.default_rng(5)
    won = [
        labelled_on({"it": evidence(*breaking(rng, 40, 40), seed, learns=learns)})[1] for seed in range(100)
    ]
    assert sum(each is not None for each in won) <= 2


def test_what_is_asked_for_is_a_random_part_of_all_disagreements_outside_the_slice():
    incumbent, candidate = pair(60, 40, 300)
    drawn, possible = np.zeros(400), np.zeros(400)
    for seed in range(400):
        found = evidence(incumbent, candidate, seed, learns=False)
        rest = found.draw[~np.isin(found.draw, found.judging.index)]
        assert np.array_equal(found.draw[: -len(rest) or None], found.draw[~np.isin(found.draw, rest)])
        drawn[rest[:30]] += 1
        possible[rest] += 30 / len(rest)
        asked = found.ask(30, {})
        assert np.array_equal(asked, rest[~np.isin(rest, found.known.index)][:30])
    assert not drawn[100:].any()
    assert abs(drawn[:100] - possible[:100]).max() < 4 * np.sqrt(possible[:100].max())


def test_what_it_learnt_from_may_only_speak_against_it():
    incumbent, candidate = pair(30, 10, 460)
    order = np.r_[0:12, 30:35, 12:30, 35:500]  # among the strangest 17 it wins 12 and loses 5
    found = evidence(incumbent[order], candidate[order], 0, learns=True, drawn=0, strange=17)
    assert sorted(found.draw) == list(range(12, 40))
    drift = found.compare(dict.fromkeys(found.ask(28, {}).tolist(), 1), ALPHA)
    assert (drift.better, drift.worse, drift.held_against) == (18, 5, 5)
    # What it gains is told of the samples that it has not learnt from.
    assert drift.window == 500 - 17
    assert drift.gain == pytest.approx(13 / 483)


def test_copies_of_what_it_learnt_from_do_not_judge_it():
    """Of a window that was sent five times it has learnt 24 pictures by heart, and nothing else."""
    picture = np.tile(np.arange(100), 5)
    first = np.arange(100)
    incumbent = np.zeros(500, np.int64)
    candidate = (picture < 24).astype(np.int64)  # class 1 is true
    picks = {int(i): i >= 24 for i in range(48)}
    reviewed = Reviewed(np.arange(48), np.ones(48, np.int64))
    parts = part(reviewed, picks, 500, first, answers=incumbent)
    assert not set(picture[parts.unlabelled]) & {int(picture[i]) for i in picks}
    learnt = np.union1d(parts.taught.index, parts.unlabelled)
    found = gather(reviewed, picks, learnt, incumbent, candidate, 0, first)
    assert not len(found.draw)
    assert choose({"retrain": judged(found)}, {"retrain": found.tally()})[1] is None
    # Without copies it is the draw that it was.
    same = [gather(reviewed, picks, learnt, incumbent, candidate, 0, each) for each in (None, np.arange(500))]
    assert np.array_equal(same[0].draw, same[1].draw)
    assert np.array_equal(same[0].order, same[1].order)


@pytest.mark.parametrize("breaks", ["the strangest", "others"])
@pytest.mark.parametrize("skipped", [0, 12, 24])
def test_leaving_samples_out_of_the_review_or_unanswered_does_not_help(breaks, skipped):
    """The candidate fails the strangest and mends others, or the other way round; half is not answered."""
    rng = np.random.default_rng(6)
    won = 0
    for seed in range(100):
        incumbent, candidate = breaking(rng, 24, 24)
        if breaks == "others":
            incumbent, candidate = candidate, incumbent
        found = evidence(incumbent, candidate, seed, learns=False, skipped=skipped)
        won += labelled_on({"it": found}, answered=0.5, most=60)[1] is not None
    assert won <= 3


@pytest.mark.parametrize("learns", [False, True])
def test_leaving_random_samples_out_of_the_review_does_not_help(learns):
    """Of the slice, what the candidate loses is left out or nobody can tell: it is missing, and no chance."""
    incumbent, candidate = pair(60, 120, 320)
    for seed in range(20):
        whole = evidence(incumbent, candidate, seed, learns=learns, drawn=60)
        lost = np.setdiff1d(whole.judging.index, np.flatnonzero(candidate != 1))
        kept = Reviewed(lost, np.ones_like(lost))
        picks = dict.fromkeys(whole.judging.index.tolist(), True)
        partial = gather(kept, picks, whole.learnt, incumbent, candidate, seed)
        found = judged(partial)
        assert (found.drift.worse, found.drift.held_against) == (0, judged(whole).drift.worse)
        assert not found.promote


def test_a_window_of_which_random_samples_alone_are_labelled_judges_a_filter_by_them():
    incumbent, candidate = pair(60, 0, 340)
    picks = {index: index % 8 == 0 for index in range(0, 400, 4)}
    labelled = np.array([index for index, random in picks.items() if random])
    reviewed = Reviewed(labelled, np.ones(len(labelled), np.int64))
    found = gather(reviewed, picks, np.zeros(0, np.int64), incumbent, candidate, 0)
    assert np.array_equal(found.judging.index, labelled)
    # What was retrained has learnt from them, as there are no others.
    assert not len(gather(reviewed, picks, labelled, incumbent, candidate, 0).judging)


def test_nothing_is_asked_where_too_little_is_left_to_show_anything():
    few, enough = (evidence(*pair(wins, 0, 500 - wins), 0, learns=False, strange=0) for wins in (4, 12))
    assert not judged(few).more_labels
    assert "it shows no gain here" in judged(few).sentence
    assert judged(enough).more_labels


def test_known_losses_leave_too_little_to_ask_for():
    rng = np.random.default_rng(7)
    assert not judged(evidence(*breaking(rng, 15, 12), 0, learns=False)).more_labels
    assert judged(evidence(*breaking(rng, 0, 12), 0, learns=False)).more_labels


def test_labelling_goes_on_where_it_was_left_and_a_label_never_hurts():
    """Answers in any portions come to the same, and what was open counted as lost."""
    incumbent, candidate = pair(40, 14, 446)
    found = evidence(incumbent, candidate, 3, learns=False)
    at_once = found.ask(54, {}).tolist()
    everything = judged(found, dict.fromkeys(at_once, 1))
    asked: dict[int, int] = {}
    last = 1.0
    while len(wanted := found.ask(7, asked)):
        asked |= dict.fromkeys(wanted.tolist(), 1)
        now = judged(found, asked)
        assert now.p_value <= last
        last = now.p_value
    assert list(asked) == at_once
    assert now.p_value == everything.p_value


def test_of_several_candidates_the_one_that_gains_most_is_promoted():
    counts = {"filter": (30, 0, 10), "retrain": (20, 0, 10, 10), "none": (0, 0, 40)}
    verdicts, winner = choose(
        {name: verdict(*each) for name, each in counts.items()},
        dict.fromkeys(counts, count_draws(*np.zeros((3, 0), np.int64))),
    )
    assert winner == "filter"
    assert [name for name, found in verdicts.items() if found.promote] == ["filter"]
    assert "filter gains more" in verdicts["retrain"].sentence
    assert not any(found.more_labels for found in verdicts.values())


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(DriftloopError, match="same samples"):
        compare(CLEAN, CLEAN[1:], ALPHA)
    found = evidence(*pair(1, 0, 1), 0, learns=False, drawn=1, strange=1)
    with pytest.raises(ParameterError, match="alpha is 2"):
        judge(found.compare({}, ALPHA), CLEAN_KEPT, tally=found.tally(), alpha=2, margin=MARGIN)
    with pytest.raises(DriftloopError, match="no clean samples"):
        verdict(1, 0, 1, clean=compare(CLEAN[:0], CLEAN[:0], ALPHA))


def test_where_all_labels_teach_the_accuracies_follow_from_the_random_ones():
    rng = np.random.default_rng(3)
    before, after = [], []
    for seed in range(40):
        kind = rng.choice(4, 400, p=[0.3, 0.02, 0.63, 0.05])  # only the candidate, only the incumbent, both
        incumbent, candidate = np.isin(kind, (1, 2)).astype(int), np.isin(kind, (0, 2)).astype(int)
        picks = {i: i >= 48 for i in range(96)}
        reviewed = Reviewed(np.arange(96), np.ones(96, np.int64))
        found = gather(reviewed, picks, np.arange(96), incumbent, candidate, seed)
        asked = dict.fromkeys(found.ask(30, {}).tolist(), 1)
        drift = found.compare(asked, ALPHA)
        before.append(drift.incumbent_accuracy)
        after.append(drift.candidate_accuracy)
        assert found.compare({}, ALPHA).candidate_accuracy is None
    assert np.mean(before) == pytest.approx(0.65, abs=0.03)
    assert np.mean(after) == pytest.approx(0.93, abs=0.03)
    assert max(after) < 1
