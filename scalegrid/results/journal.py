"""The journal: trials that have ended since the tables were last written, a line for each commit.

Writing a table again for every trial costs more the longer the table is. So those of a long sweep
are written from time to time only, and in between a commit appends a line here. A line is its
checksum and the rows in JSON; one that a kill has cut short, which can only be the last, is none.
A journal is named after the number of trials in the table that it goes on from, so that of an
earlier table is no part of the sweep.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from scalegrid.results.gathered import Rows
from scalegrid.results.rows import RowDict
from scalegrid.util import disk
from scalegrid.util.errors import UserError

_PATTERN = "journal-*.jsonl"


def rows_on_disk(path: Path) -> int:
    """How many rows the table in a file has, by its footer; 0 without a file."""
    try:
        with path.open("rb") as file:
            return int(pq.read_metadata(file).num_rows)
    except FileNotFoundError:
        return 0


def journals(folder: Path) -> list[Path]:
    """Those in ``folder``: the present one, and what a kill has left of the one before."""
    return sorted(path for path in folder.glob(_PATTERN) if path.is_file())


class Journal:
    """The journal that goes on from a table of so many ``trials``, read and written in turn."""

    def __init__(self, folder: Path, trials: int) -> None:
        self._path = folder / _PATTERN.replace("*", str(trials))
        self._end = 0  # of what has been read and written here

    def append(self, rows: Rows) -> None:
        """Add a commit, durably; all before it have been read or written here.

        What a kill has cut short goes.

        Raises:
            UserError: it cannot be written; then it is as it was.
        """
        try:
            with disk.opened(self._path, "ab") as file:
                if file.tell() > self._end:
                    disk.truncate(file, self._end)
                try:
                    file.write(line := _line(rows))
                    disk.sync(file)
                except BaseException:
                    with suppress(OSError):
                        disk.truncate(file, self._end)
                    raise
            if self._end == 0:  # its name may be new
                disk.sync_folder(self._path.parent)
            self._end += len(line)
        except OSError as error:
            raise UserError(
                f"cannot write {self._path}: {error.strerror or error}; mend that and run the same "
                "command again to go on where it was."
            ) from error

    def read(self) -> list[Rows]:
        """Its commits that are new here, oldest first; none if there is no such journal."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._end)
                text = file.read()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UserError(f"cannot read {self._path}: {error.strerror or error}.") from None
        commits = list(_commits(self._path, text))
        self._end += sum(length for length, _ in commits)
        return [rows for _, rows in commits]


def _line(rows: Rows) -> bytes:
    text = json.dumps([table.to_pylist() for table in rows], default=_plain).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _commits(path: Path, text: bytes) -> Iterator[tuple[int, Rows]]:
    """The bytes and the rows of each commit."""
    lines = text.split(b"\n")[:-1]  # what follows the last line feed is cut short
    for i, line in enumerate(lines, start=1):
        checksum, _, rows = line.partition(b" ")
        if b"%08x" % zlib.crc32(rows) == checksum:
            try:
                yield len(lines[i - 1]) + 1, _rows(*json.loads(rows))
            except (LookupError, TypeError, ValueError):  # its columns are others
                raise UserError(
                    f"{path} was written by another version of scalegrid; run the same command "
                    "with that, which puts it into the tables, or delete it."
                ) from None
        elif i < len(lines):
            raise UserError(f"{path} is damaged in line {i}; restore it or delete it.")


def _rows(trials: list[RowDict], history: list[RowDict], answers: list[RowDict]) -> Rows:
    for row in trials:
        row["finished_at"] = datetime.fromisoformat(row["finished_at"])
    for row in (*trials, *history):
        row["figures"] = row["figures"] and [tuple(pair) for pair in row["figures"]]
    for row in answers:
        row["correct"] = b64decode(row["correct"])
    return Rows.of(trials, history, answers)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else b64encode(value).decode()
