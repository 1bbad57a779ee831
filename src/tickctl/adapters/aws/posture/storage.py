"""What data lies on: EBS volumes, the region's default for them, file systems of EFS."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

from tickctl.adapters.aws.posture.operations import Reader, attempt
from tickctl.core.audit.facts import FileSystem, Unread, Volume

_PAGE: Final = 500
_IN_USE: Final = ({"Name": "status", "Values": ["in-use"]},)


def read_volumes(reader: Reader) -> tuple[Volume, ...] | Unread:
    """Return all EBS volumes of the region that are in use."""
    pages = partial(reader.pages, "ec2", "describe_volumes", "Volumes", Filters=_IN_USE, MaxResults=_PAGE)
    return attempt("the EBS volumes", lambda: tuple(map(_volume, pages())))


def read_default_encryption(reader: Reader) -> bool | Unread:
    """Return whether new EBS volumes of the region are encrypted unasked."""
    return attempt(
        "the region's default encryption",
        lambda: bool(reader.call("ec2", "get_ebs_encryption_by_default")["EbsEncryptionByDefault"]),
    )


def read_file_systems(reader: Reader, ids: Iterable[str]) -> dict[str, FileSystem | Unread]:
    """Return file systems by id."""
    return reader.each("file systems", ids, partial(_file_system, reader))


def _file_system(reader: Reader, id_: str) -> FileSystem | Unread:
    def asked() -> FileSystem:
        for response in reader.call("efs", "describe_file_systems", FileSystemId=id_)["FileSystems"]:
            if response["FileSystemId"] == id_:
                return FileSystem(id_, bool(response["Encrypted"]))
        raise KeyError(id_)

    return attempt(f"file system {id_}", asked)


def _volume(found: Mapping[str, Any]) -> Volume:
    attached = (one.get("InstanceId") for one in found.get("Attachments", ()))
    return Volume(found["VolumeId"], bool(found["Encrypted"]), tuple(one for one in attached if one))
