"""The acceptance of a real Redshift: `make verify-redshift`, described in docs/testbed.md."""
