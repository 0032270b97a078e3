"""Asset checks: what people are shown about the quality of an hour.

Belongs here: questions about rows that are there. What must not be published at all is a guard of
its load (`modelling`) or the gate of its type (`preprocessing`).
"""
