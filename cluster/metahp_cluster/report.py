"""One HTML file about a sweep that needs nothing else, not even a network."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

import plotly.graph_objects as go
import plotly.io

from metahp.types import Trial, TrialStatus
from metahp_cluster.results import SweepResult

_COLOURS = {
    TrialStatus.COMPLETED: "#3b7dd8",
    TrialStatus.STOPPED: "#b9b9b9",
    TrialStatus.ERRORED: "#d2453b",
}
_OTHER = "#e0a526"
_BEST = "#1a9850"

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
</style>
</head>
<body>
<h1>{title}</h1>
<p class="id">{sweep_id}</p>
<dl>{facts}</dl>
<h2>Best configuration</h2>
<pre>{best}</pre>
<h2>Learning curves</h2>
{curves}
<h2>Trials</h2>
<table><thead><tr><th>trial</th><th>status</th><th>epochs</th><th>best {metric}</th><th>configuration</th></tr></thead>
<tbody>{rows}</tbody></table>
</body>
</html>
"""


def write_report(result: SweepResult) -> Path:
    """Write ``report.html`` into the folder of a sweep, in place of an older one.

    Returns:
        where it is.
    """
    temporary = result.report.with_suffix(".tmp")
    temporary.write_text(render(result), encoding="utf-8")
    temporary.replace(result.report)
    return result.report


def render(result: SweepResult) -> str:
    """The page, with the code that draws it inside."""
    sweep = result.history.sweep
    return _PAGE.format(
        title=escape(sweep.name or "sweep"),
        sweep_id=escape(sweep.sweep_id),
        facts="".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts(result)),
        best=escape(_pretty(result.best_config)),
        curves=plotly.io.to_html(_curves(result), include_plotlyjs=True, full_html=False),
        metric=escape(sweep.metric),
        rows="".join(_row(trial, result) for trial in _best_first(result)),
    )


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
        ("store", str(result.store)),
    ]
    if result.halted:
        found.insert(0, ("ended early", result.halted))
    return found


def _curves(result: SweepResult) -> go.Figure:
    figure = go.Figure()
    best, named = result.history.incumbent(), set()
    for trial in result.history.trials:
        label = "best" if trial is best else str(trial.status)
        figure.add_scatter(
            x=trial.curve.steps.tolist(),
            y=trial.curve.values.tolist(),
            mode="lines+markers" if len(trial.curve) < 2 else "lines",
            name=label,
            legendgroup=label,
            showlegend=label not in named,
            line={
                "color": _BEST if trial is best else _COLOURS.get(trial.status, _OTHER),
                "width": 3 if trial is best else 1,
            },
            hovertext=escape(_pretty(trial.config)).replace("\n", "<br>"),
            zorder=1 if trial is best else 0,
        )
        named.add(label)
    figure.update_layout(
        template="plotly_white",
        xaxis_title="epoch",
        yaxis_title=escape(result.history.sweep.metric),
        margin={"t": 20, "l": 60, "r": 20, "b": 50},
        height=480,
    )
    return figure


def _best_first(result: SweepResult) -> list[Trial]:
    mode = result.history.sweep.mode
    return sorted(
        result.history.trials,
        key=lambda t: -mode.sign * value if (value := t.curve.best(mode)) is not None else float("inf"),
    )


def _row(trial: Trial, result: SweepResult) -> str:
    best = trial.curve.best(result.history.sweep.mode)
    cells = (trial.trial_id, str(trial.status), str(trial.curve.last_step), "" if best is None else f"{best:.6g}")
    text = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f'<tr>{text}<td class="config">{escape(json.dumps(trial.config, default=str))}</td></tr>'


def _pretty(config: object) -> str:
    return json.dumps(config, indent=2, default=str) if config is not None else "none yet"
