"""The operations of AWS that an audit may call, and the reader that calls nothing else."""

import threading
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Final, Self, TypeVar

from tickctl.adapters.aws.client import Client
from tickctl.core.audit.facts import Unread
from tickctl.core.audit.port import Progress
from tickctl.errors import TickctlError

READ_OPERATIONS: Final = frozenset({
    "ecs:ListClusters", "ecs:ListServices", "ecs:DescribeServices", "ecs:ListTasks", "ecs:DescribeTasks",
    "ecs:DescribeTaskDefinition",
    "secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:GetResourcePolicy",
    "iam:SimulatePrincipalPolicy", "iam:GetRole", "iam:ListRolePolicies", "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies", "iam:GetPolicy", "iam:GetPolicyVersion",
    "ec2:DescribeSubnets", "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups", "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeVolumes", "ec2:GetEbsEncryptionByDefault",
    "elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeRules",
    "elasticloadbalancing:DescribeSSLPolicies",
    "elasticfilesystem:DescribeFileSystems",
    "kms:GetKeyPolicy",
    "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer",
})  # fmt: skip
"""IAM actions, so that a policy can be compared with them."""
AT_ONCE: Final = 8
"""Concurrent requests."""

_Item = TypeVar("_Item", bound=Hashable)
_Result = TypeVar("_Result")


class Reader:
    """Calls `READ_OPERATIONS`, several at a time.

    Args:
        connect: returns the client of a service, such as `ecs`.
        progress: called with the number of items that have been read.
    """

    def __init__(self, connect: Callable[[str], Client], progress: Progress) -> None:
        self._connect = connect
        self._connecting = threading.Lock()
        self._clients: dict[str, Client] = {}
        self._progress = progress
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="posture")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def client(self, service: str) -> Client:
        """Return the client of a service, which calls `READ_OPERATIONS` only.

        It is made when it is first needed. Threads may share clients, but not the session that makes them.
        """
        with self._connecting:
            if service not in self._clients:
                self._clients[service] = self._connect(service).limited_to(READ_OPERATIONS)
            return self._clients[service]

    def each(self, kind: str, items: Iterable[_Item], read: Callable[[_Item], _Result]) -> dict[_Item, _Result]:
        """Read each item once, several at a time.

        Args:
            kind: of the items, for the progress.
            items: the result has them in this order.
            read: reads one; it runs in a thread, and never waits for others.
        """
        distinct = list(dict.fromkeys(items))
        futures: dict[Future[_Result], _Item] = {self._pool.submit(read, item): item for item in distinct}
        results: dict[_Item, _Result] = {}
        for done, future in enumerate(as_completed(futures), start=1):
            results[futures[future]] = future.result()
            self._progress(kind, done, len(distinct))
        return {item: results[item] for item in distinct}


def attempt(
    subject: str, read: Callable[[], _Result], *, through: tuple[type[TickctlError], ...] = ()
) -> _Result | Unread:
    """Return what `read` returns, or that the subject can't be read, and why.

    Raises:
        TickctlError: one of `through`.
    """
    try:
        return read()
    except through:
        raise
    except TickctlError as error:
        return Unread(subject, error.message)
    except KeyError:
        return Unread(subject, "the answer lacks what AWS always says")


def readable(facts: Iterable[_Result | Unread]) -> Iterator[_Result]:
    """Yield the facts that could be read."""
    return (fact for fact in facts if not isinstance(fact, Unread))
