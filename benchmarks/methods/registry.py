"""MetaHP and its peers, each as its authors recommend it; a method is a fresh searcher and a fresh scheduler.

Random search draws the same configurations for one (task, seed) in every method that uses it, so that these methods
differ by their schedulers alone. ``a+b`` is the searcher a with the scheduler b; without b every trial runs to its end.

Not run, and why: BOHB needs ``hpbandster`` and an old ConfigSpace, which no longer install; Optuna's ``GPSampler``,
NePS/ifBO, DPL and DyHPO need PyTorch, which the project does not; Syne Tune's schedulers do not speak Ray Tune's
interface. They are no less serious for that, and published figures are not comparable with those made here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

from ray.tune.schedulers import (
    ASHAScheduler,
    FIFOScheduler,
    HyperBandScheduler,
    MedianStoppingRule,
    TrialScheduler,
)
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from benchmarks.history import Past
from benchmarks.methods.foresight import Foresight
from benchmarks.methods.halving import BatchHalving, BatchSearch
from benchmarks.methods.optuna_space import define_by_run
from benchmarks.methods.random_search import ListSearch, RandomSearch
from benchmarks.methods.transfer import CopulaSearch, portfolio
from benchmarks.tasks import Task
from metahp.pruning import Pruning
from metahp.space import SearchSpace
from metahp.types import Config
from metahp_searchers import MetaScheduler, MetaSearch


@dataclass(frozen=True)
class Setting:
    """What a method is told.

    Attributes:
        task: what is swept; a method may read its description and its space; its curves only Foresight.
        past: what was swept before.
        seed: of all that the method leaves to chance.
        workers: how many trials train at once; most methods leave that to Tune.
    """

    task: Task
    past: Past
    seed: int
    workers: int = 4


Build = Callable[[Setting], tuple[Searcher, TrialScheduler]]


@dataclass(frozen=True, slots=True)
class Method:
    """A way to sweep.

    Attributes:
        build: fresh objects for one sweep.
        about: one clause for the tables.
        learns: whether it makes anything of a history.
        trains: whether it does so by the store's predictor, which all sweeps of a store share.
    """

    build: Build
    about: str
    learns: bool = False
    trains: bool = False


def _with(search: Callable[[Setting], Searcher], schedule: Callable[[Setting], TrialScheduler]) -> Build:
    return lambda setting: (search(setting), schedule(setting))


def _random(setting: Setting) -> Searcher:
    return RandomSearch(setting.seed)


def _tpe(setting: Setting) -> Searcher:
    task = setting.task
    return OptunaSearch(define_by_run(task.space), metric=task.metric, mode=task.mode.value, seed=setting.seed)


def _portfolio(setting: Setting) -> Searcher:
    return ListSearch(_portfolio_of(setting.past, setting.task.space), setting.seed)


@lru_cache(maxsize=4)
def _portfolio_of(past: Past, space: SearchSpace) -> list[Config]:
    """Shared by the repetitions of a task."""
    return portfolio(space, past.sweeps)


def _copula(setting: Setting) -> Searcher:
    return CopulaSearch(setting.past.sweeps, setting.seed)


def _meta_search(setting: Setting, *, pause: bool = False) -> MetaSearch:
    return MetaSearch(
        setting.past.store, dict(setting.task.meta), max_t=setting.task.max_step, seed=setting.seed, pause=pause
    )


def _meta_at_once(setting: Setting, *, pause: bool) -> tuple[Searcher, TrialScheduler]:
    """With ``max_concurrent_trials``: no trial is suggested before there is room for it."""
    search = _meta_search(setting, pause=pause)
    search.set_max_concurrency(setting.workers)
    return search, MetaScheduler(search)


def _meta(setting: Setting) -> tuple[Searcher, TrialScheduler]:
    search = _meta_search(setting)
    return search, MetaScheduler(search)


def _undescribed(setting: Setting) -> tuple[Searcher, TrialScheduler]:
    search = MetaSearch(setting.past.store, max_t=setting.task.max_step, seed=setting.seed)
    return search, MetaScheduler(search)


def _meta_schedule(setting: Setting) -> TrialScheduler:
    task = setting.task
    return MetaScheduler(max_t=task.max_step, store=setting.past.store, task=dict(task.meta), seed=setting.seed)


def _audited(share: float) -> Build:
    def build(setting: Setting) -> tuple[Searcher, TrialScheduler]:
        store, task, pruning = setting.past.store, setting.task, Pruning(audit=share)
        search = MetaSearch(store, dict(task.meta), max_t=task.max_step, seed=setting.seed, pruning=pruning)
        return search, MetaScheduler(search)

    return build


def _foresight(setting: Setting) -> TrialScheduler:
    return Foresight(setting.task)


def _fifo(setting: Setting) -> TrialScheduler:
    return FIFOScheduler()


def _asha(setting: Setting) -> TrialScheduler:
    return ASHAScheduler(max_t=setting.task.max_step)


def _asha3(setting: Setting) -> TrialScheduler:
    return ASHAScheduler(max_t=setting.task.max_step, grace_period=1, reduction_factor=3)


def _hyperband(setting: Setting) -> TrialScheduler:
    return HyperBandScheduler(max_t=setting.task.max_step)


def _median(setting: Setting) -> TrialScheduler:
    return MedianStoppingRule(time_attr="training_iteration", grace_period=1)


def _halving(setting: Setting) -> tuple[Searcher, TrialScheduler]:
    steps = [max(1, setting.task.max_step // 3**power) for power in (3, 2, 1, 0)]
    scheduler = BatchHalving(list(zip((27, 9, 3, 1), steps, strict=True)))
    return BatchSearch(scheduler, setting.seed), scheduler


def _one_epoch(setting: Setting) -> tuple[Searcher, TrialScheduler]:
    scheduler = BatchHalving([(100, 1), (4, setting.task.max_step)])
    return BatchSearch(scheduler, setting.seed), scheduler


METHODS: dict[str, Method] = {
    "random": Method(_with(_random, _fifo), "random search, every trial to its end"),
    "asha": Method(_with(_random, _asha), "random search, ASHA as Ray's default (factor 4, grace 1)"),
    "asha3": Method(_with(_random, _asha3), "random search, ASHA with rungs 1, 3, 9, 27"),
    "hyperband": Method(_with(_random, _hyperband), "random search, Ray's HyperBand (factor 3)"),
    "median": Method(_with(_random, _median), "random search, median stopping from the first step"),
    "halving": Method(_halving, "random search, successive halving 27-9-3-1"),
    "one-epoch": Method(_one_epoch, "random search, 100 trials for one step, then the best 4"),
    "tpe": Method(_with(_tpe, _fifo), "Optuna's default sampler"),
    "tpe+asha": Method(_with(_tpe, _asha3), "Optuna's default sampler, ASHA with rungs 1, 3, 9, 27"),
    "portfolio": Method(_with(_portfolio, _fifo), "zero-shot portfolio, every trial to its end", learns=True),
    "portfolio+asha": Method(_with(_portfolio, _asha3), "zero-shot portfolio, ASHA", learns=True),
    "copula": Method(_with(_copula, _fifo), "quantile transfer (CTS), every trial to its end", learns=True),
    "copula+asha": Method(_with(_copula, _asha3), "quantile transfer (CTS), ASHA", learns=True),
    "meta": Method(_meta, "MetaSearch with MetaScheduler", learns=True, trains=True),
    "meta-search": Method(_with(_meta_search, _fifo), "MetaSearch, every trial to its end", learns=True, trains=True),
    "meta-at-once": Method(
        partial(_meta_at_once, pause=False), "meta, suggesting only where there is room", learns=True, trains=True
    ),
    "meta-at-once+pause": Method(
        partial(_meta_at_once, pause=True), "the same, pausing trials (freeze-thaw)", learns=True, trains=True
    ),
    "meta+asha": Method(
        _with(_meta_search, _asha3), "MetaSearch, ASHA with rungs 1, 3, 9, 27", learns=True, trains=True
    ),
    "meta+foresight": Method(
        _with(_meta_search, _foresight), "MetaSearch, stopped by what is to come (a bound)", learns=True, trains=True
    ),
    "random+meta": Method(_with(_random, _meta_schedule), "random search, MetaScheduler", learns=True, trains=True),
    "meta-undescribed": Method(_undescribed, "meta, told nothing of the task", learns=True, trains=True),
    "meta-audit-0": Method(_audited(0.0), "meta, and all that is to be stopped is stopped", learns=True, trains=True),
    "meta-audit-20": Method(_audited(0.2), "meta, and 20 % of what is to be stopped runs on", learns=True, trains=True),
}


def method_named(name: str) -> Method:
    """A method of the registry.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in METHODS:
        raise ValueError(f"no method is called {name!r}; there are {', '.join(METHODS)}")
    return METHODS[name]
