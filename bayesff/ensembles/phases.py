r"""Whether a simulated fluid is a fluid, and one: a crystal, and two phases in one box, are found in its pair statistics.

Averages over a box that has frozen, or has fallen into a dense and a dilute part, are no averages of the liquid that was asked
for, and their weights carry them to no other potential.

A crystal shows in the ratio of the first minimum of :math:`g(r)` to its first peak (H. R. Wendt, F. F. Abraham, Phys. Rev. Lett.
41, 1244 (1978), doi:10.1103/PhysRevLett.41.1244: a supercooled fluid becomes a glass at 0.14). Lennard-Jones simulations of this
package have 0.18 at the triple point, 0.20 in a dense hot fluid, and 0.09 in crystals at their melting line, falling to 0.01.

Two phases show in the excess of particles around a particle, :math:`\rho\int_0^{L/2} (g - 1)\,4\pi r^2\,dr`. Boxes of 108 and 256
particles had -0.5 to 1.6 in fluids, the highest near the critical point, 3 in crystals, and 7 where 256 particles began to
separate, at the temperature of the triple point and somewhat more than half the density of the liquid.
"""

import numpy as np

from bayesff.ensembles.references import PairEnsemble
from bayesff.errors import StateError
from bayesff.potentials.description import as_call, describe

FROZEN = 0.12
"""Ratio of the first minimum to the first peak of g(r) below which a box is a crystal or a glass."""

SEPARATED = 5.0
"""Excess of particles around a particle above which a box has two phases, or is so near its critical point that it is as bad."""

_SMOOTH = 5
"""Nodes that g(r) is averaged over."""

_FEWEST = 400
"""Pairs at the first peak in all frames at least: with fewer the noise makes minima, and what is so dilute has not frozen."""


def first_minimum(ensemble: PairEnsemble) -> float:
    """Return the ratio of the first minimum of g(r) to its first peak; NaN where there are too few pairs to tell."""
    grid, counts = ensemble.grid, np.asarray(ensemble.pair_counts)
    separation = np.arange(grid.edges[0] + grid.spacing, grid.edges[-1], grid.spacing)
    pairs = grid.density(separation) @ counts.mean(axis=0) * grid.spacing
    smooth = np.convolve(pairs / separation**2, np.full(_SMOOTH, 1 / _SMOOTH), "valid")
    middle = separation[_SMOOTH // 2 : -(_SMOOTH // 2)]
    peak = int(np.argmax(smooth))
    beyond = (middle > middle[peak]) & (middle < 1.6 * middle[peak])
    if smooth[peak] * middle[peak] ** 2 * len(counts) < _FEWEST or not beyond.any():
        return float("nan")
    return float(smooth[beyond].min() / smooth[peak])


def excess(ensemble: PairEnsemble) -> float:
    """Return by how many particles there are more around a particle, up to the end of the grid, than there would be at random."""
    counts, number = np.asarray(ensemble.pair_counts).mean(axis=0), ensemble.num_particles
    sphere = 4 / 3 * np.pi * ensemble.grid.edges[-1] ** 3
    return float(2 * counts.sum() / number - ensemble.density * sphere * (number - 1) / number)


def check_fluid(ensemble: PairEnsemble) -> None:
    """Check that a simulation is of one fluid.

    Raises
    ------
    StateError
        If it has frozen, or has two phases.
    """
    potential = as_call(describe(ensemble.potential))
    place = f"simulation of {potential} at {ensemble.temperature:g} K and {ensemble.density:g} 1/angstrom^3"
    mend = "take a state of the liquid, or a prior that leaves such parameters out"
    if (ratio := first_minimum(ensemble)) < FROZEN:
        raise StateError(
            f"{place}: after its first peak g(r) must stay above {FROZEN:g} of it, as in liquids, found {ratio:.2g}: the box has "
            f"frozen: {mend}"
        )
    if (found := excess(ensemble)) > SEPARATED:
        raise StateError(
            f"{place}: a particle may have {SEPARATED:g} more particles around it than at random, as in one phase, found "
            f"{found:.2g}: the box holds a dense and a dilute part: {mend}"
        )
