r"""By what a potential must be multiplied so that a treatment of it leaves an observable as it is.

A treatment (a cutoff, say) changes what a potential :math:`U` gives. The root :math:`s` of

.. math:: O[\mathcal{T}(s\,U)](x) = O[U](x)

at a state ``x`` is what the energy of the potential must be multiplied by *before* it is treated. It is one number for one
observable at one state: how much it changes from state to state, and from observable to observable, says how far a refit within
the treatment carries. `single_factor` is the best compromise between states, with what it leaves.
"""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, Bool, Float

from bayesff import quantities
from bayesff.errors import NumericalError, ParameterError
from bayesff.observables.base import Observable
from bayesff.potentials.base import PairPotential, traced

State = Mapping[str, Array]

_STEPS = 64
"""Steps within which a least-squares fit of one number must end."""


def restoring_factor(
    observable: Observable,
    potential: PairPotential,
    treatment: Callable[[PairPotential], PairPotential],
    state: Mapping[str, Any],
    bounds: tuple[float, float] = (0.5, 2.0),
) -> Float[Array, " datum"]:
    r"""Return at every state the factor on the energy that makes an observable of the treated potential that of the full one.

    The root is found by bisection and is differentiable in the parameters of the potential and in the state by the
    implicit-function theorem, :math:`\mathrm{d}s = -(\partial_\theta g/\partial_s g)\,\mathrm{d}\theta` with ``g`` the difference
    of the two sides. It must lie alone between the bounds. The second virial coefficient of a Lennard-Jones potential falls as
    its depth grows up to :math:`k_\mathrm{B}T = 25\,\epsilon`, where it has its maximum: below, its root is the only one.

    Parameters
    ----------
    observable
        What is to be restored; its value at a state depends on no other state.
    potential
        The full potential.
    treatment
        Makes the treated potential of a full one, for example ``functools.partial(PlainCut, cutoff=8.5)``.
    state
        The state columns that the observable needs.
    bounds
        Factors between which the root is looked for, ascending and greater than zero.

    Returns
    -------
    Array
        A pure number for each state. While JAX traces no exception can depend on the parameters: where there is no root it is
        then the bound at which the treated potential comes closer, without a derivative.

    Raises
    ------
    NumericalError
        If the observable is not restored between the bounds.
    ParameterError
        If the bounds do not ascend from above zero.

    Example
    -------
    >>> import functools, jax
    >>> jax.config.update("jax_enable_x64", True)
    >>> from bayesff.observables import SecondVirial
    >>> from bayesff.potentials import LennardJones, PlainCut
    >>> cut = functools.partial(PlainCut, cutoff=8.5)
    >>> factor = restoring_factor(SecondVirial(), LennardJones(0.996, 3.405), cut, {"temperature": 300.0})
    >>> round(float(factor[0]), 4)
    1.0911
    """
    if not 0 < bounds[0] < bounds[1] < np.inf:
        raise ParameterError(f"restoring_factor: bounds must ascend from above zero, found {bounds}: give for example (0.5, 2.0)")
    columns = {name: jnp.atleast_1d(jnp.asarray(column, dtype=float)) for name, column in state.items()}
    observable.predict(potential, columns)  # checks the state
    factors, found, ends = _roots(observable, potential, treatment, columns, bounds)
    if not traced(found) and not bool(np.all(found)):
        row = int(np.argmin(found))
        quantity = quantities.get(observable.quantity)
        where = ", ".join(f"{name} {float(column[row]):.6g}" for name, column in columns.items())
        raise NumericalError(
            f"restoring_factor: between the factors {bounds[0]:g} and {bounds[1]:g} the {quantity.label} of the treated "
            f"{type(potential).__name__} must pass that of the full one, found it off by {ends[row][0]:+.4g} and "
            f"{ends[row][1]:+.4g} {quantity.unit} there, at {where}: widen the bounds, or take it that no factor restores it"
        )
    return factors


