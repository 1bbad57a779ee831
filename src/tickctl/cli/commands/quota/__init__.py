"""`tickctl quota`."""
