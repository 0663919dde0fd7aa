"""The trackers: each sends a run to where one looks for it.

A tracker is named by ``--track`` and is an extra of this package. Making one imports and writes
nothing; sending imports the tracker's own package. Where a tracker has no final numbers beside a
curve, they are called ``final/top1`` and so on.
"""

from __future__ import annotations

import os
import re
import shutil
import warnings
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from scalegrid.track.runs import Run
from scalegrid.util.errors import UserError
from scalegrid.util.files import digest


class Tracker(Protocol):
    """Where runs are sent to.

    ``packages`` must be importable. ``destination`` differs between places: what has been sent to
    one has not been sent to another. ``hint`` says how to look at the runs.
    """

    packages: tuple[str, ...]
    destination: str

    @property
    def hint(self) -> str:
        """How to look at what has been sent."""

    def send(self, run: Run) -> None:
        """Send a run; one of the same id that was sent before, in part or whole, is replaced.

        Raises:
            Exception: whatever the tracker's package raises.
        """


def tracker_for(name: str, folder: Path) -> Tracker:
    """The tracker called ``name`` for the sweep in ``folder``.

    Raises:
        UserError: its package is not installed.
    """
    tracker: Tracker = _TRACKERS[name](folder)
    missing = [package for package in tracker.packages if not _installed(package)]
    if missing:
        raise UserError(
            f"--track {name} needs {' and '.join(missing)}, which is not installed; "
            f"pip install 'scalegrid[{name}]'."
        )
    return tracker


def _installed(package: str) -> bool:
    """Whether a package can be imported; a folder of that name beside the user's files is none."""
    spec = find_spec(package)
    return spec is not None and spec.origin is not None


def _destination(name: str, *variables: str) -> str:
    """A name that tells variables' values apart without showing them: some hold passwords."""
    values = [os.environ.get(variable) for variable in variables]
    return f"{name} {digest(values)}" if any(values) else name


def _described(run: Run) -> dict[str, Any]:
    """The settings of a run and how it ended, for trackers that have no place for the latter."""
    return {**run.config, "status": run.status, "error": run.error or ""}


def _final(run: Run) -> Mapping[str, float]:
    return {f"final/{key}": value for key, value in run.final.items()}


class TensorBoard:
    """Event files in ``tensorboard/`` beside the tables; torch and TensorFlow are not needed."""

    packages = ("tensorboard",)
    destination = "tensorboard"

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "tensorboard"

    @property
    def hint(self) -> str:
        """The command that shows them."""
        return f"`tensorboard --logdir {self._folder}` shows them"

    def send(self, run: Run) -> None:
        """Write the event file of a run, in a folder of its own."""
        from PIL import Image
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        for earlier in self._folder.glob(f"*-{run.id}"):
            shutil.rmtree(earlier)
        name = re.sub(r"[\s/]+", "-", f"{run.name}-{run.id}")
        writer = EventFileWriter(str(self._folder / name))

        def write(summary: Any, time: float, step: int = 0) -> None:
            writer.add_event(Event(wall_time=time, step=step, summary=summary))

        def scalars(values: Mapping[str, float]) -> Any:
            return Summary(value=[Summary.Value(tag=k, simple_value=v) for k, v in values.items()])

        write(hparams_pb(_described(run), trial_id=run.id, start_time_secs=run.start), run.start)
        for point in run.history:
            write(scalars(point.values), point.time, point.epoch)
        write(scalars(_final(run)), run.end, len(run.history))
        for path in run.figures:
            with Image.open(path) as picture:
                width, height = picture.size
            image = Summary.Image(
                width=width, height=height, colorspace=4, encoded_image_string=path.read_bytes()
            )
            write(Summary(value=[Summary.Value(tag=path.stem, image=image)]), run.end)
        writer.close()


