"""Recomputes all figures of a home from its raw objects, with independent code.

`python -m charging_assets_tests.recompute [HOME]` reads the raw archive, derives polls, statuses,
dimensions, sessions and marts by plain loops from their documented definitions, compares them with
the tables of the warehouse and prints what differs. It imports nothing of `charging_assets` and
translates none of its SQL, so a mistake has to be made twice to go unnoticed.
"""
