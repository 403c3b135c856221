"""What a person sees in the terminal: progress, tables and results."""

import textwrap
import time
from collections.abc import Iterable, Mapping
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
    from bayesff.comparing import Comparison, Row, Value
    from bayesff.datasets import DataSet
    from bayesff.reporting import Run
    from bayesff.running import Simulated

_STAGES = {
    "references": "simulating references",
    "mode": "finding the mode",
    "report": "writing the report",
    "transferability": "assessing transferability",
}
_SILENCE = 300.0  # seconds
_MISSING = "–"
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
        self._shown: dict[str, tuple[str, int, float]] = {}

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
        """Say when a stage begins, the first three quarters of a long one, and how far it is when nothing was said for long."""
        now, quarter = time.monotonic(), min(4 * done // total, 3) if total >= 10 else 0
        shown = self._shown.get(candidate, ("", 0, 0.0))
        if shown[:2] == (words, quarter) and (now - shown[2] < _SILENCE or not done):
            return
        share = 25 * quarter if shown[:2] != (words, quarter) else 100 * done // total
        self._shown[candidate] = (words, quarter, now)
        name = f"{candidate}: " if candidate else ""
        self._console.print(f"{now - self._started:6.0f} s  {name}{words}{f' {share} %' if share else ''}", soft_wrap=True)


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
    if run.answers:
        where.print()
        where.print("What the study finds", style="bold")
        for answer in run.answers:
            where.print(Padding(answer, (0, 0, 0, 2)))
    if run.transfer is not None:
        where.print()
        where.print("Transferability", style="bold")
        for sentence in (*run.transfer.failed, *run.transfer.answer):
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


def show_simulated(where: Console, found: "Mapping[str, Simulated]") -> None:
    """Show whether the budget was enough, then every state of the liquids with its reference simulations."""
    from bayesff.reporting.wording import candidate_text

    short = {name: one.shortfall for name, one in found.items() if one.shortfall}
    where.print()
    if short:
        where.print("BUDGET USED UP: give the study's Placement a larger max_simulations, or narrower priors.", style="bold red")
        for name, reason in short.items():
            where.print(Padding(f"{candidate_text(name)}: {reason}.", (0, 0, 0, 2)))
    else:
        where.print("The reference simulations suffice.", style="bold green")
    numbers = ("temperature\n[K]", "density\n[1/Å³]", "simulations", "effective\nframes", "required")
    made = table("candidate", *numbers, right=numbers, fold="candidate")
    for name, one in found.items():
        for state in one.states:
            at = (f"{state.temperature:g}", f"{state.density:.5g}")
            served = (str(state.num_simulations), f"{state.sample_size:.0f}", f"{one.required:g}")
            made.add_row(candidate_text(name), *at, *served)
    where.print()
    where.print(made)
    where.print()
    end = "; where the budget was used up before, those at its mode" if short else ""
    where.print(f"Effective frames: 5th percentile over draws of a normal approximation to the posterior{end}.")


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


def show_comparison(where: Console, compared: "Comparison") -> None:
    """Show which runs have converged, what they differ in, and then the numbers of every candidate side by side."""
    names = ["\n".join(textwrap.wrap(run.name, 20)) for run in compared.runs]
    where.print()
    _show_convergence(where, compared)
    where.print()
    _show_side_by_side(where, "run", names, _run_rows(compared))
    where.print()
    for sentence in _comparison_sentences(compared):
        where.print(sentence)
    for name in compared.tables:
        _show_candidate(where, compared, name, names)
    where.print()
    where.print(_comparison_aids(compared))
    where.print()


def _show_candidate(where: Console, compared: "Comparison", name: str, names: list[str]) -> None:
    """Show the parameters and scores of a candidate, and below how it carries over between environments."""
    from bayesff.reporting.wording import candidate_text

    found = [run.candidates.get(name) for run in compared.runs]
    headings = [
        heading if candidate is None or candidate.converged else f"{heading}\nNOT CONVERGED"
        for heading, candidate in zip(names, found, strict=True)
    ]
    own = [_comparison_row(row) for row in compared.tables[name] if not row.kind.of_transfer]
    where.print()
    _show_side_by_side(where, candidate_text(name), [*headings, *(["difference"] if len(names) == 2 else [])], own)
    transfer = [_comparison_row(row) for row in compared.tables[name] if row.kind.of_transfer]
    if transfer:
        where.print()
        _show_side_by_side(where, f"{candidate_text(name)}, transfer", headings, transfer)


def _show_convergence(where: Console, compared: "Comparison") -> None:
    from bayesff.reporting.wording import candidate_text, enumerate_words

    if compared.converged:
        where.print(f"{'Both' if len(compared.runs) == 2 else 'All'} runs have converged.", style="bold green")
        return
    failed = [run for run in compared.runs if not run.converged]
    told = enumerate_words([run.name for run in failed])
    where.print(f"NOT CONVERGED: do not rely on {told}, take more draws or warm-up steps.", style="bold red")
    for run in failed:
        for name, candidate in run.candidates.items():
            if not candidate.converged:
                where.print(Padding(f"{run.name}, {candidate_text(name)}: {candidate.reasons}.", (0, 0, 0, 2)))


def _run_rows(compared: "Comparison") -> list[list[str]]:
    """Return what each run is, and the settings and versions in which they differ."""
    from bayesff.reporting.wording import words

    told = {None: _MISSING, True: "yes", False: "no"}
    facts = {"study": [run.study for run in compared.runs], "seed": [run.seed for run in compared.runs]} | compared.differing
    return [
        ["converged", *("yes" if run.converged else "NOT CONVERGED" for run in compared.runs)],
        *(
            [words(name.removeprefix("num_")), *(told[v] if v is None or isinstance(v, bool) else str(v) for v in values)]
            for name, values in facts.items()
        ),
    ]


def _show_side_by_side(where: Console, first: str, names: list[str], rows: list[list[str]]) -> None:
    """Show rows of a name and a text for each run; where they do not fit, names are broken and then runs go below the others."""

    def made(start: int, end: int) -> Table:
        part = table(first, *names[start:end], right=names, fold=first)
        for name, *texts in rows:
            part.add_row(name, *texts[start:end])
        return part

    start, unlimited = 0, where.options.update(width=10_000)
    breakable = max(0, *(len(row[0]) - 24 for row in rows))
    while start < len(names):
        end = len(names)
        while end > start + 1 and where.measure(made(start, end), options=unlimited).maximum - breakable > where.width:
            end -= 1
        where.print(made(start, end))
        start = end
        if start < len(names):
            where.print()


def _comparison_sentences(compared: "Comparison") -> list[str]:
    """Return what is to be known before the numbers: whether the data were the same, and which parameter differs most."""
    from bayesff.reporting.wording import candidate_text, enumerate_words, rounded, site_text

    runs = "Both runs" if len(compared.runs) == 2 else "All runs"
    consequence = "so that elpd and log evidence cannot be compared"
    consequence += ": no difference of them is shown." if len(compared.runs) == 2 else "."
    if compared.without_data:
        verb = "do not say on which data they were" if len(compared.without_data) > 1 else "does not say on which data it was"
        sentences = [f"{enumerate_words(compared.without_data)} {verb} calibrated, {consequence}"]
    elif compared.different_data:
        sentences = [f"The runs were calibrated on different data ({'; '.join(compared.different_data)}), {consequence}"]
    else:
        sentences = [f"{runs} were calibrated on the same data."]
    if compared.identical:
        return [*sentences, f"{runs} have the same results to the last digit."]
    if compared.farthest is not None:
        candidate, site, apart = compared.farthest
        what = f"{site_text(site, {})} of {candidate_text(candidate)}"
        number = rounded(apart, 2) if apart >= 0.01 else "less than 0.01"
        sentences.append(f"Of all parameters {what} differs most: by {number} combined standard deviations (sd).")
    elif len(compared.runs) == 2:
        sentences.append("No parameter of a candidate is in both runs.")
    return sentences


def _comparison_row(row: "Row") -> list[str]:
    """Return the name of a row, its value in each run, and of two runs the difference where one is defined."""
    shown = [_comparison_label(row), *(_comparison_value(row, value) for value in row.values)]
    return [*shown, _comparison_difference(row)] if len(row.values) == 2 and not row.kind.of_transfer else shown


def _comparison_label(row: "Row") -> str:
    from bayesff.reporting.wording import axis, site_text, words

    labels = {
        "parameter": axis(site_text(row.name, {}), row.unit),
        "evidence": "log evidence",
        "coverage": "worst coverage",
        "spread": f"spread of {site_text(row.name.removeprefix('tau_'), {})}",
        "left out": f"coverage of {row.name} left out",
        "tension": f"tension: {words(row.name)}",
    }
    return labels.get(row.kind, row.kind)


def _comparison_value(row: "Row", value: "Value | None") -> str:
    from bayesff.reporting.wording import interval, percent, plus_minus, rounded, significant

    if value is None:
        return _MISSING
    if row.kind in ("coverage", "left out"):
        return f"{percent(value.number)} ({value.place})" if value.place else percent(value.number)
    unit = "" if value.unit == row.unit else value.unit
    if value.low is not None and value.high is not None:
        return f"{significant(value.number)} ({interval(value.low, value.high, unit)})"
    return rounded(value.number, 1) if value.spread is None else plus_minus(value.number, value.spread, unit)


def _comparison_difference(row: "Row") -> str:
    from bayesff.reporting.wording import plus_minus, rounded

    if row.kind == "coverage":
        return ""
    if row.difference is None:
        return _MISSING
    number, spread = row.difference.number, row.difference.spread
    text = rounded(number, 2 if row.kind == "parameter" else 1) if spread is None else plus_minus(number, spread)
    signed = text if number <= 0 or text.strip("0.") == "" else f"+{text}"
    return f"{signed} sd" if row.kind == "parameter" else signed


def _comparison_aids(compared: "Comparison") -> Table:
    """Return how the tables are to be read, as far as they have such rows."""
    kinds = {row.kind for rows in compared.tables.values() for row in rows}
    aids = {
        "parameter": ("±", "standard deviation; of an elpd its standard error"),
        "elpd": ("elpd", "expected log predictive density, each datum predicted from all the others: larger is better"),
        "evidence": ("log evidence", "its ± is the standard deviation of its estimate: larger is better"),
        "coverage": (
            "worst coverage",
            "where the fewest data of an environment lie in their 90 % intervals, each predicted from all the others",
        ),
        "spread": ("spread", "of a parameter between environments: mean and central 90 % interval"),
        "left out": ("left out", "share of an environment's data in their 90 % intervals, predicted from the other environments"),
        "tension": (
            "tension",
            "log ratio above 0: shared parameters are favoured; suspiciousness below 0: environments disagree",
        ),
    }
    made = Table.grid(padding=(0, 2))
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for kind, (term, meaning) in aids.items():
        if kind in kinds:
            made.add_row(term, meaning)
    if len(compared.runs) == 2:
        first, second = (run.name for run in compared.runs)
        made.add_row("difference", f"{second} minus {first}; of parameters in combined standard deviations (sd)")
    return made
