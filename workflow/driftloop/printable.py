"""Makes foreign text printable: names, reasons, paths and messages that came out of files.

A terminal obeys control characters of any source. They can clear the screen, change its title, hide or forge
lines. Unicode has more of that kind, which turn the direction of writing or break lines.
"""

from __future__ import annotations

import unicodedata

_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
_KEPT = frozenset(("\u200d", "\u200c"))
"""Joiners within emoji and within words of some scripts."""


def printable(text: str, *, lines: bool = False) -> str:
    r"""Return text with every character that a terminal would obey written out as Python writes it.

    Args:
        text: from anywhere.
        lines: whether line breaks and tabs stay, as in a message of several lines.

    >>> printable("two\x1b]0;OWNED\x07")
    'two\\x1b]0;OWNED\\x07'
    >>> printable("a\nb"), printable("a\nb", lines=True)
    ('a\\nb', 'a\nb')
    """
    if text.isprintable():  # nearly always, and quick
        return text
    return "".join(each if _is_plain(each, lines) else _escaped(each) for each in text)


_FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for the beginning of a formula."""


def cell(text: str) -> str:
    """Return text as a cell of CSV: no terminal obeys it, and no spreadsheet takes it for a formula.

    >>> cell("=1+1"), cell("a.png")
    ("'=1+1", 'a.png')
    """
    shown = printable(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def _is_plain(character: str, lines: bool) -> bool:
    if lines and character in "\n\t":
        return True
    return character in _KEPT or unicodedata.category(character) not in _CATEGORIES


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
