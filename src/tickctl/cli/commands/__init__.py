"""The commands, a module or folder for each group; none imports another's."""
