"""References placed along a posterior: a Lennard-Jones liquid whose parameters are known."""

import dataclasses
import functools
import json

import jax
import numpy as np
import numpyro.distributions as dist
import pytest

import bayesff.potentials as bp
from bayesff.calibration import CalibrationProblem, Prior, Term
from bayesff.calibration.reach import liquid_states, liquids_of, sample_sizes, with_liquids
from bayesff.datasets import DataSet, Environment, Source
from bayesff.ensembles import EnsembleStore, Simulation
from bayesff.errors import ParameterError
from bayesff.inference import Laplace, Placement, placement
from bayesff.inference.mode import compile_energies, find_mode
from bayesff.inference.target import Target, silent
from bayesff.observables import DimerEnergy, InternalEnergy, Liquid, Pressure

DENSITY, TEMPERATURE, TRUTH = 0.0180, 130.0, (0.98, 3.40)
CUT = functools.partial(bp.ShiftedCut, cutoff=8.0)
PRIORS = {
    "epsilon": Prior(dist.LogNormal(0.12, 0.15), "kJ/mol"),
    "sigma": Prior(dist.LogNormal(1.205, 0.03), "angstrom"),
}


def make_liquid(**changes):
    settings = {"num_particles": 108, "num_frames": 120, "smallest_sample": 20.0} | changes
    return Liquid(CUT, molar_mass=39.948, closest=2.3, **settings)


