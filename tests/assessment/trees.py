"""Posterior trees made without a sampler: of a linear-Gaussian model, whose posterior and leave-one-out densities are known."""

import json
from dataclasses import dataclass

import arviz_base
import numpy as np
import xarray

from bayesff.inference import diagnose

ENVIRONMENTS = ("cold gas", "warm gas", "dimer")
LABORATORIES = ("Ewing 1992", "Weir & <Co> 1967")
NUM_GRID = 12


@dataclass(frozen=True)
class Linear:
    """Data y = X theta + noise with a normal prior on theta = (epsilon, sigma): the posterior is normal."""

    design: np.ndarray
    values: np.ndarray
    uncertainty: np.ndarray
    prior_sd: float = 10.0

    def posterior(self, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and covariance of theta given the data kept."""
        scaled = self.design[kept] / self.uncertainty[kept, None]
        covariance = np.linalg.inv(scaled.T @ scaled + np.eye(2) / self.prior_sd**2)
        return covariance @ scaled.T @ (self.values[kept] / self.uncertainty[kept]), covariance

    def left_out(self, index: int) -> tuple[float, float]:
        """Return mean and standard deviation of the prediction of one datum from all the others."""
        kept = np.arange(len(self.values)) != index
        mean, covariance = self.posterior(kept)
        row = self.design[index]
        return float(row @ mean), float(np.sqrt(row @ covariance @ row + self.uncertainty[index] ** 2))


def linear(seed: int = 0, slope: float = 1.0) -> Linear:
    """Return 24 second virials at temperatures from 100 to 600 K, and a well depth."""
    rng = np.random.default_rng(seed)
    position = np.log(np.geomspace(100.0, 600.0, 24) / 250.0)
    design = np.concatenate([np.stack([np.ones(24), position], axis=1), [[0.5, 0.1]]])
    uncertainty = np.concatenate([np.linspace(0.8, 0.2, 24), [0.3]])
    return Linear(design, design @ np.array([1.0, 2.0 * slope]) + uncertainty * rng.normal(size=25), uncertainty)


def tree_of(
    model: Linear, *, num_chains: int = 2, num_draws: int = 500, seed: int = 1, effects: bool = False, shift: float = 0.0
) -> xarray.DataTree:
    """Return the posterior tree of the model; ``effects`` adds biases and a discrepancy, ``shift`` a mistake of the potential."""
    rng = np.random.default_rng(seed)
    mean, covariance = model.posterior(np.ones(25, dtype=bool))
    theta = rng.multivariate_normal(mean, covariance, size=(num_chains, num_draws))
    expected = theta @ model.design.T
    predicted = {"second_virial": expected[..., :24], "well_depth": expected[..., 24:]}
    values = {"second_virial": model.values[:24], "well_depth": model.values[24:]}
    sd = {"second_virial": model.uncertainty[:24], "well_depth": model.uncertainty[24:]}
    posterior = {"epsilon": theta[..., 0], "sigma": theta[..., 1]}
    prior = {name: model.prior_sd * rng.normal(size=(1, 400)) for name in posterior}
    predictive, log_likelihood = {}, {}
    for name, centre in predicted.items():
        predictive[name] = centre + sd[name] * rng.normal(size=centre.shape)
        predictive[f"{name}_left_out"] = centre + sd[name] * rng.normal(size=centre.shape)
        predictive[f"{name}_expected"] = centre
        predictive[f"{name}_mean"] = centre - shift * (name == "second_virial")
        residual = (values[name] - centre) / sd[name]
        log_likelihood[name] = -0.5 * residual**2 - np.log(sd[name] * np.sqrt(2 * np.pi))
    laboratory = np.array(LABORATORIES)[np.arange(24) % 2]
    environment = np.where(np.arange(24) < 12, "cold gas", "warm gas")
    constant = {
        "second_virial_temperature": np.geomspace(100.0, 600.0, 24),
        "second_virial_laboratory": laboratory,
        "second_virial_environment": environment,
        "second_virial_uncertainty": sd["second_virial"],
        "well_depth_environment": np.array(["dimer"]),
        "well_depth_uncertainty": sd["well_depth"],
    }
    grid = np.concatenate([np.geomspace(100.0, 230.0, NUM_GRID), np.geomspace(250.0, 600.0, NUM_GRID)])
    curve = (theta @ np.stack([np.ones(2 * NUM_GRID), np.log(grid / 250.0)]))[:1, :100]
    mistake = shift * (1 + 0.05 * rng.normal(size=(*curve.shape[:2], 1)))
    where = np.repeat(["cold gas", "warm gas"], NUM_GRID)
    if effects:
        posterior |= _effects(rng, theta.shape[:2])
        prior |= {"second_virial_noise_scale": np.exp(0.5 * rng.normal(size=(1, 400)))}
    tree = arviz_base.from_dict(
        {
            "posterior": posterior,
            "posterior_predictive": predictive,
            "log_likelihood": log_likelihood,
            "prior": prior,
            "prior_predictive": {"second_virial": rng.normal(size=(1, 400, 24))},
            "sample_stats": {"diverging": np.zeros(theta.shape[:2], dtype=bool), "energy": rng.normal(size=theta.shape[:2])},
            "observed_data": values,
            "constant_data": constant,
            "predictions": {"second_virial": curve, "second_virial_mean": curve - mistake},
            "predictions_constant_data": {"second_virial_temperature": grid, "second_virial_environment": where},
        },
        coords={"second_virial_laboratory": list(LABORATORIES), "second_virial_environment": list(ENVIRONMENTS[:2])},
        dims=_dims(constant, predictive),
        pred_dims={f"second_virial{rest}": ["second_virial_grid"] for rest in ("", "_mean", "_temperature", "_environment")},
    )
    return _described(tree)


def _effects(rng: np.random.Generator, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {
        "second_virial_noise_scale": 1.0 + 0.1 * rng.normal(size=shape),
        "second_virial_bias_scale": np.abs(1.0 + 0.2 * rng.normal(size=shape)),
        "second_virial_laboratory_bias": np.array([0.5, -2.0]) + 0.1 * rng.normal(size=(*shape, 2)),
        "second_virial_discrepancy_scale": np.abs(np.array([2.0, 0.1]) * (1 + 0.1 * rng.normal(size=(*shape, 2)))),
    }


def _dims(constant: dict[str, np.ndarray], predictive: dict[str, np.ndarray]) -> dict[str, list[str]]:
    terms = ("second_virial", "well_depth")
    dims = {name: [f"{next(term for term in terms if name.startswith(term))}_datum"] for name in (*constant, *predictive)}
    dims["second_virial_laboratory_bias"] = ["second_virial_laboratory"]
    dims["second_virial_discrepancy_scale"] = ["second_virial_environment"]
    return dims


def _described(tree: xarray.DataTree) -> xarray.DataTree:
    for group in tree.children.values():
        for name in group.data_vars:
            group[name].attrs["units"] = {"epsilon": "kJ/mol", "sigma": "angstrom"}.get(str(name), "")
    tree["posterior"]["epsilon"].attrs["display_units"] = "K"
    tree["diagnostics"] = diagnose(tree, {"method": "exact"})
    tree.attrs |= {
        "environments": json.dumps(list(ENVIRONMENTS)),
        "terms": json.dumps({"second_virial": "second_virial", "well_depth": "well_depth"}),
        "parameters": json.dumps(["epsilon", "sigma"]),
        "method": "exact",
    }
    return tree
