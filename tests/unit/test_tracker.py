"""Records of what made a product: what they hold, and what follows from them."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from driftloop.errors import DataError
from driftloop.files import link_file, read_json, write_json, write_text
from driftloop.trace import note_read, tracing
from driftloop.tracker.history import circumstances, find, followers, settings, trace_back
from driftloop.tracker.judge import Digests, Place, judge, settle
from driftloop.tracker.provenance import changes, make, read_made, record, source_digest

FIRST, SECOND = Path("data/first.json"), Path("results/second.json")
RECORDS = {"first": record(FIRST.parent, "first"), "second": record(SECOND.parent, "second")}


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_text(Path("params.yaml"), "seed: 0\n")
    Path("decisions").mkdir()


def run(params: dict, *, anew: bool = False) -> list[str]:
    """Run two steps, the second of which reads what the first one made; say which had work to do."""
    chain: dict[str, tuple[dict, Callable[[], None]]] = {
        "first": ({"seed": params["seed"]}, lambda: write_json(FIRST, {"rounded": params["seed"] // 10})),
        "second": ({"unit": params["unit"]}, lambda: write_json(SECOND, [read_json(FIRST), params["unit"]])),
    }
    return [
        step for step, (seen, work) in chain.items() if make(RECORDS[step], step, None, seen, work, anew=anew)
    ]


def places(params: dict) -> list[Place]:
    return [
        Place(RECORDS["first"], {"seed": params["seed"]}),
        Place(RECORDS["second"], {"unit": params["unit"]}),
    ]


def reasons(params: dict) -> dict[str, tuple[str, ...]]:
    return {each.made.step: each.reasons for each in judge(places(params), Digests())}


def times() -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (FIRST, SECOND, Path("params.yaml"))}


def test_a_record_holds_what_made_the_product() -> None:
    run({"seed": 10, "unit": "m"})
    made = read_made(RECORDS["second"])
    assert made is not None
    assert (made.step, made.params) == ("second", {"unit": "m"})
    assert list(made.inputs) == ["data/first.json"]
    assert list(made.outputs) == ["results/second.json"]
    assert len(made.outputs["results/second.json"]) == len(made.inputs["data/first.json"] or "") == 64
    assert made.code["version"]
    assert made.code["source"] == source_digest()
    assert made.hardware["cpus"] == os.cpu_count()
    assert made.seconds >= 0


def test_work_is_done_once_and_again_only_where_something_differs() -> None:
    assert run({"seed": 10, "unit": "m"}) == ["first", "second"]
    assert run({"seed": 10, "unit": "m"}) == []
    assert run({"seed": 10, "unit": "km"}) == ["second"]
    assert run({"seed": 11, "unit": "km"}) == ["first"]  # comes out the same: the second one may stay
    assert run({"seed": 20, "unit": "km"}) == ["first", "second"]
    assert run({"seed": 20, "unit": "km"}, anew=True) == ["first", "second"]


@pytest.mark.parametrize("damage", ["gone", "altered", "without a record"])
def test_what_was_tampered_with_is_made_again(damage: str) -> None:
    run({"seed": 10, "unit": "m"})
    if damage == "gone":
        SECOND.unlink()
    elif damage == "altered":
        SECOND.write_text("[]")
    else:
        RECORDS["second"].unlink()
    assert run({"seed": 10, "unit": "m"}) == ["second"]
    assert json.loads(SECOND.read_text()) == [{"rounded": 1}, "m"]


def test_work_that_fails_leaves_no_record() -> None:
    run({"seed": 10, "unit": "m"})
    with pytest.raises(ZeroDivisionError):
        make(RECORDS["first"], "first", None, {"seed": 0}, lambda: write_json(FIRST, 1 // 0))
    assert not RECORDS["first"].exists()
    assert run({"seed": 10, "unit": "m"}) == ["first"]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"step": "first"}', "\x00"])
def test_a_damaged_record_counts_for_nothing(text: str) -> None:
    run({"seed": 10, "unit": "m"})
    RECORDS["first"].write_text(text)
    assert read_made(RECORDS["first"]) is None
    assert run({"seed": 10, "unit": "m"}) == ["first"]


def test_reasons_are_given_in_words() -> None:
    run({"seed": 10, "unit": "m"})
    assert reasons({"seed": 10, "unit": "m"}) == {"first": (), "second": ()}
    found = reasons({"seed": 20, "unit": "m"})
    assert found == {"first": ("seed was 10 and is 20",), "second": ()}
    FIRST.write_text("{}")
    assert reasons({"seed": 10, "unit": "m"}) == {
        "first": ("data/first.json is not what the step left",),
        "second": ("data/first.json has changed",),
    }
    FIRST.unlink()
    assert reasons({"seed": 10, "unit": "m"})["second"] == ("data/first.json is gone",)


def test_a_lost_product_is_a_reason_also_where_nothing_reads_it() -> None:
    run({"seed": 10, "unit": "m"})
    SECOND.unlink()
    assert reasons({"seed": 10, "unit": "m"}) == {"first": (), "second": ("results/second.json is gone",)}
    assert run({"seed": 10, "unit": "m"}) == ["second"]


def test_what_lies_beside_a_lost_product_is_older_than_everything() -> None:
    def work() -> None:
        write_json(FIRST, 1)
        write_json(FIRST.with_name("beside.json"), 2)

    make(RECORDS["first"], "first", None, {}, work)
    FIRST.with_name("beside.json").unlink()
    settle([Place(RECORDS["first"], {})], Path("params.yaml"), Path("decisions"))
    assert FIRST.stat().st_mtime_ns < Path("params.yaml").stat().st_mtime_ns


def test_another_version_of_driftloop_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    run({"seed": 10, "unit": "m"})
    monkeypatch.setattr("driftloop.tracker.provenance.__version__", "99")
    made = read_made(RECORDS["first"])
    assert made is not None
    assert [each for each in changes(made, made.params, Digests()) if "this is 99" in each]


def test_times_follow_from_the_content() -> None:
    run({"seed": 10, "unit": "m"})
    os.utime(FIRST)  # newer than the second, which was made from it
    settle(places({"seed": 10, "unit": "m"}), Path("params.yaml"), Path("decisions"))
    now = times()
    assert now["first.json"] == now["second.json"] >= now["params.yaml"]
    settle(places({"seed": 10, "unit": "km"}), Path("params.yaml"), Path("decisions"))
    now = times()
    assert now["second.json"] < now["params.yaml"] <= now["first.json"]
    settle(places({"seed": 10, "unit": "m"}), Path("params.yaml"), Path("decisions"))
    assert times()["second.json"] == now["first.json"]


@pytest.fixture
def _of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no time be set of the files that are there, as of another account's."""
    theirs = {path.stat().st_ino for path in Path().rglob("*") if path.is_file()}
    set_time = os.utime

    def refuse(path: Path, *args: object, **named: object) -> None:
        if Path(path).stat().st_ino in theirs:
            raise PermissionError(1, "Operation not permitted")
        set_time(path, *args, **named)

    run({"seed": 10, "unit": "m"})
    link_file(FIRST, Path("results/linked.json"))
    os.utime(FIRST)
    theirs |= {path.stat().st_ino for path in (FIRST, SECOND)}
    monkeypatch.setattr(os, "utime", refuse)


