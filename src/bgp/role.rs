//! BGP roles and ONLY_TO_CUSTOMER (RFC 9234): which side of a commercial relation we are on, and the two rules that
//! keep a route from leaking up or sideways once it went down.
//!
//! ```text
//!            we are     the peer is    routes we take                    routes we give
//!            provider   customer       with OTC: a leak                  without OTC: OTC = our AS
//!            rs-server  rs-client      with OTC: a leak                  without OTC: OTC = our AS
//!            peer       peer           OTC of another AS: a leak;        with OTC: withheld;
//!                                      without: OTC = its AS             without: OTC = our AS
//!            customer   provider       without OTC: OTC = its AS         with OTC: withheld
//!            rs-client  rs-server      without OTC: OTC = its AS         with OTC: withheld
//! ```
//!
//! [`Role::admit`] and [`Role::export`] are these rules; who calls them is the routing tables' matter.

use std::fmt;
use std::str::FromStr;

use wire::Asn;

/// What we are to the peer (RFC 9234 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// We sell transit to the peer.
    Provider,
    /// We are a route server, the peer its client.
    RsServer,
    /// We are the client of a route server.
    RsClient,
    /// We buy transit from the peer.
    Customer,
    /// We exchange our own and our customers' routes.
    Peer,
}

/// Why a route must not be taken (RFC 9234 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a route leak: it is marked only-to-customer by AS {otc}, yet comes from a {from}")]
pub struct Leak {
    /// Who marked it.
    pub otc: Asn,
    /// What the peer is to us.
    pub from: Role,
}

/// Why a route must not be given to the peer (RFC 9234 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("marked only-to-customer by AS {otc}, and the peer is a {to}")]
pub struct OnlyToCustomer {
    /// Who marked it.
    pub otc: Asn,
    /// What the peer is to us.
    pub to: Role,
}

impl Role {
    /// Every role, in order of their numbers.
    pub const ALL: [Self; 5] = [Self::Provider, Self::RsServer, Self::RsClient, Self::Customer, Self::Peer];

    /// The number in the capability (RFC 9234 4.1).
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Provider => 0,
            Self::RsServer => 1,
            Self::RsClient => 2,
            Self::Customer => 3,
            Self::Peer => 4,
        }
    }

    /// The role of this number.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Provider),
            1 => Some(Self::RsServer),
            2 => Some(Self::RsClient),
            3 => Some(Self::Customer),
            4 => Some(Self::Peer),
            _ => None,
        }
    }

    /// What the other side must be (RFC 9234 4.2).
    #[must_use]
    pub const fn counterpart(self) -> Self {
        match self {
            Self::Provider => Self::Customer,
            Self::RsServer => Self::RsClient,
            Self::RsClient => Self::RsServer,
            Self::Customer => Self::Provider,
            Self::Peer => Self::Peer,
        }
    }

    /// The name in configurations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::RsServer => "rs-server",
            Self::RsClient => "rs-client",
            Self::Customer => "customer",
            Self::Peer => "peer",
        }
    }

    /// What ONLY_TO_CUSTOMER of a route from AS `peer` becomes, when we have this role on the session.
    ///
    /// # Errors
    /// [`Leak`]: the route is ineligible.
    pub fn admit(self, otc: Option<Asn>, peer: Asn) -> Result<Option<Asn>, Leak> {
        let from = self.counterpart();
        match (self, otc) {
            // RFC 9234 5, ingress 1
            (Self::Provider | Self::RsServer, Some(otc)) => Err(Leak { otc, from }),
            (Self::Provider | Self::RsServer, None) => Ok(None),
            // RFC 9234 5, ingress 2
            (Self::Peer, Some(otc)) if otc != peer => Err(Leak { otc, from }),
            // RFC 9234 5, ingress 3
            (Self::Peer | Self::Customer | Self::RsClient, otc) => Ok(otc.or(Some(peer))),
        }
    }

    /// ONLY_TO_CUSTOMER of a route that goes to the peer, when we are AS `local` and have this role on the session.
    ///
    /// # Errors
    /// [`OnlyToCustomer`]: the route stays here.
    pub fn export(self, otc: Option<Asn>, local: Asn) -> Result<Option<Asn>, OnlyToCustomer> {
        match (self, otc) {
            // RFC 9234 5, egress 2
            (Self::Customer | Self::RsClient | Self::Peer, Some(otc)) => {
                Err(OnlyToCustomer { otc, to: self.counterpart() })
            }
            (Self::Customer | Self::RsClient, None) => Ok(None),
            // RFC 9234 5, egress 1
            (Self::Provider | Self::RsServer | Self::Peer, otc) => Ok(otc.or(Some(local))),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not the name of a role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role: provider, rs-server, rs-client, customer, peer")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.name() == name).ok_or_else(|| UnknownRole(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Asn = Asn(65000);
    const THEM: Asn = Asn(64512);
    const OTHER: Asn = Asn(64999);

    #[test]
    fn numbers_names_and_counterparts_go_both_ways() {
        for role in Role::ALL {
            assert_eq!(Role::from_code(role.code()), Some(role));
            assert_eq!(role.name().parse(), Ok(role));
            assert_eq!(role.counterpart().counterpart(), role);
        }
        assert_eq!(Role::from_code(5), None);
        assert!("transit".parse::<Role>().is_err());
    }

    #[test]
    fn a_route_that_went_down_is_not_taken_from_below_or_beside() {
        let leak = |from| Err(Leak { otc: OTHER, from });
        let cases = [
            (Role::Provider, None, Ok(None)),
            (Role::Provider, Some(OTHER), leak(Role::Customer)),
            (Role::RsServer, Some(OTHER), leak(Role::RsClient)),
            (Role::Peer, Some(OTHER), leak(Role::Peer)),
            (Role::Peer, Some(THEM), Ok(Some(THEM))),
            (Role::Peer, None, Ok(Some(THEM))),
            (Role::Customer, None, Ok(Some(THEM))),
            (Role::Customer, Some(OTHER), Ok(Some(OTHER))),
            (Role::RsClient, None, Ok(Some(THEM))),
        ];
        for (role, otc, expected) in cases {
            assert_eq!(role.admit(otc, THEM), expected, "{role}, {otc:?}");
        }
    }

    #[test]
    fn a_route_that_went_down_is_not_given_up_or_sideways() {
        let kept = |to| Err(OnlyToCustomer { otc: OTHER, to });
        let cases = [
            (Role::Provider, None, Ok(Some(US))),
            (Role::Provider, Some(OTHER), Ok(Some(OTHER))),
            (Role::RsServer, None, Ok(Some(US))),
            (Role::Peer, None, Ok(Some(US))),
            (Role::Peer, Some(OTHER), kept(Role::Peer)),
            (Role::Customer, None, Ok(None)),
            (Role::Customer, Some(OTHER), kept(Role::Provider)),
            (Role::RsClient, None, Ok(None)),
            (Role::RsClient, Some(OTHER), kept(Role::RsServer)),
        ];
        for (role, otc, expected) in cases {
            assert_eq!(role.export(otc, US), expected, "{role}, {otc:?}");
        }
    }
}
