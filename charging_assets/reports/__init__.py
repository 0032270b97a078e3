"""Reports: an asset of its own, rendered from published figures."""
