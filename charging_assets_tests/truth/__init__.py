"""Scores of the warehouse against the simulator's truth.

Belongs here: the scores, and a runner over simulated weeks. Does not belong here: any code that
derives the scored tables.
"""
