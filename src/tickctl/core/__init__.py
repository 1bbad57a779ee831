"""The rules, without any terminal, network, database or framework: pure functions over values."""
