"""One module for each promise: what the facts say of its checks. `judge` in core/audit/judge.py calls them."""
