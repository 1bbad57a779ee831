"""Looking into images for an audit."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest

from facts_support import given_service, read, unread, with_container
from strict_aws import ACCOUNT, StrictAws
from tickctl.adapters.aws.posture import images
from tickctl.adapters.http import Answer
from tickctl.core.audit.facts import Image, Unread
from tickctl.core.ecs.model import Named
from tickctl.core.secret import Secret

REGISTRY = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"
INDEX = "application/vnd.oci.image.index.v1+json"


def look(aws: StrictAws, image: str) -> Image | Unread:
    """Return what is known of an image that a service runs."""
    given_service(aws, desired=0, document=with_container(image=image))
    return read(aws).images[image]


def push(aws: StrictAws, tag: str, manifest: Mapping[str, Any]) -> str:
    """Push a manifest to the repository `gateway` and return its digest."""
    text = json.dumps(manifest)
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    aws.client("ecr").put_image(
        repositoryName="gateway",
        imageManifest=text,
        imageManifestMediaType=manifest["mediaType"],
        imageTag=tag,
        imageDigest=digest,
    )
    return digest


@pytest.mark.parametrize("by", ["tag", "digest", "both"])
def test_an_image_tells_what_is_baked_in(aws: StrictAws, by: str) -> None:
    """By whichever name a container has for it; values only as secrets."""
    digest = aws.have_image("team/gateway", "1.4.2", MODE="production", URL="redis://:hunter2@a=b")
    name = {"tag": ":1.4.2", "digest": f"@{digest}", "both": f":9.9.9@{digest}"}[by]
    found = look(aws, f"{REGISTRY}/team/gateway{name}")
    assert found == Image(
        environment=(Named("MODE", Secret("production")), Named("URL", Secret("redis://:hunter2@a=b"))),
        command=(Secret("serve"),),
        labels=(),
    )
    assert "hunter2" not in repr(found)


def test_an_image_without_a_tag_is_the_latest(aws: StrictAws) -> None:
    """As Docker has it."""
    aws.have_image("gateway", "latest", MODE="latest")
    found = look(aws, f"{REGISTRY}/gateway")
    assert isinstance(found, Image)
    assert found.environment == (Named("MODE", Secret("latest")),)


def test_each_image_is_looked_into_once(aws: StrictAws) -> None:
    """However many containers run it."""
    aws.have_image("gateway", "1.4.2")
    for name in ("one", "two"):
        given_service(aws, name, document=with_container(name, image=f"{REGISTRY}/gateway:1.4.2"))
    assert list(read(aws).images) == [f"{REGISTRY}/gateway:1.4.2"]
    assert [call.operation for call in aws.calls if call.service.startswith("ecr")] == [
        "BatchGetImage", "GetDownloadUrlForLayer", "GET",
    ]  # fmt: skip


def test_all_platforms_of_an_image_are_looked_into(aws: StrictAws) -> None:
    """What is the same in them stands once; attestations aren't images."""
    one = aws.have_image("gateway", "one", MODE="production", A="1")
    two = aws.have_image("gateway", "two", MODE="production", B="2")
    manifests = [
        {"digest": one, "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": two, "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": f"sha256:{'0' * 64}", "platform": {"os": "unknown", "architecture": "unknown"}},
    ]
    push(aws, "all", {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
    found = look(aws, f"{REGISTRY}/gateway:all")
    assert isinstance(found, Image)
    assert [named.name for named in found.environment] == ["MODE", "A", "B"]
    assert found.command == (Secret("serve"),)


@pytest.mark.parametrize("image", ["redis:7", "public.ecr.aws/a/b:1", f"{REGISTRY}.example.com/gateway:1", REGISTRY])
def test_other_registries_aren_t_asked(aws: StrictAws, image: str) -> None:
    """It can't be told what is in them."""
    assert unread(look(aws, image)).reason == "it isn't in a registry of ECR"
    assert "BatchGetImage" not in aws.operations


def test_another_region_isn_t_asked(aws: StrictAws) -> None:
    """The clients are of one region."""
    found = unread(look(aws, f"{REGISTRY.replace('eu-west-1', 'us-east-1')}/gateway:1"))
    assert found == Unread("the configuration of image gateway:1", "it is in us-east-1; only eu-west-1 is looked at")


@pytest.mark.parametrize("name", ["nobody:1", "gateway:nothing"])
def test_an_image_that_isn_t_there_is_unread(aws: StrictAws, name: str) -> None:
    """Tasks that run may still have it."""
    aws.have_image("gateway", "1.4.2")
    assert unread(look(aws, f"{REGISTRY}/{name}")).what == f"the configuration of image {name}"


@pytest.mark.parametrize("operation", ["BatchGetImage", "GetDownloadUrlForLayer"])
def test_a_denied_operation_leaves_it_unread(aws: StrictAws, operation: str) -> None:
    """And says which."""
    aws.have_image("gateway", "1.4.2")
    aws.deny(f"ecr:{operation}")
    assert f"ecr:{operation}" in unread(look(aws, f"{REGISTRY}/gateway:1.4.2")).reason


@pytest.mark.parametrize(
    "manifest",
    [
        {"mediaType": INDEX, "manifests": []},
        {"mediaType": INDEX, "manifests": [{"digest": "sha256:0", "platform": {"os": "unknown"}}]},
        {"mediaType": INDEX, "manifests": [{"digest": "sha256:0"}] * 9},
        {"mediaType": INDEX, "manifests": ["hunter2"]},
        {"mediaType": "application/vnd.docker.distribution.manifest.v1+json", "history": ["hunter2"]},
    ],
)
def test_what_is_no_image_is_unread(aws: StrictAws, manifest: dict[str, Any]) -> None:
    """Whatever somebody has pushed."""
    aws.have_image("gateway", "1.4.2")
    push(aws, "odd", manifest)
    found = unread(look(aws, f"{REGISTRY}/gateway:odd"))
    assert "hunter2" not in f"{found.what} {found.reason}"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(403, "text/xml", b"hunter2"), "the store of layers answered with status 403"),
        (Answer(200, "", b'{"config": {"Env": ["A=hunter2"]}}'), "answered with something else"),
    ],
)
def test_only_the_blob_that_was_asked_for_counts(
    aws: StrictAws, monkeypatch: pytest.MonkeyPatch, answer: Answer, reason: str
) -> None:
    """By its digest."""
    aws.have_image("gateway", "1.4.2")
    monkeypatch.setattr(images, "guarded_get", lambda *_, **__: answer)
    found = unread(look(aws, f"{REGISTRY}/gateway:1.4.2"))
    assert reason in found.reason
    assert "hunter2" not in found.reason


