"""The parts of a transfer assessment, with numbers that are known."""

import json

import numpy as np
import xarray

LABELS = ["cold gas", "warm gas", "dimer"]
LEVELS = [0.5, 0.8, 0.9, 0.95]
VARIANTS = ["shared", "pooled", "separate", "bare"]
PICTURES = {"transfer_matrix", "spread", "values", "left_out_second_virial", "left_out_coverage", "domain", "identifiability"}


def refits_dataset(reasons=("", "", ""), notes=()):
    converged = [int(not reason) for reason in reasons]
    made = xarray.Dataset(
        {
            "log_z": ("refit", [10.04, 20.0, -30.0]),
            "log_z_sd": ("refit", [0.02, 0.5, 0.01]),
            "converged": ("refit", converged),
            "largest_rhat": ("refit", [1.001, 1.002, 1.003]),
            "fewest_effective": ("refit", [500.2, 600.0, 700.0]),
            "reasons": ("refit", list(reasons)),
        },
        coords={"variant": ("refit", ["shared", "pooled", "bare"]), "fitted": ("refit", ["cold gas + <dimer>"] * 3)},
    )
    tolerances = {"second_virial": [3.0, "cm^3/mol"], "well_depth": [0.05, ""]}
    return made.assign_attrs(notes=json.dumps(list(notes)), spread_tolerance=0.02, tolerances=json.dumps(tolerances))


def spread_dataset():
    """Sigma carries over; epsilon does not, since the dimer wants another."""
    return xarray.Dataset(
        {
            "q05": ("parameter", [0.02, 0.0001]),
            "q50": ("parameter", [0.06, 0.001]),
            "q95": ("parameter", [0.13, 0.004]),
            "p_within": ("parameter", [0.04, 0.997]),
            "prior_p_within": ("parameter", [0.4, 0.4]),
            "relative": ("parameter", [1, 1]),
            "common": ("parameter", [123.0, 3.4]),
            "common_q05": ("parameter", [117.0, 3.39]),
            "common_q95": ("parameter", [129.0, 3.41]),
            "value": (("parameter", "environment"), [[120.0, 121.0, 130.0], [3.4, 3.4, 3.4]]),
            "value_q05": (("parameter", "environment"), [[118.0, 119.0, 128.0], [3.39, 3.39, 3.39]]),
            "value_q95": (("parameter", "environment"), [[122.0, 123.0, 132.0], [3.41, 3.41, 3.41]]),
            "p_outside": (("parameter", "environment"), [[0.3, 0.2, 0.97], [0.0, 0.0, 0.0]]),
        },
        coords={"parameter": ["epsilon", "sigma"], "unit": ("parameter", ["K", "angstrom"]), "environment": LABELS},
    )


def scores_dataset(share):
    columns = {"num_data": [12, 12, 1], "rmse_over_uncertainty": [2.0, 3.0, 17.26]}
    columns |= {"rmse_over_uncertainty_q05": [1.0, 1.0, 2.6], "rmse_over_uncertainty_q95": [4.0, 5.0, 149.2]}
    columns |= {"crps_over_uncertainty": [0.6, 0.7, 6.51], "skill": [0.9, 0.8, -0.304]}
    columns |= {"pit_q05": [0.1, 0.2, 0.9], "pit_q50": [0.5, 0.6, 0.9], "pit_q95": [0.9, 0.8, 0.9]}
    columns |= {"joint_log_predictive_density": [-10.04, -20.0, -170.02], "joint_log_predictive_density_sd": [0.02, 0.5, 0.01]}
    shares = np.full((3, 4), share)
    made = {name: ("environment", column) for name, column in columns.items()}
    made |= {
        f"coverage{rest}": (("environment", "level"), shares + shift)
        for rest, shift in (("", 0), ("_low", -0.1), ("_high", 0.05))
    }
    return xarray.Dataset(made, coords={"environment": LABELS, "level": LEVELS})


def left_out_data_dataset():
    pit = np.stack([np.append(np.linspace(0.1, 0.9, 24), 0.999), np.full(25, 0.3), np.full(25, 1.0)])
    environment = ["cold gas"] * 12 + ["warm gas"] * 12 + ["dimer"]
    labels = {"term": ("datum", ["second_virial"] * 24 + ["well_depth"]), "environment": ("datum", environment)}
    return xarray.Dataset({"pit": (("variant", "datum"), pit)}, coords={"variant": ["pooled", "shared", "bare"]} | labels)


