"""The pages, one module each: run queries for a request and build the content of the page.

Belongs here: which queries a page runs, and how it presents their rows. Does not belong here: HTML
(`templates/`), drawing (`charts`), or SQL (`sql/dashboard`).
"""