@pytest.mark.parametrize(
    ("url", "endpoint", "safe"),
    [
        ("https://layers.s3.eu-west-1.amazonaws.com/a?b", "https://api.ecr.eu-west-1.amazonaws.com", True),
        ("https://layers.s3.cn-north-1.amazonaws.com.cn/a", "https://api.ecr.cn-north-1.amazonaws.com.cn", True),
        ("http://layers.s3.eu-west-1.amazonaws.com/a", "https://api.ecr.eu-west-1.amazonaws.com", False),
        ("https://amazonaws.com.example.com/a", "https://api.ecr.eu-west-1.amazonaws.com", False),
        ("https://notamazonaws.com/a", "https://api.ecr.eu-west-1.amazonaws.com", False),
        ("https://example.com/.amazonaws.com", "https://api.ecr.eu-west-1.amazonaws.com", False),
        ("https://a.amazonaws.com@example.com/", "https://api.ecr.eu-west-1.amazonaws.com", False),
        ("http://127.0.0.1:1/a", "https://api.ecr.eu-west-1.amazonaws.com", False),
        ("http://127.0.0.1:1/a", "http://127.0.0.1:2", True),
        ("https://layers.s3.eu-west-1.amazonaws.com/a", "http://127.0.0.1:2", False),
        ("", "https://api.ecr.eu-west-1.amazonaws.com", False),
    ],
)
def test_only_addresses_of_aws_are_asked(url: str, endpoint: str, *, safe: bool) -> None:
    """Over TLS, unless AWS itself stands in on the loopback interface."""
    assert images.is_safe(url, endpoint) is safe


def test_an_address_elsewhere_is_never_asked(aws: StrictAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image stays unread."""
    aws.have_image("gateway", "1.4.2")
    monkeypatch.setattr(images, "is_safe", lambda *_: False)
    assert "isn't AWS's own" in unread(look(aws, f"{REGISTRY}/gateway:1.4.2")).reason
    assert "ecr-layers" not in {call.service for call in aws.calls}
