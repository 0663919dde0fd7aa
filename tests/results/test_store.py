from __future__ import annotations

import math
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from light_sweep import light_spec
from store_rows import VARIANTS, all_answers, answers, epochs, failure, histories, plan_rows, trial

from scalegrid.results import Store, load_sweep, read_stored, sweep_folder
from scalegrid.results import store as module
from scalegrid.results.schema import VARIANTS as VARIANTS_SCHEMA
from scalegrid.results.schema import make_table, write_table
from scalegrid.spec import SweepSpec
from scalegrid.util.errors import UserError

SPEC = light_spec("results", name="s", depth_rounding="round")


def start(store: Store, spec: SweepSpec, variants: list[dict[str, Any]], data: str) -> None:
    """Start a sweep, or go on with one where that is allowed."""
    if store.stored is not None:
        store.stored.check(spec, variants[0]["variant"], data)
    store.start(spec, variants, data)


def fill(folder: Path, rows: list[dict[str, Any]], **changes: Any) -> None:
    """Store trials one by one, in the order given."""
    with Store(folder) as store:
        start(store, SPEC.model_copy(update=changes), plan_rows(), "data")
        for row in rows:
            store.add([row], histories([row]), all_answers([row]))


def parquet_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def test_a_sweep_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = [trial("v000", 0), failure("v001", 0), trial("v002", 0)]
    fill(tmp_path / "s", rows)
    tables = load_sweep("s", tmp_path)
    assert tables.folder == tmp_path / "s"
    assert tables.spec["batch_size"] == SPEC.batch_size
    assert list(tables.variants["variant"]) == list(VARIANTS)
    assert list(tables.variants["order"]) == [0, 1, 2]
    assert list(tables.trials["status"]) == ["finished", "failed", "finished"]
    assert tables.trials["top1"].isna().tolist() == [False, True, False]
    assert tables.trials.loc[1, "error"] == "the loss became nan in epoch 2"
    assert list(tables.history["trial"]) == ["v000-0"] * 2 + ["v002-0"] * 2
    assert str(tables.trials["finished_at"].dtype) == "datetime64[us, UTC]"


@settings(max_examples=12, deadline=None)
@given(st.permutations([(v, s) for v in VARIANTS for s in range(2)]), st.integers(1, 3))
def test_the_files_do_not_depend_on_the_order_of_the_trials(
    tmp_path_factory: pytest.TempPathFactory, order: list[tuple[str, int]], batch: int
) -> None:
    folder = tmp_path_factory.mktemp("results")
    with Store(folder / "sorted") as store:
        store.start(SPEC, plan_rows(), "data")
        rows = [trial(v, s) for v, s in sorted(order)]
        store.add(rows, histories(rows), all_answers(rows))
    with Store(folder / "shuffled") as store:
        store.start(SPEC, plan_rows(), "data")
        rows = [trial(v, s) for v, s in order]
        for start in range(0, len(rows), batch):
            some = rows[start : start + batch]
            store.add(some, histories(some[::-1]), all_answers(some[::-1]))
    assert parquet_bytes(folder / "shuffled") == parquet_bytes(folder / "sorted")


def test_going_on_gives_the_files_of_an_undisturbed_run(tmp_path: Path) -> None:
    rows = [trial(v, s) for v in VARIANTS for s in range(2)]
    random.Random(0).shuffle(rows)
    fill(tmp_path / "whole", rows)
    for row in rows:  # a process for each
        fill(tmp_path / "parts", [row])
    assert parquet_bytes(tmp_path / "parts") == parquet_bytes(tmp_path / "whole")


def test_nothing_is_rewritten_when_nothing_changes(tmp_path: Path) -> None:
    fill(tmp_path, [trial("v000", 0)])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path.suffix}
    fill(tmp_path, [], workers=7)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_trial_stored_again_replaces_the_first(tmp_path: Path) -> None:
    failed = failure("v001", 0, "worker killed by signal 9")
    fill(tmp_path, [trial("v000", 0), failed, trial("v002", 0), trial("v001", 0)])
    stored = read_stored(tmp_path)
    assert stored is not None
    assert stored.trials["variant"].to_pylist() == list(VARIANTS)
    assert stored.trials["status"].to_pylist() == ["finished"] * 3
    assert stored.history["trial"].to_pylist() == [f"{v}-0" for v in VARIANTS for _ in range(2)]
    assert stored.answers["trial"].to_pylist() == [f"{v}-0" for v in VARIANTS]


