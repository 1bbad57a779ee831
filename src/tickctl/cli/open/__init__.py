"""Opens what commands work on, one opener for each thing."""
