"""Lists that come in pages, each service's way: moto mostly gives everything at once.

Names of parameters and members, and the usual sizes of pages, are those of each operation's API reference. AWS may
always give fewer on a page than was asked for, so a test may set a smaller size for all of them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode
from xml.etree.ElementTree import SubElement, fromstring, tostring

from standin.http import Answer, Request
from strict_aws.wire import AwsError, Question


@dataclass(frozen=True, slots=True)
class Pages:
    """How one operation pages: `members` holds the list, `size` and `token` are asked for, `following` is answered."""

    members: str
    size: str
    token: str
    following: str
    usual: int | None
    """How many there are on a page unless fewer are asked for; None is all."""
    truncated: str | None = None


def _ec2(members: str) -> Pages:
    return Pages(members, "MaxResults", "NextToken", "nextToken", None)


def _elb(members: str, usual: int = 400) -> Pages:
    return Pages(members, "PageSize", "Marker", "NextMarker", usual)


def _iam(members: str) -> Pages:
    return Pages(members, "MaxItems", "Marker", "Marker", 100, "IsTruncated")


def _ecs(members: str, usual: int = 100) -> Pages:
    return Pages(members, "maxResults", "nextToken", "nextToken", usual)


PAGES: Final[Mapping[str, Pages]] = {
    "DescribeInternetGateways": _ec2("internetGatewaySet"),
    "DescribeNetworkInterfaces": _ec2("networkInterfaceSet"),
    "DescribeRouteTables": _ec2("routeTableSet"),
    "DescribeSecurityGroups": _ec2("securityGroupInfo"),
    "DescribeSubnets": _ec2("subnetSet"),
    "DescribeVolumes": _ec2("volumeSet"),
    "DescribeListeners": _elb("Listeners"),
    "DescribeLoadBalancers": _elb("LoadBalancers"),
    "DescribeRules": _elb("Rules"),
    "DescribeSSLPolicies": _elb("SslPolicies"),
    "DescribeTargetGroups": _elb("TargetGroups"),
    "ListAttachedRolePolicies": _iam("AttachedPolicies"),
    "ListRolePolicies": _iam("PolicyNames"),
    "SimulatePrincipalPolicy": _iam("EvaluationResults"),
    "ListClusters": _ecs("clusterArns"),
    "ListServices": _ecs("serviceArns", 10),
    "ListTasks": _ecs("taskArns"),
    "DescribeFileSystems": Pages("FileSystems", "MaxItems", "Marker", "NextMarker", 100),
    "DescribeMountTargets": Pages("MountTargets", "MaxItems", "Marker", "NextMarker", 10),
}


def without_page(question: Question) -> Question:
    """Return the question for everything; ELB is asked for its largest page, since moto pages there.

    Raises:
        AwsError: EC2 is asked for pages of things that are named.
    """
    pages = PAGES.get(question.operation)
    if pages is None:
        return question
    asked = question.parameters
    if question.service == "ec2" and pages.size in asked and any(name.endswith("Id.1") for name in asked):
        raise AwsError(
            "InvalidParameterCombination", f"The parameter {pages.size} cannot be used with the parameter that names."
        )
    left = {name: value for name, value in asked.items() if name not in {pages.size, pages.token}}
    if question.service == "elasticloadbalancing":
        left["PageSize"] = "400"
    return replace(question, parameters=left, request=_asking(question, left))


def one_page(question: Question, answer: Answer, most: int | None) -> Answer:
    """Return the page that was asked for of an answer with everything."""
    pages = PAGES.get(question.operation)
    if pages is None or answer.status >= 300:
        return answer
    start = int(question.parameters.get(pages.token) or 0)
    sizes = [int(size) for size in (question.parameters.get(pages.size, pages.usual), most) if size]
    end = start + min(sizes) if sizes else None
    if any(name.endswith("Id.1") for name in question.parameters):
        end = None
    page = _json_page if question.json or question.rest else _xml_page
    return replace(answer, body=page(pages, answer.body, start, end))


def _asking(question: Question, parameters: Mapping[str, Any]) -> Request:
    request = question.request
    if question.rest:
        query = {name: value for name, value in parse_qsl(request.query) if name in parameters}
        return request.at(f"{request.path}?{urlencode(query)}")
    if question.json:
        return replace(request, body=json.dumps(parameters).encode())
    return replace(request, body=urlencode({"Action": question.operation, **parameters}).encode())


def _json_page(pages: Pages, body: bytes, start: int, end: int | None) -> bytes:
    document = json.loads(body)
    everything = document[pages.members]
    document[pages.members] = everything[start:end]
    if end is not None and end < len(everything):
        document[pages.following] = str(end)
    return json.dumps(document).encode()


def _xml_page(pages: Pages, body: bytes, start: int, end: int | None) -> bytes:
    root = fromstring(body)  # noqa: S314 - moto's
    parent = next(node for node in root.iter() if node.find(f"{{*}}{pages.members}") is not None)
    members = parent.find(f"{{*}}{pages.members}")
    assert members is not None
    namespace = members.tag.rpartition("}")[0] + "}" if "}" in members.tag else ""
    for name in {pages.following, pages.truncated or pages.following}:
        for node in parent.findall(f"{{*}}{name}"):
            parent.remove(node)
    everything = list(members)
    more = end is not None and end < len(everything)
    members[:] = everything[start:end]
    if more:
        SubElement(parent, f"{namespace}{pages.following}").text = str(end)
    if pages.truncated:
        SubElement(parent, f"{namespace}{pages.truncated}").text = str(more).lower()
    return bytes(tostring(root))
