"""What one hyperparameter may be: `Float`, `Int`, `Categorical`, `Ordinal`.

Every domain maps the unit interval onto its legal values (`from_unit`) and back (`to_unit`). Bounds are inclusive.
A discrete domain cuts ``[0, 1]`` into one bin per value, so every legal value is reachable and
``from_unit(to_unit(v)) == v``; a continuous one returns ``v`` up to rounding of the logarithm.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from metahp.errors import SearchSpaceError

LARGEST_INT = 2**40  # up to here every integer keeps a bin of its own in float64, on a log scale too


@dataclass(frozen=True, slots=True)
class Float:
    """A real number in ``[lower, upper]``.

    Attributes:
        lower: smallest value.
        upper: largest value.
        log: whether the logarithm, not the value, is spread evenly.
        step: distance of legal values, which start at ``lower``; None for all reals.

    Raises:
        SearchSpaceError: bounds that are not finite, empty or (with ``log``) not positive; a step that misses upper.
    """

    lower: float
    upper: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        for name in ("lower", "upper") if self.step is None else ("lower", "upper", "step"):
            object.__setattr__(self, name, _real(f"Float({name}=…)", getattr(self, name)))
        _check_bounds(self)
        if self.step is not None:
            _check_step("Float", self.lower, self.upper, self.step)

    def from_unit(self, unit: float) -> float:
        """The legal value at ``unit`` in ``[0, 1]``."""
        if self.step is not None:
            return self._at(_index_at(unit, self.count(), self.lower, self.step, log=self.log))
        if self.log:
            low, high = math.log(self.lower), math.log(self.upper)
            return min(max(math.exp(low + unit * (high - low)), self.lower), self.upper)
        return min(max(self.lower + unit * (self.upper - self.lower), self.lower), self.upper)

    def to_unit(self, value: float) -> float:
        """Where ``value`` lies in ``[0, 1]``; values outside are moved to the nearest bound."""
        value = min(max(float(value), self.lower), self.upper)
        if self.step is not None:
            index = round((value - self.lower) / self.step)
            return _unit_of(index, self.count(), self.lower, self.step, log=self.log)
        if self.lower == self.upper:
            return 0.5
        if self.log:
            return math.log(value / self.lower) / math.log(self.upper / self.lower)
        return (value - self.lower) / (self.upper - self.lower)

    def contains(self, value: Any) -> bool:
        """Whether ``value`` is legal, up to rounding: Ray Tune draws 3 * 0.1 where the upper bound is 0.3."""
        if not _is_number(value):
            return False
        nearest = min(max(float(value), self.lower), self.upper)
        if self.step is not None:
            nearest = self._at(round((nearest - self.lower) / self.step))
        return math.isclose(nearest, value, rel_tol=1e-9)

    def count(self) -> int:
        """How many legal values there are, where there is a step."""
        step = self.step or 1.0
        return round((self.upper - self.lower) / step) + 1

    def _at(self, index: int) -> float:
        """The index-th legal value; multiples of the step exactly as ``k * step``, which is how Ray Tune rounds."""
        step = self.step or 1.0
        first = self.lower / step
        value = (round(first) + index) * step if math.isclose(first, round(first)) else self.lower + index * step
        return min(max(value, self.lower), self.upper)


@dataclass(frozen=True, slots=True)
class Int:
    """A whole number in ``[lower, upper]``, **both included**.

    Attributes:
        lower: smallest value.
        upper: largest value.
        log: whether the logarithm, not the value, is spread evenly.
        step: distance of legal values, which start at ``lower``.

    Raises:
        SearchSpaceError: bounds that are no whole numbers, empty, beyond ±2**40 or (with ``log``) not positive; a step
            that misses upper.
    """

    lower: int
    upper: int
    log: bool = False
    step: int = 1

    def __post_init__(self) -> None:
        for name in ("lower", "upper", "step"):
            object.__setattr__(self, name, _whole(f"Int({name}=…)", getattr(self, name)))
        _check_bounds(self)
        _check_step("Int", self.lower, self.upper, self.step)
        if max(abs(self.lower), abs(self.upper)) > LARGEST_INT:
            raise SearchSpaceError(
                f"Int bounds beyond ±2**40 cannot be told apart in float64, got [{self.lower}, {self.upper}]; "
                "use a Float(log=True) and round it in the training function"
            )

    def from_unit(self, unit: float) -> int:
        """The legal value at ``unit`` in ``[0, 1]``."""
        return self.lower + self.step * _index_at(unit, self.count(), self.lower, self.step, log=self.log)

    def to_unit(self, value: float) -> float:
        """The middle of the bin of ``value``; values outside are moved to the nearest bound."""
        value = min(max(value, self.lower), self.upper)
        return _unit_of(round((value - self.lower) / self.step), self.count(), self.lower, self.step, log=self.log)

    def contains(self, value: Any) -> bool:
        """Whether ``value`` is legal; 3.0 counts as 3, True does not count as 1."""
        if not _is_number(value) or value != int(value):
            return False
        return self.lower <= value <= self.upper and (int(value) - self.lower) % self.step == 0

    def count(self) -> int:
        """How many legal values there are."""
        return (self.upper - self.lower) // self.step + 1


@dataclass(frozen=True, slots=True)
class Categorical:
    """One of some values without an order: strings, numbers, booleans, None, or lists and dicts of these."""

    choices: tuple[Any, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", check_choices(type(self).__name__, self.choices))

    def from_unit(self, unit: float) -> Any:
        """The choice whose bin holds ``unit``."""
        return self.choices[_bin(unit, len(self.choices))]

    def to_unit(self, value: Any) -> float:
        """The middle of the bin of ``value``.

        Raises:
            SearchSpaceError: ``value`` is no choice.
        """
        return (self.index(value) + 0.5) / len(self.choices)

    def contains(self, value: Any) -> bool:
        """Whether ``value`` is one of the choices."""
        return find_choice(self.choices, value) is not None

    def index(self, value: Any) -> int:
        """Which choice ``value`` is.

        Raises:
            SearchSpaceError: it is none of them.
        """
        found = find_choice(self.choices, value)
        if found is None:
            raise SearchSpaceError(f"{value!r} is none of the choices {list(self.choices)!r}")
        return found


@dataclass(frozen=True, slots=True)
class Ordinal(Categorical):
    """One of some values whose order means something, e.g. ``Ordinal(("small", "medium", "large"))``."""


Domain = Float | Int | Categorical | Ordinal


def check_choices(owner: str, choices: Iterable[Any]) -> tuple[Any, ...]:
    """The choices as a tuple; refuses none, doubles, and values that JSON cannot hold."""
    if isinstance(choices, str | bytes) or not isinstance(choices, Iterable):
        raise SearchSpaceError(f"{owner} needs a list of choices, got {choices!r}")
    checked = tuple(choices)
    if not checked:
        raise SearchSpaceError(f"{owner} needs at least one choice, got none")
    for place, choice in enumerate(checked):
        if not is_plain(choice):
            raise SearchSpaceError(
                f"{owner} cannot record the choice {choice!r} ({type(choice).__name__}); offer names (strings) or "
                "numbers and look the object up in the training function"
            )
        if any(_same(choice, other) for other in checked[:place]):
            raise SearchSpaceError(f"{owner} offers {choice!r} twice; list every choice once")
    return checked


def find_choice(choices: tuple[Any, ...], value: Any) -> int | None:
    """Index of ``value``: the same type and value first, else an equal number (JSON turns 1.0 into 1)."""
    for alike in (_same, _equal_numbers):
        for index, choice in enumerate(choices):
            if alike(choice, value):
                return index
    return None


def is_plain(value: Any) -> bool:
    """Whether ``value`` is made of strings, finite numbers, booleans, None, and lists, tuples and dicts of these."""
    if isinstance(value, list | tuple):
        return all(is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(item) for key, item in value.items())
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int | bool)


def _same(left: Any, right: Any) -> bool:
    return type(left) is type(right) and left == right


def _equal_numbers(left: Any, right: Any) -> bool:
    return _is_number(left) and _is_number(right) and bool(left == right)


def _is_number(value: Any) -> bool:
    """Whether ``value`` is a finite real number (NumPy's too) and no boolean."""
    if type(value) is float:  # by far the most
        return math.isfinite(value)
    if isinstance(value, bool | str | bytes) or not hasattr(value, "__float__"):
        return False
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


def _real(what: str, value: Any) -> float:
    if not _is_number(value):
        raise SearchSpaceError(f"{what} needs a finite number, got {value!r}")
    return float(value)


def _whole(what: str, value: Any) -> int:
    if not isinstance(value, bool):
        try:
            return operator.index(value)
        except TypeError:
            pass
    raise SearchSpaceError(f"{what} needs a whole number, got {value!r}; use Float for real numbers")


def _check_bounds(domain: Float | Int) -> None:
    kind = type(domain).__name__
    if domain.lower > domain.upper:
        raise SearchSpaceError(f"{kind} needs lower <= upper, got [{domain.lower}, {domain.upper}]; swap them")
    if domain.log and domain.lower <= 0:
        raise SearchSpaceError(
            f"{kind}(log=True) needs lower > 0, got lower={domain.lower}; "
            "pass the untransformed bound, e.g. 1e-5, or drop log"
        )


def _check_step(kind: str, lower: float, upper: float, step: float) -> None:
    if step <= 0:
        raise SearchSpaceError(f"{kind}(step=…) must be positive, got {step}")
    steps = (upper - lower) / step
    if not math.isclose(steps, round(steps), rel_tol=1e-9, abs_tol=1e-9):
        last = lower + math.floor(steps) * step
        raise SearchSpaceError(
            f"{kind} needs upper = lower + k * step, got [{lower}, {upper}] by {step}; try upper={last:g}"
        )


def _bin(unit: float, count: int) -> int:
    return min(max(int(unit * count), 0), count - 1)


@lru_cache(maxsize=1024)
def log_edges(count: int, lower: float, step: float) -> tuple[float, float]:
    """Logarithms of the outer edges of the first and last bin: half a step beyond the bounds, but positive."""
    return math.log(lower - min(step, lower) / 2), math.log(lower + (count - 0.5) * step)


def _index_at(unit: float, count: int, lower: float, step: float, *, log: bool) -> int:
    if not log:
        return _bin(unit, count)
    low, high = log_edges(count, lower, step)
    return min(max(round((math.exp(low + unit * (high - low)) - lower) / step), 0), count - 1)


def _unit_of(index: int, count: int, lower: float, step: float, *, log: bool) -> float:
    if not log:
        return (index + 0.5) / count
    low, high = log_edges(count, lower, step)
    return (math.log(lower + index * step) - low) / (high - low)
