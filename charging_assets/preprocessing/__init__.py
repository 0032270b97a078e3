"""Preprocessing: one hour's raw answers to flat tables.

Belongs here: pure functions from answers to Arrow tables, and the assets that call them. Does not
belong here: HTTP, the lake or the warehouse.
"""
