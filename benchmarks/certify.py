"""Question: does a certified threshold keep its word, and what does it cost?

Command: ``python -m benchmarks certify --out results``; 90 shadow sweeps (`benchmarks.shadows`) and 14 with stops,
fifteen minutes of one core.

The recorded tasks, all of them really trained, are swept with what ships with MetaHP, their own data left out, and
where a family has many tasks on one space also with one past sweep of each other task. Then, 200 times: half of the
tasks, by lot, give the evidence; a threshold is certified on it and applied to the sweeps of the other half. A
certificate is broken if at its threshold more than the allowed share of *all* the tasks lose a winner: that is what it
speaks of, and where half of the tasks look better than all, the other half must look worse. Made-up tasks are never
evidence: each kind has one trait that shall mislead. What a certificate of recorded tasks is worth there is a row.
Last, every second task on a large recorded space is swept with each stop carried out (`benchmarks.pruned_sweeps`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.files import save_json
from benchmarks.processes import with_progress
from benchmarks.provenance import about_this_run, line_about
from benchmarks.pruned_sweeps import Pruned, make_pruned, read_pruned
from benchmarks.report import Rows, markdown, write_csv
from benchmarks.shadows import TRIALS, Asked, ShadowSweep, make_shadow, read_shadow
from benchmarks.tasks import load_tasks
from benchmarks.tolls import Toll, below, by_asha, tolls
from metahp.audit import wilson
from metahp.certificate import certificate, failures
from metahp.policy import BELOW, MAX_FALSE_PRUNES
from metahp.prior_evidence import FRESH, PAST, SHIPPED
from metahp.sweep_losses import GRID

ALLOWED, CONFIDENCE, SPLITS = (0.1, 0.2), 0.9, 200
SMALL = 0.005  # of a sweep's range: a loss that hardly matters
USUAL = BELOW * MAX_FALSE_PRUNES
MADE_UP = "synthetic"
ONE_OF_A_KIND = "/0"  # of six that resemble each other
LARGE = ("lcbench", "taskset")
COMMAND = "python -m benchmarks certify --ship"
HEAD = [
    "rule",
    "certified",
    "threshold",
    "sweeps that lose their winner",
    f"by more than {SMALL:g} of the range",
    "certificates broken",
    f"sweeps with at most {MAX_FALSE_PRUNES:.0%} false prunes",
    "epochs",
]


def run_certify(tasks: str, seeds: int, out: Path, *, jobs: int = 1, ship: bool = False) -> str:
    """Makes the shadow sweeps that have no file yet, then certifies; writes ``certify.md`` and ``.csv``.

    Args:
        tasks: a selection as for `benchmarks.tasks.load_tasks`.
        seeds: sweeps of each task with each history.
        out: directory of the results.
        jobs: processes.
        ship: whether the losses of the recorded tasks become the evidence that ships with MetaHP.

    Returns:
        the tables as Markdown.

    Raises:
        ValueError: a task that does not exist, or no recorded one among them.
        TaskDataMissingError: the data of the tasks are not beside the project.
    """
    asked = [own for task in load_tasks(tasks) for own in _asked(task.name, task.family, seeds)]
    asked = [own for own in asked if own.family != MADE_UP or own.task.endswith(ONE_OF_A_KIND)]
    if all(each.family == MADE_UP for each in asked):
        raise ValueError("made-up tasks are no evidence; give a recorded family too, e.g. keras")
    todo = [each for each in asked if not (out / each.path).exists()]
    for _ in with_progress("sweeps", partial(make_shadow, out=out), todo, jobs):
        pass
    sweeps = [read_shadow(each, out) for each in asked]
    large = [own for own in asked if own.family in LARGE and own.history == FRESH]
    pruned = _pruned(large[::2], out, jobs)
    if ship:
        save_json(SHIPPED, evidence_file(_recorded(sweeps)))
    rows = [*table(sweeps), *acted_rows(sweeps, pruned)]
    parts = [
        _about(sweeps),
        "\n".join(promises(sweeps)),
        markdown(rows),
        markdown(thresholds(sweeps)),
        line_about([about_this_run()]),
    ]
    text = "\n\n".join(["## Certified thresholds", *parts])
    (out / "certify.md").write_text(text + "\n", encoding="utf-8")
    write_csv(out / "certify.csv", rows)
    return text


def _asked(task: str, family: str, seeds: int) -> list[Asked]:
    histories = (FRESH, PAST) if family in LARGE else (FRESH,)
    return [Asked(task, history, repetition) for history in histories for repetition in range(seeds)]


def evidence_file(sweeps: Iterable[ShadowSweep]) -> dict[str, object]:
    """What ships: see `metahp.prior_evidence`."""
    losses = [
        {"task": own.asked.task, "history": own.asked.history, "losses": [round(loss, 6) for loss in own.losses.losses]}
        for own in sweeps
    ]
    return {"command": COMMAND, "trials": TRIALS, "thresholds": GRID, "sweeps": losses, **about_this_run()}


def table(sweeps: Sequence[ShadowSweep]) -> Rows:
    """One row per rule, after a row that names the columns."""
    recorded, made_up = _recorded(sweeps), [own for own in sweeps if own.asked.family == MADE_UP]
    rows = [HEAD, *(_split_row(recorded, allowed) for allowed in ALLOWED)]
    groups = {"store without a past": _began(recorded, FRESH), "store with a past": _began(recorded, PAST)}
    for name, group in {**groups, "made-up tasks": made_up}.items():
        if group:
            evidence = [own.losses for own in (_began(recorded, FRESH) if group is made_up else group)]
            found = certificate(evidence, ALLOWED[0], CONFIDENCE).threshold
            rows.append(_row(f"{name}: as certified for {ALLOWED[0]:.0%}", f"{found:g}", tolls(group, below(found))))
            rows.append(_row(f"{name}: the usual threshold", f"{USUAL:g}", tolls(group, below(USUAL))))
            rows.append(_row(f"{name}: ASHA", "–", tolls(group, by_asha)))
    return rows


def promises(sweeps: Sequence[ShadowSweep]) -> Iterator[str]:
    """What all recorded tasks together certify."""
    for name, history in (("Without a past", FRESH), ("With a past", PAST)):
        evidence = [own.losses for own in _began(_recorded(sweeps), history)]
        for allowed in ALLOWED:
            yield f"* {name}: {certificate(evidence, allowed, CONFIDENCE, source='the benchmark')}"


def thresholds(sweeps: Sequence[ShadowSweep]) -> Rows:
    """For each threshold how many tasks lose a winner."""
    fresh, past = _began(_recorded(sweeps), FRESH), _began(_recorded(sweeps), PAST)
    groups = {"without a past": fresh}
    for own in _began(sweeps, FRESH):
        groups.setdefault(own.asked.family, []).append(own)
    columns = {f"{name}, of {len(group)}": group for name, group in {**groups, "with a past": past}.items()}
    rows = [
        ["tasks that lose a winner, stopping below", *columns, f"of both more than {SMALL:g}", "epochs", "with a past"]
    ]
    counts = [_failures(group, 0.0) for group in columns.values()]
    small = _failures([*fresh, *past], SMALL)
    for place, threshold in enumerate(GRID):
        epochs = [
            f"{np.mean([own.epochs for own in tolls(group, below(threshold))]):.0%}" for group in (fresh, past) if group
        ]
        rows.append([f"{threshold:g}", *(str(count[place]) for count in counts), str(small[place]), *epochs])
    return rows


def _began(sweeps: Iterable[ShadowSweep], history: str) -> list[ShadowSweep]:
    return [own for own in sweeps if own.asked.history == history]


def acted_rows(sweeps: Sequence[ShadowSweep], pruned: Mapping[Asked, Toll]) -> Rows:
    """What the usual threshold costs the same sweeps in thought and in deed."""
    if not pruned:
        return []
    thought = tolls([own for own in sweeps if own.asked in pruned], below(USUAL))
    name = f"{len(pruned)} of the sweeps, the usual threshold, stopped"
    return [
        _row(f"{name} in thought", f"{USUAL:g}", thought),
        _row(f"{name} in deed", f"{USUAL:g}", [*pruned.values()]),
    ]


def _pruned(asked: Sequence[Asked], out: Path, jobs: int) -> dict[Asked, Toll]:
    wanted = [Pruned(own, USUAL) for own in asked]
    todo = [each for each in wanted if not (out / each.path).exists()]
    for _ in with_progress("with stops", partial(make_pruned, out=out), todo, jobs):
        pass
    return {each.asked: read_pruned(each, out) for each in wanted}


def _recorded(sweeps: Iterable[ShadowSweep]) -> list[ShadowSweep]:
    return [own for own in sweeps if own.asked.family != MADE_UP]


def _tasks(sweeps: Iterable[ShadowSweep]) -> list[str]:
    return sorted({own.asked.task for own in sweeps})


def _failures(sweeps: Iterable[ShadowSweep], margin: float) -> list[int]:
    return failures([own.losses for own in sweeps], margin)


def _about(sweeps: Sequence[ShadowSweep]) -> str:
    recorded = _recorded(sweeps)
    made_up = len(sweeps) - len(recorded)
    return (
        f"{len(recorded)} sweeps of {len(_tasks(recorded))} recorded tasks and {made_up} of made-up ones, {TRIALS} "
        f"trials each. A certificate says that at most a share of the tasks loses a winner, with confidence "
        f"{CONFIDENCE:.0%}. {SPLITS} times half of the recorded tasks give the evidence and the sweeps of the others "
        f"are counted: mean ± standard deviation over the splits. In the other rows all sweeps are: 90 % intervals for "
        f"shares, ± the standard deviation over sweeps for epochs."
    )


def _split_row(sweeps: Sequence[ShadowSweep], allowed: float) -> list[str]:
    rng = np.random.default_rng(0)
    promised, bound, broken, *rest = np.array([_split(sweeps, allowed, rng) for _ in range(SPLITS)]).T
    shown = f"{bound.mean():.4f} ({bound.min():g} to {bound.max():g})"
    lost, small, within, epochs = (f"{own.mean():.0%} ± {own.std():.0%}" for own in rest)
    certified = f"in {promised.mean():.0%} of {SPLITS} splits"
    name = f"certified for {allowed:.0%}, other half of the tasks"
    return [name, certified, shown, lost, small, f"{broken.mean():.0%} of splits", within, epochs]


def _split(sweeps: Sequence[ShadowSweep], allowed: float, rng: np.random.Generator) -> tuple[float, ...]:
    """Certifies on a half of the tasks, looks at the sweeps of the other one."""
    tasks = _tasks(sweeps)
    giving = set(rng.permutation(tasks)[: len(tasks) // 2].tolist())
    found = certificate([own.losses for own in sweeps if own.asked.task in giving], allowed, CONFIDENCE)
    failed = _failures(sweeps, 0.0)[GRID.index(found.threshold)]
    broken = found.is_certified and failed > allowed * len(tasks)
    paid = tolls([own for own in sweeps if own.asked.task not in giving], below(found.threshold))
    return (float(found.is_certified), found.threshold, float(broken), *_shares(paid), _epochs(paid)[0])


def _row(name: str, threshold: str, paid: Sequence[Toll]) -> list[str]:
    lost, small, within = (_interval(share, len(paid)) for share in _shares(paid))
    mean, deviation = _epochs(paid)
    return [name, "–", threshold, lost, small, "–", within, f"{mean:.0%} ± {deviation:.0%}"]


def _shares(paid: Sequence[Toll]) -> tuple[float, float, float]:
    """Of the sweeps that lose their winner, that lose much by it, and that keep to the allowed false prunes."""
    judged = [(own.loss > 0.0, own.loss > SMALL, own.false <= MAX_FALSE_PRUNES) for own in paid]
    lost, small, within = np.mean(judged, axis=0).tolist()
    return lost, small, within


def _epochs(paid: Sequence[Toll]) -> tuple[float, float]:
    epochs = [own.epochs for own in paid]
    return float(np.mean(epochs)), float(np.std(epochs))


def _interval(share: float, count: int) -> str:
    low, high = wilson(share, count, 0.9)
    return f"{share:.0%} ({low:.0%} to {high:.0%})"