def single_factor(
    observable: Observable,
    potential: PairPotential,
    treatment: Callable[[PairPotential], PairPotential],
    state: Mapping[str, Any],
) -> tuple[Float[Array, ""], Float[Array, " datum"]]:
    r"""Return the one factor on the energy that restores an observable best over all states, and what it leaves.

    It minimises :math:`\sum_i (O[\mathcal{T}(s\,U)](x_i) - O[U](x_i))^2`, by the method of Levenberg and Marquardt from
    :math:`s = 1`, and is differentiable as `restoring_factor` is.

    Parameters
    ----------
    observable, potential, treatment, state
        As for `restoring_factor`.

    Returns
    -------
    tuple
        The factor, and by how much the treated potential with it is still off at each state, in the observable's unit.

    Raises
    ------
    NumericalError
        If the iteration does not end.

    Example
    -------
    >>> import functools, jax
    >>> jax.config.update("jax_enable_x64", True)
    >>> from bayesff.observables import SecondVirial
    >>> from bayesff.potentials import LennardJones, PlainCut
    >>> cut = functools.partial(PlainCut, cutoff=8.5)
    >>> factor, left = single_factor(SecondVirial(), LennardJones(0.996, 3.405), cut, {"temperature": [100.0, 300.0]})
    >>> round(float(factor), 4), [round(float(one), 2) for one in left]
    (1.0546, [-0.39, 2.07])
    """
    columns = {name: jnp.atleast_1d(jnp.asarray(column, dtype=float)) for name, column in state.items()}
    observable.predict(potential, columns)  # checks the state
    factor, left, ended = _compromise(observable, potential, treatment, columns)
    if not traced(ended) and not bool(ended):
        raise NumericalError(
            f"single_factor: the best factor on {type(potential).__name__} must be found within {_STEPS} steps, found "
            f"{float(factor):.4g} and going on: use states at which a factor restores it"
        )
    return factor, left


@eqx.filter_jit
def _compromise(
    observable: Observable, potential: PairPotential, treatment: Callable[[PairPotential], PairPotential], columns: State
) -> tuple[Float[Array, ""], Float[Array, " datum"], Bool[Array, ""]]:
    def value(of: PairPotential) -> Array:
        return observable.evaluate(of, columns)[0]

    target = value(potential)
    scale = jax.lax.stop_gradient(jnp.sqrt(jnp.mean(target**2)))

    def left(factor: Array, _: None) -> Array:
        return (value(treatment(potential.scale(factor))) - target) / scale

    solver = optx.LevenbergMarquardt(rtol=1e-10, atol=1e-12)
    solved = optx.least_squares(left, solver, jnp.asarray(1.0), max_steps=_STEPS, throw=False)
    return solved.value, scale * left(solved.value, None), solved.result == optx.RESULTS.successful


@eqx.filter_jit
def _roots(
    observable: Observable,
    potential: PairPotential,
    treatment: Callable[[PairPotential], PairPotential],
    columns: State,
    bounds: tuple[float, float],
) -> tuple[Float[Array, " datum"], Bool[Array, " datum"], Float[Array, "datum bound"]]:
    return jax.vmap(lambda row: _root(observable, potential, treatment, row, bounds))(columns)


def _root(
    observable: Observable,
    potential: PairPotential,
    treatment: Callable[[PairPotential], PairPotential],
    row: State,
    bounds: tuple[float, float],
) -> tuple[Float[Array, ""], Bool[Array, ""], Float[Array, " bound"]]:
    """Return the factor at one state, whether there is one, and how far off the treated potential is at the bounds."""

    def value(of: PairPotential) -> Array:
        return observable.evaluate(of, {name: entry[None] for name, entry in row.items()})[0][0]

    target = value(potential)
    lower, upper = (jnp.asarray(bound) for bound in bounds)
    ends = jax.lax.stop_gradient(jnp.stack([value(treatment(potential.scale(bound))) for bound in (lower, upper)]) - target)
    scale = jnp.max(jnp.abs(ends))
    found = (ends[0] * ends[1] < 0) & jnp.isfinite(scale)
    nearest, middle = jnp.where(jnp.abs(ends[0]) < jnp.abs(ends[1]), lower, upper), 0.5 * (lower + upper)

    def off(factor: Array, _: None) -> Array:
        # The bisection wants a root: where there is none it gets that of a line.
        missed = (value(treatment(potential.scale(factor))) - target) / jnp.where(found, scale, 1.0)
        return jnp.where(found, missed, factor - middle)

    solver = optx.Bisection(rtol=1e-13, atol=1e-13, flip="detect")
    options = {"lower": lower, "upper": upper}
    solved = optx.root_find(off, solver, middle, options=options, max_steps=128, throw=False)
    return jnp.where(found, solved.value, nearest), found, ends
