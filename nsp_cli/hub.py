"""Files on the Hugging Face hub, or a mirror of it: fetch, find in the cache, throw out of the cache.

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
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from nsp_cli.errors import WeightsError
from nsp_cli.manifest import HUB_PATH, REPOSITORY
from nsp_cli.weights_file import LARGEST_FILE, too_large

OnProgress = Callable[[int, int], None]

SCHEME = "hf://"

# The client reads this when it is imported, which happens below. Fetching a file tells the hub which
# file, and nothing else; a value that the user has set stands.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class HubFile:
    """A file on the hub.

    Attributes:
        repository: owner/name.
        path: Inside the repository, with forward slashes.
        revision: Commit, tag or branch.
    """

    repository: str
    path: str
    revision: str = "main"

    def __str__(self) -> str:
        return f"{SCHEME}{self.repository}/{self.path}@{self.revision}"


def parse_hub_file(address: str, revision: str | None = None) -> HubFile:
    """Reads hf://owner/repository/path/to/file.safetensors[@revision].

    Args:
        address: Parts such as .. that would lead out of the repository or the cache are refused.
        revision: Goes before the address's own.

    Raises:
        WeightsError: It is no such address.
    """
    location, _, written = address.removeprefix(SCHEME).partition("@")
    owner, _, rest = location.partition("/")
    name, _, path = rest.partition("/")
    file = HubFile(f"{owner}/{name}", path, revision or written or "main")
    if (
        not REPOSITORY.fullmatch(file.repository)
        or not HUB_PATH.fullmatch(path)
        or not path.endswith(".safetensors")
        or not HUB_PATH.fullmatch(file.revision)
        or ("@" in address and not written)
    ):
        raise WeightsError(
            f"{address}: not the address of a weights file",
            "It has the form hf://owner/repository/file.safetensors or …safetensors@revision.",
        )
    return file


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
        return _first_line(error)


def find_in_cache(file: HubFile) -> Path | None:
    """Returns where a file lies that was fetched before; asks nobody. Its content is not checked."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(file.repository, file.path, revision=file.revision)
    return Path(found) if isinstance(found, str) else None


def fetch(file: HubFile, on_progress: OnProgress | None = None) -> Path:
    """Returns where the file lies in the cache, downloading what is new.

    A branch is asked for its newest state; where the hub cannot be reached, the cached one is used.
    A connection that breaks is taken up again a few times, from where it broke (clients before 1.0: by
    the next call).

    Args:
        file: What to fetch. Its content is not checked.
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
        raise _translate(file, error, reached) from error


def discard(path: Path) -> bool:
    """Throws a file out of the cache, so that the next fetch starts afresh; tells whether it could."""
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


def _translate(file: HubFile, error: Exception, reached: bool) -> WeightsError:
    from huggingface_hub import constants, errors

    where = f"{file}: "
    kinds: list[tuple[type[Exception], str, str]] = [
        (
            errors.GatedRepoError,
            f"{file.repository} asks for its terms to be accepted first",
            f"Accept them at {constants.ENDPOINT}/{file.repository}, then: hf auth login",
        ),
        (
            errors.RepositoryNotFoundError,
            f"{constants.ENDPOINT} has no repository {file.repository}, or it is private",
            "Check owner and name; for a private one: hf auth login",
        ),
        (
            errors.RevisionNotFoundError,
            f"{file.repository} has no revision {file.revision}",
            f"Look at {constants.ENDPOINT}/{file.repository}/commits for what there is.",
        ),
        (errors.LocalEntryNotFoundError, *_why_not_reached(file, error)),
        (
            errors.EntryNotFoundError,
            f"{file.repository} has no file {file.path} in revision {file.revision}",
            f"Look at {constants.ENDPOINT}/{file.repository}/tree/{file.revision} for what there is.",
        ),
        (errors.HFValidationError, f"not a valid repository name ({error})", "Check owner and name."),
        (
            errors.HfHubHTTPError,
            f"{constants.ENDPOINT} did not give it ({_first_line(error)})",
            "Try again in a while.",
        ),
    ]
    for kind, why, hint in kinds:
        if isinstance(error, kind):
            return WeightsError(where + why, hint)
    if not reached:
        why, hint = _why_not_reached(file, error)
        return WeightsError(where + why, hint)
    return WeightsError(
        f"{where}the download failed ({_first_line(error)})",
        "Check the connection and free space; try again.",
    )


def _why_not_reached(file: HubFile, error: Exception) -> tuple[str, str]:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return (
            "not in the cache, and nsp is offline (HF_HUB_OFFLINE is set)",
            f"When online: nsp weights pull {file}",
        )
    return (
        f"not in the cache, and {constants.ENDPOINT} cannot be reached ({_first_line(error)})",
        "Check the connection, set HF_ENDPOINT to a mirror, or fetch the file elsewhere and give its path.",
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
