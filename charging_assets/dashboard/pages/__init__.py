"""The pages: one module each, from what is asked and the rows that it needs to blocks.

Belongs here: which statements a page asks and what it says about their rows. Does not belong here:
HTML (`templates/`), drawing (`charts`), or SQL (`sql/dashboard`).
"""
