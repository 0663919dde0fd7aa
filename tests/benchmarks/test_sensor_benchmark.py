from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from light_sweep import light_spec, run_light_sweep
from PIL import Image

from benchmarks import sensor
from benchmarks.selection_worlds import NOISE, Setting, draw_worlds
from benchmarks.sensor import (
    BEFORE,
    SETUPS,
    components,
    joint_components,
    measure,
    pooled,
    races,
)
from scalegrid.allocation import Ask, Racing, Result
from scalegrid.data.folder import open_folder
from scalegrid.data.sources import Split
from scalegrid.results import SweepTables, load_sweep
from scalegrid.spec import SweepSpec
from scalegrid.util.errors import UserError


def test_components_of_known_variances() -> None:
    """Many candidates with spread 2 and noise 1: reliability 4 / 5, inside its interval."""
    generator = np.random.default_rng(0)
    values = 2 * generator.standard_normal((4000, 1)) + generator.standard_normal((4000, 4))
    found = components(values)
    assert (found["noise"], found["spread"]) == pytest.approx((1.0, 2.0), rel=0.03)
    assert found["reliability"] == pytest.approx(0.8, abs=0.02)
    assert 0.75 < float(str(found["low"])) < 0.8 < float(str(found["high"])) < 0.85


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(2000):
        values = generator.standard_normal((8, 1)) + generator.standard_normal((8, 4))
        found = components(values)
        covered += float(str(found["low"])) <= 0.5 <= float(str(found["high"]))
    assert 0.935 < covered / 2000 < 0.965


def test_candidates_that_do_not_differ_have_no_reliability() -> None:
    alternating = np.tile([0.0, 1.0], (5, 3))
    assert components(alternating)["reliability"] == 0.0


def test_losses_that_agree_lower_the_noise_and_those_of_another_matter_do_not() -> None:
    generator = np.random.default_rng(0)
    agreeing = list(draw_worlds(Setting(12, NOISE, None, 0.998), 8, 8))
    foreign = [
        replace(world, others=(generator.standard_normal((12, 8)),))
        for world in draw_worlds(Setting(12, NOISE, None), 8, 8)
    ]
    noise = [
        np.mean([float(str(joint_components(world)["noise"])) for world in worlds]) / NOISE
        for worlds in (agreeing, foreign)
    ]
    assert noise[0] < 0.9
    assert noise[1] == pytest.approx(1.0, abs=0.05)


@pytest.fixture
def tables(tmp_path: Path) -> SweepTables:
    """Five candidates beside the baseline, with three seeds; the third differs by four points."""
    run_light_sweep(light_spec(tmp_path, candidates=6, seeds=3, name="light"))
    tables = load_sweep("light", tmp_path)
    number = tables.trials["variant"].str[1:].astype(int)
    better = 0.5 + 0.04 * (number == 3) + 0.002 * tables.trials["seed"]
    tables.trials["top1"] = better + 0.001 * (number * tables.trials["seed"] % 3)
    tables.trials["seconds"] = np.where(number == 0, 100.0, 12.0)
    return tables


