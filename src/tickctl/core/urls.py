"""Where secrets may be sent: encrypted, or to this machine."""

from urllib.parse import SplitResult


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be this machine (RFC 6761 section 6.3, RFC 1122 section 3.2.1.3)."""
    import ipaddress  # noqa: PLC0415 - only with a project configured

    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_safe(url: SplitResult) -> bool:
    """Whether what is sent to a URL can't be read on the way: https, or http on the loopback interface."""
    return url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname or ""))
