"""Ray itself, on this machine: one node for the contract, and several that come and go."""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from executor_contract import FUNCTION, PATIENCE, WorkersContract, events, trial
from light_sweep import light_spec, run_light_sweep
from PIL import Image

from scalegrid.data import open_source, prepare
from scalegrid.executors import Event, Placement, placement_for
from scalegrid.executors.node import Job
from scalegrid.executors.on_ray import Cluster, RayExecutor
from scalegrid.results import load_sweep
from scalegrid.results.schema import MEASURED
from scalegrid.spec import SweepSpec
from scalegrid.training.trial import Outcome
from scalegrid.util.errors import UserError

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        find_spec("ray") is None, reason="Ray is not installed: pip install 'scalegrid[ray]'"
    ),
    pytest.mark.skipif(sys.platform == "win32", reason="Ray has no clusters on Windows"),
    # Ray leaves sockets and files of its own to the collector, and warns of its own plans.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

HERE = Path(__file__).parent
NEED = {"CPU": 0.5, "GPU": 0.0}
TABLES = ("variants", "trials", "history", "answers")


@pytest.fixture(scope="module", autouse=True)
def _environment() -> Iterator[None]:
    """The processes of Ray import the helpers of the tests, as this one does."""
    path = os.pathsep.join(map(str, (HERE, HERE.parent, HERE.parent.parent)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("LIGHT_SECONDS", "0.1")
        yield


class TestRay(WorkersContract):
    @classmethod
    def make(cls, workers: int) -> RayExecutor:
        return RayExecutor(Cluster(), workers, NEED, Job(threads=3, function=FUNCTION))


@pytest.fixture(scope="module")
def nodes(_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Ray's own cluster of several nodes on one machine: a head without CPUs, and one node."""
    import ray
    from ray.cluster_utils import Cluster as Nodes

    found = Nodes(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    cache = tmp_path_factory.mktemp("nodes") / "cache"
    found.cache = cache
    found.add_node(num_cpus=1, env_vars={"SCALEGRID_CACHE": str(cache)})
    yield found
    ray.shutdown()
    found.shutdown()


class Disturbed(RayExecutor):
    """Calls ``disturb`` once, when some trials have ended and others run."""

    ended = 0
    disturb: Callable[[], None] | None = None

    def collect(self, timeout: float | None = None) -> list[Event]:
        found = super().collect(timeout)
        self.ended += sum(isinstance(event, Outcome) for event in found)
        if self.ended >= 5 and self.disturb is not None:
            self.disturb()
            self.disturb = None
        return found


def disturbed_sweep(nodes: Any, results: Path, **settings: Any) -> None:
    """A sweep of light trials on two nodes, of which one is killed in the middle."""
    made: list[Disturbed] = []
    node = nodes.add_node(num_cpus=1)

    def make(placement: Placement) -> RayExecutor:
        job = Job(function="light_training:train")
        executor = Disturbed(Cluster(nodes.address), placement.workers, NEED | {"CPU": 1.0}, job)
        executor.disturb = lambda: nodes.remove_node(node, allow_graceful=False)
        made.append(executor)
        return executor

    run_light_sweep(light_spec(results, **settings), make_executor=make)
    assert made[-1].disturb is None  # the node was killed


def test_a_node_that_is_killed_costs_time_alone(nodes: Any, tmp_path: Path) -> None:
    disturbed_sweep(nodes, tmp_path / "disturbed", seeds=4)
    run_light_sweep(light_spec(tmp_path / "undisturbed", seeds=4))
    disturbed, undisturbed = (load_sweep(None, tmp_path / n) for n in ("disturbed", "undisturbed"))
    assert len(disturbed.trials) == 20
    for table in TABLES:
        pd.testing.assert_frame_equal(
            *(
                getattr(one, table).drop(columns=list(MEASURED), errors="ignore")
                for one in (disturbed, undisturbed)
            )
        )


def test_a_race_whose_node_is_killed_ends_with_an_answer(nodes: Any, tmp_path: Path) -> None:
    disturbed_sweep(nodes, tmp_path, allocation="racing", max_trials=30)
    trials = load_sweep(None, tmp_path).trials
    assert set(trials["status"]) == {"finished"}
    assert not trials["trial"].duplicated().any()
    assert len(trials) == 30


def test_the_capacity_follows_the_cluster(nodes: Any) -> None:
    job = Job(function=FUNCTION)
    executor = RayExecutor(Cluster(nodes.address), 1, NEED | {"CPU": 1.0}, job, grows=True)
    try:
        executor.submit(trial("sleep"))
        events(executor)
        node = nodes.add_node(num_cpus=2)
        until(executor, 3)
        nodes.remove_node(node, allow_graceful=False)
        until(executor, 1)
    finally:
        executor.cancel()


def until(executor: RayExecutor, capacity: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while executor.capacity != capacity:
        assert time.monotonic() < deadline
        executor.collect(timeout=0.5)


SWEEP = (
    *("--resolution", "32", "--candidates", "4", "--seeds", "1", "--epochs", "1"),
    *("--train-images", "64", "--val-images", "64", "--batch-size", "32", "--rates", "same"),
    *("--no-check-learning", "--workers", "1"),
)


def swept(folder: Path, name: str, *flags: str, hidden: int | None = None) -> pd.DataFrame:
    """The trials of a sweep by the command; ``hidden`` is a folder that other processes lack."""
    cache = folder / "cache" if hidden is None else Path(f"/proc/self/fd/{hidden}/cache")
    ran = subprocess.run(
        [sys.executable, "-m", "scalegrid", "sweep", *SWEEP, *flags, "--name", name],
        pass_fds=() if hidden is None else (hidden,),
        env={**os.environ, "SCALEGRID_CACHE": str(cache)},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == ""
    assert "ray" not in ran.stderr.lower()
    trials = load_sweep(name, folder / "results").trials.drop(columns=list(MEASURED))
    assert isinstance(trials, pd.DataFrame)
    return trials


@pytest.mark.skipif(sys.platform != "linux", reason="hides a folder by /proc")
@pytest.mark.parametrize("own", ["blocks.yaml", "code/tiny:net"])
def test_images_own_code_and_definitions_travel_to_a_node_without_this_disk(
    nodes: Any, tmp_path: Path, own: str
) -> None:
    shutil.copy(HERE.parent / "fixtures" / "blocks.yaml", tmp_path)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "tiny.py").write_text("from beside import net\n")
    (tmp_path / "code" / "beside.py").write_text(NET)
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        there = ("--executor", "ray", "--ray-address", nodes.address)
        hidden = f"/proc/self/fd/{here}/{own}"
        sent = swept(tmp_path, "sent", "--baseline", hidden, *there, hidden=here)
    finally:
        os.close(here)
    caches = list(nodes.cache.glob("v1/*/32/record.json"))
    assert caches
    pd.testing.assert_frame_equal(sent, swept(tmp_path, "local", "--baseline", own))


@pytest.mark.skipif(sys.platform != "linux", reason="hides a folder by /proc")
def test_what_a_node_cannot_see_is_one_sentence_that_names_it(
    nodes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        for split in ("train", "val"):
            (folder := tmp_path / split / name).mkdir(parents=True)
            for index in range(3):
                Image.new("RGB", (8, 8)).save(folder / f"{index}.png")
    monkeypatch.setenv("SCALEGRID_CACHE_LIMIT", "0")
    here = os.open(tmp_path, os.O_RDONLY)
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path / "cache"))
    data = prepare(open_source(f"/proc/self/fd/{here}"), [8])
    trainer = replace(trial("none"), trainer="needs_a_file:train")
    executor = RayExecutor(Cluster(nodes.address), 1, NEED, Job())
    try:
        executor.submit(trainer)
        (outcome,) = (e for e in events(executor) if isinstance(e, Outcome))
        assert str(outcome.error).startswith("FileNotFoundError")
        assert f"(on the node {platform.node()})" in str(outcome.error)
        executor.submit(replace(trial("none"), data=data, resolution=8))
        with pytest.raises(UserError, match=rf"on the node {platform.node()}, image .*/0.png"):
            events(executor)
    finally:
        executor.cancel()
        os.close(here)


def test_gpus_are_shared_and_are_the_first_where_a_trial_is(nodes: Any) -> None:
    import ray

    node = nodes.add_node(num_cpus=4, num_gpus=1)
    try:
        spec = SweepSpec(baseline="nano", executor="ray", ray_address=nodes.address)
        assert placement_for(spec) == Placement(1, ("cuda:0",), 1)
        spec = spec.model_copy(update={"gpus_per_trial": 0.25})
        assert placement_for(spec) == Placement(4, ("cuda:0",), 1)
        for changes, words in (
            ({"gpus_per_trial": 2.0}, "no node of the Ray cluster has 1 CPU and 2 GPU"),
            ({"gpus_per_trial": 1.5}, "a whole number"),
            ({"gpus_per_trial": 1e-9}, "at most 1024 trials share a GPU"),
            ({"device": "cpu"}, "exclude each other"),
            ({"device": "cuda:1"}, "Ray chooses which GPU"),
        ):
            with pytest.raises(UserError, match=words):
                placement_for(spec.model_copy(update=changes))
        cpu = spec.model_copy(update={"gpus_per_trial": None, "device": "cpu"})
        assert placement_for(cpu).devices == ("cpu",)
    finally:
        ray.shutdown()
        nodes.remove_node(node)


def test_a_ray_of_this_machine_alone_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = SimpleNamespace(has_gpus=False, own_ray=True, room=lambda _need: None)
    monkeypatch.setattr("scalegrid.executors.on_ray._connected", lambda _spec: alone)
    with pytest.raises(UserError, match="this machine does not have 99 CPU for a trial; give a sm"):
        placement_for(SweepSpec(executor="ray", cpus_per_trial=99, workers=1))


NET = """
from torch import nn

def net(depth, width, num_classes):
    channels, layers = round(16 * width), []
    for index in range(round(4 * depth)):
        layers += [nn.Conv2d(channels if index else 3, channels, 3, padding=1), nn.ReLU()]
    pool = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*layers, *pool, nn.Linear(channels, num_classes))

net.resolution = 32
"""


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:9", r"no Ray cluster can be joined there \(ConnectionRefused"),
        ("127.0.0.1:99999", "give auto, on a machine of the cluster, or HOST:PORT"),
        ("ray://127.0.0.1:10001", r"Ray's client \(ray://\) is not supported"),
    ],
)
def test_an_address_without_a_cluster_is_one_sentence(address: str, words: str) -> None:
    with pytest.raises(UserError, match=f"^--ray-address {address}: .*{words}"):
        Cluster(address)


def test_a_server_that_is_no_ray_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()

        def answer() -> None:
            with server.accept()[0] as client:
                client.recv(100)
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(UserError, match=f"^--ray-address {host}:{port}: .* is no Ray"):
            Cluster(f"{host}:{port}")
        thread.join()


def test_the_commands_of_the_documentation_run(nodes: Any, tmp_path: Path) -> None:
    page = (HERE.parent.parent / "docs" / "cluster.md").read_text(encoding="utf-8")
    section = page.split("\n## Ray")[1].split("\n## ")[0]
    for block in re.findall(r"```console\n(.*?)```", section, re.DOTALL):
        commands = [line for line in block.splitlines() if line.startswith("scalegrid ")]
        for command in commands:
            ran = subprocess.run(
                [sys.executable, "-m", *command.split()],
                cwd=tmp_path,
                env={**os.environ, "RAY_ADDRESS": nodes.address},
                capture_output=True,
                text=True,
            )
            assert ran.returncode == 0, ran.stderr
    assert len(list((tmp_path / "results").iterdir())) == 2
