"""nsp weights: list, download, check and import weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nsp_cli.cli import console, progress_bars
from nsp_cli.cli.examples import EXAMPLES
from nsp_cli.cli.options.common import Json
from nsp_cli.cli.options.panels import flag
from nsp_cli.errors import OutputError, WeightsError

if TYPE_CHECKING:
    from nsp_cli.weights.manifest import Manifest, ManifestEntry

weights_app = typer.Typer(
    help="List, inspect, download, verify and import weights.",
    epilog=EXAMPLES["weights"],
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name from nsp weights list.")]


@weights_app.command("list")
def list_(as_json: Json = False) -> None:
    """List the weights that nsp knows by name, and where they are on this machine."""
    from nsp_cli.weights.manifest import load_manifest

    manifest = load_manifest()
    rows = [_row(entry, manifest) for entry in manifest.entries.values()]
    if as_json:
        console.print_json(rows)
    elif rows:
        columns = ["name", "network", "where", "licence", "summary"]
        console.table("", columns, [[str(row[column]) for column in columns] for row in rows])
        console.say(f"Default: {_describe_defaults(manifest) or 'none'}")
    else:
        console.say("This nsp knows no weights by name. Use a .safetensors file or hf://owner/repo/file.")


@weights_app.command(epilog=EXAMPLES["weights info"])
def info(
    model: Annotated[str, typer.Argument(metavar="NAME|FILE", help="Name, or a .safetensors file.")],
    as_json: Json = False,
) -> None:
    """Show the network, settings and origin that a weights file records."""
    from nsp_cli.weights.file import describe_weights

    path, card = _find(model)
    about = describe_weights(path)
    facts = {
        "file": str(path),
        "network": about.network,
        "config": about.metadata["config"],
        "parameters": about.parameters,
        "stored_as": about.dtype,
        "pd_factor": about.pd_factor,
    }
    facts |= {key: value for key, value in about.metadata.items() if key not in facts}
    if card is not None:
        facts["card"] = str(card)
    if as_json:
        console.print_json(facts)
    else:
        for key, value in facts.items():
            console.out.print(f"{key}: {value}")


@weights_app.command(epilog=EXAMPLES["weights pull"])
def pull(
    model: Annotated[str, typer.Argument(metavar="NAME|hf://…", help="Name, or hf://owner/repo/file.")],
    sha256: Annotated[
        str | None, typer.Option("--sha256", metavar="HEX", help="Refuse a file with another sha256.")
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(
            "--revision",
            metavar="REV",
            help="Commit, tag or branch, for hf:// addresses.",
            show_default="main",
        ),
    ] = None,
) -> None:
    """Download weights, check them, and print their path."""
    from nsp_cli.weights.resolve import resolve

    with progress_bars.download_progress(model) as on_progress:
        resolved = resolve(model, revision=revision, sha256=sha256, on_progress=on_progress)
    console.out.print(str(resolved.path))
    console.say(f"sha256 {resolved.sha256}")


@weights_app.command(epilog=EXAMPLES["weights verify"])
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME", help="Names from nsp weights list.", show_default="all on this machine"
        ),
    ] = None,
) -> None:
    """Compare weights on this machine with their published sha256.

    The exit code is 1 if any differ.
    """
    from nsp_cli.weights.manifest import load_manifest

    manifest = load_manifest()
    entries = [manifest.find(name) for name in names] if names else list(manifest.entries.values())
    if not entries:
        console.say("This nsp knows no weights by name. There is nothing to verify.")
    states = {entry.name: _compare(entry, manifest) for entry in entries}
    for name, state in states.items():
        console.out.print(f"{name}: {state}")
    bad = [name for name, state in states.items() if state == "differs" or (names and state == "absent")]
    if bad:
        raise WeightsError(
            f"These weights are missing or differ from those published: {', '.join(bad)}.",
            "Run nsp weights pull NAME. For bundled weights: pip install --force-reinstall nsp-cli",
        )


@weights_app.command(
    "import",
    epilog=EXAMPLES["weights import"],
)
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.pth", help="Weights file of the paper's authors.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.safetensors", help="Weights to write.")
    ],
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="NAME", help="Name of the new weights.", show_default="the file's name"
        ),
    ] = None,
    pd_factor: Annotated[
        int,
        typer.Option(
            "--pd-factor",
            min=2,
            max=64,
            metavar="N",
            help="Patch side (s) in the authors' training. It is not in .pth files.",
        ),
    ] = 5,
    overwrite: Annotated[bool, flag("--overwrite", help="Replace an existing output file.")] = False,
) -> None:
    """Convert .pth weights of the paper's authors. Code in the file is never run."""
    _check_output(output, overwrite)
    from nsp_cli.weights.file import save_weights
    from nsp_cli.weights.pth import import_pth
    from nsp_cli.weights.resolve import sha256_of

    imported = import_pth(file)
    metadata = {
        "name": name or file.stem,
        "pd_factor": str(pd_factor),
        "source": f"{file.name}, sha256 {sha256_of(file)}",
        "licence": "unknown: that of the source",
    }
    save_weights(
        output,
        imported.network,
        network_name=imported.network_name,
        config=imported.config,
        metadata=metadata,
    )
    console.out.print(str(output))
    console.say(f"{imported.config}")


