r"""Reweighting: averages at a state that was not simulated, from the frames of several reference simulations.

The frames of all references are one sample of a mixture, whose density is known up to the references' free energies. The
multistate Bennett acceptance ratio (MBAR) determines those from the frames themselves: with :math:`u_k(x)` the reduced energy
(:math:`\beta U`, or :math:`\beta(U + pV)`) of reference :math:`k`, :math:`N_k` its number of frames and :math:`f_k` its reduced
free energy,

.. math:: e^{-f_k} = \sum_n \frac{e^{-u_k(x_n)}}{m(x_n)}, \qquad m(x) = \sum_j N_j e^{f_j - u_j(x)},

and a frame has at a target state the weight :math:`w_n \propto e^{-u(x_n)} / m(x_n)`. Frames that follow one another are
correlated: a frame of a reference with the statistical inefficiency :math:`g` counts as :math:`1/g`.

The weights are differentiable in the target's parameters. How far they reach is said by the effective sample size
:math:`1 / \sum_n g_n w_n^2`; where it is small, no error estimate can be trusted, that of this module included.

References
----------
M. R. Shirts, J. D. Chodera, J. Chem. Phys. 129, 124105 (2008), doi:10.1063/1.2978177
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jax.scipy.special import logsumexp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.errors import NumericalError, ParameterError

_START = 20
"""Fixed-point iterations before Newton's."""

_BLUNT = 0.05
"""By which share a smooth maximum is greater than two equal numbers."""


