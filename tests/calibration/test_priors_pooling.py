"""Priors with units, the sites that pooling makes, and the sentences of the errors."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from numpyro import handlers
from scipy import stats

from bayesff.calibration import (
    CalibrationProblem,
    Discrepancy,
    GaussianNoise,
    GroupBias,
    NoPooling,
    PartialPooling,
    Prior,
    StudentTNoise,
    Term,
    weight_priors,
)
from bayesff.datasets import DataSet, Environment, Source
from bayesff.errors import ParameterError, StudyError, UnitError
from bayesff.observables import DimerEnergy, SecondVirial, WellDepth
from bayesff.potentials import LennardJones, Mie, PlainCut, RadialBasisPair

GAS_CONSTANT = 8.31446261815324e-3
PRIORS = {"epsilon": Prior(dist.Uniform(80.0, 160.0), "K"), "sigma": Prior(dist.Normal(0.34, 0.01), "nm")}
NEAR, FAR = np.array([3.5, 3.8]), np.array([4.2, 5.0, 6.0])


def dimer(separation, label="dimer", **groups):
    return DataSet(
        name=label,
        observable="dimer_energy",
        substance="argon",
        environment=Environment(label, "dimer"),
        source=Source("made up"),
        state={"separation": separation},
        values=np.linspace(-0.9, -0.1, len(separation)),
        uncertainty=np.full(len(separation), 0.05),
        groups=groups,
    )


def well_depths(label="dimer", values=(0.98, 1.02)):
    return DataSet(
        name=label,
        observable="well_depth",
        substance="argon",
        environment=Environment(label, "dimer"),
        source=Source("made up"),
        state={},
        values=list(values),
        uncertainty=[0.02] * len(values),
    )


PARTS = [dimer(NEAR, "near"), dimer(FAR, "far")]


def make_problem(pooling=None, priors=PRIORS, **others):
    return CalibrationProblem(LennardJones, priors, [Term(PARTS, DimerEnergy(), **others)], pooling)


def trace_of(problem, observed=None, data=None, seed=0):
    model = handlers.substitute(handlers.seed(problem, jax.random.key(seed)), data=data or {})
    return handlers.trace(model).get_trace(observed)


def lennard_jones(r, epsilon, sigma):
    return 4 * epsilon * ((sigma / r) ** 12 - (sigma / r) ** 6)


# Priors


def test_uniform_prior_in_kelvin():
    within = PRIORS["epsilon"].within("kJ/mol")
    expected = stats.uniform(80 * GAS_CONSTANT, 80 * GAS_CONSTANT)
    for value in (0.7, 1.0, 1.3):
        assert float(within.log_prob(value)) == pytest.approx(expected.logpdf(value), abs=1e-12)
    low, high = within.support.lower_bound, within.support.upper_bound
    np.testing.assert_allclose([low, high], [80 * GAS_CONSTANT, 160 * GAS_CONSTANT], rtol=1e-14)


@pytest.mark.parametrize(
    ("prior", "unit", "expected"),
    [
        (Prior(dist.Normal(0.34, 0.01), "nm"), "angstrom", stats.norm(3.4, 0.1)),
        (Prior(dist.HalfNormal(10.0), "K"), "kJ/mol", stats.halfnorm(scale=10 * GAS_CONSTANT)),
        (Prior(dist.LogNormal(-np.log(4.184), 0.1), "kcal/mol"), "kJ/mol", stats.lognorm(0.1, scale=1.0)),
        (Prior(dist.Gamma(2.0, 0.1)), "", stats.gamma(2.0, scale=10.0)),
    ],
)
def test_densities_in_another_unit(prior, unit, expected):
    values = expected.ppf([0.1, 0.5, 0.9])
    np.testing.assert_allclose(prior.within(unit).log_prob(jnp.asarray(values)), expected.logpdf(values), atol=1e-7)


def test_positive_priors_stay_positive_in_another_unit():
    support = Prior(dist.LogNormal(0.0, 1.0), "K").within("kJ/mol").support
    assert bool(support(jnp.asarray(1e-8)))
    assert not bool(support(jnp.asarray(-1e-8)))


def test_prior_of_another_dimension():
    priors = {**PRIORS, "epsilon": Prior(dist.Uniform(80.0, 160.0), "angstrom")}
    with pytest.raises(UnitError, match=r"the unit 'angstrom' has the dimension .*, but 'kJ/mol' needs .*: correct the unit"):
        make_problem(priors=priors)


def test_scale_of_another_dimension():
    problem = make_problem(noise=GaussianNoise(Prior(dist.HalfNormal(1.0), "K")))
    with pytest.raises(UnitError, match="'a pure number' needs"):
        trace_of(problem)


def test_improper_prior():
    flat = Prior(dist.ImproperUniform(dist.constraints.positive, (), ()), "kJ/mol")
    with pytest.raises(ParameterError, match="epsilon: the prior cannot be normalised: give a proper one, for example a wide Un"):
        make_problem(priors={**PRIORS, "epsilon": flat})


def test_parameters_of_potentials_within_have_their_units():
    """A truncation, a sum and a mean declare nothing of their own: a depth in K must not be taken for kJ/mol."""
    terms = [Term(PARTS, DimerEnergy())]
    cut = CalibrationProblem(lambda **given: PlainCut(LennardJones(**given), cutoff=9.0), PRIORS, terms)
    assert cut.parameter_units == {"epsilon": "kJ/mol", "sigma": "angstrom"}
    assert cut.positive == {"epsilon", "sigma"}
    unlike = CalibrationProblem(lambda **given: LennardJones(**given) + Mie(1.0, 3.4), PRIORS, terms)
    assert unlike.parameter_units == cut.parameter_units
    network = RadialBasisPair.factory(2, LennardJones, centres=(3.5, 4.5), width=0.5)
    weighted = CalibrationProblem(network, PRIORS | weight_priors(2, 50.0, "K"), terms)
    assert weighted.parameter_units == cut.parameter_units | {"w0": "kJ/mol", "w1": "kJ/mol"}
    assert weighted.positive == cut.positive


def test_the_scale_of_weights():
    with pytest.raises(ParameterError, match=r"weight_priors: sd must be finite and greater than zero, found 0\.0: take 1 for a"):
        weight_priors(3, 0.0)


# Pooling


def test_complete_pooling_is_one_value_for_all():
    trace = trace_of(make_problem(), data={"epsilon": jnp.asarray(1.0), "sigma": jnp.asarray(3.4)})
    assert {name for name, site in trace.items() if site["type"] == "sample"} == {"epsilon", "sigma", "dimer_energy"}
    np.testing.assert_allclose(trace["dimer_energy"]["fn"].mean, lennard_jones(np.concatenate([NEAR, FAR]), 1.0, 3.4), rtol=1e-12)
    assert [frame.name for frame in trace["dimer_energy"]["cond_indep_stack"]] == ["dimer_energy_datum"]
    assert trace["dimer_energy_datum"]["value"].shape == (5,)


def test_no_pooling_is_one_value_for_each():
    values = jnp.asarray([1.0, 0.8])
    trace = trace_of(make_problem({"epsilon": NoPooling()}), data={"epsilon_environment": values, "sigma": jnp.asarray(3.4)})
    assert trace["epsilon_environment"]["fn"].shape() == (2,)
    assert [frame.name for frame in trace["epsilon_environment"]["cond_indep_stack"]] == ["environment"]
    expected = [lennard_jones(NEAR, 1.0, 3.4), lennard_jones(FAR, 0.8, 3.4)]
    np.testing.assert_allclose(trace["dimer_energy"]["fn"].mean, np.concatenate(expected), rtol=1e-12)


def test_partial_pooling_is_multiplicative_for_positive_parameters():
    pooling = {"epsilon": PartialPooling(Prior(dist.HalfNormal(0.1)))}
    data = {
        "epsilon": jnp.asarray(1.0),
        "tau_epsilon": jnp.asarray(0.2),
        "epsilon_offset": jnp.asarray([1.0, -0.5]),
        "sigma": jnp.asarray(3.4),
    }
    problem = make_problem(pooling)
    trace = trace_of(problem, data=data)
    np.testing.assert_allclose(trace["epsilon_environment"]["value"], np.exp([0.2, -0.1]), rtol=1e-14)
    assert problem.site_units["tau_epsilon"] == ""
    assert problem.site_units["epsilon_environment"] == "kJ/mol"
    expected = [lennard_jones(NEAR, np.exp(0.2), 3.4), lennard_jones(FAR, np.exp(-0.1), 3.4)]
    np.testing.assert_allclose(trace["dimer_energy"]["fn"].mean, np.concatenate(expected), rtol=1e-12)


def test_partial_pooling_is_additive_for_signed_parameters():
    """The shift of a potential is declared by no field: its prior says that it is signed, and in which unit."""
    problem = CalibrationProblem(
        lambda epsilon, shift: LennardJones(epsilon=epsilon, sigma=3.4 + shift),
        {"epsilon": PRIORS["epsilon"], "shift": Prior(dist.Normal(0.0, 0.1), "angstrom")},
        [Term(PARTS, DimerEnergy())],
        {"shift": PartialPooling(Prior(dist.HalfNormal(0.01), "nm"))},
    )
    data = {"shift": jnp.asarray(0.05), "tau_shift": jnp.asarray(0.2), "shift_offset": jnp.asarray([1.0, -0.5])}
    trace = trace_of(problem, data=data)
    np.testing.assert_allclose(trace["shift_environment"]["value"], [0.25, -0.05], rtol=1e-12)
    assert problem.site_units["tau_shift"] == "angstrom"
    assert float(trace["tau_shift"]["fn"].log_prob(0.1)) == pytest.approx(stats.halfnorm(scale=0.1).logpdf(0.1), abs=1e-12)


def test_data_of_environments_that_are_mixed_come_back_in_order():
    parts = [dimer(NEAR, "near"), dimer(FAR, "far"), dimer(NEAR + 0.1, "near")]
    problem = CalibrationProblem(LennardJones, PRIORS, [Term(parts, DimerEnergy())], {"epsilon": NoPooling()})
    trace = trace_of(problem, data={"epsilon_environment": jnp.asarray([1.0, 0.8]), "sigma": jnp.asarray(3.4)})
    expected = [lennard_jones(NEAR, 1.0, 3.4), lennard_jones(FAR, 0.8, 3.4), lennard_jones(NEAR + 0.1, 1.0, 3.4)]
    np.testing.assert_allclose(trace["dimer_energy"]["fn"].mean, np.concatenate(expected), rtol=1e-12)


@pytest.mark.parametrize("pooling", [None, {"epsilon": NoPooling()}])
def test_several_data_of_a_quantity_without_state(pooling):
    """Two values of the well depth in each of two environments: each is predicted by its own environment's depth."""
    term = Term([well_depths("a"), well_depths("b", (0.9, 0.95, 0.93))], WellDepth())
    problem = CalibrationProblem(LennardJones, PRIORS, [term], pooling)
    data = {"epsilon": jnp.asarray(1.0), "epsilon_environment": jnp.asarray([1.0, 0.8]), "sigma": jnp.asarray(3.4)}
    site = trace_of(problem, data=data)["well_depth"]
    depths = np.full(5, 1.0) if pooling is None else np.array([1.0, 1.0, 0.8, 0.8, 0.8])
    np.testing.assert_allclose(site["fn"].mean, depths, rtol=1e-12)
    expected = stats.norm(depths, 0.02).logpdf([0.98, 1.02, 0.9, 0.95, 0.93]).sum()
    assert float(jnp.sum(site["fn"].log_prob(site["value"]))) == pytest.approx(expected, abs=1e-9)


