"""Where tasks are in the network: subnets and their ways out, security groups, interfaces."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from tickctl.adapters.aws.posture.operations import Reader, attempt, batches
from tickctl.core.audit.facts import Ingress, Interface, Route, SecurityGroup, Subnet, Unread

_VALUES: Final = 200
"""Values that a filter takes (EC2 API reference, "Request quotas" of Describe actions)."""
_PAGE: Final = 100


def read_subnets(reader: Reader, ids: Iterable[str]) -> dict[str, Subnet | Unread]:
    """Return subnets with their routes to internet gateways."""
    subnets = _by_id(reader, "subnets", ("describe_subnets", "Subnets"), ("subnet-id", "SubnetId"), ids)
    vpcs = [one["VpcId"] for one in subnets.values() if not isinstance(one, Unread)]
    tables = reader.each("route tables", vpcs, partial(_route_tables, reader))
    return {
        id_: one if isinstance(one, Unread) else Subnet(id_, one["VpcId"], _ways_out(id_, tables[one["VpcId"]]))
        for id_, one in subnets.items()
    }


def read_groups(reader: Reader, ids: Iterable[str]) -> dict[str, SecurityGroup | Unread]:
    """Return security groups with the rules that let something in."""
    groups = _by_id(
        reader, "security groups", ("describe_security_groups", "SecurityGroups"), ("group-id", "GroupId"), ids
    )
    return {
        id_: one
        if isinstance(one, Unread)
        else SecurityGroup(
            id_, one.get("GroupName", ""), one.get("VpcId", ""), tuple(map(_ingress, one["IpPermissions"]))
        )
        for id_, one in groups.items()
    }


def read_interfaces(reader: Reader, ids: Iterable[str]) -> dict[str, Interface | Unread]:
    """Return the network interfaces of tasks."""
    names = ("network-interface-id", "NetworkInterfaceId")
    interfaces = _by_id(reader, "interfaces", ("describe_network_interfaces", "NetworkInterfaces"), names, ids)
    return {id_: one if isinstance(one, Unread) else _interface(id_, one) for id_, one in interfaces.items()}


def _by_id(
    reader: Reader, what: str, operation: tuple[str, str], names: tuple[str, str], ids: Iterable[str]
) -> dict[str, Any]:
    """Return what EC2 says of each id. A filter lets the others through where one doesn't exist; ids would not.

    Args:
        reader: asks.
        what: is described.
        operation: the client's method, and the member of the answer that holds the list.
        names: of the filter, and of the member that holds the id.
        ids: which.
    """
    (method, member), (name, key) = operation, names

    def described(batch: tuple[str, ...]) -> dict[str, Any] | Unread:
        filters = [{"Name": name, "Values": list(batch)}]
        return attempt(
            f"the {what} {', '.join(batch)}",
            lambda: {one[key]: one for one in reader.pages("ec2", method, member, Filters=filters)},
        )

    objects: dict[str, Any] = {}
    for batch, response in reader.each(what, batches(list(dict.fromkeys(ids)), _VALUES), described).items():
        for id_ in batch:
            if isinstance(response, Unread):
                objects[id_] = response
            else:
                objects[id_] = response.get(id_) or Unread(f"{id_} of the {what}", "it doesn't exist any more")
    return objects


def _route_tables(reader: Reader, vpc: str) -> list[Mapping[str, Any]] | Unread:
    pages = partial(reader.pages, "ec2", "describe_route_tables", "RouteTables", MaxResults=_PAGE)
    return attempt(f"the route tables of {vpc}", lambda: list(pages(Filters=[{"Name": "vpc-id", "Values": [vpc]}])))


def _ways_out(subnet: str, tables: list[Mapping[str, Any]] | Unread) -> tuple[Route, ...] | Unread:
    if isinstance(tables, Unread):
        return tables
    associations = [(each, table) for table in tables for each in table.get("Associations", ())]
    # A subnet without a route table of its own has the main one of its VPC.
    own = [table for each, table in associations if each.get("SubnetId") == subnet]
    main = [table for each, table in associations if each.get("Main")]
    if not own and not main:
        return Unread(f"the route table of {subnet}", "its VPC has no main route table that can be seen")
    return tuple(_internet_routes((own or main)[0]))


def _internet_routes(table: Mapping[str, Any]) -> Iterator[Route]:
    for route in table.get("Routes", ()):
        gateway = route.get("GatewayId") or ""
        # eigw- is another thing, and only leads out; a black hole leads nowhere.
        if gateway.startswith("igw-") and route.get("State") != "blackhole":
            destinations = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
            yield Route(next((route[name] for name in destinations if route.get(name)), ""), gateway)


def _ingress(found: Mapping[str, Any]) -> Ingress:
    first, last = found.get("FromPort"), found.get("ToPort")
    return Ingress(
        protocol=found["IpProtocol"],
        ports=None if first is None or last is None or first < 0 else (first, last),
        cidrs=(
            *(one["CidrIp"] for one in found.get("IpRanges", ())),
            *(one["CidrIpv6"] for one in found.get("Ipv6Ranges", ())),
        ),
        groups=tuple(one["GroupId"] for one in found.get("UserIdGroupPairs", ())),
        prefix_lists=tuple(one["PrefixListId"] for one in found.get("PrefixListIds", ())),
    )


def _interface(id_: str, found: Mapping[str, Any]) -> Interface:
    addresses = (found, *found.get("PrivateIpAddresses", ()))
    return Interface(
        id_,
        public_ip=any(one.get("Association", {}).get("PublicIp") for one in addresses),
        groups=tuple(sorted(group["GroupId"] for group in found.get("Groups", ()))),
    )
