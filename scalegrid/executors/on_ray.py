"""Trials on a Ray cluster: an actor for each worker, which keeps a process of its node.

Ray places the actors, and nothing else: which trial goes where is decided here, one at a time for
each worker. What a machine of the cluster loses is started again elsewhere.
"""

from __future__ import annotations

import logging
import math
import os
import pickle
import queue
import signal
import socket
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scalegrid.data.cache import parts, record_of
from scalegrid.executors.base import CLOSED, STARTS, Event, Executor
from scalegrid.executors.local import KILLED
from scalegrid.executors.node import Answer, Job, Lacking, NodeWorker, Order
from scalegrid.executors.own_code import Own, copied, own_code
from scalegrid.executors.placement import Placement, check_devices
from scalegrid.spec import SweepSpec
from scalegrid.training.trial import Epoch, Outcome, Trial
from scalegrid.util import processes
from scalegrid.util.errors import UserError, one_line
from scalegrid.util.version import __version__

_PATIENCE = 10.0  # seconds for an address to answer
_FOLLOW_EVERY = 2.0  # seconds between looks at the size of the cluster
_LAST_PORT = 2**16 - 1
_MOST_ON_A_GPU = 1024  # as trials_per_device has it
_STORE = 100 * 2**20  # bytes of the object store of a Ray of our own, which sends nothing far


def placement(spec: SweepSpec) -> Placement:
    """As many workers as are asked for, or as the cluster has room for now.

    Raises:
        UserError: Ray is not installed or does not answer; or what a trial needs is on no node.
    """
    cluster = _connected(spec)
    need = _need(spec, cluster)
    device = "cuda:0" if need["GPU"] else "cpu"
    check_devices(spec, (device,))
    free = cluster.room(need)
    if free is None and (spec.workers is None or cluster.own_ray):
        needs = " and ".join(f"{amount:g} {kind}" for kind, amount in need.items() if amount)
        alone = cluster.own_ray
        where = "this machine does not have" if alone else "no node of the Ray cluster has"
        grows = "" if alone else ", or --workers if the cluster grows by itself"
        raise UserError(
            f"{where} {needs} for a trial; give a smaller --cpus-per-trial or "
            f"--gpus-per-trial{grows}."
        )
    return Placement(spec.workers or max(1, free or 0), (device,), spec.threads)


def executor(spec: SweepSpec, placement: Placement) -> Executor:
    """Workers on the cluster.

    Raises:
        UserError: as by `placement`.
    """
    cluster = _connected(spec)
    need = _need(spec, cluster)
    job = Job(placement.devices[0], placement.threads, str(Path.cwd()), tuple(cluster.own))
    # Fewer workers than there is room for are as many as have something to do.
    grows = spec.workers is None and placement.workers >= (cluster.room(need) or 0)
    return RayExecutor(cluster, placement.workers, need, job, grows=grows)


def _need(spec: SweepSpec, cluster: Cluster) -> dict[str, float]:
    """CPUs and GPUs of a trial.

    Raises:
        UserError: GPUs and the device do not go together.
    """
    gpus = spec.gpus_per_trial
    if spec.device not in ("auto", "cpu", "cuda"):
        raise UserError(
            f"--device {spec.device}: Ray chooses which GPU; use --device auto, cpu or cuda."
        )
    if spec.device == "cpu" and gpus:
        raise UserError(f"--gpus-per-trial {gpus:g} and --device cpu exclude each other.")
    if spec.device == "cuda" and gpus == 0:
        raise UserError("--gpus-per-trial 0 and --device cuda exclude each other.")
    if gpus is None:
        wanted = spec.device == "cuda" or (spec.device == "auto" and cluster.has_gpus)
        gpus = 1 / (spec.trials_per_device or 1) if wanted else 0.0
    if 0 < gpus < 1 / _MOST_ON_A_GPU:
        raise UserError(
            f"--gpus-per-trial {gpus:g}: at most {_MOST_ON_A_GPU} trials share a GPU; give more."
        )
    if gpus > 1 and gpus != round(gpus):
        raise UserError(f"--gpus-per-trial {gpus:g}: Ray takes a whole number, or a part of one.")
    return {"CPU": spec.cpus_per_trial or float(spec.threads), "GPU": gpus}


