"""A study: one scientific question, asked of data through candidate potentials; finding studies and loading them."""

import ast
import difflib
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import bayesff
from bayesff.errors import BayesffError, StudyError

if TYPE_CHECKING:
    from bayesff.assessment import Finder, Transfer
    from bayesff.calibration import CalibrationProblem
    from bayesff.inference import Placement


@dataclass(frozen=True)
class Study:
    """What a file in ``models/`` defines, under the name ``study``.

    Parameters
    ----------
    name
        Name of the study and of its file.
    question
        The scientific question, in one sentence.
    problems
        The calibration problem of each candidate potential, by a name such as ``lennard_jones``; the first one is the one that
        the posterior file opens with.
    sampler
        How the posteriors are sampled; ``bayesff run`` may change numbers of draws and chains.
    transfer
        What a transfer assessment is asked: tolerances, and the prior of the spread between environments.
    placement
        How the reference simulations of liquids are placed.
    truths
        For candidates with synthetic data the parameters that these were made from, in the units of the priors; the report says
        whether they are found again.
    findings
        Functions of the posteriors that answer what this study asks beside the transfer assessment: each takes the posterior of
        every candidate by its name (with the transfer assessment, where it was asked for) and returns
        `bayesff.assessment.Finding` objects.
    """

    name: str
    question: str
    problems: Mapping[str, "CalibrationProblem"]
    sampler: Any = field(default_factory=lambda: _default_sampler())
    transfer: "Transfer" = field(default_factory=lambda: _default_transfer())
    placement: "Placement" = field(default_factory=lambda: _default_placement())
    truths: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    findings: "Sequence[Finder]" = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w-]*", self.name):
            raise StudyError(
                f"study {self.name!r}: the name becomes that of a folder and must be letters, digits, '_' and '-': rename it"
            )
        if not self.problems:
            raise StudyError(f"study {self.name!r}: give at least one candidate potential in problems, found none")
        for label in self.problems:
            if not label.isidentifier():
                raise StudyError(f"study {self.name!r}: a candidate's name must be a plain word, found {label!r}")
        for label, known in self.truths.items():
            if label not in self.problems:
                raise StudyError(
                    f"study {self.name!r}: truths name {label!r}, the candidates are {', '.join(self.problems)}: correct the name"
                )
            for parameter in known:
                if parameter not in self.problems[label].priors:
                    raise StudyError(
                        f"study {self.name!r}: the truth {parameter!r} must be a parameter of {label}, found "
                        f"{', '.join(self.problems[label].priors)}: correct the name"
                    )


def _default_sampler() -> Any:
    from bayesff.inference import NUTS

    return NUTS()


def _default_transfer() -> "Transfer":
    from bayesff.assessment import Transfer

    return Transfer()


def _default_placement() -> "Placement":
    from bayesff.inference import Placement

    return Placement()


def studies_folder() -> Path:
    """Return the folder of the studies: inside an installed package, or ``models/`` beside it in a clone."""
    package = Path(bayesff.__file__).resolve().parent
    installed = package / "share" / "models"
    return installed if installed.is_dir() else package.parent / "models"


def studies() -> dict[str, str]:
    """Return name and question of every study that comes with the package; the question is the first line of the file."""
    files = sorted(path for path in studies_folder().glob("*.py") if not path.name.startswith("_"))
    return {path.stem: _first_line(path) for path in files}


def _first_line(path: Path) -> str:
    try:
        docstring = ast.get_docstring(ast.parse(path.read_bytes(), str(path)))
    except (OSError, SyntaxError, ValueError):
        return ""
    return docstring.splitlines()[0] if docstring else ""


def find(name_or_path: str | Path) -> Path:
    """Return the file of a study: a name that `studies` lists, or else the path of a Python file.

    Raises
    ------
    StudyError
        If there is no such name and no such file; it lists the nearest names.
    """
    text, names = str(name_or_path), studies()
    if text in names:
        return studies_folder() / f"{text}.py"
    path = Path(name_or_path).expanduser()
    if path.is_file():
        if path.suffix != ".py":
            raise StudyError(f"{path}: a study must be a Python file, found one that does not end in .py: give the study's file")
        return path
    if path.is_dir() and text:
        raise StudyError(f"{path}: a study must be a Python file, found a folder: give the path of a file in it")
    near = difflib.get_close_matches(path.stem, names, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}" if near else f"there are {', '.join(names) or 'no studies'}"
    raise StudyError(f"study {text!r}: the name of a study or the path of a Python file is needed, found neither: {hint}")


def load(name_or_path: str | Path) -> Study:
    """Run the file of a study and return the `Study` that it defines under the name ``study``.

    Modules beside the file can be imported by it. Switch JAX to double precision before, or in the file.

    Raises
    ------
    StudyError
        If the file is not found, does not run, or does not define ``study``; the sentence names file and line.
    """
    path = find(name_or_path)
    found = vars(_execute(path)).get("study")
    if not isinstance(found, Study):
        kind = "none" if found is None else f"{type(found).__name__} {found!r:.60}"
        raise StudyError(f"{path}: the file must define 'study', a bayesff.Study, found {kind}: write study = bayesff.Study(...)")
    return found


def _execute(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"study_{path.stem}", path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # classes of the file are looked up there, by dataclasses and by pickle
    with _importable(path.resolve().parent):
        try:
            spec.loader.exec_module(module)
        except SyntaxError as error:
            place = f"{error.filename or path}, line {error.lineno}"
            raise StudyError(f"{place}: the file must be valid Python, found {error.msg}: correct it") from None
        except BayesffError as error:
            raise type(error)(f"{_place(path, error)}: {error}") from None
        except (Exception, SystemExit) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise StudyError(f"{_place(path, error)}: the file must run without an error, found {reason}: correct it") from error
    return module


def _place(path: Path, error: BaseException) -> str:
    """Return file and line where an exception came out of the user's own code: the study's file or a module beside it."""
    folder = path.resolve().parent
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent == folder]
    if not own:
        return str(path)
    file = path if Path(own[-1].filename).name == path.name else Path(own[-1].filename)
    return f"{file}, line {own[-1].lineno}"


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let modules of a folder be imported, as Python does for the script that it runs."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
