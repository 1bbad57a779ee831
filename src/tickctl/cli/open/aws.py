"""AWS for a target: opened with the credentials that count, named for people, held to the account that is meant."""

from typing import TYPE_CHECKING, Final

from tickctl import __version__
from tickctl.cli.console.run import Run
from tickctl.core.secrets.arn import account_of, name_of
from tickctl.core.secrets.target import Target
from tickctl.errors import ConfigurationError

if TYPE_CHECKING:
    from tickctl.adapters.aws import Aws

# Any of these in the environment says as whom; then what files say of it is about somebody else.
SAYS_WHO: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
SAYS_WHERE: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")


def open_target(run: Run, target: Target) -> "Aws":
    """Return access to AWS for a target; nothing is asked of AWS yet.

    Credentials of the environment go before those of env files, as a whole: half of each would be nobody's.

    Raises:
        ConfigurationError: the credentials are incomplete, or no region is known.
    """
    from tickctl.adapters.aws import open_aws
    from tickctl.adapters.aws.client import IDENTITY

    settings = run.settings
    variables = dict(settings.aws)
    if any(settings.sources.get(name) == "environment" for name in SAYS_WHO):
        variables = {name: value for name, value in variables.items() if name not in IDENTITY}
    if sources := {settings.sources[name] for name in IDENTITY if name in variables}:
        run.output.notice(f"the AWS credentials come from {' and '.join(sorted(sources))}")
    aws = open_aws(region=target.region, credentials=variables, user_agent=f"tickctl/{__version__}")
    _ = aws.region
    return aws


def where(aws: "Aws", target: Target, arn: str | None) -> str:
    """Return the place of a secret for people: name, account and region.

    Args:
        aws: asked for the account where there is no ARN yet.
        target: whose secret it is.
        arn: the secret's, if it exists.
    """
    return f"secret {_name(target, arn)} in AWS account {_account(aws, arn)}, {aws.region}"


def check_account(aws: "Aws", target: Target, arn: str | None) -> None:
    """Refuse another account than the profile wants.

    Raises:
        ConfigurationError: it is another one.
    """
    if target.account is None:
        return
    account = _account(aws, arn)
    if account != target.account:
        raise ConfigurationError(
            f"these credentials lead to AWS account {account}, and profile {target.env_name} wants {target.account}",
            hint="check AWS_PROFILE, or 'account' of the profile; nothing was changed",
        )


def _account(aws: "Aws", arn: str | None) -> str:
    return account_of(arn or "") or aws.account()


def _name(target: Target, arn: str | None) -> str:
    secret_id = target.secret_id or ""
    return name_of(arn or secret_id) if secret_id.startswith("arn:") else secret_id
