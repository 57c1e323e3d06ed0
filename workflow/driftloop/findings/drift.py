"""`drift.json`: what the check says of a window. People's answers are bound to its digest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from driftloop import layout
from driftloop.estimate import Estimate, widened
from driftloop.findings.product import MAY_LACK, Product


@dataclass(frozen=True)
class Move:
    """How a property of a window stands to what is known.

    Attributes:
        name: of the property.
        effect: how much more often a sample of the window has more of it than a calibration sample of its
            class, than less of it; in [-1, 1], 0 where nothing has moved (the rank-biserial correlation).
        standard: the rank sum behind it, in standard deviations: 2 and less is chance.
        few: the same of the sum of logarithms, which a few far samples move. Above 0 where they have more of
            it, below where less. 0 where several kinds are known.
    """

    name: str
    effect: float
    standard: float
    few: float


@dataclass(frozen=True)
class LabelShift:
    """Predicted classes of a window against those of the calibration.

    Attributes:
        p_value: that they come in the calibration's proportions; in [1 / (draws + 1), 1].
        distance: total variation between the proportions, in [0, 1]: the share of the window that is of
            other classes than it would be. Small windows differ by chance. Read it with the p-value.
        grown: the class whose share has grown most: its name, or its number where it was given none.
        share: its share of the window.
        usual: its share of the calibration.
    """

    p_value: float
    distance: float
    grown: str
    share: float
    usual: float


@dataclass(frozen=True)
class StreamTest:
    """What the latest windows say together.

    Attributes:
        windows: how many of them show it best.
        p_value: that none of the windows since the last alarm has drifted. Valid at each window.
        alpha: level of the test.
        drifted: p_value <= alpha.
    """

    windows: int
    p_value: float
    alpha: float
    drifted: bool


@dataclass(frozen=True)
class Pick:
    """A sample to show.

    Attributes:
        index: its place in the window.
        random: drawn at random from the whole window, so that what is learnt from these picks alone holds
            for the window; else chosen because it is strange.
        nearest: places in the reference of its nearest samples there, nearest first.
    """

    index: int
    random: bool
    nearest: tuple[int, ...] = ()


@dataclass(frozen=True)
class Drift(Product):
    """What the check found in a window.

    Attributes:
        window: its name. Empty where it was given none.
        n: samples in the window.
        statistic: of the samples' novelty, see `RankTest`.
        p_value: that samples of known kinds and classes, in any mixture, are as strange, and together have
            moved as far; at every n, never 0. Where a frozen feed is less likely, its own (`Copies.chance`).
        alpha: level of the test.
        drifted: p_value <= alpha, or the stream has drifted.
        stream: what the windows since the last alarm say together with this one. None where this is the
            first of them, or has drifted by itself.
        novel_share: how large the drift is: the share of samples that no known kind explains, with its
            95 % limits.
        moves: how far each property of the images, such as their brightness, has moved as a whole.
        estimated_accuracy: of the classifier on this window, without labels, with its 95 % limits. None if
            nothing taught it.
        known_as: the repaired drift that this window shows again. None where clean data explain it, or
            nothing does.
        label_shift: whether the predicted classes come in the calibration's proportions. How novel the
            samples are does not matter to it, nor it to the p-value.
        kinds: names of the known kinds.
        kind_shares: the share of samples that fit each of them best.
        picks: samples worth a person's time.
        copies: how many samples are copies of others, to the pixel. Tests and estimates count each picture
            once.
        frozen: how often a picture comes that a frozen feed sent. The tests count each of its copies. 0 where
            there is none.
        seed: of the draws and the picks.
    """

    window: str
    n: int
    statistic: float
    p_value: float
    alpha: float
    drifted: bool
    stream: StreamTest | None
    novel_share: Estimate
    moves: tuple[Move, ...]
    estimated_accuracy: Estimate | None
    known_as: str | None
    label_shift: LabelShift
    kinds: tuple[str, ...]
    kind_shares: tuple[float, ...]
    picks: tuple[Pick, ...]
    copies: int = field(default=0, metadata=MAY_LACK)
    frozen: int = field(default=0, metadata=MAY_LACK)
    seed: int = 0

    @classmethod
    def of(cls, window: str) -> Self:
        """Read that of a window. Raises DataError where it is missing or damaged."""
        return cls.read(layout.drift(window))

    def to_json(self) -> dict[str, Any]:
        """Return `drift.json`. Numbers have nine digits.

        Their last bits depend on how many processors took part. Answers hold for the very report that a
        reviewer saw. So another machine's rounding must not ask anybody again.
        """
        facts: dict[str, Any] = _rounded(super().to_json())
        if not self.copies:  # reports of windows without copies stay what they were before these were told
            del facts["copies"], facts["frozen"]
        return facts

    @property
    def alarm(self) -> tuple[float, float, int | None]:
        """P-value and level of the test that decided, and how many windows it took together."""
        if self.stream and self.stream.drifted:
            return self.stream.p_value, self.stream.alpha, self.stream.windows
        return self.p_value, self.alpha, None

    @property
    def accuracy(self) -> Estimate | None:
        """The incumbent's estimated accuracy as it is told: with limits that allow for novel samples."""
        return self.estimated_accuracy and widened(self.estimated_accuracy, self.novel_share)

    @property
    def picked(self) -> dict[int, bool]:
        """The samples that the check picked, and whether each was drawn at random."""
        return {pick.index: pick.random for pick in self.picks}


_MORE_OR_LESS = {
    "brightness": ("brighter", "darker"),
    "contrast": ("richer in contrast", "poorer in contrast"),
    "saturation": ("more colourful", "paler"),
    "sharpness": ("sharper", "softer"),
    "grain": ("grainier", "smoother"),
}
_BEYOND_CHANCE = 3.0
"""Standard deviations from which a property is said to have moved."""


def moved(moves: tuple[Move, ...]) -> list[tuple[str, str]]:
    """Return how a window's images have moved together: how many are so beside usual images, and how.

    The surest three come, the surest first; none where nothing is beyond chance. Where a few have moved far,
    and the others have not, they are called some.

    >>> moved((Move("brightness", -0.5, 4.0, -3.5), Move("grain", 0.8, 7.0, 6.0),
    ...        Move("contrast", 0.1, 1.0, -5.0)))
    [('90%', 'grainier'), ('some', 'much poorer in contrast'), ('75%', 'darker')]
    """
    told = []
    for each in moves:
        more_or_less = _MORE_OR_LESS[each.name]
        if each.standard >= _BEYOND_CHANCE:
            many = f"{(1 + abs(each.effect)) / 2:.0%}"
            told.append((each.standard, many, more_or_less[each.effect < 0]))
        elif abs(each.few) >= _BEYOND_CHANCE:
            told.append((abs(each.few), "some", f"much {more_or_less[each.few < 0]}"))
    return [(many, how) for _, many, how in sorted(told, key=lambda each: -each[0])[:3]]


def _rounded(value: Any) -> Any:
    """Return plain values with every number in nine digits."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value
