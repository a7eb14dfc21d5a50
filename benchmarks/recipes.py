"""Compares our recipe with the paper's at equal compute: trains light networks with both and scores them.

    python benchmarks/recipes.py TRAIN_FOLDER NOISY CLEAN OUT_FOLDER [--steps 1500] [--seeds 3]

Equal compute is an equal number of pixels through the network. A step of the paper's recipe takes 16 crops
with 21 pairs of 32×32 pixels. Ours takes 4 crops with one pair of 96×96, which is a ninth. The script saves
and scores the running mean of the weights at an eighth, a quarter, a half and the end of a run. It does not
repeat what is already in OUT_FOLDER. It draws OUT_FOLDER/recipes.png.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from statistics import fmean, stdev

import torch
from matplotlib.figure import Figure

from nsp_cli.evaluation.folders import evaluate, find_pairs
from nsp_cli.networks import PRESETS
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.inference import Restorer
from nsp_cli.training.blind_spot import BlindSpotTask
from nsp_cli.training.data.photo_cache import PhotoCache
from nsp_cli.training.data.pool import load_pool
from nsp_cli.training.run.loop import TrainingProgress, run
from nsp_cli.training.run.recipe import RECIPES, BlindSpotRecipe, Budget
from nsp_cli.training.run.trainer import Trainer
from nsp_cli.weights.file import load_network, save_weights

NAMES = ("default", "paper")
MARKS = (8, 4, 2, 1)
# By recipe and megapixels through the network, then by seed: mean PSNR, plain and default.
Scores = defaultdict[tuple[str, float], dict[int, tuple[float, float]]]


def pixels_per_step(recipe: BlindSpotRecipe, scale: int = 2) -> int:
    """Number of pixels that go through the network in a step."""
    s, n = recipe.pd_factor, recipe.targets
    pairs = recipe.pairs or n * (s**2 - n * scale**2)
    return recipe.batch * pairs * (recipe.crop // s) ** 2


def steps_of(name: str, steps: int) -> int:
    """Number of steps that cost as much as `steps` of the default recipe."""
    return round(steps * pixels_per_step(RECIPES["default"]) / pixels_per_step(RECIPES[name]))


def files(out: Path, name: str, seed: int, steps: int) -> dict[int, Path]:
    """Weights files of a run's marks, by step."""
    marks = [steps_of(name, steps) // part for part in MARKS]
    return {step: out / f"{name}_{seed}_{step}.safetensors" for step in marks}


def train(folder: Path, out: Path, name: str, seed: int, steps: int) -> None:
    """Trains one network and saves it at each mark."""
    wanted = files(out, name, seed, steps)
    if all(path.exists() for path in wanted.values()):
        return
    recipe, (network, config) = RECIPES[name], PRESETS["light"]
    pool = load_pool([folder], PhotoCache(out / name), crop=recipe.crop, seed=0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    task = BlindSpotTask(pool, recipe, config.spec())
    trainer = Trainer(task, network_name=network, config=config, seed=seed, device=device)

    def save(now: TrainingProgress) -> None:
        if now.step in wanted:
            averaged = trainer.averaged_network()
            save_weights(
                wanted[now.step], averaged, network_name=network, config=config, metadata=trainer.metadata()
            )

    run(trainer, Budget(steps=steps_of(name, steps)), on_progress=save)


def score(path: Path, pairs: list[tuple[Path, Path]]) -> tuple[float, float]:
    """Mean PSNR of the plain average and of the default pipeline."""
    network, info = load_network(path)
    restorer = Restorer(network, info.config.spec(), Execution.choose())
    plain = evaluate(pairs, restorer.denoise)
    default = evaluate(pairs, lambda photo: pipeline.denoise_tensor(restorer, photo)[0])
    return fmean(s.denoised.psnr for s in plain), fmean(s.denoised.psnr for s in default)


def main() -> None:
    """Trains, scores, prints and draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    for argument in ("folder", "noisy", "clean", "out"):
        parser.add_argument(argument, type=Path)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    pairs = find_pairs(given.noisy, given.clean)
    scores: Scores = defaultdict(dict)
    known = given.out / "scores.json"
    found = json.loads(known.read_text()) if known.exists() else {}
    for seed in range(given.seeds):
        for name in NAMES:
            train(given.folder, given.out, name, seed, given.steps)
            for step, path in files(given.out, name, seed, given.steps).items():
                found[path.name] = found.get(path.name) or score(path, pairs)
                known.write_text(json.dumps(found))
                scores[name, step * pixels_per_step(RECIPES[name]) / 1e6][seed] = found[path.name]
                print(name, seed, step, *(f"{value:.2f}" for value in found[path.name]), flush=True)
    draw(scores, given.out / "recipes.png")


def draw(scores: Scores, target: Path) -> None:
    """Draws mean and spread over the seeds against the pixels through the network."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    for way, (title, axes) in enumerate(
        zip(("--plain", "default options"), figure.subplots(1, 2), strict=True)
    ):
        for name in NAMES:
            points = sorted((pixels, list(by.values())) for (n, pixels), by in scores.items() if n == name)
            means = [fmean(values[way] for values in by) for _, by in points]
            spread = [stdev(values[way] for values in by) if len(by) > 1 else 0.0 for _, by in points]
            axes.errorbar([pixels for pixels, _ in points], means, spread, fmt="o-", capsize=3, label=name)
        axes.set(title=title, xlabel="megapixels through the network", ylabel="mean PSNR (dB)", xscale="log")
        ticks = sorted({round(pixels) for _, pixels in scores})[::2]
        axes.set_xticks(ticks, [str(tick) for tick in ticks], minor=False)
        axes.set_xticks([], minor=True)
        axes.legend()
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    main()
