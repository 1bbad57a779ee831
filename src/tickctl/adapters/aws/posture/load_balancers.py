"""Load balancers in front of services, and what each of their listeners does."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from tickctl.adapters.aws.posture.operations import Reader, attempt, batches
from tickctl.core.audit.facts import Action, Listener, LoadBalancer, TlsPolicy, Unread
from tickctl.errors import NotFoundError

_AT_ONCE: Final = 20
"""Load balancers, target groups or policies in one request (API reference, DescribeLoadBalancers)."""
_TOKEN: Final = ("Marker", "NextMarker")

_Found: TypeAlias = Mapping[str, Any]


def read_load_balancers(
    reader: Reader, target_groups: Iterable[str]
) -> tuple[dict[str, tuple[str, ...] | Unread], dict[str, LoadBalancer | Unread]]:
    """Return which load balancers are in front of target groups, and these load balancers, both by ARN."""
    groups = _described(reader, "target groups", partial(_target_groups, reader), target_groups)
    behind = {
        arn: one if isinstance(one, Unread) else tuple(one.get("LoadBalancerArns", ())) for arn, one in groups.items()
    }
    arns = [arn for some in behind.values() if not isinstance(some, Unread) for arn in some]
    balancers = _described(reader, "load balancers", partial(_load_balancers, reader), arns)
    readable = [arn for arn, one in balancers.items() if not isinstance(one, Unread)]
    listeners = reader.each("listeners", readable, partial(_listeners, reader))
    every = [one for some in listeners.values() if not isinstance(some, Unread) for one in some]
    plain = [one["ListenerArn"] for one in every if one.get("Protocol") == "HTTP"]
    rules = reader.each("listener rules", plain, partial(_rules, reader))
    policies = _described(
        reader,
        "TLS policies",
        partial(_policies, reader),
        [one["SslPolicy"] for one in every if one.get("SslPolicy")],
    )

    def assembled(one: _Found) -> Listener:
        return _listener(one, rules.get(one["ListenerArn"], ()), policies)

    return behind, {
        arn: one if isinstance(one, Unread) else _load_balancer(one, listeners[arn], assembled)
        for arn, one in balancers.items()
    }


def _described(
    reader: Reader, what: str, ask: Callable[[tuple[str, ...]], dict[str, _Found]], wanted: Iterable[str]
) -> dict[str, _Found | Unread]:
    """Return descriptions by ARN or name. Where one doesn't exist AWS refuses all, so they are asked for one by one."""

    def some(names: tuple[str, ...]) -> dict[str, _Found | Unread]:
        names_text = ", ".join(map(_short, names))
        try:
            response = attempt(f"the {what} {names_text}", lambda: ask(names), through=(NotFoundError,))
        except NotFoundError as error:
            if len(names) > 1:
                return {name: one for each in names for name, one in some((each,)).items()}
            response = Unread(f"the {what} {names_text}", error.message)
        if isinstance(response, Unread):
            return dict.fromkeys(names, response)
        return {
            name: response.get(name) or Unread(f"{_short(name)} of the {what}", "AWS says nothing about it")
            for name in names
        }

    results = reader.each(what, batches(list(dict.fromkeys(wanted)), _AT_ONCE), some)
    return {name: one for found in results.values() for name, one in found.items()}


def _target_groups(reader: Reader, arns: tuple[str, ...]) -> dict[str, _Found]:
    pages = reader.pages("elbv2", "describe_target_groups", "TargetGroups", token=_TOKEN, TargetGroupArns=list(arns))
    return {one["TargetGroupArn"]: one for one in pages}


def _load_balancers(reader: Reader, arns: tuple[str, ...]) -> dict[str, _Found]:
    pages = reader.pages("elbv2", "describe_load_balancers", "LoadBalancers", token=_TOKEN, LoadBalancerArns=list(arns))
    return {one["LoadBalancerArn"]: one for one in pages}


def _policies(reader: Reader, names: tuple[str, ...]) -> dict[str, _Found]:
    pages = reader.pages("elbv2", "describe_ssl_policies", "SslPolicies", token=_TOKEN, Names=list(names))
    return {one["Name"]: one for one in pages}


def _listeners(reader: Reader, arn: str) -> list[_Found] | Unread:
    pages = partial(reader.pages, "elbv2", "describe_listeners", "Listeners", token=_TOKEN)
    return attempt(f"the listeners of load balancer {_short(arn)}", lambda: list(pages(LoadBalancerArn=arn)))


def _rules(reader: Reader, arn: str) -> tuple[Action, ...] | Unread:
    pages = partial(reader.pages, "elbv2", "describe_rules", "Rules", token=_TOKEN)

    def asked() -> tuple[Action, ...]:
        # The default is a rule as well, and known from the listener.
        rules = (rule for rule in pages(ListenerArn=arn) if not rule.get("IsDefault"))
        return tuple(action for rule in rules for action in _actions(rule["Actions"]))

    return attempt(f"the rules of listener {_short(arn)}", asked)


def _load_balancer(
    found: _Found, listeners: list[_Found] | Unread, assembled: Callable[[_Found], Listener]
) -> LoadBalancer:
    return LoadBalancer(
        arn=found["LoadBalancerArn"],
        name=found["LoadBalancerName"],
        kind=found.get("Type", ""),
        internet_facing=found.get("Scheme") == "internet-facing",
        groups=tuple(found.get("SecurityGroups", ())),
        listeners=listeners if isinstance(listeners, Unread) else tuple(map(assembled, listeners)),
    )


def _listener(found: _Found, rules: tuple[Action, ...] | Unread, policies: Mapping[str, _Found | Unread]) -> Listener:
    return Listener(
        arn=found["ListenerArn"],
        protocol=found.get("Protocol", ""),
        port=found.get("Port", 0),
        tls_policy=_policy(found.get("SslPolicy"), policies),
        actions=tuple(_actions(found.get("DefaultActions", ()))),
        rules=rules,
    )


def _policy(name: str | None, policies: Mapping[str, _Found | Unread]) -> TlsPolicy | Unread | None:
    if not name:
        return None
    policy = policies[name]
    return policy if isinstance(policy, Unread) else TlsPolicy(name, tuple(policy.get("SslProtocols", ())))


def _actions(found: Iterable[_Found]) -> Iterator[Action]:
    for action in found:
        if not action["Type"].startswith("authenticate-"):
            redirect = action.get("RedirectConfig")
            yield Action(action["Type"], redirect.get("Protocol", "#{protocol}") if redirect else None)


def _short(arn: str) -> str:
    """Return the name in an ARN, `app/name/id`; the name of a policy as it is."""
    return arn.partition("/")[2] or arn
