"""Reading volumes, the region's default and file systems for an audit."""

import pytest

from facts_support import given_service, read, unread, with_container
from strict_aws import StrictAws
from tickctl.core.audit.facts import FileSystem, Volume


def given_volume(aws: StrictAws, *, encrypted: bool, attached: bool = True) -> tuple[str, str]:
    """Make a volume and, unless it lies about, an instance that uses it."""
    ec2 = aws.client("ec2")
    volume = ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1, Encrypted=encrypted)["VolumeId"]
    if not attached:
        return volume, ""
    image = ec2.register_image(Name=volume, RootDeviceName="/dev/sda1", BlockDeviceMappings=[])["ImageId"]
    made = ec2.run_instances(
        ImageId=image, MinCount=1, MaxCount=1, Placement={"AvailabilityZone": "eu-west-1a"}, BlockDeviceMappings=[]
    )
    instance = made["Instances"][0]["InstanceId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdf")
    return volume, instance


def test_volumes_in_use_are_read_and_no_others(aws: StrictAws) -> None:
    """With what uses them."""
    plain, one = given_volume(aws, encrypted=False)
    safe, other = given_volume(aws, encrypted=True)
    unused, _ = given_volume(aws, encrypted=False, attached=False)
    found = read(aws).volumes
    assert isinstance(found, tuple)
    assert {Volume(plain, encrypted=False, attached_to=(one,)), Volume(safe, encrypted=True, attached_to=(other,))} <= {
        *found
    }
    assert unused not in {volume.id for volume in found}


def test_volumes_go_on_to_the_last_page(aws: StrictAws) -> None:
    """However short the pages are."""
    for _ in range(3):
        given_volume(aws, encrypted=True)
    whole = read(aws).volumes
    aws.page = 1
    assert read(aws).volumes == whole
    assert isinstance(whole, tuple)
    assert len(whole) >= 3


@pytest.mark.parametrize("on", [True, False])
def test_the_region_s_default_is_read(aws: StrictAws, *, on: bool) -> None:
    """Either is an answer."""
    ec2 = aws.client("ec2")
    (ec2.enable_ebs_encryption_by_default if on else ec2.disable_ebs_encryption_by_default)()
    assert read(aws).default_encryption is on


@pytest.mark.parametrize("operation", ["DescribeVolumes", "GetEbsEncryptionByDefault"])
def test_each_can_be_denied_alone(aws: StrictAws, operation: str) -> None:
    """The other one is read."""
    aws.deny(f"ec2:{operation}")
    facts = read(aws)
    both = {"DescribeVolumes": facts.volumes, "GetEbsEncryptionByDefault": facts.default_encryption}
    assert f"ec2:{operation}" in unread(both.pop(operation)).reason
    assert all(not hasattr(other, "reason") for other in both.values())


@pytest.mark.parametrize("encrypted", [True, False])
def test_file_systems_of_definitions_are_read_once(aws: StrictAws, *, encrypted: bool) -> None:
    """However many mount them; others aren't."""
    efs = aws.client("efs")
    made = efs.create_file_system(CreationToken="a", Encrypted=encrypted)["FileSystemId"]
    efs.create_file_system(CreationToken="b")
    for name in ("one", "two"):
        volume = {"name": "shared", "efsVolumeConfiguration": {"fileSystemId": made}}
        given_service(aws, name, document=with_container(name) | {"volumes": [volume]})
    assert read(aws).file_systems == {made: FileSystem(made, encrypted)}
    assert aws.operations.count("DescribeFileSystems") == 1


def test_a_file_system_that_is_gone_or_denied_is_unread(aws: StrictAws) -> None:
    """By its id."""
    volume = {"name": "shared", "efsVolumeConfiguration": {"fileSystemId": "fs-12345678"}}
    given_service(aws, document=with_container() | {"volumes": [volume]})
    found = unread(read(aws).file_systems["fs-12345678"])
    assert found.what == "file system fs-12345678"
    assert "doesn't exist" in found.reason
    aws.deny("elasticfilesystem:DescribeFileSystems")
    assert "elasticfilesystem:DescribeFileSystems" in unread(read(aws).file_systems["fs-12345678"]).reason