class WandB:
    """Weights & Biases, project of the sweep's name; offline where there is no API key."""

    packages = ("wandb",)

    def __init__(self, folder: Path) -> None:
        self.destination = _destination("wandb", "WANDB_BASE_URL", "WANDB_ENTITY", "WANDB_PROJECT")
        self._sweep = folder.name
        allowed = re.sub(r"[/\\#?%:]", "-", folder.name)[:128]
        self._project = os.environ.get("WANDB_PROJECT") or allowed
        self._folder = Path(os.environ.get("WANDB_DIR") or folder)
        self._mode: Any = None
        self._reason = ""

    @property
    def hint(self) -> str:
        """Where they are, and why they are offline if they are."""
        if self._mode != "offline":
            return f"they are in the project {self._project} (mode {self._mode})"
        return f"{self._reason}`wandb sync {self._folder}/wandb/offline-run-*` uploads them"

    def send(self, run: Run) -> None:
        """Make the run of that id, or go on with it, and finish it."""
        import wandb

        if self._mode is None:
            self._mode = self._found_mode()
        for earlier in self._folder.glob(f"wandb/offline-run-*-{run.id}"):
            shutil.rmtree(earlier)
        sent: Any = wandb.init(
            project=self._project,
            id=run.id,
            name=run.name,
            group=self._sweep,
            job_type=run.kind,
            config=dict(run.config),
            resume="allow",
            mode=self._mode,
            dir=self._folder,
            settings=wandb.Settings(
                console="off", silent=True, x_disable_stats=True, disable_git=True, save_code=False
            ),
        )
        sent.define_metric("*", summary="none")  # it would take those of the last epoch
        for point in run.history:
            sent.log(dict(point.values), step=point.epoch)
        if run.figures:
            sent.log({path.stem: wandb.Image(str(path)) for path in run.figures})
        sent.summary.update({**run.final, "status": run.status, "error": run.error or ""})
        sent.finish(exit_code=1 if run.error else 0)

    def _found_mode(self) -> str:
        """The mode that is set; offline, not a prompt, where none is and there is no API key."""
        import wandb
        from wandb.errors import UsageError

        mode = str(wandb.setup().settings.mode)
        if mode != "online":
            return mode
        try:
            if wandb.login(verify=False):
                return mode
        except UsageError:  # no API key, and no terminal to ask for one
            pass
        self._reason = "there is no API key for wandb, so they are offline; "
        return "offline"


class Trackio:
    """Trackio's local files, or the Space or server of its own variables."""

    packages = ("trackio",)

    def __init__(self, folder: Path) -> None:
        self.destination = _destination(
            "trackio", "TRACKIO_DIR", "TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"
        )
        self._sweep = folder.name

    @property
    def hint(self) -> str:
        """The command that shows them."""
        return f"`trackio show --project {self._sweep}` shows them"

    def send(self, run: Run) -> None:
        """Make the run anew."""
        import trackio

        with suppress(ValueError):  # there is no such project yet
            for earlier in trackio.Api().runs(self._sweep):
                if earlier.name.endswith(run.id):
                    earlier.delete()
        with warnings.catch_warnings(record=True) as lost:  # it warns where others raise
            warnings.simplefilter("always", UserWarning)
            sent = trackio.init(
                self._sweep,
                name=f"{run.name} {run.id}",
                group=run.kind,
                config=_described(run),
                resume="allow",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
            for point in run.history:
                sent.log(dict(point.values), step=point.epoch)
            pictures = {path.stem: trackio.Image(str(path)) for path in run.figures}
            sent.log({**_final(run), **pictures}, step=len(run.history))
            trackio.finish()
        if lost:
            raise RuntimeError(str(lost[0].message))


class MLflow:
    """MLflow at MLFLOW_TRACKING_URI, by default MLflow's own ``mlflow.db`` in the working folder.

    The experiment has the sweep's name.
    """

    _MOST = 500  # metrics a request; a server takes 1000

    def __init__(self, folder: Path) -> None:
        local = f"sqlite:///{Path('mlflow.db').absolute()}"
        self._uri = os.environ.get("MLFLOW_TRACKING_URI") or local
        self._shown = self._uri if self._uri == local else "MLFLOW_TRACKING_URI"
        database = ("sqlalchemy", "alembic") if self._uri.startswith("sqlite:") else ()
        self.packages = ("mlflow", *database)
        self.destination = f"mlflow {digest(self._uri)}"  # it may hold a password
        self._sweep = folder.name

    @property
    def hint(self) -> str:
        """Where they are."""
        return f"they are in the experiment {self._sweep} at {self._shown}"

    def send(self, run: Run) -> None:
        """Make the run anew; MLflow gives it an id, and the tag ``scalegrid.run`` has ours."""
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        client = MlflowClient(self._uri)
        known = client.get_experiment_by_name(self._sweep)
        experiment = known.experiment_id if known else client.create_experiment(self._sweep)
        for earlier in client.search_runs([experiment], f"tags.`scalegrid.run` = '{run.id}'"):
            client.delete_run(earlier.info.run_id)
        tags = {"scalegrid.run": run.id, "scalegrid.kind": run.kind, "error": run.error or ""}
        start, end = (round(1000 * time) for time in (run.start, run.end))
        sent = client.create_run(experiment, start, tags, run.name).info.run_id
        client.log_batch(sent, params=[Param(k, str(v)) for k, v in run.config.items()])
        metrics = [
            Metric(key, value, round(1000 * point.time), point.epoch)
            for point in run.history
            for key, value in point.values.items()
        ]
        metrics += [Metric(k, v, end, len(run.history)) for k, v in _final(run).items()]
        for first in range(0, len(metrics), self._MOST):
            client.log_batch(sent, metrics=metrics[first : first + self._MOST])
        for path in run.figures:
            client.log_artifact(sent, str(path), "figures")
        client.set_terminated(sent, "FAILED" if run.error else "FINISHED", end)


_TRACKERS: dict[str, Any] = {
    "tensorboard": TensorBoard,
    "wandb": WandB,
    "trackio": Trackio,
    "mlflow": MLflow,
}
