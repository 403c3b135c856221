"""Simulate Mie fluids over the reduced states of liquids, and write simulations.csv, structure.csv and insertions.csv.

    python data/mie_fluid/simulate.py FOLDER [NUMBER]

Finished simulations are kept in FOLDER, and not run again. It takes about a quarter of a minute for each of NUMBER (72) states,
and one for each of the twelve states of the insertions.
"""

import os
import sys
from pathlib import Path

os.environ["JAX_ENABLE_X64"] = "1"

import jax.numpy as jnp
import numpy as np
from scipy.linalg import block_diag
from scipy.stats import qmc

from bayesff.ensembles import EnsembleStore, MieFluid
from bayesff.ensembles.mie_fluid import (
    ATTRACTIVE,
    DIAMETER,
    Inserted,
    ReducedState,
    Simulated,
    chemical_potential,
    derivatives,
    save_inserted,
    save_simulated,
    simulation,
    triplets,
)
from bayesff.ensembles.mie_structure import SimulatedStructure, save_structure, structure_factors
from bayesff.potentials import Mie

COMMENT = (
    "Mie fluids (attractive exponent 6) in units of their depth and diameter, without a cutoff, by molecular dynamics: 256",
    "particles in two boxes, 250 frames every 50 steps of 10 fs at argon's mass; pairs beyond three diameters spread evenly.",
    "energy: U/NkT. compressibility: p/(rho kT) - 1. slope: dU/dn/NkT in the repulsive exponent n. laplacian: of the energy of",
    "a pair, summed over pairs, over N. triplets: the triple-dipole sum over N, of 500 particles. covariance: of their",
    "statistical errors. Made by simulate.py beside this file.",
)

INSERTED = (
    (1.5, 0.42, 12.0),
    (1.7, 0.45, 12.0),
    (1.7, 0.42, 9.5),
    (1.4, 0.45, 16.0),
    (1.4, 0.42, 22.0),
    (1.65, 0.5, 14.0),
    (1.55, 0.48, 18.0),
    (1.75, 0.46, 8.5),
    (1.6, 0.46, 10.5),
    (1.3, 0.46, 18.0),
    (1.7, 0.5, 23.0),
    (1.45, 0.46, 14.0),
)
"""States above the critical point, dilute enough for test particles."""

COMMENT_STRUCTURE = (
    "Structure factors of the simulations in simulations.csv at wave numbers in units of the inverse diameter, with the",
    "correlations beyond three diameters by the Ornstein-Zernike equation, then their standard errors: statistical, of the",
    "closure beyond, and of the finite number of particles. Made by simulate.py beside this file.",
)

COMMENT_INSERTED = (
    "Mie fluids as in simulations.csv, 256 particles in one box, 150 frames every 200 steps; pairs beyond half the box spread",
    "evenly. chemical_potential: beyond the ideal gas, over kT, by 5000 test particles a frame. variance: of its statistical",
    "error. Made by simulate.py beside this file.",
)


def saturated_density(temperature: float, repulsive: float) -> float:
    """Return about what the saturated liquid has."""
    return float(MieFluid.of(Mie(1.0, 1.0, repulsive, ATTRACTIVE)).saturated_density(jnp.asarray(temperature)))


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
    found, curves = [], []
    for index, state in enumerate(states):
        print(f"{index + 1} of {len(states)}: {state}", flush=True)
        one = simulation(state, 1000 + index)
        ensemble = store.get(one)
        means, covariance = derivatives(ensemble)
        curves.append(structure_factors(ensemble, DIAMETER))
        triple, variance = triplets(state, 2000 + index)
        found.append((np.append(means, triple), block_diag(covariance, variance)))
    means, covariances = (np.array(part) for part in zip(*found, strict=True))
    save_simulated(Simulated(np.array(states), means, covariances), Path(__file__).with_name("simulations.csv"), COMMENT)
    structure = SimulatedStructure(np.array(states), *np.stack(curves, axis=1))
    save_structure(structure, Path(__file__).with_name("structure.csv"), COMMENT_STRUCTURE)
    found = []
    for index, state in enumerate(INSERTED):
        print(f"test particles {index + 1} of {len(INSERTED)}: {state}", flush=True)
        found.append(chemical_potential(ReducedState(*state), 3000 + index))
    save_inserted(Inserted(np.array(INSERTED), *np.array(found).T), Path(__file__).with_name("insertions.csv"), COMMENT_INSERTED)


if __name__ == "__main__":
    main(*sys.argv[1:])
