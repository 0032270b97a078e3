"""Publication: assets that write dimensions, marts and reports to the lake, and preview plots.

Belongs here: the assets and their metadata. Does not belong here: writing the files (`storage`).
"""