class Cluster:
    """Ray, as this process is connected to it.

    Args:
        address: the cluster to join; None to start one here.
        own: what is copied to the nodes.

    Raises:
        UserError: Ray is not installed, or cannot be started or joined.
    """

    def __init__(self, address: str | None = None, own: list[Own] | None = None) -> None:
        self.ray = _ray()
        self.address, self._wanted = address, own or []
        self.own = self._wanted
        self._opened = not self.ray.is_initialized()
        if not self._opened:  # by the program that uses this package, which sends its own code
            self.own = []
            return
        with tempfile.TemporaryDirectory() as name:
            copied(self.own, Path(name))
            environment = {"working_dir": name} if self.own else {}
            try:
                _check_answers(address)
                self._open(environment)
            except (RuntimeError, ValueError, OSError) as error:
                self.close()
                if address is None:
                    raise UserError(f"Ray cannot be started here: {one_line(error)}.") from error
                raise UserError(
                    f"--ray-address {address}: no Ray cluster can be joined there "
                    f"({one_line(error)}); `ray start --head` starts one, or leave the address out."
                ) from error

    def _open(self, environment: dict[str, str]) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else Ray warns
        settings: dict[str, Any] = {
            "runtime_env": environment,
            "log_to_driver": False,
            "logging_level": logging.ERROR,
        }
        if self.address is None:
            cores = processes.available_cores()
            settings |= {"num_cpus": cores, "object_store_memory": _STORE}
            settings |= {"include_dashboard": False}
        # Its servers are not to end by Ctrl-C before this process does.
        with processes.uninterrupted() if self.address is None else _handlers_kept():
            self.ray.init(self.address or "local", **settings)
        with suppress(ImportError, AttributeError):
            from ray._private import worker

            # Its words on workers and nodes that die go to standard output, by this alone.
            worker.print_to_stdstream = lambda *_words, **_settings: None

    def stands_for(self, address: str | None, own: list[Own]) -> bool:
        """Whether it is open, and to that address with that code."""
        return bool(self.ray.is_initialized()) and (self.address, self._wanted) == (address, own)

    @property
    def own_ray(self) -> bool:
        """Whether it was started here, so that it does not grow."""
        return self._opened and self.address is None

    @property
    def has_gpus(self) -> bool:
        """Whether a node has a GPU."""
        return bool(self.ray.cluster_resources().get("GPU"))

    def room(self, need: Mapping[str, float], free: bool = True) -> int | None:
        """How many workers can be placed, beside what is placed now if ``free``.

        None if there is no node for one, whatever else runs.
        """
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        places = sum(_places(node, need) for node in nodes)
        if not places:
            return None
        return min(places, _places(self.ray.available_resources(), need)) if free else places

    def close(self) -> None:
        """End the Ray that was started, or leave the one that was joined."""
        global _cluster
        if self._opened:
            self.ray.shutdown()
        self._opened = False
        if _cluster is self:
            _cluster = None


_cluster: Cluster | None = None


def _connected(spec: SweepSpec) -> Cluster:
    """The connection of this process, which lasts until an executor is cancelled."""
    global _cluster
    wanted = spec.ray_address, own_code(spec)
    if _cluster is not None and not _cluster.stands_for(*wanted):
        _cluster.close()
    if _cluster is None:
        _cluster = Cluster(*wanted)
    return _cluster


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise UserError(
            "--executor ray needs Ray, which is not installed; pip install 'scalegrid[ray]' "
            "brings it."
        ) from None
    return ray


def _check_answers(address: str | None) -> None:
    """Raise OSError where nobody listens, or no Ray; Ray itself would try for many minutes.

    Raises:
        UserError: it is no address of a cluster.
    """
    variable = os.environ.get("RAY_ADDRESS") if address == "auto" else None  # Ray goes by it
    if variable or address not in (None, "auto", "local"):
        address = variable or address
        host, _, port = str(address).rpartition(":")
        if not port.isdecimal() or int(port) > _LAST_PORT or "/" in host:
            raise UserError(
                f"--ray-address {address}: give auto, on a machine of the cluster, or HOST:PORT; "
                "Ray's client (ray://) is not supported."
            )
        with socket.create_connection((host.strip("[]"), int(port)), _PATIENCE) as server:
            if not _speaks_grpc(server):
                raise OSError("what answers there is no Ray")


def _speaks_grpc(server: socket.socket) -> bool:
    """Whether a server begins as those of HTTP/2 do, with a SETTINGS frame (RFC 9113, 3.4)."""
    if os.environ.get("RAY_USE_TLS", "0") != "0":
        return True  # encrypted, so it cannot be seen
    nothing = bytes(3) + b"\x04" + bytes(5)  # a SETTINGS frame without settings
    with suppress(ConnectionError), server.makefile("rb") as answer:
        server.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + nothing)
        return answer.read(9)[3:4] == b"\x04"
    return False


