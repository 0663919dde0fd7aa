"""Limits of containers, read from files as the kernel writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from scalegrid.util import processes
from scalegrid.util.cgroups import cpu_quota, memory_limit

UNLIMITED = "9223372036854771712\n"
"""What version 1 writes where memory has no limit."""


def groups(folder: Path, lines: str, files: dict[str, str]) -> dict[str, Path]:
    """The arguments for a tree of these files, and a process of these groups."""
    for name, text in files.items():
        path = folder / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "self").write_text(lines)
    return {"root": folder / "root", "groups": folder / "self"}


@pytest.mark.parametrize(
    ("lines", "files", "cores", "memory"),
    [
        # docker run --cpus 1.5 --memory 2g, version 2, in a namespace of its own
        ("0::/\n", {"cpu.max": "150000 100000\n", "memory.max": "2147483648\n"}, 1.5, 2**31),
        ("0::/\n", {"cpu.max": "max 100000\n", "memory.max": "max\n"}, None, None),
        # A group above is narrower, as of a systemd slice.
        (
            "0::/user.slice/job\n",
            {
                "user.slice/cpu.max": "100000 100000\n",
                "user.slice/job/cpu.max": "400000 100000\n",
                "user.slice/memory.max": "max\n",
                "user.slice/job/memory.max": "1073741824\n",
            },
            1.0,
            2**30,
        ),
        # Version 1: the container sees its own group at the root of each mount.
        (
            "4:memory:/docker/0a\n3:cpu,cpuacct:/docker/0a\n",
            {
                "cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
                "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
                "memory/memory.limit_in_bytes": "536870912\n",
            },
            0.5,
            2**29,
        ),
        (
            "4:memory:/\n3:cpu:/\n",
            {
                "cpu/cpu.cfs_quota_us": "-1\n",
                "cpu/cpu.cfs_period_us": "100000\n",
                "memory/memory.limit_in_bytes": UNLIMITED,
            },
            None,
            None,
        ),
        ("0::/gone\n", {"elsewhere": ""}, None, None),
        ("no colon\n", {"cpu.max": "broken\n", "memory.max": "\n"}, None, None),
    ],
)
def test_limits_are_those_of_the_narrowest_group(
    tmp_path: Path, lines: str, files: dict[str, str], cores: float | None, memory: int | None
) -> None:
    where = groups(tmp_path, lines, files)
    assert cpu_quota(**where) == cores
    assert memory_limit(**where) == memory


def test_there_need_be_no_groups(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path, tmp_path / "none") is None
    assert memory_limit(tmp_path, tmp_path / "none") is None


@pytest.mark.parametrize(("quota", "cores"), [(None, 4), (2.0, 2), (1.5, 1), (0.5, 1), (64.0, 4)])
def test_cores_are_no_more_than_the_quota(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, cores: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(4)))
    monkeypatch.setattr(processes, "cpu_quota", lambda: quota)
    assert processes.available_cores() == cores
