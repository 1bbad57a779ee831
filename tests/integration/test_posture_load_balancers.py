"""Reading load balancers, their listeners and their policies for an audit."""

from typing import Any

import pytest

from facts_support import given_group, given_service, given_subnet, read, unread
from strict_aws import StrictAws
from tickctl.core.audit.facts import AccountFacts, Action, Listener, LoadBalancer, TlsPolicy

TO_HTTPS = {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}
TO_SAME = {"Type": "redirect", "RedirectConfig": {"Host": "example.com", "StatusCode": "HTTP_301"}}
REFUSAL = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
MODERN = "ELBSecurityPolicy-TLS13-1-2-2021-06"


class Front:
    """A load balancer in front of a service.

    Args:
        aws: the account.
        name: of the load balancer, the target group and the service.
    """

    def __init__(self, aws: StrictAws, name: str = "front") -> None:
        self._aws = aws
        self._client = aws.client("elbv2")
        self.subnet, vpc = given_subnet(aws)
        self.group = given_group(aws, vpc, name)
        made = self._client.create_load_balancer(
            Name=name, Subnets=[self.subnet], SecurityGroups=[self.group], Scheme="internet-facing"
        )
        self.arn = str(made["LoadBalancers"][0]["LoadBalancerArn"])
        targets = self._client.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")
        self.targets = str(targets["TargetGroups"][0]["TargetGroupArn"])
        self.forward = {"Type": "forward", "TargetGroupArn": self.targets}
        balancer = {"targetGroupArn": self.targets, "containerName": "gateway", "containerPort": 8000}
        given_service(aws, name, desired=0, loadBalancers=[balancer])

    def listen(self, *actions: dict[str, Any], port: int = 80, policy: str | None = None) -> str:
        """Add a listener; with a policy it speaks HTTPS."""
        more: dict[str, Any] = {"Protocol": "HTTP"}
        if policy:
            certificate = self._aws.client("acm").request_certificate(DomainName="example.com")["CertificateArn"]
            more = {"Protocol": "HTTPS", "SslPolicy": policy, "Certificates": [{"CertificateArn": certificate}]}
        made = self._client.create_listener(
            LoadBalancerArn=self.arn, Port=port, DefaultActions=list(actions) or [self.forward], **more
        )
        return str(made["Listeners"][0]["ListenerArn"])

    def rule(self, listener: str, *actions: dict[str, Any], priority: int = 1) -> None:
        """Add a rule to a listener."""
        path = [{"Field": "path-pattern", "Values": [f"/{priority}"]}]
        self._client.create_rule(ListenerArn=listener, Priority=priority, Conditions=path, Actions=list(actions))

    def found(self, facts: AccountFacts) -> LoadBalancer:
        """Return the load balancer, which must have been read."""
        found = facts.load_balancers[self.arn]
        assert isinstance(found, LoadBalancer)
        return found

    def listeners(self) -> tuple[Listener, ...]:
        """Read the account and return the listeners."""
        found = self.found(read(self._aws)).listeners
        assert isinstance(found, tuple)
        return found


@pytest.fixture
def front(aws: StrictAws) -> Front:
    """A load balancer without listeners."""
    return Front(aws)


def test_the_load_balancer_of_a_service_is_read(aws: StrictAws, front: Front) -> None:
    """By way of its target group; others aren't."""
    aws.client("elbv2").create_load_balancer(Name="other", Subnets=[front.subnet])
    facts = read(aws)
    assert facts.target_groups == {front.targets: ()}
    listener = front.listen()
    facts = read(aws)
    assert facts.target_groups == {front.targets: (front.arn,)}
    assert list(facts.load_balancers) == [front.arn]
    found = front.found(facts)
    assert (found.name, found.kind) == ("front", "application")
    assert found.listeners == (Listener(listener, "HTTP", 80, None, (Action("forward"),), ()),)


def test_https_tells_which_protocols_it_accepts(front: Front) -> None:
    """And rules of it aren't asked for."""
    listener = front.listen(port=443, policy=MODERN)
    [found] = front.listeners()
    assert (found.arn, found.protocol, found.port) == (listener, "HTTPS", 443)
    assert isinstance(found.tls_policy, TlsPolicy)
    assert found.tls_policy.name == MODERN
    assert set(found.tls_policy.protocols) == {"TLSv1.2", "TLSv1.3"}


