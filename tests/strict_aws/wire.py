"""How AWS's clients ask and how AWS answers.

There is the JSON protocol, the older query protocol of STS, IAM, ELB and EC2, and the REST of EFS.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from standin.http import Answer, Request

AMZ_JSON = "application/x-amz-json-1.1"
# Amazon EFS API reference: each operation has a method and a path.
_REST: Final = (
    ("GET", "/file-systems", "DescribeFileSystems"),
    ("POST", "/file-systems", "CreateFileSystem"),
    ("GET", "/mount-targets", "DescribeMountTargets"),
    ("POST", "/mount-targets", "CreateMountTarget"),
)
_EFS: Final = "elasticfilesystem"
_SCOPE = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")


class AwsError(Exception):
    """An answer that isn't what was asked for; `code` is AWS's name for the error."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True)
class Question:
    """A request, understood."""

    service: str
    operation: str
    parameters: Mapping[str, Any] = field(repr=False)
    region: str
    access_key: str
    request: Request = field(repr=False)

    @property
    def json(self) -> bool:
        """Whether it speaks the JSON protocol."""
        return self.request.header("x-amz-target") is not None

    @property
    def rest(self) -> bool:
        """Whether the operation is a method and a path."""
        return self.service == _EFS

    def quoted_in(self, error: AwsError) -> AwsError:
        """Return an error whose message quotes the request, if it is to."""
        message = error.message.replace("{request}", self.request.body.decode())
        return AwsError(error.code, message.replace("{values}", " ".join(_texts(self.parameters))), error.status)

    def error(self, error: AwsError) -> Answer:
        """Return an error in the words of the protocol."""
        if self.json:
            return answer_json({"__type": error.code, "message": error.message}, error.status)
        if self.rest:
            answer = answer_json({"ErrorCode": error.code, "Message": error.message}, error.status)
            return answer.adding(("x-amzn-ErrorType", error.code))
        if self.service == "ec2":
            body = (
                f"<Response><Errors><Error><Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
                "</Error></Errors><RequestID>strict</RequestID></Response>"
            )
            return Answer(error.status, (("Content-Type", "text/xml"),), body.encode())
        body = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(error.code)}</Code>"
            f"<Message>{escape(error.message)}</Message></Error><RequestId>strict</RequestId></ErrorResponse>"
        )
        return Answer(error.status, (("Content-Type", "text/xml"),), body.encode())


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for each in value.values():
                yield from _texts(each)
        case list():
            for each in value:
                yield from _texts(each)


def answer_json(document: Mapping[str, Any], status: int = 200) -> Answer:
    """Return an answer of the JSON protocol."""
    return Answer(status, (("Content-Type", AMZ_JSON),), json.dumps(document).encode())


def understand(request: Request) -> Question:
    """Read a request of an AWS client; it must be signed, though nobody checks the signature."""
    scope = _SCOPE.search(request.header("authorization") or "")
    key, region, service = scope.groups() if scope else ("", "", "")
    target = request.header("x-amz-target")
    if target is not None:
        return Question(service, target.rpartition(".")[2], json.loads(request.body or b"{}"), region, key, request)
    if service == _EFS:
        return Question(service, _operation(request), dict(parse_qsl(request.query)), region, key, request)
    form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    return Question(service, form.pop("Action", ""), form, region, key, request)


def _operation(request: Request) -> str:
    for method, path, operation in _REST:
        if request.method == method and request.path.endswith(path):
            return operation
    return f"{request.method} {request.path}"
