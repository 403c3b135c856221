"""The command line as a person meets it: what it prints, what it writes, and what it says about wrong input."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import xarray

import bayesff
from bayesff import cli, keeping, reporting, running

ROOT = Path(__file__).resolve().parents[1]

STUDY = '''
"""Which well depth do six second virials have?"""

import jax
import jax.numpy as jnp
import numpyro.distributions as dist

import bayesff as bff
from bayesff.calibration import CalibrationProblem, Prior, Term

jax.config.update("jax_enable_x64", True)
state = {"temperature": jnp.array([100.0, 150.0, 200.0, 300.0, 400.0, 600.0])}
virial = bff.observables.SecondVirial()
data = bff.datasets.DataSet(
    name="six", observable="second_virial", substance="argon", environment=bff.datasets.Environment("gas", "gas"),
    source=bff.datasets.Source("synthetic"), state=state, uncertainty=[2.0] * 6,
    values=virial.predict(bff.potentials.LennardJones(epsilon=0.996, sigma=3.405), state).mean,
)
priors = {"epsilon": Prior(dist.Uniform(80.0, 160.0), "K"), "sigma": Prior(dist.Uniform(3.0, 4.0), "angstrom")}
problem = CalibrationProblem(bff.potentials.LennardJones, priors, [Term(data, virial)])
study = bff.Study(
    name="six", question="Which well depth do six second virials have?", problems=CANDIDATES, sampler=SAMPLER
)

if __name__ == "__main__":
    bff.cli.run_file(__file__)
'''

# Draws from the prior, slowly: what happens around it is what the tests look at.
WAITING = """
import time
import jax

class Waiting:
    def run(self, problem, key, progress):
        for step in range(600):
            progress("sampling", step, 600)
            time.sleep(0.1)
"""


def write_study(
    folder: Path,
    sampler: str = "bff.inference.Laplace(num_draws=100, num_chains=2)",
    candidates: str = "{'lennard_jones': problem}",
    before: str = "",
) -> Path:
    path = folder / "six.py"
    text = STUDY.lstrip("\n").replace("SAMPLER", sampler).replace("CANDIDATES", candidates)
    path.write_text(text.replace("study =", f"{before}\nstudy =", 1), encoding="utf-8")
    return path


def in_process_of_its_own(*arguments: str, folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "bayesff", *arguments]
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=folder, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what a run does to its process; 80 columns."""
    for name in ("JAX_ENABLE_X64", "JAX_PLATFORMS", "OPENBLAS_NUM_THREADS", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, "restored to what it was, or to nothing, at the end")
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # A shell starts what runs in the background with Ctrl-C ignored, and so would be every process that is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


