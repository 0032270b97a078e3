"""The warehouse: rows behind one small interface, on DuckDB or Amazon Redshift.

Belongs here: load plans and their execution, the ledger, migrations, and SQL for both engines. Does
not belong here: any asset, or which SQL fills which table (`modelling`).
"""
