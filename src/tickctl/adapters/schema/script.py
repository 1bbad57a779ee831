"""The same as one SQL text: for the SQL editor, for psql, for `supabase/migrations`."""

import json
from importlib.metadata import version
from typing import Final

from tickctl.sql import SUPERSEDED, SqlFile, access_token_hook, adoption, migrations, repeatables

# An arbitrary number that two simultaneous installations agree on.
LOCK: Final = 7_413_091_865_526_040
LOCK_TIMEOUT: Final = "10s"
"""How long to wait for a table; for another installation we wait as long as it takes."""

# When a file is to run; see sql/adoption/90_plan.sql.
_ONCE: Final = "once"
_AGAIN: Final = "again"
_IF_INSTALLED: Final = "installed"

_HEADER: Final = """\
-- The schema of tickctl for a Supabase project, whether empty or with tables of its own.
--
-- One statement, so all or nothing wherever it is run: in the SQL editor, by psql, as a migration. It can be run
-- again, and then changes nothing. Run it as postgres. `tickctl schema apply` does the same, and first shows its plan.
"""
_SCRIPT: Final = """\
do $tickctl$
declare
    lock_timeout constant text := current_setting('lock_timeout');
    messages constant text := current_setting('client_min_messages');
    release constant jsonb := '{release}';
    files constant jsonb := jsonb_build_array({files});
    step record;
    in_the_way text := '';
begin
    perform set_config('client_min_messages', 'error', true), set_config('lock_timeout', '0', true);
    perform pg_advisory_xact_lock({lock});
    perform set_config('lock_timeout', '{lock_timeout}', true);
    execute {planner};
    for step in execute 'select kind, message from pg_temp.tick_apply($1, $2)' using files, release loop
        if step.kind in ('blocker', 'refused', 'denied', 'newer') then
            in_the_way := in_the_way || E'\\n' || step.message;
        end if;
    end loop;
    execute 'select pg_temp.tick_forget()';
    perform set_config('lock_timeout', lock_timeout, true), set_config('client_min_messages', messages, true);
    if in_the_way <> '' then
        raise exception 'tickctl can''t install its schema:%', in_the_way using errcode = '55000';
    end if;
end
$tickctl$;
"""


def planner() -> str:
    """Return the definitions of the planner, which lies in `pg_temp`."""
    return "\n".join(file.text for file in adoption())


def payload(*, hook: bool) -> str:
    """Return the files to install, as JSON for the planner."""
    return json.dumps(
        [{"name": file.name, "digest": file.digest, "text": file.text, "run": when} for file, when in _files(hook=hook)]
    )


def release() -> str:
    """Return what the planner has to know of this tickctl, as JSON."""
    return json.dumps({"version": version("tickctl"), "superseded": [*SUPERSEDED]})


def as_one_file(*, hook: bool = False) -> str:
    """Return one SQL statement that does what `apply` does, and remembers it as `apply` does.

    Args:
        hook: whether to install the optional access-token hook; where it is installed it is kept up to date anyway.
    """
    files = ",".join(
        f"\n    jsonb_build_object('name', '{file.name}', 'digest', '{file.digest}', 'run', '{when}', 'text', "
        f"{_quoted(file.text, 'tickctl_file')})"
        for file, when in _files(hook=hook)
    )
    return _HEADER + _SCRIPT.format(
        release=release(),
        files=files,
        lock=LOCK,
        lock_timeout=LOCK_TIMEOUT,
        planner=_quoted(planner(), "tickctl_planner"),
    )


def _files(*, hook: bool) -> list[tuple[SqlFile, str]]:
    return [
        *((file, _ONCE) for file in migrations()),
        *((file, _AGAIN) for file in repeatables()),
        (access_token_hook(), _AGAIN if hook else _IF_INSTALLED),
    ]


def _quoted(text: str, tag: str) -> str:
    return f"${tag}$\n{text}${tag}$"
