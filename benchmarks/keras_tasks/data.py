"""Twenty-seven small data sets that every installation has: nothing is downloaded.

From scikit-learn's own (``wine``, ``digits``, …), from seeded generators, and from the docstrings of Python's standard
library. Sizes are those of a laptop: 120 to 1,500 examples, so that one epoch takes milliseconds.
"""

from __future__ import annotations

import ast
import re
import sysconfig
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metahp.types import FloatArray, IntArray

TEXT_LENGTH = 32
VOCABULARY = 800
VALIDATION = 400  # examples at most

Floats = NDArray[np.float32]
Inputs = Floats | NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Data:
    """Examples to train with, and to validate with.

    Attributes:
        kind: ``tabular``, ``image``, ``sequence`` or ``text``.
        source: where they come from; sets of one source know of each other, and are left out together.
        x: shape ``(n, …)``: numbers of mean 0 and spread 1, or words' numbers ``(n, 32)``, 0 for none.
        y: shape ``(n,)``: classes from 0, or float targets of a regression.
        x_val: as ``x``.
        y_val: as ``y``.
    """

    kind: str
    source: str
    x: Inputs
    y: NDArray[Any]
    x_val: Inputs
    y_val: NDArray[Any]

    @property
    def classes(self) -> int:
        """How many; 0 for a regression."""
        return 0 if self.y.dtype.kind == "f" else int(self.y.max()) + 1


def load(name: str) -> Data:
    """The data set of that name; always the same on one version of Python and scikit-learn."""
    return DATA_SETS[name]()


def _split(kind: str, source: str, x: NDArray[Any], y: NDArray[Any], train: int, label_noise: float = 0.0) -> Data:
    """The first ``train`` of the shuffled examples against the others; wrong labels are among both."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(x))
    x, y = x[order], y[order].copy()
    wrong = rng.random(len(y)) < label_noise
    y[wrong] = rng.permutation(y)[wrong]
    held = slice(train, train + VALIDATION)
    if kind != "text":
        axis = 0 if kind == "tabular" else None
        x = (x - x[:train].mean(axis=axis)) / (x[:train].std(axis=axis) + 1e-6)
    x = x.astype(np.int32 if kind == "text" else np.float32)
    y = y.astype(np.float32 if y.dtype.kind == "f" else np.int32)
    return Data(kind, source, x[:train], y[:train], x[held], y[held])


# Tabular: scikit-learn's own and its generators


def _bundled(name: str, train: int, label_noise: float = 0.0, extra_columns: int = 0) -> Data:
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    noise = np.random.default_rng(1).normal(size=(len(x), extra_columns))
    if name == "diabetes":
        y = (y - y.mean()) / y.std()
    return _split("tabular", name, np.hstack([x, noise]), y, train, label_noise)


def _generated(name: str, train: int, **settings: Any) -> Data:
    from sklearn import datasets

    x, y = getattr(datasets, f"make_{name}")(n_samples=train + VALIDATION, random_state=0, **settings)
    return _split("tabular", name, x, np.searchsorted(np.unique(y), y), train)


def _spirals(train: int, turns: float, noise: float) -> Data:
    rng = np.random.default_rng(2)
    y = rng.integers(3, size=train + VALIDATION)
    radius = rng.uniform(0.1, 1.0, len(y))
    angle = 2 * np.pi * (turns * radius + y / 3)
    x = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return _split("tabular", "spirals", x + rng.normal(0.0, noise, x.shape), y, train)


# Images


def _digits(
    classes: Sequence[int],
    train: int,
    noise: float = 0.0,
    label_noise: float = 0.0,
    of: Callable[[IntArray], IntArray] = lambda y: y,
) -> Data:
    x, y = _raw_digits()
    chosen = np.isin(y, classes)
    x, y = x[chosen], of(np.searchsorted(np.array(sorted(classes)), y[chosen]))
    x = x + np.random.default_rng(3).normal(0.0, noise, x.shape)
    return _split("image", "digits", x[..., None], y, train, label_noise)


def _turned_digits(train: int) -> Data:
    """By how many quarters is the digit turned?"""
    x, _ = _raw_digits()
    y = np.random.default_rng(4).integers(4, size=len(x))
    turned = np.array([np.rot90(image, quarters) for image, quarters in zip(x, y, strict=True)])
    return _split("image", "digits", turned[..., None], y, train)


@cache
def _raw_digits() -> tuple[FloatArray, IntArray]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images / 16.0, digits.target


def _shapes(train: int, noise: float) -> Data:
    """A disc, a square, a cross or a ring, somewhere in 12×12 pixels, of some size."""
    rng = np.random.default_rng(5)
    n = train + VALIDATION
    y = rng.integers(4, size=n)
    size = rng.uniform(2.0, 4.5, n)[:, None, None]
    rows, columns = (np.arange(12.0) - rng.uniform(4.0, 8.0, n)[:, None] for _ in range(2))
    dy, dx = np.abs(rows[:, :, None]), np.abs(columns[:, None, :])
    distance = np.hypot(dy, dx)
    figures = [
        distance < size,
        np.maximum(dy, dx) < 0.9 * size,
        (np.minimum(dy, dx) < 0.8) & (np.maximum(dy, dx) < size),
        np.abs(distance - size + 0.8) < 0.8,
    ]
    x = np.choose(y[:, None, None], figures) + rng.normal(0.0, noise, (n, 12, 12))
    return _split("image", "shapes", x[..., None], y, train)


def _photo_patches(train: int) -> Data:
    """From which of scikit-learn's two photographs are these 8×8 pixels?"""
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(6)
    photos = [photo.mean(axis=2) for photo in load_sample_images().images]
    y = rng.integers(2, size=train + VALIDATION)
    patches = []
    for label in y:
        row, column = (int(rng.integers(length - 8)) for length in photos[label].shape)
        patch = photos[label][row : row + 8, column : column + 8]
        patches.append((patch - patch.mean()) / (patch.std() + 1.0))  # brightness alone must not tell
    return _split("image", "photos", np.array(patches)[..., None], y, train)


