"""Parquet shards in the layouts of Hugging Face data sets, against the images they were made of."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_helpers import make_classes, picture, source_digest
from PIL import Image

from scalegrid.data import (
    SPLITS,
    CachedImages,
    Source,
    decoding,
    load_split,
    open_source,
    parquet,
    prepare,
)
from scalegrid.data.convert import to_rgb
from scalegrid.data.parquet import ParquetReader
from scalegrid.util.errors import UserError

REAL = Path(__file__).parents[3] / "shared" / "data" / "cifar10-25k"
STRUCT = pa.struct({"bytes": pa.binary(), "path": pa.string()})
NAMES = ["wasp", "ant", "bee"]


def encoded(image: Image.Image, form: str = "png") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def stored(images: Sequence[bytes | None]) -> Any:
    return pa.array([{"bytes": image, "path": "x.png"} for image in images], STRUCT)


def table(labels: Any, seed: int = 0, features: Any = None, **columns: Any) -> Any:
    """Images of random pixels with labels; `features` as in the metadata of Hugging Face."""
    images = [encoded(picture(seed + index)) for index in range(len(labels))]
    made = pa.table({"image": stored(images), "label": labels, **columns})
    if features is None:
        return made
    return made.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )


def class_label(names: Any = NAMES) -> Any:
    return {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}


def write(path: Path, content: Any, rows: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(content, path, row_group_size=rows)
    return path


def named(count: int, seed: int = 0) -> Any:
    return table([index % 3 for index in range(count)], seed, class_label())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two training shards of 12 and 9 images, and six validation images."""
    folder = tmp_path / "set"
    write(folder / "data" / "train-00000-of-00002.parquet", named(12))
    write(folder / "data" / "train-00001-of-00002.parquet", named(9, 100))
    write(folder / "data" / "validation-00000-of-00001.parquet", named(6, 200))
    (folder / "README.md").write_text("")
    return folder


def opened(root: Path, **settings: Any) -> Source:
    return open_source(str(root), **settings)


def pixels(image: Any) -> Any:
    return np.asarray(image)


def test_every_image_has_the_pixels_and_the_class_that_were_stored(root: Path) -> None:
    source = opened(root)
    assert (source.name, source.num_train, source.num_val) == ("parquet", 21, 6)
    assert source.class_names == tuple(NAMES)
    assert source.native_resolution == 16
    seeds = {"train": [*range(12), *range(100, 109)], "val": [*range(200, 206)]}
    for split in SPLITS:
        for index, seed in enumerate(seeds[split]):
            assert np.array_equal(pixels(source.image(split, index)), pixels(picture(seed)))
            assert source.labels(split)[index] == seed % 100 % 3
        assert source.labels(split).dtype == np.int64
    assert source.notes == ("candidates are compared on 6 images of split 'validation'",)


def test_images_are_read_in_any_order_and_in_other_processes(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_FEW", 0)
    source = opened(root)
    forwards = [pixels(source.image("train", index)) for index in range(21)]
    again = pickle.loads(pickle.dumps(source))
    for index in np.random.default_rng(0).permutation(21):
        assert np.array_equal(pixels(again.image("train", int(index))), forwards[index])
    data = prepare(source, [16], cache_dir=tmp_path / "cache", workers=2)
    images = load_split(data, "val", 16)
    assert isinstance(images, CachedImages)
    centre = pixels(picture(203))[:, 2:18]
    assert np.array_equal(images.pixels[3].numpy(), centre)


def test_a_reader_keeps_one_row_group_and_is_pickled_without_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, int]] = []

    class Counting(pq.ParquetFile):  # type: ignore[misc]
        def read_row_group(self, number: int, **settings: Any) -> Any:
            read.append((str(settings["columns"]), number))
            return super().read_row_group(number, **settings)

    source = opened(root)
    empty = len(pickle.dumps(opened(root).read))
    monkeypatch.setattr(pq, "ParquetFile", Counting)
    reader = pickle.loads(pickle.dumps(source.read))
    for index in range(21):
        reader("train", index)
    assert read == [("['image.bytes']", group) for group in (0, 1, 2, 0, 1, 2)]
    assert len(pickle.dumps(reader)) == empty


