"""The cluster's DNS server: the names of Services, as pods look them up."""

import asyncio
from collections.abc import Callable
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

_TTL_SECONDS = 0


class DnsProtocol(asyncio.DatagramProtocol):
    """Answers over UDP.

    Args:
        addresses: the IPv4 addresses of a name; None for one that does not exist.
    """

    def __init__(self, addresses: Callable[[str], list[str] | None]) -> None:
        self._addresses = addresses

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take what answers go through."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        """Answer a query; what is none is dropped."""
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return
        self._transport.sendto(answer(query, self._addresses).to_wire(), peer)


def answer(query: dns.message.Message, addresses: Callable[[str], list[str] | None]) -> dns.message.Message:
    """The answer to a query (RFC 1035); a name without an address of the wanted type has an empty one."""
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA | dns.flags.RA
    for question in query.question:
        found = addresses(question.name.to_text())
        if found is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif found and question.rdtype == dns.rdatatype.A:
            response.answer.append(dns.rrset.from_text(question.name, _TTL_SECONDS, "IN", "A", *found))
    return response
