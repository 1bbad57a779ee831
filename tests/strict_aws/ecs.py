"""ECS as it is: what a task definition and a service must be, and what moto forgets of them.

Rules and limits are those of the ECS API reference (RegisterTaskDefinition, UpdateService, DescribeServices,
DescribeTasks, API failure reasons) and of the developer guide ("Amazon ECS service quotas"). The messages are AWS's
own where public error reports show them; where none does, the code is right and the sentence is ours.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from strict_aws import moto, network
from strict_aws.clock import Clock
from strict_aws.deployments import CannotStart, Rolling, Step, Task
from strict_aws.tasks import fetch_secrets
from strict_aws.wire import AwsError, Question

MAX_DEFINITION_BYTES: Final = 65_536
_NO_ROLE = "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'."
_KEPT = ("enableFaultInjection", "ipcMode", "pidMode", "proxyConfiguration", "runtimePlatform", "ephemeralStorage")
_OF_SERVICE = ("launchType", "platformVersion", "networkConfiguration")
"""What a deployment repeats of its service."""


class Ecs:
    """Checks before moto, keeps what moto doesn't, and lets services roll out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._services: dict[tuple[str, str, str], Rolling] = {}
        self._registered: dict[str, dict[str, Any]] = {}
        self._volumes: dict[str, list[dict[str, Any]]] = {}
        self._handlers: dict[str, Callable[[Question], dict[str, Any]]] = {
            "CreateService": self._create,
            "DescribeServices": self._describe_services,
            "DescribeTaskDefinition": self._describe_definition,
            "DescribeTasks": self._describe_tasks,
            "ListTasks": self._list_tasks,
            "RegisterTaskDefinition": self._register,
            "UpdateService": self._update,
        }
        self.watching = True
        """Whether a look at a service moves its deployment on."""

    def answer(self, question: Question) -> dict[str, Any]:
        """Answer a question.

        Raises:
            AwsError: AWS would refuse.
        """
        return self._handlers.get(question.operation, moto.asked)(question)

    def service(self, name: str, cluster: str | None = None) -> Rolling:
        """Return a service by name."""
        return next(each for key, each in self._services.items() if key[2] == name and cluster in (None, key[1]))

    def _register(self, question: Question) -> dict[str, Any]:
        asked = question.parameters
        if len(json.dumps(asked, separators=(",", ":")).encode()) > MAX_DEFINITION_BYTES:
            raise AwsError("ClientException", "Actual length: 'n'. Max allowed length is '65536' bytes.")
        containers = asked["containerDefinitions"]
        repeated = [name for name, count in Counter(each.get("name") for each in containers).items() if count > 1]
        if repeated:
            raise AwsError("ClientException", f"Container names must be unique. Repeated: {repeated[0]}.")
        for container in containers:
            _check_secrets(container, asked.get("executionRoleArn"))
        if "FARGATE" in asked.get("requiresCompatibilities", ()):
            _check_fargate(asked)
        result = moto.asked(question)
        arn = result["taskDefinition"]["taskDefinitionArn"]
        self._registered[arn] = {name: asked[name] for name in _KEPT if name in asked} | {
            "registeredAt": self._clock.now(),
            "registeredBy": f"arn:aws:iam::{moto.ACCOUNT}:user/operator",
            "requiresAttributes": [{"name": "com.amazonaws.ecs.capability.docker-remote-api.1.18"}],
        }
        tags = {"tags": asked["tags"]} if asked.get("tags") else {}
        return {"taskDefinition": self._completed(result["taskDefinition"])} | tags

    def _describe_definition(self, question: Question) -> dict[str, Any]:
        definition = self._find_definition(question, question.parameters["taskDefinition"])
        if definition is None:
            raise AwsError("ClientException", "Unable to describe task definition.")
        result = moto.asked(question, {**question.parameters, "taskDefinition": definition})
        tags = {"tags": result["tags"]} if "tags" in result else {}
        return {"taskDefinition": self._completed(result["taskDefinition"])} | tags

    def _completed(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return a definition with the fields that ECS adds, and those that moto drops."""
        document.pop("tags", None)
        document |= self._registered.get(document["taskDefinitionArn"], {})
        for container in document["containerDefinitions"]:
            container.setdefault("systemControls", [])
            for mapping in container["portMappings"]:
                mapping.setdefault("protocol", "tcp")
                if document.get("networkMode") == "awsvpc":
                    mapping.setdefault("hostPort", mapping["containerPort"])
        return {name: value for name, value in document.items() if value is not None}

    def _find_definition(self, question: Question, name: str) -> str | None:
        """Return the ARN for an ARN, a family:revision or a family, whose latest active revision counts then."""
        family, _, revision = name.rpartition("/")[2].partition(":")
        known = moto.containers_of(question.region).task_definitions.get(family, {})
        if revision:
            found = known.get(int(revision)) if revision.isdecimal() else None
        else:
            found = next(
                (known[number] for number in sorted(known, reverse=True) if known[number].status == "ACTIVE"), None
            )
        return found.arn if found else None

    def _create(self, question: Question) -> dict[str, Any]:
        asked = question.parameters
        definition = self._active_definition(question, asked["taskDefinition"]) if "taskDefinition" in asked else None
        service = moto.asked(question)["service"]
        self._volumes[service["serviceArn"]] = asked.get("volumeConfigurations", [])
        if definition is not None and service["deploymentController"]["type"] == "ECS":
            cluster = _cluster(asked)
            rolling = Rolling(
                service["serviceArn"],
                service["serviceName"],
                cluster,
                service["desiredCount"],
                self._clock,
                lambda arn: fetch_secrets(question.region, arn),
                lambda: network.connected(question.region, asked.get("networkConfiguration")),
            )
            self._services[question.region, cluster, service["serviceName"]] = rolling
            rolling.deploy(definition, force=False)
            try:
                rolling.complete(rolling.primary)
            except CannotStart:
                rolling.primary.steps = [Step.FAILED]
        return {"service": self._served(question, service)}

    def _update(self, question: Question) -> dict[str, Any]:
        asked = dict(question.parameters)
        name = asked["service"].rpartition("/")[2]
        found = self._look_up(question, [name])[0]
        if not found:
            raise AwsError("ServiceNotFoundException", "Service not found.")
        if found[0]["status"] != "ACTIVE":
            raise AwsError("ServiceNotActiveException", "Service was not ACTIVE.")
        controller = found[0].get("deploymentController", {}).get("type", "ECS")
        if controller != "ECS" and ("taskDefinition" in asked or asked.get("forceNewDeployment")):
            raise AwsError(
                "InvalidParameterException",
                f"Unable to update task definition on services with a {controller} deployment controller.",
            )
        if "taskDefinition" in asked:
            asked["taskDefinition"] = self._active_definition(question, asked["taskDefinition"])
        service = moto.asked(question, asked)["service"]
        if "volumeConfigurations" in asked:
            self._volumes[service["serviceArn"]] = asked["volumeConfigurations"]
        rolling = self._services.get((question.region, _cluster(asked), name))
        if rolling is not None:
            rolling.desired = service["desiredCount"]
            rolling.deploy(
                asked.get("taskDefinition", rolling.primary.definition), force=asked.get("forceNewDeployment", False)
            )
        return {"service": self._served(question, service)}

    def _active_definition(self, question: Question, name: str) -> str:
        arn = self._find_definition(question, name)
        if arn is None:
            raise AwsError("ClientException", "TaskDefinition not found.")
        family, revision = arn.rpartition("/")[2].split(":")
        if moto.containers_of(question.region).task_definitions[family][int(revision)].status != "ACTIVE":
            raise AwsError("ClientException", "TaskDefinition is inactive")
        return arn

    def _describe_services(self, question: Question) -> dict[str, Any]:
        names = question.parameters["services"]
        if not 1 <= len(names) <= 10:
            raise AwsError("InvalidParameterException", "Services cannot be empty and can't be more than 10.")
        if self.watching:
            for name in names:
                rolling = self._services.get((question.region, _cluster(question.parameters), name.rpartition("/")[2]))
                if rolling is not None:
                    rolling.move()
        services, failures = self._look_up(question, names)
        return {"services": [self._served(question, each) for each in services], "failures": failures}

    def _look_up(self, question: Question, names: Sequence[str]) -> tuple[list[dict[str, Any]], list[Any]]:
        looking = Question(
            question.service,
            "DescribeServices",
            {},
            question.region,
            question.access_key,
            question.request.at("/", {**question.request.headers, "x-amz-target": _TARGET + "DescribeServices"}),
        )
        result = moto.asked(looking, {"cluster": question.parameters.get("cluster", "default"), "services": names})
        return result["services"], result["failures"]

    def _served(self, question: Question, service: dict[str, Any]) -> dict[str, Any]:
        cluster = service["clusterArn"].rpartition("/")[2]
        rolling = self._services.get((question.region, cluster, service["serviceName"]))
        if rolling is not None and service["status"] == "ACTIVE":
            service |= rolling.documents()
            # AWS tells of managed volumes only here, not of the service itself.
            volumes = {"volumeConfigurations": kept} if (kept := self._volumes.get(service["serviceArn"])) else {}
            more = {name: service[name] for name in _OF_SERVICE if service.get(name) is not None} | volumes
            service["deployments"] = [deployment | more for deployment in service["deployments"]]
        return {name: value for name, value in service.items() if value is not None}

    def _list_tasks(self, question: Question) -> dict[str, Any]:
        asked, name = question.parameters, question.parameters.get("serviceName")
        services = [
            each
            for (region, cluster, service), each in self._services.items()
            if region == question.region and cluster == _cluster(asked) and name in (None, service, each.arn)
        ]
        if name is not None and not services:
            raise AwsError("ServiceNotFoundException", "Service not found.")
        stopped = asked.get("desiredStatus", "RUNNING") == "STOPPED"
        return {
            "taskArns": [
                task.arn for each in services for task in each.tasks if (task.stopped_at is not None) == stopped
            ]
        }

    def _describe_tasks(self, question: Question) -> dict[str, Any]:
        asked = question.parameters["tasks"]
        if not 1 <= len(asked) <= 100:
            raise AwsError("InvalidParameterException", "Tasks cannot be empty and can't be more than 100.")
        known = {task.arn: (task, each) for each in self._services.values() for task in each.tasks}
        return {
            "tasks": [_task(*known[arn]) for arn in asked if arn in known],
            "failures": [{"arn": arn, "reason": "MISSING"} for arn in asked if arn not in known],
        }


_TARGET: Final = "AmazonEC2ContainerServiceV20141113."


def _cluster(asked: Mapping[str, Any]) -> str:
    return str(asked.get("cluster", "default")).rpartition("/")[2]


def _check_secrets(container: Mapping[str, Any], role: str | None) -> None:
    names = [each["name"] for each in container.get("secrets", ())]
    if not names:
        return
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise AwsError(
            "ClientException",
            f"Duplicate secret names found: {', '.join(repeated)}. Each secret name must be unique.",
        )
    both = [each["name"] for each in container.get("environment", ()) if each["name"] in names]
    if both:
        raise AwsError(
            "ClientException",
            "The secret name must be unique and not shared with any new or existing environment variables set on the "
            f"container, such as '{both[0]}'.",
        )
    if not role:
        raise AwsError("ClientException", _NO_ROLE)


def _check_fargate(asked: Mapping[str, Any]) -> None:
    if asked.get("networkMode") != "awsvpc":
        raise AwsError("ClientException", "Fargate only supports network mode 'awsvpc'.")
    if "cpu" not in asked or "memory" not in asked:
        raise AwsError("ClientException", "Fargate requires that 'cpu' and 'memory' be defined at the task level.")


def _task(task: Task, service: Rolling) -> dict[str, Any]:
    stopped = task.stopped_at is not None
    ended = {"stoppedAt": task.stopped_at, "stoppedReason": task.stopped_reason, "stopCode": task.stop_code}
    return {
        "taskArn": task.arn,
        "clusterArn": service.arn.rpartition(":service/")[0] + f":cluster/{service.cluster}",
        "taskDefinitionArn": task.definition,
        "createdAt": task.created_at,
        "startedAt": task.created_at + 0.5,
        "startedBy": task.deployment,
        "group": f"service:{service.name}",
        "lastStatus": "STOPPED" if stopped else "RUNNING",
        "desiredStatus": "STOPPED" if stopped else "RUNNING",
        "containers": [],
        "attachments": list(task.attachments),
        "version": 1,
    } | (ended if stopped else {})
