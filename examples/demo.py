"""Two sweeps of a small Keras network on handwritten digits: the second starts from what the first one taught.

Run by ``make demo``, or ``python -m examples.demo``; takes a few minutes on two cores and writes to ``demo-output/``.
For comparison the second task is also swept by a MetaHP that has seen nothing. One run is an illustration, not a
proof: where the same question is answered over many seeds, see ``benchmarks/``.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from metahp.store import Store
from metahp.types import Mode
from metahp_cluster import Sweep, SweepResult, load_sweep, run
from metahp_cluster.views import config_text, searched_part

DIGITS = Path(__file__).parent / "digits"
OUTPUT = Path("demo-output")
MARKS = (5, 10, 20, 30, 45, 60, 80)  # epochs, summed over trials


def main() -> int:
    """Run the sweeps, then compare them."""
    began = time.monotonic()
    console = Console(highlight=False)
    folder = OUTPUT / datetime.now().strftime("%Y%m%d-%H%M%S")
    results = []
    for title, sweep in sweeps(folder):
        console.rule(title, align="left")
        results.append(run(sweep, watch=sys.stdout))
        if results[-1].signal_number is not None:
            console.print("interrupted; what was reported until here is in the store")
            return 128 + results[-1].signal_number
        console.print()
    console.print(comparison(results))
    for result in results[:2]:
        console.print(told(result), soft_wrap=True)
    console.print(f"\ntook {time.monotonic() - began:.0f} s; the store is in {results[0].store}", soft_wrap=True)
    return 0


def sweeps(folder: Path) -> list[tuple[str, Sweep]]:
    """What is run, in this order; each demo begins with an empty store."""
    here = {"store": str(folder / "store"), "output": folder}
    first = load_sweep(DIGITS / "sweep.yaml").model_copy(update=here)
    related = load_sweep(DIGITS / "related.yaml")
    second = related.model_copy(update=here)
    alone = related.model_copy(update={**here, "store": str(folder / "store-without-history"), "name": "no history"})
    return [
        ("1. digits 0-4: nothing is known yet", first),
        ("2. digits 5-9, fewer and noisier images: learning from sweep 1", second),
        ("3. the same as 2 without any history, for comparison", alone),
    ]


def comparison(results: Sequence[SweepResult]) -> Table:
    """Best value so far of each sweep after the same number of epochs."""
    table = Table(title="Best val_accuracy after so many epochs of training, all trials together")
    table.add_column("epochs", justify="right")
    for title in ("1. digits 0-4", "2. with history", "3. without"):
        table.add_column(title, justify="right")
    paths = [best_so_far(result) for result in results]
    longest = max(map(len, paths))
    for mark in [*(mark for mark in MARKS if mark < longest), longest]:
        reached = [f"{path[mark - 1]:.3f}" if mark <= len(path) else "" for path in paths]
        table.add_row(str(mark), *reached)
    return table


def best_so_far(result: SweepResult) -> list[float]:
    """The best value after the first epoch that any trial trained, after the second, …, in the order of reporting."""
    mine = pc.field("sweep_id") == result.sweep_id
    better = max if result.history.sweep.mode is Mode.MAX else min
    path: list[float] = []
    for batch in Store(result.store).scan("results", ["objective"], mine):
        for value in batch.column("objective").to_pylist():
            known = [v for v in (*path[-1:], value) if v is not None and math.isfinite(v)]
            path.append(better(known, default=math.nan))
    return path


def told(result: SweepResult) -> str:
    """What a sweep found, and what it cost."""
    sweep, full = result.history.sweep, result.epochs_used + result.epochs_saved
    config = config_text(searched_part(result.best_config or {}, sweep.space))
    return (
        f"\n{sweep.name}: {sweep.metric} {result.best_value:.4f} by {config}\n"
        f"  {result.epochs_used} epochs trained, {result.epochs_saved} of {full} saved by pruning\n"
        f"  report: {result.report}"
    )


if __name__ == "__main__":
    sys.exit(main())
