"""The command line. Only light modules are imported here: what a command needs is imported when it runs."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

import bayesff
from bayesff.caching import compilation_settings, ensembles_folder
from bayesff.errors import BayesffError
from bayesff.memory import keep_memory

MIN_DRAWS = 50
"""Draws of a chain at least: fewer have no tail from which percentiles and leave-one-out weights could be taken."""

MIN_CHAINS = 2
"""A single chain cannot show that it has converged."""

DONE, WRONG_INPUT, NOT_CONVERGED, INTERRUPTED, TERMINATED = 0, 2, 3, 130, 143

# typer has click's class under a name of its own in some versions only.
_UsageError: Any = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="bayesff",
    help="Bayesian calibration and transferability of force fields.",
    epilog="Exit codes: 0 done, 2 wrong input, 3 not converged, 130 interrupted.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
data = typer.Typer(help="List, show and check data sets.", rich_markup_mode=None)
app.add_typer(data, name="data")


class Device(StrEnum):
    """Where JAX calculates."""

    cpu = "cpu"
    gpu = "gpu"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; wrong input becomes one sentence on standard error."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(given or ["--help"], prog_name="bayesff", standalone_mode=False) or DONE
    except _UsageError as error:
        command = error.ctx.command_path if error.ctx else "bayesff"
        return _refuse(f"{error.format_message().rstrip('.')} (see {command} --help)")
    except BayesffError as error:
        return _refuse(str(error))
    if code in (INTERRUPTED, TERMINATED) and threading.active_count() > 1:
        # A compilation in another thread cannot be interrupted, and Python would wait for it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def run_file(path: str) -> None:
    """Run the study that a file defines, with the options on the command line: the last line of a file in ``models/``.

    Example
    -------
    ``if __name__ == "__main__": bff.cli.run_file(__file__)``
    """
    sys.exit(main(["run", path, *sys.argv[1:]]))


def _refuse(sentence: str) -> int:
    typer.echo(f"bayesff: {sentence}", err=True)
    return WRONG_INPUT


def _version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"bayesff {bayesff.__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _bayesff(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Hold the options of the program itself."""


@app.command("list")
def list_studies() -> None:
    """List the studies that come with the package."""
    from bayesff.study import studies
    from bayesff.terminal import console, table

    listed = table("study", "question", fold="question")
    for name, question in studies().items():
        listed.add_row(name, question)
    console().print(listed)


def _number(name: str, minimum: int, text: str) -> Any:
    """Return a whole-numbered option of a command."""

    def check(value: int | None) -> int | None:
        if value is not None and value < minimum:
            raise BayesffError(f"{name}: at least {minimum} is needed, found {value}: give a larger number")
        if value is not None and value >= 2**32:
            raise BayesffError(f"{name}: less than 2^32 is needed, found {value}: give a smaller number")
        return value

    return typer.Option(name, metavar="N", callback=check, help=text)


@dataclass(frozen=True)
class _Options:
    """How a study is run; the settings are fields of its sampler."""

    settings: Mapping[str, int]
    seed: int
    quick: bool
    device: Device
    jobs: int | None
    overwrite: bool
    resume: bool
    ensembles: Path | None = None
    fresh: bool = False
    transfer: bool = False
    scheduler: str | None = None


class _Terminated(KeyboardInterrupt):
    """The process is asked to end, which it does as after Ctrl-C: nothing half-written is left behind."""


def _terminate(*_: object) -> None:
    raise _Terminated


_Study = Annotated[
    str, typer.Argument(metavar="STUDY", help="Name of a study, or path of a Python file that defines one.", show_default=False)
]
_Output = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Folder to write.  [default: STUDY-run in the current folder]", show_default=False),
]
_Seed = Annotated[int, _number("--seed", 0, "Seed: the same one gives the same draws.")]
_Draws = Annotated[int | None, _number("--draws", MIN_DRAWS, "Draws of each chain.  [default: the study's]")]
_Chains = Annotated[int | None, _number("--chains", MIN_CHAINS, "Number of chains.  [default: the study's]")]
_Warmup = Annotated[int | None, _number("--warmup", 0, "Steps of each chain before its draws.  [default: the study's]")]
_Quick = Annotated[bool, typer.Option("--quick", help="Fewer draws than the study wants, for a first look.")]
_Device = Annotated[Device, typer.Option(metavar="cpu|gpu", help="Where to calculate.")]
_Jobs = Annotated[int | None, _number("--jobs", 1, "Processes at once.  [default: by the number of cores; 1 on a GPU]")]
_Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace a finished run in the folder, or start an interrupted one anew.")
]
_Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Run the refits on the Dask cluster of this scheduler, such as tcp://host:8786."),
]
_Resume = Annotated[bool, typer.Option("--resume", help="Go on with a run that was interrupted.")]
_Ensembles = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Where reference simulations of liquids are kept and found again.  [default: $BAYESFF_ENSEMBLES, or else "
        "~/.cache/bayesff/ensembles]",
        show_default=False,
    ),
]
_Fresh = Annotated[bool, typer.Option("--fresh", help="Simulate references again that come with the package.")]


