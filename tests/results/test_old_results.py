"""Results that earlier versions wrote open for ever, and are not trained again.

A new version of the schema adds a folder of its own to ``fixtures/results``, written by the program
as it then is, and never touches the others.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from store_rows import answers, histories, trial

from scalegrid.analysis import recommend, recommend_as_planned
from scalegrid.data import EMBEDDED
from scalegrid.results import Store, load_sweep, read_stored
from scalegrid.results.schema import ANSWERS, HISTORY, SCHEMA_VERSION, TRIALS, VARIANTS
from scalegrid.sweep import run_sweep
from scalegrid.util.errors import UserError

ROOT = Path(__file__).parent.parent.parent
FIXTURES = ROOT / "tests" / "fixtures" / "results"
VERSIONS = sorted(path.name for path in FIXTURES.iterdir())
PUBLISHED = sorted(path.parent for path in (ROOT / "results" / "published").glob("*/sweep.yaml"))


def test_there_are_committed_sweeps() -> None:
    assert PUBLISHED


def test_every_version_of_the_schema_has_a_fixture() -> None:
    assert {f"v{number}" for number in range(1, SCHEMA_VERSION + 1)} == set(VERSIONS)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_sweep_of_an_earlier_version_loads(version: str) -> None:
    sweep = load_sweep(version, FIXTURES)
    frames = (sweep.variants, sweep.trials, sweep.history, sweep.answers)
    assert [list(frame) for frame in frames] == [
        schema.names for schema in (VARIANTS, TRIALS, HISTORY, ANSWERS)
    ]
    kept = version not in ("v1", "v2")
    assert sweep.correct.shape == ((len(sweep.trials), 40) if kept else (0, 0))
    stored = read_stored(FIXTURES / version)
    assert stored is not None
    stored.check(stored.spec, stored.planned[0]["variant"], stored.data)
    assert recommend(sweep.planned, sweep.trials).best.variant in set(sweep.planned["variant"])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_sweep_of_an_earlier_version_goes_on(version: str, tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / version, tmp_path / version)
    before = load_sweep(version, tmp_path)
    with Store(tmp_path / version) as store:
        assert store.stored is not None
        store.start(store.stored.spec, store.stored.planned, store.stored.data)
        row = trial(before.variants["variant"][0], seed=9)
        store.add([row], histories([row]), [answers(row, images=40)])
    after = load_sweep(version, tmp_path)
    assert set(after.trials["trial"]) == {*before.trials["trial"], row["trial"]}
    assert set(after.answers["trial"]) == {*before.answers["trial"], row["trial"]}
    for path in (tmp_path / version).glob("*.parquet"):
        assert pq.read_schema(path).metadata[b"scalegrid.schema"] == str(SCHEMA_VERSION).encode()


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_sweeps_of_before_used_one_rate_and_the_authors_rounding(version: str) -> None:
    stored = read_stored(FIXTURES / version)
    assert stored is not None
    stored.check_settings(stored.spec.model_copy(update={"rates": "same"}))


def test_balanced_accuracy_needs_trials_that_measured_it(tmp_path: Path) -> None:
    newest = load_sweep(VERSIONS[-1], FIXTURES)
    assert newest.trials["balanced"].notna().all()
    assert recommend(newest.planned, newest.trials, metric="balanced").metric == "balanced"
    shutil.copytree(FIXTURES / "v5", tmp_path / "v5")
    with pytest.raises(UserError, match="did not measure balanced accuracy"):
        load_sweep("v5", tmp_path).recommend(metric="balanced")
    stored = read_stored(tmp_path / "v5")
    assert stored is not None
    spec = stored.spec.model_copy(update={"results": str(tmp_path), "metric": "balanced"})
    with pytest.raises(UserError, match="did not measure balanced accuracy"):
        run_sweep(spec)
    assert load_sweep("v5", tmp_path).spec["metric"] == "top1"


def test_the_values_of_the_first_version_are_those_written() -> None:
    sweep = load_sweep("v1", FIXTURES)
    assert (sweep.spec["baseline"], sweep.spec["resolution"], sweep.spec["seeds"]) == (
        "nano",
        16,
        2,
    )
    variants = sweep.variants.set_index("role")
    assert variants.loc["baseline", "layers"] == "1-1-2-3-2-1"
    assert variants.loc["baseline", "params"] == 76924
    trials = sweep.trials
    assert (len(trials), set(trials["status"]), set(trials["seed"])) == (10, {"finished"}, {0, 1})
    assert len(sweep.history) == 20
    first = trials.iloc[0]
    assert (first["trial"], first["top1"]) == ("3263e2976fdd", 0.025)
    assert first["val_loss"] == pytest.approx(3.015260, abs=1e-6)


def test_a_newer_schema_is_refused_in_one_sentence(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / VERSIONS[-1], tmp_path / "newer")
    path = tmp_path / "newer" / "trials.parquet"
    table = pq.read_table(path)
    metadata = {**table.schema.metadata, b"scalegrid.schema": str(SCHEMA_VERSION + 1)}
    pq.write_table(table.replace_schema_metadata(metadata), path)
    with pytest.raises(UserError, match=r"trials\.parquet was written by a newer scalegrid") as it:
        load_sweep("newer", tmp_path)
    assert "\n" not in str(it.value)


SCRIPT = """
import sys
from pathlib import Path
from scalegrid import SweepSpec, run_sweep
from scalegrid.util import yaml
from scalegrid.progress import Silence

class Printed(Silence):
    def note(self, text):
        print(text)

def forbidden(_placement):
    raise AssertionError("nothing is to be trained")

results, *names = sys.argv[1:]
for name in names:
    spec = yaml.load(SweepSpec, Path(results) / name / "sweep.yaml", "specification")
    spec = spec.model_copy(update={"results": results, "name": name})
    outcome = run_sweep(spec, display=Printed(), make_executor=forbidden)
    assert (outcome.trained, outcome.exit_status) == (0, 0), outcome
assert "torch" not in sys.modules
"""


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda path: path.name)
def test_a_committed_sweep_opens_and_recommends(folder: Path) -> None:
    sweep, stored = load_sweep(folder.name, folder.parent), read_stored(folder)
    assert stored is not None
    stored.check(stored.spec, stored.planned[0]["variant"], stored.data)
    assert len(sweep.answers) == (sweep.trials["status"] == "finished").sum() or sweep.answers.empty
    found = recommend_as_planned(sweep.planned, sweep.trials, sweep.spec, answers=sweep.answered)
    assert found.best.variant in set(sweep.planned["variant"])


def test_committed_sweeps_are_finished_already_and_left_as_they_are(tmp_path: Path) -> None:
    drawn = [one for one in PUBLISHED if load_sweep(one.name, one.parent).spec["data"] in EMBEDDED]
    assert drawn  # of the others the images are not here
    for folder in drawn:
        shutil.copytree(folder, tmp_path / folder.name)
    names = [folder.name for folder in drawn]
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), *names]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    for name in names:
        assert f"{name} is finished already" in ran.stdout
    for path in (path for folder in drawn for path in folder.glob("*.*")):
        if path.is_file():
            kept = tmp_path / path.parent.name / path.name
            assert kept.read_bytes() == path.read_bytes(), kept
