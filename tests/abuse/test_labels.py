"""Labels for a review, and lists of labelled pictures: what is wrong is named by its line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.abuse.conftest import Command, refused

# {0}, {1}: samples that were shown; {x}: one that was not.
REFUSED: dict[str, str | bytes] = {
    "empty": "",
    "blank lines": "\n\n\n",
    "only a header": "index,label\n",
    "no header": "{0},3\n",
    "other header": "sample,label\n{0},3\n",
    "columns swapped": "label,index\n3,{0}\n",
    "semicolons": "index;label\n{0};3\n",
    "tabs": "index\tlabel\n{0}\t3\n",
    "three columns": "index,label\n{0},3,sure\n",
    "one column": "index,label\n{0}\n",
    "twice": "index,label\n{0},3\n{0},4\n",
    "not shown": "index,label\n{x},3\n",
    "outside the window": "index,label\n99999,3\n",
    "negative": "index,label\n-1,3\n",
    "fraction": "index,label\n1.5,3\n",
    "exponent": "index,label\n1e0,3\n",
    "hexadecimal": "index,label\n0x1,3\n",
    "huge": "index,label\n" + "9" * 5000 + ",3\n",
    "a word": "index,label\nfirst,3\n",
    "no index": "index,label\n,3\n",
    "no label": "index,label\n{0},\n",
    "no class": "index,label\n{0},cat\n",
    "another case": "index,label\n{0},Three\n",
    "formula": 'index,label\n{0},"=cmd()"\n',
    "open quote": 'index,label\n{0},"3\n',
    "line in a label": 'index,label\n{0},"3\n4"\n',
    "nul": "index,label\n{0},\0\n",
    "latin-1": "index,label\n{0},é\n".encode("latin-1"),
    "utf-16": "index,label\n{0},3\n".encode("utf-16"),
    "binary": bytes(range(256)),
    "a very long field": "index,label\n{0}," + "3" * 200_000 + "\n",
}
TAKEN = {
    "a byte order mark": "\ufeffindex,label\n{0},3\n",
    "carriage returns": "index,label\r\n{0},3\r\n",
    "spaces": " index , label \n {0} , 3 \n",
    "blank lines between": "index,label\n\n{0},3\n\n{1},4\n",
    "unsure": "index,label\n{0},(unsure)\n{1},3\n",
}


def shown(driftloop: Command) -> list[int]:
    outcome = driftloop("review", "w01", "--json")
    return [sample["index"] for sample in json.loads(outcome.said)["samples"]]


def answer(driftloop: Command, content: str | bytes, path: Path = Path("labels.csv")):
    asked = shown(driftloop)
    other = next(each for each in range(40) if each not in asked)
    if isinstance(content, str):
        content = content.replace("{0}", str(asked[0])).replace("{1}", str(asked[1]))
        content = content.replace("{x}", str(other)).encode()
    path.write_bytes(content)
    given = ("--decision", "retrain", "--diagnosis", "impulse_noise", "--reviewer", "Ada", "--labels", path)
    return driftloop("review", "w01", *given)


@pytest.mark.parametrize("case", REFUSED)
def test_labels_that_are_wrong_are_refused_and_nothing_is_written(
    case: str, project: Path, driftloop: Command
) -> None:
    refused(answer(driftloop, REFUSED[case]))
    assert not list(Path("decisions").glob("w01.jsonl")) or not Path("decisions/w01.jsonl").read_text()


@pytest.mark.parametrize("case", TAKEN)
def test_labels_that_are_odd_but_clear_are_taken(case: str, project: Path, driftloop: Command) -> None:
    outcome = answer(driftloop, TAKEN[case])
    assert outcome.status == 0, outcome.said
    assert len(Path("decisions/w01.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("path", ["", "nowhere.csv", "decisions", "/dev/null"])
def test_labels_that_are_no_file_are_refused(path: str, project: Path, driftloop: Command) -> None:
    given = ("--decision", "retrain", "--diagnosis", "impulse_noise", "--reviewer", "Ada", "--labels", path)
    refused(driftloop("review", "w01", *given))


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--decision", "repair"), "repair"),
        (("--decision", ""), "decision"),
        (("--decision", "filter", "--diagnosis", "aliens"), "aliens"),
        (("--decision", "retrain", "--diagnosis", "fog"), "label"),
        (("--diagnosis", "fog"), "--decision"),
        (("--reason", "because"), "--decision"),
        (("--decision", "keep", "--verdict", "v.json"), "--verdict"),
        (("--export", "picture.unknown"), "picture.unknown"),
        (("--export", "no/such/folder/x"), "no/such/folder/x"),
        (("--verdict", "v.json"), "driftloop review w01"),
        ((), "driftloop review w01"),
    ],
)
def test_answers_that_do_not_hold_together(
    arguments: tuple[str, ...], word: str, project: Path, driftloop: Command
) -> None:
    refused(driftloop("review", "w01", *arguments), word)


PICTURES = 240
LISTS: dict[str, tuple[str, str | bytes, str]] = {
    "climbing": ("l.csv", "path,label\n../../../../etc/passwd,a\n", "line 2"),
    "climbing in the middle": ("l.csv", "path,label\npics/../../x.png,a\n", "line 2"),
    "absolute": ("l.csv", "path,label\n/etc/passwd,a\n", "line 2"),
    "through a link": ("l.csv", "path,label\nout/passwd,a\n", "line 2"),
    "nul": ("l.csv", "path,label\npics/0\0.png,a\n", "line 2"),
    "no path column": ("l.csv", "name,label\npics/0.png,a\n", "path"),
    "no label column": ("l.csv", "path,kind\npics/0.png,a\n", "label"),
    "ragged": ("l.csv", "path,label\npics/0.png\n", "line 2"),
    "empty label": ("l.csv", "path,label\npics/0.png,\n", "label"),
    "empty path": ("l.csv", "path,label\n,a\n", "path"),
    "two labels": ("l.csv", "path,label\npics/0.png,a\npics/0.png,b\n", "further up"),
    "two labels by two names": ("l.csv", "path,label\npics/0.png,a\n./pics/0.png,b\n", "further up"),
    "empty": ("l.csv", "", "names no picture"),
    "only a header": ("l.csv", "path,label\n", "names no picture"),
    "latin-1": ("l.csv", "path,label\npics/é.png,a\n".encode("latin-1"), "UTF-8"),
    "open quote": ("l.csv", 'path,label\n"pics/0.png,a\n', "line 2"),
    "missing pictures": ("l.csv", "path,label\n" + "".join(f"gone/{i}.png,{i % 2}\n" for i in range(300)), "gone"),
    "one class": ("l.csv", "path,label\n" + "".join(f"pics/{i}.png,a\n" for i in range(PICTURES)), "one class"),
    "too few": ("l.csv", "path,label\npics/0.png,a\npics/1.png,b\n", "200"),
    "no json": ("l.jsonl", "{path: pics/0.png}\n", "line 1"),
    "a list": ("l.jsonl", '["pics/0.png", "a"]\n', "line 1"),
    "null label": ("l.jsonl", '{"path": "pics/0.png", "label": null}\n', "label"),
    "boolean label": ("l.jsonl", '{"path": "pics/0.png", "label": true}\n', "label"),
    "nested label": ("l.jsonl", '{"path": "pics/0.png", "label": ["a"]}\n', "label"),
    "nested deep": ("l.jsonl", '{"path": ' + "[" * 100_000 + "\n", "line 1"),
    "path is a folder": ("l.jsonl", "".join(f'{{"path": "pics", "label": "{i}"}}\n' for i in range(1)), "pics"),
}  # fmt: skip


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pics").mkdir()
    rng = np.random.default_rng(0)
    for index in range(PICTURES):
        image = Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8))
        image.save(tmp_path / "pics" / f"{index}.png")
    (tmp_path / "out").symlink_to("/etc")
    return tmp_path


@pytest.mark.parametrize("case", LISTS)
def test_lists_that_are_wrong_make_no_project(case: str, pictures: Path, driftloop: Command) -> None:
    name, content, word = LISTS[case]
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    refused(driftloop("init", "new", "--images", name), word)
    assert not Path("new").exists()


@pytest.mark.parametrize(
    "lines",
    [
        "\ufeffpath,label\n{}",
        "FILE,Class\n{}",
        "label,path\n{swapped}",
        "path,label,note\n{noted}",
    ],
)
def test_lists_that_are_odd_but_clear_make_one(lines: str, pictures: Path, driftloop: Command) -> None:
    rows = [(f"pics/{i}.png", "ab"[i % 2]) for i in range(PICTURES)]
    text = lines.replace("{}", "".join(f"{path},{label}\n" for path, label in rows))
    text = text.replace("{swapped}", "".join(f"{label},{path}\n" for path, label in rows))
    text = text.replace("{noted}", "".join(f"{path},{label},x\n" for path, label in rows))
    Path("l.csv").write_text(text, encoding="utf-8")
    outcome = driftloop("init", "new", "--images", "l.csv")
    assert outcome.status == 0, outcome.said
    assert Path("new/params.yaml").exists()