class MBAR(eqx.Module):
    """The frames of several reference simulations as one sample; see the module.

    Parameters
    ----------
    reduced_energies
        Reduced energy of every frame in every reference, ``(reference, frame)``; infinite where cores overlap.
    free_energies
        Reduced free energies of the references, the first of them zero.
    counts
        What a frame counts: the inverse of its reference's statistical inefficiency.
    log_mixture
        Logarithm of the unnormalised density of the mixture at every frame.
    membership
        Probability that a frame is one of each reference, had it been drawn from the mixture.
    num_frames
        Number of frames of each reference, in their order.
    """

    reduced_energies: Float[Array, "reference frame"]
    free_energies: Float[Array, " reference"]
    counts: Float[Array, " frame"]
    log_mixture: Float[Array, " frame"]
    membership: Float[Array, "reference frame"]
    num_frames: tuple[int, ...] = eqx.field(static=True)

    @classmethod
    def solve(
        cls,
        reduced_energies: Float[ArrayLike, "reference frame"],
        num_frames: Sequence[int],
        inefficiency: Sequence[float] | None = None,
    ) -> "MBAR":
        """Determine the free energies of the references, by fixed-point iteration and then by Newton's method.

        Parameters
        ----------
        reduced_energies
            Reduced energy of every frame in every reference; the frames of the first reference come first.
        num_frames
            Number of frames of each reference.
        inefficiency
            Statistical inefficiency of each reference, at least 1; 1 if not given.

        Raises
        ------
        ParameterError
            If a reduced energy is NaN or minus infinity, or the numbers do not fit one another.
        NumericalError
            If the equations are not solved: references that share no frames have no known free energy.
        """
        energies = jnp.asarray(reduced_energies, dtype=float)
        inefficiencies = np.ones(len(num_frames)) if inefficiency is None else np.asarray(inefficiency, dtype=float)
        _check(energies, num_frames, inefficiencies)
        origin = np.repeat(np.arange(len(num_frames)), num_frames)
        counts = jnp.asarray(1 / inefficiencies[origin])
        totals = jnp.asarray(num_frames / inefficiencies)
        found, left = _solve(energies, counts, totals)
        shares = (jnp.log(totals) + found)[:, None] - energies
        log_mixture = logsumexp(shares, axis=0)
        solved = cls(energies, found, counts, log_mixture, jnp.exp(shares - log_mixture), tuple(num_frames))
        apart = bool(jnp.all(jnp.isfinite(found))) and _mixing(np.asarray(solved.overlap)) < 1e-8
        if apart or not float(left) < 1e-8:
            found_out = "none between some of them" if apart else f"an equation that is off by {float(left):.1g} of the frames"
            raise NumericalError(
                f"MBAR: the free energies of {len(num_frames)} references follow from the frames that they have in common, found "
                f"{found_out}: add a reference between those that are furthest apart"
            )
        return solved

    @property
    def overlap(self) -> Float[Array, "reference reference"]:
        """Probability that a frame of one reference (row) is taken for one of another (column); rows sum to one."""
        membership = self.membership
        return (membership * self.counts) @ membership.T / (membership @ self.counts)[:, None]

    def log_weights(self, reduced_energy: Float[Array, " frame"]) -> tuple[Float[Array, " frame"], Float[Array, ""]]:
        """Return the logarithms of the frames' weights at a target, which sum to one, and its reduced free energy.

        Parameters
        ----------
        reduced_energy
            Reduced energy of every frame at the target.
        """
        unnormalised = jnp.log(self.counts) - reduced_energy - self.log_mixture
        total = logsumexp(unnormalised)
        return unnormalised - total, -total

    def effective_sample_size(self, log_weights: Float[Array, " frame"]) -> Float[Array, ""]:
        r"""Return the number of independent frames at the target that would be worth as much.

        With a reference's weights :math:`W = \sum w_n`, frames :math:`N` and statistical inefficiency :math:`g` it is

        .. math:: n^{-1} = \sum_\mathrm{references} g \max\Big(\sum_n w_n^2,\; W^2 e^{\mathrm{var}(\ln w)} / N\Big).

        The first is Kish's; where the target lies at the edge of what was sampled, the frames of largest weight are missing, and
        it is too large, just where averages are off: of pieces of 105 frames of a Lennard-Jones liquid, carried to where 0.10 of
        a long run are effective, it says 0.19. The second knows that from how the weights scatter, and is exact where their
        logarithms are normal (0.15 there). Neither is worth much below some 50 frames. The maximum is a smooth one, up to 5 %
        above where weights differ: where a posterior has a kink there is no curvature to start from.
        """
        return 1 / jnp.sum(jnp.stack(self._cautious(log_weights)))

    def caution(self, log_weights: Float[Array, " frame"]) -> Float[Array, ""]:
        """Return by how much larger a variance is than the weighted frames show, see `effective_sample_size`."""
        return jnp.sum(jnp.stack(self._cautious(log_weights))) / jnp.sum(jnp.exp(2 * log_weights) / self.counts)

    def _cautious(self, log_weights: Float[Array, " frame"]) -> list[Float[Array, ""]]:
        """Return what each reference adds to the inverse of the effective sample size."""
        found, start = [], 0
        for size in self.num_frames:
            own = log_weights[start : start + size]
            possible = jnp.isfinite(own)  # others have cores that overlap at the target
            number = jnp.maximum(jnp.sum(possible), 1)
            middle = jnp.sum(jnp.where(possible, own, 0.0)) / number
            scatter = jnp.sum(jnp.where(possible, own - middle, 0.0) ** 2) / number
            effective = jnp.sqrt((number * jnp.exp(-scatter)) ** 2 + 1)
            kish, scattered = jnp.sum(jnp.exp(2 * own)), jnp.sum(jnp.exp(own)) ** 2 / effective
            blunt = _BLUNT * scatter / (1 + scatter)
            apart = jnp.sqrt((kish - scattered) ** 2 + (blunt * (kish + scattered)) ** 2 + 1e-40)
            found.append(0.5 * (kish + scattered + apart) / self.counts[start])
            start += size
        return found

    def average(
        self, log_weights: Float[Array, " frame"], values: Float[Array, "frame datum"], num_blocks: int = 20
    ) -> tuple[Float[Array, " datum"], Float[Array, "datum block"]]:
        r"""Return weighted averages and their statistical error.

        To first order an average errs by :math:`\sum_n \psi_n` with the influences
        :math:`\psi_n = w_n (A_n - \langle A \rangle) + d^\mathsf{T} H^{-1} p_n / g_n`, where :math:`p_n` are the memberships of a
        frame, ``H`` the Hessian of the references' equations and :math:`d = \sum_n w_n (A_n - \langle A\rangle)\, p_n`: the
        second term is what the references' free energies do not know. Summed over blocks of consecutive frames, which are longer
        than the correlations, and centred in each reference, the influences are the columns of a factor of the covariance.

        Parameters
        ----------
        log_weights
            Logarithms of the weights at the target.
        values
            What is averaged, one column a datum.
        num_blocks
            Blocks that the frames of each reference are cut into.

        Returns
        -------
        tuple of Array
            The averages, and a factor ``F`` of their covariance :math:`F F^T`, one column a block.
        """
        weights = jnp.exp(log_weights).astype(values.dtype)
        sums = self._block_sums(weights, values, num_blocks)
        mean = jnp.sum(sums, axis=(0, 1))
        membership = self.membership.astype(values.dtype)
        weighed_membership = membership * weights
        pull = weighed_membership @ values - jnp.sum(weighed_membership, axis=1)[:, None] * mean
        weighed = self.membership * self.counts
        hessian = jnp.diag(jnp.sum(weighed, axis=1)) - weighed @ self.membership.T
        through = jnp.linalg.solve(_fixed(hessian), pull.at[0].set(0.0))
        sums = sums - self._block_sums(weights, None, num_blocks) * mean
        sums = sums + self._block_sums(jnp.ones_like(weights), weighed.T, num_blocks) @ through
        centred = (sums - sums.mean(axis=1, keepdims=True)) * np.sqrt(num_blocks / (num_blocks - 1))
        return mean, centred.reshape(-1, values.shape[1]).T

    def _block_sums(
        self, weights: Float[Array, " frame"], values: Float[Array, "frame datum"] | None, num_blocks: int
    ) -> Float[Array, "reference block datum"]:
        """Return weighted sums over the blocks that the frames of each reference are cut into; of one if no values are given."""
        found, start = [], 0
        for size in self.num_frames:
            short, longer = divmod(size, num_blocks)
            parts = []
            for number, length in ((longer, short + 1), (num_blocks - longer, short)):
                rows = slice(start, start + number * length)
                of_block = weights[rows].reshape(number, length)
                if values is None:
                    parts.append(jnp.sum(of_block, axis=1, keepdims=True))
                else:
                    parts.append(jnp.einsum("bf,bfd->bd", of_block, values[rows].reshape(number, length, values.shape[1])))
                start = rows.stop
            found.append(jnp.concatenate(parts))
        return jnp.stack(found)


