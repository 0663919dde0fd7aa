"""Locks between processes, on file systems with locks and without."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scalegrid.util.locks import HeldError, Lock


@pytest.fixture(params=["locks", *(errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)])
def lock(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lock:
    """On a file system with locks, and where asking for one fails as on NFS or FUSE."""
    if request.param != "locks":
        without_locks(monkeypatch, request.param)
    return Lock(tmp_path / ".lock")


def without_locks(monkeypatch: pytest.MonkeyPatch, number: int = errno.ENOLCK) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


def left_by(lock: Lock, host: str, pid: int) -> None:
    os.symlink(f"{host} {pid}", lock.link)


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_one_at_a_time_and_again_once_it_is_given_back(lock: Lock) -> None:
    other = Lock(lock.path)
    lock.acquire()
    with pytest.raises(HeldError, match="is in use by"):
        other.acquire()
    lock.release()
    other.acquire()
    other.release()
    assert list(lock.path.parent.iterdir()) == [lock.path]


def test_entering_waits_for_the_holder(lock: Lock) -> None:
    came: list[str] = []

    def wait() -> None:
        with Lock(lock.path):
            came.append("second")

    with lock:
        second = threading.Thread(target=wait)
        second.start()
        second.join(0.3)
        came.append("first")
    second.join(10)
    assert came == ["first", "second"]


def test_a_lock_by_link_is_said_and_names_its_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, link = Lock(tmp_path / "plain"), Lock(tmp_path / ".lock")
    plain.acquire()
    without_locks(monkeypatch)
    link.acquire()
    assert plain.note is None
    assert "has no locks" in str(link.note)
    with pytest.raises(HeldError) as held:
        Lock(link.path).acquire()
    assert f"process {os.getpid()} on {platform.node()}" in str(held.value)


def test_the_link_of_an_ended_process_is_taken_over(lock: Lock) -> None:
    for pid in (ended_process(), os.getpid()):  # a container's pids are those of before
        left_by(lock, platform.node(), pid)
        with lock:
            pass
        assert list(lock.path.parent.iterdir()) == [lock.path]


def test_the_link_of_another_host_is_refused_and_named(lock: Lock) -> None:
    left_by(lock, "node7", 12)
    for attempt in (lock.acquire, lock.__enter__):
        with pytest.raises(HeldError, match=r"process 12 on node7 \(if that has ended, delete "):
            attempt()
    assert lock.link.is_symlink()
    lock.link.unlink()
    lock.acquire()
    lock.release()


@pytest.mark.parametrize("target", ["", "x", "²", "{host} ²", "{host} 0"])
def test_what_is_no_link_of_a_lock_is_named_and_left(lock: Lock, target: str) -> None:
    if target:
        os.symlink(target.format(host=platform.node()), lock.link)
    else:
        lock.link.write_text("no link")
    with pytest.raises(HeldError, match=r"\(if that has ended, delete .*\.held\)") as error:
        lock.acquire()
    assert not error.value.ends
    assert lock.link.is_symlink() or lock.link.read_text() == "no link"


def test_no_process_has_a_number_that_is_too_large(lock: Lock) -> None:
    left_by(lock, platform.node(), 10**30)
    lock.acquire()
    with pytest.raises(HeldError, match="is in use by"):
        Lock(lock.path).acquire()
    lock.release()


def test_of_many_that_take_over_one_gets_it(lock: Lock) -> None:
    left_by(lock, platform.node(), ended_process())
    got: list[Lock] = []
    start = threading.Barrier(8)

    def take() -> None:
        own = Lock(lock.path)
        start.wait()
        try:
            own.acquire()
        except HeldError:
            return
        got.append(own)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1


def test_a_file_that_is_removed_while_it_is_locked_is_no_lock(
    lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock

    def late(file: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", real)
        lock.path.unlink()
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    lock.acquire()
    with pytest.raises(HeldError):
        Lock(lock.path).acquire()
