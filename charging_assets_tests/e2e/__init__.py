"""The dashboard in a real browser, over thirty days of a network of real size."""
