import ipaddress

import pytest

from registry.jobs.public_addresses import is_public

PUBLIC = (
    "1.1.1.1",
    "93.184.215.14",
    "192.0.1.1",
    "198.20.0.1",
    "223.255.255.254",
    "2606:4700::1111",
    "2a00:1450:4001:81b::200e",
    "::ffff:93.184.215.14",
    "64:ff9b::5db8:d70e",  # 93.184.215.14 by NAT64
    "2606:4700:0:0:0:5efe:5db8:d70e",  # the same by ISATAP
)
NOT_PUBLIC = {
    "0.0.0.0": "this machine",
    "0.1.2.3": "this network",
    "10.0.0.8": "private",
    "100.64.0.1": "shared by customers of a provider",
    "100.100.100.200": "metadata of a cloud",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "168.63.129.16": "host of a cloud",
    "169.254.169.254": "metadata of clouds",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.8": "protocols of IETF",
    "192.0.0.170": "protocols of IETF",
    "192.0.2.1": "documentation",
    "192.88.99.1": "relays of 6to4",
    "192.168.1.1": "private",
    "198.18.0.1": "benchmarks",
    "198.51.100.1": "documentation",
    "203.0.113.1": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast",
    "::": "this machine",
    "::1": "loopback",
    "::7f00:1": "127.0.0.1, IPv4-compatible",
    "::5db8:d70e": "IPv4-compatible, which nobody routes",
    "::ffff:127.0.0.1": "127.0.0.1, mapped",
    "::ffff:169.254.169.254": "metadata, mapped",
    "::ffff:0:7f00:1": "127.0.0.1, translated (RFC 2765)",
    "64:ff9b::7f00:1": "127.0.0.1 by NAT64",
    "64:ff9b::a9fe:a9fe": "metadata by NAT64",
    "64:ff9b:1::7f00:1": "NAT64 of a private network",
    "100::1": "discarded",
    "2001::1": "Teredo",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2": "Teredo",
    "2001:10::1": "ORCHID",
    "2001:db8::1": "documentation",
    "2002:7f00:1::": "127.0.0.1 by 6to4",
    "2002:5db8:d70e::1": "by a relay of 6to4",
    "2606:4700::5efe:7f00:1": "127.0.0.1 by ISATAP",
    "2606:4700::200:5efe:a00:8": "10.0.0.8 by ISATAP",
    "3fff::1": "documentation",
    "5f00::1": "segment routing",
    "fc00::1": "private",
    "fd00:ec2::254": "metadata of a cloud",
    "fe80::1": "link-local",
    "fe80::1%1": "link-local, with its interface",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "ff0e::1": "multicast",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_what_everybody_may_reach_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_what_leads_to_a_network_or_to_many_machines_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address)), NOT_PUBLIC[address]


def test_every_private_ipv4_address_is_private_by_whatever_way_ipv6_leads_to_it() -> None:
    for text in NOT_PUBLIC:
        address = ipaddress.ip_address(text)
        if address.version == 4:
            number = int(address)
            ways = (
                0xFFFF << 32 | number,
                0x0064FF9B << 96 | number,
                0x2002 << 112 | number << 80 | 1,
                0x2606 << 112 | 0x5EFE << 32 | number,
                number or 1,
            )
            assert not any(is_public(ipaddress.IPv6Address(way)) for way in ways), text
