"""The command line: arguments in, tables out; one module a command, no logic of its own."""

from scalegrid.cli.main import main

__all__ = ["main"]
