"""What all commands share: the run, output, prompts, and options."""
