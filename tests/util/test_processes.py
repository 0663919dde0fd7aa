"""Interruptions that come at a bad moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from scalegrid.util.processes import INTERRUPTIONS, staying, stoppable, uninterrupted


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", INTERRUPTIONS)
def test_a_start_of_a_process_is_not_broken_off(number: signal.Signals) -> None:
    """The signal reaches a thread that does not block it, as any of a program may."""
    begun, over = threading.Event(), threading.Event()

    def interrupted_at_once() -> None:
        os.kill(os.getpid(), number)
        time.sleep(0.05)
        begun.set()

    thread = threading.Thread(target=over.wait)
    before = signal.signal(number, signal.default_int_handler)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt), uninterrupted():
            interrupted_at_once()
        assert begun.is_set()
    finally:
        over.set()
        thread.join()
        signal.signal(number, before)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_program_under_nohup_goes_on_when_its_terminal_closes() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable():
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.01)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("end", ["raise KeyboardInterrupt", "raise SystemExit(130)"])
def test_a_second_interruption_on_the_way_out_changes_nothing(end: str) -> None:
    code = f"""
import atexit, os, signal, scalegrid.__main__, scalegrid.cli.main
def main():
    {end}
scalegrid.cli.main.main = main
atexit.register(os.kill, os.getpid(), signal.SIGINT)
scalegrid.__main__.run()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (130, "")


def test_within_a_users_code_the_process_stays() -> None:
    with pytest.raises(SystemExit, match=r"os\._exit\(3\)"), staying():
        os._exit(3)
    assert os._exit.__module__ == "posix" or sys.platform == "win32"