# Sequences


def _control_charts(train: int, length: int, noise: float) -> Data:
    """Steady, cyclic, rising, falling, a step up or a step down (after Alcock & Manolopoulos 1999)."""
    rng = np.random.default_rng(7)
    y = rng.integers(6, size=train + VALIDATION)
    t = np.linspace(0.0, 1.0, length)
    size, when = rng.uniform(0.5, 1.5, (len(y), 1)), rng.uniform(0.3, 0.7, (len(y), 1))
    cycle = np.sin(2 * np.pi * (t * rng.uniform(2.0, 4.0, (len(y), 1)) + when))
    shapes = [
        0 * size * t,
        size * cycle,
        2 * size * t,
        -2 * size * t,
        1.5 * size * (t > when),
        -1.5 * size * (t > when),
    ]
    x = np.choose(y[:, None], shapes) + rng.normal(0.0, noise, (len(y), length))
    return _split("sequence", "control-charts", x[..., None], y, train)


def _frequencies(train: int, length: int, noise: float, classes: int) -> Data:
    """Which of some close frequencies has this noisy wave?"""
    rng = np.random.default_rng(8)
    y = rng.integers(classes, size=train + VALIDATION)
    phase = rng.uniform(0.0, 1.0, (len(y), 1))
    x = np.sin(2 * np.pi * (np.arange(length) * (0.08 + 0.03 * y[:, None]) + phase))
    return _split("sequence", "frequencies", (x + rng.normal(0.0, noise, x.shape))[..., None], y, train)


def _processes(train: int, length: int) -> Data:
    """Which of three autoregressive processes made this series?"""
    rng = np.random.default_rng(9)
    y = rng.integers(3, size=train + VALIDATION)
    near, far = np.array([0.9, 0.3, -0.4])[y], np.array([0.0, 0.5, 0.3])[y]
    x = rng.normal(size=(len(y), length))
    for t in range(2, length):
        x[:, t] += near * x[:, t - 1] + far * x[:, t - 2]
    return _split("sequence", "processes", x[..., None], y, train)


# Text: the standard library's own docstrings


