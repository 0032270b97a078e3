"""The asset checks.

Belongs here: Dagster's side of the checks.
"""
CHECKS: list = []
