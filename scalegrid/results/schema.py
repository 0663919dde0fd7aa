"""The schemas of the result tables, enforced on writing and on reading."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from scalegrid.util.errors import UserError
from scalegrid.util.files import replace_file

SCHEMA_VERSION = 7
"""Raised whenever a column is added, removed, or changes its type or meaning."""

Table: TypeAlias = Any  # pyarrow ships no types
Row = Mapping[str, Any]

_ADDED = {
    "memory": None,
    "depth_rounding": "authors",
    "learning_rate": math.nan,
    "placement": 0.0,
    "rung": 1,
    "figures": None,
    "balanced": math.nan,
    "number_format": None,
}
"""Columns that tables of earlier versions lack, and their values there."""

_NULLABLE = ("error", "memory", "figures", "number_format")

_VERSION_KEY = b"scalegrid.schema"
_NAME_KEY = b"scalegrid.table"

_TEXT, _WHOLE, _REAL = pa.string(), pa.int64(), pa.float64()
_TRUTH, _MOMENT, _BITS = pa.bool_(), pa.timestamp("us", "UTC"), pa.binary()
_FIGURES = pa.map_(pa.string(), pa.float64())
_KINDS: dict[Any, Callable[[object], bool]] = {
    _TEXT: lambda value: isinstance(value, str),
    _WHOLE: lambda value: _is_number(value, int, Integral),
    _REAL: lambda value: _is_number(value, float, Real),
    _TRUTH: lambda value: isinstance(value, bool),
    _MOMENT: lambda value: isinstance(value, datetime) and value.tzinfo is not None,
    _BITS: lambda value: isinstance(value, bytes),
    _FIGURES: lambda value: isinstance(value, list) and all(isinstance(n, str) for n, _ in value),
}


def _is_number(value: object, usual: type, kind: type) -> bool:
    """Whether it is a number of a kind; the usual type is quick to tell, others are not."""
    return type(value) is usual or (isinstance(value, kind) and not isinstance(value, bool))


class SchemaError(ValueError):
    """Rows that do not fit their table: a mistake in the program, not the user's."""


def _schema(table: str, **columns: tuple[Any, str]) -> Any:
    fields = [
        pa.field(name, kind, nullable=name in _NULLABLE, metadata={"description": description})
        for name, (kind, description) in columns.items()
    ]
    return pa.schema(fields, {_NAME_KEY: table, _VERSION_KEY: str(SCHEMA_VERSION)})