def _docstrings(packages: Sequence[str], train: int) -> Data:
    """From which package is this docstring? The package's own name is taken out."""
    texts = [(label, text) for label, package in enumerate(packages) for text in _docstrings_of(package)]
    order = np.random.default_rng(11).permutation(len(texts))
    words = [re.findall(r"[a-z]{2,}", texts[i][1].lower()) for i in order]
    words = [[word for word in own if word not in packages] for own in words]
    counts = Counter(word for own in words[:train] for word in set(own))
    number = {word: i + 1 for i, (word, _) in enumerate(counts.most_common(VOCABULARY - 1))}
    x = np.zeros((len(words), TEXT_LENGTH))
    for row, own in enumerate(words):
        known = [number[word] for word in own if word in number][:TEXT_LENGTH]
        x[row, : len(known)] = known
    y = np.array([texts[i][0] for i in order])
    return _split("text", "docstrings of " + ", ".join(packages), x, y, train)


@cache
def _docstrings_of(package: str) -> tuple[str, ...]:
    """First paragraphs of a package's sources, five words at least, each once, in a fixed order.

    Raises:
        ModuleNotFoundError: some distributions ship Python without all of its packages.
    """
    library = Path(sysconfig.get_paths()["stdlib"])
    sources = sorted((library / package).glob("*.py")) or sorted(library.glob(f"{package}.py"))
    if not sources:
        raise ModuleNotFoundError(f"this Python comes without {package}, whose docstrings are the data", name=package)
    nodes = [node for source in sources for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))]
    documented = (node for node in nodes if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef))
    paragraphs = (" ".join((ast.get_docstring(node) or "").split("\n\n")[0].split()) for node in documented)
    return tuple(dict.fromkeys(text for text in paragraphs if len(text.split()) >= 5))


DATA_SETS: dict[str, Callable[[], Data]] = {
    "tabular/wine": partial(_bundled, "wine", 120),
    "tabular/breast-cancer": partial(_bundled, "breast_cancer", 350),
    "tabular/breast-cancer-noisy": partial(_bundled, "breast_cancer", 350, label_noise=0.2, extra_columns=20),
    "tabular/diabetes": partial(_bundled, "diabetes", 300),
    "tabular/moons": partial(_generated, "moons", 400, noise=0.25),
    "tabular/circles": partial(_generated, "circles", 300, noise=0.12, factor=0.6),
    "tabular/hastie": partial(_generated, "hastie_10_2", 800),
    "tabular/clusters": partial(
        _generated, "classification", 800, n_features=20, n_informative=8, n_classes=4, n_clusters_per_class=3
    ),
    "tabular/spirals": partial(_spirals, 500, turns=1.0, noise=0.04),
    "image/digits": partial(_digits, range(10), 700),
    "image/digits-few": partial(_digits, range(10), 150),
    "image/digits-low-noisy": partial(_digits, range(5), 400, noise=0.4),
    "image/digits-high-mislabelled": partial(_digits, range(5, 10), 400, label_noise=0.25),
    "image/digits-parity": partial(_digits, range(10), 600, of=lambda y: y % 2),
    "image/digits-turned": partial(_turned_digits, 700),
    "image/shapes": partial(_shapes, 600, noise=0.2),
    "image/shapes-noisy": partial(_shapes, 600, noise=0.7),
    "image/photos": partial(_photo_patches, 800),
    "sequence/control-charts": partial(_control_charts, 400, length=32, noise=0.5),
    "sequence/frequencies": partial(_frequencies, 500, length=32, noise=0.6, classes=4),
    "sequence/frequencies-two": partial(_frequencies, 300, length=24, noise=1.2, classes=2),
    "sequence/processes": partial(_processes, 500, length=32),
    "text/web-or-mail": partial(_docstrings, ("email", "urllib", "http"), 250),
    "text/tests-or-logs": partial(_docstrings, ("unittest", "logging"), 200),
    "text/six-packages": partial(
        _docstrings, ("asyncio", "unittest", "email", "importlib", "multiprocessing", "tkinter"), 1000
    ),
    "text/concurrency": partial(_docstrings, ("asyncio", "multiprocessing", "threading"), 250),
    "text/numbers": partial(_docstrings, ("_pydecimal", "statistics", "datetime"), 150),
}
