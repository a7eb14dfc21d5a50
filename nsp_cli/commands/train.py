"""nsp train: weights from a folder of noisy photos."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nsp_cli import console
from nsp_cli.commands import options
from nsp_cli.errors import OutputError

if TYPE_CHECKING:
    from nsp_cli.networks import NetworkConfig
    from nsp_cli.training.data import PhotoPool
    from nsp_cli.training.recipe import Budget, Recipe
    from nsp_cli.training.trainer import Trainer, TrainingProgress

DEFAULT_MINUTES = 60.0


def _check_even(channels: int) -> int:
    if channels % 2:
        raise typer.BadParameter(f"{channels} is odd")
    return channels


def _check_pd_factor(factor: str) -> str:
    if factor != "auto" and factor not in {"3", "4", "5", "6", "7", "8"}:
        raise typer.BadParameter(f"{factor} is not auto or 3 to 8")
    return factor


def train(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER", help="Searched for noisy photos.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Weights to write.", show_default="FOLDER.safetensors"
        ),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.0, help="Train so long.", show_default="60, unless --steps is given")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=0, help="Train so many steps.")] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="MODEL", help="Start from these weights.", show_default="from nothing"
        ),
    ] = None,
    channels: Annotated[
        int, typer.Option(min=4, callback=_check_even, help="D of the network: 32 is light, 128 the paper's.")
    ] = 32,
    modules: Annotated[int, typer.Option(min=1, help="N of the network: modules per branch.")] = 9,
    learning_rate: Annotated[
        float | None, typer.Option(min=0.0, help="Peak of the schedule.", show_default="2e-3")
    ] = None,
    crop: Annotated[
        int | None, typer.Option(min=120, help="Side of a training crop.", show_default="480")
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Crops per step.", show_default="4")] = None,
    pd_factor: Annotated[
        str,
        typer.Option(
            metavar="auto|3…8",
            callback=_check_pd_factor,
            help="s, side of the patches that pairs come from; auto is 5, best for noise of any correlation.",
        ),
    ] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same run.")] = 0,
    licence: Annotated[str, typer.Option(metavar="TEXT", help="Written into FILE, for others.")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from FILE's checkpoint.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it exists.")] = False,
    device: options.Device = "auto",
) -> None:
    """Train weights on noisy photos alone; no clean picture is needed."""
    from nsp_cli.training.recipe import Budget, Recipe

    output = output or Path(f"{folders[0].resolve().name}.safetensors")
    _check_output(output, overwrite)
    given: dict[str, Any] = {"learning_rate": learning_rate, "crop": crop, "batch": batch}
    if pd_factor != "auto":
        given["pd_factor"] = int(pd_factor)
    recipe = replace(Recipe(), **{name: value for name, value in given.items() if value is not None})
    if minutes is None and steps is None:
        minutes = DEFAULT_MINUTES
    pool = _load(folders, recipe, seed)
    trainer = _make_trainer(pool, recipe, channels, modules, start, seed, device)
    checkpoint = output.with_name(output.name + ".checkpoint")
    if resume:
        trainer.resume(checkpoint)
    _run(trainer, Budget(steps, minutes), checkpoint)
    _publish(trainer, output, licence)


def _check_output(output: Path, overwrite: bool) -> None:
    if output.suffix != ".safetensors":
        raise OutputError(f"{output}: weights are written as .safetensors", "Give a name that ends so.")
    if output.exists() and not overwrite:
        raise OutputError(f"{output}: exists already", "Give another name, or --overwrite.")
    output.parent.mkdir(parents=True, exist_ok=True)


def _load(folders: list[Path], recipe: Recipe, seed: int) -> PhotoPool:
    from nsp_cli.training.data import load_pool

    with console.progress("Reading photos") as on_progress:
        pool = load_pool(folders, crop=recipe.crop, seed=seed, on_progress=on_progress)
    for _, reason in pool.skipped:
        console.warn(f"skipped: {reason}")
    console.say(f"{len(pool.photos)} of {pool.found} photos, {pool.megapixels:.1f} MP to train on")
    return pool


def _make_trainer(
    pool: PhotoPool, recipe: Recipe, channels: int, modules: int, start: str | None, seed: int, device: str
) -> Trainer:
    from nsp_cli.device import choose_device
    from nsp_cli.networks.dbsn import DbsnConfig
    from nsp_cli.training.trainer import Trainer

    name, initial = "dbsn", None
    config: NetworkConfig = DbsnConfig(channels, modules)
    if start is not None:
        from nsp_cli.weights import resolve
        from nsp_cli.weights_file import load_network

        network, info = load_network(resolve(start).path)
        name, config, initial = info.network, info.config, network.state_dict()
    return Trainer(
        pool,
        network_name=name,
        config=config,
        recipe=recipe,
        seed=seed,
        device=choose_device(device),
        initial=initial,
    )


def _run(trainer: Trainer, budget: Budget, checkpoint: Path) -> None:
    from nsp_cli.device import describe_device

    console.say(f"Training on {describe_device(trainer.device)}; checkpoints go to {checkpoint}")
    try:
        with console.live_progress("Training") as show:
            trainer.run(
                budget, checkpoint=checkpoint, on_progress=lambda now: show(now.share, _describe(now))
            )
    except KeyboardInterrupt:
        if checkpoint.exists():
            console.say(f"To go on from {checkpoint}, give the same command with --resume.")
        raise


def _describe(now: TrainingProgress) -> str:
    minutes_left = now.seconds * (1 - now.share) / max(now.share, 1e-9) / 60
    return f"step {now.step} · loss {now.loss:.4f} · {minutes_left:.0f} min left"


def _publish(trainer: Trainer, output: Path, licence: str) -> None:
    from nsp_cli.weights_file import save_weights

    save_weights(
        output,
        trainer.averaged_network(),
        network_name=trainer.network_name,
        config=trainer.config,
        metadata=trainer.metadata() | ({"licence": licence} if licence else {}),
    )
    console.out.print(str(output))
    loss = "" if math.isnan(trainer.loss) else f", loss {trainer.loss:.4f}"
    console.say(f"{trainer.step} steps in {trainer.seconds / 60:.1f} minutes{loss}")
