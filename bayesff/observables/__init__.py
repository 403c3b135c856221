"""Observables: a potential and a state in, a prediction with its numerical covariance out."""

from bayesff.observables.base import Observable, Prediction
from bayesff.observables.clusters import ClusterEnergy, ManyBodyEnergy, Shape
from bayesff.observables.coexistence import (
    EnthalpyOfVaporization,
    LiquidDensity,
    SaturatedLiquidDensity,
    SaturatedVapourDensity,
    VapourPressure,
)
from bayesff.observables.collisions import collision_integral
from bayesff.observables.conformations import ConformationEnergy
from bayesff.observables.dimer import DimerEnergy, DimerWell, PairForce, WellDepth, WellDistance
from bayesff.observables.fluids import IntegralEquationLiquid, Liquid, MieLiquid, ScatteringLiquid
from bayesff.observables.gas_properties import IsothermalCompressibility, JouleThomson
from bayesff.observables.liquid import (
    ChemicalPotential,
    HeatCapacity,
    InternalEnergy,
    LiquidCompressibility,
    PairDistribution,
    Pressure,
    StructureFactor,
)
from bayesff.observables.neighbours import NearestNeighbourDistance
from bayesff.observables.restoring import restoring_factor, single_factor
from bayesff.observables.second_virial import SecondVirial
from bayesff.observables.third_virial import ThirdVirial
from bayesff.observables.torsions import (
    GAUCHE_MINUS,
    GAUCHE_PLUS,
    TRANS,
    ConformerEnthalpy,
    ConformerFreeEnergy,
    ConformerPopulation,
    TorsionEnergy,
)
from bayesff.observables.treated import Treated
from bayesff.observables.viscosity import DiluteViscosity

__all__ = [
    "GAUCHE_MINUS",
    "GAUCHE_PLUS",
    "TRANS",
    "ChemicalPotential",
    "ClusterEnergy",
    "ConformationEnergy",
    "ConformerEnthalpy",
    "ConformerFreeEnergy",
    "ConformerPopulation",
    "DiluteViscosity",
    "DimerEnergy",
    "DimerWell",
    "EnthalpyOfVaporization",
    "HeatCapacity",
    "IntegralEquationLiquid",
    "InternalEnergy",
    "IsothermalCompressibility",
    "JouleThomson",
    "Liquid",
    "LiquidCompressibility",
    "LiquidDensity",
    "ManyBodyEnergy",
    "MieLiquid",
    "NearestNeighbourDistance",
    "Observable",
    "PairDistribution",
    "PairForce",
    "Prediction",
    "Pressure",
    "SaturatedLiquidDensity",
    "SaturatedVapourDensity",
    "ScatteringLiquid",
    "SecondVirial",
    "Shape",
    "StructureFactor",
    "ThirdVirial",
    "TorsionEnergy",
    "Treated",
    "VapourPressure",
    "WellDepth",
    "WellDistance",
    "collision_integral",
    "restoring_factor",
    "single_factor",
]
