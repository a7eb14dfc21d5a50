"""The data sets of the paper: SIDD's blocks, DND's crops, and submissions to their servers."""

from nsp_cli.evaluation.datasets.dnd import DndImages, read_dnd, submit_crops
from nsp_cli.evaluation.datasets.results import Rows, results_in
from nsp_cli.evaluation.datasets.sidd import SiddBlocks, read_blocks, score_blocks, submit_blocks

__all__ = [
    "DndImages",
    "Rows",
    "SiddBlocks",
    "read_blocks",
    "read_dnd",
    "results_in",
    "score_blocks",
    "submit_blocks",
    "submit_crops",
]
