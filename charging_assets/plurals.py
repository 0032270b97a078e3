"""Former name of `charging_assets.text.count_noun`, until its callers are renamed."""

from charging_assets.text import count_noun as counted

__all__ = ["counted"]
