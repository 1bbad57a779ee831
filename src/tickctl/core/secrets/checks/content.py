"""Checks of what env files hold: keys given twice, never filled in, missing, or impossible to store or read alike."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from tickctl.core.secrets.checks.catalogue import Check
from tickctl.core.secrets.checks.credentials import judged
from tickctl.core.secrets.checks.expectations import Expectations
from tickctl.core.secrets.checks.finding import Finding, Purpose, Result, about
from tickctl.core.secrets.env_files import Entry, EnvFile, describe, effective
from tickctl.core.secrets.env_files.differences import Difference
from tickctl.core.secrets.plan import plan_push
from tickctl.core.secrets.store import Phase, SecretState
from tickctl.errors import ConfigurationError

# What people write where a value is to come: the whole value, or a piece of it in angle brackets.
_PLACEHOLDER: Final = re.compile(
    r"""
      (?:change|replace|fill|set)[-_ ]?(?:me|this|it)(?:[-_ ]?(?:in|please|now))?[!.]*
    | (?:please[-_ ])?(?:change|replace|fill|insert|enter|put|add)[-_ ](?:me|this|your|it|here|in)(?:[-_ ].*)?
    | your[-_ ].*
    | to[-_ ]?do | tbd | fix[-_ ]?me | placeholder | dummy | none[-_ ]yet
    | \.{3,} | …+ | x{3,} | \*{3,} | -{3,} | _{3,} | \?+
    | (?:.*[-_/ ])?(?:\.{3}|…)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_IN_BRACKETS: Final = re.compile(
    r"<[a-z][a-z0-9 _.:-]{2,60}>|<[A-Z][A-Z0-9 _.:-]{2,60}>|\[[Yy][Oo][Uu][Rr][-_ ][\w -]{1,60}\]|\{\{\s*[\w.]+\s*\}\}"
)
# Names whose values are secrets. TOKEN_TTL and KEY_HEADER are none.
_SECRET_NAME: Final = re.compile(
    r"(?:KEY|SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIALS?|(?:^|[_.-])(?:PASS|PWD|DSN))(?:_PREVIOUS)?$", re.IGNORECASE
)
_STOPS_A_PUSH: Final = frozenset(
    {
        Check.PLACEHOLDER,
        Check.EXAMPLE_VALUE,
        Check.REQUIRED,
        Check.ALLOW_UNCONFIRMED,
        Check.DEMO_SECRET,
        Check.WEAK_SECRET,
        Check.PREVIOUS_SECRET_SAME,
        Check.ADMIN_CREDENTIAL,
        Check.AWS_CREDENTIAL,
    }
)


def check_entries(
    entries: Sequence[Entry], expectations: Expectations, purpose: Purpose = Purpose.PRODUCTION
) -> Iterator[Finding]:
    """Check what the files say together; of keys that are given twice, the one that counts."""
    counting = effective(entries)
    yield from _refused(entries, counting)
    yield from _repeated(entries)
    yield from _unfilled(counting, expectations)
    yield from _missing(counting, expectations)
    yield from judged(counting, purpose)
    yield from _unstorable(counting)


def unsafe(entries: Sequence[Entry], expectations: Expectations | None = None) -> tuple[Finding, ...]:
    """Return what must not go to production; a push stops at any of it unless it is told otherwise.

    Refused entries aren't among them: `values` refuses those by itself.
    """
    findings = check_entries(entries, expectations or Expectations())
    return tuple(finding for finding in findings if finding.check in _STOPS_A_PUSH)


def is_placeholder(value: str) -> bool:
    """Whether a value says that somebody should put another one there."""
    value = value.strip()
    return bool(_PLACEHOLDER.fullmatch(value) or _IN_BRACKETS.search(value))


