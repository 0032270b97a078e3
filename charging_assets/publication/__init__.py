"""Publication: assets that write dimensions, facts and marts to the lake.

Belongs here: the assets and their metadata. Does not belong here: writing the files (`publish`).
"""
