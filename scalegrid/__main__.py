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
        if sys.stdout is None or sys.stderr is None:
            if sys.stderr is not None:
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


if __name__ == "__main__":
    run()
