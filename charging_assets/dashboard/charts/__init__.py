"""Charts: one module for what belongs together, each function from rows to an Altair chart."""
