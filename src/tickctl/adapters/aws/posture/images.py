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
from tickctl.core.audit.facts import Image, Named, Unread
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
class _Place:
    """Where an image is, in ECR."""

    account: str
    repository: str


def read_images(reader: Reader, region: str, images: Iterable[str]) -> dict[str, Image | Unread]:
    """Return the configurations of images, by how containers name them."""
    return reader.each("images", images, partial(_read, reader, region))


def _read(reader: Reader, region: str, image: str) -> Image | Unread:
    subject = f"the configuration of image {image.rpartition('/')[2].partition('@')[0]}"
    match = _REFERENCE.fullmatch(image)
    if match is None:
        return Unread(subject, "it isn't in a registry of ECR")
    if match["region"] != region:
        return Unread(subject, f"it lies in {match['region']}; only {region} is looked at")
    repository = _Place(match["account"], match["repository"])
    image_id = {"imageDigest": match["digest"]} if match["digest"] else {"imageTag": match["tag"] or "latest"}
    try:
        return attempt(
            subject,
            lambda: _image([_config(reader, repository, one) for one in _digests(reader, repository, image_id)]),
        )
    except (ValueError, TypeError, AttributeError, RecursionError):
        return Unread(subject, "what ECR holds there is no image as the specification has it")


def _digests(reader: Reader, place: _Place, wanted: Mapping[str, str]) -> Iterator[str]:
    """Yield the digests of an image's configurations, one for each platform."""
    manifest = _manifest(reader, place, wanted)
    if "manifests" not in manifest:
        yield manifest["config"]["digest"]
        return
    # Attestations stand in the same list, for a platform that doesn't exist.
    runnable = [entry for entry in manifest["manifests"] if entry.get("platform", {}).get("os") != "unknown"]
    if not 0 < len(runnable) <= _PLATFORMS:
        raise ValueError(f"{len(runnable)} platforms")
    for entry in runnable:
        yield _manifest(reader, place, {"imageDigest": entry["digest"]})["config"]["digest"]


def _manifest(reader: Reader, place: _Place, wanted: Mapping[str, str]) -> Mapping[str, Any]:
    response = reader.call(
        "ecr",
        "batch_get_image",
        registryId=place.account,
        repositoryName=place.repository,
        imageIds=[wanted],
        acceptedMediaTypes=[*_INDEXES, *_MANIFESTS],
    )
    for images in response.get("images", ()):
        manifest: Mapping[str, Any] = json.loads(images["imageManifest"])
        return manifest
    raise NotFoundError(f"repository {place.repository} has no such image")


def _config(reader: Reader, place: _Place, digest: str) -> Mapping[str, Any]:
    url = reader.call(
        "ecr",
        "get_download_url_for_layer",
        registryId=place.account,
        repositoryName=place.repository,
        layerDigest=digest,
    )["downloadUrl"]
    if not is_safe(url, reader.client("ecr").meta.endpoint_url):
        raise UnreachableError("ECR gives an address that isn't AWS's own")
    response = guarded_get(url, timeout=_SECONDS, limit=_LARGEST)
    if response.status != _OK:
        raise UnreachableError(f"the store of layers answered with status {response.status}")
    if f"sha256:{hashlib.sha256(response.body).hexdigest()}" != digest:
        raise UnreachableError("the store of layers gave something else than what was asked for")
    config: Mapping[str, Any] = json.loads(response.body)["config"]
    return config


def is_safe(url: str, endpoint: str) -> bool:
    """Whether this is an address of AWS; where AWS itself is on the loopback interface, that is one as well."""
    host = urlsplit(url).hostname or ""
    if is_loopback(urlsplit(endpoint).hostname or ""):
        return is_loopback(host)
    return url.startswith("https://") and host.endswith(_AWS)


def _image(configs: Iterable[Mapping[str, Any]]) -> Image:
    """Put the configurations of all platforms together; what is the same in them stands once."""
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
