"""`PYTHONPATH=tests python -m standin`: a project to try commands on by hand, until Ctrl-C.

It prints the variables for another shell, those of a user `ada@example.com` and an administrator among them. Everything
lies in a temporary folder and is gone afterwards.
"""

import signal
import sys
import tempfile
from pathlib import Path

from quota_support import Database
from standin.project import PASSWORD, standing_in
from tickctl.adapters.embedded import EmbeddedDatabase


def main() -> None:
    """Serve until interrupted."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedDatabase(Path(folder) / "home", durable=False).use() as server,
    ):
        urls = (server.url(role) for role in ("supabase_admin", "postgres", "authenticator"))
        with standing_in(Database("postgres", *urls)) as project:
            project.add_user("ada@example.com")
            project.add_admin("admin@example.com")
            variables = project.settings_env("secret-key") | project.settings_env("connection")
            variables["SUPABASE_JWT_SECRET"] = project.jwt_secret
            for name, value in variables.items():
                sys.stdout.write(f"export {name}='{value}'\n")
            sys.stdout.write(f"# ada@example.com and the administrator admin@example.com: password {PASSWORD!r}\n")
            sys.stdout.flush()
            signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main()
