"""Automation: jobs and what starts them.

Belongs here: which assets run together and when. Does not belong here: what assets do.
"""
