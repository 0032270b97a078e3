"""The one schema: every table's columns, key and grain, once, in Python.

Belongs here: what tables are. DDL, Arrow schemas, dagster-pandas types, the UI's column schema
and the data dictionary are rendered from it. Does not belong here: how tables are filled.
"""