@app.command(short_help="Run a study and write its report.")
def run(
    study: _Study,
    output: _Output = None,
    seed: _Seed = 1,
    draws: _Draws = None,
    chains: _Chains = None,
    warmup: _Warmup = None,
    quick: _Quick = False,
    device: _Device = Device.cpu,
    jobs: _Jobs = None,
    overwrite: _Overwrite = False,
    resume: _Resume = False,
    ensembles: _Ensembles = None,
    fresh: _Fresh = False,
    transfer: Annotated[bool, typer.Option("--transfer", help="Assess transferability too, as 'bayesff transfer' does.")] = False,
) -> None:
    """Run a study: calibrate each candidate potential, and write posterior, metrics, figures and report to a folder.

    A study is a Python file that defines 'study = bayesff.Study(...)'; 'bayesff list' lists those that come with the package.

    Finished candidates are kept until the run has been written: a run that was interrupted goes on with --resume.
    """
    settings = _settings(draws, chains, warmup)
    _start(study, output, _Options(settings, seed, quick, device, jobs, overwrite, resume, ensembles, fresh, transfer))


@app.command(short_help="Run a study and assess the transferability of its potentials.")
def transfer(
    study: _Study,
    output: _Output = None,
    seed: _Seed = 1,
    draws: _Draws = None,
    chains: _Chains = None,
    warmup: _Warmup = None,
    quick: _Quick = False,
    device: _Device = Device.cpu,
    jobs: _Jobs = None,
    overwrite: _Overwrite = False,
    scheduler: _Scheduler = None,
    resume: _Resume = False,
) -> None:
    """Run a study and assess transferability: each potential is refitted without each environment, to each one alone, and more.

    Finished candidates and refits are kept until the run has been written: a run that was interrupted goes on with --resume.
    With --scheduler the refits run on a Dask cluster whose workers see the study's file and the output folder.
    """
    settings = _settings(draws, chains, warmup)
    options = _Options(settings, seed, quick, device, jobs, overwrite, resume, transfer=True, scheduler=scheduler)
    _start(study, output, options)


@app.command(short_help="Place the reference simulations of a study's liquids.")
def simulate(
    study: _Study,
    ensembles: _Ensembles = None,
    fresh: _Fresh = False,
    seed: Annotated[int, _number("--seed", 0, "Seed: that of the runs that will use the simulations.")] = 1,
    jobs: Annotated[int | None, _number("--jobs", 1, "Processes at once.  [default: by the number of cores]")] = None,
) -> None:
    """Run the reference simulations that a study of liquids needs, without sampling its posterior.

    They are placed along an approximation of the posterior, until enough of their frames are effective at every state; exit code
    3 says that the study's budget of simulations ended before. 'bayesff run' with the same seed and folder finds all of them.
    """
    from bayesff.study import find

    path = find(study)
    with _interruptible():
        placed = _simulate(path, ensembles, fresh, seed, jobs)
    raise typer.Exit(DONE if placed else NOT_CONVERGED)


