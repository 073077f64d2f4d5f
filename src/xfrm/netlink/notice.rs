//! What the kernel says of its own accord.

use std::net::SocketAddr;

use wire::ipsec::Spi;

use super::fields::{Fields, to_address};
use super::message::{Received, word};
use super::policy::{self, InstalledPolicy};
use super::state::{IF_ID, State, StateId};

const ACQUIRE: u16 = 0x17;
const EXPIRE: u16 = 0x18;
const MAPPING: u16 = 0x26;

/// Octets of `xfrm_user_acquire`.
const ACQUIRE_LEN: usize = 280;
/// Octets of `xfrm_user_expire`.
const EXPIRE_LEN: usize = 232;
/// `xfrm_usersa_info` in it.
const STATE_LEN: usize = 224;

/// The groups in which all that comes, one bit each: `XFRMNLGRP_ACQUIRE`, `_EXPIRE`, `_POLICY`, `_MAPPING`.
pub(crate) const GROUPS: u32 = 1 | 1 << 1 | 1 << 3 | 1 << 7;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A packet matches a policy whose SA is not there. The kernel keeps a place for one with this SPI.
    Acquire { if_id: u32, spi: Spi },
    /// An SA is at a limit; at the hard one it is gone.
    Expire { state: State, hard: bool },
    /// An authentic packet in UDP came from elsewhere.
    Mapping { id: StateId, from: SocketAddr },
    /// A policy was removed, by us or by somebody else; `None`: all of them.
    Removed(Option<InstalledPolicy>),
}

impl Notice {
    /// Nothing of what is not understood.
    pub(crate) fn decode(message: Received<'_>) -> Option<Self> {
        let mut fields = Fields(message.payload);
        match message.kind {
            ACQUIRE => {
                let attributes = message.payload.get(ACQUIRE_LEN..)?;
                fields.take(16)?;
                Some(Self::Acquire { spi: fields.spi()?, if_id: word(attributes, IF_ID)? })
            }
            EXPIRE => {
                let state = State::read(message.payload.get(..STATE_LEN)?, message.payload.get(EXPIRE_LEN..)?)?;
                fields.take(STATE_LEN)?;
                Some(Self::Expire { state, hard: fields.byte()? != 0 })
            }
            MAPPING => {
                let destination = fields.array()?;
                let spi = fields.spi()?;
                let family = fields.short()?;
                // Protocol and padding, request number, the address before.
                fields.take(2 + 4 + 16)?;
                let address = to_address(fields.array()?, family)?;
                fields.port()?;
                let from = SocketAddr::new(address, fields.port()?);
                Some(Self::Mapping { id: StateId { destination: to_address(destination, family)?, spi }, from })
            }
            policy::DELETE => InstalledPolicy::decode(message).map(|removed| Self::Removed(Some(removed))),
            policy::FLUSH => Some(Self::Removed(None)),
            _ => None,
        }
    }
}