class Finished:
    """A run of the tiny study in this process: its exit code, what it printed, its folder."""

    def __init__(self, folder: Path) -> None:
        self.study, self.folder = write_study(folder), folder / "new" / "out"
        self.arguments = ["run", str(self.study), "--output", str(self.folder), "--seed", "3", "--jobs", "1"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    run = Finished(tmp_path_factory.mktemp("finished"))
    done = in_process_of_its_own(*run.arguments, folder=run.study.parent)
    run.out, run.err = done.communicate(timeout=300)
    run.code = done.returncode
    return run


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must be refused, and return its one sentence."""
    assert cli.main(arguments) == 2
    printed = capsys.readouterr()
    lines = [line for line in printed.err.splitlines() if not re.match(r" +\d+ s  ", line)]
    assert printed.out == ""
    assert len(lines) == 1
    assert lines[0].startswith("bayesff: ")
    assert "Traceback" not in printed.err
    return lines[0]


# Light commands ---------------------------------------------------------------------------------------------------------------


def test_help_imports_nothing_heavy_and_names_the_commands() -> None:
    code = "import sys; from bayesff.cli import main; code = main([]); print(*sys.modules); sys.exit(code)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    *text, modules = done.stdout.splitlines()
    for command in ("list", "run", "report", "data"):
        assert any(line.strip().startswith(command) for line in text)
    heavy = {"jax", "numpy", "scipy", "numpyro", "xarray", "matplotlib", "arviz_base", "pint", "pydantic", "jinja2"}
    assert heavy.isdisjoint(modules.split())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"bayesff {bayesff.__version__}\n"


def test_list_shows_the_studies(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^argon_gas +Does one argon", out, re.MULTILINE)


def test_help_of_run_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--help"]) == 0
    out = capsys.readouterr().out
    for option in ("output", "seed", "draws", "chains", "warmup", "quick", "device", "jobs", "overwrite", "resume", "ensembles"):
        assert f"--{option} " in out
    assert max(map(len, out.splitlines())) <= 80


# Data -------------------------------------------------------------------------------------------------------------------------


def test_data_list_fits_80_columns_and_has_every_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "list"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^argon_second_virial +269  second virial coefficient of argon", out, re.MULTILINE)
    assert {line.split()[0] for line in out.splitlines() if line[:1].isalpha()} >= set(bayesff.datasets.catalogue())
    assert max(map(len, out.splitlines())) <= 80


def test_data_show_has_units_source_environment_and_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "show", "argon_second_virial", "--rows", "2"]) == 0
    out = capsys.readouterr().out
    assert "second virial coefficient [cm^3/mol] of argon, 269 data" in out
    assert re.search(r"^environment +gas \(gas\); temperature 75 to 1225 K", out, re.MULTILINE)
    assert re.search(r"^source +J.H. Dymond", out, re.MULTILINE)
    assert re.search(r"^temperature +K +75 to 1223.16", out, re.MULTILINE)
    assert re.search(r"^laboratory +30 labels", out, re.MULTILINE)
    assert re.search(r"^ +151.94 +-82.53 +1.6506  Kamerlingh Onnes 1910, ok, class", out, re.MULTILINE)
    assert "267 more rows: --rows 269" in out
    assert max(map(len, out.splitlines())) <= 80


def test_data_show_of_one_datum_without_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "show", "argon_dimer_well_depth"]) == 0
    out = capsys.readouterr().out
    assert "more rows" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_data_check_of_a_good_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "check", "argon_viscosity"]) == 0
    assert capsys.readouterr().out == "argon_viscosity: ok, 14 x viscosity at zero density [uPa*s] of argon\n"


def test_data_check_names_every_problem_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mine"
    bayesff.datasets.write(bayesff.datasets.load("argon_viscosity"), folder)
    table = (folder / "values.csv").read_text(encoding="utf-8").splitlines()
    table[2] = table[2].replace(table[2].split(",")[0], "-5", 1)
    table[4] = table[4].replace(table[4].split(",")[1], "much", 1)
    (folder / "values.csv").write_text("\n".join(table), encoding="utf-8")
    assert cli.main(["data", "check", str(folder)]) == 2
    printed = capsys.readouterr()
    first, second, last = printed.err.splitlines()
    assert first.startswith(f"{folder / 'values.csv'}, line 3, column 'temperature': ")
    assert second.startswith(f"{folder / 'values.csv'}, line 5, ")
    assert last == f"bayesff: {folder}: 2 problems found"
    assert printed.out == ""


@pytest.mark.parametrize("command", ["show", "check"])
def test_an_unknown_data_set_is_refused_with_the_nearest_names(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean argon_second_virial" in refused(capsys, "data", command, "argon_second_virail")


# A run ------------------------------------------------------------------------------------------------------------------------


def test_a_run_ends_with_verdict_table_and_report(finished: Finished) -> None:
    assert finished.code == 0, finished.err
    lines = finished.out.strip().splitlines()
    assert lines[0] == "Converged."
    assert re.search(r"^  ε +K +1\d\d\.\d ± \d\.\d +1\d\d\.\d to 1\d\d\.\d +\d\.\d{3} +\d+$", finished.out, re.MULTILINE)
    assert re.search(r"^  σ +Å +3\.\d\d ± 0\.\d\d|^  σ +Å +3\.\d{3} ± 0\.0\d\d", finished.out, re.MULTILINE)
    assert re.fullmatch(rf"Report: {re.escape(str(finished.folder))}/report.html \(.*\d s\)", lines[-1])
    assert max(len(line) for line in lines[:-1]) <= 80


def test_progress_goes_to_standard_error_in_plain_lines(finished: Finished) -> None:
    stages = [re.sub(r"^ *\d+ s  ", "", line) for line in finished.err.splitlines()]
    wanted = ["reading the study", "lennard_jones: finding the mode", "lennard_jones: predictions", "writing the report"]
    assert [stage for stage in stages if stage in wanted] == wanted
    assert "\x1b" not in finished.err + finished.out


def test_a_run_writes_its_artefacts_and_nothing_else(finished: Finished) -> None:
    names = {path.name for path in finished.folder.iterdir()}
    assert names == {"posterior.nc", "metrics.json", "manifest.json", "report.html", "figures"}
    assert {path.name for path in finished.folder.parent.iterdir()} == {"out"}
    manifest = json.loads((finished.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["seed"] == 3
    assert manifest["command"] == ["bayesff", *finished.arguments[:-2]]
    assert manifest["study"] == "six"


def test_a_finished_run_is_kept(finished: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    before = (finished.folder / "posterior.nc").read_bytes()
    said = refused(capsys, *finished.arguments)
    assert f"{finished.folder}: the folder holds a finished run, which is kept" in said
    assert "--overwrite" in said
    assert (finished.folder / "posterior.nc").read_bytes() == before


@pytest.mark.slow
def test_the_report_is_made_again_from_the_posterior(finished: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    page = finished.folder / "report.html"
    before = page.read_text(encoding="utf-8")
    page.unlink()
    assert cli.main(["report", str(finished.folder)]) == 0
    assert capsys.readouterr().out == f"Report: {page}\n"
    assert len(page.read_text(encoding="utf-8")) > 0.9 * len(before)


def test_a_report_needs_a_posterior(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"{tmp_path / 'posterior.nc'}: there is no such file" in refused(capsys, "report", str(tmp_path))


@pytest.mark.slow
def test_processes_and_starting_the_file_itself_give_the_same_draws(finished: Finished, tmp_path: Path) -> None:
    study = write_study(tmp_path, candidates="{'lennard_jones': problem, 'again': problem}")
    command = [sys.executable, str(study), "--output", "out", "--seed", "3", "--jobs", "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    one, two = (xarray.open_datatree(folder / "posterior.nc") for folder in (finished.folder, tmp_path / "out"))
    for name in ("epsilon", "sigma"):
        np.testing.assert_array_equal(one["posterior"][name], two["posterior"][name])
        assert not np.array_equal(two["posterior"][name], two["candidates/again/posterior"][name])


def test_a_run_that_has_not_converged_says_so_first_and_exits_with_3(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trees = reporting.load_posterior(finished.folder / "posterior.nc")
    diagnostics = trees["lennard_jones"]["diagnostics"]
    diagnostics["converged"] = 0
    diagnostics.attrs["reasons"] = "3 draws diverged (none may)"
    monkeypatch.setattr(running, "calibrate", lambda *_: trees)
    assert cli.main(["run", str(finished.study), "--output", str(tmp_path / "out"), "--quick"]) == 3
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0].startswith("NOT CONVERGED")
    assert lines[1].strip() == "Lennard-Jones: 3 draws diverged (none may)."
    assert any("quick run" in line for line in lines)
    assert (tmp_path / "out" / "report.html").is_file()


# Interruption -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("jobs", "sent", "code"), [(1, signal.SIGTERM, 143), (2, signal.SIGINT, 130)])
def test_an_interrupted_run_ends_soon_and_leaves_nothing(jobs: int, sent: int, code: int, tmp_path: Path) -> None:
    study = write_study(tmp_path, "Waiting()", "{'one': problem, 'two': problem}", before=WAITING)
    run = in_process_of_its_own("run", str(study), "--output", "out", "--jobs", str(jobs), folder=tmp_path)
    assert run.stderr is not None
    for line in run.stderr:
        if "sampling" in line:
            break
    os.killpg(run.pid, sent) if sent == signal.SIGINT else os.kill(run.pid, sent)
    began = time.monotonic()
    out, err = run.communicate(timeout=60)
    assert run.returncode == code
    assert err.splitlines()[-1] == "bayesff: interrupted, nothing was written"
    assert "Traceback" not in err
    assert out == ""
    assert time.monotonic() - began < 30  # the sampler takes a minute
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {"six.py"}


LOGGED = """
import time
from pathlib import Path

folder = Path(__file__).parent

class Logged:
    # The second candidate that is sampled waits, until there is a file that says go.
    def run(self, problem, key, progress):
        with (folder / "sampled").open("a+") as log:
            log.write("another\\n")
            log.seek(0)
            number = len(log.readlines())
        while number > 1 and not (folder / "go").exists():
            progress("waiting", 0, 1)
            time.sleep(0.1)
        return bff.inference.Laplace(num_draws=100, num_chains=2).run(problem, key, progress)
"""


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_with_the_candidates_that_are_finished(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study(tmp_path, "Logged()", "{'one': problem, 'lennard_jones': problem}", before=LOGGED)
    arguments = ["run", str(study), "--jobs", "1", "--seed", "3"]
    kept, output = tmp_path / ".out.unfinished", ("--output", str(tmp_path / "out"))
    killed = in_process_of_its_own(*arguments, *output, folder=tmp_path)
    assert killed.stderr is not None
    assert any("lennard_jones: waiting" in line for line in killed.stderr)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=60)
    assert {path.name for path in kept.iterdir()} == {"about.json", "one.nc"}
    before = keeping.Store(kept).get("one")

    said = refused(capsys, *arguments, *output)
    assert said.endswith("an interrupted run is kept here: add --resume to go on with it, or --overwrite to start anew")
    assert "to go on with it, found differences in seed: repeat" in refused(
        capsys, *arguments, *output, "--resume", "--seed", "4"
    )
    text = study.read_text(encoding="utf-8")
    study.write_text(f"{text}# changed", encoding="utf-8")
    assert "found differences in the study's file" in refused(capsys, *arguments, *output, "--resume")
    study.write_text(text, encoding="utf-8")

    (tmp_path / "go").touch()
    monkeypatch.setattr("bayesff.reporting.run._write_report", lambda *_: None)
    # What --overwrite may replace is a finished run, not the one that goes on.
    assert cli.main([*arguments, *output, "--resume", "--overwrite"]) == 0
    assert "one: finished before" in capsys.readouterr().err
    assert len((tmp_path / "sampled").read_text(encoding="utf-8").splitlines()) == 3
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {"six.py", "sampled", "go", "out"}
    made = reporting.load_posterior(tmp_path / "out" / "posterior.nc")
    assert made["one"].equals(before)
    assert made["lennard_jones"].equals(reporting.load_posterior(finished.folder / "posterior.nc")["lennard_jones"])


def test_an_interruption_says_how_many_posteriors_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(path: Path, study: bayesff.Study, settings: running.Settings, store: keeping.Store, *_: object) -> None:
        for label in study.problems:
            store.path(label).touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "calibrate", interrupted)
    monkeypatch.setattr(
        threading, "active_count", lambda: 1
    )  # with other threads the program ends at once, and the tests with it
    for candidates, kept in {
        "{'one': problem}": "1 finished posterior is kept",
        "{'one': problem, 'two': problem}": "2 finished posteriors are kept",
    }.items():
        study = write_study(tmp_path, candidates=candidates)
        assert cli.main(["run", str(study), "--overwrite", "--output", str(tmp_path / "out")]) == cli.INTERRUPTED
        said = f"bayesff: interrupted, {kept}, the same command with --resume goes on"
        assert capsys.readouterr().err.splitlines()[-1] == said


# Wrong input ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "argon_gaz"], "did you mean argon_gas"),
        (["run", "nowhere/study.py"], "the name of a study or the path of a Python file is needed, found neither"),
        (["run", "argon_gas", "--draws", "0"], "--draws: at least 50 is needed, found 0: give a larger number"),
        (["run", "argon_gas", "--chains", "1"], "--chains: at least 2 is needed, found 1"),
        (["run", "argon_gas", "--warmup", "-1"], "--warmup: at least 0 is needed, found -1"),
        (["run", "argon_gas", "--jobs", "0"], "--jobs: at least 1 is needed, found 0"),
        (["run", "argon_gas", "--seed", "4294967296"], "--seed: less than 2^32 is needed, found 4294967296"),
        (["run", "argon_gas", "--draws", "many"], "'--draws'"),
        (["run", "argon_gas", "--device", "tpu"], "'tpu' is not one of 'cpu', 'gpu'"),
        (["run", "argon_gas", "--drawz", "5"], "No such option: --drawz"),
        (["run"], "Missing argument 'STUDY' (see bayesff run --help)"),
        (["runn"], "No such command 'runn'"),
        (["data"], "Missing command (see bayesff data --help)"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "the file must define 'study', a bayesff.Study, found none"),
        ("def f(:\n", "mine.py, line 1: the file must be valid Python"),
        ("\n1 / 0\n", "mine.py, line 2: the file must run without an error, found ZeroDivisionError"),
        ("import bayesff\nbayesff.datasets.load('x')\n", "mine.py, line 2: data set 'x'"),
    ],
)
def test_a_file_without_a_working_study_is_refused(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    assert said in refused(capsys, "run", "mine.py")
    assert not (tmp_path / "mine-run").exists()


def test_an_option_that_the_sampler_lacks_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = write_study(tmp_path)
    said = refused(capsys, "run", str(study), "--warmup", "100", "--output", str(tmp_path / "out"))
    assert said == "bayesff: --warmup: the sampler of study 'six' is Laplace, which has none: leave it out"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["run", "--ensembles", "kept"],
            "--ensembles kept: a study that observes a liquid is needed, found none that needs refer",
        ),
        (["run", "--fresh"], "--fresh: a study that observes a liquid is needed, found none that needs reference simulations"),
        (["simulate"], "study 'six': a candidate that observes a liquid is needed, found none that needs reference simulations"),
    ],
)
def test_simulations_of_a_study_without_a_liquid_are_refused(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(capsys, *arguments, str(write_study(tmp_path))).startswith(f"bayesff: {said}")
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {"six.py"}


def test_a_gpu_that_is_not_there_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import jax

    if any(device.platform == "gpu" for device in jax.devices()):
        pytest.skip("there is a GPU")
    said = refused(capsys, "run", "argon_gas", "--device", "gpu", "--output", str(tmp_path / "out"))
    assert said.startswith("bayesff: --device gpu: a GPU that JAX can use is needed, found none")


@pytest.mark.parametrize(
    ("content", "said"), [({"out": None}, "must be a folder, found a file"), ({"out/mine.txt": None}, "holds no bayesff run")]
)
def test_what_is_not_a_run_is_not_written_over(
    content: Mapping[str, None], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in content:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("kept", encoding="utf-8")
    assert said in refused(capsys, "run", "argon_gas", "--overwrite", "--output", str(tmp_path / "out"))
    assert [(tmp_path / name).read_text(encoding="utf-8") for name in content] == ["kept"]


def test_a_place_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert "cannot be written" in refused(capsys, "run", "argon_gas", "--output", str(tmp_path / "file" / "out"))
