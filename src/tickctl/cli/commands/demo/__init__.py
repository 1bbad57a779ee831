"""`tickctl demo`."""
