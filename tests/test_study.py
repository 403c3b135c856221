"""Finding studies, loading them, and what is said when that fails."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import bayesff
from bayesff import study
from bayesff.errors import DataError, StudyError

ROOT = Path(__file__).resolve().parents[1]


def write(folder: Path, text: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_studies_are_listed_with_the_first_line_of_their_file_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, '"""Is it so?\n\nMore.\n"""\nraise RuntimeError("must not run")\n', "one.py")
    write(tmp_path, "this is not Python", "two.py")
    write(tmp_path, "x = 1", "three.py")
    write(tmp_path, '"""Hidden."""', "_four.py")
    monkeypatch.setattr(study, "studies_folder", lambda: tmp_path)
    assert study.studies() == {"one": "Is it so?", "three": "", "two": ""}


def test_every_study_of_the_package_asks_a_question() -> None:
    found = study.studies()
    assert set(found) == {path.stem for path in (ROOT / "models").glob("*.py")}
    assert all(question.endswith("?") for question in found.values())


def test_an_installed_package_has_its_studies_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "bayesff"
    (package / "share" / "models").mkdir(parents=True)
    path = write(package / "share" / "models", '"""Is it so?"""\n', "one.py")
    monkeypatch.setattr(bayesff, "__file__", str(package / "__init__.py"))
    assert study.studies() == {"one": "Is it so?"}
    assert study.find("one") == path


def test_a_study_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    assert study.find("argon_gas") == ROOT / "models" / "argon_gas.py"
    assert study.find(str(path)) == path
    assert study.find(path) == path


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("argon_gaz", "did you mean argon_gas"),
        ("models/argon_gaz.py", "did you mean argon_gas"),
        ("zzz", "there are argon, argon_demo, argon_gas"),
        ("", "there are argon, argon_demo, argon_gas"),
        ("folder", "found a folder"),
        ("notes.txt", "must be a Python file, found one that does not end in .py"),
    ],
)
def test_what_is_not_a_study_is_refused(given: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    write(tmp_path, "", "notes.txt")
    with pytest.raises(StudyError, match=said):
        study.find(given)


def test_a_study_imports_modules_beside_it_and_the_path_is_left_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, "QUESTION = 'Why?'", "beside_the_study.py")
    path = write(
        tmp_path,
        "import bayesff as bff\nfrom beside_the_study import QUESTION\n"
        "study = bff.Study(name='mine', question=QUESTION, problems={'one': object()}, sampler=object())\n"
        "if __name__ == '__main__':\n    raise RuntimeError('only when started as a program')\n",
    )
    before = list(sys.path)
    loaded = study.load(path)
    assert isinstance(loaded, bayesff.Study)
    assert (loaded.name, loaded.question) == ("mine", "Why?")
    assert sys.path == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", r"mine.py: the file must define 'study', a bayesff.Study, found none"),
        ("study = 3\n", r"must define 'study', a bayesff.Study, found int 3: write study = bayesff.Study\(...\)"),
        ("x = 1\ny = (\n", r"mine.py, line 2: the file must be valid Python, found '\(' was never closed"),
        ("import no_such_module\n", r"mine.py, line 1: .* found ModuleNotFoundError: No module named 'no_such_module'"),
        ("def f():\n    return 1 / 0\n\n\nf()\n", r"mine.py, line 2: the file must run .* ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(4)\n", r"mine.py, line 2: the file must run without an error, found SystemExit: 4"),
        ("from math import nothing\n", r"mine.py, line 1: .* found ImportError"),
    ],
)
def test_a_file_that_defines_no_study_is_refused_with_the_place(text: str, said: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with pytest.raises(StudyError, match=said):
        study.load(path)


def test_a_mistake_in_a_module_beside_the_study_is_placed_there(tmp_path: Path) -> None:
    write(tmp_path, "\n\nvalue = {}['missing']\n", "broken_neighbour.py")
    path = write(tmp_path, "import broken_neighbour\n")
    with pytest.raises(StudyError, match=r"broken_neighbour.py, line 3: .* KeyError: 'missing'"):
        study.load(path)


def test_wrong_input_found_by_the_package_keeps_its_kind_and_gets_a_place(tmp_path: Path) -> None:
    path = write(tmp_path, "import bayesff as bff\ndata = bff.datasets.load('argon_second_virus')\n")
    with pytest.raises(DataError, match=r"mine.py, line 2: data set 'argon_second_virus': .* did you mean argon_second_virial"):
        study.load(path)


@pytest.mark.parametrize(
    ("name", "problems", "said"),
    [
        ("with space", {"one": object()}, "must be letters, digits"),
        ("../up", {"one": object()}, "must be letters, digits"),
        ("mine", {}, "at least one candidate"),
        ("mine", {"lennard jones": object()}, "plain word, found 'lennard jones'"),
    ],
)
def test_a_study_checks_its_names(name: str, problems: dict, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        bayesff.Study(name=name, question="Why?", problems=problems, sampler=object())


@pytest.mark.parametrize(
    ("truths", "said"),
    [
        ({"mie": {}}, "truths name 'mie', the candidates are one: correct the name"),
        ({"one": {"depth": 1.0}}, "the truth 'depth' must be a parameter of one, found epsilon, sigma: correct the name"),
    ],
)
def test_truths_belong_to_parameters_of_candidates(truths: dict, said: str) -> None:
    problem = SimpleNamespace(priors={"epsilon": None, "sigma": None})
    with pytest.raises(StudyError, match=said):
        bayesff.Study(name="mine", question="Why?", problems={"one": problem}, sampler=object(), truths=truths)
