"""moto's server, called in this process: it keeps the resources, and the strict layers see to its manners."""

import json
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

# Else each new account begins with 1300 machine images, which takes longer than the test.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.ecs.models import EC2ContainerServiceBackend, ecs_backends
from moto.kms.models import KmsBackend, kms_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.secretsmanager.models import SecretsManagerBackend, secretsmanager_backends
from werkzeug.test import EnvironBuilder, run_wsgi_app

from standin.http import Answer
from strict_aws.wire import AwsError, Question

ACCOUNT = DEFAULT_ACCOUNT_ID
_HOP_BY_HOP = {"content-length", "transfer-encoding", "connection", "server", "date"}


@cache
def _application() -> DomainDispatcherApplication:
    """Make moto's application once: each service takes it a while to load."""
    return DomainDispatcherApplication(create_backend_app)


def forget_everything() -> None:
    """Leave no resource from before; moto keeps its state in the process."""
    BackendDict.reset()
    reset_model_data()


def passed(question: Question, parameters: Mapping[str, Any] | None = None) -> Answer:
    """Pass a question on, with other parameters if any are given (JSON protocol only)."""
    request = question.request
    body = request.body if parameters is None else json.dumps(parameters).encode()
    builder = EnvironBuilder(
        path=request.path,
        query_string=request.query,
        method=request.method,
        headers=[(name, value) for name, value in request.headers.items() if name not in _HOP_BY_HOP],
        data=body,
    )
    try:
        content, status, headers = run_wsgi_app(_application(), builder.get_environ(), buffered=True)
    finally:
        builder.close()
    kept = tuple((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP)
    return Answer(int(status.split()[0]), kept, b"".join(content))


def asked(question: Question, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Pass a question of the JSON protocol on and return the document.

    Raises:
        AwsError: moto refuses.
    """
    answer = passed(question, parameters)
    document = json.loads(answer.body or b"{}")
    assert isinstance(document, dict)
    if answer.status >= 300:
        message = document.get("message") or document.get("Message") or ""
        raise AwsError(str(document.get("__type", "InternalFailure")), str(message), answer.status)
    return document


def secrets_of(region: str) -> SecretsManagerBackend:
    """Return moto's secrets."""
    return secretsmanager_backends[ACCOUNT][region]


def containers_of(region: str) -> EC2ContainerServiceBackend:
    """Return moto's clusters, services and task definitions."""
    return ecs_backends[ACCOUNT][region]


def keys_of(region: str) -> KmsBackend:
    """Return moto's KMS keys."""
    return kms_backends[ACCOUNT][region]
