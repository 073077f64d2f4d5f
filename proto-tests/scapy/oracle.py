#!/usr/bin/python3
"""Scapy as an independent reader and writer of IKE and ESP packets.

Reads one JSON list of requests from standard input, writes one JSON list of answers to standard output. It opens no
socket and sends nothing: octets come and go in hexadecimal.

  esp-open   {suite, spi, key, integrity, packets}            -> {inner: [hex or null]}
  esp-seal   {suite, spi, key, integrity, inner, sequence}    -> {packets: [hex]}
  ike-read   {datagrams}                                      -> {messages: [...]}
  ike-write  {messages: [{payloads, ...}]}                    -> {datagrams: [hex]}
"""

import hashlib
import hmac
import json
import sys

from scapy.contrib.ikev2 import (
    IKEv2,
    IKEv2_payload,
    IKEv2_payload_KE,
    IKEv2_payload_Nonce,
    IKEv2_payload_Notify,
    IKEv2_payload_Proposal,
    IKEv2_payload_SA,
    IKEv2_payload_Transform,
)
from scapy.layers.inet import IP
from scapy.layers.ipsec import ESP, SecurityAssociation
from scapy.packet import NoPayload, Raw

OUTER = dict(src="198.51.100.1", dst="203.0.113.11")
INTEGRITY = {
    "sha1": "HMAC-SHA1-96",
    "sha256": "SHA2-256-128",
    "sha384": "SHA2-384-192",
    "sha512": "SHA2-512-256",
    "md5": "HMAC-MD5-96",
}


def cipher(word):
    if word.startswith("chacha20"):
        return "CHACHA20-POLY1305"
    if word.startswith("aes"):
        return "AES-GCM" if "gcm" in word else "AES-CBC"
    return {"3des": "3DES", "des": "DES"}[word]


def association(request):
    words = request["suite"].split("-")
    integrity = [INTEGRITY[word] for word in words[1:] if word in INTEGRITY]
    return SecurityAssociation(
        ESP,
        spi=request["spi"],
        crypt_algo=cipher(words[0]),
        crypt_key=bytes.fromhex(request["key"]),
        auth_algo=integrity[0] if integrity else None,
        auth_key=bytes.fromhex(request["integrity"]) if integrity else None,
        esn_en="esn" in words[1:],
        esn=0,
        seq_num=request.get("sequence", 1),
        tunnel_header=IP(**OUTER),
    )


def extended_icv(request, packet):
    """The ICV of a packet below 2^32 under extended sequence numbers (RFC 4303 2.2.1), which Scapy's own leaves them out
    of where the cipher has an integrity algorithm beside it. None where Scapy's is right."""
    words = request["suite"].split("-")
    hashes = [word for word in words[1:] if word in INTEGRITY]
    if "esn" not in words or not hashes:
        return None
    length = {"sha1": 12, "md5": 12, "sha256": 16, "sha384": 24, "sha512": 32}[hashes[0]]
    key = bytes.fromhex(request["integrity"])
    return hmac.new(key, packet[:-length] + bytes(4), getattr(hashlib, hashes[0])).digest()[:length]


def esp_open(request):
    sa = association(request)
    inner = []
    for packet in map(bytes.fromhex, request["packets"]):
        outer = IP(bytes(IP(proto=50, **OUTER) / Raw(packet)))
        extended = extended_icv(request, packet)
        try:
            if extended is not None and not packet.endswith(extended):
                raise ValueError("the extended ICV differs")
            inner.append(bytes(sa.decrypt(outer, verify=extended is None)).hex())
        except Exception as error:  # Scapy has no one type for all its refusals
            print(f"{request['suite']}: {error!r}", file=sys.stderr)
            inner.append(None)
    return {"inner": inner}


def esp_seal(request):
    sa = association(request)
    packets = []
    for inner in request["inner"]:
        packet = bytes(sa.encrypt(IP(bytes.fromhex(inner)))[ESP])
        extended = extended_icv(request, packet)
        packets.append((packet if extended is None else packet[: -len(extended)] + extended).hex())
    return {"packets": packets}


def transforms(proposal):
    found, transform = [], proposal.trans
    while isinstance(transform, IKEv2_payload_Transform):
        bits = transform.key_length if transform.length == 12 else None
        found.append({"type": transform.transform_type, "id": transform.transform_id, "bits": bits})
        transform = transform.payload
    return found


