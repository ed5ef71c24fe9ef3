"""Which addresses belong to the public internet."""

from __future__ import annotations

import ipaddress

# The special-purpose registries of IANA, and deprecated blocks that some routers still translate.
_NOT_PUBLIC_V4 = tuple(
    ipaddress.IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT, and the metadata of Alibaba Cloud
        "127.0.0.0/8",
        "168.63.129.16/32",  # looks public; in Azure, the host of the machine
        "169.254.0.0/16",  # link-local, and the metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments, and the metadata of Oracle Cloud
        "192.0.2.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Everything outside this block is refused, which covers ::1, mapped and compatible IPv4, both NAT64
# prefixes, 5f00::/16, unique and site-local, link-local and multicast addresses.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    ipaddress.IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",
        "2002::/16",  # 6to4, which has any IPv4 address inside
        "3fff::/20",
    )
)


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet, as unicast, with nothing inside it.

    Stricter than `is_global` of `ipaddress`, which is true of `64:ff9b::a9fe:a9fe` (a cloud's
    metadata through NAT64), `2002:7f00:1::` (loopback through 6to4) and `224.0.0.1` (multicast).

    Parameters
    ----------
    address
        As `socket.getaddrinfo` writes it; what cannot be parsed or has a zone is not public.

    Examples
    --------
    >>> is_public("1.1.1.1"), is_public("::ffff:1.1.1.1"), is_public("127.1")
    (True, False, False)
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in block for block in _NOT_PUBLIC_V4)
    return (
        parsed.scope_id is None
        and parsed in _GLOBAL_UNICAST
        and not any(parsed in block for block in _NOT_PUBLIC_V6)
    )
