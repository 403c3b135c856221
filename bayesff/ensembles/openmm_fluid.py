r"""The pair fluid with OpenMM as its engine: any truncated potential through a table, and the same pair statistics.

OpenMM integrates Langevin's equation by the middle scheme, whose configurations have the same distribution as those of BAOAB;
the kinetic temperature is that of its velocities, which belong between two positions. It sees the potential as a cubic spline
through values at evenly spaced separations, from half the grid's first edge to the cutoff: the energy without a step at the
cutoff (`Truncation.without_step`), which is what dynamics sample. For argon (Lennard-Jones, Mie and Tang-Toennies forms) the
spline errs by at most 1e-7 kJ/mol in the energy and by 4e-7 of the force from 0.8 sigma on, where the pairs of a liquid are: as
much as single precision does.

It is there to check the other engine with. On one core it makes 9e4 steps of an atom a second, whatever their number; the engine
in JAX is some twenty times as fast (``benchmarks/engine.py``).

References
----------
Z. Zhang, X. Liu, K. Yan, M. E. Tuckerman, J. Liu, J. Phys. Chem. A 123, 6056 (2019), doi:10.1021/acs.jpca.9b02771;
P. Eastman et al., J. Phys. Chem. B 128, 109 (2024), doi:10.1021/acs.jpcb.3c06662
"""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from bayesff.ensembles.pair_fluid import _ACCELERATION, PairFluid, Phase, Trajectory
from bayesff.ensembles.pair_statistics import PairGrid, pair_distances
from bayesff.errors import BayesffError
from bayesff.units import GAS_CONSTANT

_SPACING = 0.005
"""Distance between two values of the table [angstrom]."""

_NANOMETRE = 10.0
"""OpenMM's unit of length in angstrom."""


class OpenMMFluid(PairFluid):
    """A pair fluid that OpenMM simulates, one replica after another.

    OpenMM takes the fastest platform it has, or the one that the environment variable ``OPENMM_DEFAULT_PLATFORM`` names; frames
    are repeated to the last digit only on the same platform with the same number of threads. The parameters are those of
    `PairFluid`.

    Example
    -------
    >>> from bayesff.potentials import LennardJones, SwitchedCut
    >>> cut = SwitchedCut(LennardJones(epsilon=0.996, sigma=3.405), switch_distance=7.5, cutoff=8.5)
    >>> round(OpenMMFluid(cut, temperature=120.0, density=0.02, molar_mass=39.948, num_particles=256).length, 2)
    23.39
    """

    engine: ClassVar[str] = "OpenMM"

    def simulate(self, phase: Phase, key: PRNGKeyArray, num_frames: int, stride: int, grid: PairGrid) -> Trajectory:
        """Go on from a phase and keep a frame every ``stride`` steps.

        Raises
        ------
        BayesffError
            If OpenMM is not installed.
        NumericalError
            As in `PairFluid.simulate`.
        """
        system = self._system(grid)
        seeds = jax.random.randint(key, (len(phase.positions),), 1, 2**31 - 1).tolist()  # a seed of 0 would be OpenMM's choice
        replicas = []
        for positions, velocities, seed in zip(*phase, seeds, strict=True):
            replicas.append(self._replica(system, Phase(positions, velocities), seed, num_frames, stride, grid))
        made = jax.tree.map(lambda *leaves: jnp.stack(leaves), *replicas)
        self._check(made, grid)
        return made

    def _system(self, grid: PairGrid) -> Any:
        """Return the particles, the box and the force as OpenMM's."""
        openmm = _openmm()
        start, cutoff = 0.5 * grid.edges[0] / _NANOMETRE, float(self.truncation.cutoff) / _NANOMETRE
        force = openmm.CustomNonbondedForce("energy(r)")
        force.addTabulatedFunction("energy", openmm.Continuous1DFunction(self._table(grid).tolist(), start, cutoff))
        force.setNonbondedMethod(force.CutoffPeriodic)
        force.setCutoffDistance(cutoff)
        system = openmm.System()
        edge = self.length / _NANOMETRE
        system.setDefaultPeriodicBoxVectors((edge, 0, 0), (0, edge, 0), (0, 0, edge))
        for _ in range(self.num_particles):
            system.addParticle(self.molar_mass)
            force.addParticle()
        system.addForce(force)
        return system

    def _table(self, grid: PairGrid) -> Float[Array, " separation"]:
        """Return the energy [kJ/mol] at the separations that the spline goes through."""
        start, cutoff = 0.5 * grid.edges[0], float(self.truncation.cutoff)
        separations = jnp.linspace(start, cutoff, int(np.ceil((cutoff - start) / _SPACING)) + 1)
        return jax.vmap(self.truncation.without_step().energy_inside)(separations)

    def _replica(self, system: Any, start: Phase, seed: int, num_frames: int, stride: int, grid: PairGrid) -> Trajectory:
        """Run one replica; frames after a coordinate that is not a number are not numbers either."""
        openmm = _openmm()
        integrator = openmm.LangevinMiddleIntegrator(self.temperature, self.friction, self.timestep)
        integrator.setRandomNumberSeed(seed)
        context = openmm.Context(system, integrator)
        context.setPositions(np.asarray(start.positions, float) / _NANOMETRE)
        context.setVelocities(np.asarray(start.velocities, float) / _NANOMETRE)
        phase, frames = start, []
        for _ in range(num_frames):
            try:
                integrator.step(stride)
                phase = self._phase(context)
            except openmm.OpenMMException as error:
                if "NaN" not in str(error):
                    raise
                phase = Phase(*(jnp.full_like(leaf, jnp.nan) for leaf in phase))
            hot = self.molar_mass * jnp.mean(phase.velocities**2) / (_ACCELERATION * GAS_CONSTANT)
            frames.append((*_pairs(phase.positions, jnp.float32(self.length), grid), hot))
        counts, closest, temperatures = (jnp.stack(each) for each in zip(*frames, strict=True))
        return Trajectory(counts, temperatures, closest, phase)

    def _phase(self, context: Any) -> Phase:
        """Return where the particles are, each in the box, and their velocities."""
        state = context.getState(positions=True, velocities=True)
        unit = _openmm().unit
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom)
        velocities = state.getVelocities(asNumpy=True).value_in_unit(unit.angstrom / unit.picosecond)
        inside = positions - self.length * np.floor(positions / self.length)
        return Phase(jnp.asarray(inside, jnp.float32), jnp.asarray(velocities, jnp.float32))


@eqx.filter_jit
def _pairs(
    positions: Float[Array, "particle 3"], length: Float[Array, ""], grid: PairGrid
) -> tuple[Float[Array, " node"], Float[Array, ""]]:
    """Return the pair statistics of a frame and its shortest distance."""
    distances = pair_distances(positions, length)
    return grid.count(distances), jnp.min(distances)


def _openmm() -> Any:
    """Return OpenMM, which is imported where it is used."""
    try:
        import openmm
        import openmm.unit
    except ImportError:
        raise BayesffError(
            "OpenMMFluid: OpenMM is needed, found that it is not installed: pip install 'bayesff[md]', or take PairFluid"
        ) from None
    return openmm