@weights_app.command(epilog=EXAMPLES["weights path"])
def path(name: Name) -> None:
    """Check weights on this machine and print their path. Nothing is downloaded."""
    console.out.print(str(_find(name)[0]))


def _row(entry: ManifestEntry, manifest: Manifest) -> dict[str, str | bool]:
    from nsp_cli.weights.resolve import find_local

    local = find_local(entry, manifest)
    where = "absent" if local is None else "bundled" if entry.bundled else "cached"
    return {
        "name": entry.name,
        "network": entry.network,
        "where": where,
        "licence": entry.licence,
        "summary": entry.summary,
        "default": entry.name in manifest.defaults.values(),
        "path": str(local or ""),
        "sha256": entry.sha256,
    }


def _compare(entry: ManifestEntry, manifest: Manifest) -> str:
    from nsp_cli.weights.resolve import find_local, sha256_of

    local = find_local(entry, manifest)
    if local is None:
        return "absent"
    return "ok" if sha256_of(local) == entry.sha256 else "differs"


def _describe_defaults(manifest: Manifest) -> str:
    uses = {
        "auto": "denoise",
        "auto-upscale": "upscale",
        "auto-blind-spot": "--plain, train --network light",
        "auto-noise": "measures noise",
        "auto-raw": "camera RAW",
    }
    return ", ".join(f"{name} ({uses[kind]})" for kind, name in manifest.defaults.items())


def _find(model: str) -> tuple[Path, Path | None]:
    """File and model card of weights on this machine, after a check; the card is None for a file."""
    from nsp_cli.weights.hub import SCHEME
    from nsp_cli.weights.manifest import AUTOMATIC, load_manifest
    from nsp_cli.weights.resolve import find_local, resolve, sha256_of

    if model.startswith(SCHEME):
        raise WeightsError(
            f"{model} is an address. Only a name or a file is accepted here.",
            f"To download it and print its path: nsp weights pull {model}",
        )
    manifest = load_manifest()
    if model not in AUTOMATIC and model not in manifest.entries and Path(model).suffix:
        return resolve(model).path, None
    entry = manifest.find(model)
    local = find_local(entry, manifest)
    if local is None:
        raise WeightsError(f"{entry.name} is not on this machine.", f"Run nsp weights pull {entry.name}.")
    if sha256_of(local) != entry.sha256:
        raise WeightsError(f"{local} differs from the published file.", f"Run nsp weights pull {entry.name}.")
    return local, manifest.folder / entry.card


def _check_output(output: Path, overwrite: bool) -> None:
    if output.suffix != ".safetensors":
        raise OutputError(
            f"{output} is not the name of a weights file.", "Use a name ending in .safetensors."
        )
    if output.exists() and not overwrite:
        raise OutputError(f"{output} already exists.", "Choose another name, or use --overwrite.")
    if not output.parent.is_dir():
        raise OutputError(
            f"The folder {output.parent} does not exist.", f"Create it: mkdir -p {output.parent}"
        )