def _mixing(overlap: np.ndarray) -> float:
    """Return by how much the second eigenvalue of the overlap falls short of one: zero for references without a link."""
    return float(1 - np.sort(np.real(np.linalg.eigvals(overlap)))[-2]) if len(overlap) > 1 else 1.0


def _fixed(hessian: Float[Array, "reference reference"]) -> Float[Array, "reference reference"]:
    """Return the Hessian with the first free energy held at zero: the equations know only differences."""
    return hessian.at[0, :].set(0.0).at[:, 0].set(0.0).at[0, 0].set(1.0)


@jax.jit
def _solve(energies: Array, counts: Array, totals: Array) -> tuple[Array, Array]:
    """Return the free energies, and the largest share of the frames by which an equation is off."""

    def log_mixture(free: Array) -> Array:
        return logsumexp((jnp.log(totals) + free)[:, None] - energies, axis=0)

    def fixed_point(_: ArrayLike, free: Array) -> Array:
        updated = -logsumexp(jnp.log(counts) - energies - log_mixture(free), axis=1)
        return updated - updated[0]

    def off(free: Array, _: None) -> Array:
        full = jnp.concatenate([jnp.zeros(1), free])
        membership = jnp.exp((jnp.log(totals) + full)[:, None] - energies - log_mixture(full))
        return (membership @ counts / totals - 1)[1:]

    start = jax.lax.fori_loop(0, _START, fixed_point, jnp.zeros(len(energies)))
    if len(energies) == 1:
        return start, jnp.zeros(())
    solver = optx.Newton(rtol=1e-12, atol=1e-12)
    found = optx.root_find(off, solver, start[1:], max_steps=50, throw=False).value
    return jnp.concatenate([jnp.zeros(1), found]), jnp.max(jnp.abs(off(found, None)))


def _check(energies: Array, num_frames: Sequence[int], inefficiency: np.ndarray) -> None:
    if energies.shape != (len(num_frames), sum(num_frames)):
        raise ParameterError(
            f"MBAR: reduced_energies must have the shape (reference, frame) = {(len(num_frames), sum(num_frames))}, "
            f"found {energies.shape}"
        )
    if min(num_frames) < 1:
        raise ParameterError(f"MBAR: every reference must have frames, found {min(num_frames)} in one: leave it out")
    if len(inefficiency) != len(num_frames) or not np.all(inefficiency >= 1):
        raise ParameterError(
            f"MBAR: inefficiency must be one number of at least 1 for each of {len(num_frames)} references, found "
            f"{inefficiency.tolist()}"
        )
    bad = ~(np.asarray(energies) > -np.inf)
    if bad.any():
        reference, frame = (int(place) for place in np.argwhere(bad)[0])
        raise ParameterError(
            "MBAR: a reduced energy must be a number, or infinite where cores overlap, found "
            f"{energies[reference, frame]} for frame {frame} in reference {reference}"
        )
