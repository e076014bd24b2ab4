"""The way into the store: order is kept, nothing is lost while the store refuses, nothing raises."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from metahp.errors import RecordError, StoreError
from metahp_searchers.recorder import HOLD_S, LONGEST_DELAY_S, Recorder


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Writer:
    """A store that refuses while ``full``."""

    def __init__(self) -> None:
        self.full = False
        self.written: list[str] = []
        self.closed = ""

    def put(self, what: str) -> None:
        if self.full:
            raise StoreError("cannot record a result at /store: No space left on device; free some space")
        self.written.append(what)

    def close(self, state: str) -> None:
        if self.full:
            raise StoreError("cannot publish")
        self.closed = state


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def writer() -> Writer:
    return Writer()


@pytest.fixture
def recorder(writer: Writer, clock: Clock) -> Recorder:
    return Recorder(lambda: writer, clock=clock, sleep=clock.sleep)  # type: ignore[arg-type,return-value]


def put(what: str) -> Callable[[Any], None]:
    return lambda writer: writer.put(what)


def test_a_full_store_costs_nothing_but_time(
    recorder: Recorder, writer: Writer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    writer.full = True
    for i in range(5):
        recorder.add("t", put(str(i)))
    assert recorder.backlog == 5
    assert [r.levelno for r in caplog.records] == [logging.ERROR]
    assert "No space left on device; free some space. The sweep goes on" in caplog.text
    writer.full = False
    recorder.retry()
    assert writer.written == []  # refused a moment ago
    clock.now += 0.5
    recorder.retry()
    assert writer.written == ["0", "1", "2", "3", "4"]
    assert "the store works again" in caplog.text


def test_too_much_in_memory_holds_up_the_sweep(
    recorder: Recorder, writer: Writer, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metahp_searchers.recorder.MOST_WAITING", 3)
    writer.full = True
    for i in range(3):
        recorder.add("t", put(str(i)))
    assert clock.now == 0.0
    recorder.add("t", put("3"))
    recorder.add("t", put("4"))
    assert clock.now == 2 * HOLD_S
    assert caplog.text.count("3 results wait for the store; the sweep pauses until it works again") == 1
    writer.full = False
    recorder.add("t", put("5"))
    assert clock.now < 2 * HOLD_S + LONGEST_DELAY_S
    clock.now += LONGEST_DELAY_S
    recorder.retry()
    assert writer.written == ["0", "1", "2", "3", "4", "5"]


def test_it_waits_longer_and_longer(recorder: Recorder, writer: Writer, clock: Clock) -> None:
    writer.full, tries = True, 0

    def refuse(writer: Any) -> None:
        nonlocal tries
        tries += 1
        writer.put("x")

    recorder.add("t", refuse)
    while clock.now < 120:
        clock.now += 0.5
        recorder.retry()
    assert 6 <= tries <= 10  # at 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, then every 30 s


def test_what_can_never_be_recorded_holds_nothing_up(
    recorder: Recorder, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: Any) -> None:
        raise RecordError("the configuration takes 300,000 characters")

    def break_down(_: Any) -> None:
        raise ZeroDivisionError

    recorder.add("a", refuse, is_start=True)
    recorder.add("a", put("report of a trial that has no start"))
    recorder.add("b", put("b1"))
    recorder.add("b", break_down)
    recorder.add("b", put("b2"))
    assert writer.written == ["b1", "b2"]
    assert "not recorded of trial a: the configuration takes 300,000 characters" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_closing_gives_the_store_some_time(recorder: Recorder, writer: Writer, clock: Clock) -> None:
    writer.full = True
    recorder.add("t", put("late"))
    sleep, clock.sleep = clock.sleep, lambda seconds: None  # type: ignore[method-assign]
    recorder._sleep = lambda seconds: (sleep(seconds), setattr(writer, "full", clock.now < 3))[0]
    recorder.close("completed")
    assert writer.written == ["late"]
    assert writer.closed == "completed"


def test_closing_says_what_is_lost(
    recorder: Recorder, writer: Writer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    writer.full = True
    recorder.add("t", put("never"))
    recorder.close("completed", wait_s=5)
    assert clock.now <= 7
    assert "1 entries of the sweep could not be written" in caplog.text


def test_a_store_that_cannot_be_opened_is_tried_again(clock: Clock, writer: Writer) -> None:
    attempts = [StoreError("read-only"), StoreError("read-only"), writer]

    def open_writer() -> Any:
        found = attempts.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    recorder = Recorder(open_writer, clock=clock, sleep=clock.sleep)
    recorder.add("t", put("1"))
    for _ in range(3):
        clock.now += 10
        recorder.retry()
    assert writer.written == ["1"]
