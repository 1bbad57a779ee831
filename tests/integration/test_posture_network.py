"""Reading subnets, routes, security groups and interfaces for an audit."""

from typing import Any

import pytest

from facts_support import connected, given_group, given_service, given_subnet, read, unread
from strict_aws import REGION, StrictAws
from tickctl.core.audit.facts import Ingress, Interface, Route, SecurityGroup, Subnet


def given_gateway(aws: StrictAws, vpc: str) -> str:
    """Attach an internet gateway to a network."""
    ec2 = aws.client("ec2")
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    return str(gateway)


def main_table(aws: StrictAws, vpc: str) -> str:
    """Return the route table of subnets that have none of their own."""
    tables = aws.client("ec2").describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    return next(
        table["RouteTableId"] for table in tables for each in table["Associations"] if each.get("Main")
    )  # fmt: skip


def own_table(aws: StrictAws, vpc: str, subnet: str) -> str:
    """Give a subnet a route table of its own."""
    ec2 = aws.client("ec2")
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    return str(table)


def test_a_subnet_without_a_way_out_is_private(aws: StrictAws) -> None:
    """A gateway that no route leads to is of no use to it."""
    subnet, vpc = given_subnet(aws)
    given_gateway(aws, vpc)
    given_service(aws, networkConfiguration=connected(subnet))
    assert read(aws).subnets == {subnet: Subnet(subnet, ())}


@pytest.mark.parametrize(
    "destination", [{"DestinationCidrBlock": "0.0.0.0/0"}, {"DestinationIpv6CidrBlock": "::/0"}], ids=["IPv4", "IPv6"]
)
def test_a_route_to_an_internet_gateway_is_a_way_out(aws: StrictAws, destination: dict[str, str]) -> None:
    """Also one of the main table, for a subnet without a table of its own."""
    subnet, vpc = given_subnet(aws)
    gateway = given_gateway(aws, vpc)
    aws.client("ec2").create_route(RouteTableId=main_table(aws, vpc), GatewayId=gateway, **destination)
    given_service(aws, networkConfiguration=connected(subnet))
    found = read(aws).subnets[subnet]
    assert found == Subnet(subnet, (Route(*destination.values(), gateway),))


def test_a_subnet_s_own_table_counts_and_not_the_main_one(aws: StrictAws) -> None:
    """Either way round."""
    subnet, vpc = given_subnet(aws)
    other, _ = given_subnet(aws, "10.0.1.0/24", vpc=vpc)
    gateway = given_gateway(aws, vpc)
    ec2 = aws.client("ec2")
    ec2.create_route(RouteTableId=main_table(aws, vpc), GatewayId=gateway, DestinationCidrBlock="0.0.0.0/0")
    own_table(aws, vpc, subnet)
    given_service(aws, networkConfiguration=connected(subnet, other))
    found = read(aws).subnets
    assert found[subnet] == Subnet(subnet, ())
    assert found[other] == Subnet(other, (Route("0.0.0.0/0", gateway),))


def test_a_nat_gateway_is_no_way_in(aws: StrictAws) -> None:
    """It only leads out."""
    subnet, vpc = given_subnet(aws)
    ec2 = aws.client("ec2")
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
    ec2.create_route(RouteTableId=main_table(aws, vpc), NatGatewayId=nat, DestinationCidrBlock="0.0.0.0/0")
    egress = ec2.create_egress_only_internet_gateway(VpcId=vpc)["EgressOnlyInternetGateway"]
    ec2.create_route(
        RouteTableId=main_table(aws, vpc),
        EgressOnlyInternetGatewayId=egress["EgressOnlyInternetGatewayId"],
        DestinationIpv6CidrBlock="::/0",
    )
    given_service(aws, networkConfiguration=connected(subnet))
    assert read(aws).subnets[subnet] == Subnet(subnet, ())


def test_a_group_tells_what_it_lets_in(aws: StrictAws) -> None:
    """From addresses, other groups and prefix lists, by protocol and port."""
    subnet, vpc = given_subnet(aws)
    source = given_group(aws, vpc, "balancer")
    prefixes = aws.client("ec2").create_managed_prefix_list(PrefixListName="p", MaxEntries=1, AddressFamily="IPv4")
    prefix = prefixes["PrefixList"]["PrefixListId"]
    permissions: list[dict[str, Any]] = [
        {"IpProtocol": "tcp", "FromPort": 8000, "ToPort": 8001, "UserIdGroupPairs": [{"GroupId": source}]},
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]},
        {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "PrefixListIds": [{"PrefixListId": prefix}]},
    ]
    group = given_group(aws, vpc, "tasks", *permissions)
    given_service(aws, networkConfiguration=connected(subnet, groups=(group,)))
    found = read(aws).groups
    assert list(found) == [group]
    made = found[group]
    assert isinstance(made, SecurityGroup)
    assert (made.id, made.name) == (group, "tasks")
    assert set(made.ingress) == {
        Ingress("tcp", (8000, 8001), groups=(source,)),
        Ingress("-1", None, cidrs=("0.0.0.0/0", "::/0")),
        Ingress("icmp", None, prefix_lists=(prefix,)),
    }


