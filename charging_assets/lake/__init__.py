"""The lake: bytes by key, in a folder, in S3 or in memory.

Belongs here: object stores behind one small interface, and the flat files in them. Does not belong
here: any asset, feed or business rule.
"""
