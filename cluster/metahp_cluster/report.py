"""One HTML file about a sweep that needs nothing else, not even a network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import plotly.graph_objects as go
import plotly.io

from metahp.audit import Audit, audit
from metahp.importance import importances
from metahp.store import Store
from metahp.types import SweepHistory, Trial, TrialStatus
from metahp_cluster import figures
from metahp_cluster.audit_cli import told
from metahp_cluster.results import SweepResult

MOST_ROWS = 1000

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #222; }}
  h1 {{ margin-bottom: 0; }}
  .id {{ color: #666; font-family: monospace; }}
  dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem; }}
  dt {{ color: #666; }}
  dd {{ margin: 0; }}
  pre {{ background: #f4f4f4; padding: 1rem; overflow-x: auto; }}
  table {{ border-collapse: collapse; width: 100%; }}
  th, td {{ text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #ddd; vertical-align: top; }}
  td.config {{ font-family: monospace; font-size: .85em; }}
  p.note {{ color: #666; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p class="id">{sweep_id}</p>
<dl>{facts}</dl>
<h2>Best configuration</h2>
<pre>{best}</pre>
{sections}
<h2>Trials</h2>
<table><thead><tr><th>trial</th><th>status</th><th>epochs</th><th>best {metric}</th><th>configuration</th></tr></thead>
<tbody>{rows}</tbody></table>
{omitted}
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Context:
    """What a store knows beside a sweep.

    Attributes:
        others: its other sweeps with the same metric, in the order of their beginning.
        audit: whether it was right to stop the sweep's trials.
    """

    others: Sequence[SweepHistory] = ()
    audit: Audit = field(default_factory=Audit)


def context(store: Store, history: SweepHistory) -> Context:
    """What the store knows beside this sweep."""
    own = history.sweep
    found = [sweep for sweep in store.sweeps() if sweep.sweep_id != own.sweep_id]
    others = [store.history(s.sweep_id) for s in found if (s.metric, s.mode) == (own.metric, own.mode)]
    return Context(others, audit(history, store.decisions(own.sweep_id)))


def write_report(path: Path, result: SweepResult, beside: Context) -> None:
    """Write the page, in place of an older one.

    Args:
        path: where to.
        result: the sweep.
        beside: what its store knows beside it.

    Raises:
        OSError: it cannot be written there.
    """
    temporary = path.with_suffix(".tmp")
    temporary.write_text(render(result, beside), encoding="utf-8")
    temporary.replace(path)


def render(result: SweepResult, beside: Context | None = None) -> str:
    """The page, with the code that draws it inside."""
    sweep, trials = result.history.sweep, figures.best_first(result.history)
    return _PAGE.format(
        title=escape(sweep.name or "sweep"),
        sweep_id=escape(sweep.sweep_id),
        facts="".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts(result)),
        best=escape(_as_code(result)),
        sections=_sections(result, beside or Context()),
        metric=escape(sweep.metric),
        rows="".join(_row(trial, result) for trial in trials[:MOST_ROWS]),
        omitted=_note(f"and {len(trials) - MOST_ROWS} more, not as good") if len(trials) > MOST_ROWS else "",
    )


def _sections(result: SweepResult, beside: Context) -> str:
    """The pictures, each with what it is about."""
    history = result.history
    shares, coordinates = importances(history), figures.coordinates(history)
    told = [("Best so far", figures.progress(history)), ("Learning curves", figures.curves(history))]
    if coordinates is not None:
        told.append(("Hyperparameters of all trials", coordinates))
    if shares:
        told.append(("What mattered", figures.bars(shares)))
    code = [_section(title, figure, is_first=not place) for place, (title, figure) in enumerate(told)]
    if shares:
        rest = 1.0 - min(sum(each.share for each in shares), 1.0)
        code.append(_note(f"The other {rest:.0%} are hyperparameters together, and curves that were cut too early."))
    return "".join(code) + _pruned(beside.audit) + _compared(history, beside.others)


def _section(title: str, figure: go.Figure, *, is_first: bool) -> str:
    drawn = plotly.io.to_html(figure, include_plotlyjs=is_first, full_html=False, config={"displaylogo": False})
    return f"<h2>{escape(title)}</h2>\n{drawn}\n"


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def _pruned(found: Audit) -> str:
    """Whether it was right to stop trials, if any were to be stopped."""
    if not found.condemned:
        return ""
    return f"<h2>Was stopping right?</h2>{''.join(f'<p>{escape(line)}</p>' for line in told(found))}"


def _compared(history: SweepHistory, others: Sequence[SweepHistory]) -> str:
    """The best of the other sweeps of the store, with how much they have trained."""
    if not others:
        return ""
    rows = "".join(_sweep_row(each) for each in [history, *others])
    head = f"<tr><th>sweep</th><th>trials</th><th>epochs</th><th>best {escape(history.sweep.metric)}</th></tr>"
    return f"<h2>Sweeps of this store</h2><table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _sweep_row(history: SweepHistory) -> str:
    best = history.incumbent()
    value = None if best is None else best.curve.best(history.sweep.mode)
    epochs = sum(trial.curve.last_step for trial in history.trials)
    name = history.sweep.name or history.sweep.sweep_id
    return _cells(name, str(len(history.trials)), str(epochs), "" if value is None else f"{value:.6g}")


def facts(result: SweepResult) -> list[tuple[str, str]]:
    """What a sweep came to, in names and words."""
    sweep, counts = result.history.sweep, result.counts
    full = result.epochs_used + result.epochs_saved
    share = f" ({result.epochs_saved / full:.0%} of {full})" if full else ""
    best = "no finite value reported" if result.best_value is None else f"{result.best_value:.6g}"
    found = [
        (f"best {sweep.metric} ({sweep.mode})", best),
        ("trials", ", ".join(f"{counts[s]} {s}" for s in TrialStatus if counts[s]) or "none"),
        ("epochs trained", str(result.epochs_used)),
        ("epochs saved by pruning", f"{result.epochs_saved}{share}"),
        ("store", result.store),
    ]
    if result.halted:
        found.insert(0, ("ended early", result.halted))
    return found


def _row(trial: Trial, result: SweepResult) -> str:
    best = trial.curve.best(result.history.sweep.mode)
    value = "" if best is None else f"{best:.6g}"
    config = f'<td class="config">{escape(json.dumps(trial.config, default=str))}</td>'
    return _cells(trial.trial_id, str(trial.status), str(trial.curve.last_step), value, last=config)


def _cells(*texts: str, last: str = "") -> str:
    return f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in texts)}{last}</tr>"


def _as_code(result: SweepResult) -> str:
    """The best configuration, ready to be pasted into a script."""
    best = result.history.incumbent()
    if best is None:
        return "none yet"
    value = best.curve.best(result.history.sweep.mode)
    lines = [f"    {key!r}: {value!r}," for key, value in best.config.items()]
    told = f"# {result.history.sweep.metric} = {value:.6g} at best, within {best.curve.last_step} epochs"
    return "\n".join([told, "config = {", *lines, "}"])
