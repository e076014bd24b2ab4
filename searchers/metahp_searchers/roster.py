"""The trials of a running sweep, by the ids Tune gave them; told twice or out of order, it says the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace

from metahp.types import Config, Measurement, Mode, Trial, TrialStatus
from metahp.window import Window


class Roster:
    """Who takes part, how far everybody is, and who is still to come.

    A trial keeps its id in the store over all restarts, while Tune may know it by another id each time.

    Args:
        trials: those known, in the order of their first mention.
        tune_ids: the id in the store of each trial that Tune knows, by Tune's.
        live: Tune's ids of the trials that have not ended.
        waiting: trials that began in an earlier process and are to be run again, the next one first.
    """

    def __init__(
        self,
        trials: Iterable[Trial] = (),
        tune_ids: Mapping[str, str] | None = None,
        live: Iterable[str] = (),
        waiting: Iterable[Trial] = (),
    ) -> None:
        self._trials = {trial.trial_id: trial for trial in trials}
        self._tune_ids = dict(tune_ids or {})
        self._live = set(live)
        self._waiting = deque(waiting)
        self._restarted: set[str] = set()
        self._left_over: set[str] = set()
        self._window = Window()

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All trials that were ever started or suggested, without those that wait."""
        return tuple(self._trials.values())

    def in_view(self, mode: Mode) -> tuple[Trial, ...]:
        """The trials that decisions are made from: all of them, in a long sweep those that matter."""
        return self._window.of(self._trials, (self.store_id(tune_id) for tune_id in self._live), mode)

    @property
    def tune_ids(self) -> dict[str, str]:
        """The id in the store of each trial that Tune knows, by Tune's."""
        return dict(self._tune_ids)

    @property
    def live(self) -> frozenset[str]:
        """Tune's ids of the trials that have not ended."""
        return frozenset(self._live)

    @property
    def at_work(self) -> int:
        """How many trials have a worker, or wait for theirs."""
        return len(self._live) - sum(self.is_paused(tune_id) for tune_id in self._live)

    @property
    def waiting(self) -> tuple[Trial, ...]:
        """The trials to be run again, the next one first."""
        return tuple(self._waiting)

    def knows(self, tune_id: str) -> bool:
        """Whether the trial is one of this sweep's."""
        return tune_id in self._tune_ids

    def get(self, tune_id: str) -> Trial | None:
        """A trial, None if it is unknown."""
        return self._trials.get(self._tune_ids.get(tune_id, ""))

    def store_id(self, tune_id: str) -> str:
        """The trial's id in the store."""
        return self._tune_ids.get(tune_id, tune_id)

    def admit(self, tune_id: str, trial: Trial) -> None:
        """Tune knows this trial by that id from now on."""
        self._tune_ids[tune_id] = trial.trial_id
        self._trials[trial.trial_id] = trial
        if not trial.status.is_over:
            self._live.add(tune_id)

    def start(self, tune_id: str, config: Config) -> None:
        """A known trial starts, the first time or again: what it then reports replaces what it had reported there."""
        if (trial := self.get(tune_id)) is not None:
            self._trials[trial.trial_id] = replace(trial, config=config, status=TrialStatus.RUNNING)
            self._restarted.add(trial.trial_id)

    def report(self, tune_id: str, measurement: Measurement) -> None:
        """A known trial reports; the first value of a step counts."""
        trial = self.get(tune_id)
        if trial is None:
            return
        curve = trial.curve
        if trial.trial_id in self._restarted:
            self._restarted.discard(trial.trial_id)
            curve = curve.until(measurement.step - 1)
        status = TrialStatus.RUNNING if trial.status is TrialStatus.PENDING else trial.status
        self._trials[trial.trial_id] = replace(trial, curve=curve.extended(measurement), status=status)

    def pause(self, tune_id: str) -> None:
        """A known trial gives up its worker, to go on later."""
        self._become(tune_id, TrialStatus.PAUSED)

    def thaw(self, trial: Trial) -> str | None:
        """A paused trial goes on as soon as there is a worker; Tune's id of it, None if Tune does not know it."""
        names = (tune_id for tune_id in self._live if self.store_id(tune_id) == trial.trial_id)
        if (tune_id := next(names, None)) is not None:
            self._become(tune_id, TrialStatus.RUNNING)
        return tune_id

    def is_paused(self, tune_id: str) -> bool:
        """Whether a trial is paused."""
        trial = self.get(tune_id)
        return trial is not None and trial.status is TrialStatus.PAUSED

    def _become(self, tune_id: str, status: TrialStatus) -> None:
        if (trial := self.get(tune_id)) is not None and not trial.status.is_over:
            self._trials[trial.trial_id] = replace(trial, status=status)

    def end(self, tune_id: str, status: TrialStatus) -> None:
        """A trial ends; the first end counts, and an unknown one is nobody's."""
        self._live.discard(tune_id)
        trial = self.get(tune_id)
        if trial is not None and not trial.status.is_over:
            self._trials[trial.trial_id] = replace(trial, status=status)

    def next_waiting(self) -> Trial | None:
        """Takes the next trial to be run again."""
        return self._waiting.popleft() if self._waiting else None

    def catch_up(self, seen: Iterable[Trial]) -> None:
        """Takes in what the store has seen of the sweep: finished trials count, unfinished ones Tune lost wait."""
        known = {*self._tune_ids.values(), *(trial.trial_id for trial in self._waiting)}
        for trial in seen:
            if trial.status.is_over or trial.trial_id in self._tune_ids.values():
                self._trials[trial.trial_id] = trial
            elif trial.trial_id not in known:
                self._waiting.append(trial)
        self._left_over = {tune_id for tune_id in self._live if self._is_finished(tune_id)}

    def left_over(self, tune_id: str) -> Trial | None:
        """The trial, if it finished after the snapshot that Tune came back from, so that Tune wants to run it again."""
        return self.get(tune_id) if tune_id in self._left_over else None

    def _is_finished(self, tune_id: str) -> bool:
        trial = self.get(tune_id)
        return trial is not None and trial.status in (TrialStatus.COMPLETED, TrialStatus.STOPPED)
