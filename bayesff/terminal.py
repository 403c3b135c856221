"""What a person sees in the terminal: progress, tables and results."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from bayesff import quantities

if TYPE_CHECKING:
    from bayesff.datasets import DataSet
    from bayesff.reporting import Run

_STAGES = {"mode": "finding the mode", "report": "writing the report"}
_LINES = box.Box("    \n    \n ── \n    \n    \n    \n    \n    \n")


def console(stderr: bool = False) -> Console:
    """Return where results go, or where progress goes; neither interprets the words that it shows."""
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def table(*columns: str, right: Iterable[str] = (), fold: str = "") -> Table:
    """Return an empty table; columns in ``right`` hold numbers, and only the column ``fold`` is broken into lines."""
    made = Table(box=_LINES, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", no_wrap=name != fold, overflow="fold")
    return made


class ProgressDisplay:
    """How far each candidate is: bars on a terminal, a line a step elsewhere.

    Parameters
    ----------
    where
        The console to write to.
    """

    def __init__(self, where: Console) -> None:
        self._console = where
        self._started = time.monotonic()
        self._bars: Progress | None = None
        self._tasks: dict[str, Any] = {}
        self._shown: dict[str, tuple[str, int]] = {}

    def __enter__(self) -> "ProgressDisplay":
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(20), _Share(), TimeElapsedColumn())
            self._bars = Progress(*columns, console=self._console)
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def show(self, candidate: str, stage: str, done: int, total: int) -> None:
        """Show how far a stage of a candidate (or of the whole run, without a name) is."""
        words = _STAGES.get(stage, stage)
        if self._bars is None:
            self._say(candidate, words, done, total)
            return
        row = candidate or stage
        text = f"{candidate:<15} {words:<17}" if candidate else f"{words:<33}"
        if row not in self._tasks:
            self._tasks[row] = self._bars.add_task(text, total=None)
        task = self._bars.tasks[self._tasks[row]]
        # Nothing is done while a stage is being compiled: without a total the bar moves to and fro.
        task.description, task.completed, task.total = text, done, total if done else None
        task.finished_time = task.elapsed if done == total else None

    def _say(self, candidate: str, words: str, done: int, total: int) -> None:
        """Say when a stage begins, and the first three quarters of a long one."""
        quarter = min(4 * done // total, 3) if total >= 10 else 0
        if self._shown.get(candidate) == (words, quarter):
            return
        self._shown[candidate] = (words, quarter)
        share = f" {25 * quarter} %" if quarter else ""
        name = f"{candidate}: " if candidate else ""
        self._console.print(f"{time.monotonic() - self._started:6.0f} s  {name}{words}{share}", soft_wrap=True)


class _Share(ProgressColumn):
    """The share that is done, where it is known."""

    def render(self, task: Task) -> Text:
        return Text("    " if task.total is None else f"{task.percentage:3.0f}%")


def show_results(where: Console, run: "Run", quick: bool) -> None:
    """Show the verdict first, then what the data say, then the potential's parameters of every candidate."""
    from bayesff.reporting.wording import candidate_text

    where.print()
    if run.converged:
        where.print("Converged.", style="bold green")
    else:
        where.print("NOT CONVERGED: do not rely on these results, take more draws or warm-up steps.", style="bold red")
        for reason in run.verdict.reasons:
            where.print(Padding(reason, (0, 0, 0, 2)))
    if quick:
        where.print("This was a quick run: leave out --quick for the study's own number of draws.")
    for sentence in run.verdict.summary:
        where.print(sentence)
    numbers = ("mean ± sd", "90 % interval", "R-hat", "ESS")
    made = table("parameter", "unit", *numbers, right=numbers, fold="parameter")
    for name, rows in run.parameters.items():
        made.add_row(candidate_text(name))
        for row in rows:
            if row.kind == "potential":
                made.add_row(f"  {row.name}", row.unit, row.value, row.span, row.rhat, row.ess)
    where.print()
    where.print(made)
    where.print()


def show_data_set(where: Console, data: "DataSet", folder: Path, num_rows: int) -> None:
    """Show what a data set is, the range of each column, and its first rows."""
    environment, source = data.environment, data.source
    ranges = [f"{name} {_range(low, high)} {_unit(name)}".rstrip() for name, (low, high) in environment.ranges.items()]
    treatment = [f"{name} {value}" for name, value in environment.treatment.items()]
    facts = {
        "data set": data.name,
        "measured": f"{data.quantity.label} [{data.unit or '1'}] of {data.substance}, {data.num_data} data",
        "environment": "; ".join([f"{environment.label} ({environment.medium})", *ranges, *treatment]),
        "uncertainty": data.uncertainty_meaning + ("" if data.covariance is None else " Correlated: covariance.csv."),
        "source": source.citation,
        "doi": source.doi,
        "licence": source.licence,
        "note": source.note,
        "folder": str(folder),
    }
    about = Table.grid(padding=(0, 2))
    about.add_column(no_wrap=True)
    about.add_column(overflow="fold")
    for name, text in facts.items():
        if text:
            about.add_row(name, " ".join(text.split()))
    where.print(about)
    where.print()
    where.print(_column_table(data))
    if num_rows:
        where.print()
        where.print(_row_table(data, num_rows))
        if num_rows < data.num_data:
            where.print(f"{data.num_data - num_rows} more rows: --rows {data.num_data}")


def _columns(data: "DataSet") -> dict[str, np.ndarray]:
    return {**data.state, data.observable: data.values, "uncertainty": data.standard_deviation}


def _column_table(data: "DataSet") -> Table:
    made = table("column", "unit", "range", fold="range")
    for name, column in _columns(data).items():
        unit = data.unit if name in (data.observable, "uncertainty") else _unit(name)
        made.add_row(name, unit, f"{column.min():.6g} to {column.max():.6g}")
    for name, labels in data.groups.items():
        kinds = np.unique(labels)
        made.add_row(name, "", f"{len(kinds)} labels" if len(kinds) > 4 else ", ".join(kinds.tolist()))
    return made


def _row_table(data: "DataSet", num_rows: int) -> Table:
    columns, labels = _columns(data), ", ".join(data.groups)
    made = table(*columns, *([labels] if labels else []), right=columns, fold=labels)
    shown = [_aligned(column[:num_rows]) for column in columns.values()]
    for index in range(min(num_rows, data.num_data)):
        words = ", ".join(str(column[index]) for column in data.groups.values())
        made.add_row(*(column[index] for column in shown), *([words] if labels else []))
    return made


def _aligned(column: np.ndarray) -> list[str]:
    """Return numbers to six digits at most, with the same number of decimals."""
    texts = [f"{value:.6g}" for value in column]
    if any("e" in text for text in texts):
        return texts
    decimals = max(len(text.partition(".")[2]) for text in texts)
    return [f"{value:.{decimals}f}" for value in column]


def _unit(name: str) -> str:
    return quantities.get(name).unit


def _range(low: float, high: float) -> str:
    return (
        f"{low:g} to {high:g}" if np.isfinite([low, high]).all() else f"from {low:g}" if np.isfinite(low) else f"up to {high:g}"
    )
