"""charging_assets: public EV-charging APIs, archived and modelled as Dagster assets.

Belongs here: the version and the entry point for analysts. `definitions` assembles the assets;
`cli` has the command line.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from charging_assets.analyst import connect, engine

__version__ = "0.1.0"
__all__ = ["__version__", "connect", "engine"]


def __getattr__(name: str) -> Any:
    # Late: pandas and the engines cost a second that `import charging_assets` need not.
    if name not in {"connect", "engine"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("charging_assets.analyst"), name)
