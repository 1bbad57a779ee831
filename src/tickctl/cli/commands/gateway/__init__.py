"""`tickctl gateway`."""
