//! The key exchange that `CREATE_CHILD_SA` and what follows it share.

use crypto::Group;
use handshake::{Refusal, key_payload, protocol};
use isakmp::{KeyExchange, Notify, NotifyType, Payload};
use negotiation::{Cx, Failure};
use wire::Secret;

/// Our half of a key exchange with the peer's value; nothing where no group was chosen.
pub(crate) fn agree(
    cx: &mut Cx<'_>,
    group: Option<Group>,
    theirs: Option<&KeyExchange>,
    peer: std::net::SocketAddr,
) -> Result<Option<(Payload, Secret)>, Refusal> {
    let Some(group) = group else { return Ok(None) };
    let Some(theirs) = theirs.filter(|theirs| theirs.group == group.id()) else {
        // RFC 7296 1.3: the peer guessed wrong; this is the group we chose.
        return Err(Refusal {
            notify: Notify::invalid_ke_payload(group.id()),
            failure: protocol(peer, "its key exchange is of another group"),
        });
    };
    let bad = |_| Refusal {
        notify: Notify::new(NotifyType::INVALID_SYNTAX),
        failure: Failure::BadPublicValue { peer, group },
    };
    let key = group.answer(&theirs.data, cx.entropy).map_err(bad)?;
    let payload = key_payload(&key);
    Ok(Some((payload, key.agree(&theirs.data).map_err(bad)?)))
}

/// RFC 7296 2.25: "not now".
pub(crate) fn busy(peer: std::net::SocketAddr) -> Refusal {
    Refusal {
        notify: Notify::new(NotifyType::TEMPORARY_FAILURE),
        failure: protocol(peer, "it asks for what is being replaced or deleted"),
    }
}
