"""What of `--executor slurm` needs no Slurm."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from scalegrid.executors import executor_for, placement_for
from scalegrid.executors.on_slurm import SlurmJobs, gpus_of, settings
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
        ("partition=gpu,time=1,", {"partition": "gpu", "time": "1"}),
        ("partition=gpu,\n  time=1\nmem=2\n", {"partition": "gpu", "time": "1", "mem": "2"}),
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
        ("parsable=", "--slurm parsable cannot be set: it changes what sbatch does, and not a job"),
        ("test-only=", "--slurm test-only cannot be set"),
        ("signal=USR1@60", "signal cannot be set: it tells a job that its time is over soon"),
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
def test_what_slurm_cannot_do_is_refused() -> None:
    with pytest.raises(UserError, match="--device cuda:1 is of one machine; use auto, cpu or cuda"):
        placement_for(spec(device="cuda:1"))
    with pytest.raises(UserError, match="--compile is for CUDA devices"):
        placement_for(spec(compile=True))
    with pytest.raises(UserError, match="trials in fp16 cannot be trained on cpu"):
        placement_for(spec(precision="fp16"))
    placement_for(spec(precision="fp16", slurm="gpus=1"))
    with pytest.raises(UserError, match="no job has 99999999999 GPUs; give those of one node"):
        placement_for(spec(slurm="gpus=99999999999"))
    with pytest.raises(UserError, match=r"Slurm has its own meaning of % .* choose another --name"):
        placement_for(spec(name="100%j"))


@pytest.mark.usefixtures("commands")
def test_an_answer_of_sbatch_without_a_job_is_said(tmp_path: Path, commands: Path) -> None:
    (commands / "sbatch").write_text("#!/bin/sh\necho Welcome to the cluster\n")
    asked = spec(name="s", results=str(tmp_path / "results"))
    with pytest.raises(UserError, match=r'the answer of sbatch has no job: .*"Welcome to the clu'):
        executor_for(asked)(placement_for(asked))


@pytest.mark.usefixtures("commands")
def test_the_reason_of_a_refusal_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    asked = spec(name="s", results=str(tmp_path / "results"), workers=2)
    with pytest.raises(UserError, match="Slurm refuses the jobs: Nobody may; see --slurm"):
        executor_for(asked)(placement_for(asked))
    assert not list((tmp_path / "results" / "s").iterdir())
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("commands")
def test_a_job_that_will_never_run_is_said(tmp_path: Path, commands: Path) -> None:
    (commands / "sbatch").write_text("#!/bin/sh\necho Submitted batch job 7\n")
    (commands / "squeue").write_text(
        "#!/bin/sh\necho 6_1 PENDING PartitionConfig\necho 7 PENDING PartitionTimeLimit\n"
    )
    jobs = SlurmJobs(spec(name="s", results=str(tmp_path)), ["cpu"], 1)
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / ".slurm").mkdir()
    assert jobs.alive() == {"6_1", "7"}
    assert jobs.start(1) == ["7"]
    with pytest.raises(UserError, match=r"job 7 waits and will never run, as Slurm says \(Part"):
        jobs.alive()


def test_a_machine_without_slurm_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="commands of Slurm, and sbatch is not here; run this on"):
        placement_for(spec())


def test_without_submitit_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(UserError, match=r"needs submitit, which is not installed; pip install 's"):
        placement_for(spec())
