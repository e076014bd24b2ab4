"""What is known about a task beforehand, from its data and its model: `Sweep.task` without writing it by hand.

>>> describe(x_train, y_train, model=build(...))
{'kind': 'image', 'examples': 60000, 'input_size': 784, 'feature_mean': 0.131, ..., 'classes': 10, ...}

Cheap: at most `MOST_EXAMPLES` examples are looked at for statistics. Deterministic: the same arrays give the same
description, always; a dataset that shuffles gives nearly the same, since statistics are rounded to three digits.
TensorFlow and Keras are only needed by those who hand in their objects.

==================  ==========================================================================================
``kind``            image, video, sequence, text, tabular: by the shape and type of the inputs
``examples``        how many; left out where a dataset does not know
``input_size``      numbers per example
``feature_mean``    over all numbers, ``feature_std`` likewise; NaN and infinite ones do not count
``feature_zeros``   share of zeros: how sparse the inputs are
``feature_missing`` share of NaN
``problem``         classification or regression
``classes``         how many
``class_balance``   entropy of the classes over that of equal ones: 1 is balanced, near 0 is almost only one class
``target_size``     numbers per target, ``target_std`` their standard deviation (regression)
``parameters``      of the model, ``layers`` likewise
==================  ==========================================================================================
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metahp.errors import RecordError
from metahp.types import TaskValue

Description = dict[str, TaskValue]
Array = NDArray[Any]

MOST_EXAMPLES = 2_000
_CHANNELS = (1, 3, 4)  # grey, colour, colour with transparency
_FEWEST_WORDS = 256  # whole numbers beyond are ids of words, not levels of a feature


def describe(inputs: Any = None, labels: Any = None, *, model: Any = None, kind: str | None = None) -> Description:
    """Describes a task by its data, its model, or both.

    Args:
        inputs: the examples along the first axis, as a NumPy array or what becomes one; or a ``tf.data.Dataset`` of
            examples or batches of them, with the labels inside.
        labels: one per example: class numbers or names, one-hot rows, or real targets.
        model: a Keras model.
        kind: the kind of data, where the guess by shape is wrong.

    Returns:
        plain values by name, see above; what cannot be known is left out.

    Raises:
        RecordError: the inputs or labels are no arrays, or do not fit each other.
    """
    found: Description = {}
    if inputs is not None:
        is_dataset = _is_from("tensorflow", "data.Dataset", inputs)
        found |= _describe_dataset(inputs) if is_dataset else describe_arrays(inputs, labels)
    if model is not None:
        found |= describe_model(model)
    return found if kind is None else found | {"kind": kind}


def describe_arrays(inputs: Any, labels: Any = None) -> Description:
    """Describes examples along the first axis, and their labels.

    Raises:
        RecordError: these are no arrays, there are no examples, or not as many labels.
    """
    array = _array("inputs", inputs)
    found: Description = {"kind": _kind(array), "examples": len(array), "input_size": math.prod(array.shape[1:])}
    found |= _statistics(_sample(array))
    if labels is not None:
        targets = _array("labels", labels)
        if len(targets) != len(array):
            raise RecordError(f"there are {len(array)} inputs and {len(targets)} labels; give one label per input")
        found |= _describe_targets(targets)
    return found


def describe_model(model: Any) -> Description:
    """Describes a Keras model: its parameters, once it is built, and its layers.

    Raises:
        RecordError: it is no Keras model.
    """
    if not is_model(model):
        raise RecordError(f"describe needs a keras.Model, got {type(model).__name__}")
    found: Description = {"layers": len(model.layers)}
    return found | {"parameters": int(model.count_params())} if model.built else found


def is_model(thing: Any) -> bool:
    """Whether it is a Keras model."""
    return _is_from("keras", "Model", thing)


def _is_from(module: str, name: str, thing: Any) -> bool:
    """Whether ``thing`` is of a class of a module; who has such a thing has imported the module."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is not None and isinstance(thing, found)


def _array(what: str, value: Any) -> Array:
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as problem:
        raise RecordError(f"{what} must be an array with the examples along its first axis: {problem}") from None
    if array.ndim == 0 or not len(array):
        raise RecordError(f"{what} must be an array with at least one example, got shape {array.shape}")
    return array


def _sample(array: Array) -> Array:
    """Examples spread evenly over the whole array: data sets are often sorted."""
    if len(array) <= MOST_EXAMPLES:
        return array
    return array[np.linspace(0, len(array) - 1, MOST_EXAMPLES).astype(np.int64)]


