"""A Slurm cluster of one node, of its own, on this machine; it needs root, `slurm-wlm` and `munge`.

As a program it runs a command in one: ``python tests/slurm_cluster.py squeue``.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PATIENCE = 60.0  # seconds
CPUS = 64  # that Slurm believes in, so that no job waits for one
DAEMONS = ("munged", "slurmctld", "slurmd")

CONFIGURATION = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/slurmd
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
JobRequeue=1
ReturnToService=2
KillWait=2
OverTimeLimit=0
MinJobAge=2
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=100000 State=UNKNOWN
PartitionName=debug Nodes={host} Default=YES MaxTime=60 DefaultTime=10 State=UP OverSubscribe=NO
"""


def unable() -> str | None:
    """Why no cluster can be started here; None if it can."""
    if os.name != "posix" or os.getuid():
        return "starting a Slurm of one's own needs root"
    missing = [name for name in DAEMONS if not shutil.which(name, path=_path())]
    return f"{' and '.join(missing)} not installed (slurm-wlm, munge)" if missing else None


@contextmanager
def cluster() -> Iterator[dict[str, str]]:
    """The environment in which ``sbatch`` and the others use a new cluster, which ends with it."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        environment = _configured(folder)
        key = folder / "munge" / "key"
        munge = f"--key-file={key} --socket={folder}/munge/socket --pid-file={folder}/munge/pid"
        logs = f"--log-file={folder}/munge/log --seed-file={folder}/munge/seed"
        started: list[subprocess.Popen[bytes]] = []
        try:
            started.append(_start(f"munged --foreground {munge} {logs}", environment, "munge"))
            _wait(lambda: (folder / "munge" / "socket").exists(), started, folder)
            started.append(_start("slurmctld -D", environment))
            started.append(_start("slurmd -D", environment))
            _wait(lambda: _idle(environment), started, folder)
            yield environment
        finally:
            with suppress(RuntimeError):
                _wait(lambda: _emptied(environment), started, folder)
            for process in reversed(started):
                process.terminate()
                try:
                    process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _configured(folder: Path) -> dict[str, str]:
    """Write what the daemons read; the environment for them and their users."""
    for name in ("munge", "state", "slurmd"):
        (folder / name).mkdir(mode=0o755)
    key = folder / "munge" / "key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    for path in (folder / "munge", key):
        shutil.chown(path, "munge", "munge")
    host, ports = socket.gethostname().split(".")[0], _free_ports(2)
    text = CONFIGURATION.format(host=host, ports=ports, folder=folder, cpus=CPUS)
    (folder / "slurm.conf").write_text(text)
    own = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": _path()}
    return {**os.environ, **own}


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _start(
    command: str, environment: dict[str, str], user: str | None = None
) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        command.split(), env=environment, user=user, stdin=quiet, stdout=quiet, stderr=quiet
    )


def _idle(environment: dict[str, str]) -> bool:
    asked = ["sinfo", "--noheader", "--format=%T"]
    said = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
    return said.stdout.strip() == "idle"


def _emptied(environment: dict[str, str]) -> bool:
    """End all jobs, which would outlive their cluster; whether there are none any more."""
    quiet: dict[str, Any] = {"env": environment, "capture_output": True, "check": False}
    subprocess.run(["scancel", f"--user={os.getuid()}"], **quiet)
    return not subprocess.run(["squeue", "--noheader"], **quiet).stdout.strip()


def _wait(
    condition: Callable[[], bool], started: list[subprocess.Popen[bytes]], folder: Path
) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        ended = [one for one in started if one.poll() is not None]
        if ended or time.monotonic() > deadline:
            logs = [path.read_text()[-2000:] for path in folder.rglob("*log")]
            raise RuntimeError("\n".join(["Slurm does not start here:", *logs]))
        time.sleep(0.05)


if __name__ == "__main__":
    if reason := unable():
        sys.exit(reason)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # which ends the command and daemons
    with cluster() as environment:
        sys.exit(subprocess.run(sys.argv[1:], env=environment, check=False).returncode)
