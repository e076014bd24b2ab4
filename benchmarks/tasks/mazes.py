"""Walks through small mazes, learned by Q(λ) or SARSA(λ) (Sutton & Barto 2018, chapters 6 and 12), in NumPy.

A goal is worth 10, a pit -5, each step -0.1; in later mazes feet slip. Until the goal was met by chance a few times,
nothing is learned; then the return leaps.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from metahp.space import Categorical, Float, SearchSpace
from metahp.types import FloatArray

MAZES = 5
REPORTS = 40
EPISODES, WALKS = 6, 5  # for each report: learned from, and measured by
SPACE = SearchSpace(
    {
        "alpha": Float(0.005, 1.0, log=True),
        "gamma": Float(0.8, 0.999),
        "epsilon": Float(0.005, 0.6, log=True),
        "epsilon_decay": Float(0.9, 1.0),
        "trace": Float(0.0, 0.95),
        "optimism": Categorical((0.0, 1.0, 10.0)),
        "method": Categorical(("q", "sarsa")),
    }
)
_GOAL, _PIT, _STEP = 10.0, -5.0, -0.1
_MOVES = ((0, 1), (1, 0), (0, -1), (-1, 0))
_FORGOTTEN = 0.01


@dataclass(frozen=True, eq=False)
class Maze:
    """A square of cells, from the first of which one shall come to the last.

    Attributes:
        after: ``after[cell][move]`` is the next cell.
        pits: cells that hurt.
        slip: chance that a move goes anywhere.
        patience: steps of a walk.
    """

    after: list[list[int]]
    pits: frozenset[int]
    slip: float
    patience: int

    @property
    def goal(self) -> int:
        """The last cell."""
        return len(self.after) - 1

    def step(self, cell: int, move: int, rng: np.random.Generator) -> tuple[int, float]:
        """The next cell and the reward."""
        moved = int(rng.integers(len(_MOVES))) if rng.random() < self.slip else move
        there = self.after[cell][moved]
        return there, _GOAL if there == self.goal else _PIT if there in self.pits else _STEP


@cache
def maze(number: int) -> Maze:
    """Of 25 cells, 36, … 81; always the same."""
    rng, size = np.random.default_rng(number), 5 + number
    walls = rng.random((size, size)) < 0.18
    walls[0, 0] = walls[-1, -1] = False
    pits = np.random.default_rng(number + 99).choice(np.arange(2, size**2 - 2), max(1, size - 3), replace=False)
    after = [[_beyond(walls, cell, move) for move in _MOVES] for cell in range(size**2)]
    return Maze(after, frozenset(pits.tolist()), 0.05 * number, 6 * size)


def _beyond(walls: Any, cell: int, move: tuple[int, int]) -> int:
    size = len(walls)
    row, column = cell // size + move[0], cell % size + move[1]
    stays = not (0 <= row < size and 0 <= column < size) or walls[row, column]
    return cell if stays else row * size + column


def train(number: int, config: Mapping[str, Any]) -> FloatArray:
    """The mean return of some greedy walks after every few episodes, shape ``(REPORTS,)``."""
    seed = [number, zlib.crc32(json.dumps(config, sort_keys=True).encode())]
    learner = _Learner(maze(number), config, np.random.default_rng(seed))
    scores = []
    with np.errstate(over="ignore", invalid="ignore"):  # large alphas with long traces diverge
        for _ in range(REPORTS):
            for _ in range(EPISODES):
                learner.learn()
            learner.epsilon *= config["epsilon_decay"]
            scores.append(np.mean([learner.walk() for _ in range(WALKS)]))
    return np.array(scores)


class _Learner:
    """A table of values with eligibility traces."""

    def __init__(self, maze: Maze, config: Mapping[str, Any], rng: np.random.Generator) -> None:
        self._maze, self._config, self._rng = maze, config, rng
        self._values = np.full((len(maze.after), len(_MOVES)), config["optimism"])
        self.epsilon = config["epsilon"]

    def learn(self) -> None:
        """One episode."""
        cell, traces = 0, dict[tuple[int, int], float]()
        move = self._chosen(cell, self.epsilon)
        for _ in range(self._maze.patience):
            there, reward = self._maze.step(cell, move, self._rng)
            then = self._chosen(there, self.epsilon)
            error = reward + self._config["gamma"] * self._worth(there, then) - self._values[cell, move]
            traces = self._faded(traces) | {(cell, move): 1.0}
            for place, trace in traces.items():
                self._values[place] += self._config["alpha"] * error * trace
            cell, move = there, then
            if cell == self._maze.goal:
                return

    def walk(self) -> float:
        """The return of a walk that always takes what seems best."""
        cell, total = 0, 0.0
        for _ in range(self._maze.patience):
            cell, reward = self._maze.step(cell, self._chosen(cell, 0.0), self._rng)
            total += reward
            if cell == self._maze.goal:
                break
        return total

    def _chosen(self, cell: int, epsilon: float) -> int:
        explores = self._rng.random() < epsilon
        return int(self._rng.integers(len(_MOVES))) if explores else int(self._values[cell].argmax())

    def _worth(self, cell: int, move: int) -> float:
        if cell == self._maze.goal:
            return 0.0
        return float(self._values[cell].max() if self._config["method"] == "q" else self._values[cell, move])

    def _faded(self, traces: Mapping[tuple[int, int], float]) -> dict[tuple[int, int], float]:
        share = self._config["gamma"] * self._config["trace"]
        return {place: trace * share for place, trace in traces.items() if trace * share >= _FORGOTTEN}
