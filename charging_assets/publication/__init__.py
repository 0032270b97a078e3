"""Publication: the warehouse's dimensions and marts as files.

Belongs here: what Dagster runs and shows of it. Does not belong here: the files (`storage`).
"""
