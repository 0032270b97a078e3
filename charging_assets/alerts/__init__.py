"""Alerts outside of Dagster's UI, and the heartbeat.

Belongs here: addresses and delivery. Does not belong here: which events cause an alert
(`automation.alerting`).
"""
