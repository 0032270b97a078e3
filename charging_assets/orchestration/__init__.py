"""Automation: jobs and what starts them.

Belongs here: which assets run together, when, and what happens after a failure. Does not belong
here: what the assets do.
"""
