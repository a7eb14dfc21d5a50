"""The command line: one Typer app, and the only place where errors become messages and exit codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from nsp_cli import __version__
from nsp_cli.cli import console
from nsp_cli.cli.commands.bench import bench
from nsp_cli.cli.commands.compare import compare
from nsp_cli.cli.commands.denoise import denoise
from nsp_cli.cli.commands.distill import distill
from nsp_cli.cli.commands.doctor import doctor
from nsp_cli.cli.commands.evaluate import evaluate
from nsp_cli.cli.commands.export import export
from nsp_cli.cli.commands.inspect import inspect
from nsp_cli.cli.commands.preview import preview
from nsp_cli.cli.commands.train import train
from nsp_cli.cli.commands.upscale import upscale
from nsp_cli.cli.commands.watch import watch
from nsp_cli.cli.commands.weights import weights_app
from nsp_cli.cli.examples import EXAMPLES
from nsp_cli.cli.options.panels import flag
from nsp_cli.cli.process import collect_less, share_freed_memory
from nsp_cli.cli.signals import INTERRUPTED, kept_interrupts
from nsp_cli.errors import NspError

PANELS = {
    "Photos": (denoise, upscale, watch, preview, compare, inspect),
    "Your own networks": (train, distill, evaluate, export),
    "This installation": (doctor, bench),
}

app = typer.Typer(
    name="nsp",
    help="Denoise and enlarge noisy photos with Next-Scale Prediction.",
    epilog=EXAMPLES["nsp"],
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for panel, commands in PANELS.items():
    for command in commands:
        app.command(epilog=EXAMPLES[command.__name__], rich_help_panel=panel)(command)
app.add_typer(weights_app, name="weights", rich_help_panel="This installation")


def _show_version(asked: bool) -> None:
    if asked:
        console.out.print(f"nsp {__version__}")
        raise typer.Exit


@app.callback()
def _global_options(
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, metavar="", help="Show the version and exit."
        ),
    ] = False,
    quiet: Annotated[bool, flag("--quiet", "-q", help="Show only errors and results.")] = False,
    verbose: Annotated[
        bool, flag("--verbose", "-v", help="Show details, such as metadata that changed on purpose.")
    ] = False,
) -> None:
    console.set_quiet(quiet)
    console.set_verbose(verbose)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs nsp; returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    console.accept_any_name()
    collect_less()
    share_freed_memory()
    try:
        with kept_interrupts():
            app(args=None if arguments is None else list(arguments), prog_name="nsp")
    except NspError as error:
        console.show_error(error)
        return 1
    except SystemExit as leaving:  # Typer ends every command with it, and turns Ctrl-C into 130
        if leaving.code == INTERRUPTED:
            console.say("Interrupted.")
        return leaving.code if isinstance(leaving.code, int) else 0
    return 0
