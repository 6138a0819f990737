"""Linear probes: are the positions of places in what a model has learnt of them, as linear maps?

Ridge regression from a vector per place to latitude and longitude (Alain and Bengio 2016, arXiv
1610.01644; for places of language models Gurnee and Tegmark 2023, arXiv 2310.02207),

    W = argmin |Y - X W|^2 + lambda |W|^2,   R^2 = 1 - |Y - X W|^2 / |Y - mean Y|^2 on held-out ones

with lambda of the least leave-one-out error on the others, so that nothing is chosen on what is
reported. The places are divided into five parts; each is held out once and found by a probe of the
four others, so that R^2 is one of all places. Latitude and longitude weigh the same in it.

Shapes: C places, F features, M places that have features, B instances, N slots.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ttc_agents.models import RefinementModel
from ttc_agents.models.base import device_of, to_batch, to_tensor
from ttc_agents.training.loop import Hook, Metrics
from ttc_agents.training.update import Training
from ttc_envs import Instances, Task

EARTH_KM = 6371.0088
PENALTIES = tuple(10.0**exponent for exponent in np.arange(-4, 6, 0.5))
"""Of standardised features, per place: the lambdas to choose from, over the number of places."""
FOLDS = 5
FEWEST = 10
"""Places that a probe needs."""
RESAMPLES = 2000


@dataclass(frozen=True, eq=False)
class Probe:
    """What a linear probe has found.

    Args:
        places: (M,) the places, each of which was held out once.
        truth: (M, 2) their latitude and longitude, degrees.
        guess: (M, 2) as probed.
    """

    places: np.ndarray
    truth: np.ndarray
    guess: np.ndarray

    @property
    def r2(self) -> float:
        """The mean of both axes."""
        return r_squared(self.truth, self.guess)

    @property
    def median_km(self) -> float:
        """Of the distances between true and probed positions."""
        return float(np.median(distance_km(self.truth, self.guess)))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Of R^2, as the places happen to be these: a bootstrap over places."""
        drawn = np.random.default_rng(0).integers(
            len(self.places), size=(RESAMPLES, len(self.places))
        )
        found = [r_squared(self.truth[rows], self.guess[rows]) for rows in drawn]
        low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def to_json(self) -> dict[str, float]:
        """The figures."""
        low, high = self.interval()
        figures = {"r2": self.r2, "low": low, "high": high}
        return {
            **{name: round(figure, 4) for name, figure in figures.items()},
            "median_km": round(self.median_km, 1),
            "places": len(self.places),
        }


def probe(features: np.ndarray, degrees: np.ndarray, seed: int = 0) -> Probe:
    """Fit and judge a probe.

    Args:
        features: (C, F); places with a row that is not finite are left out.
        degrees: (C, 2) latitude and longitude.
        seed: Of the division into parts, which is the same for all features of a map.

    Raises:
        ValueError: There are too few places.
    """
    order = np.random.default_rng(seed).permutation(len(features))
    known = order[np.isfinite(features).all(axis=1)[order]]
    if len(known) < FEWEST:
        raise ValueError(f"a probe needs at least {FEWEST} places, got {len(known)}")
    guess = np.empty((len(features), 2))
    for fold in range(FOLDS):
        test = known[fold::FOLDS]
        train = np.setdiff1d(known, test)
        guess[test] = guessed(features, degrees, train, test)
    return Probe(known, degrees[known], guess[known])