@pytest.mark.parametrize("survivors", [0, 1, 2])
@pytest.mark.parametrize("before", [None, failure("v001", 0, "worker killed by signal 9")])
def test_a_kill_between_the_files_loses_only_that_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survivors: int, before: dict[str, Any] | None
) -> None:
    earlier = [trial("v000", 0), *([before] if before else [])]
    fill(tmp_path, earlier)
    written: list[str] = []

    def write_then_die(path: Path, table: Any) -> None:
        if len(written) == survivors:
            raise SystemExit
        written.append(path.name)
        write_table(path, table)

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_table", write_then_die)
        with pytest.raises(SystemExit):
            fill(tmp_path, [trial("v001", 0)])
    assert written == ["history.parquet", "answers.parquet"][:survivors]
    stored = read_stored(tmp_path)
    assert stored is not None
    assert stored.trials["trial"].to_pylist() == [row["trial"] for row in earlier]
    assert stored.trials["status"].to_pylist() == [row["status"] for row in earlier]
    assert stored.history["trial"].to_pylist()[:2] == ["v000-0"] * 2
    assert stored.answers.to_pylist() == [answers(trial("v000", 0))]
    fill(tmp_path, [trial("v001", 0)])
    fill(tmp_path.with_name("undisturbed"), [trial("v000", 0), trial("v001", 0)])
    assert parquet_bytes(tmp_path) == parquet_bytes(tmp_path.with_name("undisturbed"))


def test_a_kill_before_the_specification_is_written_leaves_no_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_arguments: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_text", die)
        with pytest.raises(SystemExit):
            fill(tmp_path / "s", [])
    assert read_stored(tmp_path / "s") is None
    fill(tmp_path / "s", [trial("v000", 0)], batch_size=7)
    assert len(load_sweep("s", tmp_path).trials) == 1


def test_a_finer_grid_keeps_the_variants_and_trials_of_the_coarser_one(tmp_path: Path) -> None:
    coarse = plan_rows(2)
    fine = [{**row, "order": order} for order, row in enumerate(plan_rows(6)[1:])]
    with Store(tmp_path / "s") as store:
        store.start(SPEC, coarse, "data")
        for row in (trial("v000", 0), trial("v001", 0)):
            store.add([row], histories([row]))
    finer = SPEC.model_copy(update={"candidates": 6})
    with Store(tmp_path / "s") as store:
        store.start(finer, fine, "data")
        store.add([trial("v003", 0)], epochs(trial("v003", 0)))
    tables = load_sweep("s", tmp_path)
    assert tables.spec["candidates"] == 6
    assert list(tables.variants["variant"]) == ["v001", "v002", "v003", "v004", "v005", "v000"]
    assert list(tables.variants["order"]) == list(range(6))
    assert list(tables.trials["variant"]) == ["v001", "v003", "v000"]
    assert list(dict.fromkeys(tables.history["trial"])) == ["v001-0", "v003-0", "v000-0"]
    stored = read_stored(tmp_path / "s")
    assert stored is not None
    assert [row["variant"] for row in stored.planned] == ["v001", "v002", "v003", "v004", "v005"]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("batch_size", 16, "batch-size is 32 there and 16 here"),
        ("baseline", "b1", "baseline is light there and b1 here"),
        ("train_images", None, "train-images is 64 there and not given here"),
        ("fast_depthwise", False, "fast-depthwise is on there and off here"),
        ("compile", True, "compile is off there and on here"),
    ],
)
def test_other_settings_are_refused_by_name(
    tmp_path: Path, key: str, value: object, said: str
) -> None:
    fill(tmp_path, [])
    with pytest.raises(UserError, match=said):
        fill(tmp_path, [], **{key: value})


