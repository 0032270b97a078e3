"""Acquisition: ask the feeds, keep every answer.

Belongs here: feeds, the HTTP client, the raw archive and the import of older archives. Does not
belong here: anything that interprets a station.
"""