def coverage_dataset():
    """At 90 % the pooled variant holds 24 of 25 data, as calibrated ones may; the bare one none, whose zero must be told too."""
    columns = {"coverage": [0.96, 1.0, 0.0], "expected_q05": [0.61, 0.7, 0.84], "expected_q50": [0.96, 0.95, 0.92]}
    columns |= {"expected_q95": [1.0, 1.0, 0.97], "p_as_low": [0.5, 1.0, 0.0], "p_as_high": [0.51, 0.3, 1.0]}
    made = {
        name: (("variant", "environment", "level"), np.broadcast_to(np.reshape(column, (3, 1, 1)), (3, 4, 4)))
        for name, column in columns.items()
    }
    named = {"variant": ["pooled", "shared", "bare"], "environment": [*LABELS, "all environments"], "level": LEVELS}
    return xarray.Dataset(made, coords=named)


def grid(number=10):
    temperature = np.concatenate([np.geomspace(100.0, 230.0, number), np.geomspace(250.0, 600.0, number)])
    return {
        "second_virial_temperature": ("second_virial_grid", temperature),
        "second_virial_environment": ("second_virial_grid", np.repeat(LABELS[:2], number)),
        "well_depth_environment": ("well_depth_grid", ["dimer"]),
    }


def curves_dataset():
    middle = 1.0 + 2.0 * np.log(grid()["second_virial_temperature"][1] / 250.0)
    width = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])[:, None]
    made = np.stack([middle + scale * width for scale in (1.0, 0.5, 0.1)])
    depth = np.broadcast_to(np.array([-2.0, -1.0, 0.0, 1.0, 2.0])[None, :, None], (3, 5, 1))
    columns = {"second_virial": (("variant", "quantile", "second_virial_grid"), made)}
    columns |= {"well_depth": (("variant", "quantile", "well_depth_grid"), depth)}
    named = {"variant": ["pooled", "shared", "bare"], "quantile": [0.05, 0.25, 0.5, 0.75, 0.95]}
    return xarray.Dataset(columns, coords=named | grid())


def matrix_dataset():
    middle = np.array([[1.0, 2.0, 30.0], [0.5, 1.0, 8.0], [4.0, 5.0, 1.0], [0.8, 1.1, 7.36]])
    index = np.stack([0.5 * middle, middle, 1.5 * middle], axis=-1)
    coords = {"fitted": [*LABELS, "all others"], "tested": LABELS, "quantile": ["q05", "q50", "q95"]}
    return xarray.Dataset({"index": (("fitted", "tested", "quantile"), index)}, coords=coords)


def within_dataset():
    joint = np.array([[0.95, 0.5, 0.004], [0.4, 0.95, 0.1], [0.1, 0.1, 0.99], [0.7, 0.6, 0.2]])
    single = np.stack([joint, np.where(np.arange(3) == 0, 0.98, np.nan) * np.ones((4, 1))], axis=-1)
    made = {"p_within": (("fitted", "tested"), joint), "p_within_of": (("fitted", "tested", "term"), single)}
    made |= {"p_within_everywhere": ("fitted", [0.001, 0.2, 0.3, np.nan])}
    coords = {"fitted": [*LABELS, "all others"], "tested": LABELS, "term": ["second_virial", "well_depth"]}
    return xarray.Dataset(made, coords=coords)


def domain_dataset():
    """All others: above 0.9 from 100 K to the fifth state, and nowhere in the well depth."""
    chance = np.tile(np.linspace(0.9, 0.2, 20), (4, 1))
    chance[3] = np.where(np.arange(20) < 5, 0.95, 0.3)
    columns = {"second_virial": (("fitted", "second_virial_grid"), chance)}
    columns |= {"well_depth": (("fitted", "well_depth_grid"), np.full((4, 1), 0.2))}
    return xarray.Dataset(columns, coords={"fitted": [*LABELS, "all others"]} | grid())


