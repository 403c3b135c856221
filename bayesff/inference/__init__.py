"""Inference: from a calibration problem to its posterior."""

from bayesff.inference.coordinates import Coordinates
from bayesff.inference.diagnostics import diagnose
from bayesff.inference.laplace import Laplace
from bayesff.inference.mode import Mode, find_mode, find_modes
from bayesff.inference.nuts import NUTS
from bayesff.inference.placement import Placed, Placement
from bayesff.inference.posterior import Sample, assemble
from bayesff.inference.smc import SMC
from bayesff.inference.svi import SVI
from bayesff.inference.target import Target

__all__ = [
    "NUTS",
    "SMC",
    "SVI",
    "Coordinates",
    "Laplace",
    "Mode",
    "Placed",
    "Placement",
    "Sample",
    "Target",
    "assemble",
    "diagnose",
    "find_mode",
    "find_modes",
]
