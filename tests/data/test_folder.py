from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_helpers import make_classes, picture, source_digest

from scalegrid.data import Source, folder, open_source
from scalegrid.data.folder import FolderReader, open_folder
from scalegrid.util.errors import UserError

COUNTS = {"bee": 12, "ant": 8}


def opened(root: Path, train_images: int | None = None, val_images: int | None = None) -> Source:
    return open_folder(root, train_images=train_images, val_images=val_images)


def files(source: Source) -> tuple[set[str], set[str]]:
    reader = source.read
    assert isinstance(reader, FolderReader)
    return set(reader.train_files), set(reader.val_files)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_classes(tmp_path / "set" / "train", COUNTS)
    make_classes(tmp_path / "set" / "val", {"bee": 3, "ant": 2}, seed=100)
    return tmp_path / "set"


def test_classes_are_sorted_and_labels_belong_to_the_images(root: Path) -> None:
    source = opened(root)
    assert source.class_names == ("ant", "bee")
    reader = source.read
    assert isinstance(reader, FolderReader)
    for name, label in zip(reader.train_files, source.train_labels, strict=True):
        assert Path(name).parent.name == source.class_names[label]
    assert Counter(source.train_labels.tolist()) == {0: 8, 1: 12}
    assert Counter(source.val_labels.tolist()) == {0: 2, 1: 3}
    assert (source.num_train, source.num_val, source.num_classes) == (20, 5, 2)


def test_images_are_those_of_the_files(root: Path) -> None:
    source = opened(root)
    reader = source.read
    assert isinstance(reader, FolderReader)
    stem = int(Path(reader.val_files[0]).stem)
    seed = 100 + 1 + stem + (0 if source.val_labels[0] == 1 else 3)
    assert source.image("val", 0).tobytes() == picture(seed).tobytes()
    assert source.native_resolution == 16


@pytest.mark.parametrize("name", ["val", "valid", "validation", "test"])
def test_each_name_of_a_validation_folder_is_known(root: Path, name: str) -> None:
    (root / "val").rename(root / name)
    _, val = files(opened(root))
    assert val == {str(path) for path in (root / name).glob("*/*")}


def as_in_tiny_imagenet(root: Path) -> dict[str, str]:
    """Lay a folder out like TinyImageNet; the classes of its validation images."""
    classes: dict[str, str] = {}
    for name in ("ant", "bee"):
        for path in sorted((root / "val" / name).iterdir()):
            new = f"val_{len(classes)}.png"
            classes[new] = name
            (root / "val" / "images").mkdir(exist_ok=True)
            path.rename(root / "val" / "images" / new)
        (root / "val" / name).rmdir()
    lines = [f"{name}\t{label}\t0\t0\t15\t15\n" for name, label in classes.items()]
    (root / "val" / "val_annotations.txt").write_text("".join(reversed(lines)))
    for name in ("ant", "bee"):
        (root / "train" / name).rename(root / "images")
        (root / "train" / name).mkdir()
        (root / "images").rename(root / "train" / name / "images")
        (root / "train" / name / f"{name}_boxes.txt").write_text("0.png\t0\t0\t15\t15\n")
    (root / "test" / "images").mkdir(parents=True)
    picture(1).save(root / "test" / "images" / "test_0.png")
    (root / "wnids.txt").write_text("bee\nant\n")
    return classes


def test_a_flat_validation_folder_with_annotations_is_read_by_these(root: Path) -> None:
    pixels = {source_digest(opened(root))}
    classes = as_in_tiny_imagenet(root)
    source = opened(root)
    reader = source.read
    assert isinstance(reader, FolderReader)
    found = {
        Path(file).name: source.class_names[i]
        for file, i in zip(reader.val_files, source.val_labels, strict=True)
    }
    assert found == classes
    assert (source.num_train, source.num_val) == (20, 5)
    assert source.notes == ("files beside the images are passed over: 2 .txt",)
    assert source_digest(source) in pixels  # the order is by class, then by name, as before


def test_images_that_annotations_do_not_list_are_left_out_and_counted(root: Path) -> None:
    as_in_tiny_imagenet(root)
    listed = root / "val" / "val_annotations.txt"
    listed.write_text("".join(listed.read_text().splitlines(keepends=True)[1:]))
    source = opened(root)
    assert source.num_val == 4
    said = "1 image left out that val_annotations.txt does not list: images/val_4.png"
    assert said in source.notes