def test_other_data_in_place_of_the_measured_and_data_that_are_drawn():
    problem = make_problem()
    given = jnp.linspace(-1.0, 0.0, 5)
    assert trace_of(problem, {"dimer_energy": given})["dimer_energy"]["value"] is given
    drawn = [trace_of(problem, {}, seed=seed)["dimer_energy"] for seed in (1, 2)]
    assert not any(site["is_observed"] for site in drawn)
    assert not np.any(np.asarray(drawn[0]["value"]) == np.asarray(drawn[1]["value"]))


def test_student_t_site_keeps_its_plate():
    trace = trace_of(make_problem(noise=StudentTNoise()))
    assert trace["dimer_energy"]["fn"].shape() == (5,)
    assert [frame.name for frame in trace["dimer_energy"]["cond_indep_stack"]] == ["dimer_energy_datum"]
    assert "dimer_energy_degrees_of_freedom" in trace


# Errors


def test_two_terms_of_one_name():
    with pytest.raises(StudyError, match="two terms are called 'dimer_energy': give one of them another name"):
        CalibrationProblem(LennardJones, PRIORS, [Term(PARTS[0], DimerEnergy()), Term(PARTS[1], DimerEnergy())])


def test_a_term_with_the_name_of_a_parameter():
    with pytest.raises(StudyError, match="two sites are called 'epsilon': rename the parameter or the term"):
        CalibrationProblem(LennardJones, PRIORS, [Term(PARTS, DimerEnergy(), name="epsilon")])