LAYOUTS: dict[str, tuple[str, str]] = {
    "data": ("data/train-00000-of-00001.parquet", "data/validation-00000-of-00001.parquet"),
    "root": ("train-00000-of-00001.parquet", "valid-00000-of-00001.parquet"),
    "digest": (
        "data/train-00000-of-00001-b42a775f40.parquet",
        "data/val-00000-of-00001-e1.parquet",
    ),
    "single": ("train.parquet", "dev.parquet"),
    "configuration": ("plain_text/train-00000-of-00001.parquet", "plain_text/test.parquet"),
    "folders": ("train/0000.parquet", "test/0000.parquet"),
    "converted": ("default/training/0000.parquet", "default/validation/0000.parquet"),
    "capitals": ("data/Train.parquet", "data/Eval.parquet"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_usual_layouts_give_one_fingerprint(root: Path, tmp_path: Path, layout: str) -> None:
    train, val = (tmp_path / "other" / name for name in LAYOUTS[layout])
    write(train, named(12)), write(val, named(6, 200))
    plain = tmp_path / "plain"
    write(plain / "train.parquet", named(12)), write(plain / "val.parquet", named(6, 200))
    assert opened(tmp_path / "other").fingerprint == opened(plain).fingerprint
    assert (opened(tmp_path / "other").num_train, opened(tmp_path / "other").num_val) == (12, 6)


def test_the_test_split_serves_where_there_is_no_other(root: Path) -> None:
    before = opened(root)
    validation = root / "data" / "validation-00000-of-00001.parquet"
    test = validation.with_name("test-00000-of-00001.parquet")
    unlabelled = table([-1] * 4, 300, class_label())
    write(test.with_name("test-00000-of-00009.parquet"), unlabelled)
    write(test.with_name("unsupervised-00000-of-00001.parquet"), unlabelled)
    assert opened(root).fingerprint == before.fingerprint  # neither is read
    test.with_name("test-00000-of-00009.parquet").unlink()
    validation.rename(test)
    assert opened(root).fingerprint == before.fingerprint
    assert opened(root).notes == ("candidates are compared on 6 images of split 'test'",)


def test_validation_images_are_held_out_of_train_where_there_is_nothing_else(root: Path) -> None:
    (root / "data" / "validation-00000-of-00001.parquet").unlink()
    source = opened(root)
    reader = source.read
    assert isinstance(reader, ParquetReader)
    assert sorted([*reader.rows["train"], *reader.rows["val"]]) == list(range(21))
    assert Counter(source.val_labels.tolist()) == {0: 1, 1: 1, 2: 1}
    assert source.notes == ("candidates are compared on 3 images held out of split 'train'",)
    more = opened(root, val_images=9).read
    assert isinstance(more, ParquetReader)
    assert set(reader.rows["val"]) < set(more.rows["val"])


def test_subsets_are_nested_stratified_and_in_the_order_of_the_shards(root: Path) -> None:
    few, many = (opened(root, train_images=n, val_images=n // 3) for n in (9, 12))
    assert Counter(few.train_labels.tolist()) == {0: 3, 1: 3, 2: 3}
    assert (few.num_val, many.num_val) == (3, 4)
    assert isinstance(few.read, ParquetReader)
    assert isinstance(many.read, ParquetReader)
    assert set(few.read.rows["train"]) < set(many.read.rows["train"])
    assert (np.diff(few.read.rows["train"]) > 0).all()


def test_shards_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in range(11):
        write(tmp_path / "train" / f"{number}.parquet", named(3, 10 * number))
    write(tmp_path / "val.parquet", named(3, 500))
    assert np.array_equal(pixels(opened(tmp_path).image("train", 6)), pixels(picture(20)))


@pytest.mark.parametrize("change", ["pixels", "label", "names", "column", "number", "val"])
@pytest.mark.parametrize("limit", [None, 10])
def test_the_fingerprint_notices_what_changes_trials(
    root: Path, monkeypatch: pytest.MonkeyPatch, change: str, limit: int | None
) -> None:
    if limit is not None:  # of a set too large for every byte, sizes and metadata
        monkeypatch.setattr(parquet, "HASHED_BYTES", limit)
    before = opened(root, train_images=12).fingerprint
    first = root / "data" / "train-00000-of-00002.parquet"
    validation = root / "data" / "validation-00000-of-00001.parquet"
    labels = [index % 3 for index in range(12)]
    settings: dict[str, Any] = {"train_images": 12}
    if change == "pixels":
        write(first, table(labels, 300, class_label()))
    elif change == "label":
        write(first, table(labels[::-1], 0, class_label()))
    elif change == "names":
        for file in root.glob("data/*"):
            features = class_label(["wasp", "ant", "fly"])
            write(
                file,
                pq.read_table(file).replace_schema_metadata(
                    {"huggingface": json.dumps({"info": {"features": features}})}
                ),
            )
    elif change == "column":
        for file in root.glob("data/*"):
            content = pq.read_table(file)
            write(file, content.append_column("other", content["image"]))
        before = opened(root, image_column="image", **settings).fingerprint
        settings["image_column"] = "other"
    elif change == "number":
        settings["train_images"] = 13
    else:
        write(validation, named(6, 400))
    assert opened(root, **settings).fingerprint != before


def test_the_fingerprint_survives_moving_copying_and_touching(root: Path, tmp_path: Path) -> None:
    before = opened(root)
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile)
    os.utime(next((tmp_path / "copy").glob("data/*")), (1, 1))
    assert opened(tmp_path / "copy").fingerprint == before.fingerprint
    assert source_digest(opened(tmp_path / "copy")) == source_digest(before)


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (class_label(), tuple(NAMES)),
        (class_label({"0": "wasp", "1": "ant", "2": "bee"}), tuple(NAMES)),
        (
            [{"name": "label", "dtype": {"class_label": {"names": dict(enumerate(NAMES))}}}],
            tuple(NAMES),
        ),
        ({"label": {"num_classes": 3, "_type": "ClassLabel"}}, ("0", "1", "2")),
        ({"label": {"dtype": "int64", "_type": "Value"}}, ("0", "1", "2")),
        (None, ("0", "1", "2")),
        ("no features", ("0", "1", "2")),
    ],
)
def test_class_names_come_from_the_metadata(
    tmp_path: Path, features: Any, expected: tuple[str, ...]
) -> None:
    write(tmp_path / "train.parquet", table([0, 1, 2, 2, 1, 0], 0, features))
    source = opened(tmp_path)
    assert source.class_names == expected
    assert Counter(source.train_labels.tolist()) == {0: 1, 1: 1, 2: 1}


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (pa.array(["b", "a", "c"] * 2), ("a", "b", "c")),
        (pa.array(["b", "a", "c"] * 2, pa.large_string()), ("a", "b", "c")),
        (pa.array(["b", "a", "c"] * 2).dictionary_encode(), ("a", "b", "c")),
        (pa.array([10, 9, 11] * 2, pa.uint8()), ("9", "10", "11")),
    ],
)
def test_labels_without_names_are_sorted_classes(
    tmp_path: Path, labels: Any, classes: tuple[str, ...]
) -> None:
    write(tmp_path / "train.parquet", table(labels))
    write(tmp_path / "val.parquet", table(labels, 50))
    source = opened(tmp_path)
    assert source.class_names == classes
    assert source.train_labels.tolist() == source.val_labels.tolist() == [1, 0, 2] * 2