def test_a_validation_folder_with_classes_needs_no_annotations(root: Path) -> None:
    before = opened(root).fingerprint
    (root / "val" / "val_annotations.txt").write_text("left over from tidying up")
    assert opened(root).fingerprint == before


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("val_0.png\tant\nval_1.png bee\n", r"line 2 of '.*val_annotations\.txt' does not begin"),
        ("val_0.png\tant\n", r"class 'bee' of '.*train' is missing from '.*_annotations\.txt'"),
        ("val_0.png\tant\nval_0.png\tbee\n", r"line 2 .* 'val_0.png' the class 'bee', .* 'ant'"),
        ("val_0.png\tant\nx.png\tbee\n", r"image '.*val/images/x\.png' is missing; put such"),
    ],
)
def test_bad_annotations_are_refused(root: Path, lines: str, message: str) -> None:
    as_in_tiny_imagenet(root)
    (root / "val" / "val_annotations.txt").write_text(lines)
    with pytest.raises(UserError, match=message):
        opened(root)


def test_a_flat_validation_folder_without_annotations_is_refused_with_what_it_needs(
    root: Path,
) -> None:
    as_in_tiny_imagenet(root)
    (root / "val" / "val_annotations.txt").unlink()
    with pytest.raises(UserError, match=r"has images without classes; .*add val_annotations"):
        opened(root)


def test_a_test_folder_beside_a_validation_folder_is_not_read(root: Path) -> None:
    before = opened(root)
    make_classes(root / "test", {"wasp": 3})
    after = opened(root)
    assert files(after) == files(before)
    assert after.fingerprint == before.fingerprint


@pytest.mark.parametrize("below", ["", "train"])
def test_a_validation_set_is_held_out_where_there_is_none(tmp_path: Path, below: str) -> None:
    make_classes(tmp_path / below, {"a": 30, "b": 10})
    source = opened(tmp_path)
    train, val = files(source)
    assert not train & val
    assert train | val == {str(path) for path in (tmp_path / below).glob("*/*.png")}
    assert Counter(source.val_labels.tolist()) == {0: 3, 1: 1}


def test_subsets_are_nested_and_the_rest_is_the_same(root: Path) -> None:
    few, many = opened(root, 6, 2), opened(root, 11, 4)
    assert files(few)[0] < files(many)[0]
    assert files(few)[1] < files(many)[1]
    assert (few.num_train, few.num_val) == (6, 2)


def test_hidden_files_other_files_and_nested_folders(root: Path) -> None:
    expected = opened(root).num_train
    picture(1).save(root / "train" / "ant" / ".hidden.png")
    (root / "train" / "ant" / "notes.txt").write_text("not an image")
    (root / "train" / ".cache").mkdir()
    (root / "train" / "labels.csv").write_text("")
    (root / "train" / "ant" / "deep" / "er").mkdir(parents=True)
    picture(2).save(root / "train" / "ant" / "deep" / "er" / "x.JPEG", format="jpeg")
    source = opened(root)
    assert source.class_names == ("ant", "bee")
    assert source.num_train == expected + 1


def test_files_that_are_passed_over_are_counted_and_named(root: Path) -> None:
    before = opened(root)
    assert before.notes == ()
    for name in ("1.heic", "2.heic", "notes.txt", "data.h5", "Thumbs.db", ".hidden"):
        (root / "train" / "ant" / name).write_bytes(b"\x89HDF\r\n\x1a\n")
    after = opened(root)
    assert after.fingerprint == before.fingerprint
    (note,) = after.notes
    said, _, which = note.partition(": ")
    assert said == "files beside the images are passed over"
    assert sorted(which.split(", ")) == ["1 .h5", "1 .txt", "2 .heic (pip install pillow-heif)"]


@pytest.mark.parametrize("kept", [0, 7])
def test_a_class_that_loses_more_than_half_of_its_files_is_refused(root: Path, kept: int) -> None:
    for index in range(kept, 8):
        path = root / "train" / "ant" / f"{index}.png"
        path.rename(path.with_suffix(".HEIC"))
        path.with_suffix(".xml").write_text("beside")
    if not kept:
        with pytest.raises(UserError, match=r"ant' has no images, beside .*: 8 \.heic \(pip inst"):
            opened(root)
        return
    assert opened(root).num_train == 19
    for index in range(7):
        (root / "train" / "ant" / f"more{index}").write_text("no ending")
    with pytest.raises(UserError, match=r"has only 7 images, .*: 7 without ending, 1 \.heic"):
        opened(root)


def test_folders_of_systems_are_no_classes(root: Path) -> None:
    before = opened(root).fingerprint
    for name in ("lost+found", "System Volume Information", "train/lost+found", "val/@eaDir"):
        make_classes(root / name, {"x": 1})
    assert opened(root).fingerprint == before


def test_a_folder_that_cannot_be_read_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scandir(folder: str) -> Any:
        if str(folder).endswith("bee"):
            raise PermissionError(13, "Permission denied", folder)
        return real(folder)

    real = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(UserError, match=r"folder '.*bee' cannot be read \(Permission denied\)"):
        opened(root)


