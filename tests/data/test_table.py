"""Tables of images: what a CSV file may be, and that it is the data set of an equal folder."""

from __future__ import annotations

import csv
import os
import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from data_helpers import make_classes, picture, source_digest

from scalegrid.data import Source, open_source
from scalegrid.util.errors import UserError

Rows = list[tuple[str, ...]]


def write(table: Path, rows: Iterable[Iterable[str]], header: str = "path,label,split") -> str:
    """A table with this header; its name."""
    with table.open("w", newline="", encoding="utf-8") as file:
        file.write(f"{header}\n")
        csv.writer(file).writerows(rows)
    return str(table)


def rows_of(root: Path) -> Rows:
    """The rows for the images of a folder with `train/` and `val/`."""
    found = (path.relative_to(root) for path in root.rglob("*.png"))
    return [(path.as_posix(), path.parts[1], path.parts[0]) for path in found]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_classes(tmp_path / "set" / "train", {"bee": 12, "ant": 8})
    make_classes(tmp_path / "set" / "val", {"bee": 3, "ant": 2}, seed=100)
    return tmp_path / "set"


@pytest.fixture
def table(root: Path) -> Path:
    """The table of all images, without a column of splits."""
    write(root / "t.csv", [row[:2] for row in rows_of(root)], "path,label")
    return root / "t.csv"


def test_a_table_is_the_folder_of_the_same_images(root: Path) -> None:
    rows = rows_of(root)
    random.Random(0).shuffle(rows)
    table, folder = open_source(write(root / "t.csv", rows)), open_source(str(root))
    assert table.class_names == folder.class_names == ("ant", "bee")
    assert table.fingerprint == folder.fingerprint
    assert source_digest(table) == source_digest(folder)
    assert table.notes == ("candidates are compared on 5 images of the split 'val'",)
    some = [open_source(str(data), train_images=6, val_images=2) for data in (root, root / "t.csv")]
    assert some[0].fingerprint == some[1].fingerprint != folder.fingerprint


def test_without_splits_it_is_the_folder_of_all_images(root: Path) -> None:
    rows = [row[:2] for row in rows_of(root) if row[2] == "train"]
    table = open_source(write(root / "t.csv", rows, "path,label"))
    (root / "val").rename(root / "elsewhere")
    assert table.fingerprint == open_source(str(root)).fingerprint
    assert table.notes == ("candidates are compared on 2 images held out of t.csv",)


def test_the_fingerprint_is_of_pixels_and_labels(root: Path) -> None:
    rows = rows_of(root)
    before = open_source(write(root / "t.csv", rows)).fingerprint
    (root / "copy").mkdir()
    for name in ("train", "val"):
        (root / "copy" / name).symlink_to(root / name)
    assert open_source(write(root / "copy" / "other.csv", rows)).fingerprint == before
    path, _, split = rows[0]
    other = "ant" if rows[0][1] == "bee" else "bee"
    changed = open_source(write(root / "t.csv", [(path, other, split), *rows[1:]]))
    assert changed.fingerprint != before
    picture(7).save(root / path)
    assert open_source(write(root / "t.csv", rows)).fingerprint != before


@pytest.mark.parametrize(
    ("text", "separator"), [("utf-8", ","), ("utf-8-sig", ";"), ("utf-8-sig", "\t")]
)
def test_what_spreadsheets_write_is_read(root: Path, text: str, separator: str) -> None:
    expected = open_source(str(root)).fingerprint
    lines = [
        *("", separator * 2),  # what is empty does not count
        separator.join(("split ", "Path", "LABEL")),
        *(separator.join((split, f'"{path}"', f" {name} ")) for path, name, split in rows_of(root)),
        separator * 2,
    ]
    (root / "t.TSV").write_bytes("\r\n".join(lines).encode(text))
    assert open_source(str(root / "t.TSV")).fingerprint == expected


def test_paths_may_be_written_from_the_root_or_for_windows(root: Path) -> None:
    expected = open_source(str(root)).fingerprint
    for change in (
        lambda path: str(root / path),
        lambda path: f"./val/../{path}",
        lambda path: path.replace("/", "\\"),
    ):
        rows = [(change(path), *rest) for path, *rest in rows_of(root)]
        assert open_source(write(root / "t.csv", rows)).fingerprint == expected


def test_other_columns_are_chosen(table: Path) -> None:
    expected = open_source(str(table)).fingerprint
    table.write_text(table.read_text().replace("path,label", "file,breed"))
    with pytest.raises(UserError, match=r"has no column 'path', but 'file', 'breed'; give it"):
        open_source(str(table))
    with pytest.raises(UserError, match=r"no column 'label'.* name the column by --label-column"):
        open_source(str(table), image_column="file")
    chosen = open_source(str(table), image_column="file", label_column="breed")
    assert chosen.fingerprint == expected


def renamed(root: Path, names: dict[str, str]) -> Source:
    """The source of a table whose splits are called otherwise."""
    make_classes(root / "test", {"ant": 1, "bee": 1}, seed=200)
    rows = [(path, name, names[split]) for path, name, split in rows_of(root) if names[split]]
    return open_source(write(root / "t.csv", rows))


def test_test_rows_serve_where_there_are_no_others(root: Path) -> None:
    train = "candidates are compared on 5 images of the split 'Valid'"
    left_out = renamed(root, {"train": "training", "val": "Valid", "test": "test"})
    assert left_out.notes == (train, "2 rows of the test split are left out")
    assert (left_out.num_train, left_out.num_val) == (20, 5)


