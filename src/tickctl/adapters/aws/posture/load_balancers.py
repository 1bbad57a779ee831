"""Load balancers in front of services, and what each of their listeners does."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any, Final, TypeAlias

from tickctl.adapters.aws.ecs import batches
from tickctl.adapters.aws.posture.operations import Reader, attempt, readable
from tickctl.core.audit.facts import Action, Listener, LoadBalancer, TlsPolicy, Unread
from tickctl.errors import NotFoundError

_AT_ONCE: Final = 20
"""Load balancers, target groups or policies in one request (API reference, DescribeLoadBalancers)."""

_Member: TypeAlias = Mapping[str, Any]


def read_load_balancers(
    reader: Reader, target_groups: Iterable[str]
) -> tuple[dict[str, tuple[str, ...] | Unread], dict[str, LoadBalancer | Unread]]:
    """Return which load balancers are in front of target groups, and these load balancers, both by ARN."""
    names = ("TargetGroupArns", "TargetGroupArn")
    groups = _described(reader, "target groups", "describe_target_groups", names, target_groups)
    in_front = {
        arn: group if isinstance(group, Unread) else tuple(group.get("LoadBalancerArns", ()))
        for arn, group in groups.items()
    }
    names = ("LoadBalancerArns", "LoadBalancerArn")
    arns = chain.from_iterable(readable(in_front.values()))
    balancers = _described(reader, "load balancers", "describe_load_balancers", names, arns)
    described = [arn for arn, balancer in balancers.items() if not isinstance(balancer, Unread)]
    listeners = reader.each("listeners", described, partial(_listeners, reader))
    members = list(chain.from_iterable(readable(listeners.values())))
    http = [member["ListenerArn"] for member in members if member.get("Protocol") == "HTTP"]
    rules = reader.each("listener rules", http, partial(_rules, reader))
    policy_names = [member["SslPolicy"] for member in members if member.get("SslPolicy")]
    policies = _described(reader, "TLS policies", "describe_ssl_policies", ("Names", "Name"), policy_names)

    def listener(member: _Member) -> Listener:
        return _listener(member, rules.get(member["ListenerArn"], ()), policies)

    return in_front, {
        arn: balancer if isinstance(balancer, Unread) else _load_balancer(balancer, listeners[arn], listener)
        for arn, balancer in balancers.items()
    }


def _described(
    reader: Reader, kind: str, method: str, members: tuple[str, str], ids: Iterable[str]
) -> dict[str, _Member | Unread]:
    """Return descriptions by ARN or name.

    AWS refuses a whole request where one of the things doesn't exist; then they are asked for one by one.

    Args:
        reader: calls AWS.
        kind: for people.
        method: of the client.
        members: of the request that holds the ids, and of the response that holds one.
        ids: ARNs or names.
    """
    requested, identity = members

    def describe(batch: tuple[str, ...]) -> dict[str, _Member | Unread]:
        subject = f"the {kind} {', '.join(map(_short, batch))}"
        parameters: dict[str, Any] = {requested: list(batch)}
        pages = partial(reader.client("elbv2").pages, method, **parameters)
        try:
            described = attempt(
                subject, lambda: {member[identity]: member for member in pages()}, through=(NotFoundError,)
            )
        except NotFoundError as error:
            if len(batch) > 1:
                return {id_: member for each in batch for id_, member in describe((each,)).items()}
            described = Unread(subject, error.message)
        if isinstance(described, Unread):
            return dict.fromkeys(batch, described)
        return {
            id_: described.get(id_) or Unread(f"{_short(id_)} of the {kind}", "AWS says nothing about it")
            for id_ in batch
        }

    results = reader.each(kind, batches(list(dict.fromkeys(ids)), _AT_ONCE), describe)
    return {id_: member for described in results.values() for id_, member in described.items()}


def _listeners(reader: Reader, arn: str) -> list[_Member] | Unread:
    pages = partial(reader.client("elbv2").pages, "describe_listeners", LoadBalancerArn=arn)
    return attempt(f"the listeners of load balancer {_short(arn)}", pages)


def _rules(reader: Reader, arn: str) -> tuple[Action, ...] | Unread:
    def read() -> tuple[Action, ...]:
        rules = reader.client("elbv2").pages("describe_rules", ListenerArn=arn)
        # The default is a rule as well, and known from the listener.
        return tuple(action for rule in rules if not rule.get("IsDefault") for action in _actions(rule["Actions"]))

    return attempt(f"the rules of listener {_short(arn)}", read)


def _load_balancer(
    member: _Member, listeners: list[_Member] | Unread, listener: Callable[[_Member], Listener]
) -> LoadBalancer:
    return LoadBalancer(
        arn=member["LoadBalancerArn"],
        name=member["LoadBalancerName"],
        kind=member.get("Type", ""),
        listeners=listeners if isinstance(listeners, Unread) else tuple(map(listener, listeners)),
    )


def _listener(
    member: _Member, rules: tuple[Action, ...] | Unread, policies: Mapping[str, _Member | Unread]
) -> Listener:
    return Listener(
        arn=member["ListenerArn"],
        protocol=member.get("Protocol", ""),
        port=member.get("Port", 0),
        tls_policy=_policy(member.get("SslPolicy"), policies),
        actions=tuple(_actions(member.get("DefaultActions", ()))),
        rules=rules,
    )


def _policy(name: str | None, policies: Mapping[str, _Member | Unread]) -> TlsPolicy | Unread | None:
    if not name:
        return None
    policy = policies[name]
    return policy if isinstance(policy, Unread) else TlsPolicy(name, tuple(policy.get("SslProtocols", ())))


def _actions(members: Iterable[_Member]) -> Iterator[Action]:
    for member in members:
        if not member["Type"].startswith("authenticate-"):
            redirect = member.get("RedirectConfig")
            yield Action(member["Type"], redirect.get("Protocol", "#{protocol}") if redirect else None)


def _short(arn: str) -> str:
    """Return the name in an ARN, `app/name/id`; the name of a policy as it is."""
    return arn.partition("/")[2] or arn