def _places(resources: Mapping[str, float], need: Mapping[str, float]) -> int:
    """How many workers have what they need; a part of a GPU is of one GPU."""
    places = []
    for kind, amount in need.items():
        there = resources.get(kind, 0.0)
        if kind == "GPU" and 0 < amount < 1:
            places.append(math.floor(there) * math.floor(1 / amount + 1e-6))
        elif amount:
            places.append(math.floor(there / amount + 1e-6))
    return min(places)


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Within, Ray may set handlers of signals; afterwards they are as before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in processes.INTERRUPTIONS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(eq=False)
class _Worker:
    """An actor, as this process sees it; ``name`` is that of its node, once it is ready."""

    actor: Any
    name: str | None = None
    order: _Order | None = None
    began: float = 0.0


@dataclass(eq=False)
class _Order:
    """A trial to be trained: how often it was started, and what has been heard of it."""

    trial: Trial
    sent: Order
    starts: int = 0
    epochs: list[Epoch] = field(default_factory=list)


class RayExecutor:
    """Runs trials in worker processes of the nodes of a Ray cluster, each kept by an actor.

    A trial whose node is lost is started again, up to three times in all; the epochs that had been
    heard of are not repeated. Workers that are lost are replaced.

    Args:
        cluster: what places them; it is left, or ended, with the executor.
        workers: how many, at first.
        need: CPUs and GPUs of each.
        job: what they do.
        grows: whether there are to be more of them, or fewer, as the cluster grows or shrinks.
    """

    def __init__(
        self,
        cluster: Cluster,
        workers: int,
        need: Mapping[str, float],
        job: Job,
        *,
        grows: bool = False,
    ) -> None:
        self._cluster, self._ray = cluster, cluster.ray
        self._need, self._job, self._grows = need, job, grows
        self._actor = self._ray.remote(
            num_cpus=need["CPU"], num_gpus=need["GPU"], max_restarts=0, max_task_retries=0
        )(NodeWorker)
        self._queue: deque[_Order] = deque()
        self._answers: queue.SimpleQueue[tuple[_Worker, Any]] = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        self._sent: dict[tuple[Path, int], Any] = {}
        self._failed_starts = 0
        self._followed = time.monotonic()
        try:
            for _ in range(workers):
                self._start()
        except BaseException:
            self.cancel()
            raise

    @property
    def capacity(self) -> int:
        """The number of workers."""
        return len(self._workers)

    def submit(self, trial: Trial) -> None:
        """Start ``trial`` as soon as a worker is free.

        Raises:
            RuntimeError: the executor is closed.
            TypeError, pickle.PicklingError: the trial is not plain data.
        """
        if not self._workers:
            raise RuntimeError(CLOSED)
        record = record_of(trial.data, trial.resolution)
        self._queue.append(_Order(trial, Order(pickle.dumps(trial), record)))
        self._assign()

    def collect(self, timeout: float | None = None) -> list[Event]:
        """Wait up to ``timeout`` seconds for events; return all there are, oldest first.

        Returns at once when no trial is running or waiting.

        Raises:
            UserError: a node cannot train, or workers end before they are ready.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        events: list[Event] = []
        while self._queue or any(worker.order for worker in self._workers):
            left = _FOLLOW_EVERY if deadline is None else deadline - time.monotonic()
            with suppress(queue.Empty):
                answer = self._answers.get(timeout=max(0.0, min(left, _FOLLOW_EVERY)))
                while True:
                    events += self._take(*answer)
                    answer = self._answers.get_nowait()
            self._assign()
            self._follow()
            if events or (deadline is not None and time.monotonic() >= deadline):
                break
        return events

    def abandon(self) -> None:
        """Discard all trials, waiting and running; workers that train are replaced."""
        self._queue.clear()
        for worker in [worker for worker in self._workers if worker.order is not None]:
            self._drop(worker)
            self._start()

    def cancel(self) -> None:
        """Kill the workers, and leave the cluster; the executor is then closed."""
        self._queue.clear()
        while self._workers:
            self._drop(self._workers[-1])
        self._sent.clear()
        self._cluster.close()

    def _start(self) -> None:
        """Start another worker."""
        worker = _Worker(self._actor.remote(self._job))
        self._workers.append(worker)
        self._answer(worker, worker.actor.hello.remote())

    def _drop(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        with suppress(self._ray.exceptions.RayError):  # the connection is lost
            self._ray.kill(worker.actor)

    def _answer(self, worker: _Worker, reference: Any) -> None:
        """Have what a worker will answer put in the queue of answers."""
        future = reference.future()
        future.add_done_callback(lambda answer: self._answers.put((worker, answer)))

    def _assign(self) -> None:
        """Give waiting trials to idle workers."""
        for worker in self._workers:
            if not self._queue:
                return
            if worker.name is not None and worker.order is None:
                order = self._queue.popleft()
                order.starts += 1
                worker.order, worker.began = order, time.monotonic()
                self._answer(worker, worker.actor.go_on.remote(order.sent))

    def _take(self, worker: _Worker, future: Any) -> list[Event]:
        """The events of an answer."""
        if worker not in self._workers:  # it was dropped
            return []
        error = future.exception()
        if error is not None:
            return self._lost(worker, error)
        answer = future.result()
        if worker.name is None:
            self._ready(worker, *answer)
            return []
        return self._heard(worker, answer)

    def _ready(self, worker: _Worker, name: str, version: str) -> None:
        if version != __version__:
            raise UserError(
                f"the node {name} has scalegrid {version}, and this machine {__version__}; "
                "install the same there."
            )
        worker.name, self._failed_starts = name, 0

    def _heard(self, worker: _Worker, answer: Answer) -> list[Event]:
        """What has happened to the trial of a worker."""
        order = worker.order
        assert order is not None
        if isinstance(answer, Lacking):
            content = self._content(order.trial)
            self._answer(worker, worker.actor.go_on.remote(order.sent, content))
            return []
        events: list[Event] = []
        for event in answer:
            if isinstance(event, Outcome):
                worker.order = None
                events.append(event)
            elif event[1].epoch > len(order.epochs):  # else it is told again after a new start
                order.epochs.append(event[1])
                events.append(event)
        if worker.order is not None:
            self._answer(worker, worker.actor.go_on.remote())
        return events

    def _lost(self, worker: _Worker, error: BaseException) -> list[Event]:
        """A worker has ended, or raised: replace it, and start a trial that was lost again.

        Raises:
            UserError: it says why its node cannot train; or it was the third that did not start.
        """
        raised = getattr(error, "cause", None) if self._is_raised(error) else None
        if isinstance(raised, UserError):
            raise raised
        self._drop(worker)
        self._start()
        if worker.name is None:
            self._failed_starts += 1
            if self._failed_starts >= STARTS:
                reason = str(error).strip().splitlines()[-1]
                raise UserError(f"workers cannot start on the Ray cluster: {reason}")
        order = worker.order
        if order is None:
            return []
        if raised is None and order.starts < STARTS:
            self._queue.appendleft(order)
            return []
        lost = f"{KILLED} with its node, or its process there, {STARTS} times"
        return [
            Outcome(
                trial=order.trial.trial,
                status="failed",
                history=tuple(order.epochs),
                error=lost if raised is None else one_line(raised),
                seconds=time.monotonic() - worker.began,
                device=self._job.device,
            )
        ]

    def _is_raised(self, error: BaseException) -> bool:
        """Whether it comes from the code of a worker, and not from the end of its process."""
        return isinstance(error, self._ray.exceptions.RayTaskError)

    def _content(self, trial: Trial) -> Any:
        """What fetches the images of a trial; they are put into Ray's object store once."""
        key = trial.data.directory, trial.resolution
        if key not in self._sent:
            self._sent[key] = _Content(
                [(name, self._ray.put(part)) for name, part in parts(trial.data, trial.resolution)]
            )
        return self._sent[key]

    def _follow(self) -> None:
        """Have as many workers as the cluster has room for, if it has grown or shrunk."""
        if not self._grows or time.monotonic() < self._followed + _FOLLOW_EVERY:
            return
        self._followed = time.monotonic()
        starting = [worker for worker in self._workers if worker.name is None]
        places = self._cluster.room(self._need, free=False) or 1
        surplus = len(self._workers) - places
        for worker in starting[: max(0, surplus)]:
            self._drop(worker)
        if not starting and all(worker.order for worker in self._workers):
            for _ in range(min(-surplus, self._cluster.room(self._need) or 0)):
                self._start()


@dataclass(frozen=True)
class _Content:
    """Fetches the files of a cache from Ray's object store, part by part."""

    parts: list[tuple[str, Any]]

    def __call__(self) -> Iterator[tuple[str, Any]]:
        ray = _ray()
        return ((name, ray.get(reference)) for name, reference in self.parts)
