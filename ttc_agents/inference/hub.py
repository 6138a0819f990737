"""Checkpoints on the Hugging Face Hub, named `hf://owner/name` or `hf://owner/name@revision`.

Three files travel, in one commit: model.safetensors, config.json (with the digest of the weights)
and README.md, the model card. The state of the training does not: nothing that is fetched is a
pickle, and no file runs code. `huggingface_hub` (the extra `hub`) does the talking; it keeps what
it fetched in its own cache, and reads `HF_ENDPOINT`, `HF_HOME` and `HF_HUB_OFFLINE`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from ttc_agents.inference.config import CONFIG, digest, read_file, spelled
from ttc_agents.inference.directory import WEIGHT_FILE
from ttc_agents.models import RefinementModel

SCHEME = "hf://"
CARD, PUBLISHED_CARD = "card.md", "README.md"
NAME = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>[^\s@]+))?", re.ASCII)
FRONT_MATTER = """\
---
library_name: ttc-gym
tags:
- ttc-gym
- gymnasium
- test-time-compute
---
"""
"""What the hub reads of a card."""


def is_hub_name(name: object) -> bool:
    """Whether a checkpoint is named on the hub."""
    return isinstance(name, str) and name.startswith(SCHEME)


def parsed(name: str) -> tuple[str, str | None]:
    """Repository and revision (None: the newest) of `owner/name@revision`, with or without `hf://`.

    Raises:
        ValueError: It is no such name.
    """
    match = NAME.fullmatch(name.removeprefix(SCHEME))
    if match is None:
        raise ValueError(f"expected hf://owner/name or hf://owner/name@revision, got {name!r}")
    return match["repo"], match["revision"]


@cache
def fetched(name: str) -> Path:
    """The directory of a checkpoint of the hub, which is fetched unless it is in the cache.

    A process keeps to what it first found under a name, so that config and weights are of one
    commit; `push` makes it look again.

    Raises:
        ValueError: The name is malformed.
        FileNotFoundError: There is no such repository or revision, or it holds no checkpoint.
        ConnectionError: The hub cannot be reached, and the cache does not have it.
        PermissionError: The hub refuses.
        ModuleNotFoundError: The extra `hub` is not installed.
    """
    repo, revision = parsed(name)
    hub = _library()
    with _in_words(hub, repo, revision), _without_bars(hub):
        files = [CONFIG, WEIGHT_FILE]
        directory = Path(hub.snapshot_download(repo, revision=revision, allow_patterns=files))
    if not (directory / CONFIG).is_file():
        raise FileNotFoundError(f"{name} holds no checkpoint: expected {' and '.join(files)}")
    return directory


def push(directory: Path, model: RefinementModel, repo: str, private: bool = False) -> str:
    """Publish a checkpoint as one commit, and make the repository where there is none.

    Args:
        directory: The checkpoint. Its `card.md`, where it has one, becomes the model card.
        model: The model that it holds, which shows that it is whole.
        repo: `owner/name`.
        private: Whether a new repository is private; one that is there stays as it is.

    Returns:
        The commit, for `hf://owner/name@commit`.

    Raises:
        ValueError: The name is malformed or has a revision, or the checkpoint is damaged.
        ConnectionError: The hub cannot be reached.
        PermissionError: You are not logged in, or may not write there.
        ModuleNotFoundError: The extra `hub` is not installed.
    """
    repo, revision = parsed(repo)
    if revision is not None:
        raise ValueError(f"the hub names the revision of what is pushed, got @{revision}")
    hub = _library()
    files = published(directory, model, repo)
    with _in_words(hub, repo, None), _without_bars(hub):
        api = hub.HfApi(library_name="ttc-gym")
        api.create_repo(repo, private=private, exist_ok=True)
        changes = [hub.CommitOperationAdd(name, data) for name, data in files.items()]
        words = f"Push {directory.name} by ttc push"
        commit: str = api.create_commit(repo, changes, commit_message=words).oid
    fetched.cache_clear()
    return commit


def published(directory: Path, model: RefinementModel, repo: str) -> dict[str, bytes]:
    """{name: content} of what travels; the config knows the digest of the weights alone."""
    config, weights = read_file(directory / WEIGHT_FILE)
    config = {**config, "digests": {WEIGHT_FILE: [digest(weights)]}}
    card = directory / CARD
    text = card.read_text("utf-8") if card.is_file() else described(config, model, repo)
    if not text.startswith("---\n"):
        text = FRONT_MATTER + "\n" + text.rstrip() + "\n\n" + usage(repo)
    return {WEIGHT_FILE: weights, CONFIG: spelled(config), PUBLISHED_CARD: text.encode()}


def described(config: dict[str, Any], model: RefinementModel, repo: str) -> str:
    """A card for a checkpoint that has none: what its config knows, and no claim."""
    recipe = config.get("recipe") or {}
    facts = {
        "model": f"`{config['model']}`",
        "parameters": f"{sum(p.numel() for p in model.parameters()):,}",
        "environment": f"`{config['env_id']}`",
        "arguments of its task": f"`{config['task']}`",
        "recipe": f"`{recipe.get('name', 'none')}`, level `{recipe.get('level')}`",
        "updates": f"{config.get('updates', 0):,}",
        "instances seen": f"{config.get('instances', 0):,}",
        "seconds of training": f"{config.get('seconds', 0):.0f}",
    }
    rows = [f"| {name} | {value} |" for name, value in facts.items()]
    table = "\n".join(["| | |", "|---|---|", *rows])
    return f"# {repo.split('/')[1]}\n\n{table}\n\nHow well it solves was not written down here."


def usage(repo: str) -> str:
    """The section of a card that says how to use what it describes."""
    return f"""\
