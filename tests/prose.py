"""How heavy the prose of a page or a module is: words in a sentence, semicolons in a hundred sentences."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

FEWEST_WORDS = 3
"""A shorter fragment is no sentence: it must not make the others look light."""
_ABBREVIATED = "al|e[.]g|i[.]e|cf|vs|J|Theor|Comput|Sci"
"""Their full stop ends no sentence."""
_ITEM = re.compile(r"^\s*(?:[-*+]|\d+\.)\s+")


@dataclass(frozen=True)
class Prose:
    """The sentences of a text, each without code, tables, headings and targets of links.

    Attributes:
        sentences: those of `FEWEST_WORDS` words or more.
    """

    sentences: tuple[str, ...]

    @property
    def words(self) -> float:
        """The average number of words in a sentence."""
        return sum(map(count_words, self.sentences)) / max(1, len(self.sentences))

    @property
    def semicolons(self) -> float:
        """The number of semicolons in a hundred sentences."""
        return 100 * sum(each.count(";") for each in self.sentences) / max(1, len(self.sentences))

    @property
    def longest(self) -> str:
        return max(self.sentences, key=count_words, default="")


def count_words(sentence: str) -> int:
    """Count what has a letter or a digit, between blanks."""
    return sum(any(sign.isalnum() for sign in word) for word in sentence.split())


def of_page(markdown: str) -> Prose:
    """Measure a page. A paragraph and a list item end a sentence. A colon does not."""
    return _of_blocks(_blocks(markdown))


def of_module(source: str) -> Prose:
    """Measure the docstrings and the comments of a Python module."""
    return _of_blocks([*_docstrings(source), *_comments(source)])


def _of_blocks(blocks: list[str]) -> Prose:
    found = [sentence for block in blocks for sentence in _sentences(block)]
    return Prose(tuple(each for each in found if count_words(each) >= FEWEST_WORDS))


def _sentences(block: str) -> list[str]:
    text = re.sub(r"(`+)[^`].*?\1", "code", block)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"<https?:[^>]*>|https?:\S+", "link", text)
    text = re.sub(rf"\b({_ABBREVIATED})\.", r"\1", text.replace("**", ""))
    return re.split(r"(?<=[.!?])[)\"”]*\s+", " ".join(text.split()))


def _blocks(markdown: str) -> list[str]:
    """Return the paragraphs and list items, each as one text."""
    text = re.sub(r"<!--.*?-->", "", markdown, flags=re.DOTALL)
    blocks: list[str] = [""]
    fenced = False
    listed = False
    for line in text.splitlines():
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
            blocks.append("")
        elif fenced:
            continue
        elif not line.strip():
            blocks.append("")
        elif re.match(r"#+ |\||!\[[^\]]*\]\([^)]*\)$|-{3,}$", line.lstrip()):
            blocks.append("")
            listed = False
        elif _ITEM.match(line):
            blocks.append(_ITEM.sub("", line))
            listed = True
        elif line.startswith("    ") and not listed:
            continue
        else:
            listed = listed and line.startswith(" ")
            blocks[-1] += " " + line
    return blocks


def _docstrings(source: str) -> Iterator[str]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    body = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    texts = [text for node in body if (text := ast.get_docstring(node))]
    for node in ast.walk(ast.parse(source)):  # a string below a constant describes it
        if isinstance(node, (ast.Module, ast.ClassDef)):
            for before, each in zip(node.body, node.body[1:], strict=False):
                match before, each:
                    case ((ast.Assign() | ast.AnnAssign()), ast.Expr(ast.Constant(str(text)))):
                        texts.append(text)
    for text in texts:
        text = re.sub(r"^\s*(?:>>>|\.\.\.).*$", "", text, flags=re.MULTILINE)
        text = re.sub(r"^\s+(\w+): ", r"\n", text, flags=re.MULTILINE)  # an argument's name
        yield from re.split(
            r"\n\s*\n|^\s*(?:Args|Returns|Raises|Attributes|Yields):$", text, flags=re.MULTILINE
        )


def _comments(source: str) -> Iterator[str]:
    """Yield the comments; lines of their own that follow one another are one text."""
    text, last = "", -1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or re.match(r"#\s*(noqa|type:|pragma|:)", token.string):
            continue
        if text and token.start[0] != last + 1:
            yield text
            text = ""
        text += " " + token.string.lstrip("# ")
        last = token.start[0]
    yield text
