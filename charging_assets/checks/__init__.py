"""Asset checks: data quality rules about loaded hours, and freshness rules about feeds.

Checks report; they never change or block data. What must not be loaded at all is refused by the
guards of a load (`modelling`) or rejected while flattening (`preprocessing`).
"""
