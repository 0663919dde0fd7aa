"""What a container is allowed: its share of the processors, and its memory (Linux, cgroups).

Both versions are read: of version 2 ``cpu.max`` and ``memory.max``, of version 1
``cpu.cfs_quota_us`` with ``cpu.cfs_period_us``, and ``memory.limit_in_bytes``. A group is bounded
by the groups above it too. (man 7 cgroups; Linux, Documentation/admin-guide/cgroup-v2.rst.)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT, GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_UNLIMITED = 2**60  # bytes: version 1 writes its largest number of pages where there is no limit


def cpu_quota(root: Path = ROOT, groups: Path = GROUPS) -> float | None:
    """How many processors this process may use on average; None without a limit.

    Args:
        root: where the groups are mounted.
        groups: the file that names those of this process.
    """
    quotas = []
    for folder in _folders("cpu", root, groups):
        with suppress(OSError, ValueError):
            quota, period = (folder / "cpu.max").read_text().split()
            quotas.append(float(quota) / float(period))  # "max" is no number
        with suppress(OSError, ValueError):
            quota, period = (
                (folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")
            )
            quotas.append(float(quota) / float(period))
    return min((quota for quota in quotas if quota > 0), default=None)


def memory_limit(root: Path = ROOT, groups: Path = GROUPS) -> int | None:
    """How many bytes this process and its group may use; None without a limit.

    Arguments are those of `cpu_quota`.
    """
    limits = []
    for folder in _folders("memory", root, groups):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):
                limits.append(int((folder / name).read_text()))
    return min((limit for limit in limits if 0 < limit < _UNLIMITED), default=None)


def _folders(controller: str, root: Path, groups: Path) -> Iterator[Path]:
    """The folders of this process's groups for a controller, and of the groups above them."""
    lines = []
    with suppress(OSError):
        lines = groups.read_text().splitlines()
    for line in lines:
        if line.count(":") < 2:
            continue
        _, names, group = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        mounts = [root / names, root / controller] if names else [root, root / "unified"]
        for mount in dict.fromkeys(mounts):
            path = mount / group.lstrip("/")
            yield from (path, *(one for one in path.parents if one.is_relative_to(mount)))