@pytest.mark.usefixtures("_of_somebody_else")
def test_what_another_member_of_the_group_made_is_dated_as_a_copy() -> None:
    content = FIRST.read_bytes()
    known = Digests()
    names = ("data/first.json", "results/linked.json")
    before = [known(name) for name in names]
    for name in names:
        known.date(name, 10**18)
    known.save()
    assert FIRST.read_bytes() == content
    assert FIRST.samefile("results/linked.json")
    assert FIRST.stat().st_mtime_ns == 10**18
    assert read_json(Path(".driftloop/digests.json")).keys() == set(names)
    assert [Digests()(name) for name in names] == before


@pytest.mark.usefixtures("_of_somebody_else")
def test_files_of_somebody_else_in_a_folder_that_is_closed_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.raises(DataError, match=r"json is .*'s, .* write into (data|results), and cannot"):
        settle(places({"seed": 10, "unit": "m"}), Path("params.yaml"), Path("decisions"))


def test_links_into_a_cache_are_dated_with_what_they_lead_to() -> None:
    """Of an output, Snakemake asks the link's own time; of an input, the later of both."""
    run({"seed": 10, "unit": "m"})
    for place, path in enumerate((SECOND, FIRST)):
        path.rename(f"cached-{place}")
        path.symlink_to(Path(f"cached-{place}").absolute())
        os.utime(path, ns=(place, place), follow_symlinks=False)
    settle(places({"seed": 10, "unit": "m"}), Path("params.yaml"), Path("decisions"))
    dated = {each.st_mtime_ns for path in (FIRST, SECOND) for each in (path.stat(), path.lstat())}
    assert dated == {times()["first.json"]}
    assert times()["first.json"] >= times()["params.yaml"]


def test_a_changed_decision_is_no_newer_than_what_still_holds() -> None:
    run({"seed": 10, "unit": "m"})
    Path("decisions/w01.jsonl").touch()
    settle(places({"seed": 10, "unit": "m"}), Path("params.yaml"), Path("decisions"))
    assert times()["first.json"] >= Path("decisions/w01.jsonl").stat().st_mtime_ns


