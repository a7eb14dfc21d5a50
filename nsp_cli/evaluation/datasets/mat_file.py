"""MATLAB files: up to v7 through SciPy; v7.3, which is HDF5, through h5py."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsp_cli.errors import InputError, NspError
from nsp_cli.files import replacing
from nsp_cli.photo.sniffing import check_readable, damaged

Array = NDArray[Any]

_HDF5 = b"\x89HDF\r\n\x1a\n"
# Bytes of MATLAB's own header, before that of HDF5.
_USER_BLOCK = 512
_OFFICIAL = "Use the official file."


def read_array(path: Path, name: str) -> Array:
    """Returns a numeric variable, with its axes in MATLAB's order.

    Raises:
        InputError: The file is missing or damaged, has no such variable, or its reader is not installed.
    """
    array: Array = _read(path, name, np.asarray, lambda found: np.asarray(found[()]).T)
    if array.dtype.kind not in "uif":
        raise InputError(f"In {path}, {name} is not numeric.", _OFFICIAL)
    return array


def read_matrices(path: Path, name: str, field: str) -> list[Array]:
    """Returns the matrices in a field of a struct, in order.

    The struct may be an array with one matrix per element, or a single struct whose field is a cell array.

    Raises:
        InputError: As for `read_array`.
    """

    def read_v5(struct: Array) -> list[Array]:
        if field not in (struct.dtype.names or ()):
            raise KeyError(field)
        return _leaves(struct[field])

    found: list[Array] = _read(
        path, f"{name}.{field}", read_v5, lambda group: _follow_references(group[field])
    )
    return found


def write_mat(path: Path, variables: Mapping[str, object]) -> None:
    """Writes variables as a v5 file, which MATLAB and SciPy read.

    Raises:
        InputError: SciPy is not installed.
        OutputError: The file cannot be written.
    """
    scipy_io = need("scipy.io")
    with replacing(path) as file:
        scipy_io.savemat(file, variables)


def need(library: str) -> Any:
    """Returns a library of the optional extra.

    Raises:
        InputError: The library is not installed.
    """
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise InputError(
            f"MATLAB files need {library.partition('.')[0]}, which is not installed.",
            'Install it: pip install "nsp-cli[evaluate]"',
        ) from error


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_USER_BLOCK + len(_HDF5))
    return head.startswith(_HDF5) or head.endswith(_HDF5)


def _read(path: Path, wanted: str, read_v5: Callable[[Array], Any], read_hdf5: Callable[[Any], Any]) -> Any:
    """Reads a variable; `wanted` may also name a field of it, after a dot."""
    name = wanted.partition(".")[0]
    check_readable(path)
    try:
        if _is_hdf5(path):
            with need("h5py").File(path, "r") as file:
                return read_hdf5(file[name])
        return read_v5(need("scipy.io").loadmat(path, variable_names=[name])[name])
    except NspError:
        raise
    except KeyError as error:
        raise InputError(f"{path} contains no {wanted}.", _OFFICIAL) from error
    except Exception as error:  # the errors of the two libraries have no common parent
        raise damaged(path, "a MATLAB file", error) from error


def _leaves(values: Array) -> list[Array]:
    """Returns the matrices in nested cells, column by column as in MATLAB."""
    if values.dtype.kind != "O":
        return [values]
    return [leaf for value in values.ravel(order="F") for leaf in _leaves(value)]


def _follow_references(values: Any) -> list[Array]:
    """Returns the same from HDF5, where cells are references and axes are in reverse order."""
    content = values[()]
    if content.dtype.kind != "O":
        return [content.T]
    return [leaf for reference in content.ravel() for leaf in _follow_references(values.file[reference])]