def guessed(
    features: np.ndarray, degrees: np.ndarray, train: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """Where some places are, by a probe of others."""
    mean, scale = features[train].mean(axis=0), features[train].std(axis=0)
    x = (features.astype(np.float64) - mean) / np.where(scale > 0, scale, 1.0)
    centre = degrees[train].mean(axis=0)
    weights, _ = ridge(x[train], degrees[train] - centre)
    return x[test] @ weights + centre


def r_squared(truth: np.ndarray, guess: np.ndarray) -> float:
    """Of (n, 2), the mean of both axes."""
    spread = ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
    return float(1 - (((truth - guess) ** 2).sum(axis=0) / spread).mean())


def ridge(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights (F, k) from centred x (n, F) to centred y (n, k), and the penalty chosen.

    Leave-one-out residuals are those of the fit over 1 - h_ii, h the hat matrix (with 1 / n for the
    mean, which was estimated too).
    """
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    spread = y.var(axis=0)
    best: tuple[float, float, np.ndarray] | None = None
    for penalty in PENALTIES:
        kept = s**2 / (s**2 + penalty * len(x))
        fit = u @ (kept[:, None] * (u.T @ y))
        leverage = ((u**2) * kept).sum(axis=1) + 1 / len(x)
        error = float((((y - fit) / (1 - leverage)[:, None]) ** 2 / spread).mean())
        if best is None or error < best[0]:
            shrunk = s / (s**2 + penalty * len(x))
            best = error, penalty, vt.T @ (shrunk[:, None] * (u.T @ y))
    assert best is not None
    return best[2], best[1]


def distance_km(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(M,) great-circle distances between positions (M, 2) in degrees."""
    (lat_1, lng_1), (lat_2, lng_2) = np.radians(first).T, np.radians(second).T
    half = np.sin((lat_2 - lat_1) / 2) ** 2
    half = half + np.cos(lat_1) * np.cos(lat_2) * np.sin((lng_2 - lng_1) / 2) ** 2
    return 2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1)))


def degrees_of(task: Task) -> np.ndarray:
    """(C, 2) latitude and longitude of the choices of a task.

    Raises:
        ValueError: Its choices are not places of a map that stays.
    """
    places = task.places()
    if places is None:
        raise ValueError(f"{task.spec.name} has no map that stays: there are no places to probe")
    return places


@torch.no_grad()
def place_embeddings(model: RefinementModel) -> np.ndarray:
    """(C, F) what a model reads for each place: its tables by place, side by side.

    Raises:
        ValueError: It has none.
    """
    table = model.choice_embeddings()
    if table is None:
        raise ValueError(f"{type(model).__name__} has no table with a row for each place")
    return table.cpu().double().numpy()  # some devices have no float64


@torch.no_grad()
def place_states(
    model: RefinementModel, instances: Instances, num_steps: int
) -> dict[str, np.ndarray]:
    """{name: (C, F)}, the mean state of the slots that hold each place on the right path.

    Of a path model those are the slots that have just read it, with the right path shown
    (`reading`); of others the slots that are to name it, after each step (`step 1`, ...). Places
    that stand nowhere are NaN.
    """
    device = device_of(model)
    answer = to_tensor(instances.labels["answer"], device)
    found = model.choice_states(to_batch(instances.fields, device), answer, num_steps)
    choices = model.spec.num_choices
    return {
        name: mean_by_place(z.cpu(), places.cpu(), choices) for name, (z, places) in found.items()
    }


def mean_by_place(states: Tensor, places: Tensor, choices: int) -> np.ndarray:
    """(B, n, F) states of slots that hold places (B, n) -> (C, F), NaN for places of no slot."""
    flat = states.flatten(0, 1).double()
    sums = flat.new_zeros(choices, flat.shape[-1]).index_add_(0, places.flatten(), flat)
    counts = places.flatten().bincount(minlength=choices)
    return (sums / torch.where(counts > 0, counts, torch.nan)[:, None]).numpy()


class ProbeWatch(Hook):
    """Probes the embeddings of a model while it is trained.

    Args:
        every: Updates between two probes.
    """

    def __init__(self, every: int = 100) -> None:
        self._every, self._degrees = every, np.empty(0)
        self._last: Metrics = {}

    def after_update(self, training: Training, metrics: Metrics, done: float) -> Metrics:
        """`probe_r2` and `probe_km` of the last probe."""
        if not self._last:
            self._degrees = degrees_of(training.task)
        if not self._last or training.updates % self._every == 0:
            found = probe(place_embeddings(training.model), self._degrees)
            self._last = {
                "probe_r2": torch.tensor(found.r2),
                "probe_km": torch.tensor(found.median_km),
            }
        return self._last