def described(payload):
    name = payload.name
    entry = {"payload": name, "length": payload.length}
    if isinstance(payload, IKEv2_payload_SA):
        entry["proposals"], proposal = [], payload.prop
        while isinstance(proposal, IKEv2_payload_Proposal):
            entry["proposals"].append(
                {"number": proposal.proposal, "protocol": proposal.proto, "transforms": transforms(proposal)}
            )
            proposal = proposal.payload
    elif isinstance(payload, IKEv2_payload_KE):
        entry.update(group=payload.group, data=bytes(payload.load).hex())
    elif isinstance(payload, IKEv2_payload_Nonce):
        entry["data"] = bytes(payload.load).hex()
    elif isinstance(payload, IKEv2_payload_Notify):
        entry.update(kind=payload.type, data=bytes(payload.load).hex())
    return entry


def ike_read(request):
    messages = []
    for datagram in request["datagrams"]:
        octets = bytes.fromhex(datagram)
        message = IKEv2(octets)
        payloads, payload = [], message.payload
        while not isinstance(payload, (NoPayload, Raw)):
            payloads.append(described(payload))
            payload = payload.payload
        # Written anew by Scapy it must be the same octets.
        rebuilt = IKEv2(octets)
        rebuilt.clear_cache()
        messages.append(
            {
                "initiator": bytes(message.init_SPI).hex(),
                "responder": bytes(message.resp_SPI).hex(),
                "version": message.version,
                "exchange": message.exch_type,
                "flags": int(message.flags),
                "id": message.id,
                "length": message.length,
                "octets": len(octets),
                "rest": len(payload) if isinstance(payload, Raw) else 0,
                "payloads": payloads,
                "same": bytes(rebuilt) == octets,
            }
        )
    return {"messages": messages}


def proposal_chain(proposals):
    chain = None
    for index, one in reversed(list(enumerate(proposals))):
        head = None
        for position, transform in reversed(list(enumerate(one))):
            last = position == len(one) - 1
            fields = dict(
                transform_type=transform["type"],
                transform_id=transform["id"],
                next_payload="last" if last else "Transform",
            )
            if transform.get("bits"):
                fields.update(key_length=transform["bits"], length=12)
            layer = IKEv2_payload_Transform(**fields)
            head = layer if head is None else layer / head
        layer = IKEv2_payload_Proposal(
            proposal=index + 1,
            next_payload="last" if index == len(proposals) - 1 else "Proposal",
            trans_nb=len(one),
            trans=head,
        )
        chain = layer if chain is None else layer / chain
    return chain


def built(entry, following):
    kind = entry["payload"]
    if kind == "SA":
        return IKEv2_payload_SA(next_payload=following, prop=proposal_chain(entry["proposals"]))
    if kind == "KE":
        return IKEv2_payload_KE(next_payload=following, group=entry["group"], load=bytes.fromhex(entry["data"]))
    if kind == "Nonce":
        return IKEv2_payload_Nonce(next_payload=following, load=bytes.fromhex(entry["data"]))
    if kind == "Notify":
        return IKEv2_payload_Notify(next_payload=following, type=entry["kind"], load=bytes.fromhex(entry["data"]))
    # Any other number, with or without the critical flag.
    return IKEv2_payload(
        next_payload=following, flags=0x80 if entry.get("critical") else 0, load=bytes.fromhex(entry["data"])
    )


NUMBERS = {"SA": 33, "KE": 34, "Nonce": 40, "Notify": 41}


def ike_write(request):
    datagrams = []
    for message in request["messages"]:
        payloads = message["payloads"]
        number = lambda index: (
            NUMBERS.get(payloads[index]["payload"], payloads[index].get("number", 0)) if index < len(payloads) else 0
        )
        packet = IKEv2(
            init_SPI=bytes.fromhex(message["initiator"]),
            next_payload=number(0),
            version=message.get("version", 0x20),
            exch_type=message.get("exchange", 34),
            flags=message.get("flags", 8),
            id=message.get("id", 0),
        )
        for index, entry in enumerate(payloads):
            packet = packet / built(entry, number(index + 1))
        octets = bytearray(bytes(packet))
        for position, value in message.get("patch", []):
            octets[position] = value
        if "cut" in message:
            octets = octets[: message["cut"]]
        datagrams.append(bytes(octets).hex())
    return {"datagrams": datagrams}


OPERATIONS = {"esp-open": esp_open, "esp-seal": esp_seal, "ike-read": ike_read, "ike-write": ike_write}

if __name__ == "__main__":
    requests = json.load(sys.stdin)
    json.dump([OPERATIONS[request["op"]](request) for request in requests], sys.stdout)
