"""A real Supabase project in the stand-in's place, named by environment variables."""

from collections.abc import Mapping
from contextlib import suppress

import pytest

from standin.project import Project, Refused

URL = "TICKCTL_TEST_SUPABASE_URL"
ANON_KEY = "TICKCTL_TEST_ANON_KEY"
SECRET_KEY = "TICKCTL_TEST_SECRET_KEY"
DATABASE_URL = "TICKCTL_TEST_DATABASE_URL"


class GivenProject(Project):
    """A project that somebody keeps for tests, with tickctl's schema in it.

    The tests add users and delete these again at the end; nothing else is touched.
    """

    is_standin = False

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__()
        missing = [name for name in (URL, ANON_KEY, SECRET_KEY, DATABASE_URL) if not environ.get(name)]
        if missing:
            raise pytest.UsageError(f"{URL} is set, but not {', '.join(missing)}")
        self.url = environ[URL].rstrip("/")
        self.anon_key, self.secret_key = environ[ANON_KEY], environ[SECRET_KEY]
        self.database_url = environ[DATABASE_URL]

    def settings_env(self, identity: str) -> dict[str, str]:
        """See `Project.settings_env`; the legacy keys are not among what was given."""
        if identity == "service-role-key":
            pytest.skip("the legacy service_role key of the project is not known")
        return super().settings_env(identity)

    def close(self) -> None:
        """Delete the users that were added."""
        for user_id in self.made.values():
            with suppress(Refused):  # a test deleted this one
                self.auth("DELETE", f"/admin/users/{user_id}", key=self.secret_key)
        super().close()