def tension_dataset(p_value=0.00002, log_ratio=-4.9):
    made = {"log_ratio": log_ratio, "log_ratio_sd": 0.03, "suspiciousness": -14.94, "suspiciousness_sd": 0.11}
    return xarray.Dataset(made | {"dimension": 11.5, "dimension_sd": 1.0, "p_value": p_value})


def identifiability_dataset():
    power = np.tile(np.array([[0.31, 0.95], [0.9987, -0.05]]), (2, 1, 1))
    made = {"eigenvalue": [[1e4, 100.0], [400.0, 0.0]], "eigenvalue_q05": [[2500.0, 25.0], [100.0, 0.0]]}
    made |= {"eigenvalue_q95": [[4e4, 400.0], [1600.0, 0.0]], "contraction": [[0.999, 0.5], [0.6, -0.02]]}
    columns = {name: (("fitted", "combination"), values) for name, values in made.items()}
    columns |= {"power": (("fitted", "combination", "parameter"), power)}
    coords = {"fitted": ["all data", "dimer"], "combination": [1, 2], "parameter": ["epsilon", "sigma"]}
    return xarray.Dataset(columns, coords=coords)


FITS = [*LABELS, "all data", "all data without discrepancy"]


def values_dataset():
    """The warm gas fixes nothing; the dimer wants another epsilon than the cold gas."""
    middle = np.array([[120.0, 3.4], [125.0, 3.5], [140.0, 3.4], [130.0, 3.4], [131.0, 3.4]])
    columns = {key: (("fitted", "parameter"), middle * factor) for key, factor in (("q05", 0.99), ("q50", 1.0), ("q95", 1.01))}
    columns |= {"contraction": (("fitted", "parameter"), np.array([0.9, 0.12, 0.99, 0.99, 0.995])[:, None] * np.ones(2))}
    columns |= {f"prior_{key}": ("parameter", [value, 3.4]) for key, value in (("q05", 90.0), ("q50", 125.0), ("q95", 170.0))}
    return xarray.Dataset(columns, coords={"fitted": FITS, "parameter": ["epsilon", "sigma"], "unit": ("parameter", ["K", "Å"])})


def published_dataset():
    tail = np.array([[0.001, 0.6, 0.5, 0.2, 0.01], [0.0, 0.5, 0.0, 0.0, 0.0]])
    contraction = np.tile(values_dataset()["contraction"].sel(parameter="epsilon").to_numpy(), (2, 1))
    made = {"tail": (("publication", "fitted"), tail), "contraction": (("publication", "fitted"), contraction)}
    made |= {"value": ("publication", [139.0, 99.0]), "sd": ("publication", [0.0, 2.5])}
    texts = {"parameter": ["epsilon"] * 2, "unit": ["K"] * 2, "label": ["a fit", "<another>"], "source": ["one", "two"]}
    return xarray.Dataset(made, coords={"fitted": FITS} | {name: ("publication", column) for name, column in texts.items()})


def comparison_dataset(difference=-12.3):
    made = {"left_out_density": [-10.04, -22.3], "left_out_density_sd": [0.02, 0.3], "difference": [0.0, difference]}
    made |= {"difference_se": [0.0, 2.1], "weight": [0.97, 0.03]}
    columns = {name: ("candidate", values) for name, values in made.items()}
    evidence = np.array([[1.0, 2.0, 3.0, np.nan]] * 2)
    columns |= {"log_z": (("candidate", "variant"), evidence), "log_z_sd": (("candidate", "variant"), 0.02 + 0 * evidence)}
    return xarray.Dataset(columns, coords={"candidate": ["mie", "lennard_jones"], "variant": VARIANTS})


def parts():
    made = {"refits": refits_dataset(), "spread": spread_dataset(), "left_out_data": left_out_data_dataset()}
    made["left_out_coverage"] = coverage_dataset()
    made |= {f"left_out_{name}": scores_dataset(share) for name, share in (("pooled", 0.9), ("shared", 0.5), ("bare", 0.1))}
    made |= {"left_out_curves": curves_dataset(), "matrix": matrix_dataset(), "within": within_dataset()}
    made |= {"values": values_dataset(), "published": published_dataset()}
    return made | {"domain": domain_dataset(), "tension": tension_dataset(), "identifiability": identifiability_dataset()}
