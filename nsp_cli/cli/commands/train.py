"""nsp train: weights from folders of noisy photos."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from nsp_cli.cli.options.grouping import grouped
from nsp_cli.cli.options.training import MethodOptions, NetworkOptions, TrainingOptions
from nsp_cli.cli.workflows.training_start import NOTHING, budget_of, check_output, named_weights
from nsp_cli.cli.workflows.training_way import find_way

if TYPE_CHECKING:
    from nsp_cli.training.publish import NamedWeights
    from nsp_cli.training.run.recipe import BlindSpotRecipe, RawAdaptationRecipe, StudentRecipe
    from nsp_cli.training.run.starting_point import StartingPoint


@grouped
def train(*, network: NetworkOptions, method: MethodOptions, options: TrainingOptions) -> None:
    """Train a network on your own noisy photos. No clean photos are needed."""
    from nsp_cli.cli.workflows.training import run_training
    from nsp_cli.cli.workflows.training_request import TrainRequest
    from nsp_cli.device import choose_device

    _check(options, network)
    output = check_output(options.output, options.folders, overwrite=options.overwrite, resume=options.resume)
    is_raw, reason = (
        find_way(options.folders) if (options.start, network.network) == ("auto", None) else (False, "")
    )
    begin, baseline = _begin("auto-raw" if is_raw else options.start, network)
    request = TrainRequest(
        folders=options.folders,
        output=output,
        budget=budget_of(options.minutes, options.steps),
        start=begin,
        baseline=baseline,
        recipe=_choose_recipe(begin, options, method),
        teacher=None,
        group_by=options.group_by,
        validate=options.validate,
        seed=options.seed,
        licence=options.licence,
        resume=options.resume,
        is_batch_free=options.batch is None and method.recipe != "paper",
        reason=reason,
    )
    run_training(request, choose_device(options.device))


def _check(options: TrainingOptions, network: NetworkOptions) -> None:
    is_named = options.start not in ("auto", NOTHING)
    if is_named and (network.network or network.scaling_factor):
        raise typer.BadParameter(
            f"{options.start} defines its network. Leave out --network and --scaling-factor."
        )
    if network.scaling_factor and options.start == "auto":
        raise typer.BadParameter("--scaling-factor needs --from nothing.")


def _begin(start: str, network: NetworkOptions) -> tuple[StartingPoint, NamedWeights]:
    """Where the run starts, and the weights to compare its result with."""
    from nsp_cli.training.run.starting_point import start_from_file, start_from_random

    if start == NOTHING or (start == "auto" and network.network in ("dbsn", "tbsn")):
        begin = start_from_random(network.network or "light", t=network.scaling_factor)
        return begin, named_weights("auto-blind-spot")
    if start == "auto" and network.network:
        start = "auto-blind-spot"
    baseline = named_weights(start)
    begin = start_from_file(baseline.path, baseline.name)
    spec = begin.config.spec()
    if not (spec.is_blind_spot or spec.is_noise_conditioned or spec.is_raw):
        raise typer.BadParameter(f"{baseline.name} does not denoise pictures, which nsp train needs.")
    if spec.scale == 2 and not spec.is_blind_spot:
        raise typer.BadParameter(
            f"{baseline.name} enlarges. Students that do are trained with nsp distill --x2."
        )
    return begin, baseline


def _choose_recipe(
    start: StartingPoint, options: TrainingOptions, method: MethodOptions
) -> BlindSpotRecipe | StudentRecipe | RawAdaptationRecipe:
    """Recipe for the kind of network, with the settings that were given.

    Raises:
        typer.BadParameter: An option is not for this kind.
    """
    spec = start.config.spec()
    if spec.is_blind_spot:
        return _blind_spot_recipe(start, options, method)
    from nsp_cli.training.run.recipe import ADAPTATION_RECIPE, RawAdaptationRecipe

    if method != MethodOptions():
        raise typer.BadParameter(
            "--recipe, --crop, --pd-factor, --targets and --strategy are settings of the paper's networks. "
            "Add --network light, without --from."
        )
    if spec.is_raw and options.validate:
        raise typer.BadParameter(
            "--validate compares pictures, and a network for camera RAW makes none of them. "
            "Leave it out, or add --from nsp-fast."
        )
    changes = _given(learning_rate=options.learning_rate, batch=options.batch)
    return replace(RawAdaptationRecipe(), **changes) if spec.is_raw else replace(ADAPTATION_RECIPE, **changes)


def _blind_spot_recipe(
    start: StartingPoint, options: TrainingOptions, method: MethodOptions
) -> BlindSpotRecipe:
    from nsp_cli.training.data.pairs import max_targets
    from nsp_cli.training.run.recipe import RECIPES

    automatic = "fine-tune" if start.weights else "default"
    recipe = RECIPES[automatic if method.recipe == "auto" else method.recipe]
    recipe = replace(recipe, **_changes(options, method))
    t = start.config.spec().scale
    room = max_targets(recipe.pd_factor, t, recipe.strategy)
    if recipe.targets > room:
        raise typer.BadParameter(
            f"--targets {recipe.targets} is too many: patches of {recipe.pd_factor}×{recipe.pd_factor} "
            f"pixels have room for {room} {recipe.strategy} targets of {t}×{t}."
        )
    return recipe


def _changes(options: TrainingOptions, method: MethodOptions) -> dict[str, Any]:
    """Settings of the recipe that the options change."""
    return _given(
        learning_rate=options.learning_rate,
        batch=options.batch,
        crop=method.crop,
        pd_factor=None if method.pd_factor == "auto" else int(method.pd_factor),
        targets=method.targets,
        strategy=method.strategy,
    )


def _given(**asked: Any) -> dict[str, Any]:
    """Those options that are not left out."""
    return {name: value for name, value in asked.items() if value is not None}