def _simulate(path: Path, ensembles: Path | None, fresh: bool, seed: int, jobs: int | None) -> bool:
    """Run the reference simulations of a study and show them; return whether they suffice."""
    from bayesff.terminal import ProgressDisplay, console, show_simulated

    started = time.monotonic()
    with ProgressDisplay(console(stderr=True)) as progress:
        progress.show("", "reading the study", 0, 1)
        _use_device(Device.cpu)
        from bayesff import running
        from bayesff.study import load

        study = load(path)
        if not running.liquid_candidates(study):
            raise BayesffError(
                f"study {study.name!r}: a candidate that observes a liquid is needed, found none that needs reference "
                "simulations: calibrate it by 'bayesff run'"
            )
        folder = ensembles or ensembles_folder()
        running.check_ensembles(folder)
        progress.show("", "reading the study", 1, 1)
        settings = running.Settings(seed, jobs or running.default_jobs(study), ensembles=folder, fresh=fresh)
        with _noting(f"finished reference simulations are kept in {folder}: the same command goes on"):
            found = running.simulate(path, study, settings, progress.show)
    show_simulated(console(), found)
    typer.echo(f"Simulations: {folder} ({_duration(time.monotonic() - started)})")
    return not any(one.shortfall for one in found.values())


def _settings(draws: int | None, chains: int | None, warmup: int | None) -> dict[str, int]:
    """Return the fields of the sampler that were asked for."""
    numbers = {"num_draws": draws, "num_chains": chains, "num_warmup": warmup}
    return {name: value for name, value in numbers.items() if value is not None}


def _start(study: str, output: Path | None, options: _Options) -> None:
    """Run a study, and end the program with an exit code."""
    from bayesff.study import find

    path = find(study)
    folder = Path(f"{path.stem}-run") if output is None else output
    with _interruptible():
        converged = _run(path, folder, options, _command(study, folder, options))
    raise typer.Exit(DONE if converged else NOT_CONVERGED)


