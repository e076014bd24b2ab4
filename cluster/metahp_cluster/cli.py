"""The command ``metahp``.

Exit codes: 0 the sweep is over · 1 a submitted sweep failed there, or a mistake of MetaHP's own · 2 something given is
wrong, or the sweep was halted because it could not come to anything · 3 its hours are used up, it can be resumed ·
4 a store has lost rows · 130 Ctrl-C · 143 SIGTERM.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import metahp
from metahp.errors import MetaHPError
from metahp_cluster import (
    audit_cli,
    bench_cli,
    import_cli,
    jobs_cli,
    model_cli,
    plan_cli,
    recommend_cli,
    report_cli,
    store_cli,
    ui_cli,
    why_cli,
)
from metahp_cluster.as_json import AsJson, print_json
from metahp_cluster.machine import Logical
from metahp_cluster.results import SweepResult, facts
from metahp_cluster.run import run as run_sweep
from metahp_cluster.spec import load_sweep
from metahp_cluster.views import config_text, searched_part

WRONG_INPUT = 2
TIME_IS_UP = 3

_RUN, _ASK, _KEEP = "Run sweeps", "Ask what sweeps have shown", "Look after what is known"
_ORDER = (
    *("run", "submit", "resume", "list", "status", "logs", "stop"),
    *("recommend", "plan", "advise", "why", "audit", "report", "ui"),
    *("store", "import", "model", "learn", "bench"),
)


class _InOrder(TyperGroup):
    """Lists the commands in the order in which one needs them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, `_ORDER` first."""
        known = super().list_commands(ctx)
        return [*(name for name in _ORDER if name in known), *(name for name in known if name not in _ORDER)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command, whose switches do not say that they are Booleans."""
        found = super().get_command(ctx, cmd_name)
        for command in (found, *getattr(found, "commands", {}).values()) if found is not None else ():
            for switch in (each for each in command.params if getattr(each, "is_flag", False)):
                switch.metavar = switch.metavar or ""
        return found


app = typer.Typer(
    name="metahp",
    cls=_InOrder,
    help="Hyperparameter sweeps that get better with every sweep you run.",
    epilog="First steps: metahp plan sweep.yaml, metahp run sweep.yaml, metahp report",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for _group, _name in ((store_cli.app, "store"), (import_cli.app, "import"), (model_cli.app, "model")):
    app.add_typer(_group, name=_name, rich_help_panel=_KEEP)
for _command in (jobs_cli.submit, jobs_cli.resume, jobs_cli.status, jobs_cli.logs, jobs_cli.stop):
    app.command(rich_help_panel=_RUN)(_command)
app.command("list", rich_help_panel=_RUN)(jobs_cli.list_jobs)
for _asked in (recommend_cli.recommend, plan_cli.plan, plan_cli.advise, why_cli.why, audit_cli.audit):
    app.command(rich_help_panel=_ASK)(_asked)
for _shown in (report_cli.report, ui_cli.ui):
    app.command(rich_help_panel=_ASK)(_shown)
app.command(rich_help_panel=_KEEP)(model_cli.learn)
app.command(rich_help_panel=_KEEP, context_settings=bench_cli.PASSED_ON)(bench_cli.bench)


def _version(value: bool) -> None:
    if value:
        print(f"metahp {metahp.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False,
) -> None:
    """Options of all commands."""


@app.command(rich_help_panel=_RUN)
def run(
    sweep_file: Annotated[Path, typer.Argument(help="The sweep, in YAML.", metavar="SWEEP.YAML")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest sweep of this name.")] = False,
    sweep_id: Annotated[str | None, typer.Option(help="Go on with this sweep.", metavar="ID")] = None,
    store: Annotated[str | None, typer.Option(help="In place of the file's.", metavar="STORE")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder of log and report, in place of the file's.", metavar="FOLDER")
    ] = None,
    cpus: Annotated[
        int | None, typer.Option(min=1, help="As if this machine had so many cores, to try it.", metavar="N")
    ] = None,
    gpus: Annotated[int | None, typer.Option(min=0, help="As if it had so many GPUs, to try it.", metavar="N")] = None,
    as_json: AsJson = False,
) -> None:
    """Run a sweep, or go on with one that was interrupted.

    Example: metahp run sweep.yaml

    Exit codes: 0 all trials are over, 2 something given is wrong, 3 the hours are used up, 130 Ctrl-C, 143 SIGTERM.
    """
    given = {key: value for key, value in (("store", store), ("output", output)) if value is not None}
    sweep = load_sweep(sweep_file).model_copy(update=given)
    watch = None if as_json else sys.stdout
    result = run_sweep(sweep, resume=sweep_id or resume, watch=watch, logical=Logical(cpus, gpus))
    print_json(_data(result)) if as_json else _print_result(result, sweep_file)
    raise typer.Exit(exit_code(result))


def exit_code(result: SweepResult) -> int:
    """What the shell is told."""
    if result.signal_number is not None:
        return 128 + result.signal_number
    if result.is_complete:
        return 0
    return TIME_IS_UP if result.time_is_up else WRONG_INPUT


def main() -> None:
    """The console command: what went wrong is one sentence, not a traceback."""
    try:
        app()
    except MetaHPError as problem:
        print(f"metahp: {problem}", file=sys.stderr)
        raise SystemExit(WRONG_INPUT) from None
    except OSError as problem:
        if "--install-completion" not in sys.argv:
            raise
        print(
            f"metahp: completion cannot be installed in your home: {problem.strerror or problem}; "
            "metahp --show-completion prints what belongs into your shell's start-up file",
            file=sys.stderr,
        )
        raise SystemExit(WRONG_INPUT) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _data(result: SweepResult) -> dict[str, Any]:
    """What it came to, for programs."""
    return {
        "sweep_id": result.sweep_id,
        "store": result.store,
        "report": result.report,
        "best_value": result.best_value,
        "best_config": result.best_config,
        "trials": {str(status): count for status, count in result.counts.items()},
        "trials_wanted": result.trials_wanted,
        "epochs_used": result.epochs_used,
        "epochs_saved": result.epochs_saved,
        "is_complete": result.is_complete,
        "halted": result.halted,
    }


def _print_result(result: SweepResult, sweep_file: Path) -> None:
    for name, value in facts(result):
        print(f"{name}: {value}")
    if result.best_config is not None:
        print(f"best configuration: {config_text(searched_part(result.best_config, result.history.sweep.space))}")
    print(f"report: {result.report}")
    if not result.is_complete:
        command = shlex.join(["metahp", "run", str(sweep_file), "--sweep-id", result.sweep_id])
        print(f"{result.ended} of {result.trials_wanted} trials are over, everything is kept; go on by: {command}")
