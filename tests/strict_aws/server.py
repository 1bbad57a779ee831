"""The server: AWS's endpoints on loopback, for clients in this process and in others."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import boto3
from botocore.config import Config

from standin.http import Answer, Hangup, LoopbackServer, Request
from strict_aws import images, load_balancers, moto, network, roles
from strict_aws.clock import Clock
from strict_aws.deployments import USUAL, Environment, Step
from strict_aws.ecs import Ecs
from strict_aws.faults import FOREVER, Trouble, Troubles, When, denial
from strict_aws.paging import one_page, without_page
from strict_aws.secrets_manager import SecretsManager
from strict_aws.wire import AwsError, Question, answer_json, understand

REGION: Final = "eu-west-1"
_ARRANGING: Final = "ARRANGING"
_TESTED: Final = "AKIAOPERATOR"


@dataclass(frozen=True, slots=True)
class Call:
    """A request that came, and the code of the error it was answered with, or "cut", or None."""

    service: str
    operation: str
    parameters: Mapping[str, Any] = field(repr=False)
    outcome: str | None


class StrictAws:
    """One AWS account: arrange things with `client`, script trouble, run what is tested, look at `calls`."""

    def __init__(self) -> None:
        moto.forget_everything()
        self.clock = Clock()
        self.calls: list[Call] = []
        self.page: int | None = None
        """The most that a page of a list may hold, for all lists; None leaves each its own size."""
        self.troubles = Troubles()
        self._images = images.Images()
        self._secrets = SecretsManager(self.clock)
        self._containers = Ecs(self.clock)
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}
        self._server = LoopbackServer(self._serve, "strict-aws")

    @property
    def url(self) -> str:
        """The endpoint of all services."""
        return self._server.url

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs to meet this account, and no other."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": _TESTED,
            "AWS_SECRET_ACCESS_KEY": "made-up",
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def client(self, service: str, region: str = REGION) -> Any:
        """Return a boto3 client for arranging and looking: not recorded, without trouble, and it moves nothing on."""
        if (service, region) not in self._clients:
            self._clients[service, region] = boto3.client(
                service,
                region_name=region,
                endpoint_url=self.url,
                aws_access_key_id=_ARRANGING,
                aws_secret_access_key="made-up",
                config=Config(retries={"total_max_attempts": 1}),
            )
        return self._clients[service, region]

    @property
    def operations(self) -> list[str]:
        """The names of the operations that were asked for, repetitions included."""
        return [call.operation for call in self.calls]

    def fail(
        self, operation: str, code: str, message: str = "made up", *, status: int = 400, times: int = 1, after: int = 0
    ) -> None:
        """Refuse an operation ("*" is any) `times` times, once `after` of them have gone well; nothing is done.

        In the message "{request}" stands for the body of the request, and "{values}" for all the texts in it.
        """
        self.troubles.add(Trouble(operation, times, after, error=AwsError(code, message, status)))

    def deny(self, operation: str) -> None:
        """Refuse an operation, such as `ec2:DescribeVolumes`, for good, in the words of IAM and of the service."""
        self.troubles.add(Trouble(operation.partition(":")[2], FOREVER, error=denial(operation)))

    def cut(self, operation: str, *, when: When, times: int = 1, after: int = 0) -> None:
        """Close the connection before AWS does anything, or after it has done everything and before it answers."""
        self.troubles.add(Trouble(operation, times, after, cut=when))

    def hold(self, operation: str, parties: int) -> None:
        """Let that many requests of an operation wait for each other."""
        self.troubles.hold(operation, parties)

    def meanwhile(self, operation: str, action: Callable[[], object], *, after: int = 0) -> None:
        """Let somebody else do something once, between the arrival of a request and what AWS does with it."""
        self.troubles.add(Trouble(operation, 1, after, meanwhile=action))

    def all_well(self) -> None:
        """End all trouble, and forget the calls."""
        self.troubles.clear()
        self.calls.clear()

    def roll_out(self, service: str, *steps: Step) -> None:
        """Script the deployments that a service begins from now on; each look takes a step, the last one stays."""
        self._containers.service(service).script = steps or USUAL

    def running(self, service: str) -> list[Environment]:
        """Return what the running tasks of a service have in their environment, secrets included."""
        return [task.environment for task in self._containers.service(service).running()]

    def have_image(self, repository: str, tag: str, **environment: str) -> str:
        """Push an image to ECR that has an environment baked in; return its digest."""
        return self._images.give(self.client("ecr"), repository, tag, environment)

    def disturb(self, service: str) -> None:
        """Force a new deployment of a service, as somebody else would."""
        self.client("ecs").update_service(
            cluster=self._containers.service(service).cluster, service=service, forceNewDeployment=True
        )

    def close(self) -> None:
        """Stop listening."""
        for client in self._clients.values():
            client.close()
        self._server.close()

    def _serve(self, request: Request) -> Answer:
        if request.path.startswith(images.PATH):
            self.calls.append(Call("ecr-layers", request.method, {}, None))
            return self._images.blob(request)
        question = understand(request)
        if question.access_key == _ARRANGING:
            return self._answer(question, watching=False)
        self.troubles.wait(question)
        trouble = self.troubles.take(question)
        if trouble is not None and trouble.meanwhile is not None:
            trouble.meanwhile()
            trouble = None
        if trouble is not None and trouble.error is not None:
            self._record(question, trouble.error.code)
            return question.error(question.quoted_in(trouble.error))
        if trouble is not None and trouble.cut == "before":
            self._record(question, "cut")
            raise Hangup
        answer = self._answer(question, watching=True, cut=trouble is not None)
        if trouble is not None:
            raise Hangup
        return answer

    def _answer(self, question: Question, *, watching: bool, cut: bool = False) -> Answer:
        outcome: str | None = "cut" if cut else None
        # moto isn't made for threads.
        with self._lock:
            self._containers.watching = watching
            try:
                network.check(question)
                # A page is cut out of everything.
                most = self.page if watching else None
                answer = one_page(question, self._strictly(without_page(question)), most)
            except AwsError as error:
                answer, outcome = question.error(error), error.code
        if watching:
            self._record(question, outcome)
        return answer

    def _strictly(self, question: Question) -> Answer:
        if question.service == "secretsmanager":
            return answer_json(self._secrets.answer(question))
        if question.service == "ecs":
            return answer_json(self._containers.answer(question))
        if question.service == "elasticloadbalancing":
            return load_balancers.answer(question)
        if question.service == "iam":
            return roles.answer(question)
        if question.service == "ecr":
            return self._images.answer(question, self.url)
        return moto.passed(question)

    def _record(self, question: Question, outcome: str | None) -> None:
        self.calls.append(Call(question.service, question.operation, question.parameters, outcome))


@contextmanager
def strict_aws() -> Iterator[StrictAws]:
    """Run an account for the length of a block; one at a time, since moto's state is the process's."""
    aws = StrictAws()
    try:
        yield aws
    finally:
        aws.close()
