"""The nonbonded energy of a conformation from that of another one."""

from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from bayesff.errors import StateError
from bayesff.observables.base import Observable
from bayesff.potentials.nonbonded import NonbondedForceField
from bayesff.potentials.topology import Conformations


class ConformationEnergy(Observable):
    r"""The difference :math:`U_k - U_{k_0}` [kJ/mol] of the nonbonded energies of two conformations of a molecule.

    The conformations are given, and are no part of what is learnt: nothing relaxes. A state is the pair of their numbers, counted
    from 0, in the columns ``conformation`` and ``reference_conformation``. Energies of bonds, angles and torsions are not in it.
    The numerical error is the rounding of the four parts of the two energies.

    Parameters
    ----------
    conformations
        The molecule and its conformations.

    Example
    -------
    >>> import jax
    >>> jax.config.update("jax_enable_x64", True)
    >>> import bayesff as bff
    >>> butane = ConformationEnergy(bff.potentials.alkane([(180.0,), (60.0,)]))
    >>> opls = bff.potentials.OPLS_ONE_FOUR(bff.potentials.opls_alkanes())
    >>> state = {"conformation": [1.0], "reference_conformation": [0.0]}
    >>> butane.predict(opls, state).mean.round(2).tolist()
    [18.88]
    """

    quantity: ClassVar[str] = "conformation_energy"
    conformations: Conformations = eqx.field(static=True)

    def evaluate(
        self, potential: NonbondedForceField, state: Mapping[str, Float[Array, " datum"]]
    ) -> tuple[Float[Array, " datum"], Float[Array, " datum"]]:
        known = self.conformations
        place, reference = (self._number(name, state[name]) for name in ("conformation", "reference_conformation"))
        sums = np.stack([potential.pair_sums(known.topology, positions) for positions in known.positions])
        parts = jax.vmap(lambda one: jnp.stack(potential.parts_of(one)))(sums)
        energy, size = jnp.sum(parts, axis=1), jax.lax.stop_gradient(jnp.sum(jnp.abs(parts), axis=1))
        rounding = 16 * jnp.finfo(energy.dtype).eps * (size[place] + size[reference])
        return energy[place] - energy[reference], rounding

    def _number(self, name: str, column: Float[Array, " datum"]) -> Array:
        """Return the numbers of conformations as whole numbers, checked where they are known."""
        last = self.conformations.num_conformations - 1
        if not isinstance(column, Tracer):
            values = np.asarray(column)
            bad = (values != np.round(values)) | (values < 0) | (values > last)
            if bad.any():
                raise StateError(
                    f"ConformationEnergy: {name} must be a whole number from 0 to {last}, found {values[bad][0]}: "
                    "give the number of a conformation"
                )
        return jnp.round(column).astype(int)
