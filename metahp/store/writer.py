"""One driver's write handle for one sweep."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import NoReturn, Self

from metahp.errors import StoreError
from metahp.store import rows
from metahp.store.curves import TrialBook
from metahp.store.fitting import Entry
from metahp.store.rows import TrialEvent
from metahp.store.sealing import Sealer, Tables, finish
from metahp.store.spool import Spool
from metahp.types import Config, MadeDecision, Measurement, Sweep, SweepHistory

_log = logging.getLogger(__name__)


class SweepWriter:
    """Records one sweep; made by `Store.open_sweep`. Safe to use from several threads, and a context manager.

    What `start_attempt`, `record` and `record_event` were given is on the local disk when they return. A thread
    publishes it to the store within two seconds; if the store refuses, it says so once and tries again for as long as
    the writer is open, and the next driver that opens a sweep of this store does so after that.

    Attributes:
        sweep: what is recorded.
        conflicts: how many reports repeated a known step with another value; the first one was kept.
    """

    def __init__(
        self, sweep: Sweep, spool: Spool, tables: Tables, book: TrialBook, *, searcher: str = "", scheduler: str = ""
    ) -> None:
        self.sweep = sweep
        self.conflicts = 0
        self._spool = spool
        self._tables = tables
        self._book = book
        self._made_by = (searcher, scheduler)
        self._lock = threading.RLock()
        self._open = True
        self._gathered: list[Entry] | None = None
        self._sealer = Sealer(spool, tables)
        self._end = weakref.finalize(self, _abandon, self._sealer, spool)  # runs at the latest when Python ends
        self._record_state("running")

    def start_attempt(self, trial_id: str, config: Config, *, restored: bool = False) -> int:
        """Begins a run of a trial: its first, a retry, or its continuation after a pause.

        Args:
            trial_id: unique within the sweep, at most 256 characters.
            config: the configuration as the training function gets it; secrets are taken out before it is written.
            restored: whether it continues from a checkpoint.

        Returns:
            the number of the attempt, from 1: one more than the greatest known of this trial.

        Raises:
            RecordError: the trial_id or the configuration cannot be recorded.
            StoreError: the disk refuses; nothing was recorded.
        """
        event = TrialEvent.RESTORED if restored else TrialEvent.STARTED
        with self._lock:
            attempt = self._book.attempt(trial_id) + 1
            self._add_event(trial_id, attempt, event, config=config)
            return attempt

    def record(
        self,
        trial_id: str,
        measurement: Measurement,
        metrics: Mapping[str, object] | None = None,
        *,
        done: bool = False,
    ) -> bool:
        """Records a report of the newest attempt of a trial.

        Args:
            trial_id: of a trial that was started.
            measurement: the sweep's metric; NaN and ±inf are kept.
            metrics: everything else that was reported, at most 2,000 keys; numbers become queryable, the rest JSON.
            done: whether the training function said it was finished.

        Returns:
            False if this step of this attempt is known already. Nothing is changed then; another value for it is
            counted in `conflicts`.

        Raises:
            StoreError: the trial was never started, or the disk refuses; nothing was recorded, and the call can be
                repeated when there is room again.
        """
        with self._lock:
            attempt = self._started(trial_id)
            known = self._book.reported(trial_id, measurement.step)
            if known is not None:
                self._compare(trial_id, known, measurement)
                return False
            row = rows.result_row(self.sweep, trial_id, attempt, measurement, metrics or {}, done=done)
            accepted = self._append(Entry("results", row, f"{attempt}/{row['step']}/{trial_id}"))
            self._book.add_result(row)
            return accepted

    def record_event(self, trial_id: str, event: TrialEvent, *, error: str = "") -> None:
        """Records that something happened to a trial; `start_attempt` records its starts.

        Args:
            trial_id: unique within the sweep.
            event: what happened.
            error: the message of an error, cut to 4,000 characters.

        Raises:
            RecordError: the trial_id cannot be recorded.
            StoreError: the disk refuses; nothing was recorded.
        """
        with self._lock:
            self._add_event(trial_id, self._book.attempt(trial_id), TrialEvent(event), error=error)

    def record_decision(self, made: MadeDecision) -> None:
        """Records a decision about a trial that was started, without waiting for the disk.

        It survives the process at once, and a power cut as soon as anything else is recorded.

        Raises:
            RecordError: the trial_id or the step cannot be recorded.
            StoreError: the trial was never started, or the disk refuses; nothing was recorded.
        """
        with self._lock:
            self._append(
                Entry("decisions", rows.decision_row(self.sweep, self._started(made.trial_id), made)), wait=False
            )

    def history(self) -> SweepHistory:
        """The sweep with its effective curves, including what is not published yet."""
        with self._lock:
            return SweepHistory(self.sweep, self._book.trials())

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Makes what is recorded within one unit: much faster, and accepted only when the block ends.

        After an error in the block nothing of it was recorded and the writer must not be used any more.
        """
        with self._lock:
            self._check_open()
            if self._gathered is not None:  # within another batch
                yield
                return
            entries = self._gathered = []
            try:
                yield
            finally:
                self._gathered = None
            self._spool.append(entries)
            self._sealer.appended(len(entries))

    def seal(self) -> None:
        """Publishes everything recorded so far.

        Raises:
            StoreError: the store refuses; nothing recorded is lost.
        """
        self._check_open()
        self._sealer.seal()

    def close(self, state: str = "completed") -> None:
        """Publishes the rest and ends the writer; a second call does nothing.

        Args:
            state: how the sweep ended, for people.

        Raises:
            StoreError: the store refuses; what was recorded is published by the next driver that opens a sweep.
        """
        with self._lock:
            if not self._open:
                return
            try:
                self._record_state(state)
                self._sealer.stop()
                finish(self._spool, self._tables)
            finally:
                self._open = False
                self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close("failed" if error is not None else "completed")

    def __reduce__(self) -> NoReturn:
        raise StoreError(
            f"the writer of sweep {self.sweep.sweep_id!r} belongs to one process and cannot be pickled; "
            "pickle the Store and the Sweep, and call open_sweep where they arrive"
        )

    def _add_event(
        self, trial_id: str, attempt: int, event: TrialEvent, *, config: Config | None = None, error: str = ""
    ) -> None:
        row = rows.event_row(self.sweep, trial_id, attempt, event, config=config, error=error)
        self._append(Entry("trials", row))
        self._book.add_event(row)

    def _append(self, entry: Entry, *, wait: bool = True) -> bool:
        self._check_open()
        if self._gathered is not None:
            self._gathered.append(entry)
            return True  # what was recorded before is in the book, which was asked
        (accepted,) = self._spool.append([entry], wait=wait)
        self._sealer.appended(1)
        return accepted

    def _record_state(self, state: str) -> None:
        self._append(Entry("sweeps", rows.sweep_row(self.sweep, state, *self._made_by)))

    def _started(self, trial_id: str) -> int:
        attempt = self._book.attempt(trial_id)
        if attempt == 0:
            raise StoreError(f"trial {trial_id!r} was never started; call start_attempt with its configuration first")
        return attempt

    def _compare(self, trial_id: str, known: Measurement, new: Measurement) -> None:
        if known.value == new.value or (known.value != known.value and new.value != new.value):  # NaN is NaN
            return
        self.conflicts += 1
        if self.conflicts == 1:
            _log.warning(
                "trial %s reported step %d twice, %r and then %r; the first is kept, further cases are only counted",
                trial_id,
                new.step,
                known.value,
                new.value,
            )

    def _check_open(self) -> None:
        if not self._open:
            raise StoreError(f"the writer of sweep {self.sweep.sweep_id!r} is closed; open the sweep again")


def _abandon(sealer: Sealer, spool: Spool) -> None:
    """Ends a writer that nobody closed; does nothing more to one that was."""
    sealer.stop()
    spool.close()
