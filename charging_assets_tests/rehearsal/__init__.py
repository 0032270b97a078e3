"""The rehearsal: Dagster really running, polls every minute, and what goes wrong in a month.

Belongs here: `make rehearsal`, which takes some ten minutes. Does not belong here: faults that one
process shows alone (`faults`).
"""