def test_named_classes_without_images_are_left_out_and_said(tmp_path: Path) -> None:
    features = class_label(["ant", "bee", "cow", "dog"])
    write(tmp_path / "train.parquet", table([3, 1, 3, 1], 0, features))
    source = opened(tmp_path)
    assert source.class_names == ("bee", "dog")
    note = "2 of the 4 classes that 'label' names have no images and are left out: ant, cow"
    assert note in source.notes


def two_columns(root: Path) -> Path:
    """CIFAR-100's columns: named classes of two kinds, a string, and an audio column."""
    features = {
        "coarse": {"names": ["x", "y"], "_type": "ClassLabel"},
        "label": {"names": NAMES, "_type": "ClassLabel"},
        "sound": {"_type": "Audio"},
    }
    sounds = stored([b"?"] * 12)
    other = stored([encoded(picture(900 + index)) for index in range(12)])
    write(
        root / "train.parquet",
        table(
            [0, 1, 2] * 4,
            0,
            features,
            coarse=[0, 1] * 6,
            sound=sounds,
            other=other,
            file=[f"{index}.png" for index in range(12)],
            __index_level_0__=[*range(12)],
        ),
    )
    return root


def test_columns_are_chosen_where_there_are_several(tmp_path: Path) -> None:
    root = two_columns(tmp_path)
    with pytest.raises(UserError, match="several columns of images, image, other; choose one with"):
        opened(root)
    with pytest.raises(
        UserError, match=r"several columns of labels, label, coarse; choose .*--label"
    ):
        opened(root, image_column="image")
    source = opened(root, image_column="other", label_column="coarse")
    assert source.class_names == ("x", "y")
    assert isinstance(source.read, ParquetReader)
    row = int(source.read.rows["train"][0])
    assert np.array_equal(pixels(source.image("train", 0)), pixels(picture(900 + row)))
    with pytest.raises(UserError, match="--image-column is 'sound', which holds no images"):
        opened(root, image_column="sound")
    with pytest.raises(
        UserError, match=r"--label-column is 'lable', .*; choose one of label, coarse"
    ):
        opened(root, image_column="image", label_column="lable")


