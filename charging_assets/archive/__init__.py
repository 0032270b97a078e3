"""The archive of raw answers: one write-once object per poll, and notes next to them.

Belongs here: writing objects, reading an hour of them, compacted days, the spool, gaps and missed
slots. Does not belong here: HTTP (`acquisition`), or what an answer means (`preprocessing`).
"""