def test_two_biases_in_one_term():
    data = dimer(FAR, laboratory=["A", "B", "A"], method=["x", "x", "y"])
    biases = [GroupBias(group, Prior(dist.HalfNormal(0.1), "kJ/mol")) for group in ("laboratory", "method")]
    with pytest.raises(StudyError, match=r"two sites are called 'dimer_energy_bias_scale': .* leave out one of two effects"):
        CalibrationProblem(LennardJones, PRIORS, [Term(data, DimerEnergy(), effects=biases)])


def test_no_term():
    with pytest.raises(StudyError, match="a calibration needs at least one term: give data with an observable"):
        CalibrationProblem(LennardJones, PRIORS, [])


def test_pooling_of_an_unknown_parameter():
    with pytest.raises(StudyError, match="pooling names 'epsilno', but the parameters are epsilon, sigma: correct the name"):
        make_problem({"epsilno": NoPooling()})


def test_parameters_that_the_potential_does_not_take():
    priors = {**PRIORS, "repulsion": Prior(dist.Uniform(10.0, 14.0))}
    match = r"does not take the parameters epsilon, sigma, repulsion of the priors \(.*\): rename a prior"
    with pytest.raises(ParameterError, match=match):
        CalibrationProblem(partial(Mie, attractive=6.0), priors, [Term(PARTS, DimerEnergy())])


def test_data_of_another_observable():
    match = "term 'second_virial': data set 'near' holds dimer_energy, but SecondVirial predicts second_virial: pair them"
    with pytest.raises(StudyError, match=match):
        Term(PARTS, SecondVirial())


def test_bias_without_its_group():
    with pytest.raises(StudyError, match="the bias per laboratory needs a grouping column 'laboratory', the data have none"):
        Term(PARTS, DimerEnergy(), effects=[GroupBias("laboratory", Prior(dist.HalfNormal(0.1), "kJ/mol"))])


def test_discrepancy_without_its_column():
    effect = Discrepancy("temperature", Prior(dist.HalfNormal(0.1), "kJ/mol"), Prior(dist.LogNormal(0.0, 1.0)))
    with pytest.raises(StudyError, match="the discrepancy over 'temperature' needs that state column, the data have separation"):
        Term(PARTS, DimerEnergy(), effects=[effect])


def test_no_data():
    with pytest.raises(StudyError, match="term 'dimer_energy': there are no data, give at least one datum"):
        Term([], DimerEnergy())
