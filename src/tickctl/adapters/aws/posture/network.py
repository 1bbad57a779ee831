"""Where tasks are in the network: subnets and their ways out, security groups, interfaces."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from tickctl.adapters.aws.ecs import batches
from tickctl.adapters.aws.posture.operations import Reader, attempt
from tickctl.core.audit.facts import Ingress, Interface, Route, SecurityGroup, Subnet, Unread

_VALUES: Final = 200
"""Values that a filter takes (EC2 API reference, "Request quotas" of Describe actions)."""
_PAGE: Final = 100

_Member: TypeAlias = Mapping[str, Any]


def read_subnets(reader: Reader, ids: Iterable[str]) -> dict[str, Subnet | Unread]:
    """Return subnets with their routes to internet gateways."""
    members = _by_id(reader, "subnets", "describe_subnets", ("subnet-id", "SubnetId"), ids)
    vpcs = [member["VpcId"] for member in members.values() if not isinstance(member, Unread)]
    tables = reader.each("route tables", vpcs, partial(_route_tables, reader))
    return {
        id_: member if isinstance(member, Unread) else Subnet(id_, _internet_routes(id_, tables[member["VpcId"]]))
        for id_, member in members.items()
    }


def read_groups(reader: Reader, ids: Iterable[str]) -> dict[str, SecurityGroup | Unread]:
    """Return security groups with the rules that let something in."""
    members = _by_id(reader, "security groups", "describe_security_groups", ("group-id", "GroupId"), ids)
    return {
        id_: member
        if isinstance(member, Unread)
        else SecurityGroup(id_, member.get("GroupName", ""), tuple(map(_ingress, member["IpPermissions"])))
        for id_, member in members.items()
    }


def read_interfaces(reader: Reader, ids: Iterable[str]) -> dict[str, Interface | Unread]:
    """Return the network interfaces of tasks."""
    names = ("network-interface-id", "NetworkInterfaceId")
    members = _by_id(reader, "interfaces", "describe_network_interfaces", names, ids)
    return {id_: member if isinstance(member, Unread) else _interface(id_, member) for id_, member in members.items()}


def _by_id(
    reader: Reader, kind: str, method: str, names: tuple[str, str], ids: Iterable[str]
) -> dict[str, _Member | Unread]:
    """Return EC2's description of each id.

    Ids are sent as a filter: where one doesn't exist, the others are still described.

    Args:
        reader: calls AWS.
        kind: for people.
        method: of EC2's client.
        names: of the filter, and of the member that holds the id.
        ids: of this kind.
    """
    filter_name, id_name = names

    def describe(batch: tuple[str, ...]) -> dict[str, _Member] | Unread:
        filters = [{"Name": filter_name, "Values": list(batch)}]
        pages = partial(reader.client("ec2").pages, method, Filters=filters)
        return attempt(f"the {kind} {', '.join(batch)}", lambda: {member[id_name]: member for member in pages()})

    members: dict[str, _Member | Unread] = {}
    for batch, described in reader.each(kind, batches(list(dict.fromkeys(ids)), _VALUES), describe).items():
        for id_ in batch:
            if isinstance(described, Unread):
                members[id_] = described
            else:
                members[id_] = described.get(id_) or Unread(f"{id_} of the {kind}", "it doesn't exist any more")
    return members


def _route_tables(reader: Reader, vpc: str) -> list[_Member] | Unread:
    filters = [{"Name": "vpc-id", "Values": [vpc]}]
    pages = partial(reader.client("ec2").pages, "describe_route_tables", page_size=_PAGE, Filters=filters)
    return attempt(f"the route tables of {vpc}", pages)


def _internet_routes(subnet: str, tables: list[_Member] | Unread) -> tuple[Route, ...] | Unread:
    if isinstance(tables, Unread):
        return tables
    associations = [(association, table) for table in tables for association in table.get("Associations", ())]
    # A subnet without a route table of its own has the main one of its VPC.
    own = [table for association, table in associations if association.get("SubnetId") == subnet]
    main = [table for association, table in associations if association.get("Main")]
    if not own and not main:
        return Unread(f"the route table of {subnet}", "its VPC has no main route table that can be seen")
    return tuple(_routes_out((own or main)[0]))


def _routes_out(table: _Member) -> Iterator[Route]:
    for route in table.get("Routes", ()):
        gateway = route.get("GatewayId") or ""
        # An egress-only gateway (eigw-) lets nothing in; a black hole leads nowhere.
        if gateway.startswith("igw-") and route.get("State") != "blackhole":
            destinations = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
            yield Route(next((route[name] for name in destinations if route.get(name)), ""), gateway)


def _ingress(rule: _Member) -> Ingress:
    first, last = rule.get("FromPort"), rule.get("ToPort")
    return Ingress(
        protocol=rule["IpProtocol"],
        ports=None if first is None or last is None or first < 0 else (first, last),
        cidrs=(
            *(block["CidrIp"] for block in rule.get("IpRanges", ())),
            *(block["CidrIpv6"] for block in rule.get("Ipv6Ranges", ())),
        ),
        groups=tuple(pair["GroupId"] for pair in rule.get("UserIdGroupPairs", ())),
        prefix_lists=tuple(prefix_list["PrefixListId"] for prefix_list in rule.get("PrefixListIds", ())),
    )


def _interface(id_: str, member: _Member) -> Interface:
    addresses = (member, *member.get("PrivateIpAddresses", ()))
    return Interface(
        id_,
        public_ip=any(address.get("Association", {}).get("PublicIp") for address in addresses),
        groups=tuple(sorted(group["GroupId"] for group in member.get("Groups", ()))),
    )
