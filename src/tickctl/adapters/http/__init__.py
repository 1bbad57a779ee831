"""Requests to servers: bounded, and explained in the same words wherever they fail."""

from tickctl.adapters.http.request import TIMEOUT, Answer, guarded_get, guarded_post

__all__ = ["TIMEOUT", "Answer", "guarded_get", "guarded_post"]