def test_a_plugin_that_is_installed_opens_its_files(root: Path, tmp_path: Path) -> None:
    """A stand-in for pillow-heif, which registers what it opens when it is asked to."""
    (tmp_path / "pillow_heif.py").write_text(
        "from PIL import Image, PngImagePlugin\n"
        "def register_heif_opener():\n"
        "    Image.register_open('HEIF', PngImagePlugin.PngImageFile)\n"
        "    Image.register_extension('HEIF', '.heic')\n"
    )
    picture(1).save(root / "train" / "ant" / "x.heic", format="png")
    code = (
        f"import sys; sys.path[:0] = {[str(tmp_path), *sys.path]!r}; "
        "from scalegrid.data import open_source; "
        f"source = open_source({str(root)!r}); print(source.num_train, source.notes)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "21 ()"


@pytest.mark.parametrize(("width", "cut"), [(24, None), (25, "36%"), (80, "80%")])
def test_a_note_says_how_much_of_the_images_is_cut_off(
    root: Path, width: int, cut: str | None
) -> None:
    for number, file in enumerate(root.rglob("*.png")):
        picture(number, width, 16).save(file)
    source = open_source(str(root))
    assert source.notes == (
        (
            f"the central square of an image leaves out {cut} of its pixels, in the median; "
            "--fit pad or stretch keeps all",
        )
        if cut
        else ()
    )
    others = [open_source(str(root), fit=how) for how in ("pad", "stretch")]
    assert len({source.fingerprint, *(other.fingerprint for other in others)}) == 3
    assert [other.notes for other in others] == [(), ()]


@pytest.mark.parametrize(("ants", "noted"), [(10, False), (11, True)])
@pytest.mark.parametrize("split", ["train", "val"])
def test_a_note_says_that_classes_are_uneven(
    tmp_path: Path, split: str, ants: int, noted: bool
) -> None:
    for seed, name in ((0, "train"), (100, "val")):
        make_classes(tmp_path / name, {"ant": ants if name == split else 2, "bee": 2}, seed=seed)
    kind = {"train": "training", "val": "validation"}[split]
    notes = open_source(str(tmp_path)).notes
    assert [note.partition(":")[0] for note in notes] == (
        [f"class 'ant' has 11 {kind} images and 'bee' 2"] if noted else []
    )
    assert all("--metric balanced" in note for note in notes)


@pytest.mark.parametrize(("copied", "noted"), [(2, False), (3, True), (20, True)])
def test_a_note_says_that_validation_images_are_training_images_too(
    root: Path, copied: int, noted: bool
) -> None:
    shutil.rmtree(root / "val")
    make_classes(root / "val", COUNTS, seed=100)
    for image in sorted((root / "train").rglob("*.png"))[:copied]:
        shutil.copy(image, root / "val" / image.relative_to(root / "train"))
    note = f"{copied} of the 20 validation images are training images too"
    assert [one.partition(",")[0] for one in opened(root).notes] == [note] * noted


def test_a_link_to_itself_is_no_folder_and_no_image(root: Path) -> None:
    before = files(opened(root))
    for loop in (root / "loop", root / "train" / "loop", root / "train" / "ant" / "loop"):
        loop.symlink_to(loop)
    assert files(opened(root)) == before


def test_names_of_splits_may_have_capitals(root: Path) -> None:
    (root / "train").rename(root / "Train")
    (root / "val").rename(root / "Validation")
    source = opened(root)
    assert (source.num_train, source.num_val, source.num_classes) == (20, 5, 2)


@pytest.mark.parametrize(("one", "other"), [("ant", "Ant"), ("caf\u00e9", "cafe\u0301")])
def test_a_class_that_is_written_in_two_ways_is_shown_in_both(
    root: Path, one: str, other: str
) -> None:
    (root / "train" / "ant").rename(root / "train" / one)
    (root / "val" / "ant").rename(root / "val" / other)
    with pytest.raises(UserError) as refused:
        opened(root)
    assert repr(one) in str(refused.value)
    assert f"there it is written {other!a}; both need" in str(refused.value)


def test_links_are_followed_but_not_in_circles(root: Path, tmp_path: Path) -> None:
    expected = opened(root).num_train
    make_classes(tmp_path, {"more": 2})
    (root / "train" / "ant" / "more").symlink_to(tmp_path / "more")
    (root / "train" / "ant" / "again").symlink_to(root / "train" / "ant")
    assert opened(root).num_train == expected + 2


def test_the_fingerprint_survives_moving_copying_and_touching(root: Path, tmp_path: Path) -> None:
    before = opened(root)
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile)
    os.utime(next((tmp_path / "copy").glob("train/ant/*")), (1, 1))
    copied = opened(tmp_path / "copy")
    assert copied.fingerprint == before.fingerprint
    assert source_digest(copied) == source_digest(before)


