"""What to train first, before anything was trained: configurations from past sweeps, or an honest "I do not know"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

import numpy as np

from metahp.candidates import portfolio, proposals
from metahp.features import encode, full_step
from metahp.models import load_or_fit
from metahp.predictor import Experience, Experienced, Predictor
from metahp.space import SearchSpace
from metahp.store import Store
from metahp.types import Config, Mode, Sweep, TaskValue, Trial

_LOW, _HIGH = 0.1, 0.9
_MOST_SOURCES = 3


@dataclass(frozen=True, slots=True)
class Recommended:
    """A configuration and how it is expected to end.

    Attributes:
        config: legal in the space that was asked about.
        score: predicted metric after a full training, None where no past sweep measured this metric.
        low: the score is lower in one case of ten; None as ``score``.
        high: the score is higher in one case of ten; None as ``score``.
        sources: sweep_ids of the past sweeps that speak most for it, beyond those before it; at most three.
    """

    config: Config
    score: float | None
    low: float | None
    high: float | None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What past sweeps say about a new one.

    Attributes:
        configs: that together promise most: the first is the best single one, each further one covers what those
            before it would have missed in some past sweep. Empty where nothing is known.
        sources: sweep_ids of the past sweeps that this comes from, the most similar first.
        caveat: why there is no configuration or no score, empty where there is all.
    """

    configs: tuple[Recommended, ...]
    sources: tuple[str, ...]
    caveat: str = ""

    def _repr_html_(self) -> str:
        """What a notebook shows: a row for each configuration."""
        rows = "".join(
            f"<tr><td>{escape(str(own.config))}</td><td>{_text(own.score)}</td>"
            f"<td>{_text(own.low)} to {_text(own.high)}</td></tr>"
            for own in self.configs
        )
        head = "<tr><th>configuration</th><th>score</th><th>in 8 of 10 cases</th></tr>"
        table = f"<table>{head}{rows}</table>" if rows else ""
        return f"{table}<p>{escape(self.caveat or f'from {len(self.sources)} past sweeps')}</p>"


def recommend(
    past: Store | Predictor,
    space: SearchSpace,
    metric: str,
    mode: Mode,
    *,
    max_step: int | None = None,
    task: Mapping[str, TaskValue] | None = None,
    count: int = 5,
    seed: int = 0,
) -> Recommendation:
    """Configurations to begin with, from past sweeps whose spaces share at least half of the hyperparameters.

    Args:
        past: a store, whose predictor is brought up to date first (which may take minutes), or a predictor.
        space: of the new sweep.
        metric: what will be optimised.
        mode: its direction.
        max_step: steps of a full training, if known.
        task: what is known about the task.
        count: at most so many configurations.
        seed: of the candidates that are drawn at random; the same seed and past give the same recommendation.

    Raises:
        StoreError: the store cannot be read.
    """
    predictor = load_or_fit(past) if isinstance(past, Store) else past
    sweep = Sweep("asked for a recommendation", space, metric, mode, max_step, task or {})
    experience = predictor.experience(sweep) if isinstance(predictor, Experienced) else None
    if experience is None:
        caveat = "no past sweep shares at least half of these hyperparameters; a sweep without history explores"
        return Recommendation((), (), caveat)
    configs = _portfolio(sweep, experience, count, np.random.default_rng(seed))
    sources = _sources(space, configs, experience)
    if not experience.knows_metric:
        caveat = f"no past sweep of these hyperparameters measured {metric!r} to be {_aim(mode)}: scores are unknown"
        unscored = [Recommended(config, None, None, None) for config in configs]
        return Recommendation(_with(sources, unscored), tuple(experience.sources), caveat)
    scored = _scored(predictor, sweep, configs, experience.bounds)
    return Recommendation(_with(sources, scored), tuple(experience.sources))


def _portfolio(sweep: Sweep, experience: Experience, count: int, rng: np.random.Generator) -> list[Config]:
    none = encode(sweep.space, [])
    candidates = proposals(none, none, experience, rng)
    chosen = portfolio(candidates, none, experience, count)
    return [*candidates[chosen].configs()]


def _scored(
    predictor: Predictor, sweep: Sweep, configs: Sequence[Config], bounds: tuple[float, float]
) -> tuple[Recommended, ...]:
    """With scores that stay where the metric must lie: no accuracy is above 1."""
    trials = [Trial(str(place), config) for place, config in enumerate(configs)]
    said = predictor.condition(sweep, []).predict(trials, [full_step(sweep, [])] * len(trials))
    scores = (np.clip(each, *bounds) for each in (said.mean, said.quantile(_LOW), said.quantile(_HIGH)))
    bands = zip(configs, *scores, strict=True)
    return tuple(Recommended(config, float(mean), float(low), float(high)) for config, mean, low, high in bands)


def _sources(space: SearchSpace, configs: Sequence[Config], experience: Experience) -> list[tuple[str, ...]]:
    """Of each configuration, the past sweeps that gain most by it: that judge it better than all those before it."""
    if not configs:
        return []
    levels = experience.judge(encode(space, configs), 1.0)
    found = []
    for place in range(len(configs)):
        before = levels[:, :place].max(axis=1, initial=0.0)
        gain = experience.weights * np.maximum(levels[:, place] - before, 0.0)
        if not gain.any():  # it adds nothing at a full training; what it adds earlier is from those that like it best
            gain = experience.weights * np.maximum(levels[:, place], 0.0)
        best = np.argsort(-gain, kind="stable")[:_MOST_SOURCES]
        found.append(tuple(experience.sources[which] for which in best if gain[which] > 0.0))
    return found


def _with(sources: Sequence[tuple[str, ...]], recommended: Sequence[Recommended]) -> tuple[Recommended, ...]:
    return tuple(replace(each, sources=own) for each, own in zip(recommended, sources, strict=True))


def _text(value: float | None) -> str:
    return "?" if value is None else f"{value:.4g}"


def _aim(mode: Mode) -> str:
    return "maximised" if mode is Mode.MAX else "minimised"
