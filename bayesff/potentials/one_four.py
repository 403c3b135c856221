r"""1-4 scaling: what a force field makes of the nonbonded interaction of atoms three bonds apart.

The turning of a bond is shared between a torsion potential and the nonbonded interaction of the atoms at its ends. How it is
shared is a convention, which parameters are fitted under and are good for:

=================== =========== ================
convention          Coulomb     Lennard-Jones
=================== =========== ================
`OPLS_ONE_FOUR`     1/2         1/2
`AMBER_ONE_FOUR`    1/1.2       1/2
`CHARMM_ONE_FOUR`   1           1
=================== =========== ================

CHARMM gives some types a smaller Lennard-Jones energy for 1-4 pairs, which is a matter of types and not of a factor.

References
----------
W. L. Jorgensen, D. S. Maxwell, J. Tirado-Rives, J. Am. Chem. Soc. 118, 11225 (1996), doi:10.1021/ja9621760;
W. D. Cornell et al., J. Am. Chem. Soc. 117, 5179 (1995), doi:10.1021/ja00124a002;
A. D. MacKerell et al., J. Phys. Chem. B 102, 3586 (1998), doi:10.1021/jp973084f
"""

import dataclasses
import math
from dataclasses import dataclass

from bayesff.errors import ParameterError
from bayesff.potentials.base import Potential, as_float
from bayesff.potentials.nonbonded import NonbondedForceField


@dataclass(frozen=True)
class OneFourScaling:
    """A 1-4 convention; called with a force field it returns the force field under this convention.

    It replaces the factors that the force field has: it is the treatment of an environment, not a further factor.

    Parameters
    ----------
    coulomb, lennard_jones
        What the Coulomb and Lennard-Jones energies of 1-4 pairs are multiplied by, zero or more.

    Raises
    ------
    ParameterError
        If a factor is negative or not finite, or what is treated is no `NonbondedForceField`.

    Example
    -------
    >>> round(OPLS_ONE_FOUR.over(AMBER_ONE_FOUR).coulomb, 6), OPLS_ONE_FOUR.over(AMBER_ONE_FOUR).lennard_jones
    (0.6, 1.0)
    """

    coulomb: float
    lennard_jones: float

    def __post_init__(self) -> None:
        for name in ("coulomb", "lennard_jones"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ParameterError(
                    f"OneFourScaling: {name} must be finite and zero or more, found {value}: give for example 0.5"
                )

    def __call__(self, force_field: Potential) -> NonbondedForceField:
        """Return the force field with these factors in the place of its own."""
        if not isinstance(force_field, NonbondedForceField):
            raise ParameterError(
                f"OneFourScaling: what is treated must be a NonbondedForceField, found {type(force_field).__name__}: "
                "use it with parameters of atom types"
            )
        return dataclasses.replace(
            force_field, coulomb_one_four=as_float(self.coulomb), lennard_jones_one_four=as_float(self.lennard_jones)
        )

    def over(self, other: "OneFourScaling") -> "OneFourScaling":
        """Return the ratios of these factors to those of another convention.

        They are what products of atomwise factors must make of 1-4 pairs for the other convention to give this one's energies.

        Raises
        ------
        ParameterError
            If the other convention leaves an interaction out, which no factor brings back.
        """
        if not (other.coulomb > 0 and other.lennard_jones > 0):
            raise ParameterError(
                f"OneFourScaling: the other convention must have factors greater than zero, found {other.coulomb} and "
                f"{other.lennard_jones}: what is left out cannot be scaled"
            )
        return OneFourScaling(self.coulomb / other.coulomb, self.lennard_jones / other.lennard_jones)


OPLS_ONE_FOUR = OneFourScaling(coulomb=0.5, lennard_jones=0.5)
AMBER_ONE_FOUR = OneFourScaling(coulomb=1 / 1.2, lennard_jones=0.5)
CHARMM_ONE_FOUR = OneFourScaling(coulomb=1.0, lennard_jones=1.0)
