from __future__ import annotations

import errno
import os
import stat
from operator import methodcaller
from pathlib import Path
from typing import BinaryIO

import pytest

from scalegrid.util.files import remove_partial_files, replace_file


def test_a_file_is_created_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "table"
    for content in (b"old", b"new"):
        replace_file(path, methodcaller("write", content))
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_half_way_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_bytes(b"old")

    def write(file: BinaryIO) -> None:
        file.write(b"ne")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_file(path, write)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_while_it_is_written_the_old_file_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_bytes(b"old")
    seen = []

    def write(file: BinaryIO) -> None:
        file.write(b"new")
        seen.append(path.read_bytes())

    replace_file(path, write, durable=False)
    assert seen == [b"old"]


def test_a_folder_that_cannot_be_synced_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", fsync)
    replace_file(tmp_path / "table", methodcaller("write", b"new"))
    assert (tmp_path / "table").read_bytes() == b"new"


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    kept = [tmp_path / name for name in ("trials.parquet", ".lock", "a.partial", ".hidden")]
    left = [tmp_path / ".trials.parquet.12.partial", tmp_path / ".sweep.yaml.9.partial"]
    for path in (*kept, *left):
        path.touch()
    remove_partial_files(tmp_path)
    assert set(tmp_path.iterdir()) == set(kept)
