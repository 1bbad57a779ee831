"""The files that secrets come from, and plans of where they go."""