def measured(quantity, value, uncertainty):
    state = {"temperature": np.array([TEMPERATURE]), "density": np.array([DENSITY])}
    return DataSet(
        name=f"made_{quantity}",
        observable=quantity,
        substance="argon",
        environment=Environment("liquid", "liquid"),
        source=Source("made by this test"),
        state=state,
        values=np.array([value]),
        uncertainty=np.array([uncertainty]),
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return EnsembleStore(tmp_path_factory.mktemp("ensembles"))


@pytest.fixture(scope="module")
def problem(store):
    return make_problem(store, *TRUTH)


def make_problem(store, *parameters):
    """Energy and pressure of a potential, from a simulation that no reference is."""
    truth = bp.LennardJones(*parameters)
    liquid = make_liquid(num_frames=400)
    known = liquid.with_ensembles([store.get(liquid.simulation(truth, TEMPERATURE, DENSITY, seed=77))])
    state = {"temperature": np.array([TEMPERATURE]), "density": np.array([DENSITY])}
    values = [float(one(known).predict(truth, state).mean[0]) for one in (InternalEnergy, Pressure)]
    shared = make_liquid()
    terms = [
        Term(measured("internal_energy", values[0], 0.02), InternalEnergy(shared)),
        Term(measured("pressure", values[1], 1.5), Pressure(shared)),
    ]
    return CalibrationProblem(bp.LennardJones, PRIORS, terms)


@pytest.fixture(scope="module")
def placed(problem, store):
    return Placement(required=40.0, max_simulations=8).place(problem, store, seed=3)


def test_the_references_reach_over_the_posterior(placed):
    assert placed.shortfall == ""
    assert 2 <= len(placed.simulations) <= 8
    (state,) = placed.states
    assert (state.temperature, state.density) == (TEMPERATURE, DENSITY)
    assert placed.sample_sizes[0] > 40
    (liquid,) = liquids_of(placed.problem)
    (references,) = liquid.references
    assert len(references.mbar.num_frames) == len(placed.simulations)


def test_the_true_parameters_are_recovered(placed):
    """Within three standard deviations, of which the statistical error of few references is a part."""
    tree = Laplace(num_draws=500).run(placed.problem, jax.random.key(1))
    assert float(tree["ensembles"]["effective_sample_size"].quantile(0.05)) > 20
    for name, true in zip(PRIORS, TRUTH, strict=True):
        draws = tree["posterior"][name].to_numpy()
        assert abs(draws.mean() - true) < 3 * draws.std()
        assert draws.std() < 0.3 * PRIORS[name].distribution.scale * true
    sizes = tree["ensembles"]["effective_sample_size"]
    assert sizes.dims == ("chain", "draw", "liquid_state")
    assert float(tree["ensembles"]["temperature"][0]) == TEMPERATURE


def test_the_mode_is_found_from_where_it_was(placed):
    """From the prior alone four of six keys end where 13 frames are effective, at a log density that is lower by five."""
    target = Target(placed.problem)
    energies = compile_energies(target)
    for seed in range(3):
        parameters = target.latents(find_mode(target, jax.random.key(seed), energies).location).parameters
        assert sample_sizes(placed.problem, placed.states, parameters)[0] > 40


def test_a_second_run_simulates_nothing(problem, placed, store, monkeypatch):
    monkeypatch.setattr(Simulation, "run", functools.partial(pytest.fail, "it was simulated again"))
    again = Placement(required=40.0, max_simulations=8).place(problem, store, seed=3)
    assert [one.key for one in again.simulations] == [one.key for one in placed.simulations]
    np.testing.assert_array_equal(again.sample_sizes, placed.sample_sizes)


def test_a_budget_that_runs_out_is_said(problem, store):
    found = Placement(required=1e5, max_simulations=2).place(problem, store, seed=3)
    assert len(found.simulations) == 2
    assert "budget of 2 reference simulations was used up: at 130 K and 0.018 1/angstrom^3" in found.shortfall
    assert "where 100000 are required" in found.shortfall


@pytest.mark.slow
def test_draws_beyond_the_references_make_a_run_unconverged(problem, placed):
    """References of which too few frames are effective: said first, and in the posterior file."""
    (liquid,) = liquids_of(placed.problem)
    from dataclasses import replace

    demanding = with_liquids(placed.problem, [replace(liquid, smallest_sample=5000.0)])
    tree = Laplace(num_draws=200).run(demanding, jax.random.key(2))
    assert int(tree["diagnostics"]["converged"]) == 0
    assert "effective frames of the reference simulations at 130 K" in tree["diagnostics"].attrs["reasons"]
    assert json.loads(tree.attrs["terms"]) == {"internal_energy": "internal_energy", "pressure": "pressure"}


def test_draws_that_are_not_where_references_were_placed_make_a_run_unconverged(placed):
    tree = Laplace(num_draws=200).run(placed.problem, jax.random.key(3))
    tree["diagnostics"] = tree["diagnostics"].to_dataset().assign(converged=1).assign_attrs(reasons="")
    served = placed.described(tree)
    assert int(served["diagnostics"]["converged"]) == 1
    assert int(served["ensembles"].attrs["num_simulations"]) == len(placed.simulations)
    left = dataclasses.replace(placed, required=1e4).described(tree)
    assert int(left["diagnostics"]["converged"]) == 0
    assert "the draws are not where those were placed" in left["diagnostics"].attrs["reasons"]
    assert "reasons" in tree["diagnostics"].attrs
    assert int(tree["diagnostics"]["converged"]) == 1  # the tree that was given is as it was


@pytest.mark.slow
def test_references_follow_the_draws(problem, store, monkeypatch):
    """A sampler that goes elsewhere: its draws are those of data whose liquid has atoms that are 0.6 % larger.

    The references are placed in the middle of the posterior only, for else they would serve these draws, too.
    """
    monkeypatch.setattr(placement, "_TAIL", 0.5)
    elsewhere, rounds = make_problem(store, 0.98, 3.42), []

    def sampler(found):
        rounds.append(len(liquids_of(found)[0].references[0].mbar.num_frames))
        tree = Laplace(num_draws=200).run(with_liquids(elsewhere, liquids_of(found)), jax.random.key(4))
        tree["diagnostics"] = tree["diagnostics"].to_dataset().assign(converged=1).assign_attrs(reasons="")
        return tree

    tree = Placement(required=40.0, max_simulations=12).sample(problem, store, 3, silent, sampler)
    assert 1 < len(rounds) <= 4
    assert rounds == sorted(set(rounds))
    assert int(tree["ensembles"].attrs["num_simulations"]) == rounds[-1]
    assert float(tree["ensembles"]["effective_sample_size"].quantile(0.05)) > 40
    assert int(tree["diagnostics"]["converged"]) == 1
    assert abs(float(tree["posterior"]["sigma"].mean()) - 3.42) < 3 * float(tree["posterior"]["sigma"].std())


def test_a_problem_without_a_liquid_needs_no_references(store):
    data = DataSet(
        name="made_dimer",
        observable="dimer_energy",
        substance="argon",
        environment=Environment("dimer", "dimer"),
        source=Source("made by this test"),
        state={"separation": np.array([3.8, 4.2])},
        values=np.array([-0.9, -0.7]),
        uncertainty=np.array([0.1, 0.1]),
    )
    dimer = CalibrationProblem(bp.LennardJones, PRIORS, [Term(data, DimerEnergy())])
    found = Placement().place(dimer, store, seed=1)
    assert found.problem is dimer
    assert liquid_states(dimer) == []
    with pytest.raises(ParameterError, match="max_simulations must be greater than zero, found 0"):
        Placement(max_simulations=0)
