"""Which addresses of the internet a stranger may have this service connect to.

`ipaddress.is_global` alone is wrong: by Python's version it calls multicast, the relays of 6to4, site-local
addresses and private ones inside IPv6 global. Checked are addresses, never strings, because a resolver
takes `127.1`, `2130706433` and `0x7f.1` for 127.0.0.1.
"""

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

# IANA's registries of special addresses, and what else answers to this machine's provider only.
NOT_PUBLIC_IPV4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "168.63.129.16/32",  # the machine's host, in Azure
            "169.254.0.0/16",  # with the metadata of clouds
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",  # multicast, reserved, broadcast
        ),
    )
)
PUBLIC_IPV6 = IPv6Network("2000::/3")  # everything that was ever given to be reached by all
NOT_PUBLIC_IPV6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocols of IETF, Teredo among them
            "2001:db8::/32",
            "2002::/16",  # 6to4, whose relays are withdrawn (RFC 7526)
            "3fff::/20",
        ),
    )
)
NAT64 = IPv6Network("64:ff9b::/96")  # of a resolver where this machine has no IPv4 (RFC 6052)
ISATAP = 0x5EFE  # in the third quarter of an interface's half, before an IPv4 address (RFC 5214)
LOCAL_BIT = 0x02000000


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether anybody on the internet is meant to reach this address, and nobody's network is behind it."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in NOT_PUBLIC_IPV4)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in NAT64:
        return is_public(_last_half_as_ipv4(address))
    if address not in PUBLIC_IPV6 or any(address in network for network in NOT_PUBLIC_IPV6):
        return False
    if (int(address) >> 32 & 0xFFFFFFFF) & ~LOCAL_BIT == ISATAP:
        return is_public(_last_half_as_ipv4(address))
    return address.is_global


def _last_half_as_ipv4(address: IPv6Address) -> IPv4Address:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
