"""``python -m benchmarks``: see ``--help``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

# Before Ray or TensorFlow are imported below: no reports home, no banners.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import typer

from benchmarks.ablations import run_ablations
from benchmarks.calibration import run_calibration
from benchmarks.certify import run_certify
from benchmarks.forecasts import run_forecasts
from benchmarks.history import HISTORIES
from benchmarks.idle import run_idle
from benchmarks.life import LIVES, run_lives
from benchmarks.methods.registry import METHODS
from benchmarks.overhead import run_overhead
from benchmarks.processes import quiet
from benchmarks.provenance import about_this_run
from benchmarks.publish import publish_results
from benchmarks.real import run_real
from benchmarks.real_life import run_real_lives
from benchmarks.replay import run_replay
from benchmarks.report import write_report
from benchmarks.scale import run_scale
from benchmarks.second_sweep import run_second_sweep
from benchmarks.shapes import run_shapes
from benchmarks.tasks import TaskDataMissingError, families
from benchmarks.turnover import run_turnover

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The same work for MetaHP and for its peers.")

Out = Annotated[Path, typer.Option(help="Directory of the results; what is there is not run again.")]


@app.command()
def replay(
    tasks: Annotated[str, typer.Option(help="Families or single tasks, separated by commas.")] = "lcbench",
    methods: Annotated[str, typer.Option(help="Names, separated by commas; see `list`.")] = "meta,asha,random,tpe",
    history: Annotated[str, typer.Option(help="none, other-tasks, other-family or starter.")] = "other-tasks",
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions of every task and method.")] = 5,
    out: Out = Path("results"),
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
    workers: Annotated[int, typer.Option(min=1, help="Simulated workers.")] = 4,
    trainings: Annotated[float, typer.Option(min=0.1, help="Budget in full trainings' worth of steps.")] = 4.0,
    again: Annotated[bool, typer.Option("--again", help="Run also what is there.")] = False,
) -> None:
    """The main table: tasks × methods × seeds on simulated workers."""
    names = methods.split(",")
    try:
        run_replay(tasks, names, history, seeds, out, jobs=jobs, workers=workers, trainings=trainings, again=again)
    except (ValueError, TaskDataMissingError) as problem:
        raise typer.BadParameter(str(problem)) from problem
    report(out)


@app.command()
def report(out: Out = Path("results")) -> None:
    """Tables and pictures from the files of earlier replays."""
    try:
        texts = write_report(out)
    except FileNotFoundError as problem:
        raise typer.BadParameter(str(problem)) from problem
    typer.echo("\n\n".join(texts))


@app.command()
def publish(out: Out = Path("results")) -> None:
    """Puts the newest tables and pictures into `benchmarks/README.md`."""
    typer.echo("\n".join(publish_results(out)) or f"{out} holds nothing that the README shows")


@app.command("second-sweep")
def second_sweep(
    tasks: Annotated[str, typer.Option(help="Families, separated by commas.")] = "synthetic-plain,synthetic-crossing",
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions of every pair of tasks.")] = 5,
    pairs: Annotated[int, typer.Option(min=1, help="At most so many pairs of a family.")] = 3,
    trainings: Annotated[float, typer.Option(min=0.1, help="Budget of a sweep in full trainings.")] = 4.0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
    out: Out = Path("results"),
) -> None:
    """Does the second sweep on a related task start ahead of a first one?"""
    try:
        typer.echo(run_second_sweep(tasks, seeds, out, pairs=pairs, trainings=trainings, jobs=jobs))
    except (ValueError, TaskDataMissingError) as problem:
        raise typer.BadParameter(str(problem)) from problem


@app.command()
def ablations(
    tasks: Annotated[str, typer.Option(help="A family or single tasks, separated by commas.")] = "lcbench",
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions of every task and variant.")] = 1,
    trainings: Annotated[float, typer.Option(min=0.5, help="Budget of a sweep in full trainings.")] = 4.0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
    out: Out = Path("results"),
) -> None:
    """What does each part of MetaHP contribute?"""
    try:
        typer.echo(run_ablations(tasks, seeds, out, jobs=jobs, trainings=trainings))
    except (ValueError, TaskDataMissingError) as problem:
        raise typer.BadParameter(str(problem)) from problem


@app.command()
def life(
    tasks: Annotated[str, typer.Option(help="Families or single tasks, separated by commas.")] = "lcbench",
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions, each in an order of its own.")] = 4,
    methods: Annotated[str, typer.Option(help="Names, separated by commas.")] = ",".join(LIVES),
    sweeps: Annotated[int | None, typer.Option(min=2, help="Of each life; all tasks by default.")] = None,
    name: Annotated[str, typer.Option(help="Of the files that are written.")] = "life",
    trainings: Annotated[float, typer.Option(min=1.0, help="Budget of a sweep in full trainings.")] = 4.0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
    out: Out = Path("results"),
) -> None:
    """Does a team's twentieth sweep start better than its first one?"""
    try:
        chosen = methods.split(",")
        typer.echo(
            run_lives(tasks, seeds, out, methods=chosen, name=name, sweeps=sweeps, trainings=trainings, jobs=jobs)
        )
    except (ValueError, TaskDataMissingError) as problem:
        raise typer.BadParameter(str(problem)) from problem


@app.command()
def calibration(
    tasks: Annotated[str, typer.Option(help="Families or single tasks, separated by commas.")] = "lcbench",
    history: Annotated[str, typer.Option(help="none, other-tasks, other-family or starter.")] = "other-tasks",
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
    out: Out = Path("results"),
) -> None:
    """Are the predictions of a trial's last score honest?"""
    try:
        typer.echo(run_calibration(tasks, history, out, jobs=jobs))
    except (ValueError, TaskDataMissingError) as problem:
        raise typer.BadParameter(str(problem)) from problem


