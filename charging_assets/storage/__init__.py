"""Storage: the lake, the warehouse and the IO managers.

Belongs here: engines behind two small interfaces. Does not belong here: assets, feeds or business
rules.
"""
