"""ECR's images: moto keeps the manifests, and here are the blobs that they name, with addresses to fetch them from.

Amazon ECR API reference, GetDownloadUrlForLayer: an address that is good for an hour, without a signature of its own.
The image configuration is that of the OCI image specification.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from standin.http import Answer, Request
from strict_aws import moto
from strict_aws.wire import AwsError, Question, answer_json

PATH: Final = "/ecr-layers/"
MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG: Final = "application/vnd.docker.container.image.v1+json"


class Images:
    """Blobs by digest, and the operations that moto doesn't know."""

    def __init__(self) -> None:
        self._blobs: dict[tuple[str, str], bytes] = {}

    def give(self, client: Any, repository: str, tag: str, environment: Mapping[str, str]) -> str:
        """Push an image whose configuration has that environment, and return its digest."""
        config = {"architecture": "amd64", "os": "linux", "config": {"Env": _pairs(environment), "Cmd": ["serve"]}}
        blob = json.dumps(config | {"rootfs": {"type": "layers", "diff_ids": []}}).encode()
        self._blobs[repository, _digest(blob)] = blob
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": _CONFIG, "size": len(blob), "digest": _digest(blob)},
                "layers": [],
            }
        )
        if repository not in {each["repositoryName"] for each in client.describe_repositories()["repositories"]}:
            client.create_repository(repositoryName=repository)
        client.put_image(
            repositoryName=repository,
            imageManifest=manifest,
            imageManifestMediaType=MANIFEST,
            imageTag=tag,
            imageDigest=_digest(manifest.encode()),
        )
        return _digest(manifest.encode())

    def answer(self, question: Question, url: str) -> Answer:
        """Answer a question.

        Raises:
            AwsError: AWS would refuse.
        """
        if question.operation != "GetDownloadUrlForLayer":
            return moto.passed(question)
        repository, digest = question.parameters["repositoryName"], question.parameters["layerDigest"]
        if (repository, digest) not in self._blobs:
            raise AwsError("LayersNotFoundException", f"The layer with digest '{digest}' does not exist")
        return answer_json({"downloadUrl": f"{url}{PATH}{repository}/{digest}?signed=yes", "layerDigest": digest})

    def blob(self, request: Request) -> Answer:
        """Answer a request for a blob; whoever signs it would hand AWS's signature to a bucket."""
        assert request.header("authorization") is None
        repository, _, digest = request.path.removeprefix(PATH).rpartition("/")
        found = self._blobs.get((repository, digest))
        return Answer(404) if found is None else Answer(200, (("Content-Type", "application/octet-stream"),), found)


def _pairs(environment: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in environment.items()]


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
