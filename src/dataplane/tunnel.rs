//! A tunnel as all threads see it: its TUN, its counters, its MTU.

use std::sync::atomic::{AtomicU32, Ordering};

use esp::overhead;
use wire::ipsec::TunnelId;
use wire::outer::OuterHeader;

use crate::counters::RunningTunnelCounters;
use crate::tun::Tun;
use crate::usage::Ledger;
use crate::{InterfaceInfo, TunnelInterface};

/// What the threads share of a tunnel. No protocol state is in here.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) id: TunnelId,
    pub(crate) name: String,
    pub(crate) ifindex: u32,
    pub(crate) tun: Tun,
    pub(crate) counters: RunningTunnelCounters,
    /// Its SAs and what they carried.
    pub(crate) sas: Ledger,
    pub(crate) outer: OuterHeader,
    /// The MTU asked for. `None`: follow the suite.
    pub(crate) fixed_mtu: Option<u32>,
    mtu: AtomicU32,
    /// The largest inner packet that the SA in use carries without outer fragments.
    carried: AtomicU32,
}

impl Tunnel {
    /// The tunnel behind `tun`, which was made as `interface` asks.
    pub(crate) fn new(id: TunnelId, interface: TunnelInterface, ifindex: u32, tun: Tun, mtu: u32) -> Self {
        Self {
            id,
            name: interface.name,
            ifindex,
            tun,
            counters: RunningTunnelCounters::default(),
            sas: Ledger::default(),
            outer: interface.outer,
            fixed_mtu: interface.mtu,
            mtu: AtomicU32::new(mtu),
            carried: AtomicU32::new(u32::MAX),
        }
    }

    /// The interface's MTU.
    pub(crate) fn mtu(&self) -> u32 {
        self.mtu.load(Ordering::Relaxed)
    }

    /// Returns whether that is a change.
    pub(crate) fn set_mtu(&self, mtu: u32) -> bool {
        self.mtu.swap(mtu, Ordering::Relaxed) != mtu
    }

    /// A new SA is in use.
    pub(crate) fn set_carried(&self, mtu: u32) {
        self.carried.store(mtu, Ordering::Relaxed);
    }

    /// What TCP's maximum segment size is clamped to.
    pub(crate) fn mss(&self, v6: bool) -> u16 {
        let mtu = self.mtu().min(self.carried.load(Ordering::Relaxed)) as usize;
        if v6 { overhead::mss_v6(mtu) } else { overhead::mss_v4(mtu) }
    }

    pub(crate) fn info(&self) -> InterfaceInfo {
        InterfaceInfo { ifindex: self.ifindex, mtu: self.mtu(), mss: self.mss(false) }
    }
}