@contextmanager
def _interruptible() -> Iterator[None]:
    """End the program when it is interrupted, and say what is kept: the notes of the exception."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except KeyboardInterrupt as stop:
        typer.echo(f"bayesff: interrupted, {'; '.join(getattr(stop, '__notes__', ['nothing was written']))}", err=True)
        raise typer.Exit(TERMINATED if isinstance(stop, _Terminated) else INTERRUPTED) from None


@contextmanager
def _noting(kept: str) -> Iterator[None]:
    """Say what is kept if the program is interrupted."""
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.add_note(kept)
        raise


def _command(study: str, folder: Path, options: _Options) -> list[str]:
    """Return the command that repeats a run."""
    verb = "transfer" if options.transfer else "run"
    words = ["bayesff", verb, study, "--output", str(folder), "--seed", str(options.seed)]
    for name, value in options.settings.items():
        words += [f"--{name.removeprefix('num_')}", str(value)]
    words += ["--quick"] if options.quick else []
    return words + (["--device", "gpu"] if options.device is Device.gpu else [])


def _run(path: Path, folder: Path, options: _Options, command: Sequence[str]) -> bool:
    """Run a study and show its results; return whether all candidates converged."""
    from bayesff.terminal import ProgressDisplay, console, show_results

    started = time.monotonic()
    with ProgressDisplay(console(stderr=True)) as progress, ExitStack() as stack:
        progress.show("", "reading the study", 0, 1)
        _use_device(options.device)
        from bayesff import keeping, processors, refitting, reporting, running
        from bayesff.assessment import find_all
        from bayesff.study import load

        reporting.check_output(folder, options.overwrite)
        study = load(path)
        changes = running.sampler_changes(study, options.settings, options.quick)
        jobs = options.jobs or (1 if options.device is Device.gpu else running.default_jobs(study))
        progress.show("", "reading the study", 1, 1)
        at_once = options.jobs or (1 if options.device is Device.gpu else len(processors.available()))
        refits = refitting.Settings(options.seed, options.quick, at_once, options.device.value, options.scheduler)
        if options.transfer:
            refitting.check(study)
        ensembles = options.ensembles or ensembles_folder()
        if running.liquid_candidates(study):
            running.check_ensembles(ensembles)
            stack.enter_context(_noting(f"finished reference simulations are kept in {ensembles}"))
        elif options.ensembles or options.fresh:
            given = f"--ensembles {options.ensembles}" if options.ensembles else "--fresh"
            raise BayesffError(
                f"{given}: a study that observes a liquid is needed, found none that needs reference "
                f"simulations in {study.name!r}: leave it out"
            )
        settings = running.Settings(options.seed, jobs, changes, ensembles, options.fresh)
        made_by = {"sampler": changes} | ({"refits": refits.changes} if options.transfer else {})
        facts = keeping.facts_of(path, study, options.seed, made_by)
        store = stack.enter_context(keeping.kept_store(folder, facts, options.resume, options.overwrite))
        calibrate = partial(running.calibrate, path, study, settings, store, progress.show)
        trees = refitting.assess_study(path, study, store, refits, calibrate, progress.show) if options.transfer else calibrate()
        provenance = reporting.collect(
            study.problems,
            command=command,
            options=changes | {"quick": options.quick},
            elapsed=round(time.monotonic() - started, 1),
            folder=path.parent,
        )
        written = reporting.write_run(
            study.name,
            study.question,
            trees,
            folder,
            seed=options.seed,
            provenance=provenance,
            findings=[*reporting.recovered(trees, study.truths), *find_all(study.findings, trees)],
            overwrite=options.overwrite,
            progress=partial(progress.show, ""),
        )
    show_results(console(), written, options.quick)
    typer.echo(f"Report: {written.report} ({_duration(time.monotonic() - started)})")
    return written.converged


def _use_device(device: Device) -> None:
    """Switch JAX to double precision and to a device, in this process and in those that it starts."""
    keep_memory()
    os.environ["JAX_ENABLE_X64"] = "1"
    # A list of platforms must all be there, so a GPU is left to JAX to find.
    os.environ["JAX_PLATFORMS"] = "cpu" if device is Device.cpu else ""
    # The matrices are small: threads of the linear algebra would wait for one another.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    # The compiler reports a slow compilation as an error, in the midst of the progress bars; real errors are exceptions.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    compilation = compilation_settings()
    os.environ |= {name.upper(): str(value) for name, value in compilation.items()}
    import jax

    # Where the study's own file was started, JAX has been imported before this.
    for name, value in ({"jax_enable_x64": True} | compilation).items():
        jax.config.update(name, value)
    try:
        found = jax.devices(device.value)
    except RuntimeError:
        raise BayesffError(
            "--device gpu: a GPU that JAX can use is needed, found none: install bayesff[gpu], or use --device cpu"
        ) from None
    if jax.default_backend() != device:
        jax.config.update("jax_default_device", found[0])


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of a finished run.", show_default=False)],
) -> None:
    """Write the report of a finished run again, from its posterior."""
    from bayesff.terminal import ProgressDisplay, console

    with ProgressDisplay(console(stderr=True)) as progress:
        progress.show("", "report", 0, 1)
        from bayesff import reporting

        written = reporting.rebuild_report(folder, partial(progress.show, ""))
    typer.echo(f"Report: {written.report}")


@app.command(short_help="Set finished runs side by side.")
def compare(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FOLDER", help="Folders of finished runs, two at least.", show_default=False),
    ] = None,
) -> None:
    """Set finished runs side by side: parameters, predictive scores and, where the data are the same, their differences."""
    from bayesff import comparing
    from bayesff.terminal import console, show_comparison

    compared = comparing.compare(folders or [])
    show_comparison(console(), compared)
    raise typer.Exit(DONE if compared.converged else NOT_CONVERGED)


@data.command("list")
def list_data() -> None:
    """List the data sets that come with the package."""
    from bayesff.datasets import catalogue, describe
    from bayesff.terminal import console, table

    listed = table("data set", "data", "what was measured", right=["data"], fold="what was measured")
    for name in catalogue():
        about = describe(name)
        listed.add_row(name, str(about.num_data), f"{about.label} of {about.substance}")
    console().print(listed)


@data.command("show")
def show_data(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a data set, or path of its folder.", show_default=False)],
    rows: Annotated[int, _number("--rows", 0, "Rows of numbers to show.")] = 10,
) -> None:
    """Show a data set: its numbers, their source and their uncertainty."""
    from bayesff.datasets import find, load
    from bayesff.terminal import console, show_data_set

    show_data_set(console(), load(name), find(name), rows)


@data.command("check")
def check_data(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="Folder of a data set, or a name of the catalogue.", show_default=False)
    ],
) -> None:
    """Check a data set and name every problem with file, line and column."""
    from bayesff.datasets import check, load

    problems = check(path)
    if problems:
        for problem in problems:
            typer.echo(str(problem), err=True)
        typer.echo(f"bayesff: {path}: {len(problems)} problem{'s' if len(problems) > 1 else ''} found", err=True)
        raise typer.Exit(WRONG_INPUT)
    found = load(path)
    typer.echo(f"{found.name}: ok, {found.num_data} x {found.quantity.label} [{found.unit or '1'}] of {found.substance}")
