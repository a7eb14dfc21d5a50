"""The command line: one Typer app, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Sequence
from typing import Annotated

import typer

from nsp_cli import __version__
from nsp_cli.cli import console
from nsp_cli.cli.commands import weights
from nsp_cli.cli.commands.bench import bench
from nsp_cli.cli.commands.compare import compare
from nsp_cli.cli.commands.denoise import denoise
from nsp_cli.cli.commands.distill import distill
from nsp_cli.cli.commands.doctor import doctor
from nsp_cli.cli.commands.evaluate import evaluate
from nsp_cli.cli.commands.inspect import inspect
from nsp_cli.cli.commands.preview import preview
from nsp_cli.cli.commands.train import train
from nsp_cli.cli.commands.upscale import upscale
from nsp_cli.cli.commands.watch import watch
from nsp_cli.cli.signals import kept_interrupts
from nsp_cli.errors import NspError

INTERRUPTED = 130

app = typer.Typer(
    name="nsp",
    help="Denoise and enlarge noisy photos with Next-Scale Prediction.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    denoise,
    upscale,
    watch,
    preview,
    compare,
    inspect,
    train,
    distill,
    evaluate,
    doctor,
    bench,
):
    app.command()(command)
app.add_typer(weights.app, name="weights")


def _show_version(asked: bool) -> None:
    if asked:
        console.out.print(f"nsp {__version__}")
        raise typer.Exit


@app.callback()
def _global_options(
    version: Annotated[  # noqa: ARG001 - its callback does all
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show only errors and results.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show details too: what changed on purpose in a file.")
    ] = False,
) -> None:
    console.set_quiet(quiet)
    console.set_verbose(verbose)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs nsp and returns its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    console.accept_any_name()
    _collect_less()
    try:
        with kept_interrupts():
            app(args=None if arguments is None else list(arguments), prog_name="nsp")
    except NspError as error:
        console.show_error(error)
        return 1
    except SystemExit as leaving:  # Typer ends every command so, and turns Ctrl-C into 130
        if leaving.code == INTERRUPTED:
            console.say("Interrupted.")
        return leaving.code if isinstance(leaving.code, int) else 0
    return 0


def _collect_less() -> None:
    """Spares each command 0.4 of a second: what importing torch makes is no garbage, yet is looked at."""
    gc.set_threshold(100_000, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)  # nor is anything to be looked for in what the process takes with it
