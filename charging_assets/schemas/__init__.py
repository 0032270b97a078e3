"""The schema of all tables: columns, key and grain, defined once in Python.

Belongs here: the definition of tables. DDL, Arrow schemas, dagster-pandas types, Dagster's column
schema and the data dictionary are rendered from it. Does not belong here: how tables are filled.
"""
