"""Operator's command line and gateway library for services on Supabase Auth and AWS ECS."""

__version__ = "0.1.0"
