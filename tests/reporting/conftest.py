"""A run with two candidates, written once; tests that change something copy it."""

import dataclasses
import importlib.util
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray

from bayesff import reporting

from .transfer_parts import comparison_dataset, parts

# The trees of the assessment's tests, which are a package beside this one.
_spec = importlib.util.spec_from_file_location("assessment_trees", Path(__file__).parents[1] / "assessment" / "trees.py")
trees_module = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = trees_module
_spec.loader.exec_module(trees_module)
linear, tree_of = trees_module.linear, trees_module.tree_of

QUESTION = "Is <b>B2</b> & the well described by one potential?"
PROVENANCE = {
    "created": "2026-01-02T03:04:05+00:00",
    "command": ["bayesff", "run", "argon <test>"],
    "options": {"num_draws": 500},
    "elapsed": 12.3,
    "versions": {"python": "3.12.1", "bayesff": "0.1.0", "blackjax": None},
    "platform": "Linux",
    "device": "cpu",
    "git": {"commit": "0123456789abcdef", "changed": True},
    "data": [
        {
            "name": "some_data",
            "observable": "second_virial",
            "substance": "argon",
            "environments": ["cold gas", "warm gas"],
            "num_data": 24,
            "citation": "A. Author & B. Author, J. Tests 1, 2 (2020)",
            "doi": "10.1000/182",
            "licence": "CC0",
            "note": "",
            "uncertainty": "One standard deviation.",
            "references": {"laboratory": {"Weir & <Co> 1967": {"citation": "Weir & <Co>", "doi": ""}}},
            "sha256": "ab" * 32,
            "file_sha256": None,
        }
    ],
}


def candidates(num_draws=1000):
    good = linear()
    flat = dataclasses.replace(good, design=good.design * np.array([1.0, 0.0]))
    return {
        "lennard_jones": tree_of(flat, effects=True, shift=3.0, num_draws=num_draws),
        "mie": tree_of(good, effects=True, num_draws=num_draws),
    }


@pytest.fixture(scope="session")
def trees():
    return candidates()


@pytest.fixture(scope="session")
def written(trees, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "out"
    return reporting.write_run("argon_test", QUESTION, trees, folder, seed=7, provenance=PROVENANCE)


@pytest.fixture
def run_folder(written, tmp_path):
    folder = tmp_path / "out"
    shutil.copytree(written.folder, folder)
    return folder


@pytest.fixture(scope="module")
def plain_trees():
    made = candidates(num_draws=400)
    for tree in made.values():
        for name in ("epsilon", "sigma"):
            tree["prior"][name] = abs(tree["prior"][name])
    return made


@pytest.fixture
def with_parts(plain_trees):
    def make(names=("lennard_jones", "mie"), **changes):
        """Return a run whose candidates have all parts but those changed; None leaves a part out."""
        trees = {name: plain_trees[name].copy() for name in names}
        for index, tree in enumerate(trees.values()):
            made = parts() | ({"comparison": comparison_dataset()} if index == 0 and len(trees) > 1 else {})
            kept = {name: dataset for name, dataset in (made | changes).items() if dataset is not None}
            tree["transferability"] = xarray.DataTree.from_dict(kept)
        return trees

    return make
