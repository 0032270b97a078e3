"""charging_assets: public EV-charging APIs, archived and modelled as Dagster assets.

Belongs here: the version. Assembly is in `definitions`, the command line in `cli`.
"""

__version__ = "0.1.0"