@pytest.mark.parametrize("change", ["pixels", "added", "renamed class", "moved", "val", "number"])
def test_the_fingerprint_notices_what_changes_trials(root: Path, change: str) -> None:
    before = opened(root, 15).fingerprint
    number = 15
    if change == "pixels":  # same name, same size
        victim = Path(sorted(files(opened(root, 15))[0])[0])
        content = bytearray(victim.read_bytes())
        content[-20] ^= 1
        victim.write_bytes(content)
    elif change == "added":
        for index in range(100, 120):
            picture(index).save(root / "train" / "ant" / f"{index}.png")
    elif change == "renamed class":
        for split in ("train", "val"):
            (root / split / "ant").rename(root / split / "aunt")
    elif change == "moved":
        (root / "train" / "ant" / "0.png").rename(root / "train" / "bee" / "99.png")
    elif change == "val":
        (root / "val" / "bee" / "0.png").unlink()
    else:
        number = 14
    assert opened(root, number).fingerprint != before


def test_the_fingerprint_of_a_large_set_covers_names_and_sizes(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "HASHED_BYTES", 10)
    before = opened(root).fingerprint
    victim = root / "train" / "ant" / "0.png"
    victim.write_bytes(victim.read_bytes() + b"longer")
    assert opened(root).fingerprint != before


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere' is not a folder"):
        opened(tmp_path / "nowhere")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no folders of images"):
        opened(tmp_path)


def test_one_class_is_refused_by_name(tmp_path: Path) -> None:
    make_classes(tmp_path / "train", {"ant": 3})
    with pytest.raises(UserError, match="has one class, 'ant'"):
        opened(tmp_path)


def test_a_class_without_images_is_named(root: Path) -> None:
    (root / "train" / "wasp").mkdir()
    (root / "val" / "wasp").mkdir()
    with pytest.raises(UserError, match=r"train/wasp' has no images"):
        opened(root)


def test_of_two_classes_the_one_that_is_missing_is_named(tmp_path: Path) -> None:
    make_classes(tmp_path / "train", {"ant": 3, "bee": 3})
    make_classes(tmp_path / "val", {"ant": 3})
    with pytest.raises(UserError, match=r"class 'bee' of .*train' is missing from .*val'"):
        opened(tmp_path)


@pytest.mark.parametrize(("kept", "other"), [("train", "val"), ("val", "train")])
def test_a_class_missing_from_one_split_is_named(root: Path, kept: str, other: str) -> None:
    make_classes(root / kept, {"wasp": 2})
    with pytest.raises(UserError, match=rf"class 'wasp' of .*{kept}' is missing from .*{other}'"):
        opened(root)


def test_of_two_classes_the_missing_one_is_named(root: Path) -> None:
    shutil.rmtree(root / "val" / "ant")
    with pytest.raises(UserError, match=r"class 'ant' of .*train' is missing from .*val'"):
        opened(root)


def test_validation_without_training_images_is_refused(root: Path) -> None:
    shutil.rmtree(root / "train")
    with pytest.raises(UserError, match="has val/ but no train/"):
        opened(root)


def test_more_images_than_there_are_are_refused_with_their_number(root: Path) -> None:
    with pytest.raises(UserError, match="train_images is 21, but there are only 20 images"):
        opened(root, 21)
    with pytest.raises(UserError, match="val_images is 6, but there are only 5 images") as caught:
        opened(root, None, 6)
    assert str(caught.value).endswith("train', without val/, to hold more out of all")


def test_a_folder_of_links_pools_both_splits(root: Path, tmp_path: Path) -> None:
    for name in COUNTS:
        (tmp_path / "pool" / name).mkdir(parents=True)
        for split in ("train", "val"):
            (tmp_path / "pool" / name / split).symlink_to(root / split / name)
    source = opened(tmp_path / "pool", None, 10)
    assert (source.num_train, source.num_val) == (15, 10)


def test_an_unreadable_image_is_named_when_it_is_decoded(root: Path) -> None:
    (root / "train" / "ant" / "0.png").write_bytes(b"no image")
    source = opened(root)
    assert isinstance(source.read, FolderReader)
    index = [Path(name).parts[-2:] for name in source.read.train_files].index(("ant", "0.png"))
    with pytest.raises(UserError, match=r"ant/0\.png' cannot be read"):
        source.image("train", index)


def test_a_dangling_link_is_named(root: Path) -> None:
    (root / "train" / "ant" / "gone.png").symlink_to(root / "nothing.png")
    with pytest.raises(UserError, match=r"ant/gone\.png' cannot be read"):
        opened(root)


def test_labels_are_int64(root: Path) -> None:
    source = opened(root)
    assert source.train_labels.dtype == source.val_labels.dtype == np.int64
