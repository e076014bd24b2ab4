"""How much work things are, as ratios of this machine's own: what a busy neighbour slows down, it slows down alike."""

import json
import time
from collections.abc import Callable
from dataclasses import replace

from metahp.store import Store, rows
from metahp.types import Measurement

CONFIG = {"lr": 0.1, "kernel": (3, 3)}
METRICS = {"accuracy": 0.9, "loss": 0.1, "val_loss": 0.2, "learning_rate": 1e-3}


def work(act: Callable[[], object], times: int = 7) -> float:
    """Seconds of this thread's own on a core; the least of several, which nobody has disturbed."""
    taken = []
    for _ in range(times):
        began = time.thread_time()
        act()
        taken.append(time.thread_time() - began)
    return min(taken)


def write(store: Store, sweep, reports: int) -> None:
    with store.open_sweep(sweep) as writer:
        writer.start_attempt("t", CONFIG)
        with writer.batch():
            for step in range(1, reports + 1):
                writer.record("t", Measurement(step, 0.5, 1.0))


def test_a_report_is_as_much_work_as_a_few_times_its_json(store, sweep):
    row = rows.result_row(sweep, "t", 1, Measurement(1, 0.5, 1.0), METRICS, done=False)
    measure = work(lambda: [json.dumps(row) for _ in range(500)])
    steps = iter(range(1, 1_000_000))
    with store.open_sweep(sweep) as writer:
        writer.start_attempt("t", CONFIG)

        def report() -> None:
            with writer.batch():
                for _ in range(500):
                    writer.record("t", Measurement(next(steps), 0.5, 1.0), METRICS)

        taken = work(report)
    assert taken < 25 * measure, f"{taken / measure:.1f} times its JSON; 5 to 6 as a rule"


def test_what_is_new_is_less_work_than_everything(store, sweep):
    for number in range(12):
        write(store, replace(sweep, sweep_id=f"s{number}"), 2_000)
    cursor = store.cursor()
    write(store, replace(sweep, sweep_id="new"), 2_000)
    everything = work(store.curves)
    news = work(lambda: store.curves(since=cursor))
    assert [own.sweep.sweep_id for own in store.curves(since=cursor)] == ["new"]
    assert news < everything / 3, f"{news / everything:.2f} of everything; a tenth as a rule"


def test_a_merged_sweep_is_no_more_work_than_one_in_pieces(store, sweep, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("metahp.store.segments.Segments.merge", lambda *_: None)
        with store.open_sweep(sweep) as writer:
            writer.start_attempt("t", CONFIG)
            for step in range(1, 201):
                writer.record("t", Measurement(step, 0.5))
                if step % 5 == 0:
                    writer.seal()
    pieces = work(lambda: store.history("sweep-1"))
    store.compact()
    assert work(lambda: store.history("sweep-1")) < pieces
