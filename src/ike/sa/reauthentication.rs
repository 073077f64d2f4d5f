//! When both ends of an IKE SA are authenticated anew: the responder grants so much time (RFC 4478), a certificate ends
//! soon, or ours is another. It is for the end that began, which makes a new IKE SA before the old one goes.
//!
//! ```text
//!  IKE_AUTH:       SK { IDr, .., AUTH, .., N(AUTH_LIFETIME)(seconds) }    sent where a certificate ends
//!  INFORMATIONAL:  SK { N(AUTH_LIFETIME)(seconds) }                       taken, never sent
//!
//!  granted --------------- 9/10 -- 40s -- 80s -- 160s -- ..               until the new IKE SA is there
//! ```
//!
//! What we grant as responder is the time until the first of the certificates that both ends showed is over: only the
//! end that began can show another one, and it need not look at the clock by itself. Without certificates there is
//! nothing that ends. What ends within a day is granted nothing: peers keep a margin of minutes to hours from such a time,
//! and one that cannot keep it authenticates anew without pause. A peer that does not authenticate anew keeps its tunnel,
//! as with a certificate that ended unnoticed. After a reload nothing is sent: some peers authenticate anew by taking the
//! tunnel down first, and the certificate they have seen is good until it ends.

use std::time::{Duration, Instant};

use certificate::{CertificateSummary, UnixTime};
use handshake::{Attempt, Contents};
use isakmp::{Notify, NotifyType, Payload};
use negotiation::{Authentication, Cx, jittered};
use wire::Entropy;
use wire::ipsec::IkeSpi;

use crate::endpoint::Tunnel;
use crate::sa::IkeSa;

/// Pause before we authenticate anew once more, longer than an attempt takes. It doubles.
const PAUSE: Duration = Duration::from_secs(40);
/// What it grows to.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);
/// By up to how many percent a pause is longer at random.
const JITTER: u32 = 20;
/// A shorter lifetime would have us authenticate without pause.
const LEAST_GRANT: Duration = Duration::from_secs(60);
/// Nothing shorter is granted.
const LEAST_GRANTED: Duration = Duration::from_secs(86_400);
/// Certificates may end in the year 9999; no IKE SA lives as long.
const LONGEST: u64 = 100 * 365 * 86_400;

/// When an IKE SA is to be replaced by one that is authenticated anew.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reauthentication {
    /// For a reason of our own: a certificate that ends, other credentials, an attempt that came to nothing.
    own: Option<Instant>,
    /// For what the responder granted last.
    granted: Option<Instant>,
    /// Attempts in a row that brought nothing yet.
    attempts: u32,
}

impl Reauthentication {
    /// When we begin.
    pub(crate) fn at(&self) -> Option<Instant> {
        [self.own, self.granted].into_iter().flatten().min()
    }

    /// Begins then, whatever there was planned before.
    const fn plan(&mut self, at: Instant) {
        *self = Self { own: Some(at), granted: None, attempts: 0 };
    }

    /// Begins then, at the latest.
    fn plan_before(&mut self, at: Instant) {
        self.own = Some(self.own.map_or(at, |planned| planned.min(at)));
    }

    /// The responder grants another time. Less brings the plan forward, more puts off what was due for less; it puts off
    /// nothing that is due for a reason of our own.
    const fn grant(&mut self, at: Instant) {
        self.granted = Some(at);
    }

    /// It is put off until what is under way has ended.
    const fn put_off(&mut self, at: Instant) {
        (self.own, self.granted) = (Some(at), None);
    }

    /// An attempt begins: should it come to nothing, the next one waits longer.
    fn begun(&mut self, now: Instant, entropy: &mut dyn Entropy) {
        let pause = PAUSE.saturating_mul(1 << self.attempts.min(8)).min(LONGEST_PAUSE);
        self.put_off(now + jittered(pause, JITTER, entropy));
        self.attempts = self.attempts.saturating_add(1);
    }
}

impl Tunnel {
    /// Begins anew where that is due. The new SA replaces this one.
    pub(crate) fn reauthenticate_if_due(&mut self, cx: &mut Cx<'_>, spi: IkeSpi) {
        let now = cx.now;
        let under_way = self.attempt.as_ref().map(Attempt::deadline);
        let due = |sa: &&mut IkeSa| sa.reauthentication.at().is_some_and(|at| at <= now);
        let Some(sa) = self.sa_mut(spi).filter(due) else { return };
        if let Some(ends) = under_way {
            // It may be just what this SA waits for.
            sa.reauthentication.put_off(ends);
            return;
        }
        sa.reauthentication.begun(now, cx.entropy);
        self.begin_attempt(cx, false);
    }