def test_test_rows_validate_without_a_validation_split(root: Path) -> None:
    used = renamed(root, {"train": "train", "val": "", "test": "test"})
    assert used.notes == ("candidates are compared on 2 images of the split 'test'",)
    assert (used.num_train, used.num_val) == (20, 2)


def test_repeated_rows_count_once_and_that_is_said(root: Path) -> None:
    rows = rows_of(root)
    expected = open_source(write(root / "t.csv", rows))
    again = open_source(write(root / "t.csv", [*rows, rows[0], rows[1], rows[0]]))
    assert again.fingerprint == expected.fingerprint
    assert "3 rows of t.csv repeat others, and do not count" in again.notes


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], r"is empty; give it the columns 'path' and 'label'"),
        (["path,label"], r"lists no images; add a row for each"),
        (["path,label,label", "a,b,c"], r"has 2 columns 'label', but 'path', 'label', 'label'"),
        (["path,label", "train/ant/0.png,"], r"line 2 of .* has no label; fill it in"),
        (["path,label", ",ant"], r"line 2 of .* has no path; fill it in"),
        (["path,label", "train/ant/0.png,a"], r"has one class, 'a'; two or more are needed"),
        (["path,label", "a,b,c"], r"line 2 of .* has 3 fields and the header 2; quote fields"),
        (["path,label", "a"], r"line 2 of .* has 1 field and the header 2"),
        (["path,label", '"a,b'], r"line 2 of .* is no CSV \(unexpected end of data\); mend it"),
        (["path,label,split", "a,b,dev2"], r"line 2 .* has the split 'dev2'; use train, val or"),
        (["path,label,split", "a,b,"], r"line 2 .* has the split ''"),
        (["path,label,split", "a,b,val"], r"has no rows of the split 'train'; add some"),
        (["path,label", "../x.png,a"], r"line 2 of .* names '../x.png', which is not below"),
        (["path,label", "/etc/x.png,a"], r"names '/etc/x.png', which is not below .*; move the"),
        (["path,label", ".,a"], r"names '\.', which is not below"),
        (
            ["path,label", "train/ant/0.png,a", "b,b", "./train/ant/0.png,c"],
            r"'train/ant/0.png' of .* has two labels, 'a' in line 2 and 'c' in line 4; keep one",
        ),
        (
            ["path,label,split", "a,b,val", "a,b,train"],
            r"image 'a' of .* has two splits, 'validation' in line 2 and 'train' in line 3; keep",
        ),
        (
            ["path,label,split", "a,x,train", "b,y,train", "c,x,val"],
            r"class 'y' of .*csv \(train\)' is missing from '.*csv \(val\)'",
        ),
    ],
)
def test_a_bad_table_is_refused_in_a_sentence(root: Path, lines: list[str], message: str) -> None:
    (root / "t.csv").write_text("\n".join(lines))
    with pytest.raises(UserError, match=message) as refused:
        open_source(str(root / "t.csv"))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_another_encoding_is_refused_with_its_line(root: Path, encoding: str) -> None:
    (root / "t.csv").write_text("path,label\na,café\n", encoding=encoding)
    line = 2 if encoding == "latin-1" else 1
    with pytest.raises(UserError, match=f"line {line} of .* is not UTF-8; save the table as CSV"):
        open_source(str(root / "t.csv"))


def test_all_missing_files_are_named(table: Path) -> None:
    gone = sorted(table.parent.glob("train/bee/*.png"))
    for file in gone:
        file.unlink()
    with pytest.raises(
        UserError, match=r"12 images cannot be used: .* is missing, .* 2 more;"
    ) as it:
        open_source(str(table), train_images=2, val_images=2)
    assert str(it.value).count("is missing") == 10
    left_out = open_source(str(table), skip_bad_images=True)
    assert (left_out.skipped, left_out.num_train + left_out.num_val) == (12, 13)
    for file in table.parent.glob("val/bee/*.png"):
        file.write_bytes(b"no image")
    with pytest.raises(UserError, match=r"no image of class 'bee' below .* can be read; mend some"):
        open_source(str(table), skip_bad_images=True)


def test_what_opens_a_listed_file_is_named(table: Path) -> None:
    (table.parent / "x.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    with table.open("a") as file:
        file.write("x.HEIC,ant\n")
    with pytest.raises(UserError, match=r"1 \.heic \(pip install pillow-heif\); install what"):
        open_source(str(table))
    assert open_source(str(table), skip_bad_images=True).skipped == 1


def test_a_table_that_cannot_be_read_or_is_none(root: Path) -> None:
    (root / "t.csv").mkdir()
    with pytest.raises(UserError, match="has no folders of images"):
        open_source(str(root / "t.csv"))
    os.mkfifo(root / "pipe.csv")
    with pytest.raises(UserError, match="is a file; give a folder"):
        open_source(str(root / "pipe.csv"))
    with pytest.raises(UserError, match="there is no table"):
        open_source(str(root / "none.csv"))


def test_a_folder_without_classes_names_its_table(root: Path) -> None:
    (root / "set" / "images").mkdir(parents=True)
    (root / "set" / "labels.csv").write_text("path,label")
    with pytest.raises(
        UserError, match=r"one class, 'images'.*, or give --data '.*labels\.csv' if"
    ):
        open_source(str(root / "set"))
    (root / "set" / "images").rename(root / "set" / "train")
    with pytest.raises(UserError, match=r"no folders of images.*, or give --data '.*labels\.csv'"):
        open_source(str(root / "set"))
