"""The stand-in for a Supabase project, as its clients see it."""

import pytest

from standin import Project, Refused


def test_user_signs_in_and_consumes(project: Project) -> None:
    """Through Auth, the gateway and PostgREST, into the database and back."""
    project.add_user("consumes@example.com")
    token = project.token("consumes@example.com")
    row = project.rest("POST", "/rpc/consume_ticks", {"ticks": 3}, token=token)
    assert (row["decision"], row["ticks_used"]) == ("granted", 3)
    assert project.auth("GET", "/user", token=token)["email"] == "consumes@example.com"


def test_secret_key_administers(project: Project) -> None:
    """The gateway turns it into service_role."""
    user_id = project.add_user("shown@example.com")
    state = project.rest("POST", "/rpc/tick_admin_show", {"user_ref": "shown@example.com"}, key=project.secret_key)
    assert state["user_id"] == user_id


def test_publishable_key_alone_is_refused(project: Project) -> None:
    """401 for the anonymous role, since it may still sign in."""
    with pytest.raises(Refused) as caught:
        project.rest("POST", "/rpc/my_ticks", {})
    assert (caught.value.status, caught.value.body["code"]) == (401, "42501")
