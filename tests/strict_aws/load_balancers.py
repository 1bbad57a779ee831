"""Elastic Load Balancing as it is: what moto answers too much of, and what it lets through.

The rules are those of the API reference, version 2015-12-01 (DescribeLoadBalancers, DescribeListeners,
DescribeSSLPolicies).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final
from xml.etree.ElementTree import fromstring, tostring

from moto.elbv2.responses import SSL_POLICIES

from standin.http import Answer
from strict_aws import moto
from strict_aws.wire import AwsError, Question

_MOST_NAMED: Final = 20
_SECURE: Final = {"HTTPS", "TLS"}


def answer(question: Question) -> Answer:
    """Answer a question.

    Raises:
        AwsError: AWS would refuse.
    """
    named = list(_listed(question, "LoadBalancerArns"))
    if len(named) > _MOST_NAMED:
        raise AwsError("ValidationError", f"The number of load balancers to describe can't be more than {_MOST_NAMED}")
    unknown = [name for name in _listed(question, "Names") if name not in SSL_POLICIES]
    if question.operation == "DescribeSSLPolicies" and unknown:
        raise AwsError("SSLPolicyNotFound", f"SSL policy '{unknown[0]}' not found")
    given = moto.passed(question)
    return _without_idle_policies(given) if question.operation == "DescribeListeners" else given


def _listed(question: Question, name: str) -> Iterator[str]:
    yield from (value for key, value in question.parameters.items() if key.startswith(f"{name}.member."))


def _without_idle_policies(given: Answer) -> Answer:
    """Leave out the TLS policy of listeners that don't speak TLS; AWS gives them none."""
    root = fromstring(given.body)  # noqa: S314 - moto's
    for listener in root.iterfind(".//{*}Listeners/{*}member"):
        policy = listener.find("{*}SslPolicy")
        if policy is not None and listener.findtext("{*}Protocol") not in _SECURE:
            listener.remove(policy)
    return replace(given, body=tostring(root))
