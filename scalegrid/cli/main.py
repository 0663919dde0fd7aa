"""The command line: arguments in, tables out; no logic of its own.

Imports that take long are made inside the commands, so that help answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from scalegrid.cli.options import spec_from_flags, spec_options
from scalegrid.cli.output import FORMATS, Format
from scalegrid.spec import Metric
from scalegrid.util.errors import UserError
from scalegrid.util.version import __version__

Command = TypeVar("Command", bound=Callable[..., Any])

format_option = click.option(
    "--format", "form", type=click.Choice(FORMATS), default="table", help="How to print the result."
)
results_option = click.option(
    "--results", default="results", show_default=True, help="Folder that holds the sweeps."
)
name_argument = click.argument("name", required=False)


class _Group(click.Group):
    """Prints a user's mistake as one sentence, and exits with status 2."""

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **extra)
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:  # of an option before the command
            _tell(error.format_message())
            raise click.exceptions.Exit(2) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            _tell(str(error))
            ctx.exit(2)
        except click.UsageError as error:
            _tell(error.format_message())
            ctx.exit(2)
        except BrokenPipeError:
            # The reader of a pipe has gone; nothing more can be said to it.
            sys.stderr.close()
            ctx.exit(1)
        except OSError as error:
            where = f" {error.filename}" if error.filename else ""
            click.echo(f"scalegrid: cannot read or write{where}: {error.strerror}.", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            ctx.exit(130)


def _tell(message: str) -> None:
    """Say in a sentence what is wrong."""
    end = "" if message.endswith((".", "?")) else "."
    click.echo(f"scalegrid: {message}{end}", err=True)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="scalegrid")
def main() -> None:
    """Find compound-scaling coefficients for a vision backbone, by grid search at equal cost."""


@main.command()
@spec_options
def sweep(spec_file: Path | None, **flags: Any) -> None:
    """Train the baseline and its scaled variants; safe to interrupt, run again to go on.

    Takes a specification in YAML, flags, or both; a flag wins over the file.
    """
    spec = spec_from_flags(spec_file, flags)

    from scalegrid.progress.display import display_for
    from scalegrid.sweep import run_sweep

    outcome = run_sweep(spec, display=display_for(sys.stderr))
    sys.exit(outcome.exit_status)


@main.command()
@spec_options
@format_option
@click.option(
    "--plot",
    "pictures",
    type=click.Path(path_type=Path, file_okay=False),
    is_flag=False,
    flag_value=Path(),
    help="Draw the candidates on the budget triangle, into DIR or the working directory.",
    metavar="[DIR]",
)
def plan(spec_file: Path | None, form: Format, pictures: Path | None, **flags: Any) -> None:
    """Show what a sweep would train, what that costs, and how long it takes."""
    spec = spec_from_flags(spec_file, flags)

    from scalegrid.cli.plan import show_plan

    show_plan(spec, form, pictures)


@main.command()
@name_argument
@results_option
@format_option
def status(name: str | None, results: str, form: Format) -> None:
    """Show how far a sweep is; the newest without NAME."""
    from scalegrid.cli.status import show_status

    show_status(name, Path(results), form)


@main.command()
@name_argument
@results_option
@format_option
@click.option("--metric", type=click.Choice(get_args(Metric)), help="What to compare by.")
@click.option("--indifference", type=float, help="Points (nats for val_loss) that do not matter.")
@click.option("--confidence", type=float, help="Probability that counts as clear.")
def recommend(
    name: str | None,
    results: str,
    form: Format,
    metric: Metric | None,
    indifference: float | None,
    confidence: float | None,
) -> None:
    """Say which coefficients are best, and how sure that is; of the newest sweep without NAME.

    Options that are not given are the sweep's own.
    """
    from scalegrid.cli.recommend import show_recommendation

    show_recommendation(
        name,
        Path(results),
        form,
        metric=metric,
        indifference=indifference,
        confidence=confidence,
    )


@main.command()
@name_argument
@results_option
@click.option("--figure", "figures", multiple=True, help="Draw this figure alone; may be repeated.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    default=("png", "svg"),
    show_default=True,
    help="File format (png, svg, pdf); may be repeated.",
)
def plot(
    name: str | None, results: str, figures: tuple[str, ...], formats: tuple[str, ...]
) -> None:
    """Draw the figures of a sweep into its folder; of the newest without NAME."""
    from scalegrid.cli.plot import plot_sweep

    plot_sweep(name, Path(results), figures, formats)


@main.command()
@click.argument("name", required=False)
@click.option("--resolution", type=int, help="Input side in px; default: the authors' own.")
@format_option
def baselines(name: str | None, resolution: int | None, form: Format) -> None:
    """List what can be scaled, or show the layer table of one baseline."""
    from scalegrid.cli.baselines import list_baselines, show_layers

    if name is None:
        if resolution is not None:
            raise UserError("--resolution is for the layer table of one baseline; give its NAME.")
        list_baselines(form)
    else:
        show_layers(name, resolution, form)
