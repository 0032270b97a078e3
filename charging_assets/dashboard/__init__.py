"""The dashboard: pages for people who decide about charging points.

Belongs here: what is asked of the marts, how it is drawn and worded. Does not belong here: what a
figure means (`docs/metrics.md`, `sql/marts`), or any writing: pages only read.

Nothing else imports this package; it needs the extra `dashboard`.
"""