VARIANTS = _schema(
    "variants",
    variant=(_TEXT, "id: digest of the realised network and its resolution"),
    role=(_TEXT, "baseline, depth, width, resolution, paper, compound, grid, stages or curve"),
    phi=(_REAL, "compound coefficient"),
    alpha=(_REAL, "depth per unit of phi; NaN if depth cannot be scaled"),
    beta=(_REAL, "width per unit of phi; NaN if width cannot be scaled"),
    gamma=(_REAL, "resolution per unit of phi"),
    alpha_low=(_REAL, "smallest alpha that realises the same layers"),
    alpha_high=(_REAL, "largest alpha that does"),
    beta_low=(_REAL, "smallest beta that realises the same channels"),
    beta_high=(_REAL, "largest beta that does"),
    depth=(_REAL, "depth multiplier, alpha^phi"),
    width=(_REAL, "width multiplier, beta^phi"),
    resolution=(_WHOLE, "side of the input, px"),
    flops=(_WHOLE, "multiply-adds of one image"),
    flops_ratio=(_REAL, "FLOPs over the baseline's"),
    params=(_WHOLE, "parameters"),
    activations=(_WHOLE, "output elements of convolutions and matrix products, one image"),
    memory=(_WHOLE, "bytes of activations at the peak of a training step, estimated; null if not"),
    matched=(_TRUTH, "whether its cost is as the plan wants it, within the tolerance"),
    share_depth=(_REAL, "measured budget share of depth; NaN for the baseline"),
    share_width=(_REAL, "measured budget share of width; NaN for the baseline"),
    share_resolution=(_REAL, "measured budget share of resolution; NaN for the baseline"),
    nominal_depth=(_REAL, "budget share of depth by the coefficients; NaN for the baseline"),
    nominal_width=(_REAL, "budget share of width by the coefficients; NaN for the baseline"),
    nominal_resolution=(_REAL, "budget share of resolution, likewise; NaN for the baseline"),
    depth_rounding=(
        _TEXT,
        "rule by which layers are rounded: ceil or round, or authors, that of its family",
    ),
    placement=(_REAL, "where layers are added, or removed: from -1, early, to 1, late; 0 evenly"),
    layers=(_TEXT, "realised layers of each row of the layer table, joined by dashes"),
    channels=(_TEXT, "realised channels of each row of the layer table, joined by dashes"),
    layout=(_TEXT, "the layer table, JSON"),
    order=(_WHOLE, "position in the plan, from 0"),
)
TRIALS = _schema(
    "trials",
    trial=(_TEXT, "id: digest of variant, seed, data, recipe and a rung above 1"),
    variant=(_TEXT, "id of the variant"),
    seed=(_WHOLE, "seed of the training"),
    rung=(_WHOLE, "multiple of the brief budget; 1 in tables of schema 1 to 3"),
    learning_rate=(_REAL, "peak learning rate; NaN in tables of schema 1 and 2"),
    status=(_TEXT, "finished or failed"),
    top1=(_REAL, "top-1 accuracy after the last epoch, a share in [0, 1]; NaN if failed"),
    top5=(_REAL, "top-5 accuracy after the last epoch, a share in [0, 1]; NaN if failed"),
    balanced=(_REAL, "mean over classes of the top-1 within each, likewise; NaN before schema 6"),
    train_loss=(_REAL, "mean training loss of the last epoch, nats; NaN if failed"),
    val_loss=(_REAL, "validation cross-entropy after the last epoch, nats; NaN if failed"),
    flops=(_WHOLE, "multiply-adds of one image"),
    params=(_WHOLE, "parameters"),
    epochs=(_WHOLE, "epochs finished"),
    images=(_WHOLE, "training images seen in them"),
    images_per_second=(_REAL, "training images over training seconds, all epochs; measured"),
    seconds=(_REAL, "wall time of the trial, without what it continues from; measured"),
    device=(
        _TEXT,
        "cpu, its model and widest vector instructions; or cuda, the GPU; or mps, the chip",
    ),
    threads=(_WHOLE, "CPU threads"),
    number_format=(
        _TEXT,
        "of products: fp32, bf16, fp16; null if failed, with a trainer, before schema 7",
    ),
    versions=(_TEXT, "of scalegrid and the libraries that decide the numbers"),
    error=(_TEXT, "why the trial failed; null if it did not"),
    finished_at=(_MOMENT, "when the trial ended; measured"),
    figures=(_FIGURES, "further figures of a --trainer after the last epoch; null without one"),
)
NETWORKS = _schema(
    "networks",
    number=(_WHOLE, "in the order of sampling, from 0"),
    variant=(_TEXT, "id: digest of the network and the resolution it is trained at"),
    point=(_TEXT, "the choices of the space, JSON"),
    definition=(_TEXT, "the network as a baseline's YAML file defines it, JSON"),
    generation=(_WHOLE, "of an evolution; -1 without one"),
    outside=(_WHOLE, "suggestions before it that were outside the window of costs"),
    repeated=(_WHOLE, "suggestions before it that had been sampled already"),
    cost=(_REAL, "what the objective counts: FLOPs, parameters, or seconds of latency"),
    resolution=(_WHOLE, "px that the costs are of"),
    flops=(_WHOLE, "multiply-adds of one image"),
    params=(_WHOLE, "parameters"),
    activations=(_WHOLE, "output elements of convolutions and matrix products, one image"),
    layers=(_TEXT, "layers of each row of the layer table, joined by dashes"),
    channels=(_TEXT, "channels of each row of the layer table, joined by dashes"),
)
RATES = TRIALS.with_metadata({_NAME_KEY: "rates", _VERSION_KEY: str(SCHEMA_VERSION)})
HISTORY = _schema(
    "history",
    trial=(_TEXT, "id of the trial"),
    epoch=(_WHOLE, "from 1"),
    train_loss=(_REAL, "mean training loss, with label smoothing, nats"),
    val_loss=(_REAL, "validation cross-entropy, nats"),
    top1=(_REAL, "top-1 accuracy, a share in [0, 1]"),
    top5=(_REAL, "top-5 accuracy, a share in [0, 1]"),
    balanced=(_REAL, "mean over classes of the top-1 within each; NaN before schema 6"),
    learning_rate=(_REAL, "at the end of the epoch"),
    images_per_second=(_REAL, "training images over training seconds; measured"),
    seconds=(_REAL, "wall time of the epoch, evaluation included; measured"),
    figures=(_FIGURES, "further figures of a --trainer, by name; null without one"),
)
ANSWERS = _schema(
    "answers",
    trial=(_TEXT, "id of the trial"),
    images=(_WHOLE, "validation images, in the order of the data"),
    correct=(_BITS, "bit i: whether the top-1 answer on image i is right; as numpy.packbits packs"),
)
MEASURED = ("images_per_second", "seconds", "finished_at")
"""The columns in which an interrupted sweep differs from an undisturbed one."""


