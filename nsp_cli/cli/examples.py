"""Examples at the end of each help page."""

from __future__ import annotations


def _examples(*rows: tuple[str, str]) -> str:
    """Text for the end of a help page: commands to type, and what each does."""
    widest = max(len(command) for command, _ in rows)
    lines = [f"  {command:{widest}}  {meaning}" for command, meaning in rows]
    # Help pages remove the indentation of all lines after the first, unless one of them has none.
    return "\n".join(["", "Examples:", *lines])


# By the name of the command.
EXAMPLES = {
    "nsp": _examples(
        ("nsp denoise photo.jpg", "Writes photo_denoised.jpg."),
        ("nsp preview photo.jpg", "Helps to choose a strength."),
        ("nsp denoise --help", "Lists all options of a command."),
    ),
    "denoise": _examples(
        ("nsp denoise photo.jpg", "Writes photo_denoised.jpg."),
        ("nsp denoise photos/ -r -o clean/", "All photos in a folder."),
        ("nsp denoise photo.nef --format jpeg", "Develops camera RAW."),
        ("nsp denoise photo.jpg --strength 0.5", "Keeps more grain."),
        ("nsp denoise photos/ --dry-run", "Shows what would happen."),
        ("nsp denoise photos/ -o clean/ --cluster auto", "On a Ray cluster."),
        ("nsp denoise - -o - < a.jpg > b.jpg", "From standard input to output."),
    ),
    "upscale": _examples(
        ("nsp upscale photo.jpg", "Writes photo_x2.jpg."),
        ("nsp upscale photos/ -r -o large/", "All photos in a folder."),
        ("nsp upscale photo.jpg --strength 0.5", "Keeps more grain."),
    ),
    "watch": _examples(
        ("nsp watch incoming/", "Writes results next to the photos."),
        ("nsp watch incoming/ -o clean/", "Writes results to another folder."),
        ("nsp watch incoming/ --prefer raw", "For RAW+JPEG pairs, only the RAW."),
    ),
    "preview": _examples(
        ("nsp preview photo.jpg", "Tries strengths 0.5, 1 and 1.5."),
        ("nsp preview photo.jpg --strengths 0.8,1.2", "Tries others."),
    ),
    "compare": _examples(
        ("nsp compare photo.jpg photo_denoised.jpg", "Shows before and after."),
        ("nsp compare photo.jpg --strengths 0.5,1,1.5", "Compares strengths."),
    ),
    "inspect": _examples(
        ("nsp inspect photos/", "A table of noise levels."),
        ("nsp inspect photo.jpg --plot noise.png", "Draws the noise curve."),
    ),
    "train": _examples(
        ("nsp train photos/ --minutes 10", "Adapts nsp to these photos."),
        ("nsp train photos/ --minutes 60 --resume", "Goes on to an hour."),
        ("nsp denoise photo.jpg -m photos.safetensors", "Uses the result."),
    ),
    "distill": _examples(
        ("nsp distill photos/", "A student of nsp-light."),
        ("nsp distill photos/ -t photos.safetensors", "A student of your own teacher."),
        ("nsp distill photos/ --x2", "A student that enlarges."),
    ),
    "evaluate": _examples(
        ("nsp evaluate noisy/ clean/", "PSNR and SSIM of each picture."),
        ("nsp evaluate noisy.jpg clean.png --json", "One picture, as JSON."),
        ("nsp evaluate noisy/ clean/ --x2", "Scores enlargements."),
        ("nsp evaluate sidd-validation SIDD/", "A data set of the paper."),
    ),
    "export": _examples(
        ("nsp export nsp-fast -o fast.onnx", "For pictures of any size."),
        ("nsp export nsp-raw -o raw.onnx --size 1024x768", "For one size."),
    ),
    "doctor": _examples(
        ("nsp doctor", "Shows a table, also for bug reports."),
        ("nsp doctor --json", "Shows the same as JSON."),
    ),
    "bench": _examples(
        ("nsp bench", "All bundled weights on one megapixel."),
        ("nsp bench -m nsp-fast --megapixels 24", "One network, a large photo."),
    ),
    "weights": _examples(
        ("nsp weights list", "Names that --model accepts."),
        ("nsp weights info nsp-fast", "What a weights file contains."),
        ("nsp weights pull hf://owner/repo/file", "Downloads weights."),
    ),
    "weights info": _examples(
        ("nsp weights info nsp-fast", "Shows bundled weights."),
        ("nsp weights info my.safetensors", "Shows your own."),
    ),
    "weights pull": _examples(
        ("nsp weights pull hf://owner/repo/file.safetensors", "Downloads a file."),
    ),
    "weights verify": _examples(
        ("nsp weights verify", "Checks all weights on this machine."),
    ),
    "weights import": _examples(
        ("nsp weights import dbsn.pth -o dbsn.safetensors", "Converts a file."),
    ),
    "weights path": _examples(
        ("nsp weights path nsp-fast", "Prints where the file is."),
    ),
}
