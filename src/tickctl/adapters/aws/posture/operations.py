"""What may be asked of AWS for a look at an account: these operations, and no other can be called through here."""

import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any, Final, Self, TypeVar

from tickctl.adapters.aws.failures import stranger
from tickctl.adapters.aws.request import Request
from tickctl.adapters.aws.session import call
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
"""By their IAM actions, so that a policy can be held to them."""
AT_ONCE: Final = 8
"""Requests on their way at the same time."""

_Item = TypeVar("_Item", bound=Hashable)
_Result = TypeVar("_Result")


class Reader:
    """Asks AWS, several questions at a time.

    Args:
        client: returns boto3's client for a service, such as `ecs`.
        progress: told how far it is.
    """

    def __init__(self, client: Callable[[str], Any], progress: Progress) -> None:
        self._make = client
        self._making = threading.Lock()
        self._clients: dict[str, Any] = {}
        self._progress = progress
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="posture")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def client(self, service: str) -> Any:
        """Return the client of a service; it is made when it is first asked for.

        Clients may be used by many threads, but the session that makes them by one at a time.
        """
        with self._making:
            if service not in self._clients:
                self._clients[service] = self._make(service)
            return self._clients[service]

    def call(self, service: str, method: str, **parameters: Any) -> Mapping[str, Any]:
        """Carry out one of `READ_OPERATIONS` and return the answer.

        Raises:
            TickctlError: as `session.call` does.
        """
        client = self.client(service)
        action = Request.of(client, method, parameters).action
        if action not in READ_OPERATIONS:
            raise AssertionError(f"{action} is no reading operation")
        return call(client, method, **parameters)

    def pages(
        self,
        service: str,
        method: str,
        member: str,
        *,
        token: tuple[str, str] = ("NextToken", "NextToken"),
        **more: Any,
    ) -> Iterator[Any]:
        """Yield the elements of a list that comes in pages.

        Args:
            service: of the client.
            method: of the client.
            member: of the answer, that holds the list.
            token: names of the token in a request and in an answer.
            more: the parameters.
        """
        previous, answered = token
        tokens: set[str] = set()
        while True:
            response = self.call(service, method, **more)
            yield from response.get(member, ())
            following = response.get(answered)
            if not following:
                return
            if following in tokens:
                raise stranger(service)
            tokens.add(following)
            more[previous] = following

    def each(self, what: str, items: Iterable[_Item], ask: Callable[[_Item], _Result]) -> dict[_Item, _Result]:
        """Ask about each item, once, several at a time.

        Args:
            what: what is read, for the progress.
            items: which; the result has them in this order.
            ask: does one; it runs in a thread, and calls nothing that waits for others.
        """
        unique = list(dict.fromkeys(items))
        futures: dict[Future[_Result], _Item] = {self._pool.submit(ask, item): item for item in unique}
        results: dict[_Item, _Result] = {}
        for done, future in enumerate(as_completed(futures), start=1):
            results[futures[future]] = future.result()
            self._progress(what, done, len(unique))
        return {item: results[item] for item in unique}


def attempt(what: str, ask: Callable[[], _Result], *, through: tuple[type[TickctlError], ...] = ()) -> _Result | Unread:
    """Return what is answered, or that and why it can't be read.

    Raises:
        TickctlError: one of those that are let through.
    """
    try:
        return ask()
    except through:
        raise
    except TickctlError as error:
        return Unread(what, error.message)
    except KeyError:
        return Unread(what, "the answer lacks what AWS always says")


def batches(items: Sequence[_Item], most: int) -> Iterator[tuple[_Item, ...]]:
    """Yield the items, so many at a time."""
    yield from (tuple(items[start : start + most]) for start in range(0, len(items), most))
