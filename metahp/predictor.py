"""What a meta-predictor is: it learns from past sweeps and, told what a running sweep has shown, says how trials end.

The two steps are apart because they cost differently: `Predictor.fit` and `update` train a network now and then,
`Predictor.condition` folds in the few hundred observations of one sweep, and `Posterior.predict` is a look-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np

from metahp.features import Points
from metahp.types import Carrier, Config, FloatArray, Prediction, Sweep, SweepHistory, Trial


@runtime_checkable
class Posterior(Protocol):
    """What is believed about one sweep, given the past sweeps and its own observations."""

    def predict(self, trials: Sequence[Trial], steps: Sequence[int]) -> Prediction:
        """The metric of each trial at its step.

        Args:
            trials: n trials of the sweep's space. One with an empty curve is a configuration not yet started; a
                curve is taken into account whether or not the posterior was conditioned on it.
            steps: n steps, counted from 1.

        Returns:
            n independent distributions in the metric's own unit and direction, in the order of ``trials``.
        """
        ...

    def promise(self, points: Points, step: int) -> Prediction:
        """The metric of n configurations not yet started, at one step: as by `predict`, in their order."""
        ...

    def draw(self, trials: Sequence[Trial], steps: Sequence[int], count: int, rng: np.random.Generator) -> FloatArray:
        """What the trials may come to at their steps, drawn together, so that what they share is shared.

        Args:
            trials: as for `predict`.
            steps: likewise.
            count: how many draws.
            rng: decides them.

        Returns:
            Shape ``(count, n)``, in the metric's own unit.
        """
        ...


@runtime_checkable
class Predictor(Protocol):
    """Learns over the trials of many sweeps; implementations are deterministic for a seed and their data."""

    def fit(self, history: Sequence[SweepHistory]) -> None:
        """Learn from scratch from truncated, diverged and finished curves alike; an empty history is legal."""
        ...

    def update(self, history: Sequence[SweepHistory]) -> None:
        """Go on learning: ``history`` holds new sweeps, and grown versions of sweeps seen before (same sweep_id)."""
        ...

    def condition(self, sweep: Sweep, trials: Sequence[Trial]) -> Posterior:
        """Fold in what ``sweep`` has shown so far; works (on a prior) also before any `fit`."""
        ...

    def save(self, directory: Path) -> None:
        """Write everything needed by `load` into an existing empty directory; JSON and arrays, never pickle."""
        ...

    @classmethod
    def load(cls, directory: Path) -> Self:
        """The predictor that `save` wrote.

        Raises:
            StoreError: the directory does not hold such a predictor, or one of another version.
        """
        ...


@dataclass(frozen=True, slots=True)
class Contest:
    """How a network did against the one before it, on what neither was trained on.

    Attributes:
        champion: mean log-likelihood per report of held-out trials by the network from before, None if there was none.
        challenger: the same by the one that was trained further, None where nothing was held out.
        sweeps: how many were judged by.
        champion_whole: mean log-likelihood per report of sweeps that are held out as a whole, as above.
        challenger_whole: likewise.
        whole_sweeps: how many those were.
    """

    champion: float | None
    challenger: float | None
    sweeps: int
    champion_whole: float | None = None
    challenger_whole: float | None = None
    whole_sweeps: int = 0

    @property
    def is_judged(self) -> bool:
        """Whether anything was held out."""
        return self.challenger is not None or self.challenger_whole is not None

    @property
    def challenger_wins(self) -> bool:
        """Whether the further trained network is as good on all that neither has seen, as far as that could be told."""
        pairs = ((self.champion, self.challenger), (self.champion_whole, self.challenger_whole))
        return all(after >= before for before, after in pairs if before is not None and after is not None)


@runtime_checkable
class Experience(Protocol):
    """Past sweeps that resemble a new one, as its advisers."""

    @property
    def sources(self) -> Sequence[str]:
        """Their sweep_ids, the most similar first."""
        ...

    @property
    def first_hand(self) -> int:
        """How many of them are sweeps of the store's own, not shipped ones."""
        ...

    @property
    def knows_metric(self) -> bool:
        """Whether one of them measured the new one's metric, in its direction."""
        ...

    @property
    def bounds(self) -> tuple[float, float]:
        """Between which values the metric must lie, as far as past sweeps tell; infinite where they do not."""
        ...

    @property
    def weights(self) -> FloatArray:
        """How much each of the T past sweeps counts, shape ``(T,)``, adding up to 1."""
        ...

    def best(self) -> Points:
        """The best of every past sweep, made legal in the new one's space, best first."""
        ...

    def carriers(self, config: Config) -> tuple[Carrier, ...]:
        """The past trials that count most in what is believed of a configuration, the first one most."""
        ...

    def judge(self, points: Points, fraction: float) -> FloatArray:
        """How each of T past sweeps would judge n configurations after this fraction of a full training.

        Returns:
            Shape ``(T, n)``; the larger the better, 1 about the best that the past sweep has seen.
        """
        ...


@runtime_checkable
class Experienced(Predictor, Protocol):
    """A predictor that can say where its beliefs about a sweep come from; one that cannot is taken to know nothing."""

    def experience(self, sweep: Sweep) -> Experience | None:
        """Past sweeps that resemble this one, or None where there are none."""
        ...