@pytest.mark.parametrize("key", ["image_column", "label_column"])
def test_columns_are_refused_without_shards(tmp_path: Path, key: str) -> None:
    make_classes(tmp_path / "images", {"a": 2, "b": 2})
    for data in ("glyphs", str(tmp_path / "images")):
        flag = key.replace("_", "-")
        with pytest.raises(UserError, match=f"--{flag} is 'x', but .* has no parquet shards"):
            open_source(data, **{key: "x"})  # type: ignore[arg-type]


def grey() -> Image.Image:
    return picture(1).convert("L")


def deep() -> Image.Image:
    return Image.fromarray(np.arange(320, dtype=np.uint16).reshape(16, 20) * 200)


def translucent() -> Image.Image:
    image = picture(1).convert("RGBA")
    image.putalpha(grey())
    return image


@pytest.mark.parametrize(
    ("make", "form"),
    [
        (grey, "png"),
        (lambda: picture(1).convert("P"), "gif"),
        (translucent, "png"),
        (lambda: picture(1).convert("CMYK"), "tiff"),
        (deep, "png"),
        (lambda: picture(1).convert("1"), "png"),
        (lambda: picture(1), "webp"),
    ],
)
def test_images_of_every_mode_are_those_of_a_folder(
    tmp_path: Path, make: Callable[[], Image.Image], form: str
) -> None:
    content = encoded(make(), form)
    write(
        tmp_path / "set" / "train.parquet",
        pa.table({"image": stored([content] * 4), "label": [0, 1, 0, 1]}),
    )
    for name in "ab":
        (tmp_path / "files" / name).mkdir(parents=True)
        for number in range(2):
            (tmp_path / "files" / name / f"{number}.{form}").write_bytes(content)
    shards, files = opened(tmp_path / "set"), opened(tmp_path / "files")
    assert np.array_equal(pixels(shards.image("val", 1)), pixels(files.image("val", 1)))
    assert np.array_equal(
        pixels(shards.image("train", 0)), pixels(to_rgb(Image.open(io.BytesIO(content))))
    )


def test_grey_images_are_their_luminance(root: Path) -> None:
    three, one = opened(root), opened(root, channels=1)
    assert one.channels == 1
    assert one.fingerprint != three.fingerprint == opened(root, channels=3).fingerprint
    expected = pixels(three.image("train", 7)) @ np.array([0.299, 0.587, 0.114])
    assert np.abs(pixels(one.image("train", 7)) - expected).max() <= 1
    with pytest.raises(UserError, match="--channels is 4, but the images of parquet have 3"):
        opened(root, channels=4)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (
            b"no image",
            r"image in row 5 of .*train-00001.* cannot be read \(cannot identify image "
            r"file the file\); mend the image or remove the row",
        ),
        (encoded(picture(1))[:60], "image in row 5 of .*train-00001.* cannot be read"),
        (None, "image in row 5 of .*train-00001.* has no bytes; write its file into the shard"),
    ],
)
def test_an_image_that_cannot_be_read_is_named(root: Path, image: bytes | None, says: str) -> None:
    file = root / "data" / "train-00001-of-00002.parquet"
    content = pq.read_table(file)
    images = [struct["bytes"] for struct in content["image"].to_pylist()]
    images[5] = image
    write(file, content.set_column(0, "image", stored(images)))
    source = opened(root)
    source.image("train", 12 + 4)
    with pytest.raises(UserError, match=says):
        source.image("train", 12 + 5)


@pytest.mark.parametrize(
    ("labels", "features", "says"),
    [
        (
            [0, None, 1],
            None,
            "'label' is None in row 1 of .*train.parquet', which is no class; mend",
        ),
        ([0, 1, -1], None, "'label' is -1 in row 2"),
        (["a", "", "b"], None, "'label' is '' in row 1"),
        ([0, 1, 3], class_label(), "'label' is 3 in row 2 .* no class of the 3 named"),
        ([1, 1, 1], class_label(), "has one class, 'ant'"),
        ([0, 1, 1, 0, 2], class_label(), "class 'bee' has a single image"),
    ],
)
def test_bad_labels_are_named(tmp_path: Path, labels: Any, features: Any, says: str) -> None:
    write(tmp_path / "train.parquet", table(labels, 0, features))
    with pytest.raises(UserError, match=says):
        opened(tmp_path)