def test_what_no_record_vouches_for_is_older_than_everything() -> None:
    run({"seed": 10, "unit": "m"})
    RECORDS["first"].unlink()
    settle(places({"seed": 10, "unit": "m"}), Path("params.yaml"), Path("decisions"))
    assert times()["first.json"] < times()["params.yaml"] <= times()["second.json"]


def test_nothing_stays_dated_in_the_future() -> None:
    run({"seed": 10, "unit": "m"})
    ahead = time.time() + 1e5
    for path in (Path("params.yaml"), Path("decisions/w01.jsonl"), FIRST):
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.utime(path, (ahead, ahead))
    settle(places({"seed": 10, "unit": "m"}), Path("params.yaml"), Path("decisions"))
    assert max(times().values()) <= time.time_ns()
    assert times()["params.yaml"] <= times()["first.json"] == times()["second.json"]


def test_times_are_left_alone_while_a_run_is_under_way() -> None:
    run({"seed": 10, "unit": "m"})
    write_text(Path(".snakemake/locks/0.input.lock"), "")
    before = times()
    settle(places({"seed": 99, "unit": "km"}), Path("params.yaml"), Path("decisions"))
    assert times() == before


def test_a_flipped_bit_under_the_same_size_and_time_is_seen() -> None:
    run({"seed": 10, "unit": "m"})
    large, seen = Path("data/large.npy"), Digests()
    large.write_bytes(bytes(3 << 20))
    before = {path: seen(path) for path in ("data/first.json", "data/large.npy")}
    seen.save()
    for path in map(Path, before):
        kept = path.stat()
        content = bytearray(path.read_bytes())
        content[-2] ^= 1
        path.write_bytes(content)
        os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    now = Digests()
    assert all(now(path) != digest for path, digest in before.items())
    # Of large files only so much is read; what loads one looks at it.
    assert Digests(read=1 << 20)("data/large.npy") == before["data/large.npy"]
    assert Digests(read=1 << 20)("data/first.json") != before["data/first.json"]


def test_what_is_not_as_its_step_left_it_is_not_read() -> None:
    run({"seed": 10, "unit": "m"})
    FIRST.write_text('{"rounded": 2}')
    with pytest.raises(DataError, match=r"data/first\.json is not what first left.*snakemake --cores all"):
        make(RECORDS["second"], "second", None, {"unit": "km"}, lambda: write_json(SECOND, read_json(FIRST)))
    assert not RECORDS["second"].exists()
    RECORDS["first"].unlink()  # nobody vouches for it, so that a run makes it anew
    assert run({"seed": 10, "unit": "km"}) == ["first", "second"]


def nested(made: dict) -> Iterator[dict]:
    """Yield a record with each of its keys, at any depth, spelt otherwise, or with nothing behind it."""
    for key, value in made.items():
        rest = {name: each for name, each in made.items() if name != key}
        yield {**rest, f"{key}x": value}
        yield {**rest, key: None}
        if isinstance(value, dict):
            yield from ({**rest, key: each} for each in nested(value))


def test_a_record_with_one_damaged_key_counts_for_nothing() -> None:
    run({"seed": 10, "unit": "m"})
    whole = json.loads(RECORDS["first"].read_text())
    damaged = list(nested(whole))
    assert len(damaged) > 30
    for each in damaged:
        RECORDS["first"].write_text(json.dumps(each))
        found = judge(places({"seed": 10, "unit": "m"}), Digests())  # no KeyError, whatever it is
        without = {key: value for key, value in each.items() if key != "digest"}
        if (
            "digest" in each
            and each["digest"]
            and without != {k: v for k, v in whole.items() if k != "digest"}
        ):
            assert [item.made.step for item in found] == ["second"]


def test_known_digests_are_taken_only_of_files_that_kept_their_times() -> None:
    run({"seed": 10, "unit": "m"})
    first = Digests()
    before = first("data/first.json")
    first.save()
    kept = FIRST.stat()
    content = FIRST.read_bytes()
    FIRST.write_bytes(content.replace(b"1", b"2"))
    os.utime(FIRST, ns=(kept.st_atime_ns, kept.st_mtime_ns + 1))
    assert Digests()("data/first.json") != before
    assert Digests()("data/none.json") is None


def test_what_is_signed_while_files_are_read_is_newer_than_what_was_made_without_it() -> None:
    run({"seed": 10, "unit": "m"})
    ledger = Path("decisions/w01.jsonl")

    class SignedMeanwhile(list[Place]):
        def __iter__(self) -> Iterator[Place]:
            yield from super().__iter__()
            write_text(ledger, "an entry\n")

    settle(SignedMeanwhile(places({"seed": 10, "unit": "m"})), Path("params.yaml"), Path("decisions"))
    assert max(times().values()) < ledger.stat().st_mtime_ns


