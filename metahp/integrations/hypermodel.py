"""Hypermodels in KerasTuner's style: a function ``build(hp)`` that asks for its hyperparameters while it builds.

>>> def build(hp):
...     units = hp.Int("units", 16, 256, sampling="log")
...     if hp.Boolean("dropout"):
...         rate = hp.Float("rate", 0.1, 0.7)
>>> space = search_space(build)  # for the sweep
>>> build(HyperParameters(config))  # in the training function, with its configuration

The names of methods and arguments are KerasTuner's (https://keras.io/keras_tuner/api/hyperparameters/), so that its
hypermodels run unchanged as far as they use these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from metahp.domains import Categorical, Domain, Float, Int, find_choice
from metahp.errors import SearchSpaceError
from metahp.integrations.flat import Flat, flatten, nest
from metahp.space import Constant, SearchSpace


class HyperParameters:
    """Answers what a hypermodel asks, and remembers what it asked for.

    Args:
        config: a configuration of `search_space`; what it lacks is answered by the default.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self._values = flatten(config or {})
        self._asked: dict[str, Flat] = {}
        self._scope: tuple[str | None, tuple[Any, ...]] = (None, ())

    @property
    def asked(self) -> tuple[Flat, ...]:
        """What was asked for, in this order."""
        return tuple(self._asked.values())

    def Int(  # noqa: N802
        self,
        name: str,
        min_value: int,
        max_value: int,
        step: int | None = None,
        sampling: str = "linear",
        default: int | None = None,
    ) -> int:
        """A whole number between two bounds, both included."""
        domain = Int(min_value, max_value, _is_log(name, sampling), step or 1)
        return int(self._answer(name, domain, min_value if default is None else default))

    def Float(  # noqa: N802
        self,
        name: str,
        min_value: float,
        max_value: float,
        step: float | None = None,
        sampling: str = "linear",
        default: float | None = None,
    ) -> float:
        """A real number between two bounds."""
        domain = Float(min_value, max_value, _is_log(name, sampling), step)
        return float(self._answer(name, domain, min_value if default is None else default))

    def Choice(self, name: str, values: Sequence[Any], default: Any = None) -> Any:  # noqa: N802
        """One of some values."""
        return self._answer(name, Categorical(tuple(values)), values[0] if default is None else default)

    def Boolean(self, name: str, default: bool = False) -> bool:  # noqa: N802
        """True or False."""
        return bool(self._answer(name, Categorical((False, True)), default))

    def Fixed(self, name: str, value: Any) -> Any:  # noqa: N802
        """A value that is not searched."""
        return self._answer(name, Constant(value), value)

    def get(self, name: str) -> Any:
        """The value of a hyperparameter that was asked for or is in the configuration."""
        if name not in self._values:
            raise SearchSpaceError(f"{name!r} was not asked for yet; known are {sorted(self._values)}")
        return self._values[name]

    @contextmanager
    def conditional_scope(self, parent_name: str, parent_values: Any) -> Iterator[None]:
        """What is asked for inside exists only where the parent has one of these values."""
        values = tuple(parent_values) if isinstance(parent_values, list | tuple) else (parent_values,)
        before, self._scope = self._scope, (parent_name, values)
        try:
            yield
        finally:
            self._scope = before

    def _answer(self, name: str, node: Domain | Constant, default: Any) -> Any:
        flat = Flat(name, node, *self._scope)
        if self._asked.setdefault(name, flat) != flat:
            raise SearchSpaceError(
                f"{name!r} is asked for twice, not alike: {self._asked[name]} and {flat}; rename one"
            )
        return self._values.setdefault(name, default)


def search_space(build: Callable[[HyperParameters], object]) -> SearchSpace:
    """The space that a hypermodel asks for.

    It is built once with the defaults and once more for each other option of each choice, so that what an ``if``
    hides is found; what only a combination of two choices shows is not. Behind an ``if`` alone a hyperparameter is
    searched always; `HyperParameters.conditional_scope` says that it does not always exist.

    Raises:
        SearchSpaceError: one name for two things, or a condition that cannot be expressed.
    """
    found: dict[str, Flat] = {}
    waiting: list[dict[str, Any]] = [{}]
    while waiting:
        hp = HyperParameters(waiting.pop(0))
        build(hp)
        for flat in hp.asked:
            if found.setdefault(flat.name, flat) is flat:
                waiting += [{flat.name: value} for value in _other_options(flat, hp.get(flat.name))]
    return nest(list(found.values()))


def _other_options(flat: Flat, seen: Any) -> list[Any]:
    if not isinstance(flat.node, Categorical):
        return []
    return [value for value in flat.node.choices if find_choice((value,), seen) is None]


def _is_log(name: str, sampling: str) -> bool:
    if sampling not in ("linear", "log"):
        raise SearchSpaceError(f"{name!r}: sampling is 'linear' or 'log', got {sampling!r}")
    return sampling == "log"
