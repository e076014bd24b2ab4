"""Question: what does each part of MetaHP contribute?

Command: ``python -m benchmarks ablations --tasks lcbench --seeds 1 --out results``; about 15 minutes on two cores.

The main experiment with one part left out or replaced at a time: pruning, proposals, descriptions of tasks, the
audit, the history, what ships. One line is no variant but a bound: proposals as they are, stopping that knows the
rest of the curve. Freeze-thaw is compared with what it is added to, where no trial is suggested before there is room
for it: else none waits, and none is worth pausing for. On LCBench also a history in another space, see
`benchmarks.overlap`.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.cells import read_outcomes
from benchmarks.overlap import run_overlap
from benchmarks.provenance import line_about
from benchmarks.replay import run_replay
from benchmarks.report import Rows, markdown, with_error, with_interval, write_csv
from benchmarks.statistics import BUDGETS, Study, studies
from benchmarks.tasks import load_tasks

WHOLE = "meta (other-tasks)"
AT_ONCE = "meta-at-once (other-tasks)"
PARTS = {
    "meta": "MetaHP with the store",
    "meta-search": "nothing is stopped",
    "meta+asha": "ASHA stops",
    "meta+foresight": "stopped by what is to come: a bound",
    "random+meta": "proposals at random",
    "meta-undescribed": "tasks without descriptions",
    "meta-audit-0": "no audit",
    "meta-at-once": "suggested only where there is room",
    "meta-at-once+pause": "that, with freeze-thaw",
}
PASTS = {
    "other-family": "another family's history",
    "starter": "no history, what ships",
    "none": "no history, the prior alone",
}
OVERLAP = "meta-overlap"


def run_ablations(tasks: str, seeds: int, out: Path, *, jobs: int = 1, trainings: float = 4.0) -> str:
    """Runs what has no file yet; writes ``ablations.md`` and ``.csv``.

    Args:
        tasks: of one family, a selection as for `benchmarks.tasks.load_tasks`.
        seeds: repetitions.
        out: directory of the results.
        jobs: processes.
        trainings: budget of a sweep in full trainings.

    Returns:
        the table as Markdown.

    Raises:
        ValueError: there is no such task, or they are of several families.
        TaskDataMissingError: the data of the tasks are not beside the project.
    """
    chosen = {task.family for task in load_tasks(tasks)}
    if len(chosen) != 1:
        raise ValueError(f"ablations are of one family at a time, got {', '.join(sorted(chosen)) or 'none'}")
    family = chosen.pop()
    cells = out / "ablations" / family
    for history, methods in {"other-tasks": [*PARTS], **{past: ["meta"] for past in PASTS}}.items():
        run_replay(tasks, methods, history, seeds, cells, jobs=jobs, trainings=trainings)
    if family == "lcbench":
        run_overlap(tasks, seeds, cells)
    study = next(study for study in studies(list(read_outcomes(cells))) if study.tasks)
    rows = ablation_table(study)
    facts = line_about(own.facts for label in study.labels for own in study.of(label))
    about = f"{len(study.tasks)} tasks × {study.seeds} seeds, {study.workers} workers; differences with 95 % intervals."
    text = f"## Ablations\n\n{about}\n\n{markdown(rows)}\n\n{facts}"
    (out / "ablations.md").write_text(text + "\n", encoding="utf-8")
    write_csv(out / "ablations.csv", rows)
    return text


def ablation_table(study: Study) -> Rows:
    """A line for each variant, in the order of the parts."""
    named = {f"{method} (other-tasks)": words for method, words in PARTS.items()}
    named |= {f"{OVERLAP} (other-tasks)": "spaces that only overlap"}
    named |= {"meta" if past == "none" else f"meta ({past})": words for past, words in PASTS.items()}
    budgets = [budget for budget in BUDGETS if budget <= study.trainings]
    rows: Rows = [
        ["variant", *(f"regret @{budget:g}" for budget in budgets), "difference at the end", "stopped falsely"]
    ]
    for label, words in ((label, words) for label, words in named.items() if label in study.labels):
        whole = AT_ONCE if "pause" in label else WHOLE
        gap = study.regrets(label, budgets[-1]) - study.regrets(whole, budgets[-1])
        outcomes = study.of(label)
        false, stopped = sum(own.false_stops for own in outcomes), sum(own.stopped for own in outcomes)
        regrets = (with_error(study.regrets(label, budget).mean(axis=1)) for budget in budgets)
        rows.append([words, *regrets, "" if label == whole else with_interval(gap), f"{false} of {stopped}"])
    return rows