def test_settings_that_do_not_change_a_trial_are_free(tmp_path: Path) -> None:
    fill(tmp_path, [])
    fill(tmp_path, [], workers=5, device="cpu", seeds=9, curves=(2.0,), name="other")
    stored = read_stored(tmp_path)
    assert stored is not None
    assert stored.spec.seeds == 9


def test_changed_images_are_refused_and_a_moved_folder_is_not(tmp_path: Path) -> None:
    fill(tmp_path, [])
    fill(tmp_path, [], data="elsewhere")
    with Store(tmp_path) as store, pytest.raises(UserError, match="images of elsewhere have"):
        start(store, SPEC.model_copy(update={"data": "elsewhere"}), plan_rows(), "new")
    with Store(tmp_path) as store, pytest.raises(UserError, match="data is elsewhere there and x"):
        start(store, SPEC.model_copy(update={"data": "x"}), plan_rows(), "new")


LOCKER = """
import sys, time
from pathlib import Path
from scalegrid.results import Store
with Store(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_another_network_of_the_same_name_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, [])
    with Store(tmp_path) as store, pytest.raises(UserError, match="light has changed since"):
        start(store, SPEC, plan_rows()[1:], "data")


def test_one_process_at_a_time_and_a_killed_one_does_not_count(tmp_path: Path) -> None:
    (tmp_path / ".trials.parquet.1.partial").touch()
    arguments = [sys.executable, "-c", LOCKER, str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        with (
            pytest.raises(UserError, match="in use by another process"),
            Store(tmp_path),
        ):
            pass
        process.kill()
    with Store(tmp_path):
        assert not list(tmp_path.glob(".*.partial"))


def test_a_folder_in_which_no_sweep_was_started_is_removed(tmp_path: Path) -> None:
    with Store(tmp_path / "results" / "s"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    with Store(tmp_path / "s"):
        pass
    assert (tmp_path / "s").is_dir()


def test_a_results_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write to .*file.*--results"):
        Store(tmp_path / "file" / "s").__enter__()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_results_folder_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot write to"):
        Store(tmp_path / "s").__enter__()


def test_without_a_name_the_sweep_written_last_is_meant(tmp_path: Path) -> None:
    for name in ("first", "second"):
        fill(tmp_path / name, [trial("v000", 0)])
    for age, name in ((5, "first"), (90, "second")):
        for path in (tmp_path / name).glob("*.*"):
            os.utime(path, (10_000 - age, 10_000 - age))
    assert sweep_folder(None, tmp_path).name == "first"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("frist", "did you mean 'first'"),
        ("x", "there are first, other"),
        ("a/b", "without path separators"),
        ("..", "plain folder name"),
        ("empty", "no results called 'empty'"),
    ],
)
def test_a_name_without_results_is_an_error(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    for one in ("first", "other"):
        fill(tmp_path / one, [])
    with pytest.raises(UserError, match=said):
        load_sweep(name, tmp_path)


def test_of_very_many_sweeps_the_nearest_are_named_and_all_are_counted(tmp_path: Path) -> None:
    for number in range(100, 400):
        (tmp_path / f"sweep-{number}").mkdir()
        (tmp_path / f"sweep-{number}" / "sweep.yaml").touch()
    for name, hint in (("sweep-12", "did you mean 'sweep-1"), ("x", "there are sweep-100, ")):
        with pytest.raises(UserError, match=f"has 300 sweeps; {hint}") as caught:
            load_sweep(name, tmp_path)
        assert str(caught.value).count("sweep-") <= 5
    with pytest.raises(UserError, match="and 296 more"):
        load_sweep("x", tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"layout": "[{"}, "a broken layout of v001"),
        ({"layout": "[]"}, "a broken layout of v001"),
        ({"layout": '[{"operator": "Conv"}]'}, "a broken layout of v001"),
        ({"layers": "9"}, "a broken layout of v001"),
        ({"flops": 0}, "flops 0 for v001"),
        ({"flops_ratio": float("nan")}, "flops_ratio nan for v001"),
        ({"params": -1}, "params -1 for v001"),
        ({"alpha": 0.0}, "alpha 0 for v001"),
        ({"alpha_low": float("inf")}, "alpha_low inf for v001"),
        ({"memory": 0}, "memory 0 for v001"),
        ({"role": "weird"}, "role 'weird' for v001"),
        ({"depth_rounding": "up"}, "depth_rounding 'up' for v001"),
    ],
)
def test_a_variant_that_is_no_network_is_one_sentence(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    fill(tmp_path / "s", [])
    path = tmp_path / "s" / "variants.parquet"
    rows = plan_rows()
    table = make_table(VARIANTS_SCHEMA, [rows[0], rows[1] | changes, rows[2]])
    pq.write_table(table.replace_schema_metadata(pq.read_schema(path).metadata), path)
    with pytest.raises(UserError, match=rf"variants\.parquet has {said}; restore it\.$"):
        load_sweep("s", tmp_path)


def test_no_results_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no results in"):
        load_sweep(None, tmp_path / "missing")


def test_a_sweep_without_trials_has_empty_tables(tmp_path: Path) -> None:
    fill(tmp_path / "s", [])
    tables = load_sweep(None, tmp_path)
    assert len(tables.trials) == len(tables.history) == 0
    assert "top1" in tables.trials.columns
    assert tables.correct.shape == (0, 0)


def test_answers_come_back_as_a_matrix_in_the_order_of_the_trials(tmp_path: Path) -> None:
    rows = [trial("v002", 0), failure("v001", 0), trial("v000", 1, top1=0.75)]
    fill(tmp_path / "s", rows)
    tables = load_sweep("s", tmp_path)
    assert tables.answers["trial"].tolist() == ["v000-1", "v002-0"]
    assert tables.correct.shape == (2, 12)
    for row, right in zip((rows[2], rows[0]), tables.correct, strict=True):
        (high, low) = answers(row)["correct"]
        assert "".join(str(int(flag)) for flag in right) == f"{high:08b}{low:08b}"[:12]


def test_trials_of_before_answers_were_kept_lack_them(tmp_path: Path) -> None:
    fill(tmp_path / "s", [trial("v000", 0)])
    (tmp_path / "s" / "answers.parquet").unlink()
    assert load_sweep("s", tmp_path).correct.shape == (0, 0)
    fill(tmp_path / "s", [trial("v001", 0)])
    tables = load_sweep("s", tmp_path)
    assert tables.trials["trial"].tolist() == ["v000-0", "v001-0"]
    assert tables.answers["trial"].tolist() == ["v001-0"]


def lose_variants(folder: Path) -> None:
    (folder / "variants.parquet").unlink()


def lose_trials(folder: Path) -> None:
    (folder / "trials.parquet").unlink()


def lose_specification(folder: Path) -> None:
    (folder / "sweep.yaml").unlink()


def foreign_variants(folder: Path) -> None:
    with Store(folder.with_name("other")) as store:
        store.start(SPEC, plan_rows(6)[3:], "data")
    (folder.with_name("other") / "variants.parquet").replace(folder / "variants.parquet")


def damaged_specification(folder: Path) -> None:
    (folder / "sweep.yaml").write_text("a: [")


def empty_specification(folder: Path) -> None:
    (folder / "sweep.yaml").write_text("")


def lose_column(folder: Path) -> None:
    table = pq.read_table(folder / "trials.parquet").drop_columns(["top1"])
    pq.write_table(table, folder / "trials.parquet")


def retype_column(folder: Path) -> None:
    table = pq.read_table(folder / "trials.parquet")
    place = table.schema.get_field_index("seed")
    table = table.set_column(place, "seed", table["seed"].cast(pa.int32()))
    pq.write_table(table, folder / "trials.parquet")


def truncate(name: str) -> Callable[[Path], None]:
    def truncated(folder: Path) -> None:
        path = folder / f"{name}.parquet"
        path.write_bytes(path.read_bytes()[:-20])

    return truncated


def lose_history(folder: Path) -> None:
    (folder / "history.parquet").unlink()


def repeat_rows(name: str) -> Callable[[Path], None]:
    def repeat(folder: Path) -> None:
        table = pq.read_table(folder / f"{name}.parquet")
        pq.write_table(pa.concat_tables([table, table]), folder / f"{name}.parquet")

    return repeat


def change(file: str, **columns: list[Any]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        table = pq.read_table(folder / f"{file}.parquet")
        for name, values in columns.items():
            place = table.schema.get_field_index(name)
            field = table.schema.field(name)
            values = values * (len(table) if len(values) == 1 else 1)
            table = table.set_column(place, field, pa.chunked_array([pa.array(values, field.type)]))
        pq.write_table(table, folder / f"{file}.parquet")

    return changed


def spoil_metadata(folder: Path) -> None:
    table = pq.read_table(folder / "variants.parquet")
    metadata = {**table.schema.metadata, b"scalegrid.planned": b"many"}
    pq.write_table(table.replace_schema_metadata(metadata), folder / "variants.parquet")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lose_history, r"history\.parquet has 0 epochs of trial"),
        (repeat_rows("history"), r"history\.parquet has \d+ epochs of trial"),
        (repeat_rows("trials"), "2 times"),
        (repeat_rows("variants"), "2 times"),
        (spoil_metadata, "damaged"),
        (repeat_rows("answers"), r"answers\.parquet has trial v000-0 2 times"),
        (change("answers", images=[20]), r"answers\.parquet does not have one bit an image"),
        (change("answers", images=[0], correct=[b""]), "does not have one bit an image"),
        (change("answers", correct=[b"\xff\xf0"]), r"answers\.parquet has 1\.0000 .* 0\.5000"),
        (change("variants", role=["grid"]), r"variants\.parquet has no baseline; restore it"),
        (change("variants", role=["baseline"]), r"variants\.parquet has \d+ baselines; restore it"),
        (change("variants", share_depth=[math.inf]), "has share_depth inf for v000; restore it"),
        (
            change("trials", status=["odd"]),
            r"trials\.parquet has status 'odd' for v000-0; restore it",
        ),
        (lose_column, r"trials\.parquet .*it has no column top1\); restore it, or begin anew"),
        (retype_column, r"trials\.parquet .*its column seed is of int32, not int64\)"),
        (truncate("trials"), r"trials\.parquet: it is damaged.*; restore it, or begin anew"),
        (truncate("answers"), r"answers\.parquet: it is damaged.*; restore it or delete it"),
        (change("trials", seconds=[0.0]), r"trials\.parquet has seconds 0 for v000-0; restore it"),
        (change("trials", top5=[math.nan]), "has top5 nan for v000-0; restore it"),
        (change("trials", balanced=[1.5]), "has balanced 1.5 for v000-0; restore it"),
        (change("history", top1=[math.nan]), r"history\.parquet has top1 nan for v000-0"),
        (lose_variants, r"variants\.parquet"),
        (lose_trials, r"trials\.parquet is missing, though there are epochs of \d trials?"),
        (lose_specification, r"no sweep\.yaml"),
        (empty_specification, r"sweep\.yaml does not say the baseline; restore it"),
        (foreign_variants, "does not list"),
        (damaged_specification, "invalid YAML"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(
    tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    fill(tmp_path / "s", [trial("v000", 0)])
    spoil(tmp_path / "s")
    before = parquet_bytes(tmp_path / "s")
    with pytest.raises(UserError, match=said):
        fill(tmp_path / "s", [trial("v001", 0)])
    with pytest.raises(UserError, match=said):
        load_sweep("s", tmp_path)
    assert parquet_bytes(tmp_path / "s") == before


def test_a_sweep_is_loaded_by_the_path_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "s", [trial("v000", 0)])
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "s", Path("s"), tmp_path / "s" / "figures" / ".."):
        assert load_sweep(path).trials["trial"].tolist() == ["v000-0"]
    with pytest.raises(UserError, match="there are no results called 't'"):
        load_sweep(Path("t"))


def test_a_metric_that_is_none_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "s", [trial("v000", 0)])
    with pytest.raises(UserError, match=r"^the metric 'top2' must be .*did you mean 'top1'\?$"):
        load_sweep("s", tmp_path).recommend(metric="top2")
