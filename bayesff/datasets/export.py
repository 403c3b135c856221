"""A data set as an xarray dataset, for people and programs that speak xarray."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesff import quantities
from bayesff.datasets.dataset import DataSet

if TYPE_CHECKING:
    import xarray as xr


def to_dataset(data: DataSet) -> "xr.Dataset":
    """Return the data set as an ``xarray.Dataset`` with the dimension ``datum``.

    The values are a variable with the name of the observable; the uncertainty is ``uncertainty``, or the covariance matrix
    ``covariance`` over ``datum`` and ``datum_other``; state and grouping columns are coordinates. Every number carries
    ``units``, and the attributes hold name, substance, environment (JSON) and source.
    """
    import xarray as xr

    attributes = {"units": data.unit, "long_name": data.quantity.label}
    variables: dict[str, Any] = {data.observable: ("datum", np.array(data.values), attributes)}
    if data.uncertainty is not None:
        variables["uncertainty"] = ("datum", np.array(data.uncertainty), {"units": data.unit, "long_name": "standard deviation"})
    else:
        units = f"({data.unit})^2" if data.unit else ""
        variables["covariance"] = (
            ("datum", "datum_other"),
            np.array(data.covariance),
            {"units": units, "long_name": "covariance"},
        )
    coordinates: dict[str, Any] = {}
    for name, column in data.state.items():
        quantity = quantities.get(name)
        coordinates[name] = ("datum", np.array(column), {"units": quantity.unit, "long_name": quantity.label})
    coordinates.update({name: ("datum", np.array(column)) for name, column in data.groups.items()})
    environment = data.environment
    described = {
        "label": environment.label,
        "medium": environment.medium,
        # JSON has no infinity: an open side of a range is null.
        "ranges": {name: [b if np.isfinite(b) else None for b in bounds] for name, bounds in environment.ranges.items()},
        "treatment": dict(environment.treatment),
    }
    source = data.source
    return xr.Dataset(
        variables,
        coordinates,
        {
            "name": data.name,
            "observable": data.observable,
            "substance": data.substance,
            "environment": json.dumps(described),
            "uncertainty_meaning": data.uncertainty_meaning,
            "citation": source.citation,
            "doi": source.doi,
            "licence": source.licence,
            "note": source.note,
        },
    )
