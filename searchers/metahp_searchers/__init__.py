"""MetaHP on Ray Tune.

==================  ====================================================================================
`MetaSearch`        a searcher that has seen every sweep of the store
`MetaScheduler`     a scheduler that stops trials which will not win
`StoreCallback`     records the results of any Tune run, also one that knows nothing of MetaHP
`from_tune`         Tune's ``param_space`` as a `metahp.space.SearchSpace`; `to_tune` is the way back
`Pruning`           whether trials are stopped, and how careful that is
`new_sweep_id`      an id for a sweep that `MetaSearch` shall begin or go on with
==================  ====================================================================================
"""

from metahp.pruning import Pruning
from metahp_searchers.brain import new_sweep_id
from metahp_searchers.callback import StoreCallback
from metahp_searchers.ray_space import from_tune, to_tune
from metahp_searchers.scheduler import MetaScheduler
from metahp_searchers.searcher import MetaSearch

__all__ = ["MetaScheduler", "MetaSearch", "Pruning", "StoreCallback", "from_tune", "new_sweep_id", "to_tune"]
