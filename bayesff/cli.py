"""The command line. Only light modules are imported here: what a command needs is imported when it runs."""

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import bayesff
from bayesff.errors import BayesffError

if TYPE_CHECKING:
    from rich.console import Console
    from xarray import DataTree

DONE, WRONG_INPUT, NOT_CONVERGED, INTERRUPTED = 0, 2, 3, 130

# typer has click's class under a name of its own in some versions only.
_UsageError = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="bayesff",
    help="Bayesian calibration and transferability of force fields.",
    epilog="Exit codes: 0 done, 2 wrong input, 3 not converged.",
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
    if code == INTERRUPTED and threading.active_count() > 1:
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


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bayesff {bayesff.__version__}")
        raise typer.Exit


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


@app.command()
def run(
    study: Annotated[str, typer.Argument(help="Name of a study, or path of a Python file that defines one.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option(help="Folder to write.  [default: STUDY-run in the current folder]", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same draws.")] = 1,
    draws: Annotated[int | None, typer.Option(min=1, help="Draws of each chain.  [default: the study's]")] = None,
    chains: Annotated[int | None, typer.Option(min=1, help="Number of chains.  [default: the study's]")] = None,
    warmup: Annotated[int | None, typer.Option(min=0, help="Steps of each chain before its draws.  [default: the study's]")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer draws than the study wants, for a first look.")] = False,
    device: Annotated[Device, typer.Option(help="Where to calculate.")] = Device.cpu,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Candidates to calibrate at once.  [default: one a core; 1 on a GPU]")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a finished run in the folder.")] = False,
) -> None:
    """Run a study: calibrate each candidate potential, write posterior, metrics, figures and report."""
    from bayesff.study import find

    path = find(study)
    folder = Path(f"{path.stem}-run") if output is None else output
    settings = {"num_draws": draws, "num_chains": chains, "num_warmup": warmup}
    asked = {name: value for name, value in settings.items() if value is not None}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that nothing half-written is left behind
    try:
        converged = _run(path, folder, asked, seed=seed, quick=quick, device=device, jobs=jobs, overwrite=overwrite)
    except KeyboardInterrupt:
        typer.echo("bayesff: interrupted, nothing was written", err=True)
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(DONE if converged else NOT_CONVERGED)


def _run(path: Path, folder: Path, settings: Mapping[str, int], **options: Any) -> bool:
    """Run a study and show its results; return whether all candidates converged."""
    from bayesff.terminal import ProgressDisplay, console, show_results

    started = time.monotonic()
    with ProgressDisplay(console(stderr=True)) as progress:
        progress.show("", "reading data and study", 0, 1)
        _use_device(options["device"])
        from bayesff import reporting, running
        from bayesff.study import load

        reporting.check_output(folder, options["overwrite"])
        study = load(path)
        changes = running.sampler_changes(study, settings, options["quick"])
        progress.show("", "reading data and study", 1, 1)
        jobs = options["jobs"] or (1 if options["device"] is Device.gpu else running.default_jobs(study))
        trees = running.calibrate(path, study, changes, options["seed"], jobs, progress.show)
        progress.show("", "writing the report", 0, 1)
        reporting.write_run(study.name, study.question, trees, folder, seed=options["seed"], overwrite=options["overwrite"])
        progress.show("", "writing the report", 1, 1)
    converged = show_results(console(), trees, options["quick"])
    typer.echo(f"Report: {folder / 'report.html'}  ({_duration(time.monotonic() - started)})")
    return converged


def _use_device(device: Device) -> None:
    """Switch JAX to double precision and to a device, in this process and in those that it starts."""
    os.environ["JAX_ENABLE_X64"] = "1"
    # A list of platforms must all be there, so a GPU is left to JAX to find.
    os.environ["JAX_PLATFORMS"] = "cpu" if device is Device.cpu else ""
    # The matrices are small: threads of the linear algebra would wait for one another.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    import jax

    # Where the study's own file was started, JAX has been imported before this.
    jax.config.update("jax_enable_x64", True)
    try:
        found = jax.devices(device.value)
    except RuntimeError:
        raise BayesffError(
            "--device gpu: a GPU that JAX can use is needed, found none: install bayesff[gpu], or use --device cpu"
        ) from None
    if jax.default_backend() != device:
        jax.config.update("jax_default_device", found[0])
