"""Modelling: staged tables, dimensions and facts.

Belongs here: which SQL fills which table, in which scope, and the assets. Does not belong here:
connections and transactions (`warehouse`), or the SQL itself (`sql/`).
"""
