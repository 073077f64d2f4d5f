//! Traffic selectors on the wire (RFC 7296 3.13).
//!
//! ```text
//! +---------------+-----------------------------------------------+
//! | number of TSs |                   reserved                    |
//! +---------------+---------------+-------------------------------+  --+
//! |    TS type    |  IP protocol  |       selector length         |    |
//! +---------------+---------------+-------------------------------+    | per
//! |          start port           |           end port            |    | selector
//! +-------------------------------+-------------------------------+    |
//! |          starting address, ending address (4 or 16 octets)    |    |
//! +---------------------------------------------------------------+  --+
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wire::ipsec::TrafficSelector;
use wire::{DecodeError, Decoder, Encoder, code_point};

code_point! {
    /// <https://www.iana.org/assignments/ikev2-parameters#ikev2-parameters-16>
    pub struct SelectorType(u8) {
        IPV4_ADDR_RANGE = 7;
        IPV6_ADDR_RANGE = 8;
    }
}

/// Octets before the addresses.
const SELECTOR_HEADER_LEN: u16 = 8;

pub(super) fn decode(mut body: Decoder<'_>) -> Result<Vec<TrafficSelector>, DecodeError> {
    let count = body.u8("number of traffic selectors")?;
    body.take(3, "reserved")?;
    let mut selectors = Vec::new();
    for _ in 0..count {
        selectors.extend(decode_selector(&mut body)?);
    }
    body.finish("traffic selectors")?;
    Ok(selectors)
}

pub(super) fn encode(selectors: &[TrafficSelector], encoder: &mut Encoder) {
    encoder.count_u8(selectors.len());
    encoder.zeros(3);
    for selector in selectors {
        encode_selector(selector, encoder);
    }
}

/// `None` for a selector of an unknown type: it selects nothing here.
fn decode_selector(body: &mut Decoder<'_>) -> Result<Option<TrafficSelector>, DecodeError> {
    let kind = SelectorType(body.u8("traffic selector type")?);
    let protocol = body.u8("IP protocol")?;
    let length = body.u16("selector length")?;
    let Some(rest) = length.checked_sub(4) else {
        return Err(body.invalid("selector length", length));
    };
    let mut selector = body.sub(rest.into(), "traffic selector")?;
    if kind != SelectorType::IPV4_ADDR_RANGE && kind != SelectorType::IPV6_ADDR_RANGE {
        return Ok(None);
    }
    let start_port = selector.u16("start port")?;
    let end_port = selector.u16("end port")?;
    let mut address = |field| {
        Ok(if kind == SelectorType::IPV4_ADDR_RANGE {
            IpAddr::V4(Ipv4Addr::from(selector.array::<4>(field)?))
        } else {
            IpAddr::V6(Ipv6Addr::from(selector.array::<16>(field)?))
        })
    };
    let (start, end) = (address("starting address")?, address("ending address")?);
    selector.finish("traffic selector")?;
    Ok(Some(TrafficSelector { protocol, start_port, end_port, start, end }))
}

fn encode_selector(selector: &TrafficSelector, encoder: &mut Encoder) {
    let (kind, address_len) = match selector.start {
        IpAddr::V4(_) => (SelectorType::IPV4_ADDR_RANGE, 4),
        IpAddr::V6(_) => (SelectorType::IPV6_ADDR_RANGE, 16),
    };
    encoder.u8(kind.0);
    encoder.u8(selector.protocol);
    encoder.u16(SELECTOR_HEADER_LEN + 2 * address_len);
    encoder.u16(selector.start_port);
    encoder.u16(selector.end_port);
    for address in [selector.start, selector.end] {
        match address {
            IpAddr::V4(address) => encoder.bytes(&address.octets()),
            IpAddr::V6(address) => encoder.bytes(&address.octets()),
        }
    }
}
