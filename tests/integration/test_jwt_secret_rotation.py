"""Changing the JWT secret in the documented order: a gateway never turns away a token that Supabase has just made.

Gateways are replaced one after the other, so at each moment two configurations may be answering: that of before a push
and that of after it. Both are served here, and every token that is good at the moment must be good at both.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from gateway_processes import gateways, variables
from gateway_support import Scene, claims_of, scene, token_of
from quota_support import Database, User
from standin import standing_in
from standin.keys import ProjectKeys
from tickctl.adapters.embedded.accounts import sign
from tickctl.core.secret import Secret
from tickctl.gateway import Decided, Observation, build_gate
from tickctl.settings import load

OLD, NEW = "the JWT secret of before, which only tests have", "the JWT secret of afterwards, which only tests have"
BEFORE = {"SUPABASE_JWT_SECRET": OLD}
BOTH = {"SUPABASE_JWT_SECRET": NEW, "SUPABASE_JWT_SECRET_PREVIOUS": OLD}
AFTER = {"SUPABASE_JWT_SECRET": NEW}

MOMENTS = {
    "nothing is changed yet": ((BEFORE, BEFORE), (OLD,)),
    "the first push is being rolled out": ((BEFORE, BOTH), (OLD,)),
    "Supabase signs with the new secret, and old tokens live on": ((BOTH, BOTH), (OLD, NEW)),
    "the second push is being rolled out, and old tokens are over": ((BOTH, AFTER), (NEW,)),
    "all is changed": ((AFTER, AFTER), (NEW,)),
}


def signed_by(database: Database, user: User, secret: str) -> str:
    """Return a token of a user as Auth makes it with this secret."""
    return sign(claims_of(database, user), Secret(secret)).reveal()


@contextmanager
def served(database: Database, *configurations: dict[str, str]) -> Iterator[list[Scene]]:
    """Serve one gateway for each configuration, all over one database."""
    with ExitStack() as stack:
        gates = [build_gate(load(variables(database) | changed, [])) for changed in configurations]
        yield [stack.enter_context(scene(database, gate=gate)) for gate in gates]


@pytest.mark.parametrize("moment", MOMENTS)
def test_no_gateway_turns_away_a_token_that_is_good(database: Database, moment: str) -> None:
    """Whichever gateway of a rollout a user comes to, and whichever of the secrets has signed the token."""
    configurations, secrets = MOMENTS[moment]
    user = database.add_user()
    with served(database, *configurations) as gateways_now:
        answers = [
            gateway.post(signed_by(database, user, secret)).status_code
            for gateway in gateways_now
            for secret in secrets
        ]
    assert set(answers) == {202}, moment


def test_the_previous_secret_is_refused_once_it_is_gone(database: Database) -> None:
    """That is what the change was for: whoever has the old secret makes no more tokens."""
    user = database.add_user()
    with served(database, AFTER) as [gateway]:
        refused = gateway.post(signed_by(database, user, OLD))
        assert (refused.status_code, refused.json()["code"]) == (401, "bad_signature")
        assert gateway.post(signed_by(database, user, NEW)).status_code == 202


@pytest.mark.parametrize(
    ("configuration", "secret"), [(BEFORE, NEW), (AFTER, OLD)], ids=["no first push", "second push at once"]
)
def test_leaving_a_step_out_locks_users_out(database: Database, configuration: dict[str, str], secret: str) -> None:
    """The order has its reason: without the overlap, one of the two kinds of tokens is refused."""
    with served(database, configuration) as [gateway]:
        assert gateway.post(signed_by(database, database.add_user(), secret)).status_code == 401


def test_the_answer_does_not_say_which_secret_has_signed(database: Database) -> None:
    """Nor does what is observed; a stranger must not find out how far the change has come."""
    first, second = database.add_user(), database.add_user()
    seen: list[Observation] = []
    gate = build_gate(load(variables(database) | BOTH, []), observe=seen.append)
    with scene(database, gate=gate) as gateway:
        answers = [gateway.post(signed_by(database, user, secret)) for user, secret in ((first, OLD), (second, NEW))]
    one, other = ((answer.status_code, answer.content, sorted(set(answer.headers) - {"date"})) for answer in answers)
    assert one == other
    decided = [(each.decision, each.status) for each in seen if isinstance(each, Decided)]
    assert decided == [("granted", None)] * 2


def test_gateways_as_processes_take_both(database: Database, tmp_path_factory: pytest.TempPathFactory) -> None:
    """From the environment alone, as a container gets it from the secret."""
    user = database.add_user()
    tokens = [signed_by(database, user, secret) for secret in (OLD, NEW)]
    with gateways(database, tmp_path_factory.mktemp("gateways"), number=2, **BOTH) as running:
        answers = [
            httpx.post(
                f"{gateway.url}/tasks",
                json={"max_ticks": 1},
                headers={"Authorization": f"Bearer {token}"},
                trust_env=False,
            )
            for gateway in running
            for token in tokens
        ]
    assert [answer.status_code for answer in answers] == [202] * 4
    for gateway in running:
        log = gateway.log.read_text()
        assert not [value for value in (OLD, NEW) if value in log]


def test_moving_to_a_published_key_needs_the_old_secret_for_the_overlap_only(database: Database) -> None:
    """With an asymmetric key nothing is pushed for the change; tokens of before need the secret until they end."""
    with standing_in(database, keys=ProjectKeys(signing="ES256")) as project:
        user = database.add_user()
        old = project.keys.sign_with_secret(claims_of(project, user))
        with scene(project, gate=build_gate(load(variables(project), []))) as during:
            assert during.post(old).status_code == 202
            assert during.post(token_of(project, user)).status_code == 202
        without = {name: value for name, value in variables(project).items() if name != "SUPABASE_JWT_SECRET"}
        with scene(project, gate=build_gate(load(without, []))) as after:
            refused = after.post(old)
            assert (refused.status_code, refused.json()["code"]) == (401, "unknown_key")
            assert after.post(token_of(project, user)).status_code == 202
