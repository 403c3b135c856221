r"""Saturated hydrocarbons: their topologies, some conformations, and the parameters of OPLS-AA for them.

All angles are tetrahedral, bonds of carbon 1.529 angstrom and those of hydrogen 1.09 angstrom long (the lengths of OPLS-AA). Such
a ring of six closes in two ways: the *chair*, whose torsions are :math:`\pm60` degrees, and the flexible *boats*, a family of one
parameter. Given the torsion about one bond, those about the next bond that let the ring close solve an equation that is linear in
cosine and sine, and are two: -60 and 0 beside 60. A chair has one of them on both sides of a bond, a boat has both.

Carbons come first, then the hydrogens of each in turn. Atoms are of the types ``CH3``, ``CH2``, ``CH`` and ``C``, and ``H``.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from bayesff.errors import ParameterError
from bayesff.potentials.base import as_float
from bayesff.potentials.nonbonded import NonbondedForceField
from bayesff.potentials.topology import Conformations, Topology
from bayesff.units import factor

CARBON_BOND, HYDROGEN_BOND = 1.529, 1.09
"""Lengths of bonds [angstrom]."""

TETRAHEDRAL = float(np.arccos(-1 / 3))
"""The angle between bonds [rad]."""

CYCLOHEXANE_BONDS = tuple((i, (i + 1) % 6) for i in range(6))
"""The bonds of six carbons in a ring."""

DECALIN_BONDS = (*CYCLOHEXANE_BONDS, (2, 6), (6, 7), (7, 8), (8, 9), (9, 1))
"""The bonds of ten carbons in two rings that share the bond of the carbons 1 and 2."""

_TYPES = ("CH4", "CH3", "CH2", "CH", "C")
"""Type of a carbon, by the number of carbons that it is bonded to."""

Point = Float[np.ndarray, " 3"]


def chain_bonds(num_carbons: int) -> tuple[tuple[int, int], ...]:
    """Return the bonds of an unbranched chain."""
    return tuple((i, i + 1) for i in range(num_carbons - 1))


def united_atoms(num_carbons: int, bonds: Sequence[tuple[int, int]]) -> Topology:
    """Return the topology of a skeleton whose hydrogens are part of the carbons.

    Raises
    ------
    ParameterError
        If a carbon has more than four bonds, or a bond is none.

    Example
    -------
    >>> united_atoms(3, chain_bonds(3)).atoms
    ('CH3', 'CH2', 'CH3')
    """
    skeleton = Topology(("C",) * num_carbons, tuple(bonds))
    for carbon, bonded in enumerate(skeleton.neighbours):
        if len(bonded) > 4:
            raise ParameterError(f"united_atoms: a carbon has four bonds at most, found {len(bonded)} of carbon {carbon}")
    return Topology(tuple(_TYPES[len(bonded)] for bonded in skeleton.neighbours), skeleton.bonds)


def all_atoms(num_carbons: int, bonds: Sequence[tuple[int, int]]) -> Topology:
    """Return the topology of a skeleton and its hydrogens, as many as each carbon has bonds left.

    Raises
    ------
    ParameterError
        If a carbon has more than four bonds, or a bond is none.

    Example
    -------
    >>> propane = all_atoms(3, chain_bonds(3))
    >>> propane.num_atoms, len(propane.one_four), len(propane.beyond)
    (11, 18, 9)
    """
    skeleton = united_atoms(num_carbons, bonds)
    carried = [carbon for carbon, bonded in enumerate(skeleton.neighbours) for _ in range(4 - len(bonded))]
    hydrogens = tuple((carbon, num_carbons + place) for place, carbon in enumerate(carried))
    return Topology((*skeleton.atoms, *("H",) * len(carried)), (*skeleton.bonds, *hydrogens))


def alkane(torsions: Sequence[Sequence[float | int]]) -> Conformations:
    """Return conformations of an unbranched alkane; its methyl groups are staggered.

    Parameters
    ----------
    torsions
        For each conformation the torsion angles of the carbons [degree], trans at 180, along the chain: one for butane.

    Raises
    ------
    ParameterError
        If there is no conformation, or they are not of one molecule.

    Example
    -------
    >>> alkane([(180.0,), (60.0,)]).positions.shape
    (2, 14, 3)
    """
    numbers = {len(row) for row in torsions}
    if len(numbers) != 1:
        raise ParameterError(
            f"alkane: every conformation must have the same number of torsions, found {sorted(numbers)}: give one row each"
        )
    (number,) = numbers
    skeletons = []
    for row in np.deg2rad(np.asarray(torsions, dtype=float)):
        carbons = _three()
        for angle in row:
            carbons.append(_placed(carbons[-3:], angle))
        skeletons.append(np.array(carbons))
    return _conformations(number + 3, chain_bonds(number + 3), skeletons)


def cyclohexane(forms: Sequence[str | float | int]) -> Conformations:
    """Return conformations of cyclohexane.

    Parameters
    ----------
    forms
        ``"chair"``, or the torsion [degree] of the carbons 0 to 3 in the family of boats: 0 and 60 are boats, 33.16 is a
        twist-boat midway between them.

    Raises
    ------
    ParameterError
        If a word is another one, or no ring of tetrahedral angles has the torsion.

    Example
    -------
    >>> cyclohexane(["chair", 0.0, 33.16]).closest().round(2).tolist()
    [2.48, 1.82, 2.29]
    """
    skeletons = []
    for form in forms:
        if isinstance(form, str) and form != "chair":
            raise ParameterError(f"cyclohexane: a form must be 'chair' or a torsion in degrees, found {form!r}: give one of them")
        chair = isinstance(form, str)
        torsion = np.deg2rad(60.0 if isinstance(form, str) else form)
        low, high = next_torsions(torsion)
        carbons = [*_three()]
        carbons.append(_placed(carbons, torsion))
        after, before = low, (low if chair else high)
        carbons.append(_placed(carbons[1:4], after))
        carbons.append(_placed(carbons[2::-1], before))
        skeletons.append(np.array(carbons))
    return _conformations(6, CYCLOHEXANE_BONDS, skeletons)


def decalin(forms: Sequence[tuple[str, str, str]]) -> Conformations:
    """Return conformations of decalin (decahydronaphthalene).

    The torsion about the bond that the rings share is 60 degrees in the first ring, and in the second -60 in trans-decalin and 60
    in cis-decalin.

    Parameters
    ----------
    forms
        For each conformation ``"trans"`` or ``"cis"``, and the form of either ring: ``"chair"``, or ``"boat_1"`` or ``"boat_2"``,
        where the eclipsed bond next to the shared one is that of the carbon 1 or 2 (9 and 10 in the numbering of naphthalene).

    Raises
    ------
    ParameterError
        If a word is another one.

    Example
    -------
    >>> decalin([("trans", "chair", "chair"), ("cis", "chair", "chair")]).closest().round(2).tolist()
    [2.48, 1.87]
    """
    skeletons = []
    for isomer, *rings in forms:
        if isomer not in ("trans", "cis") or len(rings) != 2 or not {"chair", "boat_1", "boat_2"}.issuperset(rings):
            raise ParameterError(
                "decalin: a form must be 'trans' or 'cis' and 'chair', 'boat_1' or 'boat_2' for either ring, found "
                f"{(isomer, *rings)}: correct it"
            )
        skeletons.append(_decalin(isomer == "cis", rings))
    return _conformations(10, DECALIN_BONDS, skeletons)


def next_torsions(torsion: float) -> tuple[float, float]:
    """Return the two torsions [rad] that the next bond of a six-membered ring may have, the one nearest to the negative first.

    Parameters
    ----------
    torsion
        Torsion about one bond [rad].

    Raises
    ------
    ParameterError
        If no ring of tetrahedral angles has this torsion.
    """
    first = [*_three()]
    first.append(_placed(first, torsion))
    wanted = (2 * CARBON_BOND * np.sin(TETRAHEDRAL / 2)) ** 2

    def excess(angle: float) -> float:
        return float(np.sum((_placed(first[1:], angle) - first[0]) ** 2) - wanted)

    mean = (excess(0.0) + excess(np.pi)) / 2
    cosine, sine = excess(0.0) - mean, excess(np.pi / 2) - mean
    ratio = -mean / np.hypot(cosine, sine)
    if abs(ratio) > 1 + 1e-12:
        raise ParameterError(
            f"next_torsions: a ring of tetrahedral angles must have torsions within about 70.5 degrees, found "
            f"{np.rad2deg(torsion):.6g}: give a smaller one"
        )
    middle, half = np.arctan2(sine, cosine), np.arccos(np.clip(ratio, -1.0, 1.0))
    found = [float(np.angle(np.exp(1j * angle))) for angle in (middle + half, middle - half)]
    found.sort(key=lambda angle: abs(angle + torsion))
    return found[0], found[1]


def opls_alkanes() -> NonbondedForceField:
    """Return the nonbonded parameters of OPLS-AA for alkanes, without its 1-4 factors.

    Carbons 3.50 angstrom and 0.066 kcal/mol, hydrogens 2.50 angstrom and 0.030 kcal/mol; every hydrogen has the charge 0.06, and
    each carbon makes its group neutral.

    References
    ----------
    W. L. Jorgensen, D. S. Maxwell, J. Tirado-Rives, J. Am. Chem. Soc. 118, 11225 (1996), doi:10.1021/ja9621760
    """
    kcal = factor("kcal/mol", "kJ/mol")
    return NonbondedForceField(
        charges=as_float([-0.18, -0.12, -0.06, 0.06]),
        sigma=as_float([3.5, 3.5, 3.5, 2.5]),
        epsilon=as_float([0.066, 0.066, 0.066, 0.03]) * kcal,
        types=("CH3", "CH2", "CH", "H"),
    )


def _three() -> list[Point]:
    """Return three carbons in a row."""
    second = np.array([0.0, 0.0, CARBON_BOND])
    third = second + CARBON_BOND * np.array([np.sin(TETRAHEDRAL), 0.0, -np.cos(TETRAHEDRAL)])
    return [np.zeros(3), second, third]


def _placed(chain: Sequence[Point], torsion: float, length: float = CARBON_BOND) -> Point:
    """Return where an atom is that is bonded to the last of three, at a torsion [rad] about the bond of the last two."""
    a, b, c = chain
    along = (c - b) / np.linalg.norm(c - b)
    normal = np.cross(b - a, along)
    normal /= np.linalg.norm(normal)
    across = np.cross(normal, along)
    turned = np.cos(torsion) * across + np.sin(torsion) * normal
    return c + length * (np.sin(TETRAHEDRAL) * turned - np.cos(TETRAHEDRAL) * along)


def _decalin(cis: bool, forms: Sequence[str]) -> Float[np.ndarray, "carbon 3"]:
    """Return the carbons: the first ring is 0 to 5, the second 1, 2, 6 to 9, where 0 and 9 are bonded to 1, and 3 and 6 to 2."""
    shared = np.deg2rad([60.0, 60.0 if cis else -60.0])
    zero, one, two = _three()
    three = _placed([zero, one, two], shared[0])
    nine = _placed([three, two, one], shared[0] + np.deg2rad(-120.0 if cis else 120.0))
    six = _placed([nine, one, two], shared[1])
    sides = []
    for torsion, form in zip(shared, forms, strict=True):
        low, high = next_torsions(torsion)
        sides.append((high if form == "boat_1" else low, high if form == "boat_2" else low))
    four = _placed([one, two, three], sides[0][1])
    five = _placed([two, one, zero], sides[0][0])
    seven = _placed([one, two, six], sides[1][1])
    eight = _placed([two, one, nine], sides[1][0])
    return np.array([zero, one, two, three, four, five, six, seven, eight, nine])


def _conformations(
    num_carbons: int, bonds: Sequence[tuple[int, int]], skeletons: Sequence[Float[np.ndarray, "carbon 3"]]
) -> Conformations:
    """Add the hydrogens to skeletons."""
    neighbours = united_atoms(num_carbons, bonds).neighbours
    positions = []
    for carbons in skeletons:
        hydrogens = [place for carbon in range(num_carbons) for place in _hydrogens(carbons, neighbours, carbon)]
        positions.append(np.concatenate([carbons, np.array(hydrogens)]))
    return Conformations(all_atoms(num_carbons, bonds), np.array(positions))


def _hydrogens(carbons: Float[np.ndarray, "carbon 3"], neighbours: Sequence[Sequence[int]], carbon: int) -> list[Point]:
    """Return where the hydrogens of a carbon are, from its one, two or three bonds to others."""
    here, bonded = carbons[carbon], neighbours[carbon]
    if len(bonded) == 1:
        next_but_one = next(other for other in neighbours[bonded[0]] if other != carbon)
        around = carbons[next_but_one], carbons[bonded[0]], here
        return [_placed(around, np.deg2rad(angle), HYDROGEN_BOND) for angle in (60.0, 180.0, 300.0)]
    bonds = [(carbons[other] - here) / np.linalg.norm(carbons[other] - here) for other in bonded]
    away = -np.sum(bonds, axis=0)
    away /= np.linalg.norm(away)
    if len(bonded) == 3:
        return [here + HYDROGEN_BOND * away]
    aside = np.cross(*bonds)
    aside *= np.sin(TETRAHEDRAL / 2) / np.linalg.norm(aside)
    return [here + HYDROGEN_BOND * (np.cos(TETRAHEDRAL / 2) * away + turn * aside) for turn in (1.0, -1.0)]
