"""The authors' .pth files of DBSN: how to recognise one and read its config from the tensors."""

from __future__ import annotations

import math

from nsp_cli.networks.authors_files import centre_mask, count_modules
from nsp_cli.networks.dbsn.network import DbsnConfig
from nsp_cli.networks.kind import AuthorsFiles, State


def _read_config(state: State) -> DbsnConfig:
    channels = state["head.0.weight"].shape[0]
    return DbsnConfig(
        base_channels=channels,
        num_modules=count_modules(state, r"branch1\.body\.\d+\.body\.0\.weight"),
        t=math.isqrt(2 * channels // state["tail.5.weight"].shape[1]),
    )


DBSN_FILES = AuthorsFiles("head.0.weight", _read_config, centre_mask)
