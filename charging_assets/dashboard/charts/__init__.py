"""Charts: functions that turn rows into Altair charts."""