@pytest.mark.parametrize("public", [True, False])
def test_interfaces_of_tasks_tell_of_public_addresses_and_groups(aws: StrictAws, *, public: bool) -> None:
    """What a task really has, whatever its service says by now."""
    subnet, vpc = given_subnet(aws)
    group = given_group(aws, vpc)
    given_service(aws, desired=2, networkConfiguration=connected(subnet, groups=(group,), public=public))
    facts = read(aws)
    assert len(facts.interfaces) == 2
    for id_, found in facts.interfaces.items():
        assert isinstance(found, Interface)
        assert (found.id, found.public_ip) == (id_, public)
        assert set(found.groups) <= set(facts.groups)


def test_what_is_there_no_more_is_unread_and_the_rest_is_read(aws: StrictAws) -> None:
    """A missing id spoils nothing."""
    subnet, vpc = given_subnet(aws)
    other, _ = given_subnet(aws, "10.0.1.0/24", vpc=vpc)
    group, gone = given_group(aws, vpc), given_group(aws, vpc, "gone")
    given_service(aws, desired=0, networkConfiguration=connected(subnet, other, groups=(group, gone)))
    aws.client("ec2").delete_subnet(SubnetId=other)
    aws.client("ec2").delete_security_group(GroupId=gone)
    facts = read(aws)
    assert unread(facts.subnets[other]).reason == "it doesn't exist any more"
    assert unread(facts.groups[gone]).reason == "it doesn't exist any more"
    assert isinstance(facts.subnets[subnet], Subnet)
    assert isinstance(facts.groups[group], SecurityGroup)


@pytest.mark.parametrize(
    ("operation", "denied"),
    [
        ("DescribeSubnets", "subnets"),
        ("DescribeRouteTables", "routes"),
        ("DescribeSecurityGroups", "groups"),
        ("DescribeNetworkInterfaces", "interfaces"),
    ],
)
def test_a_denied_description_is_unread_alone(aws: StrictAws, operation: str, denied: str) -> None:
    """The others are read."""
    subnet, vpc = given_subnet(aws)
    group = given_group(aws, vpc)
    given_service(aws, desired=1, networkConfiguration=connected(subnet, groups=(group,)))
    aws.deny(f"ec2:{operation}")
    facts = read(aws)
    found = facts.subnets[subnet]
    facts_by_kind = {
        "subnets": found,
        "routes": found.internet_routes if isinstance(found, Subnet) else (),
        "groups": facts.groups[group],
        "interfaces": next(iter(facts.interfaces.values())),
    }
    for kind, fact in facts_by_kind.items():
        if kind == denied:
            assert f"ec2:{operation}" in unread(fact).reason
        else:
            assert not hasattr(fact, "reason")


def test_descriptions_go_on_to_their_last_page(aws: StrictAws) -> None:
    """However short the pages are."""
    subnets, groups = [], []
    vpc: str | None = None
    for number in range(3):
        subnet, vpc = given_subnet(aws, f"10.0.{number}.0/24", vpc=vpc)
        subnets.append(subnet)
        groups.append(given_group(aws, vpc, f"group-{number}"))
        own_table(aws, vpc, subnet)
    given_service(aws, desired=3, networkConfiguration=connected(*subnets, groups=tuple(groups)))
    whole = read(aws)
    aws.page = 1
    paged = read(aws)
    assert (paged.subnets, paged.groups, paged.interfaces) == (whole.subnets, whole.groups, whole.interfaces)
    assert all(isinstance(one, Subnet) and one.internet_routes == () for one in paged.subnets.values())


def test_more_than_a_filter_takes_are_asked_for_in_turns(aws: StrictAws) -> None:
    """EC2 takes 200 values with each filter."""
    subnet, vpc = given_subnet(aws)
    given_group(aws, vpc)
    given_service(aws, desired=205, networkConfiguration=connected(subnet))
    aws.all_well()
    facts = read(aws)
    assert len(facts.interfaces) == 205
    assert all(isinstance(one, Interface) for one in facts.interfaces.values())
    assert aws.operations.count("DescribeNetworkInterfaces") == 2
    assert aws.operations.count("DescribeTasks") == 3
    assert aws.operations.count("DescribeSubnets") == 1
    assert facts.region == REGION