def test_redirects_tell_where_they_lead(front: Front) -> None:
    """A redirect that doesn't say stays with the protocol that was used."""
    listener = front.listen(TO_HTTPS)
    front.rule(listener, TO_SAME)
    front.rule(listener, REFUSAL, priority=2)
    front.rule(listener, front.forward, priority=3)
    [found] = front.listeners()
    assert found.actions == (Action("redirect", "HTTPS"),)
    assert isinstance(found.rules, tuple)
    assert set(found.rules) == {Action("redirect", "#{protocol}"), Action("fixed-response"), Action("forward")}


def test_authentication_ends_nothing(front: Front) -> None:
    """What comes after it counts."""
    pool = {
        "UserPoolArn": "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/a",
        "UserPoolClientId": "a",
        "UserPoolDomain": "a",
    }
    first = {"Type": "authenticate-cognito", "AuthenticateCognitoConfig": pool, "Order": 1}
    front.listen(first, front.forward | {"Order": 2}, port=443, policy=MODERN)
    [found] = front.listeners()
    assert found.actions == (Action("forward"),)


@pytest.mark.parametrize(
    ("operation", "denied"),
    [
        ("DescribeTargetGroups", "targets"),
        ("DescribeLoadBalancers", "balancer"),
        ("DescribeListeners", "listeners"),
        ("DescribeRules", "rules"),
        ("DescribeSSLPolicies", "policy"),
    ],
)
def test_a_denied_description_is_unread_alone(aws: StrictAws, front: Front, operation: str, denied: str) -> None:
    """What could be read before it is there."""
    front.listen(TO_HTTPS)
    front.listen(port=443, policy=MODERN)
    aws.deny(f"elasticloadbalancing:{operation}")
    facts = read(aws)
    read_so_far: dict[str, Any] = {"targets": facts.target_groups[front.targets]}
    if denied != "targets":
        read_so_far["balancer"] = balancer = facts.load_balancers[front.arn]
        if isinstance(balancer, LoadBalancer):
            read_so_far["listeners"] = balancer.listeners
            if isinstance(balancer.listeners, tuple):
                plain, safe = sorted(balancer.listeners, key=lambda one: one.port)
                read_so_far |= {"rules": plain.rules, "policy": safe.tls_policy}
    for kind, fact in read_so_far.items():
        if kind == denied:
            assert f"elasticloadbalancing:{operation}" in unread(fact).reason
        else:
            assert not hasattr(fact, "reason")


def test_lists_go_on_to_their_last_page(aws: StrictAws, front: Front) -> None:
    """Listeners and rules alike."""
    listener = front.listen(TO_HTTPS)
    for priority in (1, 2, 3):
        front.rule(listener, front.forward, priority=priority)
    front.listen(port=8080)
    front.listen(port=443, policy=MODERN)
    whole = front.listeners()
    aws.page = 1
    assert front.listeners() == whole
    assert len(whole) == 3
    assert sorted(len(one.rules) for one in whole if isinstance(one.rules, tuple)) == [0, 0, 3]


def test_what_is_gone_spoils_nothing(aws: StrictAws) -> None:
    """AWS refuses the whole request for one that doesn't exist; the others are read all the same."""
    front, gone = Front(aws), Front(aws, "gone")
    front.listen()
    aws.client("elbv2").delete_target_group(TargetGroupArn=gone.targets)
    facts = read(aws)
    assert facts.target_groups[front.targets] == (front.arn,)
    assert "gone" in unread(facts.target_groups[gone.targets]).what
    assert isinstance(facts.load_balancers[front.arn], LoadBalancer)


def test_each_is_read_once(aws: StrictAws, front: Front) -> None:
    """However many services are behind it."""
    front.listen(port=443, policy=MODERN)
    front.listen(port=8443, policy=MODERN)
    balancer = {"targetGroupArn": front.targets, "containerName": "gateway", "containerPort": 8000}
    given_service(aws, "other", desired=0, loadBalancers=[balancer])
    aws.all_well()
    read(aws)
    asked = [call.operation for call in aws.calls if call.service == "elasticloadbalancing"]
    assert sorted(asked) == [
        "DescribeListeners", "DescribeLoadBalancers", "DescribeSSLPolicies", "DescribeTargetGroups",
    ]  # fmt: skip