def make_table(schema: Any, rows: Sequence[Row]) -> Table:
    """The rows as a table of ``schema``.

    Raises:
        SchemaError: a column is missing or unknown, or a value is null or of the wrong type.
    """
    name = _name(schema)
    wanted = set(schema.names)
    for row in rows:
        if row.keys() != wanted:
            differing = ", ".join(sorted(row.keys() ^ wanted))
            raise SchemaError(f"a row of {name} has missing or unknown columns: {differing}")
    fields = list(schema)
    for field in fields:
        fits = _KINDS[field.type]
        for value in (row[field.name] for row in rows):
            # Checked here, since arrow truncates and parses where it sees fit.
            if not (fits(value) or (value is None and field.nullable)):
                raise SchemaError(f"column {field.name} of {name}: {value!r} is no {field.type}")
    columns = pa.array(rows, pa.struct(fields)).flatten()
    return pa.Table.from_arrays(columns, schema=schema)


def write_table(path: Path, table: Table) -> None:
    """Replace ``path`` durably and in one step.

    Raises:
        UserError: it cannot be written, for example because the disk is full.
    """
    # Ids and words repeat, numbers do not; a dictionary of the latter doubles the time.
    words = [field.name for field in table.schema if pa.types.is_string(field.type)]
    write = partial(pq.write_table, table, compression="zstd", use_dictionary=words)
    try:
        replace_file(path, write)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}; mend that and run the same command "
            "again to go on where it was."
        ) from error


_SPARE = frozenset({"answers", "rates"})
"""Tables without which a sweep can be read, and goes on."""


def read_table(path: Path, schema: Any) -> Table:
    """Read a table that scalegrid wrote; an empty one when there is no file.

    Raises:
        UserError: the file cannot be read, is corrupt, is of something else, or was written by a
            newer scalegrid.
    """
    try:
        with path.open("rb") as file:  # arrow, given the path, looks twice, and may find two files
            # Threads of arrow that still run as the process ends have aborted it.
            table = pq.read_table(file, use_threads=False, pre_buffer=False)
    except FileNotFoundError:
        return schema.empty_table()
    except (OSError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or "it is damaged or no parquet file"
        raise UserError(f"cannot read {path}: {reason}; {_remedy(schema)}.") from None
    metadata = table.schema.metadata or {}
    version = metadata.get(_VERSION_KEY, b"").decode(errors="replace")
    if version.isdecimal() and int(version) > SCHEMA_VERSION:
        raise UserError(
            f"{path} was written by a newer scalegrid (schema {version}; this one reads up to "
            f"{SCHEMA_VERSION}); upgrade scalegrid."
        )
    if version.isdecimal():
        table = _upgraded(table, schema)
    ours = version.isdecimal() and metadata.get(_NAME_KEY) == schema.metadata[_NAME_KEY]
    if not ours or not table.schema.equals(schema, check_metadata=False):
        why = _otherwise(table, schema) if ours else "nothing in it says so"
        raise UserError(
            f"{path} is not the {_name(schema)} table of a sweep ({why}); {_remedy(schema)}."
        )
    return table


def _name(schema: Any) -> str:
    return str(schema.metadata[_NAME_KEY].decode())


def _remedy(schema: Any) -> str:
    """What to do about a file that cannot be used."""
    spare = _name(schema) in _SPARE
    return "restore it or delete it" if spare else "restore it, or begin anew by another --name"


def _otherwise(table: Table, schema: Any) -> str:
    """In what the columns of a table are not those of its schema."""
    for field in schema:
        if field.name not in table.schema.names:
            return f"it has no column {field.name}"
        found = table.schema.field(field.name).type
        if found != field.type:
            return f"its column {field.name} is of {found}, not {field.type}"
        if table.schema.field(field.name).nullable != field.nullable:
            return f"its column {field.name} may {'not ' if field.nullable else ''}be empty"
    return f"{next(n for n in table.schema.names if n not in schema.names)} is no column of it"


def _upgraded(table: Table, schema: Any) -> Table:
    """A table of an earlier version with the columns of today."""
    for name in set(_ADDED) & set(schema.names) - set(table.schema.names):
        column = pa.array([_ADDED[name]] * len(table), schema.field(name).type)
        table = table.append_column(schema.field(name), column)
    return table.select(schema.names) if set(table.schema.names) == set(schema.names) else table
