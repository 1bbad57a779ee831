"""URLs and listeners: what counts as encrypted, and what only seems to be."""

from dataclasses import replace

import pytest

from audit_support import (
    ARN,
    BALANCER,
    DENIED,
    HTTP,
    HTTPS,
    REDIRECT,
    TARGETS,
    VALUES,
    VERSION,
    account,
    balancer,
    found,
    named,
    only,
    referring,
    results,
    secret,
    service,
    state,
    with_container,
    with_values,
)
from tickctl.core.audit.catalogue import Check
from tickctl.core.audit.facts import (
    Action,
    SecretVersionFacts,
    TlsPolicy,
)
from tickctl.core.findings import Result
from tickctl.core.secret import Secret

OLD = "22222222-2222-4333-8444-555555555555"
WARNING, FAIL, CANNOT_TELL, PASS = Result.WARNING, Result.FAIL, Result.CANNOT_TELL, Result.PASS


def test_urls_are_judged_wherever_they_stand() -> None:
    """In a definition, in the secret, and under the name that a container gives to a key."""
    plain = with_container(environment=named(REDIS_URL="redis://cache.internal"))
    assert [one.subject for one in found(plain, Check.CONNECTION_URL) if one.result is FAIL] == [
        "task definition gateway:12, container gateway, environment REDIS_URL"
    ]
    [finding] = [one for one in found(plain, Check.CONNECTION_URL) if one.result is FAIL]
    assert (finding.message, finding.mend) == ("it is not encrypted: its scheme is redis", "write rediss://")
    held = with_values(RABBITMQ_URL="amqp://queue.internal")
    assert [one.subject for one in found(held, Check.CONNECTION_URL) if one.result is FAIL] == [
        "secret gateway/production, key RABBITMQ_URL"
    ]
    renamed = referring(f"{ARN}:cache::", secrets={ARN: secret(VALUES | {"cache": "redis://cache.internal"})})
    assert [one.subject for one in found(renamed, Check.CONNECTION_URL) if one.result is FAIL] == [
        "task definition gateway:12, container gateway, secret REDIS_URL"
    ]


def test_urls_of_pinned_versions_are_judged() -> None:
    """A container still gets them."""
    versions = {VERSION: ("AWSCURRENT",), OLD: ("AWSPREVIOUS",)}
    old = SecretVersionFacts(OLD, {"REDIS_URL": Secret("redis://cache.internal")})
    held = secret(state=state(stages=versions), versions=secret().versions | {OLD: old})  # type: ignore[operator] # a dict
    failed = [one for one in found(account(secrets={ARN: held}), Check.CONNECTION_URL) if one.result is FAIL]
    assert [one.subject for one in failed] == [f"secret gateway/production, version {OLD}, key REDIS_URL"]


def test_sidecars_and_weaker_modes() -> None:
    """Loopback passes, sslmode=require is a warning, a check that is switched off fails."""
    assert only(with_values(REDIS_URL="redis://localhost:6379"), Check.CONNECTION_URL) == {PASS}
    weak = with_values(SUPABASE_DB_URL="postgresql://db.internal/app?sslmode=require")
    assert only(weak, Check.CONNECTION_URL) == {WARNING}
    blind = with_values(REDIS_URL="rediss://cache.internal?ssl_cert_reqs=none")
    assert only(blind, Check.CONNECTION_URL) == {FAIL}


@pytest.mark.parametrize(
    ("actions", "rules", "result"),
    [
        ((REDIRECT,), (), PASS),
        ((REDIRECT,), (REDIRECT, REDIRECT), PASS),
        ((REDIRECT,), (Action("forward"),), FAIL),
        ((Action("forward"),), (REDIRECT,), FAIL),
        ((Action("redirect", "HTTP"),), (), FAIL),
        ((Action("redirect", "#{protocol}"),), (), FAIL),
        ((Action("redirect"),), (), FAIL),
        ((), (), FAIL),
        ((Action("fixed-response"),), (), WARNING),
        ((Action("fixed-response"),), (Action("forward"),), FAIL),
        ((Action("forward"),), DENIED, FAIL),
        ((Action("fixed-response"),), DENIED, CANNOT_TELL),
    ],
)
def test_an_http_listener_only_redirects(actions: tuple[Action, ...], rules: object, result: Result) -> None:
    """By default and by each rule; a fixed answer gives nothing away, but isn't one."""
    listener = replace(HTTP, actions=actions, rules=rules)  # type: ignore[arg-type] # either kind
    facts = account(load_balancers={BALANCER: balancer(listener, HTTPS)})
    assert results(facts) == ({} if result is PASS else {Check.HTTP_REDIRECT: {result}})


