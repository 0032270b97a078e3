"""The rehearsal: a running Dagster that polls every minute, and the faults of a month.

Belongs here: `make rehearsal`, which takes about ten minutes. Does not belong here: faults that can
be tested in one process (`faults`).
"""
