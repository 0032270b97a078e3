"""A test bed of real parts for S3 and Redshift: what it proves and what not is in docs/testbed.md.

Belongs here: starting the parts, and the proxy that lets the real Redshift driver talk to
PostgreSQL. Does not belong here: tests of the pipeline, or anything the package itself imports.
"""
