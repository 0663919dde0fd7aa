"""Damaged files of searches, and settings that cannot be: a sentence each, and nothing written."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from light_search import light_spec, run_light
from light_sweep import light_spec as sweep_spec
from light_sweep import run_light_sweep

from scalegrid.progress.display import Silence
from scalegrid.search.run import run_search
from scalegrid.search.space import read_space
from scalegrid.search.spec import read_spec
from scalegrid.search.tables import load_search
from scalegrid.util.errors import UserError

NAME = "s"


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a search that was stopped in its race, and its space."""
    folder = tmp_path_factory.mktemp("searched")
    run_light(light_spec(folder, trials=4, finalists=2), 6)
    return folder


@pytest.fixture
def folder(searched: Path, tmp_path: Path) -> Path:
    shutil.copytree(searched, tmp_path, dirs_exist_ok=True)
    return tmp_path


def edited(table: str, column: str, value: Any) -> Callable[[Path], object]:
    """Sets the first row of a column."""

    def edit(folder: Path) -> None:
        path = folder / f"{table}.parquet"
        read = pq.read_table(path)
        at = read.schema.get_field_index(column)
        kind = read.schema.field(at)
        values = [value, *read[column].to_pylist()[1:]]
        pq.write_table(read.set_column(at, kind, pa.array(values, kind.type)), path)

    return edit


def removed(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def written(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (removed("networks.parquet"), "networks.parquet is missing or damaged"),
        (removed("trials.parquet"), "trials.parquet is missing, though there are epochs of 6"),
        (removed("history.parquet"), "history.parquet has 0 epochs of trial"),
        (removed("search.yaml"), "holds trials but no search.yaml"),
        (written("search.yaml", "name: s\n"), "search.yaml has no part 'search'"),
        (written("networks.parquet", "junk"), "networks.parquet: it is damaged or no parquet"),
        (edited("networks", "point", "{"), "networks.parquet has a broken row of"),
        (edited("networks", "point", "3"), "networks.parquet has a broken row of"),
        (edited("networks", "point", '{"9.kernel": 3}'), "that is none of"),
        (edited("networks", "definition", "{}"), "networks.parquet has a broken row of"),
        (edited("networks", "cost", 0.0), "networks.parquet has a broken row of"),
        (edited("networks", "number", 3), "networks.parquet has a broken row of"),
        (edited("trials", "top1", 7.0), "trials.parquet has top1 7 for"),
        (edited("trials", "variant", "abc"), "has trials of variant abc"),
    ],
)
def test_damaged_files_are_named(
    folder: Path, damage: Callable[[Path], object], words: str
) -> None:
    own = folder / "results" / NAME
    damage(own)
    before = {path.name: path.read_bytes() for path in own.iterdir()}
    with pytest.raises(UserError) as error:
        run_light(light_spec(folder, trials=4, finalists=2))
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert {path.name: path.read_bytes() for path in own.iterdir()} == before


def test_damage_is_named_to_readers_as_well(folder: Path) -> None:
    edited("networks", "cost", 0.0)(folder / "results" / NAME)
    with pytest.raises(UserError, match="broken row"):
        load_search(NAME, folder / "results")


def test_a_space_that_is_called_otherwise_is_the_same(folder: Path) -> None:
    spec = light_spec(folder, trials=4, finalists=2)
    moved = folder / "moved.yaml"
    shutil.move(spec.space, moved)
    assert run_light(spec.model_copy(update={"space": str(moved)}), 0).exit_status == 130


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"finalists": 5, "race_trials": 4}, "a race of 5 finalists takes a training of each"),
        ({"window": (1.0, 1.0)}, "that were suggested none has from"),
    ],
)
def test_what_would_come_to_nothing_is_refused(
    tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    with (
        mock.patch("scalegrid.search.sampling.ATTEMPTS", 60),
        pytest.raises(UserError) as error,
    ):
        run_light(light_spec(tmp_path, **settings))
    assert words in str(error.value)
    assert not (tmp_path / "results").exists()


def test_a_sweep_does_not_go_into_the_folder_of_a_search(folder: Path) -> None:
    with pytest.raises(UserError, match="holds a search for a baseline; choose another --name"):
        run_light_sweep(sweep_spec(folder / "results", name=NAME))


def test_channels_beyond_those_of_block_strings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.yaml"
    path.write_text(
        "resolution: 8\nstages:\n  - {channels: 9999, layers: 1, stride: 1, filters: 20}\n"
    )
    with pytest.raises(UserError, match=r"wide.yaml: stage 1: 199,984 channels are too many"):
        read_space(str(path))


def test_keys_of_the_part_search_are_given_once(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("search:\n  trials: 3\n  searcher: tpe\n  trials: 4\n")
    with pytest.raises(UserError, match="line 4: trials is given twice"):
        read_spec(path, {})


class Notes(Silence):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_stopped_before_its_first_trial_a_search_says_so(tmp_path: Path) -> None:
    display = Notes()
    with mock.patch("scalegrid.search.run.open_data", side_effect=KeyboardInterrupt):
        outcome = run_search(light_spec(tmp_path), display=display)
    assert outcome.exit_status == 130
    assert display.notes == ["Interrupted before the first trial; run the same command to go on."]
    assert not (tmp_path / "results").exists()
