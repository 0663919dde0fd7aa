"""The group of commands, and what becomes of an error.

Each command is a module of this folder, imported when it is needed; what takes long to import is
imported inside the command, so that help answers at once.
"""

from __future__ import annotations

import importlib
import sys
from keyword import iskeyword
from typing import Any

import click

from scalegrid.util.errors import UserError, one_line
from scalegrid.util.text import did_you_mean, sentence
from scalegrid.util.version import __version__

COMMANDS = (
    *("sweep", "plan", "import", "status", "recommend", "compare", "plot", "report", "family"),
    *("baselines", "search"),
)


class _Group(click.Group):
    """Prints a user's mistake as one sentence, and exits with status 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        module = importlib.import_module(f"scalegrid.cli.{name}")
        command: click.Command = getattr(module, name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = did_you_mean(args[0], COMMANDS, f"there are {', '.join(COMMANDS)}.")
            raise click.UsageError(f"there is no command {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first sentence of every command's help, however long."""
        commands = {name: self.get_command(ctx, name) for name in COMMANDS}
        rows = [(n, c.get_short_help_str(limit=1000)) for n, c in commands.items() if c]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **extra)
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:  # of an option before the command
            _report(error.format_message())
            raise click.exceptions.Exit(2) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            _report(str(error))
            ctx.exit(2)
        except click.UsageError as error:
            _report(error.format_message())
            ctx.exit(2)
        except BrokenPipeError:
            # The reader of a pipe has gone; no message can reach it.
            sys.stderr.close()
            ctx.exit(1)
        except OSError as error:
            where = f" {error.filename}" if error.filename else ""
            _report(f"cannot read or write{where}: {error.strerror or error}")
            ctx.exit(2)
        except (ImportError, MemoryError) as error:
            _report(f"{one_line(error)}; install what is missing, or allow more memory")
            ctx.exit(2)
        except KeyboardInterrupt:
            ctx.exit(130)


def _report(message: str) -> None:
    """Print what is wrong as one sentence on standard error."""
    click.echo(f"scalegrid: {sentence(message)}", err=True)


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 120}


@click.group(cls=_Group, context_settings=_SETTINGS)
@click.version_option(__version__, prog_name="scalegrid")
def main() -> None:
    """Find compound-scaling coefficients for a vision backbone, by grid search at equal cost."""
