"""What is baked into images of ECR: the environment, the command and the labels in their configuration.

Manifests and configurations are those of the OCI image specification, and Docker's "Image Manifest Version 2".
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from tickctl.adapters.aws.posture.operations import Reader, attempt
from tickctl.adapters.http import guarded_get
from tickctl.core.audit.facts import Image, Unread
from tickctl.core.ecs.model import Named
from tickctl.core.secret import Secret
from tickctl.core.urls import is_loopback
from tickctl.errors import NotFoundError, UnreachableError

_REFERENCE: Final = re.compile(
    r"(?P<account>[0-9]{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(?P<repository>[^:@]+)"
    r"(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_LARGEST: Final = 1024 * 1024
"""Bytes of a configuration; its history makes it long."""
_SECONDS: Final = 20.0
_PLATFORMS: Final = 8
_OK: Final = 200
_AWS: Final = (".amazonaws.com", ".amazonaws.com.cn")


@dataclass(frozen=True, slots=True)
class _Repository:
    """A repository of ECR."""

    account: str
    name: str


def read_images(reader: Reader, region: str, images: Iterable[str]) -> dict[str, Image | Unread]:
    """Return the configurations of images, by how containers name them."""
    return reader.each("images", images, partial(_read, reader, region))


def _read(reader: Reader, region: str, image: str) -> Image | Unread:
    subject = f"the configuration of image {image.rpartition('/')[2].partition('@')[0]}"
    reference = _REFERENCE.fullmatch(image)
    if reference is None:
        return Unread(subject, "it isn't in a registry of ECR")
    if reference["region"] != region:
        return Unread(subject, f"it is in {reference['region']}; only {region} is looked at")
    repository = _Repository(reference["account"], reference["repository"])
    digest, tag = reference["digest"], reference["tag"] or "latest"
    image_id = {"imageDigest": digest} if digest else {"imageTag": tag}

    def read() -> Image:
        return _image([_config(reader, repository, each) for each in _digests(reader, repository, image_id)])

    try:
        return attempt(subject, read)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return Unread(subject, "ECR's answer isn't an image as the specification defines it")


def _digests(reader: Reader, repository: _Repository, image_id: Mapping[str, str]) -> Iterator[str]:
    """Yield the digests of an image's configurations, one for each platform."""
    manifest = _manifest(reader, repository, image_id)
    if "manifests" not in manifest:
        yield manifest["config"]["digest"]
        return
    # Attestations are in the same list, for a platform that doesn't exist.
    runnable = [each for each in manifest["manifests"] if each.get("platform", {}).get("os") != "unknown"]
    if not 0 < len(runnable) <= _PLATFORMS:
        raise ValueError(f"{len(runnable)} platforms")
    for platform in runnable:
        yield _manifest(reader, repository, {"imageDigest": platform["digest"]})["config"]["digest"]


def _manifest(reader: Reader, repository: _Repository, image_id: Mapping[str, str]) -> Mapping[str, Any]:
    response = reader.client("ecr").call(
        "batch_get_image",
        registryId=repository.account,
        repositoryName=repository.name,
        imageIds=[image_id],
        acceptedMediaTypes=[*_INDEXES, *_MANIFESTS],
    )
    for image in response.get("images", ()):
        manifest: Mapping[str, Any] = json.loads(image["imageManifest"])
        return manifest
    raise NotFoundError(f"repository {repository.name} has no such image")


def _config(reader: Reader, repository: _Repository, digest: str) -> Mapping[str, Any]:
    ecr = reader.client("ecr")
    url = ecr.call(
        "get_download_url_for_layer",
        registryId=repository.account,
        repositoryName=repository.name,
        layerDigest=digest,
    )["downloadUrl"]
    if not is_safe(url, ecr.endpoint):
        raise UnreachableError("ECR gives an address that isn't AWS's own")
    response = guarded_get(url, timeout=_SECONDS, limit=_LARGEST)
    if response.status != _OK:
        raise UnreachableError(f"the store of layers answered with status {response.status}")
    if f"sha256:{hashlib.sha256(response.body).hexdigest()}" != digest:
        raise UnreachableError("the store of layers answered with something else")
    config: Mapping[str, Any] = json.loads(response.body)["config"]
    return config


def is_safe(url: str, endpoint: str) -> bool:
    """Whether this is an address of AWS, or a loopback address where AWS's own endpoint is one."""
    host = urlsplit(url).hostname or ""
    if is_loopback(urlsplit(endpoint).hostname or ""):
        return is_loopback(host)
    return url.startswith("https://") and host.endswith(_AWS)


def _image(configs: Iterable[Mapping[str, Any]]) -> Image:
    """Return the configurations of all platforms together, each value once."""
    environment: dict[Named, None] = {}
    command: dict[Secret, None] = {}
    labels: dict[Named, None] = {}
    for config in configs:
        for variable in config.get("Env") or ():
            name, _, value = variable.partition("=")
            environment[Named(name, Secret(value))] = None
        command |= dict.fromkeys(map(Secret, [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]))
        labels |= dict.fromkeys(Named(name, Secret(value)) for name, value in (config.get("Labels") or {}).items())
    return Image(tuple(environment), tuple(command), tuple(labels))
