"""What to tell a person about a refused entry."""

from tickctl.core.secrets.env_files.model import Entry, Refusal, RefusalKind


def describe(refusal: Refusal, entry: Entry) -> tuple[str, str]:
    """Return what is wrong with a refused entry, with file, line and key, and how to mend it."""
    name, variable = entry.name, refusal.variable
    referent = variable or "a variable"
    match refusal.kind:
        case RefusalKind.NO_VALUE:
            problem = f"{name or 'a name'} has no '=': Docker Compose would look for its value in your shell"
            mend = f"write {name or 'NAME'}=value, or remove the line"
        case RefusalKind.SHELL:
            problem = (
                f"{name} refers to {referent}: Docker Compose takes the value of your shell or of the project's .env"
            )
            mend = (
                "write the value itself; for a literal dollar put the value between single quotes; "
                f"--allow-shell {variable or 'NAME'} takes the shell's value"
            )
        case RefusalKind.UNSET:
            problem = f"{name} refers to {referent} that is not set before: Docker Compose would put nothing there"
            mend = (
                "for a literal dollar put the value between single quotes; otherwise set the variable above this line"
            )
        case RefusalKind.REQUIRED:
            problem = f"{name} requires {referent} that is not set before"
            mend = "set the variable above this line"
        case RefusalKind.UNUSABLE if not name:
            problem, mend = "a value without a name", "write a name before the '='"
        case RefusalKind.UNUSABLE:
            problem, mend = (
                f"{name} holds a NUL byte or no text, which no container can have",
                "encode the value, such as in base64",
            )
    return f"{entry.file}:{entry.line}: {problem}", mend
