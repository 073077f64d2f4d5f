#!/usr/bin/python3
"""Scapy as an independent writer of BGP messages, good and broken, and reader of NOTIFICATIONs.

Reads one JSON object from standard input, writes one to standard output. It opens no socket and sends nothing: octets come
and go in hexadecimal.

  {op: "write", peers: [[asn, address, [name]]]}  -> [{name: hex}]    the messages that each peer sends
  {op: "read", octets: [hex]}  -> [[{type, length, code, subcode, data}]]
"""

import json
import logging
import struct
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)

from scapy.contrib import bgp  # noqa: E402
from scapy.contrib.bgp import (  # noqa: E402
    BGP,
    BGPCapFourBytesASN,
    BGPCapGeneric,
    BGPCapMultiprotocol,
    BGPHeader,
    BGPKeepAlive,
    BGPNLRI_IPv4,
    BGPNotification,
    BGPOpen,
    BGPOptParam,
    BGPPAAS4BytesPath,
    BGPPACommunity,
    BGPPAMultiExitDisc,
    BGPPANextHop,
    BGPPAOrigin,
    BGPPathAttr,
    BGPRouteRefresh,
    BGPUpdate,
)
from scapy.packet import Raw  # noqa: E402

bgp.bgp_module_conf.use_2_bytes_asn = False


def two_octets(asn):
    return asn if asn < 65536 else 23456


def capability(*layers):
    return [BGPOptParam(param_type=2, param_value=layer) for layer in layers]


def opening(asn, address, more=(), **changed):
    usual = capability(BGPCapMultiprotocol(afi=1, safi=1), BGPCapFourBytesASN(asn=asn))
    fields = dict(version=4, my_as=two_octets(asn), hold_time=90, bgp_id=address)
    fields["opt_params"] = usual + list(more)
    fields.update(changed)
    return BGPHeader(type=1) / BGPOpen(**fields)


def with_parameters(asn, address, octets, length=None):
    """An OPEN whose optional parameters are these octets, or are said to be so many."""
    announced = len(octets) if length is None else length
    identifier = bytes(map(int, address.split(".")))
    return framed(1, struct.pack("!BHH4sB", 4, two_octets(asn), 90, identifier, announced) + octets)


def framed(kind, body, length=None):
    return b"\xff" * 16 + struct.pack("!HB", len(body) + 19 if length is None else length, kind) + body


def attribute(code, flags, value):
    """What Scapy builds of a known one, or octets as they are."""
    if isinstance(value, bytes):
        return struct.pack("!BBB", flags, code, len(value)) + value
    return bytes(BGPPathAttr(type_flags=flags, type_code=code, attribute=value))


def attribute_long(code, flags, value):
    return struct.pack("!BBH", flags | 0x10, code, len(value)) + value


def update(attributes, prefixes, tail=b""):
    nlri = b"".join(bytes(BGPNLRI_IPv4(prefix=prefix)) for prefix in prefixes) + tail
    listed = b"".join(attributes)
    return framed(2, bytes(2) + struct.pack("!H", len(listed)) + listed + nlri)


