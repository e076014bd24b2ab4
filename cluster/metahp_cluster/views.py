"""What people see while a sweep runs: a live table in a terminal, now and then a line elsewhere, or nothing.

Tune keeps its callbacks, and so whoever they tell, in a file: a view comes back from there as one that shows nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from metahp.space import SearchSpace
from metahp.types import Config, TrialStatus
from metahp_cluster.progress import Progress, TrialProgress

LINE_EVERY_S = 5.0
DRAW_EVERY_S = 0.2
_NARROW = 60  # columns; below, a trial has a line for its values and one for its configuration


class View(Protocol):
    """Shows the progress of a sweep."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        ...

    def show(self, progress: Progress) -> None:
        """Something has happened."""
        ...

    def say(self, message: str) -> None:
        """One line that is not to be missed."""
        ...


class NoView:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, progress: Progress) -> None:
        """Nothing to see."""

    def say(self, message: str) -> None:
        """Nothing to hear."""


class LineView(NoView):
    """One plain line for all that happened in a few seconds; for pipes, log files and dumb terminals."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._next = 0.0
        self._last = ""

    def __reduce__(self) -> tuple[type[NoView], tuple[()]]:
        return NoView, ()

    def show(self, progress: Progress) -> None:
        """One line, unless there was one a moment ago or nothing is new."""
        text = summary(progress)
        finished = progress.ended >= progress.trials_wanted
        if text != self._last and (finished or progress.elapsed_s >= self._next):
            self._next, self._last = progress.elapsed_s + LINE_EVERY_S, text
            self.say(f"[{clock(progress.elapsed_s)}] {text}{_rest(progress)}")

    def say(self, message: str) -> None:
        """One line."""
        print(message, file=self._stream, flush=True)


class LiveView(NoView):
    """A table that is drawn over and over; for terminals."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, force_terminal=True, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._next = 0.0

    def __reduce__(self) -> tuple[type[NoView], tuple[()]]:
        return NoView, ()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, progress: Progress) -> None:
        """Draw it anew, unless it was drawn a moment ago; the last state is drawn at the end in any case."""
        due = progress.elapsed_s >= self._next
        if due:
            self._next = progress.elapsed_s + DRAW_EVERY_S
        self._live.update(_picture(progress, self._console.width), refresh=due)

    def say(self, message: str) -> None:
        """A line above the table."""
        self._console.print(escape(message))


def view_on(stream: TextIO, *, is_terminal: bool) -> View:
    """The view that suits a stream."""
    return LiveView(stream) if is_terminal and os.environ.get("TERM") != "dumb" else LineView(stream)


def summary(progress: Progress) -> str:
    """Everything that counts in one line."""
    counts = progress.counts
    parts = [f"{progress.ended}/{progress.trials_wanted} trials over"]
    for status, word in ((TrialStatus.STOPPED, "pruned"), (TrialStatus.ERRORED, "failed")):
        if counts[status]:
            parts.append(f"{counts[status]} {word}")
    parts.append(f"{counts[TrialStatus.RUNNING]} running")
    if counts[TrialStatus.PAUSED]:
        parts.append(f"{counts[TrialStatus.PAUSED]} paused")
    leader = progress.incumbent()
    if leader is not None:
        parts.append(f"best {progress.metric} {leader.best:.4g} (trial {leader.number})")
    if progress.ahead is not None:
        ahead = progress.ahead
        parts.append(f"at the end {ahead.likely:.4g} ({ahead.low:.4g} to {ahead.high:.4g})")
    return ", ".join([*parts, _spent(progress)])


def _spent(progress: Progress) -> str:
    """Epochs, and hours where trials have said how long they take."""
    epochs = f"{progress.epochs_used} epochs, {progress.epochs_saved} saved"
    hours, saved = progress.device_hours, progress.device_hours_saved
    return f"{epochs}, {hours:.2g} {progress.unit}, {saved:.2g} saved" if hours else epochs


def clock(seconds: float) -> str:
    """``m:ss``, or ``h:mm:ss``."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def searched_part(config: Config, space: SearchSpace) -> dict[str, Any]:
    """A configuration without the constants beside the hyperparameters."""
    searched = {parameter.name.split("/")[0] for parameter in space.parameters}
    return {key: value for key, value in config.items() if key in searched}


def config_text(config: Config) -> str:
    """A configuration in few characters."""
    return " ".join(f"{key}={value_text(value)}" for key, value in config.items())


def value_text(value: object) -> str:
    """A value of a configuration in few characters: numbers in three digits, also within mappings and lists."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return value if isinstance(value, str) else json.dumps(_rounded(value), default=str)


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.3g}")
    if isinstance(value, Mapping):
        return {str(key): _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value


def _rest(progress: Progress) -> str:
    rest, band = progress.remaining_s(), progress.remaining_band_s()
    if not rest:
        return ""
    return f", about {clock(rest)} left" + (f" ({clock(band[0])} to {clock(band[1])})" if band else "")


def _picture(progress: Progress, width: int) -> Group:
    leader = progress.incumbent()
    running = progress.running()
    rows = running if leader is None or leader in running else [leader, *running]
    told = [_row(trial, progress, is_best=trial is leader) for trial in rows]
    head = f"[{clock(progress.elapsed_s)}] {escape(summary(progress))}{_rest(progress)}"
    if width < _NARROW:
        return Group(head, *(f"{number} {epochs} {best}\n  {config}" for number, epochs, best, config in told))
    return Group(_head(progress, head), _table(progress, told))


def _head(progress: Progress, text: str) -> Table:
    head = Table.grid(padding=(0, 1))
    head.add_row(ProgressBar(total=progress.trials_wanted, completed=progress.ended, width=24), text)
    return head


def _table(progress: Progress, rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("trial", "epoch", progress.metric, "configuration"):
        table.add_column(escape(column), no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*row)
    return table


def _row(trial: TrialProgress, progress: Progress, *, is_best: bool) -> tuple[str, str, str, str]:
    best = "" if trial.best is None else f"{trial.best:.4g}"
    mark = " best" if is_best else ""
    config = config_text(searched_part(trial.config, progress.space))
    return f"{trial.number}{mark}", f"{trial.epochs}/{progress.epochs_each}", best, escape(config)
