"""The posterior as a file: ArviZ's groups, units on every variable, and the same key gives the same draws."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray

from bayesff.calibration import CalibrationProblem, Discrepancy, GroupBias, PartialPooling, Prior, Term
from bayesff.inference import NUTS, Laplace, Mode, Sample, Target, assemble
from bayesff.inference.posterior import Assembly

from .linear_gaussian import PRIORS, UNCERTAINTY, VALUES, Line, LineHeight, make_data, make_problem

KJ = "kJ/mol"


def make_full_problem():
    parts = [make_data(rows=slice(0, 3), label="near"), make_data(rows=slice(3, 6), label="far")]
    effects = [
        GroupBias("laboratory", Prior(dist.HalfNormal(0.3), KJ)),
        Discrepancy("separation", Prior(dist.HalfNormal(0.3), KJ), Prior(dist.LogNormal(0.0, 0.5), "nm"), logarithmic=False),
    ]
    pooling = {"slope": PartialPooling(Prior(dist.HalfNormal(0.1), "kJ/mol/angstrom"))}
    return CalibrationProblem(Line, PRIORS, [Term(parts, LineHeight(), effects=effects)], pooling)


@pytest.fixture(scope="module")
def tree():
    """What `assemble` makes of any draws; these are normal numbers."""
    target = Target(make_full_problem())
    draws = jax.random.normal(jax.random.key(1), (2, 20, target.size))
    statistics = {"diverging": jnp.zeros((2, 20), bool), "energy": draws[..., 0] ** 2}
    return assemble(target, Sample(draws, statistics, {"method": "NUTS", "mode_converged": True}), jax.random.key(2))


def test_groups_dimensions_and_coordinates(tree):
    assert set(tree.children) >= {
        "prior",
        "prior_predictive",
        "posterior",
        "posterior_predictive",
        "log_likelihood",
        "sample_stats",
        "observed_data",
        "constant_data",
        "diagnostics",
    }
    posterior = tree["posterior"]
    assert dict(posterior["slope"].sizes) == {"chain": 2, "draw": 20}
    assert posterior["slope_environment"].dims == ("chain", "draw", "environment")
    assert list(posterior["environment"].values) == ["near", "far"]
    assert posterior["line_height_laboratory_bias"].dims == ("chain", "draw", "line_height_laboratory")
    assert list(posterior["line_height_laboratory"].values) == ["A", "B", "C"]
    assert posterior["line_height_discrepancy_scale"].dims == ("chain", "draw", "line_height_environment")
    for group in ("posterior_predictive", "log_likelihood"):
        assert tree[group]["line_height"].dims == ("chain", "draw", "line_height_datum")
    np.testing.assert_array_equal(tree["observed_data"]["line_height"], VALUES)
    np.testing.assert_array_equal(tree["constant_data"]["line_height_uncertainty"], UNCERTAINTY)
    assert list(tree["constant_data"]["line_height_environment"].values) == ["near"] * 3 + ["far"] * 3
    assert json.loads(tree.attrs["environments"]) == ["near", "far"]


def test_what_is_judged_while_chains_run_is_what_the_tree_reports(tree):
    target = Target(make_full_problem())
    draws = jax.random.normal(jax.random.key(1), (2, 20, target.size))
    found = Assembly(target).reported(draws, jax.random.key(2), target.observed)
    reported = tree["posterior"].to_dataset()
    expected = [reported[name].to_numpy().reshape(2, 20, -1) for name in reported.data_vars]
    assert found.shape == (2, 20, sum(column.shape[2] for column in expected))
    np.testing.assert_allclose(np.sort(found, axis=2), np.sort(np.concatenate(expected, axis=2), axis=2), rtol=1e-12)


def test_every_variable_has_a_unit(tree):
    assert all("units" in group[variable].attrs for group in tree.children.values() for variable in group.data_vars)
    diagnostics = tree["diagnostics"].to_dataset().set_index(scalar="scalar")
    assert str(diagnostics["internal_unit"].sel(scalar="slope").item()) == "kJ/mol/angstrom"
    expected = {
        "slope": "kJ/mol/angstrom",
        "slope_environment": "kJ/mol/angstrom",
        "tau_slope": "kJ/mol/angstrom",
        "slope_offset": "",
        "amplitude": "",
        "line_height_bias_scale": KJ,
        "line_height_laboratory_bias": KJ,
        "line_height_discrepancy_scale": KJ,
        "line_height_discrepancy_length": "angstrom",
    }
    assert {name: tree["posterior"][name].attrs["units"] for name in tree["posterior"].data_vars} == expected
    assert tree["posterior_predictive"]["line_height_mean"].attrs["units"] == KJ
    assert tree["constant_data"]["line_height_separation"].attrs["units"] == "angstrom"


def test_prior_of_a_length_in_another_unit(tree):
    """A log-normal of median 1 nm: the logarithm of 500 draws in angstrom has the mean log 10 within four standard errors."""
    logarithm = np.log(tree["prior"]["line_height_discrepancy_length"].to_numpy())
    assert abs(logarithm.mean() - np.log(10)) < 4 * 0.5 / np.sqrt(500)


def test_deterministic_sites_follow_from_the_others(tree):
    posterior = tree["posterior"].to_dataset()
    np.testing.assert_allclose(
        posterior["slope_environment"], posterior["slope"] + posterior["tau_slope"] * posterior["slope_offset"], rtol=1e-12
    )
    mean = np.log(posterior["amplitude"]).to_numpy()[..., None] + (
        posterior["slope_environment"].to_numpy()[..., [0, 0, 0, 1, 1, 1]]
        * tree["constant_data"]["line_height_separation"].to_numpy()
    )
    np.testing.assert_allclose(tree["posterior_predictive"]["line_height_mean"], mean, rtol=1e-10)


def test_the_file_gives_back_the_tree(tree, tmp_path):
    tree.to_netcdf(tmp_path / "posterior.nc", engine="h5netcdf")
    with xarray.open_datatree(tmp_path / "posterior.nc", engine="h5netcdf") as again:
        xarray.testing.assert_equal(again["posterior"].to_dataset(), tree["posterior"].to_dataset())
        assert (again.attrs["method"], again.attrs["mode_converged"]) == ("NUTS", 1)


def test_twenty_draws_are_not_converged(tree):
    assert int(tree["diagnostics"]["converged"]) == 0
    assert "effective sample size" in tree["diagnostics"].attrs["reasons"]


def test_the_key_decides():
    method, target = NUTS(num_warmup=10, num_draws=10, num_chains=2), Target(make_problem())
    mode = Mode(jnp.zeros(2), jnp.eye(2), jnp.asarray(0.0), jnp.asarray(True), jnp.zeros(2), jnp.asarray(0.0))
    compiled = method.compile(target)
    draws = [np.asarray(method.sample_from(target, mode, jax.random.key(seed), compiled=compiled).draws) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.any(draws[0] == draws[2])


def test_a_more_careful_sampler_uses_what_another_one_compiled():
    target, key = Target(make_problem()), jax.random.key(1)
    observed = {name: values[None] for name, values in target.observed.items()}
    first, careful = (NUTS(num_warmup=50, num_draws=10, num_chains=2, target_accept_prob=chance) for chance in (0.6, 0.98))
    compiled = first.compile(target)
    modes = first.modes(compiled, target, observed, key)
    samples = [
        sampler.sample_several(target, observed, key, **known)[0]
        for sampler, known in (
            (careful, {}),
            (careful, {"compiled": compiled, "modes": modes}),
            (first, {"compiled": compiled, "modes": modes}),
        )
    ]
    np.testing.assert_array_equal(samples[0].draws, samples[1].draws)
    assert compiled.advance._cache_size() == 1
    assert samples[1].statistics["step_size"].mean() < 0.7 * samples[2].statistics["step_size"].mean()


def test_a_posterior_with_divergent_draws_is_sampled_again_with_smaller_steps(monkeypatch):
    real, chances = NUTS.sample_several, []

    def diverging_unless_careful(self, *arguments):
        (sample,) = real(self, *arguments)
        chances.append(self.target_accept_prob)
        diverging = np.full(sample.draws.shape[:2], self.target_accept_prob < 0.98)
        return [dataclasses.replace(sample, statistics=sample.statistics | {"diverging": diverging})]

    monkeypatch.setattr(NUTS, "sample_several", diverging_unless_careful)
    method, target = NUTS(num_warmup=50, num_draws=10, num_chains=2, target_accept_prob=0.6), Target(make_problem())
    sample = method.sample(target, jax.random.key(1))
    assert chances == [0.6, 0.98]  # and not 0.995, which is not needed
    observed = {name: values[None] for name, values in target.observed.items()}
    careful = dataclasses.replace(method, target_accept_prob=0.98)
    np.testing.assert_array_equal(sample.draws, real(careful, target, observed, jax.random.key(1))[0].draws)


def test_the_key_decides_for_laplace():
    target = Target(make_problem())
    first, again = (Laplace(num_draws=30).sample(target, jax.random.key(1)).draws for _ in range(2))
    assert first.shape == (4, 30, 2)
    np.testing.assert_array_equal(first, again)
