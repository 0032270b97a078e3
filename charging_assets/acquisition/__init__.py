"""Acquisition: poll the feeds and archive every answer unchanged.

Belongs here: the HTTP client, polls of an hour and the import of older archives. Does not belong
here: feeds (`sources`), the format of the archive (`archive`), or what an answer means
(`preprocessing`).
"""
