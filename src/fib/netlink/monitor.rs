//! The socket that listens: what others do to links, routes, rules and nexthops.

use std::os::fd::AsFd;

use netlink_packet_core::NetlinkPayload;
use socket2::{SockFilter, SockRef};

use super::Marks;
use super::message::{Rtnl, Verb, messages};
use super::nexthop::NexthopMessage;
use super::socket::{Socket, at};
use super::{route, rule};
use crate::FibError;

/// Something happened that we did not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// An interface is there, and runs or not.
    Link { index: u32, name: String, running: bool },
    /// An interface is gone.
    LinkGone { index: u32 },
    /// A route, rule or nexthop of ours, or in the place of one of ours, changed.
    Changed,
}

/// The socket that listens.
pub(crate) struct Monitor {
    socket: Socket,
    marks: Marks,
}

impl Monitor {
    /// Subscribes to everything except what the requests from `own_port` cause.
    ///
    /// # Errors
    /// [`FibError::Open`].
    pub(crate) fn open(marks: Marks, own_port: u32) -> Result<Self, FibError> {
        let socket = Socket::open()?;
        SockRef::from(&socket.raw().as_fd()).attach_filter(&all_but(own_port)).map_err(at("SO_ATTACH_FILTER"))?;
        for group in [
            libc::RTNLGRP_LINK,
            libc::RTNLGRP_IPV4_ROUTE,
            libc::RTNLGRP_IPV6_ROUTE,
            libc::RTNLGRP_IPV4_RULE,
            libc::RTNLGRP_IPV6_RULE,
        ] {
            socket.raw().add_membership(group).map_err(at("NETLINK_ADD_MEMBERSHIP"))?;
        }
        // Fails where there are no nexthop objects.
        if let Err(error) = socket.raw().add_membership(libc::RTNLGRP_NEXTHOP) {
            tracing::debug!(%error, "no nexthop notifications");
        }
        Ok(Self { socket, marks })
    }

    /// What happened next. May be abandoned at any time.
    ///
    /// # Errors
    /// [`FibError::Overrun`] if notifications were lost.
    pub(crate) async fn next(&mut self) -> Result<Vec<Notice>, FibError> {
        let marks = &self.marks;
        let datagram = self.socket.receive().await?;
        let notices = messages(datagram).filter_map(|message| {
            let NetlinkPayload::InnerMessage(inner) = message.payload else { return None };
            notice(inner, marks)
        });
        Ok(notices.collect())
    }
}

fn notice(message: Rtnl, marks: &Marks) -> Option<Notice> {
    match message {
        Rtnl::Link(Verb::New, link) => {
            let running = link.is_running();
            Some(Notice::Link { index: link.index, name: link.name.unwrap_or_default(), running })
        }
        Rtnl::Link(Verb::Delete, link) => Some(Notice::LinkGone { index: link.index }),
        Rtnl::Route(_, message) => {
            let ours = u8::from(message.header.protocol) == marks.owner.protocol;
            let table = route::table(&message);
            let best = table == marks.table && (ours || route::metric(&message) == marks.metric);
            (best || ours && marks.owner.ids.contains(&table)).then_some(Notice::Changed)
        }
        Rtnl::Nexthop(_, NexthopMessage { id, .. }) => marks.owner.ids.contains(&id).then_some(Notice::Changed),
        Rtnl::Rule(_, message) => rule::decode(&message, marks).map(|_| Notice::Changed),
        Rtnl::Link(Verb::List, _) | Rtnl::Other(_) => None,
    }
}

/// A classic BPF program that drops what carries `port` in `nlmsg_pid`: without it, a large update of ours would
/// overrun the socket with its own echo.
fn all_but(port: u32) -> [SockFilter; 4] {
    const LOAD_WORD: u16 = 0x20;
    const JUMP_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const NLMSG_PID: u32 = 12;
    [
        // Loads convert from network order, and netlink is in host order.
        SockFilter::new(LOAD_WORD, 0, 0, NLMSG_PID),
        SockFilter::new(JUMP_EQUAL, 0, 1, u32::from_be(port)),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
}
