"""Every check of `tickctl secrets check`: the code that scripts depend on, and what it is about."""

from enum import StrEnum
from typing import Self


class Check(StrEnum):
    """What is looked at. The value is the code; `meaning` says what a finding with it tells."""

    # What the files say.
    UNREADABLE = "unreadable", "Docker Compose wouldn't read the file either"
    REFUSED = "refused", "Compose would take the value from the operator's shell, or make it empty without a word"
    READ_DIFFERENTLY = "read-differently", "python-dotenv or docker run read another value than Compose does"
    DUPLICATE = "duplicate", "one file gives the key twice, and the last one counts"
    OVERRIDDEN = "overridden", "a later file gives the key again"
    PLACEHOLDER = "placeholder", "the value was never filled in"
    EXAMPLE_VALUE = "example-value", "the value of a secret is the one that the example file shows to everybody"
    REQUIRED = "required", "a key that must be there is missing or empty"
    EMPTY = "empty", "a key of the example file is there without a value"
    UNSTORABLE = "unstorable", "AWS Secrets Manager or a task definition can't take a name or a value"
    # What the values are.
    ALLOW_UNCONFIRMED = "allow-unconfirmed", "unconfirmed e-mail addresses are let in, for development"
    DEMO_SECRET = "demo-secret", "the public secret or key of local Supabase set-ups: anybody can sign tokens"
    WEAK_SECRET = "weak-secret", "the JWT secret is too short, too simple or the text of another kind of key"
    PREVIOUS_SECRET_SAME = "previous-secret-same", "the previous JWT secret is the current one, so nothing was rotated"
    PREVIOUS_SECRET = "previous-secret", "a rotation is under way: the previous JWT secret is still accepted"
    ADMIN_CREDENTIAL = "admin-credential", "a key that may do everything, and that the gateway has no use for"
    AWS_CREDENTIAL = "aws-credential", "AWS access keys, which tasks get from their role"
    # Where the files lie.
    TRACKED = "tracked", "git has the file, so everybody who has the repository has it"
    NOT_IGNORED = "not-ignored", "the next 'git add .' takes the file in"
    IN_HISTORY = "in-history", "a commit holds the file, though git doesn't track it now"
    BUILD_CONTEXT = "build-context", "a docker build is sent the file and may copy it into an image"
    READABLE = "readable", "others on this machine may read the file"
    WRITABLE = "writable", "others on this machine may change what is pushed"
    OWNER = "owner", "the file belongs to somebody else"
    SYMLINK = "symlink", "the file is a link; what it leads to was looked at"
    NO_REPOSITORY = "no-repository", "the file is in no git repository, so there was nothing to look at"
    GIT = "git", "git couldn't say whether it has the file"

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """Make a member of a code and its meaning."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member