## Use

```sh
pip install "ttc-gym[agents,hub]"
ttc evaluate {SCHEME}{repo} --steps 1,16,64
```

```python
import ttc_agents as ta

model, task = ta.load("{SCHEME}{repo}"), ta.load_task("{SCHEME}{repo}", "test")
```
"""


def _library() -> Any:
    """The package `huggingface_hub`."""
    try:
        import huggingface_hub.constants
        import huggingface_hub.errors
        import huggingface_hub.utils
    except ModuleNotFoundError as error:
        message = 'hf:// names need huggingface_hub: pip install "ttc-gym[hub]"'
        raise ModuleNotFoundError(message, name=error.name) from error
    return huggingface_hub


@contextmanager
def _without_bars(hub: Any) -> Iterator[None]:
    """No progress bars of the library: what travels is small."""
    shown = not hub.utils.are_progress_bars_disabled()
    if shown:
        hub.utils.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            hub.utils.enable_progress_bars()


@contextmanager
def _in_words(hub: Any, repo: str, revision: str | None) -> Iterator[None]:
    """The library's errors as one sentence each, of Python's own kinds."""
    errors, unreachable = hub.errors, f"the hub at {hub.constants.ENDPOINT} cannot be reached"
    try:
        yield
    except errors.RevisionNotFoundError as error:
        raise FileNotFoundError(f"{repo} has no revision {revision!r} on the hub") from error
    except errors.RepositoryNotFoundError as error:  # also of one that asks for permission
        raise FileNotFoundError(
            f"there is no {repo} on the hub that you may read; of a private one, log in by "
            "`hf auth login`"
        ) from error
    except errors.LocalTokenNotFoundError as error:
        raise PermissionError("log in to the hub by `hf auth login`") from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise ConnectionError(f"{unreachable}, and {repo} is not in its cache") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise PermissionError(
                f"the hub refuses access to {repo} (HTTP {status}): log in by `hf auth login`, "
                "with a token that may do this"
            ) from error
        raise ConnectionError(f"the hub answers HTTP {status} to {repo}") from error
    except errors.HTTPError as error:
        raise ConnectionError(f"{unreachable} ({type(error).__name__})") from error
