"""What a sweep does with the images that it is given."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from image_files import make_classes, picture
from light_sweep import light_spec, run_light_sweep
from PIL import Image

import scalegrid.sweep
from scalegrid.data import prepare
from scalegrid.progress.display import Silence
from scalegrid.results import load_sweep, read_stored
from scalegrid.util.errors import UserError


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(("workers", "expected"), [(1, 1), (9, 4), (None, 4)])
def test_no_more_processes_decode_than_there_are_workers_or_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int | None, expected: int
) -> None:
    decoders = []

    def recorded(*arguments: Any, **settings: Any) -> Any:
        decoders.append(settings["workers"])
        return prepare(*arguments, **{**settings, "workers": 1})

    monkeypatch.setattr(scalegrid.sweep, "prepare", recorded)
    monkeypatch.setattr("scalegrid.executors.placement.available_cores", lambda: 4)
    run_light_sweep(light_spec(tmp_path / "results", workers=workers))
    assert decoders == [expected]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images of two classes: 40 to train on, 10 to validate on."""
    make_classes(tmp_path / "set" / "train", {"ant": 20, "bee": 20})
    make_classes(tmp_path / "set" / "val", {"ant": 5, "bee": 5}, seed=100)
    return tmp_path / "set"


@pytest.fixture
def streaming(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE_LIMIT", "1e-9")


class Recorder(Silence):
    """Remembers what it was shown."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def sweep(folder: Path, display: Silence | None = None, **settings: Any) -> Any:
    """Train on a folder by a training that reads every image and learns nothing."""
    spec = light_spec(
        folder.parent / "results",
        data=str(folder),
        **{"train_images": None, "val_images": None, "batch_size": 8, "name": "s", **settings},
    )
    return run_light_sweep(spec, "light_training:read_images", display=display)


def cut(file: Path) -> bytes:
    """Cut the second half of a file off; returns what it was."""
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    return content


def test_all_bad_images_are_named_before_anything_is_trained(folder: Path) -> None:
    for index in range(12):
        cut(folder / "train" / "ant" / f"{index}.png")
    with pytest.raises(UserError, match=r"12 images cannot be used: '.*, and 2 more; ") as caught:
        sweep(folder)
    assert str(caught.value).count(".png'") == 10
    assert "--skip-bad-images" in str(caught.value)
    assert not (folder.parent / "results").exists()


@pytest.mark.usefixtures("streaming")
def test_bad_headers_are_named_before_training_on_a_stream(folder: Path) -> None:
    for index in range(3):
        (folder / "val" / "bee" / f"{index}.png").write_bytes(b"no image")
    with pytest.raises(UserError, match="3 images cannot be used: "):
        sweep(folder)
    assert not (folder.parent / "results").exists()


def test_bad_images_are_left_out_on_request_as_if_they_were_not_there(folder: Path) -> None:
    for index in range(3):
        cut(folder / "train" / "ant" / f"{index}.png")
    cut(folder / "val" / "bee" / "0.png")
    assert sweep(folder, skip_bad_images=True).exit_status == 0
    stored = read_stored(folder.parent / "results" / "s")
    assert stored is not None
    assert stored.skipped == 4
    assert set(load_sweep("s", folder.parent / "results").answers["images"]) == {9}
    for file in [*(folder / "train" / "ant").glob("[012].png"), folder / "val" / "bee" / "0.png"]:
        file.unlink()
    assert sweep(folder).trained == 0  # the same images, so it is finished


def test_what_was_left_out_is_said(folder: Path) -> None:
    from scalegrid.data import open_source

    cut(folder / "train" / "ant" / "3.png")
    source = open_source(str(folder), skip_bad_images=True)
    assert source.num_train == 39
    (note,) = source.notes
    assert note.startswith("1 image left out: ")
    assert "ant/3.png' cannot be read (" in note


@pytest.mark.parametrize("data", ["leaves", "cifar10"])
def test_only_files_can_be_left_out(tmp_path: Path, data: str) -> None:
    with pytest.raises(UserError, match="--skip-bad-images is for image files"):
        run_light_sweep(light_spec(tmp_path / "results", data=data, skip_bad_images=True))


@pytest.mark.usefixtures("streaming")
@pytest.mark.parametrize("rates", ["same", "tune"])
def test_a_bad_image_met_while_training_stops_the_sweep_once_and_may_be_mended(
    folder: Path, rates: str
) -> None:
    """Its header is sound. No trial has seen it, so the mended file may have any pixels."""
    victim = folder / "train" / "bee" / "7.png"
    picture(3, 64, 64).save(victim)
    cut(victim)
    shown = Recorder()
    with pytest.raises(UserError, match=r"bee/7\.png' cannot be read .*; then run the same") as one:
        sweep(folder, shown, rates=rates)
    assert "\n" not in str(one.value)
    if rates == "same":
        assert shown.notes[-1].startswith("Stopped: 0 of 5 trials are done, and kept in ")
    results = folder.parent / "results"
    if rates == "same":
        assert len(load_sweep("s", results).trials) == 0
    picture(4, 64, 64).save(victim)
    assert sweep(folder, rates=rates).finished == 5
    for index in (7, 8):  # now trials have seen both
        kept = (folder / "train" / "bee" / f"{index}.png").read_bytes()
        picture(5, 64, 64).save(folder / "train" / "bee" / f"{index}.png")
        with pytest.raises(UserError, match=rf"changed since .* \(train/bee/{index}\.png\); choo"):
            sweep(folder, rates=rates)
        (folder / "train" / "bee" / f"{index}.png").write_bytes(kept)


def test_a_file_with_the_same_pixels_lets_a_sweep_go_on(folder: Path) -> None:
    victim = folder / "train" / "ant" / "7.png"
    sweep(folder)
    pixels = Image.open(victim).copy()
    pixels.save(victim, compress_level=0)
    assert sweep(folder, seeds=2).trained == 5
    pixels.putpixel((10, 8), (0, 255, 0))
    pixels.save(victim)
    picture(6).save(folder / "val" / "bee" / "1.png")
    names = r"\((val/bee/1\.png, train/ant/7\.png|train/ant/7\.png, val/bee/1\.png)\)"
    with pytest.raises(UserError, match=names):
        sweep(folder, seeds=3)


def test_files_that_are_new_or_gone_are_named(folder: Path) -> None:
    sweep(folder)
    (folder / "val" / "bee" / "4.png").rename(folder / "val" / "bee" / "9.png")
    with pytest.raises(UserError, match=r"\(val/bee/4\.png, val/bee/9\.png\)"):
        sweep(folder)


def test_without_a_cache_it_is_only_said_that_images_have_changed(
    folder: Path, tmp_path: Path
) -> None:
    sweep(folder)
    shutil.rmtree(tmp_path / "cache")
    picture(6).save(folder / "val" / "bee" / "1.png")
    with pytest.raises(UserError, match=r"was started; choose another --name, or restore them"):
        sweep(folder)


def test_images_are_fitted_as_asked_cached_or_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from scalegrid.data import CachedImages, load_split, open_source

    source = open_source(str(folder), fit="pad")
    cached = load_split(prepare(source, [20], cache_dir=tmp_path / "cached"), "train", 20)
    assert isinstance(cached, CachedImages)
    assert not cached.pixels[:, :2].any()
    monkeypatch.setenv("SCALEGRID_CACHE_LIMIT", "1e-9")
    stream = load_split(prepare(source, [20], cache_dir=tmp_path / "other"), "train", 20)
    order = torch.arange(len(stream.labels))
    assert torch.equal(torch.cat(list(stream.fetch(order, 8))), cached.pixels)


def test_another_fit_is_another_sweep(folder: Path) -> None:
    sweep(folder)
    with pytest.raises(UserError, match="fit"):
        sweep(folder, fit="pad")


def test_top_5_of_five_classes_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match=r"top5 is always 100 % of the 2 classes of .*; use top1"):
        sweep(folder, metric="top5")


def test_a_sweep_goes_on_with_a_table_of_the_same_images(folder: Path) -> None:
    sweep(folder)
    root = folder.parent
    rows = [(p.relative_to(root), p.parts[-2], p.parts[-3]) for p in folder.rglob("*.png")]
    lines = ["path,label,split", *(",".join(map(str, row)) for row in rows)]
    (root / "table.csv").write_text("\n".join(lines))
    assert sweep(root / "table.csv", seeds=2).trained == 5
    picture(6).save(folder / "val" / "bee" / "1.png")
    with pytest.raises(UserError, match=r"have changed .* \(val/bee/1\.png\)"):
        sweep(root / "table.csv", seeds=3)
