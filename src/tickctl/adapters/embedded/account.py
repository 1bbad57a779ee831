"""Whose account the server runs under: ours, or, since PostgreSQL refuses root, an unprivileged one."""

import os
import pwd
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tickctl.errors import ConfigurationError

UNPRIVILEGED: Final = "nobody"
# capabilities(7): their numbers, and so their bits in /proc/self/status. The first is enough and lets the server read
# only; root in a container usually has but the second.
_READ_ANYWHERE: Final = (("dac_read_search", 2), ("dac_override", 1))


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's user that runs the server.

    Attributes:
        client: name of the user that runs us, the only one that may connect.
        prefix: what a command line starts with so that it runs as the server's user; empty if that is us.
        uid: the server's user id.
        gid: the server's group id.
    """

    client: str
    prefix: tuple[str, ...]
    uid: int
    gid: int

    def give(self, folder: Path) -> None:
        """Make the server's user the owner of a folder that we have just created."""
        if self.prefix:
            os.chown(folder, self.uid, self.gid, follow_symlinks=False)


def find_account() -> Account:
    """Return the account for this process.

    Raises:
        ConfigurationError: the user has no name, or is root where root can't become somebody else.
    """
    uid = os.geteuid()
    try:
        client = pwd.getpwuid(uid).pw_name
    except KeyError:
        raise ConfigurationError(
            f"the user id {uid} has no name on this system, and PostgreSQL needs one",
            hint="add the user id to /etc/passwd, or run as a user that is listed there",
        ) from None
    if uid != 0:
        return Account(client, (), uid, os.getegid())
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    if setpriv is None:
        raise ConfigurationError(
            "PostgreSQL does not run as root, and there is no `setpriv` to run it as somebody else",
            hint="run tickctl as an ordinary user, or install util-linux",
        )
    try:
        server = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise ConfigurationError(
            f"PostgreSQL does not run as root, and there is no user {UNPRIVILEGED!r} to run it as",
            hint="run tickctl as an ordinary user",
        ) from None
    bounding = bounding_set(Path("/proc/self/status").read_text())
    prefix = (setpriv, *setpriv_options(server.pw_uid, server.pw_gid, bounding), "--")
    return Account(client, prefix, server.pw_uid, server.pw_gid)


def bounding_set(status: str) -> int:
    """Return the capabilities that this process may pass on, as a bit mask, from the text of /proc/self/status."""
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == "CapBnd":
            return int(value, 16)
    return 0


def setpriv_options(uid: int, gid: int, bounding: int) -> tuple[str, ...]:
    """Return setpriv(1) options that leave a user nothing but the reach into folders that are closed to others.

    Our folder and often the programs' (a virtual environment under /root) are closed to other users. Rather than
    opening them, the server keeps one capability: to pass and read them. initdb asks access(2), which judges by the
    *real* user's capabilities, kept over the change of user by the securebit `no_setuid_fixup`.

    Raises:
        ConfigurationError: this root has neither capability, so that it can't even read what the server writes.
    """
    for name, bit in _READ_ANYWHERE:
        if bounding >> bit & 1:
            only = f"-all,+{name}"
            drop = ("--reuid", str(uid), "--regid", str(gid), "--clear-groups", "--no-new-privs")
            keep = ("--inh-caps", only, "--ambient-caps", only, "--bounding-set", only)
            return (*drop, "--securebits", "+no_setuid_fixup", *keep)
    raise ConfigurationError(
        "PostgreSQL does not run as root, and this root has no reach to lend to another user",
        hint="run tickctl as an ordinary user, or give root the capability DAC_OVERRIDE or DAC_READ_SEARCH",
    )
