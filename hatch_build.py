"""Put the data catalogue and the studies into the wheel.

An installed package finds them under ``bayesff/share``; an editable install finds the clone's own, beside the package, and
must not get a copy that goes stale.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ShareHook(BuildHookInterface):
    """Adds the top-level folders to a wheel that is not editable."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":
            build_data["force_include"] = {folder: f"bayesff/share/{folder}" for folder in ("data", "models")}
