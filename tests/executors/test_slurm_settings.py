"""What of `--executor slurm` needs no Slurm."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from scalegrid.executors import executor_for, placement_for
from scalegrid.executors.on_slurm import gpus_of, settings
from scalegrid.spec import SweepSpec
from scalegrid.util.errors import UserError


def spec(**given: Any) -> SweepSpec:
    return SweepSpec(executor="slurm", **given)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The commands of a Slurm that refuses all jobs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sbatch", "srun", "squeue", "scancel"):
        (folder / name).write_text("#!/bin/sh\necho 'sbatch: error: Nobody may' >&2; exit 1\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
    return folder


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("partition=gpu,time=2:00:00", {"partition": "gpu", "time": "2:00:00"}),
        ("exclude=n1,n2, mail-user=a@b", {"exclude": "n1,n2", "mail_user": "a@b"}),
        ("--exclusive=,gres=gpu:a100:2", {"exclusive": True, "gres": "gpu:a100:2"}),
        ("comment=a=b", {"comment": "a=b"}),
    ],
)
def test_settings_are_names_and_values(text: str, found: dict[str, object]) -> None:
    assert settings(text) == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("gpu", "'gpu' is no setting; write settings of sbatch as partition=gpu,"),
        ("exclusive=,x", "'x' is no setting"),
        ("=2,time=1", "'=2' is no setting"),
        ("array=1-3", "--slurm array cannot be set: --workers says how many jobs there are"),
        ("ntasks-per-node=2", "--slurm ntasks-per-node cannot be set: a job is one task"),
    ],
)
def test_what_is_no_setting_is_one_sentence(text: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        settings(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("mem=4G", 0),
        ("gpus=2", 2),
        ("gpus=a100:3", 3),
        ("gpus-per-node=a100", 1),
        ("gres=gpu:h100:4,time=1", 4),
        ("gres=gpu:2(S:0)", 2),
        ("gres=gpu", 1),
        ("gres=scratch:100", 0),
    ],
)
def test_the_gpus_of_a_job_are_counted(text: str, count: int) -> None:
    assert gpus_of(settings(text)) == count


@pytest.mark.parametrize(
    ("given", "devices"),
    [
        ({}, ("cpu",)),
        ({"slurm": "gpus=2"}, ("cuda:0", "cuda:1")),
        ({"slurm": "gpus=2", "device": "cpu"}, ("cpu",)),
        ({"device": "cuda"}, ("cuda:0",)),
    ],
)
@pytest.mark.usefixtures("commands")
def test_a_job_trains_on_its_gpus(given: dict[str, Any], devices: tuple[str, ...]) -> None:
    placed = placement_for(spec(**given, threads=3))
    assert (placed.workers, placed.devices, placed.threads) == (8, devices, 3)


@pytest.mark.usefixtures("commands")
def test_devices_of_one_machine_are_refused() -> None:
    with pytest.raises(UserError, match="--device cuda:1 is of one machine; use auto, cpu or cuda"):
        placement_for(spec(device="cuda:1"))
    with pytest.raises(UserError, match="--compile is for CUDA devices"):
        placement_for(spec(compile=True))


@pytest.mark.usefixtures("commands")
def test_the_reason_of_a_refusal_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    asked = spec(name="s", results=str(tmp_path / "results"), workers=2)
    with pytest.raises(UserError, match="Slurm refuses the jobs: Nobody may; see --slurm"):
        executor_for(asked)(placement_for(asked))
    assert not list((tmp_path / "results" / "s").iterdir())
    assert capfd.readouterr() == ("", "")


def test_a_machine_without_slurm_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="commands of Slurm, and sbatch is not here; run this on"):
        placement_for(spec())


def test_without_submitit_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(UserError, match=r"needs submitit, which is not installed; pip install 's"):
        placement_for(spec())
