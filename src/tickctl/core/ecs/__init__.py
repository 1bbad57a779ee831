"""Task definitions that refer to secrets, and deployments that are followed to their end; pure."""
