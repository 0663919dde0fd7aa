from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from store_rows import answers, epochs, failure, plan_rows, trial

from scalegrid.results.schema import (
    ANSWERS,
    HISTORY,
    MEASURED,
    SCHEMA_VERSION,
    TRIALS,
    VARIANTS,
    SchemaError,
    make_table,
    read_table,
    write_table,
)
from scalegrid.util.errors import UserError

TABLES = [
    (VARIANTS, plan_rows()),
    (TRIALS, [trial("v000", 0), failure("v001", 3)]),
    (HISTORY, epochs(trial("v000", 0))),
    (ANSWERS, [answers(trial("v000", 0))]),
]


@pytest.mark.parametrize(("schema", "rows"), TABLES)
def test_what_is_written_is_read(tmp_path: Path, schema: Any, rows: list[dict[str, Any]]) -> None:
    table = make_table(schema, rows)
    write_table(tmp_path / "t.parquet", table)
    again = read_table(tmp_path / "t.parquet", schema).to_pylist()
    for row, wanted in zip(again, rows, strict=True):
        for name in schema.names:
            both_nan = row[name] != row[name] and wanted[name] != wanted[name]
            assert row[name] == wanted[name] or both_nan


@pytest.mark.parametrize(("schema", "rows"), TABLES)
def test_any_reader_of_parquet_can_open_a_table(
    tmp_path: Path, schema: Any, rows: list[dict[str, Any]]
) -> None:
    write_table(tmp_path / "t.parquet", make_table(schema, rows))
    frame = pd.read_parquet(tmp_path / "t.parquet")
    assert set(frame.columns) == set(rows[0])
    metadata = pq.read_schema(tmp_path / "t.parquet").metadata
    assert metadata[b"scalegrid.schema"] == str(SCHEMA_VERSION).encode()


@pytest.mark.parametrize(
    "change",
    [
        {"top1": "0.5"},
        {"top1": None},
        {"seed": 0.5},
        {"seed": "0"},
        {"status": 1},
        {"finished_at": "today"},
        {"finished_at": datetime(2020, 1, 1)},
        {"threads": True},
        {"extra": 1},
    ],
)
def test_a_wrong_column_or_type_is_an_error(change: dict[str, object]) -> None:
    with pytest.raises(SchemaError, match=next(iter(change))):
        make_table(TRIALS, [trial("v000", 0), trial("v001", 0) | change])


def test_a_missing_column_is_an_error() -> None:
    row = trial("v000", 0)
    del row["threads"]
    with pytest.raises(SchemaError, match="threads"):
        make_table(TRIALS, [row])


def test_nan_is_a_value_and_not_a_null() -> None:
    table = make_table(TRIALS, [failure("v000", 0)])
    assert table["top1"].null_count == 0
    assert math.isnan(table["top1"][0].as_py())


def test_the_measured_columns_exist() -> None:
    assert set(MEASURED) <= set(TRIALS.names) | set(HISTORY.names)


def test_every_column_says_what_it_is() -> None:
    for schema in (VARIANTS, TRIALS, HISTORY, ANSWERS):
        assert all(field.metadata[b"description"] for field in schema)


def test_no_file_is_an_empty_table(tmp_path: Path) -> None:
    assert read_table(tmp_path / "t.parquet", TRIALS).equals(TRIALS.empty_table())


def corrupt(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("trial,variant\n1,2\n")


def foreign(path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), path)


def other_table(path: Path) -> None:
    write_table(path, make_table(HISTORY, []))


def without_metadata(path: Path) -> None:
    pq.write_table(pq.read_table(path).replace_schema_metadata({}), path)


def without_a_column(path: Path) -> None:
    pq.write_table(pq.read_table(path).drop_columns(["seed"]), path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "part.parquet").touch()


@pytest.mark.parametrize(
    "spoil",
    [corrupt, empty, text, foreign, other_table, without_metadata, without_a_column, folder],
)
def test_a_corrupt_or_foreign_file_is_named(tmp_path: Path, spoil: Any) -> None:
    path = tmp_path / "t.parquet"
    write_table(path, make_table(TRIALS, [trial("v000", 0)]))
    spoil(path)
    with pytest.raises(UserError, match=r"t\.parquet"):
        read_table(path, TRIALS)


def test_a_newer_schema_asks_for_an_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = make_table(TRIALS, [trial("v000", 0)])
    newer = {**TRIALS.metadata, b"scalegrid.schema": str(SCHEMA_VERSION + 1)}
    pq.write_table(table.replace_schema_metadata(newer), path)
    with pytest.raises(UserError, match="newer scalegrid"):
        read_table(path, TRIALS)


def test_a_table_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot write .*No such file"):
        write_table(tmp_path / "missing" / "t.parquet", make_table(TRIALS, []))
