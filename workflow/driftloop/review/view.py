"""What the screens are drawn from, and for: the material, the questions, the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from driftloop.printable import printable
from driftloop.review.grid import Layout, lay_out
from driftloop.review.ledger import Entry
from driftloop.review.material import Material
from driftloop.review.pen import Pen, clip
from driftloop.review.state import Questions


@dataclass(frozen=True)
class View:
    """What does not change from key to key: the material, the questions, the terminal."""

    material: Material
    entries: Sequence[Entry]
    questions: Questions
    pen: Pen
    columns: int
    rows: int

    @property
    def body_rows(self) -> int:
        """Rows between the header and the two lines at the foot."""
        return self.rows - 3 - bool(self.legend)

    @property
    def legend(self) -> str:
        """Digits and the classes that they stand for. Long names are cut until it fits."""
        classes = tuple(map(printable, self.questions.classes))
        if not self.questions.numbered:
            return ""
        for longest in range(max(3, *map(cell_len, classes)), 2, -1):
            names = [name if cell_len(name) <= longest else clip(name, longest) for name in classes]
            text = " " + "  ".join(f"{digit} {name}" for digit, name in enumerate(names))
            if cell_len(text) <= self.columns:
                return text
        return text

    @property
    def layout(self) -> Layout:
        """The grid of samples on this screen."""
        shape = self.material.images.shape[1:]
        return lay_out(len(self.material.picks), shape, self.body_rows, self.columns)
