//! A table of nftables that lowers TCP's maximum segment size, on netfilter netlink (`linux/netfilter/nf_tables.h`).
//!
//! ```text
//!   table inet NAME {
//!     flags owner
//!     map mss       { typeof meta nfproto . iifname : tcp option maxseg size }
//!     chain arriving { type filter hook prerouting priority mangle
//!                      tcp flags & syn == syn tcp option maxseg size set meta nfproto . iifname map @mss }
//!     chain leaving  { type filter hook postrouting priority mangle;   ..         oifname map @mss }
//!   }
//! ```
//!
//! A packet whose interface is not in the map passes as it is. The kernel never raises the option (`nft_exthdr.c`: an
//! increase can cause a connection to stall). A table with an owner is changed by nobody else, also not by `nft flush
//! ruleset`, and ends with the socket that made it. Attributes here are in network order.

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST};

use super::message::Message;

const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// `NFNL_SUBSYS_NFTABLES`.
const NFTABLES: u8 = 10;
const NEW_TABLE: u16 = 0xa00;
const DELETE_TABLE: u16 = 0xa02;
const NEW_CHAIN: u16 = 0xa03;
const NEW_RULE: u16 = 0xa06;
const NEW_SET: u16 = 0xa09;
const NEW_ELEMENTS: u16 = 0xa0c;
const DELETE_ELEMENTS: u16 = 0xa0e;

/// `nfgenmsg` of `NFPROTO_INET`: IPv4 and IPv6.
const INET: [u8; 4] = [1, 0, 0, 0];
/// `nfgenmsg` around a transaction.
const TRANSACTION: [u8; 4] = [0, 0, 0, NFTABLES];

const MAP: &str = "mss";
/// The number that the map has within a transaction.
const MAP_ID: u32 = 1;
/// `NF_IP_PRI_MANGLE`.
const MANGLE: u32 = (-150_i32).cast_unsigned();
/// `NFT_REG_1`, and the second word of it.
const REGISTER: u32 = 1;
const SECOND_WORD: u32 = 9;
/// Octets of an interface's name.
const NAME: usize = 16;
/// Octets of the map's key: the family as a word, the interface's name.
const KEY: u32 = 4 + 16;

/// Values of `NFT_META_*`.
#[derive(Clone, Copy)]
enum Meta {
    InputName = 6,
    OutputName = 7,
    Family = 15,
    Protocol = 16,
}

/// Where segments of one interface are to be lowered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) v4: u16,
    pub(crate) v6: u16,
}

/// All of `changes`, to be done together or not at all. The kernel answers when it is done.
pub(crate) fn transaction(changes: Vec<Message>) -> Vec<Message> {
    let edge = |kind| Message::new(kind, NLM_F_REQUEST, &TRANSACTION);
    let mut messages = vec![edge(BATCH_BEGIN)];
    messages.extend(changes);
    let last = messages.pop().map(Message::acknowledged);
    messages.extend(last);
    messages.push(edge(BATCH_END));
    messages
}

/// Makes a table, with an empty map. One of this name that nobody owns gives way.
pub(crate) fn make(table: &str) -> Vec<Message> {
    /// `NFT_TABLE_F_OWNER`.
    const OWNER: u32 = 2;
    vec![
        message(NEW_TABLE, NLM_F_CREATE, table),
        message(DELETE_TABLE, 0, table),
        number(message(NEW_TABLE, NLM_F_CREATE, table), 2, OWNER),
        map(table),
        chain(table, "arriving", 0),
        rule(table, "arriving", Meta::InputName),
        chain(table, "leaving", 4),
        rule(table, "leaving", Meta::OutputName),
    ]
}

/// Removes a table with all it has.
pub(crate) fn delete(table: &str) -> Vec<Message> {
    vec![message(DELETE_TABLE, 0, table)]
}

/// Enters an interface.
pub(crate) fn enter(table: &str, interface: &str, sizes: Sizes) -> Message {
    elements(NEW_ELEMENTS, NLM_F_CREATE, table, interface, Some(sizes))
}

/// Removes an interface that was entered.
pub(crate) fn leave(table: &str, interface: &str) -> Message {
    elements(DELETE_ELEMENTS, 0, table, interface, None)
}

fn message(kind: u16, flags: u16, table: &str) -> Message {
    text(Message::new(kind, NLM_F_REQUEST | flags, &INET), 1, table)
}

fn text(message: Message, kind: u16, text: &str) -> Message {
    message.attribute(kind, &[text.as_bytes(), &[0]])
}

fn number(message: Message, kind: u16, number: u32) -> Message {
    message.attribute(kind, &[&number.to_be_bytes()])
}

/// `hook` is the number of `NF_INET_*`.
fn chain(table: &str, name: &str, hook: u32) -> Message {
    let chain = text(text(message(NEW_CHAIN, NLM_F_CREATE, table), 3, name), 7, "filter");
    chain.nested(4, |place| number(number(place, 1, hook), 2, MANGLE))
}