def _kind(array: Array) -> str:
    if array.dtype.kind in "USOT":
        return "text"
    if array.ndim >= 4:
        return "image" if array.ndim == 4 else "video"
    if array.ndim == 3:
        return "image" if array.dtype == np.uint8 or array.shape[1] == array.shape[2] else "sequence"
    is_words = array.ndim == 2 and array.dtype.kind in "iu" and array.shape[1] > 1
    return "text" if is_words and _sample(array).min() >= 0 and _sample(array).max() >= _FEWEST_WORDS else "tabular"


def _statistics(sample: Array) -> Description:
    if sample.dtype.kind not in "biuf":
        return {}
    numbers = sample.astype(np.float64).ravel()
    finite = numbers[np.isfinite(numbers)]
    found: Description = {
        "feature_zeros": _rounded(float(np.mean(numbers == 0))),
        "feature_missing": _rounded(float(np.mean(np.isnan(numbers)))),
    }
    if finite.size:
        found |= {"feature_mean": _rounded(float(finite.mean())), "feature_std": _rounded(float(finite.std()))}
    return found


def _describe_targets(targets: Array) -> Description:
    classes = _classes(targets)
    if classes is None:
        spread = _sample(targets).astype(np.float64)
        std = float(np.std(spread[np.isfinite(spread)])) if np.isfinite(spread).any() else 0.0
        size = math.prod(targets.shape[1:])
        return {"problem": "regression", "target_size": size, "target_std": _rounded(std)}
    _, counts = np.unique(classes, return_counts=True)
    return {"problem": "classification", "classes": len(counts), "class_balance": _rounded(_balance(counts))}


def _classes(targets: Array) -> Array | None:
    """The class of each example, or None where targets are no classes."""
    if targets.ndim == 2 and targets.shape[1] == 1:
        return _classes(targets[:, 0])
    if targets.ndim == 1 and targets.dtype.kind in "biuUST":
        return targets
    if targets.ndim == 1 and targets.dtype.kind == "O":
        return targets.astype(str)
    sample = _sample(targets)
    if targets.ndim == 2 and np.isin(sample, (0, 1)).all() and (sample.sum(axis=1) == 1).all():
        return np.argmax(targets, axis=1)
    return None


def _balance(counts: Array) -> float:
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum() / math.log(len(counts))) if len(counts) > 1 else 0.0


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _describe_dataset(dataset: Any) -> Description:
    """A ``tf.data.Dataset``: its first examples, and how many there are, if it knows."""
    is_batched = _is_batched(_specs(dataset))
    elements = list(_first(dataset, is_batched))
    if not elements:
        raise RecordError("the dataset is empty; give one with examples")
    join = np.concatenate if is_batched else np.stack
    found = describe_arrays(*(join(column) for column in zip(*elements, strict=True)))
    count = int(dataset.cardinality().numpy())  # negative: infinite or unknown
    del found["examples"]
    batch = len(elements[0][0]) if is_batched else 1
    return found | {"examples": count * batch} if count >= 0 else found


def _specs(dataset: Any) -> tuple[Any, ...]:
    """What inputs and labels are; weights of the examples may follow."""
    spec = dataset.element_spec
    parts = spec[:2] if isinstance(spec, tuple) else (spec,)
    if any(getattr(getattr(part, "shape", None), "rank", None) is None for part in parts):
        raise RecordError("describe takes datasets of inputs or (inputs, labels), each one array; map yours to that")
    return parts


def _is_batched(specs: tuple[Any, ...]) -> bool:
    """Whether the first axis is that of examples: it has no fixed size, or inputs and labels share it."""
    shapes = [spec.shape for spec in specs]
    if any(shape.rank == 0 for shape in shapes):
        return False
    sizes = {shape[0] for shape in shapes}
    return sizes == {None} or (len(shapes) == 2 and len(sizes) == 1 and shapes[0].rank > 1)


def _first(dataset: Any, is_batched: bool) -> Iterator[tuple[Array, ...]]:
    seen = 0
    for element in dataset.as_numpy_iterator():
        parts = element[:2] if isinstance(element, tuple) else (element,)
        yield tuple(np.asarray(part) for part in parts)
        seen += len(parts[0]) if is_batched else 1
        if seen >= MOST_EXAMPLES:
            return
