"""Searchers that need no model: random configurations, or a list and then random ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ray.tune.search import Searcher

from metahp.types import Config
from metahp_searchers.ray_space import from_tune


class ListSearch(Searcher):
    """Suggests the configurations of a list, then random ones; the same seed draws the same ones.

    Args:
        configs: what comes first.
        seed: of the random ones.
    """

    def __init__(self, configs: Sequence[Config], seed: int) -> None:
        super().__init__()
        self._configs = [dict(config) for config in configs]
        self._rng = np.random.default_rng(seed)

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Takes the space from Tune's ``param_space``."""
        self._metric, self._mode = metric, mode
        self._space = from_tune(config)
        return True

    def suggest(self, trial_id: str) -> dict[str, Any]:
        """The next one."""
        return self._configs.pop(0) if self._configs else self._space.sample(self._rng)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Learns nothing."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Learns nothing."""


class RandomSearch(ListSearch):
    """Draws evenly from the unit cube; all methods that use it with one seed try the same configurations."""

    def __init__(self, seed: int) -> None:
        super().__init__((), seed)