    /// What proves either end has changed. Where we began, both ends are authenticated anew at once.
    pub(crate) fn set_credentials(&mut self, now: Instant, auth: Authentication) {
        self.config.auth = auth;
        for sa in self.sas.iter_mut().filter(|sa| sa.is_current() && sa.origin.ours) {
            sa.reauthentication.plan(now);
        }
        if let Some(attempt) = &mut self.attempt {
            attempt.outdate();
        }
        // What the peer refused us for may be no more.
        let refused = self.connects() && !self.is_up() && self.attempt.is_none();
        if let Some(retry_at) = self.retry_at.as_mut().filter(|_| refused) {
            *retry_at = now;
        }
    }

    /// An IKE SA was authenticated by what is no longer ours to show, or to believe.
    pub(crate) fn renew_outdated(&mut self, now: Instant, spi: IkeSpi) {
        if let Some(sa) = self.sa_mut(spi) {
            sa.reauthentication.plan(now);
        }
    }

    /// RFC 4478 3: the initiator authenticates anew before the time that the responder grants is over.
    pub(crate) fn note_auth_lifetime(&mut self, cx: &mut Cx<'_>, spi: IkeSpi, contents: &Contents) {
        let seconds = contents
            .notify(NotifyType::AUTH_LIFETIME)
            .and_then(|notify| <[u8; 4]>::try_from(notify.data.as_slice()).ok())
            .map(u32::from_be_bytes);
        let now = cx.now;
        if let Some((seconds, sa)) = seconds.zip(self.sa_mut(spi).filter(|sa| sa.origin.ours)) {
            let granted = Duration::from_secs(seconds.into()).max(LEAST_GRANT);
            sa.reauthentication.grant(now + granted * 9 / 10);
            self.plan_before_expiry(cx, spi);
        }
    }

    /// RFC 4478 3: how long what both ends have shown is good for, for our answer to `IKE_AUTH`.
    pub(crate) fn granted(&self, wall: UnixTime) -> Option<Payload> {
        let left = self.certificates_last(wall).filter(|left| *left >= LEAST_GRANTED)?;
        let seconds = u32::try_from(left.as_secs()).unwrap_or(u32::MAX);
        let data = seconds.to_be_bytes().to_vec();
        Some(Payload::Notify(Notify::with_data(NotifyType::AUTH_LIFETIME, data)))
    }

    /// Where we began, both ends are authenticated anew when nine tenths of what is left of the first of both certificates
    /// are over: renewed ones are known by then. If none is, the tunnel stays. One that has ended already hurries nobody.
    pub(crate) fn plan_before_expiry(&mut self, cx: &Cx<'_>, spi: IkeSpi) {
        let Some(left) = self.certificates_last(cx.wall) else { return };
        let at = cx.now + (left / 10 * 9).max(LEAST_GRANT);
        if let Some(sa) = self.sa_mut(spi).filter(|sa| sa.origin.ours) {
            sa.reauthentication.plan_before(at);
        }
    }

    /// The time until the first of both certificates ends, of those that have not.
    fn certificates_last(&self, wall: UnixTime) -> Option<Duration> {
        let ends = [self.local_certificate(), self.peer_certificate.clone()].into_iter().flatten();
        let ends = ends.map(|CertificateSummary { not_after, .. }| not_after.0).filter(|end| *end > wall.0);
        ends.min().map(|end| Duration::from_secs(end.saturating_sub(wall.0).min(LONGEST)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_quarter_of_an_hour() {
        let (now, mut zeros) = (Instant::now(), |out: &mut [u8]| out.fill(0));
        let mut anew = Reauthentication::default();
        let mut pause = || {
            anew.begun(now, &mut zeros);
            anew.at().map(|at| (at - now).as_secs())
        };
        let pauses: Vec<_> = (0..12).filter_map(|_| pause()).collect();
        assert_eq!(pauses, [40, 80, 160, 320, 640, 900, 900, 900, 900, 900, 900, 900]);
    }

    #[test]
    fn the_last_grant_counts_and_puts_off_no_reason_of_our_own() {
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        let mut anew = Reauthentication::default();
        for seconds in [900, 90, 9000] {
            anew.grant(after(seconds));
            assert_eq!(anew.at(), Some(after(seconds)));
        }
        anew.plan_before(after(500));
        anew.plan_before(after(700));
        anew.grant(after(100));
        assert_eq!(anew.at(), Some(after(100)));
        anew.grant(after(90_000));
        assert_eq!(anew.at(), Some(after(500)), "a certificate ends");
        anew.plan(after(1));
        anew.grant(after(9000));
        assert_eq!(anew.at(), Some(after(1)), "other credentials");
        anew.begun(after(1), &mut |out: &mut [u8]| out.fill(0));
        anew.grant(after(9000));
        assert_eq!(anew.at(), Some(after(41)), "which were not accepted yet");
    }
}
