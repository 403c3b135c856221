"""What a person sees in the terminal: progress, tables and results."""

import math
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import xarray

_STAGES = {"mode": "finding the mode"}


def console(stderr: bool = False) -> Console:
    """Return where results go, or where progress goes; neither interprets the words that it shows."""
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False, soft_wrap=False)


def table(*columns: str, right: Iterable[str] = (), fold: str = "") -> Table:
    """Return an empty table; columns in ``right`` hold numbers, and only the column ``fold`` is broken into lines."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
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
        if row not in self._tasks:
            self._tasks[row] = self._bars.add_task("", total=None)
        text = f"{candidate:<15} {words:<17}" if candidate else f"{words:<33}"
        # Nothing is done while a stage is being compiled: the bar then moves to and fro.
        self._bars.update(self._tasks[row], description=text, completed=done, total=total if done else None)

    def _say(self, candidate: str, words: str, done: int, total: int) -> None:
        """Say when a stage begins, and every quarter of a long one."""
        quarter = 4 * done // total
        if self._shown.get(candidate) in ((words, quarter), (words, 4)) or (quarter and total < 10):
            return
        self._shown[candidate] = (words, quarter)
        share = f" {25 * quarter} %" if quarter else ""
        name = f"{candidate}: " if candidate else ""
        self._console.print(f"{time.monotonic() - self._started:6.0f} s  {name}{words}{share}", soft_wrap=True)


class _Share(ProgressColumn):
    """The share that is done, where it is known."""

    def render(self, task: Task) -> Text:
        return Text("    " if task.total is None else f"{task.percentage:3.0f}%")


def show_results(where: Console, trees: "Mapping[str, xarray.DataTree]", quick: bool) -> bool:
    """Show the verdict first, then the parameters of every candidate; return whether all have converged."""
    from bayesff import assessment

    failed = {name: _reasons(tree) for name, tree in trees.items() if not tree["diagnostics"]["converged"].item()}
    where.print()
    if failed:
        where.print("NOT CONVERGED: do not rely on these results. Run with more --draws or --warmup.", style="bold red")
        for name, reasons in failed.items():
            for reason in reasons:
                where.print(f"  {name}: {reason}", soft_wrap=True)
    else:
        where.print("Converged.", style="bold green")
    if quick:
        where.print("A quick run, for a first look: leave out --quick for the study's own number of draws.")
    for name, tree in trees.items():
        shape = tree["posterior"].sizes
        where.print(f"\n{name}: {shape['chain']} x {shape['draw']} draws" + (", NOT CONVERGED" if name in failed else ""))
        where.print(parameter_table(assessment.summarise(tree), assessment.parameter_names(tree)))
    where.print("\n90 %: between the 5th and the 95th percentile. ESS: effective draws, in bulk and tail.")
    return not failed


def _reasons(tree: "xarray.DataTree") -> list[str]:
    return str(tree["diagnostics"].attrs["reasons"]).split("; ")


def parameter_table(summary: "xarray.Dataset", parameters: list[str]) -> Table:
    """Return the potential's parameters, their values in the environments and their spreads between these as a table."""
    wanted = {f"{before}{name}{after}" for name in parameters for before, after in (("", ""), ("", "_environment"), ("tau_", ""))}
    numbers = ("mean", "sd", "5 %", "95 %", "R-hat", "ESS")
    made = table("parameter", "unit", *numbers, right=numbers)
    for scalar in summary["scalar"].to_numpy():
        row = summary.sel(scalar=scalar)
        if str(row["site"].item()) not in wanted:
            continue
        values = [float(row[key].item()) for key in ("mean", "sd", "q05", "q95")]
        sizes = [float(row[key].item()) for key in ("ess_bulk", "ess_tail")]
        made.add_row(
            str(scalar), str(row["unit"].item()), *rounded(values, values[1]), fixed(row["rhat"].item(), 3), fixed(min(sizes), 0)
        )
    return made


def rounded(values: Iterable[float], spread: float) -> list[str]:
    """Return numbers to the decimal place at which their spread has two significant digits.

    Examples
    --------
    >>> rounded([118.2347, 0.5121], 0.5121)
    ['118.23', '0.51']
    >>> rounded([1.2345678e-7], 1.1e-9)
    ['1.235e-07']
    """
    if not (math.isfinite(spread) and spread > 0):
        return [f"{value:.4g}" for value in values]
    decimals = 1 - math.floor(math.log10(float(f"{spread:.1e}")))
    if -4 <= decimals <= 7:
        return [fixed(round(value, decimals), max(decimals, 0)) for value in values]
    return [_scientific(value, decimals) for value in values]


def _scientific(value: float, decimals: int) -> str:
    digits = decimals + math.floor(math.log10(abs(value))) if value else 0
    return f"{value:.{max(digits, 0)}e}"


def fixed(value: float, decimals: int) -> str:
    """Return a number with so many decimals, or a dash where there is none."""
    return f"{value:.{decimals}f}" if np.isfinite(value) else "-"
