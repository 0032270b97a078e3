"""Alerts: telling people outside of Dagster's UI.

Belongs here: where alerts go and how they are delivered, and the heartbeat. Does not belong here:
what is worth an alert (`automation.alerting`).
"""
