"""The dashboard: web pages about utilisation, reliability and data quality.

Belongs here: queries of the marts, charts, and the texts of the pages. Does not belong here: the
definition of a figure (`docs/metrics.md`, `sql/marts`), or any write: pages only read.

The package needs the extra `dashboard`; other packages import it only where the extra is installed.
"""
