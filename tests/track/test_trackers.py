"""Trackers hold what the tables hold, by their own readers; sent again, a run stays one run."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from store_rows import answers
from tracked_store import (
    FIGURE_SIZE,
    draw,
    history_of,
    stored_sweep,
    trained_again,
    trial_rows,
)

from scalegrid.results import Store
from scalegrid.track.sending import TRACKED_FILE, send_unsent
from scalegrid.track.trackers import tracker_for


@dataclass
class Found:
    """A run as a tracker has it."""

    config: dict[str, Any]
    history: dict[int, dict[str, float]] = field(default_factory=dict)
    final: dict[str, float] = field(default_factory=dict)
    status: str = ""
    error: str = ""
    figures: list[str] = field(default_factory=list)


def read_tensorboard(folder: Path) -> Iterator[tuple[str, Found]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.metadata import (
        SESSION_START_INFO_TAG,
        parse_session_start_info_plugin_data,
    )

    for run in (folder / "tensorboard").iterdir():
        events = EventAccumulator(str(run)).Reload()
        content = events.PluginTagToContent("hparams")[SESSION_START_INFO_TAG]
        start = parse_session_start_info_plugin_data(content)
        config = {k: getattr(v, str(v.WhichOneof("kind"))) for k, v in start.hparams.items()}
        found = Found(config, status=config.pop("status"), error=config.pop("error"))
        for tag in events.Tags()["scalars"]:
            for event in events.Scalars(tag):
                if tag.startswith("final/"):
                    found.final[tag.removeprefix("final/")] = event.value
                else:
                    found.history.setdefault(event.step, {})[tag] = event.value
        for tag in events.Tags()["images"]:
            (image,) = events.Images(tag)
            assert (image.width, image.height) == FIGURE_SIZE
            found.figures.append(tag)
        yield start.group_name, found


def read_wandb(folder: Path) -> Iterator[tuple[str, Found]]:
    from wandb.proto.wandb_internal_pb2 import Record

    for path in sorted((folder / "wandb").glob("offline-run-*/*.wandb")):
        found = Found({})
        for content in _log(path.read_bytes()):
            record = Record.FromString(content)
            if record.HasField("run"):
                identity = record.run.run_id
                assert (record.run.project, record.run.run_group) == ("tracked", "tracked")
                for item in record.run.config.update:
                    found.config[item.key] = json.loads(item.value_json)
            elif record.HasField("history"):
                for item in record.history.item:
                    value = json.loads(item.value_json)
                    key, *part = item.nested_key or (item.key,)
                    if part == ["path"]:
                        assert (path.parent / "files" / value).is_file()
                        found.figures.append(key)
                    elif not part and not key.startswith("_"):
                        found.history.setdefault(record.history.step.num, {})[key] = value
            elif record.HasField("summary"):
                for item in record.summary.update:
                    key, value = item.key or ".".join(item.nested_key), json.loads(item.value_json)
                    if key in ("status", "error"):
                        setattr(found, key, value)
                    elif not key.startswith("_") and key != "ranking":
                        found.final[key] = value
            elif record.HasField("exit"):
                failed = bool(record.exit.exit_code)
        assert failed == (found.status == "failed")
        found.config.pop("_wandb", None)
        yield identity, found


def _log(data: bytes) -> Iterator[bytes]:
    """The records of a file in LevelDB's log format, after the seven bytes that wandb begins with.

    https://github.com/google/leveldb/blob/main/doc/log_format.md
    """
    block, position, parts = 32768, 7, b""
    while position + 7 <= len(data):
        if block - position % block < 7:
            position += block - position % block  # a trailer
        _, length, kind = struct.unpack_from("<IHB", data, position)
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


def read_trackio(folder: Path) -> Iterator[tuple[str, Found]]:
    import trackio

    for run in trackio.Api().runs("tracked"):
        config = {k: v for k, v in (run.config or {}).items() if not k.startswith("_")}
        found = Found(config, status=config.pop("status"), error=config.pop("error"))
        for row in trackio.SQLiteStorage.get_logs("tracked", run.name, run_id=run.id):
            for key, value in row.items():
                if key.startswith("final/"):
                    found.final[key.removeprefix("final/")] = value
                elif isinstance(value, dict):
                    found.figures.append(key)
                elif key not in ("step", "timestamp"):
                    found.history.setdefault(row["step"], {})[key] = value
        yield run.name.split()[-1], found


def read_mlflow(folder: Path) -> Iterator[tuple[str, Found]]:
    from mlflow import MlflowClient

    client = MlflowClient("sqlite:///mlflow.db")
    experiment = client.get_experiment_by_name("tracked")
    assert experiment is not None
    for run in client.search_runs([experiment.experiment_id]):
        tags = run.data.tags
        status = {"FINISHED": "finished", "FAILED": "failed"}[run.info.status]
        found = Found(dict(run.data.params), status=status, error=tags["error"])
        for key in run.data.metrics:
            for metric in client.get_metric_history(run.info.run_id, key):
                if key.startswith("final/"):
                    found.final[key.removeprefix("final/")] = metric.value
                else:
                    found.history.setdefault(metric.step, {})[key] = metric.value
        found.figures = [
            Path(file.path).stem for file in client.list_artifacts(run.info.run_id, "figures")
        ]
        yield tags["scalegrid.run"], found


READERS = {
    "tensorboard": read_tensorboard,
    "wandb": read_wandb,
    "trackio": read_trackio,
    "mlflow": read_mlflow,
}
QUICK = [
    pytest.param(name, marks=pytest.mark.slow) if name == "mlflow" else name for name in READERS
]

HINTS = {
    "tensorboard": "`tensorboard --logdir ",
    "wandb": "there is no API key for wandb, so they are offline; `wandb sync ",
    "trackio": "`trackio show --project tracked`",
    "mlflow": "the experiment tracked at sqlite:///",
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's is read or written."""
    monkeypatch.chdir(tmp_path)
    for variable in ("WANDB_MODE", "WANDB_DIR", "WANDB_API_KEY", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("NETRC", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "TRACKIO_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))


@pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")  # MLflow's
@pytest.mark.parametrize("name", QUICK)
def test_a_tracker_holds_what_the_tables_hold(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name)
    rows = trial_rows()
    folder = stored_sweep(tmp_path / "results", rows)
    tracker = tracker_for(name, folder)
    ids = [row["trial"] for row in rows]

    def sent(*, last: bool = True) -> list[str]:
        return [run.id for run in send_unsent(folder, tracker, draw if last else None)]

    def check() -> None:
        runs = list(READERS[name](folder))
        assert len(runs) == len(dict(runs)) == len(rows) + 1
        _same(dict(runs), folder)

    assert sent(last=False) == ids
    *trials, sweep = sent()
    assert trials == []
    check()
    assert sent() == []

    (folder / TRACKED_FILE).unlink()  # as after a kill between sending and noting
    assert sent() == [*ids, sweep]
    check()

    with Store(folder) as store:  # its worker was killed before
        assert store.stored is not None
        store.start(store.stored.spec, store.stored.planned, store.stored.data)
        again = trained_again(rows[2])
        store.add([again], history_of(again), [answers(again)])
    assert sent() == [ids[2], sweep]
    check()
    assert HINTS[name] in tracker.hint


def _same(runs: dict[str, Found], folder: Path) -> None:
    """Whether runs are those of the parquet files."""
    trials, variants, history = (
        pd.read_parquet(folder / f"{table}.parquet") for table in ("trials", "variants", "history")
    )
    numbers = (
        *("top1", "top5", "balanced", "train_loss", "val_loss"),
        *("images_per_second", "seconds"),
    )
    for _, row in trials.iterrows():
        found = runs.pop(row["trial"])
        assert found.status == row["status"]
        assert found.error == ("" if pd.isna(row["error"]) else row["error"])
        assert not found.figures
        final = row[[*numbers, "epochs", "images"]].dropna().to_dict()
        assert found.final == pytest.approx(final, rel=1e-6)
        epochs = history[history["trial"] == row["trial"]].set_index("epoch")
        expected = epochs[[*numbers, "learning_rate"]].to_dict("index")
        assert found.history == {step: pytest.approx(of) for step, of in expected.items()}
        config = found.config
        assert config["optimizer"] == "sgd"
        variant = variants.set_index("variant", drop=False).loc[row["variant"]]
        for key in ("variant", "role", "layers", "channels"):
            assert config[key] == variant[key]
        for key in ("trial", "device", "versions"):
            assert config[key] == row[key]
        for key in ("alpha", "beta", "gamma", "resolution", "flops", "params"):
            assert float(config[key]) == pytest.approx(variant[key])
        for key in ("seed", "learning_rate"):
            assert float(config[key]) == row[key]
    (sweep,) = runs.values()
    assert sweep.figures == ["ranking"]
    failed = int((trials["status"] == "failed").sum())
    assert sweep.final == {"finished": len(trials) - failed, "failed": failed}
    assert sweep.config["baseline"] == "light"