def test_what_was_changed_since_it_was_read_is_not_known() -> None:
    run({"seed": 10, "unit": "m"})
    known = Digests()
    before = known("data/first.json")
    with FIRST.open("a") as stream:
        stream.write(" ")
    known.save()
    assert Digests()("data/first.json") != before


def test_a_link_to_a_product_that_holds_does_not_make_it_old() -> None:
    run({"seed": 10, "unit": "m"})
    link_file(FIRST, SECOND.with_name("copy.json"))  # lies beside a record that does not vouch for it
    settle(places({"seed": 10, "unit": "m"}), Path("params.yaml"), Path("decisions"))
    assert times()["first.json"] >= times()["params.yaml"]


def test_a_product_that_is_linked_is_known_by_all_its_names() -> None:
    run({"seed": 10, "unit": "m"})
    link_file(FIRST, Path("results/linked.json"))
    known = Digests()
    names = ("data/first.json", "results/linked.json")
    before = [known(name) for name in names]
    for name in names:
        known.date(name, 10**18)
    known.save()
    assert read_json(Path(".driftloop/digests.json")).keys() == set(names)
    assert [Digests()(name) for name in names] == before


def test_a_plan_sets_times_and_nothing_else() -> None:
    run({"seed": 10, "unit": "m"})
    left = Path("results/parts/1-of-2.safetensors")
    left.parent.mkdir()
    left.write_bytes(b"scores")
    os.utime(SECOND, (1, 1))
    there = set(Path().rglob("*"))
    folders = [left.parent]
    settle(places({"seed": 10, "unit": "m"}), Path("params.yaml"), Path("decisions"), folders, keep=False)
    assert times()["second.json"] == times()["first.json"] > 1_000_000_000
    assert set(Path().rglob("*")) == there


def test_a_trace_notes_the_project_s_files_as_they_were_read(tmp_path: Path) -> None:
    write_json(Path("a.json"), 1)
    with tracing() as trace:
        read_json(Path("a.json"))
        write_json(Path("a.json"), 2)  # read before it was written: of its own making now
        link_file(Path("a.json"), Path("b.json"))
        read_json(tmp_path / "a.json")  # an absolute path is not the project's
        note_read(Path("missing.csv"), None)
        with pytest.raises(DataError):
            read_json(Path("none.json"))
    assert trace.inputs == {"missing.csv": None}
    assert trace.writes == {"a.json", "b.json"}


def test_what_stands_behind_a_product_is_told_once() -> None:
    run({"seed": 10, "unit": "m"})
    made = [each.made for each in judge(places({"seed": 10, "unit": "m"}), Digests())]
    (last,) = find("results/second.json", made)
    assert find("results", made) == [last]
    assert find("resul", made) == []
    origins = trace_back([last], made)
    assert [each.made.step for each in origins] == ["second", "first"]
    assert [dict(each.before) for each in origins] == [{"first": ("data/first.json",)}, {}]
    assert [each.step for each in followers(made[:1], made)] == ["second"]


def test_what_stands_behind_the_end_of_a_long_stream_is_told() -> None:
    run({"seed": 10, "unit": "m"})
    made = read_made(RECORDS["first"])
    assert made is not None
    chain = [
        replace(made, step="step", window=f"w{n}", inputs={f"{n - 1}.json": "0"}, outputs={f"{n}.json": "0"})
        for n in range(1, 3000)
    ]
    origins = trace_back(chain[-1:], chain)
    assert [origin.made.window for origin in origins] == [each.window for each in reversed(chain)]


def test_a_record_is_told_in_words() -> None:
    run({"seed": 10, "unit": "m"})
    made = replace(
        judge(places({"seed": 10, "unit": "m"}), Digests())[0].made,
        code={"version": "0.1.0", "revision": "8782b9bec6db" + 28 * "0"},
        hardware={"machine": "x86_64", "cpus": 2, "gpu": None},
        began="2026-11-24T11:30:52Z",
        seconds=1.257,
    )
    told = (
        "2026-11-24 11:30:52 UTC, 1.3 s; driftloop 0.1.0 (8782b9bec6db), no container image; x86_64, 2 cores"
    )
    assert circumstances(made) == told
    assert "image 0123456789ab; x86_64" in circumstances(replace(made, image="0123456789abcdef"))
    assert settings(made) == "seed=10"


def test_what_only_a_run_that_ended_too_soon_needed_goes() -> None:
    run({"seed": 10, "unit": "m"})
    left = Path("results/parts/1-of-2.safetensors")
    left.parent.mkdir()
    left.write_bytes(b"scores")
    settle(places({"seed": 10, "unit": "m"}), Path("params.yaml"), Path("decisions"), [left.parent])
    assert not left.exists()
    assert SECOND.exists()