def messages(asn, address):
    path = BGPPAAS4BytesPath(segments=[BGPPAAS4BytesPath.ASPathSegment(segment_type=2, segment_value=[asn])])
    origin, as_path = attribute(1, 0x40, BGPPAOrigin(origin=0)), attribute(2, 0x40, path)
    next_hop = attribute(3, 0x40, BGPPANextHop(next_hop=address))
    usual = [origin, as_path, next_hop]
    good = BGPHeader(type=2) / BGPUpdate(
        path_attr=[
            BGPPathAttr(type_flags=0x40, type_code=1, attribute=BGPPAOrigin(origin=0)),
            BGPPathAttr(type_flags=0x40, type_code=2, attribute=path),
            BGPPathAttr(type_flags=0x40, type_code=3, attribute=BGPPANextHop(next_hop=address)),
            BGPPathAttr(type_flags=0x80, type_code=4, attribute=BGPPAMultiExitDisc(med=7)),
        ],
        nlri=[BGPNLRI_IPv4(prefix="10.66.0.0/16")],
    )
    long = [attribute_long(8, 0xC0, bytes(range(256)) * 18)]
    bad = ["10.67.0.0/16"]
    whole = bytes(BGPKeepAlive())
    return {
        # What is right.
        "open": opening(asn, address),
        "open, hold time 3": opening(asn, address, hold_time=3),
        "open, extended messages": opening(asn, address, capability(BGPCapGeneric(code=6, length=0))),
        "open, enhanced refresh": opening(
            asn, address, capability(BGPCapGeneric(code=2, length=0), BGPCapGeneric(code=70, length=0))
        ),
        "open, capability nobody knows": opening(
            asn, address, capability(BGPCapGeneric(code=251, length=3, cap_data=b"abc"))
        ),
        "keepalive": BGPKeepAlive(),
        "route": good,
        "end of rib": framed(2, bytes(4)),
        "refresh": BGPHeader(type=5) / BGPRouteRefresh(afi=1, safi=1),
        "notification": BGPHeader(type=3) / BGPNotification(error_code=6, error_subcode=2, data=b"\x05later"),
        # OPEN.
        "open, version 3": opening(asn, address, version=3),
        "open, another as": opening(asn + 1, address),
        "open, as 0": opening(0, address),
        "open, identifier 0": opening(asn, "0.0.0.0"),
        "open, hold time 2": opening(asn, address, hold_time=2),
        "open, parameter nobody knows": opening(asn, address, [BGPOptParam(param_type=9, param_value=Raw(b"xy"))]),
        "open, no family of ours": opening(
            asn, address, opt_params=capability(BGPCapMultiprotocol(afi=25, safi=70), BGPCapFourBytesASN(asn=asn))
        ),
        "open, parameters overrun": with_parameters(asn, address, b"\x02\x02\x02\x00", 9),
        "open, a parameter overruns": with_parameters(asn, address, b"\x02\x20\x41\x04\x00\x00\x00\x01"),
        "open, a capability overruns": with_parameters(asn, address, b"\x02\x06\x41\x09\x00\x00\x00\x01"),
        "open, four-octet as of 3 octets": with_parameters(asn, address, b"\x02\x05\x41\x03\x00\x00\x01"),
        "open, family of 3 octets": with_parameters(asn, address, b"\x02\x05\x01\x03\x00\x01\x00"),
        "open, graceful restart of 1 octet": with_parameters(asn, address, b"\x02\x03\x40\x01\x00"),
        "open, add-path of 3 octets": with_parameters(asn, address, b"\x02\x05\x45\x03\x00\x01\x01"),
        "open, 28 octets": framed(1, b"\x04" + bytes(8)),
        # Headers.
        "marker": b"\xff" * 15 + b"\xfe" + struct.pack("!HB", 19, 4),
        "length 18": framed(4, b"", 18),
        "length 4097": framed(2, bytes(4078)),
        "type 9": framed(9, b""),
        "keepalive of 20 octets": framed(4, b"\x00"),
        "update of 22 octets": framed(2, bytes(3)),
        "http": b"GET / HTTP/1.1\r\nHost: router\r\n\r\n",
        # UPDATE: each class of RFC 7606.
        "discard: aggregator of 6 octets": update(usual + [attribute(7, 0xC0, bytes(6))], bad),
        "discard: atomic aggregate of 1 octet": update(usual + [attribute(6, 0x40, b"\x00")], bad),
        "discard: local preference": update(usual + [attribute(5, 0x40, bytes([0, 0, 0, 99]))], bad),
        "discard: med twice": update(usual + [attribute(4, 0x80, BGPPAMultiExitDisc(med=3))] * 2, bad),
        "withdraw: origin 9": update([attribute(1, 0x40, b"\x09"), as_path, next_hop], bad),
        "withdraw: no origin": update([as_path, next_hop], bad),
        "withdraw: flags": update([attribute(1, 0xC0, BGPPAOrigin(origin=0)), as_path, next_hop], bad),
        "withdraw: communities of 3 octets": update(usual + [attribute(8, 0xC0, b"abc")], bad),
        "withdraw: a segment overruns": update([origin, attribute(2, 0x40, b"\x02\x09\x00\x00"), next_hop], bad),
        "withdraw: another as first": update([origin, attribute(2, 0x40, b"\x02\x01\x00\x00\x00\x07"), next_hop], bad),
        "withdraw: next hop 127.0.0.1": update(
            [origin, as_path, attribute(3, 0x40, BGPPANextHop(next_hop="127.0.0.1"))], bad
        ),
        "withdraw: the list breaks off": update(usual + [attribute(8, 0xC0, b"abcd")[:-1]], bad),
        "reset: a prefix of 33 bits": update(usual, [], tail=b"\x21" + bytes(5)),
        "reset: attributes overrun": framed(2, b"\x00\x00\x00\xff"),
        "reset: withdrawn overruns": framed(2, b"\x00\xff\x00\x00"),
        "reset: well-known 99": update(usual + [attribute(99, 0x40, b"")], bad),
        "reset: reach twice": update(usual + [attribute(14, 0x80, b"\x00\x01\x01\x04" + bytes(4) + b"\x00")] * 2, bad),
        "reset: reach of 2 octets": update(usual + [attribute(14, 0x80, b"\x00\x01")], bad),
        # Longer than 4096 octets.
        "long route": update(usual + long, ["10.68.0.0/16"]),
        # ROUTE-REFRESH.
        "refresh, subtype 7": framed(5, b"\x00\x01\x07\x01"),
        "refresh, family nobody knows": framed(5, b"\x00\x19\x00\x46"),
        "refresh, begin": framed(5, b"\x00\x01\x01\x01"),
        "refresh, end": framed(5, b"\x00\x01\x02\x01"),
        "refresh, begin of 24 octets": framed(5, b"\x00\x01\x01\x01\x00"),
        "refresh of 22 octets": framed(5, b"\x00\x01\x00"),
        # Parts.
        "half a keepalive": whole[:10],
        "half an open": bytes(opening(asn, address))[:25],
        "half a route": bytes(good)[:40],
        "nothing": b"",
        "notification nobody knows": BGPHeader(type=3) / BGPNotification(error_code=77, error_subcode=66),
        "notification of 20 octets": framed(3, b"\x06"),
    }


def read(octets):
    found = []
    while len(octets) >= 19:
        length = struct.unpack("!H", octets[16:18])[0]
        message = BGP(octets[:length])
        entry = {"type": message.type, "length": message.len}
        if BGPNotification in message:
            said = message[BGPNotification]
            data = b"" if said.data is None else bytes(said.data)
            entry.update(code=said.error_code, subcode=said.error_subcode, data=data.hex())
        found.append(entry)
        octets = octets[length:]
    return found


if __name__ == "__main__":
    request = json.load(sys.stdin)
    if request["op"] == "write":
        written = []
        for asn, address, names in request["peers"]:
            built = messages(asn, address)
            written.append({name: bytes(built[name]).hex() for name in names})
        json.dump(written, sys.stdout)
    else:
        json.dump([read(bytes.fromhex(octets)) for octets in request["octets"]], sys.stdout)
