"""Correlations beyond half the box, against hard spheres in the Percus-Yevick approximation, which are known in closed form."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from bayesff.ensembles import LongRange, PairGrid
from bayesff.ensembles.structure import ball_interference, interference

DIAMETER, NUMBER = 3.45, 256  # contact lies between two points of the transform, as if h had no jump
WAVEVECTORS = np.linspace(0.02, 12.0, 400)


def hard_spheres(packing):
    """Return density, structure factor (Wertheim 1963) and total correlation function from contact on (Baxter 1968)."""
    density = 6 * packing / (np.pi * DIAMETER**3)
    first = (1 + 2 * packing) ** 2 / (1 - packing) ** 4
    second = -((1 + packing / 2) ** 2) / (1 - packing) ** 4
    x, weights = np.polynomial.legendre.leggauss(200)
    r = 0.5 * (x + 1)
    direct = -(first + 6 * packing * second * r + packing / 2 * first * r**3)
    transform = (2 * np.pi * weights * r**2 * direct) @ interference(r, WAVEVECTORS * DIAMETER)
    structure = 1 / (1 - 6 * packing / np.pi * transform)

    steps, reach = 500, 16
    t = np.arange(steps + 1) / steps
    a, b = (1 + 2 * packing) / (1 - packing) ** 2, -1.5 * packing / (1 - packing) ** 2
    q = a / 2 * (t**2 - 1) + b * (t - 1)
    r = np.arange(reach * steps + 1) / steps
    x = -r.copy()  # r h, with h = -1 in the core
    factor = 12 * packing / steps
    for i in range(steps, len(r)):
        back = x[i - np.arange(steps + 1)]
        terms = q * back
        if i == steps:
            x[i] = factor * (0.5 * terms[0] + terms[1:-1].sum() + 0.5 * terms[-1])  # at contact r - t is in the core
            continue
        if i <= 2 * steps:  # h jumps at contact: the mean of both sides counts there
            terms[i - steps] = q[i - steps] * 0.5 * (x[steps] - 1.0)
        x[i] = factor * (terms[1:-1].sum() + 0.5 * terms[-1]) / (1 - factor * 0.5 * q[0])
    return density, structure, (r[steps:] * DIAMETER, x[steps:] / r[steps:])


def counted(grid, density, number, correlation):
    """Return what pairs with a total correlation function count at the nodes of a grid that begins at contact."""
    x, weights = np.polynomial.legendre.leggauss(6)
    cells = 1500
    low, high = grid.edges[0], grid.edges[-1]
    width = (high - low) / cells
    r = (low + width * (np.arange(cells)[:, None] + 0.5 * (x + 1))).ravel()
    pairs = 2 * np.pi * r**2 * density * number * (1 + CubicSpline(*correlation)(r))
    return (pairs * np.tile(0.5 * width * weights, cells)) @ grid._interpolation(r)


def structure_factor(far, grid, counts, density, number):
    beyond = far.transform(WAVEVECTORS, density)
    pairs = interference(grid.nodes, WAVEVECTORS).T @ counts * (2 / number) * (1 + far.swelling)
    return 1 - density * ball_interference(grid.edges[-1], WAVEVECTORS) + pairs + (far.offset + far.response @ counts) @ beyond


@pytest.mark.parametrize("packing", [0.2, 0.45])
def test_hard_spheres(packing):
    density, exact, correlation = hard_spheres(packing)
    assert correlation[1][0] + 1 == pytest.approx((1 + packing / 2) / (1 - packing) ** 2, rel=1e-4)  # the contact value
    many = NUMBER * 10**9  # so that the box takes nothing away
    grid = PairGrid((DIAMETER, 11.5), 0.05)
    counts = counted(grid, density, many, correlation)
    far = LongRange.solve(grid, counts, density, many)
    np.testing.assert_allclose(far.offset + far.response @ counts, CubicSpline(*correlation)(far.radii), atol=2e-3)
    found = structure_factor(far, grid, counts, density, many)
    np.testing.assert_allclose(found, exact, atol=2e-3)
    # As if nothing were beyond half the box, the structure factor is off.
    cut = 1 - density * ball_interference(11.5, WAVEVECTORS) + interference(grid.nodes, WAVEVECTORS).T @ counts * (2 / many)
    assert np.abs(cut - exact).max() > (0.002 if packing == 0.2 else 0.1)


def test_the_response_to_a_change_of_density_of_pairs():
    """Pair statistics of hard spheres at another packing, put into the linear answer of the first."""
    density, _, near = hard_spheres(0.400)
    _, _, other = hard_spheres(0.404)
    grid = PairGrid((DIAMETER, 11.5), 0.05)
    many = NUMBER * 10**9
    first, second = (counted(grid, density, many, one) for one in (near, other))
    far, again = (LongRange.solve(grid, counts, density, many) for counts in (first, second))
    exact = structure_factor(again, grid, second, density, many)
    found = structure_factor(far, grid, second, density, many)
    moved = np.abs(exact - structure_factor(far, grid, first, density, many)).max()
    assert moved > 0.02
    np.testing.assert_allclose(found, exact, atol=0.05 * moved)


def test_a_finite_box():
    """The swelling is S(0)/N, and takes the place of what the box has taken away."""
    density, exact, (r, h) = hard_spheres(0.40)
    inside = exact[0] / NUMBER
    grid = PairGrid((DIAMETER, 11.5), 0.05)
    counts = counted(grid, density, NUMBER, (r, (1 + h) / (1 + inside) - 1))
    far = LongRange.solve(grid, counts, density, NUMBER)
    assert far.swelling == pytest.approx(inside, rel=0.05)
    np.testing.assert_allclose(structure_factor(far, grid, counts, density, NUMBER), exact, atol=3e-3)


def test_what_no_fluid_can_have():
    """Order that goes on up to half the box, as strong as in a crystal: S would have to be negative somewhere."""
    density, _, (r, h) = hard_spheres(0.45)
    grid = PairGrid((DIAMETER, 11.5), 0.05)
    counts = counted(grid, density, NUMBER, (r, h + 2.0 * np.cos(2.2 * r)))
    assert LongRange.solve(grid, counts, density, NUMBER) is None
