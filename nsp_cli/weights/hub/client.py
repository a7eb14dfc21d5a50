"""Fetches files from the hub or a mirror of it, finds them in the cache, throws them out of it.

The hub's own client does the work and keeps to its own settings: HF_HOME and HF_HUB_CACHE (where files
are kept), HF_ENDPOINT (a mirror), HF_HUB_OFFLINE=1 (never ask), HF_TOKEN (private repositories).
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

from nsp_cli.progress import OnProgress
from nsp_cli.weights.file import LARGEST_FILE, too_large
from nsp_cli.weights.hub.address import HubFile
from nsp_cli.weights.hub.errors import explain, first_line

# The client reads this when it is imported, which happens below. Fetching a file tells the hub which
# file, and nothing else; a value that the user has set stands.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

_SHA256 = re.compile(r"[0-9a-f]{64}")


def cache_folder() -> Path:
    """Returns where the client keeps what it fetched."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def endpoint() -> str:
    """Returns the address of the hub or its mirror; "" where nobody may be asked."""
    from huggingface_hub import constants

    return "" if constants.HF_HUB_OFFLINE else str(constants.ENDPOINT)


def why_unreachable(address: str, *, seconds: float = 4.0) -> str | None:
    """Asks once whether somebody answers; returns None if so, and after `seconds` at the latest."""
    answers: list[str | None] = []
    # Finding out that a name is unknown can take much longer than any timeout of the connection.
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
            # A mirror may have nothing at its root; refusals and faults are another thing.
            return None if error.code in (404, 405) else f"HTTP status {error.code}"
    except urllib.error.URLError as error:
        return str(getattr(error.reason, "strerror", None) or error.reason)
    except (OSError, ValueError) as error:
        return first_line(error)


def find_in_cache(file: HubFile) -> Path | None:
    """Returns where a file lies that was fetched before; asks nobody. Its content is not checked."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(file.repository, file.path, revision=file.revision)
    return Path(found) if isinstance(found, str) else None


def download(file: HubFile, on_progress: OnProgress | None = None) -> Path:
    """Returns where the file lies in the cache, downloading what is new.

    A branch is asked for its newest state; where the hub cannot be reached, the cached one is used.
    A connection that breaks is taken up again a few times, from where it broke (clients before 1.0: by
    the next call).

    Args:
        file: What to download. Its content is not checked.
        on_progress: Called with the bytes done and to do.

    Raises:
        WeightsError: There is no such file, it can be reached neither on the hub nor in the cache, or it
            is larger than weights are.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    options: dict[str, Any] = {"revision": file.revision, "library_name": "nsp"}
    # Old versions of the client (before 1.0) show their own bar instead.
    if "tqdm_class" in inspect.signature(hf_hub_download).parameters:
        options["tqdm_class"] = _progress_class(file, on_progress)
    # The base is the HTTP library's own error, whichever library this version of the client uses;
    # RuntimeError is what Xet, the hub's other way of sending files, raises.
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
    """Throws a file out of the cache, so that the next download starts afresh; tells whether it could."""
    content = path.resolve()  # cached names are links to the content
    with suppress(OSError):
        content.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    return not content.exists()


def _knock(file: HubFile) -> None:
    """Asks the hub for the file once: the client itself would go on asking a blocked hub for minutes.

    Raises:
        WeightsError: It is larger than weights are.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    about = get_hf_file_metadata(hf_hub_url(file.repository, file.path, revision=file.revision))
    if (about.size or 0) > LARGEST_FILE:
        raise too_large(str(file), about.size or 0)


def stated_sha256(path: Path) -> str | None:
    """Returns the sha256 that the hub stated for a cached file, if it did: the cache names contents so.

    The content itself comes from wherever the hub redirects to.
    """
    name = path.resolve().name
    return name if _SHA256.fullmatch(name) else None


def _progress_class(file: HubFile, on_progress: OnProgress | None) -> type:
    """Makes what the client takes for a tqdm bar; it shows nothing and passes numbers on.

    It also ends a download that goes on for ever, or turns out larger than was announced.
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
            """Without it the client would make a second bar, for what came over the network."""

        def __enter__(self) -> Progress:
            return self

        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None:
            return None

        def __getattr__(self, name: str) -> Any:
            # set_description, refresh, close and others that only matter to a bar on the screen.
            if name.startswith("_"):
                raise AttributeError(name)
            return lambda *_, **__: None

    return Progress
