"""The program: `scalegrid`, or ``python -m scalegrid``."""

from __future__ import annotations

import io
import os
import signal
import sys


def run() -> None:
    """Run the command line; an interruption during its imports exits with status 130 as well.

    Once it is interrupted, further interruptions change nothing.
    """
    try:
        for number in (0, 2):
            _open_to_nowhere(number)
        if sys.stdout is None:
            print("scalegrid: standard output is closed; open it.", file=sys.stderr)
            sys.exit(2)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a Greek letter on an ASCII terminal
        os.environ["MPLBACKEND"] = "agg"  # another's may not be there, and stops matplotlib
        from scalegrid.cli.main import main

        main()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.exit(130)
    except SystemExit as end:
        if end.code == 130:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise


def _open_to_nowhere(number: int) -> None:
    """Open standard input or error where it is closed, before a file gets its number."""
    try:
        os.fstat(number)
    except OSError:
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere != number:
            os.dup2(nowhere, number)
            os.close(nowhere)
        if number == 2:
            sys.stderr = os.fdopen(number, "w", closefd=False)


if __name__ == "__main__":
    run()
