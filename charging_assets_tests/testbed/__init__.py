"""A test bed for S3 and Redshift made of real servers; docs/testbed.md describes its limits.

Belongs here: starting the servers, and the proxy that connects the real Redshift driver to
PostgreSQL. Does not belong here: tests of the pipeline, or anything the package itself imports.
"""
