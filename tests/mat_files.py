"""MATLAB files of the layouts that SIDD and DND are published in, with few and small pictures."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import scipy.io

# As MATLAB writes it before the HDF5 part of a v7.3 file.
USER_BLOCK = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512)


def write_variable(path: Path, name: str, value: np.ndarray, *, is_v73: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not is_v73:
        scipy.io.savemat(path, {name: value}, do_compression=True)
        return
    with v73_file(path) as file:
        file[name] = value.T  # HDF5 has the axes the other way round


def v73_file(path: Path) -> h5py.File:
    file = h5py.File(path, "w", userblock_size=512)
    file.flush()
    with path.open("r+b") as raw:
        raw.write(USER_BLOCK)
    return file


def write_boxes(path: Path, boxes: list[np.ndarray], layout: str) -> None:
    """Writes info.mat: as a struct array (v5, v7.3) or one struct with cells (v5-cells, v7.3-cells).

    A v7.3 file looks the same either way but for the references' shape.
    """
    if layout.startswith("v7.3"):
        with v73_file(path) as file:
            shape = (1, len(boxes)) if layout.endswith("cells") else (len(boxes), 1)
            references = np.empty(shape, dtype=h5py.ref_dtype)
            for number, matrix in enumerate(boxes):
                file[f"#refs#/{number}"] = matrix.T.astype(float)
                references.ravel()[number] = file[f"#refs#/{number}"].ref
            file.create_dataset("info/boundingboxes", data=references)
        return
    cells = np.empty((1, len(boxes)), dtype=object)
    cells[0, :] = [matrix.astype(float) for matrix in boxes]
    if layout.endswith("cells"):
        scipy.io.savemat(path, {"info": {"boundingboxes": cells}})
    else:
        structs = np.empty((1, len(boxes)), dtype=[("boundingboxes", object)])
        structs["boundingboxes"] = cells
        scipy.io.savemat(path, {"info": structs})
