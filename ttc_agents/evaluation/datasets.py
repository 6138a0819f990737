"""Traces as Minari datasets (the extra `traces`), which offline reinforcement learning reads.

A dataset holds the specification of its environment, so that `recover_environment` makes it, and
each episode the seed that begins it again. It is written beside its place and renamed: what is
interrupted leaves nothing. (https://minari.farama.org)
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from ttc_agents.evaluation.traces import Trace

ROOT = "MINARI_DATASETS_PATH"
"""The variable in which Minari looks for the folder of all datasets."""


@dataclass(frozen=True)
class Dataset:
    """A dataset that is to be written.

    Args:
        name: Minari's id, `namespace/name-v0`.
        spec: Of the environment.
        source: Who played.
        data_format: `hdf5`, `arrow` or `parquet`.
    """

    name: str
    spec: EnvSpec
    source: str
    data_format: str = "hdf5"

    def write(self, root: Path, batches: Iterable[list[Trace]]) -> dict[str, Any]:
        """Write all episodes below `root`, or nothing.

        Returns:
            `id`, `path`, `source`, and the counts `episodes`, `steps` and `solved`.

        Raises:
            FileExistsError: There is one of this name.
            ValueError: The name is malformed, the environment has no specification that could be
                written down, or the format needs a package that is missing.
        """
        root = root.absolute()  # Minari joins relative paths twice
        self.check(root)
        counts = {"episodes": 0, "steps": 0, "solved": 0}
        with TemporaryDirectory(dir=root, prefix=".traces-") as temporary:
            dataset = None
            for batch in batches:
                with _minari_in(Path(temporary)) as minari:
                    buffers = [_buffer(minari, trace) for trace in batch]
                    if dataset is None:
                        dataset = self._created(minari, buffers)
                    else:
                        dataset.update_dataset_from_buffer(buffers)
                counts["episodes"] += len(batch)
                counts["steps"] += sum(len(trace.rewards) for trace in batch)
                counts["solved"] += sum(trace.solved for trace in batch)
            (root / self.name).parent.mkdir(parents=True, exist_ok=True)
            (Path(temporary) / self.name).rename(root / self.name)
        self._name_space(root)
        return {"id": self.name, "path": str(root / self.name), "source": self.source, **counts}

    def check(self, root: Path) -> None:
        """Refuse what could not be written; see `write`."""
        with _minari_in(root) as minari:
            minari.dataset.minari_dataset.parse_dataset_id(self.name)
            try:
                minari.dataset._storages.get_minari_storage(self.data_format)
            except ImportError as error:
                raise ValueError(f"the format {self.data_format}: {error}") from error
        if (root / self.name).exists():
            raise FileExistsError(
                f"there is a dataset {self.name} in {root}: give another --version, --namespace "
                "or --out, or delete it"
            )
        try:
            json.dumps(self.spec.kwargs)
        except TypeError as error:
            raise ValueError(
                f"{self.spec.id} cannot be recovered from a file: register its task as "
                f"'module:Class' and its arguments as plain values ({error})"
            ) from error

    def _created(self, minari: Any, buffers: list[Any]) -> Any:
        """The dataset with its first episodes."""
        with warnings.catch_warnings():
            # An author, his address and a link to his code are the user's to add.
            warnings.filterwarnings("ignore", ".* is set to None", UserWarning)
            return minari.create_dataset_from_buffers(
                self.name,
                buffers,
                env=self.spec,
                algorithm_name=self.source,
                description=f"Refinement traces of {self.source} on {self.spec.id}, all episodes, "
                "also those that failed. Written by ttc traces.",
                data_format=self.data_format,
                requirements=[f"ttc-gym>={version('ttc-gym')}"],
            )

    def _name_space(self, root: Path) -> None:
        """Make the namespace known where Minari lists them."""
        with _minari_in(root) as minari:
            namespace = self.name.rpartition("/")[0]
            if namespace and namespace not in minari.namespace.list_local_namespaces():
                minari.namespace.create_namespace(namespace)


def default_root() -> Path:
    """Where Minari looks for datasets."""
    return Path(os.environ.get(ROOT) or Path.home() / ".minari/datasets")


def dataset_name(namespace: str, words: Iterable[str], number: int) -> str:
    """An id of Minari's form: signs that it does not know become hyphens."""
    name = re.sub(r"[^\w]+", "-", "-".join(words), flags=re.ASCII).strip("-")
    return f"{namespace}/{name}-v{number}"


def _buffer(minari: Any, trace: Trace) -> Any:
    """An episode as Minari takes it; scalars in lists, since arrow stores arrays by their shape."""
    infos = {
        name: list(values) if values.ndim == 1 else values for name, values in trace.infos.items()
    }
    return minari.data_collector.EpisodeBuffer(
        seed=trace.seed,
        observations=trace.observations,
        actions=trace.actions,
        rewards=list(trace.rewards),
        terminations=list(trace.terminations),
        truncations=list(trace.truncations),
        infos=infos,
    )


@contextmanager
def _minari_in(root: Path) -> Iterator[Any]:
    """The package `minari`, which takes the folder of all datasets from the environment alone."""
    try:
        import minari
        import minari.data_collector
        import minari.dataset._storages
        import minari.dataset.minari_dataset
        import minari.namespace
    except ModuleNotFoundError as error:
        message = 'traces are written by minari: pip install "ttc-gym[traces]"'
        raise ModuleNotFoundError(message, name=error.name) from error
    root.mkdir(parents=True, exist_ok=True)
    before = os.environ.get(ROOT)
    os.environ[ROOT] = str(root)
    try:
        yield minari
    finally:
        if before is None:
            del os.environ[ROOT]
        else:
            os.environ[ROOT] = before


def made_as(env_id: str, **options: Any) -> EnvSpec:
    """The specification of an environment that `gymnasium.make` makes with these arguments."""
    env = gym.make(env_id, **options)
    spec = env.spec
    env.close()
    if spec is None:
        raise ValueError(f"{env_id} has no specification")
    return spec
