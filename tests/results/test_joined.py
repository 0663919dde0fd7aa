"""Several heads on the tables of one sweep: claims, news, and heads that die or wake up late."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from platform import node
from typing import Any
from unittest import mock

import pytest
from light_sweep import light_spec
from store_rows import VARIANTS, all_answers, failure, histories, plan_rows, trial

from scalegrid.results import Store, load_sweep, read_stored
from scalegrid.results import heads as module
from scalegrid.results.heads import Heads
from scalegrid.results.joined import JoinedStore
from scalegrid.util.errors import UserError

SPEC = light_spec("results", name="s", depth_rounding="round")
Row = dict[str, Any]


def begin(store: Store) -> None:
    store.start(SPEC, plan_rows(), "data")


def add(store: Store, *rows: Row) -> None:
    store.add(rows, histories(rows), all_answers(rows))


@contextmanager
def head(folder: Path) -> Iterator[JoinedStore]:
    with Heads(folder) as heads, JoinedStore(heads) as store:
        begin(store)
        yield store


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[list[JoinedStore]]:
    """Two heads of one sweep."""
    with ExitStack() as stack:
        yield [stack.enter_context(head(tmp_path / "s")) for _ in range(2)]


def news(store: JoinedStore) -> list[str]:
    with store.turn() as found:
        return [row["trial"] for row, _ in found]


def claim(store: JoinedStore, row: Row) -> bool:
    with store.turn():
        return store.claim(row["trial"])


def stored(folder: Path) -> list[str]:
    found = read_stored(folder)
    assert found is not None
    trials: list[str] = found.trials["trial"].to_pylist()
    return trials


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_claimed_trial_is_not_given_to_another_until_it_is_given_back(
    stores: list[JoinedStore],
) -> None:
    one, two = stores
    row = trial(VARIANTS[0], 0)
    assert claim(one, row)
    assert claim(one, row)
    assert not claim(two, row)
    with one.leaving() as last:
        assert not last
    assert claim(two, row)
    with two.leaving() as last:
        assert last


@pytest.mark.parametrize("every", [0.0, 1000.0])  # seconds between tables: all at once, or late
def test_what_one_stores_is_news_to_the_other_once(
    stores: list[JoinedStore], every: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = stores
    monkeypatch.setattr(JoinedStore, "every", every)
    rows = [trial(VARIANTS[i % 3], i // 3, top1=i / 12) for i in range(9)]
    heard = []
    for i, row in enumerate(rows):
        add(stores[i % 2], row)
        if i % 4 == 1:
            heard += news(two)
    assert sorted(heard + news(two)) == sorted(row["trial"] for row in rows[::2])
    assert sorted(news(one)) == sorted(row["trial"] for row in rows[1::2])
    assert news(one) == news(two) == []
    assert sorted(stored(one.folder)) == sorted(row["trial"] for row in rows)


def test_news_say_which_images_were_right(stores: list[JoinedStore]) -> None:
    one, two = stores
    rows = [trial(VARIANTS[0], 0, top1=0.25), failure(VARIANTS[1], 0)]
    add(one, *rows)
    with two.turn() as found:
        assert [row["trial"] for row, _ in found] == [row["trial"] for row in rows]
        flags = [flags for _, flags in found]
    assert flags[0] is not None
    assert (len(flags[0]), flags[0].sum(), flags[1]) == (12, 3, None)


def test_the_tables_are_those_of_one_process(tmp_path: Path, stores: list[JoinedStore]) -> None:
    rows = [trial(VARIANTS[i % 3], i // 3, top1=i / 12) for i in range(12)]
    with Store(tmp_path / "alone") as store:
        begin(store)
        add(store, *rows)
    for i, row in enumerate(rows):
        add(stores[i % 3 == 0], row)
    for store in stores:
        with store.leaving():
            pass
    assert left(tmp_path / "s") == left(tmp_path / "alone")
    for name in ("variants", "trials", "history", "answers"):
        files = [tmp_path / one / f"{name}.parquet" for one in ("s", "alone")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_a_head_that_sleeps_longer_than_its_lease_stores_nothing_twice(
    stores: list[JoinedStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeper, other = stores
    row, late = trial(VARIANTS[0], 0), trial(VARIANTS[0], 0, top1=0.75)
    assert claim(sleeper, row)
    assert not claim(other, row)
    monkeypatch.setattr(module, "LEASE", 0.0)
    assert claim(other, row)
    monkeypatch.undo()
    add(other, row)
    add(sleeper, late, trial(VARIANTS[1], 0))
    assert news(sleeper) == []  # it has told its own
    assert news(other) == [f"{VARIANTS[1]}-0"]
    tables = load_sweep("s", sleeper.folder.parent)
    assert tables.trials["top1"].tolist() == [0.5, 0.5]
    assert not claim(other, trial(VARIANTS[1], 0))


def write_head(folder: Path, claims: list[str], **changes: Any) -> None:
    """The file of a head on another machine."""
    where = {"host": "elsewhere", "space": "", "pid": 1, "workers": 2, "beat": 1}
    (folder / ".head-0").write_text(json.dumps({**where, "claims": claims, **changes}))


def test_a_head_elsewhere_is_dead_when_its_file_stays_the_same(tmp_path: Path) -> None:
    row = trial(VARIANTS[0], 0)
    with head(tmp_path) as store:
        for beat in range(3):
            write_head(tmp_path, [row["trial"]], beat=beat)
            with mock.patch("time.monotonic", return_value=50.0 * beat):
                assert not claim(store, row)
                assert store.elsewhere == 2
        with mock.patch("time.monotonic", return_value=150.0):
            assert not claim(store, row)
        with mock.patch("time.monotonic", return_value=161.0):
            assert claim(store, row)
        assert store.elsewhere == 0
        assert ".head-0" not in left(tmp_path)


def test_a_file_that_is_replaced_as_it_is_read_says_what_the_new_one_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_head(tmp_path, ["t"])
    read, stale = Path.read_bytes, [OSError(errno.ESTALE, os.strerror(errno.ESTALE))]

    def once_stale(path: Path) -> bytes:
        if stale:
            raise stale.pop()
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", once_stale)
    heads = Heads(tmp_path)
    heads.look()
    assert not stale
    assert [other.claims for other in heads.others] == [("t",)]


def test_a_head_here_whose_process_has_ended_is_dead_at_once(tmp_path: Path) -> None:
    row = trial(VARIANTS[0], 0)
    with head(tmp_path) as store:
        (own,) = tmp_path.glob(".head-*")
        here = json.loads(own.read_text()) | {"pid": ended_process(), "claims": [row["trial"]]}
        write_head(tmp_path, **here)
        (tmp_path / ".head-0.status").touch()
        assert claim(store, row)
        assert left(tmp_path) & {".head-0", ".head-0.status"} == set()


def test_a_first_head_that_sleeps_as_it_starts_hears_what_others_have_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = trial(VARIANTS[0], 0)
    with Heads(tmp_path / "s") as first, JoinedStore(first) as late:
        with monkeypatch.context() as patch:
            patch.setattr(module, "LEASE", 0.0)
            with head(tmp_path / "s") as other:
                add(other, row)
        begin(late)
        assert news(late) == [row["trial"]]
        assert not claim(late, row)
    assert stored(tmp_path / "s") == [row["trial"]]


def test_what_a_dead_head_has_half_written_to_the_journal_goes(
    stores: list[JoinedStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JoinedStore, "every", 1000.0)
    one, two = stores
    rows = [trial(VARIANTS[i % 3], i // 3) for i in range(4)]
    for row in rows[:2]:
        add(one, row)
    (journal,) = one.folder.glob("journal-*")
    whole = journal.read_bytes()
    journal.write_bytes(whole + whole[:100])
    assert sorted(news(two)) == sorted(row["trial"] for row in rows[:2])
    add(two, rows[2])
    add(one, rows[3])
    assert news(one) == [rows[2]["trial"]]
    assert sorted(stored(one.folder)) == sorted(row["trial"] for row in rows)


def test_a_killed_trial_of_before_is_made_again_and_once(tmp_path: Path) -> None:
    killed = failure(VARIANTS[0], 0, "worker killed by signal 9")
    again = trial(VARIANTS[0], 0, finished_at=killed["finished_at"].replace(year=2021))
    with Store(tmp_path) as store:
        begin(store)
        add(store, killed, trial(VARIANTS[1], 0))
    with head(tmp_path) as one, head(tmp_path) as two:
        assert news(one) == news(two) == []
        assert claim(one, killed)
        assert not claim(one, trial(VARIANTS[1], 0))
        add(one, again)
        assert news(two) == [killed["trial"]]
        assert not claim(two, killed)
    found = read_stored(tmp_path)
    assert found is not None
    assert found.trials["status"].to_pylist() == ["finished"] * 2


def test_who_joins_and_who_does_not_are_told_of_each_other(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        begin(store)
        with (
            mock.patch.object(module, "_ALONE", 0.1),
            pytest.raises(
                UserError,
                match=r"in use by another process; wait for it, or stop it and start it again",
            ),
            Heads(tmp_path / "s"),
        ):
            pass
        with pytest.raises(UserError, match=r"all started with --join share a sweep\.$"):
            Store(tmp_path / "s").__enter__()
    with head(tmp_path / "s") as joined:
        with pytest.raises(UserError, match=f"process {os.getpid()} on .* add --join to work"):
            Store(tmp_path / "s").__enter__()
        assert claim(joined, trial(VARIANTS[0], 0))  # the lock has been given back
    with Store(tmp_path / "s"):
        pass


def test_a_process_without_join_waits_until_it_knows_of_heads_elsewhere(tmp_path: Path) -> None:
    write_head(tmp_path, [])
    with (
        mock.patch.object(module, "_POLL", 0.0),
        mock.patch.object(module, "LEASE", 0.2),
        Store(tmp_path),
    ):
        assert left(tmp_path) == {".lock"}


def test_an_interruption_of_that_wait_gives_the_lock_back(tmp_path: Path) -> None:
    with (
        mock.patch.object(Heads, "known_to_live", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
        Store(tmp_path),
    ):
        pass
    with Store(tmp_path):
        pass


def test_the_second_waits_for_the_start_and_takes_over_if_the_first_fails(tmp_path: Path) -> None:
    said: list[str] = []
    first = Heads(tmp_path / "s")

    def end(note: str) -> None:
        said.append(note)
        first.depart()

    with first:
        assert first.leads
        with Heads(tmp_path / "s", end) as second:
            assert second.leads
    assert said == [f"Waiting for process {os.getpid()} on {node()}, which starts the sweep."]
    assert not list(tmp_path.glob("*/*"))


def test_where_there_are_no_locks_a_link_is_one_and_one_left_behind_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_locks(monkeypatch)
    with head(tmp_path) as one, head(tmp_path) as two:
        add(one, trial(VARIANTS[0], 0))
        assert news(two) == [f"{VARIANTS[0]}-0"]
        assert claim(one, trial(VARIANTS[1], 0))
        assert not claim(two, trial(VARIANTS[1], 0))
        monkeypatch.setattr(module, "_ALONE", 0.05)
        monkeypatch.setattr(module, "PATIENCE", 0.05)
        os.symlink("elsewhere 7", tmp_path / ".lock.held")
        with pytest.raises(UserError, match=r"process 7 on elsewhere \(if that has ended, delete"):
            add(two, trial(VARIANTS[2], 0))
        (tmp_path / ".lock.held").unlink()
        add(two, trial(VARIANTS[2], 0))
    assert left(tmp_path) & {".lock.held"} == set()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write to .*Not a directory; choose"):
        Heads(tmp_path / "file" / "s").__enter__()
