"""A Rich console that a terminal obeys only where driftloop means it to: foreign text is made printable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from driftloop.printable import printable


class PlainConsole(Console):
    """A console whose texts, whoever wrote them, are shown and never obeyed. Markup is text as well."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"highlight": False, "markup": False, "emoji": False, **options})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render something, a text as `printable` has it. Every part of a table comes through here."""
        if isinstance(renderable, str):
            renderable = printable(renderable, lines=True)
        elif isinstance(renderable, Text) and not renderable.plain.isprintable():
            shown = printable(renderable.plain, lines=True)
            if shown != renderable.plain:
                renderable = Text(shown, renderable.style)
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(printable(segment.text, lines=True), segment.style)
