"""Acquisition: poll the feeds and archive every answer unchanged.

Belongs here: feeds, the HTTP client, the raw archive and the import of older archives. Does not
belong here: anything that interprets the content of an answer.
"""
