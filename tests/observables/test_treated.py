"""The observable of a potential as an environment treats it is that of the treated potential, derivatives included."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from jax.test_util import check_grads

from bayesff.calibration import CalibrationProblem, Prior, Term
from bayesff.datasets import synthesise
from bayesff.ensembles import EquationOfState
from bayesff.errors import ParameterError, StateError
from bayesff.observables import InternalEnergy, MieLiquid, SecondVirial, Treated
from bayesff.potentials import LennardJones, PlainCut

ARGON = LennardJones(epsilon=0.996, sigma=3.405)
STATE = {"temperature": jnp.array([100.0, 300.0])}
CUT = functools.partial(PlainCut, cutoff=8.5)


def test_it_is_the_observable_of_the_treated_potential_with_its_numerical_error():
    treated, direct = Treated(SecondVirial(), CUT).predict(ARGON, STATE), SecondVirial().predict(CUT(ARGON), STATE)
    assert treated.mean.tolist() == direct.mean.tolist()
    assert treated.covariance.variance.tolist() == direct.covariance.variance.tolist()
    assert Treated(SecondVirial(), CUT).quantity == "second_virial"


def test_doing_nothing_changes_nothing():
    same = Treated(SecondVirial(), lambda potential: potential).predict(ARGON, STATE)
    assert same.mean.tolist() == SecondVirial().predict(ARGON, STATE).mean.tolist()


def test_derivatives_go_through_the_treatment():
    def predicted(epsilon, sigma):
        return Treated(SecondVirial(), CUT).predict(LennardJones(epsilon, sigma), STATE).mean

    check_grads(predicted, (1.0, 3.4), order=1, modes=("fwd", "rev"), rtol=1e-5)


def test_each_environment_of_a_problem_has_its_treatment():
    full = synthesise(SecondVirial(), ARGON, STATE, 1.0, 1)
    terms = [Term(full, SecondVirial(), name="full"), Term(full, Treated(SecondVirial(), CUT), name="cut")]
    priors = {"epsilon": Prior(dist.Normal(1.0, 0.1), "kJ/mol"), "sigma": Prior(dist.Normal(3.4, 0.1), "angstrom")}
    problem = CalibrationProblem(LennardJones, priors, terms)
    values = {"epsilon": jnp.asarray(0.996), "sigma": jnp.asarray(3.405)}
    found = {name: problem.predict(values, term.observable, problem.points[name]).mean for name, term in problem.terms.items()}
    assert np.allclose(found["full"], SecondVirial().predict(ARGON, STATE).mean)
    assert np.allclose(found["cut"], SecondVirial().predict(CUT(ARGON), STATE).mean)
    assert np.all(found["cut"] > found["full"] + 1.0)


def test_the_state_is_checked_as_that_of_the_observable_inside():
    with pytest.raises(StateError, match="no column 'temperature'"):
        Treated(SecondVirial(), CUT).predict(ARGON, {})


def test_what_cannot_be_treated_is_refused():
    liquid = MieLiquid(EquationOfState.learn(), molar_mass=39.948)
    with pytest.raises(
        ParameterError, match="InternalEnergy is of a liquid, which has its treatment itself: give it to the liquid"
    ):
        Treated(InternalEnergy(liquid), CUT)


def test_it_can_be_compiled():
    treated = Treated(SecondVirial(), CUT)
    compiled = jax.jit(lambda potential: treated.predict(potential, STATE).mean)(ARGON)
    assert np.allclose(compiled, treated.predict(ARGON, STATE).mean, rtol=1e-12)
