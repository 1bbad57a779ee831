"""One module for each outside system, each implementing a protocol of `tickctl.core`."""
