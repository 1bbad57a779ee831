"""A stand-in for a Supabase project over a real PostgreSQL: API gateway, PostgREST and Auth on loopback."""

from standin.faults import Fault
from standin.given import GivenProject
from standin.http import Answer, json_answer
from standin.keys import ProjectKeys
from standin.project import PASSWORD, Project, Refused, StandIn, standing_in

__all__ = [
    "PASSWORD",
    "Answer",
    "Fault",
    "GivenProject",
    "Project",
    "ProjectKeys",
    "Refused",
    "StandIn",
    "json_answer",
    "standing_in",
]