def remove(name: str) -> Callable[[Path], object]:
    return lambda root: (root / "data" / name).unlink()


def add(name: str, content: Any = None) -> Callable[[Path], object]:
    return lambda root: write(root / name, named(6, 500) if content is None else content)


VALIDATION = "data/validation-00000-of-00001.parquet"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (remove("train-00000-of-00002.parquet"), "shard 00000 of the 2 'train' .* is missing"),
        (remove("train-00001-of-00002.parquet"), "shard 00001 of the 2 'train' .* is missing"),
        (add("data/train-00000-of-00001.parquet"), "two sets of 'train' shards, such as"),
        (add("data/train.parquet"), "two sets of 'train' shards"),
        (add("data/train-00001-of-00002-a1.parquet"), "two sets of 'train' shards"),
        (add("data/train/0.parquet"), "has 'train' shards and a folder of them, train/"),
        (add("data/val.parquet"), "has shards of 'val' and of 'validation', names of one"),
        (add("train.parquet"), "has shards in .*set' and in .*data'; give the folder of one"),
        (add("other/train.parquet"), "in .*data' and in .*other'; give the folder of one"),
        (lambda root: make_classes(root / "train", {"a": 1}), "and folders of images in train/"),
        (lambda root: [f.unlink() for f in root.glob("data/train*")],
         "shards of 'validation' but none of 'train'"),
        (lambda root: (root / VALIDATION).write_text("version https://git-lfs.github.com/spec/v1"),
         r"shard .*validation.* cannot be read \(ArrowInvalid: .*\); download it again"),
        (add(VALIDATION, table(["wasp", "ant", "bee"])), "has no labels of type int64 in 'label'"),
        (add(VALIDATION, table([0, 1, 2])), "has other class names for 'label', unlike"),
        (add(VALIDATION, pa.table({"label": [0, 1, 2]})), "has no images in 'image', unlike"),
        (add(VALIDATION, table([0, 1, 1], 0, class_label())),
         "class 'bee' of 'train' is missing from 'validation'"),
        (add(VALIDATION, table(pa.array([], pa.int64()), 0, class_label())),
         "the shards of 'validation', .*, have no rows"),
    ],
)  # fmt: skip
def test_what_is_ambiguous_or_missing_is_one_sentence(
    root: Path, change: Callable[[Path], object], says: str
) -> None:
    change(root)
    with pytest.raises(UserError, match=says) as caught:
        opened(root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (pa.table({"label": [0, 1]}), "no column of images, a struct with bytes, but only label;"),
        (pa.table({"image": stored([b"", b""])}), "no column of labels, whole numbers or strings"),
    ],
)
def test_a_table_without_images_or_labels_is_refused(
    tmp_path: Path, content: Any, says: str
) -> None:
    write(tmp_path / "train.parquet", content)
    with pytest.raises(UserError, match=says):
        opened(tmp_path)


def test_a_table_named_after_no_split_is_refused_with_a_name(tmp_path: Path) -> None:
    write(tmp_path / "data" / "0000.parquet", named(6))
    with pytest.raises(
        UserError, match=r"0000.parquet' is named after no split; call it train-00000"
    ):
        opened(tmp_path)


def test_a_folder_of_images_may_hold_tables_that_are_no_shards(tmp_path: Path) -> None:
    make_classes(tmp_path / "train", {"a": 3, "b": 3})
    before = opened(tmp_path).fingerprint
    write(tmp_path / "train" / "metadata.parquet", named(6))
    write(tmp_path / "notes.parquet", named(6))
    assert (opened(tmp_path).name, opened(tmp_path).fingerprint) == ("folder", before)


def test_too_many_images_are_refused_with_what_to_do(root: Path) -> None:
    with pytest.raises(UserError, match="train_images is 22, but there are only 21 images"):
        opened(root, train_images=22)
    remedy = "ask for at most 6, or remove the shards of 'validation' to hold more out of 'train'"
    with pytest.raises(UserError, match=remedy):
        opened(root, val_images=7)


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the images of CIFAR-10 in shards")
def test_a_real_data_set() -> None:
    source = opened(REAL)
    assert (source.num_train, source.num_val, source.native_resolution) == (20_000, 5_000, 32)
    assert source.class_names[:3] == ("airplane", "automobile", "bird")
    assert set(np.bincount(source.val_labels)) == {500}
    assert source.image("val", 4_999).size == (32, 32)
