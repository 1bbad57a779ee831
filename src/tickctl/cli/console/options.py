"""The options that several commands share."""

from typing import Annotated, Final

import typer

PUSHED_FILES: Final = "An env file to push instead of services/.env and services/keys.env; repeatable."
"""What `--env-file` means to commands that compare or push."""
_PANEL = "Where"


def _where(*flags: str, text: str) -> object:
    return typer.Option(*flags, help=text, rich_help_panel=_PANEL, show_default=False)


EnvName = Annotated[
    str | None, _where("--env-name", text="A profile of tickctl.toml or of [tool.tickctl] in pyproject.toml.")
]
SecretId = Annotated[
    str | None, _where("--secret-id", text="Name or ARN of the secret; TICKCTL_SECRET_ID works as well.")
]
Region = Annotated[str | None, _where("--region", text="AWS region; AWS_REGION works as well.")]
Cluster = Annotated[str | None, _where("--cluster", text="ECS cluster of the services.")]
Services = Annotated[list[str] | None, _where("--service", text="ECS service that uses the secret; repeatable.")]
TaskDefinitions = Annotated[
    list[str] | None,
    _where(
        "--task-definition", text="Task definition to complete: a family, or a file that ends in .json; repeatable."
    ),
]
Containers = Annotated[
    list[str] | None,
    _where(
        "--container",
        text="Container that gets the keys, unless those that refer to the secret or the only one; repeatable.",
    ),
]
AllowShell = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-shell",
        help="A variable that env files may take from your shell; repeatable.",
        show_default=False,
        metavar="NAME",
    ),
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow deployments to their end.")]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds to follow deployments.", metavar="SECONDS", min=0)]
Poll = Annotated[
    float, typer.Option("--poll", help="Seconds between two looks at a deployment.", metavar="SECONDS", min=0)
]