@app.command()
def forecasts(
    tasks: Annotated[
        str, typer.Option(help="Families or single tasks, separated by commas.")
    ] = "keras,synthetic-plain,synthetic-crossing",
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
    out: Out = Path("results"),
) -> None:
    """Does the band that a running sweep shows hold how it ends?"""
    try:
        typer.echo(run_forecasts(tasks, out, jobs=jobs))
    except (ValueError, TaskDataMissingError) as problem:
        raise typer.BadParameter(str(problem)) from problem


@app.command()
def certify(
    tasks: Annotated[
        str, typer.Option(help="Families or single tasks, separated by commas.")
    ] = "lcbench,taskset,keras,synthetic",
    seeds: Annotated[int, typer.Option(min=1, help="Sweeps of each task.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
    out: Out = Path("results"),
    ship: Annotated[bool, typer.Option("--ship", help="Put the losses into metahp/shipped as evidence.")] = False,
) -> None:
    """Does a certified threshold keep its word, and what does it cost?"""
    try:
        typer.echo(run_certify(tasks, seeds, out, jobs=jobs, ship=ship))
    except (ValueError, TaskDataMissingError) as problem:
        raise typer.BadParameter(str(problem)) from problem


@app.command()
def overhead(
    methods: Annotated[str, typer.Option(help="Names, separated by commas.")] = "random,asha,tpe,meta",
    results: Annotated[int, typer.Option(min=1, help="Results of a sweep.")] = 1000,
    history: Annotated[str, typer.Option(help="none, other-tasks, other-family or starter.")] = "other-tasks",
    out: Out = Path("results"),
) -> None:
    """How long does a method think, per suggestion and per result?"""
    try:
        typer.echo(run_overhead(methods.split(","), out, results=results, history=history))
    except ValueError as problem:
        raise typer.BadParameter(str(problem)) from problem


@app.command()
def real(
    methods: Annotated[str, typer.Option(help="Names, separated by commas.")] = "random,asha,meta",
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions of every task and method.")] = 3,
    seconds: Annotated[float, typer.Option(min=1.0, help="Of a sweep, from its first result on.")] = 20.0,
    out: Out = Path("results"),
) -> None:
    """Small networks that are really trained, on a local Ray: equal seconds for every method."""
    try:
        typer.echo(run_real(methods.split(","), seeds, out, seconds=seconds))
    except ValueError as problem:
        raise typer.BadParameter(str(problem)) from problem


@app.command("real-life")
def real_life(
    seeds: Annotated[int, typer.Option(min=1, help="Orders of the tasks.")] = 3,
    seconds: Annotated[float, typer.Option(min=1.0, help="Of a sweep, from its first result on.")] = 8.0,
    out: Out = Path("results"),
) -> None:
    """Sweep after sweep of small networks that are really trained: do later ones start better?"""
    typer.echo(run_real_lives(seeds, out, seconds=seconds))


@app.command()
def shapes(
    tasks: Annotated[str, typer.Option(help="Families or single tasks, separated by commas.")] = "lcbench,taskset",
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions of every task.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
    out: Out = Path("results"),
) -> None:
    """Is it never worse than ASHA, however many trials and epochs a sweep has?"""
    try:
        typer.echo(run_shapes(tasks, out, seeds=seeds, jobs=jobs))
    except (ValueError, TaskDataMissingError) as problem:
        raise typer.BadParameter(str(problem)) from problem


@app.command()
def idle(out: Out = Path("results")) -> None:
    """For what share of a sweep do the workers wait?"""
    typer.echo(run_idle(out))


@app.command()
def turnover(
    methods: Annotated[str, typer.Option(help="Names, separated by commas.")] = "random,meta",
    out: Out = Path("results"),
) -> None:
    """How long does a worker of a real Ray wait for its next trial?"""
    try:
        typer.echo(run_turnover(methods.split(","), out))
    except ValueError as problem:
        raise typer.BadParameter(str(problem)) from problem


@app.command()
def scale(
    trials: Annotated[int, typer.Option(min=20, help="Of the sweep.")] = 10_000,
    out: Out = Path("results"),
) -> None:
    """Does the ten-thousandth trial cost the driver more than the thousandth?"""
    typer.echo(run_scale(trials, out))


@app.command("record-keras")
def record_keras(
    configs: Annotated[int, typer.Option(min=1, help="Configurations of each task.")] = 48,
    tasks: Annotated[str, typer.Option(help="Data sets, separated by commas; all if empty.")] = "",
    out: Out = Path("results"),
) -> None:
    """Trains the small Keras models whose curves ship with MetaHP again (up to an hour)."""
    from benchmarks.keras_tasks.data import DATA_SETS
    from benchmarks.keras_tasks.record import record

    names = tuple(tasks.split(",")) if tasks else tuple(DATA_SETS)
    if unknown := set(names) - set(DATA_SETS):
        raise typer.BadParameter(f"no data set is called {', '.join(unknown)}; there are {', '.join(DATA_SETS)}")
    for name in record(out, configs=configs, names=names, facts=about_this_run()):
        typer.echo(name)


@app.command("list")
def list_names() -> None:
    """The families of tasks, the methods and the histories."""
    typer.echo("families   " + ", ".join(families()))
    typer.echo("histories  " + ", ".join(HISTORIES))
    for name, method in METHODS.items():
        typer.echo(f"{name:<16} {method.about}")


def main() -> None:
    """Runs the command line."""
    quiet()
    app()


if __name__ == "__main__":
    main()
