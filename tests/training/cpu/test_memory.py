"""Freed memory is reused: a second allocation of the same size touches no new pages."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from scalegrid.training.cpu.memory import keep_freed_memory

PROBE = """
import ctypes, resource, sys
from scalegrid.training.cpu.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
size = 128 * 2**20
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(size)
    ctypes.memset(block, 1, size)
    libc.free(block)
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults * resource.getpagesize() / size)
"""


def faults_per_page(mode: str) -> float:
    """Page faults per page of the third of three equal blocks, each freed before the next."""
    command = [sys.executable, "-c", PROBE, mode]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator")
def test_a_freed_block_is_not_faulted_in_again() -> None:
    assert faults_per_page("keep") < 0.05
    assert faults_per_page("default") > 0.5


def test_other_platforms_keep_their_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False