def test_rows_of_a_sweep(tables: SweepTables, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each metric and one for all, of the candidates alone; races are quick and right."""
    monkeypatch.setattr(sensor, "RACES", 3)
    monkeypatch.setattr(sensor, "available_cores", lambda: 2)
    rows = {str(row["metric"]): row for row in measure("made", tables)}
    assert list(rows) == ["top1", "val_loss", "train_loss", "joint"]
    for row in rows.values():
        assert (row["setup"], row["candidates"], row["seeds"], row["seconds"]) == ("made", 5, 3, 12)
    trials = tables.trials[tables.trials["variant"] != "v000"]
    for metric, unit in (("top1", 100), ("val_loss", 1), ("train_loss", 1)):
        assert rows[metric]["mean"] == pytest.approx(unit * trials[metric].mean())
    for raced in (rows["top1"], rows["joint"]):
        assert raced["right"] == 1.0
        assert 9 <= float(str(raced["trials"])) <= 20  # four beyond the first of each, at least
        assert raced["minutes"] == pytest.approx(float(str(raced["trials"])) * 12 / 60 / 2)
    assert rows["val_loss"]["trials"] is None


def test_a_race_is_told_the_losses_only_where_it_says_so(
    tables: SweepTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[Ask, Result]] = []
    tell = Racing.tell

    def listening(racing: Racing, ask: Ask, result: Result) -> None:
        told.append((ask, result))
        tell(racing, ask, result)

    monkeypatch.setattr(Racing, "tell", listening)
    monkeypatch.setattr(sensor, "RACES", 1)
    for losses in (False, True):
        told.clear()
        races(tables, 12.0, losses=losses)
        assert all(bool(result.others) == losses for _, result in told)
    finished = tables.trials.set_index(["variant", "seed"])
    for ask, result in told:
        rows = finished.loc[f"v{int(ask.variant) + 1:03}"]
        row = rows[np.isclose(100 * rows["top1"], result.value)].iloc[0]
        assert result.others == [-row["val_loss"], -row["train_loss"]]


def test_two_seeds_are_needed(tmp_path: Path) -> None:
    run_light_sweep(light_spec(tmp_path, seeds=1, name="light"))
    with pytest.raises(UserError, match="does not have two seeds"):
        measure("made", load_sweep("light", tmp_path))


def photographs(folder: Path) -> Path:
    """Three training images and one validation image of each of two classes, all different."""
    for number, (split, name, image) in enumerate(
        (split, name, image)
        for split, count in (("train", 3), ("val", 1))
        for name in ("hat", "shoes")
        for image in range(count)
    ):
        path = folder / split / name / f"{image}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (30 * number, 0, 0)).save(path)
    return folder


def test_pooled_images_are_split_anew_and_alike_wherever_they_are(tmp_path: Path) -> None:
    sources = []
    for place in ("here", "there", "here"):  # the last one is made again
        pool = pooled(photographs(tmp_path / place / "given"), tmp_path / place / "pool")
        assert sorted(entry.name for entry in pool.iterdir()) == ["hat", "shoes"]
        sources.append(open_folder(pool, train_images=None, val_images=4))
    assert len({source.fingerprint for source in sources}) == 1
    assert (len(sources[0].train_labels), len(sources[0].val_labels)) == (4, 4)
    splits: tuple[Split, ...] = ("train", "val")
    images = [sources[0].read(split, index) for split in splits for index in range(4)]
    assert len({np.asarray(image).tobytes() for image in images}) == 8


def test_a_pool_follows_the_folder_it_is_made_of(tmp_path: Path) -> None:
    pool = pooled(photographs(tmp_path / "one"), tmp_path / "pool")
    assert pooled(photographs(tmp_path / "two"), pool) == pool
    assert (pool / "hat" / "val").resolve() == tmp_path / "two" / "val" / "hat"
    (tmp_path / "two" / "train" / "hat").rename(tmp_path / "two" / "train" / "cap")
    pooled(tmp_path / "two", pool)
    found = {link.relative_to(pool).as_posix() for link in pool.glob("*/*")}
    assert found == {"cap/train", "hat/val", "shoes/train", "shoes/val"}
    with pytest.raises(UserError, match="no train/ to pool"):
        pooled(tmp_path / "one" / "train", pool)


def settings(name: str, *arguments: str) -> dict[str, Any] | None:
    return sensor.settings(name, sensor.parser().parse_args(arguments), sensor.SETUPS, "sensor")


def test_the_default_of_before_stands_beside_that_of_now() -> None:
    for baseline in ("nano", "b0"):
        now, before = (settings(f"{baseline}-{data}") for data in ("leaves", "glyphs"))
        assert now is not None
        assert before is not None
        assert now["baseline"] == before["baseline"] == baseline
        assert before.items() >= BEFORE.items()
        assert SweepSpec(**now).data == "leaves"


def test_setups_on_real_data_need_their_folders(tmp_path: Path) -> None:
    results = ("--results", str(tmp_path / "results"))
    given = photographs(tmp_path / "given")
    assert settings("nano-cifar10") is None
    assert settings("mobilenetv2-clothing", *results) is None
    assert not (tmp_path / "results").exists()
    cifar10 = settings("nano-cifar10", "--cifar10", str(given))
    assert cifar10 is not None
    assert cifar10["data"] == str(given)
    clothing = settings("mobilenetv2-clothing", "--clothing", str(given), *results)
    assert clothing is not None
    assert clothing["val_images"] == 1000
    assert len(list(Path(str(clothing["data"])).glob("*/*/*.png"))) == 8


def test_a_quick_sweep_is_small_and_does_not_get_in_the_way_of_the_others() -> None:
    for name in SETUPS:
        full, quick = settings(name), settings(name, "--quick")
        if full is None or quick is None:
            continue
        assert full["name"] != quick["name"]
        assert full["candidates"] >= 8
        assert full["seeds"] == 8
        assert (quick["candidates"], quick["seeds"], quick["epochs"]) == (4, 2, 1)