fn map(table: &str) -> Message {
    // What nft says of types: nf_proto . ifname, integer.
    const KEY_TYPE: u32 = 2 << 6 | 41;
    const DATA_TYPE: u32 = 4;
    /// `NFT_SET_MAP`.
    const IS_MAP: u32 = 8;
    let map = text(message(NEW_SET, NLM_F_CREATE, table), 2, MAP);
    let map = number(number(number(map, 3, IS_MAP), 4, KEY_TYPE), 5, KEY);
    let map = number(number(number(map, 6, DATA_TYPE), 7, 2), 10, MAP_ID);
    map.attribute(13, &[&types()])
}

/// What nft keeps with a map, so as to print `typeof meta nfproto . iifname : tcp option maxseg size`: octets of kind and
/// length before each value.
fn types() -> Vec<u8> {
    const META: u32 = 9;
    const OPTION: u32 = 8;
    const CONCATENATION: u32 = 13;
    let note = |kind: u8, parts: &[&[u8]]| {
        let value = parts.concat();
        let len = u8::try_from(value.len()).expect("notes are short");
        [&[kind, len][..], &value].concat()
    };
    let word = |kind, number: u32| note(kind, &[&number.to_ne_bytes()]);
    let meta = |kind, key: Meta| note(kind, &[&word(0, META), &note(1, &[&word(0, key as u32)])]);
    let keys = note(1, &[&meta(0, Meta::Family), &meta(1, Meta::InputName)]);
    // Option 2, its field 1, of TCP.
    let size = note(1, &[&word(1, 2), &word(2, 1), &word(0, 2)]);
    [
        // The order of octets: of a concatenation none, and the network's.
        word(0, 0),
        word(1, 2),
        note(3, &[&word(0, CONCATENATION), &keys]),
        note(4, &[&word(0, OPTION), &size]),
        // Values are no intervals.
        word(6, 0),
    ]
    .concat()
}

fn elements(kind: u16, flags: u16, table: &str, interface: &str, sizes: Option<Sizes>) -> Message {
    let families =
        [(libc::NFPROTO_IPV4, sizes.map(|sizes| sizes.v4)), (libc::NFPROTO_IPV6, sizes.map(|sizes| sizes.v6))];
    let mut name = interface.as_bytes().to_vec();
    name.resize(NAME, 0);
    let element = |(family, size): (libc::c_int, Option<u16>)| {
        let name = &name;
        move |element: Message| {
            // The family is an octet, at the start of a word.
            let family = [family.to_le_bytes()[0], 0, 0, 0];
            let element = element.nested(1, |key| key.attribute(1, &[&family, name]));
            match size {
                Some(size) => element.nested(2, |data| data.attribute(1, &[&size.to_be_bytes()])),
                None => element,
            }
        }
    };
    let message = text(message(kind, flags, table), 2, MAP);
    message.nested(3, |list| families.into_iter().fold(list, |list, family| list.nested(1, element(family))))
}

fn rule(table: &str, chain: &str, name: Meta) -> Message {
    const TCP: u8 = 6;
    const SYN: u8 = 2;
    let rule = text(message(NEW_RULE, NLM_F_CREATE | NLM_F_APPEND, table), 2, chain);
    rule.nested(4, |list| {
        let list = compare(meta(list, Meta::Protocol, REGISTER), TCP);
        let list = compare(masked(flags(list), SYN), SYN);
        let list = meta(meta(list, Meta::Family, REGISTER), name, SECOND_WORD);
        set_size(look_up(list))
    })
}

fn expression(list: Message, name: &str, fill: impl FnOnce(Message) -> Message) -> Message {
    list.nested(1, |expression| text(expression, 1, name).nested(2, fill))
}

fn meta(list: Message, key: Meta, register: u32) -> Message {
    expression(list, "meta", |data| number(number(data, 2, key as u32), 1, register))
}

fn value(data: Message, kind: u16, octet: u8) -> Message {
    data.nested(kind, |data| data.attribute(1, &[&[octet]]))
}

fn compare(list: Message, octet: u8) -> Message {
    // Operation 0: equal.
    expression(list, "cmp", |data| value(number(number(data, 1, REGISTER), 2, 0), 3, octet))
}

/// The octet of TCP's flags: the 14th of the transport header, which is base 2.
fn flags(list: Message) -> Message {
    expression(list, "payload", |data| number(number(number(number(data, 1, REGISTER), 2, 2), 3, 13), 4, 1))
}

fn masked(list: Message, mask: u8) -> Message {
    expression(list, "bitwise", |data| {
        // Operation 0: and, exclusive or.
        let data = number(number(number(number(data, 1, REGISTER), 2, REGISTER), 6, 0), 3, 1);
        value(value(data, 4, mask), 5, 0)
    })
}

fn look_up(list: Message) -> Message {
    expression(list, "lookup", |data| number(text(number(number(data, 2, REGISTER), 3, REGISTER), 1, MAP), 4, MAP_ID))
}

/// RFC 9293 3.2: option 2, two octets behind kind and length.
fn set_size(list: Message) -> Message {
    expression(list, "exthdr", |data| {
        let data = number(data, 7, REGISTER).attribute(2, &[&[2]]);
        // Of TCP: 1.
        number(number(number(data, 3, 2), 4, 2), 6, 1)
    })
}

#[cfg(test)]
mod tests;
