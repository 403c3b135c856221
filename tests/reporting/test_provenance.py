"""What a run records about its data, its software and itself; and a run of a real problem from end to end."""

import hashlib
import json

import jax
import numpyro.distributions as dist
import pytest

import bayesff as bff
from bayesff import reporting
from bayesff.calibration import CalibrationProblem, Discrepancy, GroupBias, Prior, Term
from bayesff.datasets import DataSet, Environment, Source, catalogue_folder
from bayesff.reporting.provenance import checksum, data_sources, git_state


def problem():
    data = bff.datasets.load("argon_dimer_curve").between("separation", 3.5, 6.0)
    effect = Discrepancy("separation", Prior(dist.HalfNormal(0.1), "kJ/mol"), Prior(dist.LogNormal(-1.9, 0.3)), num_nodes=4)
    priors = {"epsilon": Prior(dist.LogNormal(4.85, 0.2), "K"), "sigma": Prior(dist.LogNormal(1.22, 0.05), "angstrom")}
    term = Term(data, bff.observables.DimerEnergy(), effects=[effect])
    return CalibrationProblem(bff.potentials.LennardJones, priors, [term])


def small(values=(1.0, 2.0), labels=("a", "b")):
    return DataSet(
        name="small",
        observable="dimer_energy",
        substance="argon",
        environment=Environment("dimer", "dimer"),
        source=Source("nobody"),
        state={"separation": [3.5, 4.0]},
        values=values,
        uncertainty=[0.1, 0.1],
        groups={"laboratory": labels},
    )


def test_the_sources_of_the_data_are_recorded():
    (source,) = data_sources({"one": problem(), "two": problem()})
    assert source["name"] == "argon_dimer_curve"
    assert source["num_data"] == problem().terms["dimer_energy"].parts[0].num_data
    assert source["doi"]
    file = catalogue_folder() / "argon_dimer_curve" / "values.csv"
    assert source["file_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert source["sha256"] == checksum(problem().terms["dimer_energy"].parts)
    json.dumps(source)


def test_the_checksum_sees_every_change_and_nothing_else():
    assert checksum([small()]) == checksum([small()])
    assert checksum([small()]) != checksum([small(values=(1.0, 2.0000001))])
    assert checksum([small()]) != checksum([small(labels=("a", "c"))])
    assert checksum([small()]) != checksum([small().with_uncertainty([0.1, 0.2])])


def test_data_of_ones_own_have_no_file():
    bias = GroupBias("laboratory", Prior(dist.HalfNormal(0.1), "kJ/mol"))
    term = Term(small(), bff.observables.DimerEnergy(), effects=[bias])
    priors = {"epsilon": Prior(dist.LogNormal(4.85, 0.2), "K"), "sigma": Prior(dist.LogNormal(1.22, 0.05), "angstrom")}
    (source,) = data_sources({"one": CalibrationProblem(bff.potentials.LennardJones, priors, [term])})
    assert source["file_sha256"] is None
    assert source["citation"] == "nobody"


def test_outside_a_checkout_there_is_no_commit(tmp_path):
    assert git_state(tmp_path) is None
    assert git_state(tmp_path / "nowhere") is None


@pytest.mark.slow
def test_a_real_posterior_becomes_a_run(tmp_path):
    study = problem()
    tree = bff.inference.NUTS(num_warmup=50, num_draws=50, num_chains=2).run(study, jax.random.key(1))
    provenance = reporting.collect({"lennard_jones": study}, command=["bayesff", "run"], options={"num_draws": 50}, elapsed=1.0)
    written = reporting.write_run(
        "real", "Does it run?", {"lennard_jones": tree}, tmp_path / "out", seed=1, provenance=provenance
    )
    assert not written.converged  # a hundred draws cannot
    assert [row.unit for row in written.parameters["lennard_jones"][:2]] == ["K", "Å"]
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["models"]["lennard_jones"]["environments"]["dimer"]["num_data"] == len(study.terms["dimer_energy"].values)
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["versions"]["numpyro"]