def _repeated(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Find keys that are given more than once: in one file likely by mistake, in several on purpose."""
    by_name: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.name:  # none where a line may be a piece of a value
            by_name.setdefault(entry.name, []).append(entry)
    for name, same in by_name.items():
        for earlier, later in pairwise(same):
            if earlier.file == later.file:
                message = f"{name} stands in line {earlier.line} as well; the last one counts"
                yield about(later, Check.DUPLICATE, Result.WARNING, message, "remove the one that isn't meant")
            else:
                message = f"{name} is given again in {later.file}, line {later.line}, which counts"
                yield about(earlier, Check.OVERRIDDEN, Result.NOTE, message)


def _refused(entries: Sequence[Entry], effective: Mapping[str, Entry]) -> Iterator[Finding]:
    """Find what the reader refuses, all of it; what a later line overrides stops no push."""
    for entry in entries:
        if entry.refusal is None:
            continue
        message, mend = describe(entry.refusal, entry)
        message = message.removeprefix(f"{entry.file}:{entry.line}: ")
        counts = not entry.name or effective[entry.name] is entry
        result = Result.FAIL if counts else Result.WARNING
        yield Finding(Check.REFUSED, result, message, mend, entry.file, entry.line, entry.name or None)


def _unstorable(effective: Mapping[str, Entry]) -> Iterator[Finding]:
    """Find what a push would refuse to write, whatever it is pushed to."""
    values = {name: entry.value for name, entry in effective.items() if entry.value is not None}
    try:
        plan_push(SecretState("gateway", Phase.ABSENT), {}, values, prune=False)
    except ConfigurationError as error:
        mend = "rename the key or shorten the value"
        yield Finding(Check.UNSTORABLE, Result.FAIL, error.message.removeprefix("can't push: "), mend)


def _unfilled(effective: Mapping[str, Entry], expectations: Expectations) -> Iterator[Finding]:
    """Find values that were left as an example has them."""
    for name, entry in effective.items():
        if not entry.value:
            continue
        if is_placeholder(entry.value.reveal()):
            message = f"{name} still has a placeholder for its value"
            yield about(entry, Check.PLACEHOLDER, Result.FAIL, message, "put the real value there, or remove the line")
        elif entry.value in expectations.examples.get(name, ()) and _SECRET_NAME.search(name):
            message = f"{name} has the value that {expectations.source} shows to everybody"
            yield about(entry, Check.EXAMPLE_VALUE, Result.FAIL, message, "put a value of your own there")


def _missing(effective: Mapping[str, Entry], expectations: Expectations) -> Iterator[Finding]:
    """Find keys that must be there and aren't, or that are there without a value."""
    for name in dict.fromkeys((*expectations.required, *expectations.listed)):
        entry = effective.get(name)
        if entry is None:
            message = f"{name} is missing; {expectations.source} has it"
            mend = (
                f"add {name}= and its value" if name in expectations.required else f"add {name}=, empty if not needed"
            )
            yield Finding(Check.REQUIRED, Result.FAIL, message, mend, key=name)
        elif entry.value is not None and not entry.value:
            if name in expectations.required:
                yield about(entry, Check.REQUIRED, Result.FAIL, f"{name} is required, and is empty", "give it a value")
            else:
                message = f"{name} is empty, so the container gets an empty value"
                yield about(entry, Check.EMPTY, Result.NOTE, message)


def unreadable(error: ConfigurationError, files: Sequence[EnvFile]) -> Finding:
    """Return the finding for files that Compose wouldn't read; the error's words begin with file and line."""
    for file in files:
        line, colon, problem = error.message.removeprefix(f"{file.name}:").partition(": ")
        if colon and line.isdigit():
            return Finding(Check.UNREADABLE, Result.FAIL, problem, error.hint, file.name, int(line))
    return Finding(Check.UNREADABLE, Result.FAIL, error.message, error.hint)


def differing(difference: Difference) -> Finding:
    """Return the finding for a value that other programs read in another way."""
    readers = " and ".join(difference.readers)
    verb = "reads" if len(difference.readers) == 1 else "read"
    message = f"{readers} {verb} {difference.entry.name} in another way than Docker Compose"
    return about(difference.entry, Check.READ_DIFFERENTLY, Result.WARNING, message, difference.mend)
