"""Downloads from the hub or a mirror, and files in the cache.

The hub's own client does the work and follows its own settings: HF_HOME and HF_HUB_CACHE (the cache),
HF_ENDPOINT (a mirror), HF_HUB_OFFLINE=1 (no network), HF_TOKEN (private repositories).
"""

from __future__ import annotations

import inspect
import os
import re
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from nsp_cli.ops.progress import OnProgress
from nsp_cli.weights.file import LARGEST_FILE, too_large
from nsp_cli.weights.hub.address import HubFile
from nsp_cli.weights.hub.errors import explain, first_line

# The client reads this when it is imported, which happens below. A download names the file to the hub and
# sends nothing else. A value that the user has set stays.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

_SHA256 = re.compile(r"[0-9a-f]{64}")


def cache_folder() -> Path:
    """Returns the folder where the client keeps downloaded files."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def endpoint() -> str:
    """Returns the address of the hub or its mirror; "" if the network must not be used."""
    from huggingface_hub import constants

    return "" if constants.HF_HUB_OFFLINE else str(constants.ENDPOINT)


def why_unreachable(address: str, *, seconds: float = 4.0) -> str | None:
    """Returns the reason why an address does not answer, or None if it does; takes at most `seconds`."""
    answers: list[str | None] = []
    # Looking up an unknown name can take much longer than any timeout of the connection.
    asking = threading.Thread(target=lambda: answers.append(_ask(address, seconds)), daemon=True)
    asking.start()
    asking.join(seconds)
    return answers[0] if answers else f"no answer in {seconds:g} s"


def _ask(address: str, seconds: float) -> str | None:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=seconds):
            return None
    except urllib.error.HTTPError as error:
        with error:
            # A mirror may have no page at its root; other statuses are refusals or faults.
            return None if error.code in (404, 405) else f"HTTP status {error.code}"
    except urllib.error.URLError as error:
        return str(getattr(error.reason, "strerror", None) or error.reason)
    except (OSError, ValueError) as error:
        return first_line(error)


def find_in_cache(file: HubFile) -> Path | None:
    """Returns the cached copy of a file, without using the network or checking its content."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(file.repository, file.path, revision=file.revision)
    return Path(found) if isinstance(found, str) else None


def download(file: HubFile, on_progress: OnProgress | None = None) -> Path:
    """Downloads what is new, and returns the file in the cache.

    For a branch the newest state is used, or the cached one if the hub cannot be reached. A broken
    connection is resumed a few times where it broke (clients before 1.0: by the next call).

    Args:
        file: What to download. Its content is not checked.
        on_progress: Called with the bytes done and in total.

    Raises:
        WeightsError: The file does not exist, is neither on the hub nor in the cache, or is too large.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    options: dict[str, Any] = {"revision": file.revision, "library_name": "nsp"}
    # Old versions of the client (before 1.0) show their own bar instead.
    if "tqdm_class" in inspect.signature(hf_hub_download).parameters:
        options["tqdm_class"] = _progress_class(file, on_progress)
    # The base classes are errors of the HTTP library that this version of the client uses. RuntimeError
    # comes from Xet, the hub's other way of sending files.
    failures = cast(
        tuple[type[Exception], ...], (OSError, ValueError, RuntimeError, *HfHubHTTPError.__bases__)
    )
    reached = False
    try:
        if find_in_cache(file) is None:
            _knock(file)
        reached = True
        return Path(str(hf_hub_download(file.repository, file.path, **options)))
    except failures as error:
        raise explain(file, error, reached) from error


def discard(path: Path) -> bool:
    """Removes a file from the cache, so that the next download starts again; returns whether it is gone."""
    content = path.resolve()  # cached names are links to the content
    with suppress(OSError):
        content.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    return not content.exists()


def _knock(file: HubFile) -> None:
    """Asks the hub for the file once: the client itself would retry a blocked hub for minutes.

    Raises:
        WeightsError: The file is too large for weights.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    about = get_hf_file_metadata(hf_hub_url(file.repository, file.path, revision=file.revision))
    if (about.size or 0) > LARGEST_FILE:
        raise too_large(str(file), about.size or 0)


def stated_sha256(path: Path) -> str | None:
    """Returns the sha256 that the hub stated for a cached file, or None if it stated none.

    The cache names content after it. The content itself comes from where the hub redirects to.
    """
    name = path.resolve().name
    return name if _SHA256.fullmatch(name) else None


def _progress_class(file: HubFile, on_progress: OnProgress | None) -> type:
    """Returns a class that the client uses like a tqdm bar, but that only passes numbers on.

    It also ends a download that never ends or is larger than announced.
    """

    class Progress:
        def __init__(self, *_: Any, total: float | None = None, initial: float = 0, **__: Any) -> None:
            self.total = total
            self.n = initial

        def update(self, amount: float | None = 1) -> None:
            self.n += amount or 0
            if self.n > LARGEST_FILE:
                raise too_large(str(file), int(self.n))
            if on_progress:
                on_progress(int(self.n), int(self.total or self.n))

        def update_transfer(self, amount: float | None = 1) -> None:
            """Exists so that the client makes no second bar for network traffic."""

        def __enter__(self) -> Progress:
            return self

        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None:
            return None

        def __getattr__(self, name: str) -> Any:
            # set_description, refresh, close and others that only a visible bar needs.
            if name.startswith("_"):
                raise AttributeError(name)
            return lambda *_, **__: None

    return Progress
