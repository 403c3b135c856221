"""The folder of a run: complete or not there at all, and never at the cost of what lies in it."""

import hashlib
import json

import pytest

from bayesff import reporting
from bayesff.errors import OutputError
from bayesff.reporting import run as module

from .conftest import PROVENANCE, QUESTION

ARTEFACTS = {"posterior.nc", "metrics.json", "manifest.json", "report.html", "figures"}


def manifest_is_true(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    listed = {entry["path"]: entry for entry in manifest["files"]}
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"manifest.json"}
    assert set(listed) == present
    for name, entry in listed.items():
        content = (folder / name).read_bytes()
        assert entry["bytes"] == len(content)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
    return manifest


def test_the_five_artefacts_are_there_and_nothing_else(written):
    assert {path.name for path in written.folder.iterdir()} == ARTEFACTS
    assert [path.name for path in written.folder.parent.iterdir()] == [written.folder.name]
    figures = {path.name for path in (written.folder / "figures").iterdir()}
    assert {"fit_second_virial.svg", "fit_second_virial.png", "comparison.svg", "predictive_checks.png"} <= figures
    assert {name.removesuffix(".svg") for name in figures if name.endswith(".svg")} == {
        name.removesuffix(".png") for name in figures if name.endswith(".png")
    }
    manifest = manifest_is_true(written.folder)
    assert manifest["seed"] == 7
    assert manifest["command"] == PROVENANCE["command"]
    assert manifest["data"][0]["sha256"] == "ab" * 32
    assert written.report == written.folder / "report.html"
    assert written.converged
    assert [row.name for row in written.parameters["mie"][:2]] == ["ε", "σ"]


def test_a_finished_run_is_kept(run_folder, trees):
    with pytest.raises(OutputError, match="holds a finished run, which is kept: choose another --output folder or --overwrite"):
        reporting.check_output(run_folder)
    with pytest.raises(OutputError, match="finished run"):
        reporting.write_run("again", QUESTION, trees, run_folder)
    manifest_is_true(run_folder)


def test_a_folder_without_a_run_is_never_touched(tmp_path, trees):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="is not empty and holds no bayesff run, so that it is left alone"):
            reporting.check_output(tmp_path / "thesis", overwrite)
    # A manifest of another program is no run of ours.
    (tmp_path / "thesis" / "manifest.json").write_text('{"files": []}')
    with pytest.raises(OutputError, match="holds no bayesff run"):
        reporting.write_run("x", QUESTION, trees, tmp_path / "thesis", overwrite=True)
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"


def test_a_place_that_cannot_be_written_is_known_before_the_sampling(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="the output must be a folder, found a file"):
        reporting.check_output(tmp_path / "file")
    with pytest.raises(OutputError, match=r"the folder cannot be written \(.*\): choose another --output folder"):
        reporting.check_output(tmp_path / "file" / "out")
    reporting.check_output(tmp_path / "new" / "deep")
    (tmp_path / "empty").mkdir()
    reporting.check_output(tmp_path / "empty")
    assert not any((tmp_path / "empty").iterdir())


def test_overwriting_replaces_the_run_and_only_the_run(run_folder, trees):
    (run_folder / "notes.txt").write_text("mine")
    (run_folder / "figures" / "sketch.png").write_bytes(b"mine too")
    assert (run_folder / "figures" / "comparison.svg").exists()
    written = reporting.write_run("single", QUESTION, {"mie": trees["mie"]}, run_folder, seed=8, overwrite=True)
    assert written.report.exists()
    assert json.loads((run_folder / "metrics.json").read_text())["seed"] == 8
    assert (run_folder / "notes.txt").read_text() == "mine"
    assert (run_folder / "figures" / "sketch.png").read_bytes() == b"mine too"
    # A figure of the old run that the new one does not have would belong to nothing.
    assert not (run_folder / "figures" / "comparison.svg").exists()
    assert (run_folder / "figures" / "parameters_mie.svg").exists()
    (run_folder / "notes.txt").unlink()
    (run_folder / "figures" / "sketch.png").unlink()
    manifest_is_true(run_folder)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interrupted_run_leaves_nothing_half_written(tmp_path, trees, monkeypatch, error):
    def stop(*arguments):
        raise error

    monkeypatch.setattr(module, "metrics_of", stop)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else OutputError
    with pytest.raises(expected):
        reporting.write_run("x", QUESTION, {"mie": trees["mie"]}, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_overwrite_keeps_the_old_run(run_folder, trees, monkeypatch):
    before = {path: path.read_bytes() for path in run_folder.rglob("*") if path.is_file()}

    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "metrics_of", stop)
    with pytest.raises(KeyboardInterrupt):
        reporting.write_run("x", QUESTION, {"mie": trees["mie"]}, run_folder, overwrite=True)
    assert {path: path.read_bytes() for path in run_folder.rglob("*") if path.is_file()} == before
    assert [path.name for path in run_folder.parent.iterdir()] == ["out"]


def test_the_report_is_made_again_from_the_posterior_alone(run_folder):
    before = (run_folder / "report.html").read_bytes()
    figure = (run_folder / "figures" / "fit_second_virial.svg").read_bytes()
    (run_folder / "report.html").unlink()
    for path in (run_folder / "figures").iterdir():
        path.unlink()
    posterior = (run_folder / "posterior.nc").read_bytes()
    rebuilt = reporting.rebuild_report(run_folder)
    assert rebuilt.report.read_bytes() == before
    assert (run_folder / "figures" / "fit_second_virial.svg").read_bytes() == figure
    assert (run_folder / "posterior.nc").read_bytes() == posterior
    assert {path.name for path in run_folder.iterdir()} == ARTEFACTS
    manifest_is_true(run_folder)


def test_a_posterior_without_its_run_has_a_report_too(run_folder, tmp_path):
    lone = tmp_path / "lone"
    lone.mkdir()
    (run_folder / "posterior.nc").rename(lone / "posterior.nc")
    assert reporting.rebuild_report(lone).report.exists()
    assert {path.name for path in lone.iterdir()} == {"posterior.nc", "report.html", "figures"}
    with pytest.raises(OutputError, match="there is no such file"):
        reporting.rebuild_report(run_folder)