def test_each_listener_is_judged_by_itself() -> None:
    """A good one makes up for no bad one."""
    second = replace(HTTP, port=8080, actions=(Action("forward"),))
    findings = found(account(load_balancers={BALANCER: balancer(HTTP, second, HTTPS)}), Check.HTTP_REDIRECT)
    assert [(one.subject, one.result) for one in findings] == [
        ("load balancer front, listener HTTP 80", PASS),
        ("load balancer front, listener HTTP 8080", FAIL),
    ]


def test_a_load_balancer_without_listeners_is_no_pass() -> None:
    """There is nothing that could be encrypted."""
    for kind in ("application", "network"):
        bare = account(load_balancers={BALANCER: balancer(kind=kind)})
        assert only(bare, Check.HTTPS_LISTENER) == {FAIL}
        assert only(bare, Check.HTTP_REDIRECT) == {Result.NOT_APPLICABLE}


def test_a_network_load_balancer_may_pass_tls_on() -> None:
    """Or not: that is for the service to say. One that ends TLS passes."""
    through = replace(HTTPS, protocol="TCP", tls_policy=None)
    facts = account(load_balancers={BALANCER: balancer(through, kind="network")})
    assert only(facts, Check.HTTPS_LISTENER) == {CANNOT_TELL}
    ending = account(load_balancers={BALANCER: balancer(replace(HTTPS, protocol="TLS"), kind="network")})
    assert only(ending, Check.HTTPS_LISTENER) == only(ending, Check.TLS_POLICY) == {PASS}


@pytest.mark.parametrize(
    ("policy", "result"),
    [
        (TlsPolicy("p", ("TLSv1.3",)), PASS),
        (TlsPolicy("p", ("TLSv1.2", "TLSv1.1")), FAIL),
        (TlsPolicy("p", ("SSLv3",)), FAIL),
        (TlsPolicy("p", ()), CANNOT_TELL),
        (None, CANNOT_TELL),
    ],
)
def test_protocols_decide_and_not_the_policy_s_name(policy: TlsPolicy | None, result: Result) -> None:
    """Without any, nothing can be told."""
    facts = account(load_balancers={BALANCER: balancer(HTTP, replace(HTTPS, tls_policy=policy))})
    assert only(facts, Check.TLS_POLICY) == {result}


def test_load_balancers_of_the_first_generation_are_not_looked_at() -> None:
    """So none of the three can be told."""
    facts = account(services=(service(classic_load_balancers=("old",), target_groups=()),), load_balancers={})
    listeners = (Check.HTTPS_LISTENER, Check.HTTP_REDIRECT, Check.TLS_POLICY)
    assert results(facts) == {key: {CANNOT_TELL} for key in listeners}


def test_a_service_without_a_load_balancer_has_no_listeners() -> None:
    """That is no failure: nobody comes in from outside."""
    facts = account(services=(service(target_groups=()),), target_groups={}, load_balancers={})
    assert only(facts, Check.HTTPS_LISTENER) == {Result.NOT_APPLICABLE}


def test_what_could_not_be_read_is_named() -> None:
    """By the name in its ARN, as people know it; by all of it where it is no ARN."""
    facts = account(target_groups={TARGETS: DENIED, "odd": DENIED}, load_balancers={BALANCER: DENIED})
    subjects = {finding.subject for finding in found(facts, Check.HTTPS_LISTENER)}
    assert subjects == {"target group gateway", "target group odd", "load balancer front"}
