"""Simulate Mie fluids over the reduced states of liquids, and write simulations.csv.

    python data/mie_fluid/simulate.py FOLDER [NUMBER]

Finished simulations are kept in FOLDER, and not run again. It takes about a quarter of a minute for each of NUMBER (72) states.
"""

import os
import sys
from pathlib import Path

os.environ["JAX_ENABLE_X64"] = "1"

import numpy as np
from scipy.linalg import block_diag
from scipy.stats import qmc

from bayesff.ensembles import EnsembleStore
from bayesff.ensembles.mie_fluid import ReducedState, Simulated, derivatives, save_simulated, simulation, triplets

COMMENT = (
    "Mie fluids (attractive exponent 6) in units of their depth and diameter, without a cutoff, by molecular dynamics: 256",
    "particles in two boxes, 250 frames every 50 steps of 10 fs at argon's mass; pairs beyond three diameters spread evenly.",
    "energy: U/NkT. compressibility: p/(rho kT) - 1. slope: dU/dn/NkT in the repulsive exponent n. laplacian: of the energy of",
    "a pair, summed over pairs, over N. triplets: the triple-dipole sum over N, of 500 particles. covariance: of their",
    "statistical errors. Made by simulate.py beside this file.",
)


def saturated_density(temperature: float, repulsive: float) -> float:
    """Return about what the saturated liquid has, from Lennard-Jones and how the critical temperature falls with the exponent."""
    below = max(0.67 + 7.8 / repulsive - temperature, 0.0)
    return 0.316 + 0.5 * below ** (1 / 3) + 0.155 * below


def freezing_density(temperature: float) -> float:
    """Return about where a Lennard-Jones liquid freezes."""
    return 0.923 * temperature**0.19


def design(number: int) -> list[ReducedState]:
    """Return states between the saturated and the freezing liquid, and above the critical point, evenly spread."""
    found = []
    for first, second, third in qmc.Sobol(3, seed=1).random(128)[:number]:
        repulsive = 8 * 3**third
        temperature = 1 / (1 / 1.8 + first * (1 / 0.55 - 1 / 1.8))
        low, high = max(0.42, saturated_density(temperature, repulsive) - 0.03), 1.02 * freezing_density(temperature)
        low = min(low, high - 0.1) if low > high - 0.02 else low
        found.append(ReducedState(*(float(f"{one:.4g}") for one in (temperature, low + second * (high - low), repulsive))))
    return found


def main(folder: str, number: str = "72") -> None:
    """Simulate, and write the table."""
    store, states = EnsembleStore(folder), design(int(number))
    found = []
    for index, state in enumerate(states):
        print(f"{index + 1} of {len(states)}: {state}", flush=True)
        one = simulation(state, 1000 + index)
        means, covariance = derivatives(store.get(one))
        triple, variance = triplets(state, 2000 + index)
        found.append((np.append(means, triple), block_diag(covariance, variance)))
    means, covariances = (np.array(part) for part in zip(*found, strict=True))
    save_simulated(Simulated(np.array(states), means, covariances), Path(__file__).with_name("simulations.csv"), COMMENT)


if __name__ == "__main__":
    main(*sys.argv[1:])
