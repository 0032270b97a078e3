"""Where bytes and rows live: the lake, the warehouse and the IO managers above them.

Belongs here: engines behind two small interfaces. Does not belong here: any asset, feed or
business rule.
"""
