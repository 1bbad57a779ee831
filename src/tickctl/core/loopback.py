"""Which hosts can only be this machine, where nothing needs to be encrypted."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be this machine (RFC 6761 section 6.3, RFC 1122 section 3.2.1.3)."""
    import ipaddress  # noqa: PLC0415 - only with a project configured

    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
