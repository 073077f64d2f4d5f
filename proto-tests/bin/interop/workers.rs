//! Several trials at the same time: each worker takes the next job, and says how it went.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use proto_tests::lab::pki::{Credentials, KeyKind};
use proto_tests::lab::{Lab, Result};

use super::matrix::{Credential, PEER_NAME, US_NAME};
use super::trial::{self, Outcome};
use super::{Job, table};

/// Certificates that several trials share.
#[derive(Debug)]
pub(crate) struct Wallet {
    made: Vec<(KeyKind, Credentials)>,
    _lab: Lab,
}

impl Wallet {
    fn make(jobs: &[Job]) -> Result<Self> {
        let lab = Lab::new()?;
        let mut made: Vec<(KeyKind, Credentials)> = Vec::new();
        for job in jobs {
            let Credential::Certificate(kind) = job.combination.credential else { continue };
            if made.iter().any(|(known, _)| *known == kind) {
                continue;
            }
            let directory = lab.path().join(kind.label());
            let credentials = Credentials::make(
                &directory,
                kind,
                &format!("DNS:{US_NAME},IP:192.0.2.1,email:us@lab.example"),
                &format!("DNS:{PEER_NAME},IP:192.0.2.9,email:peer@lab.example"),
            )?;
            made.push((kind, credentials));
        }
        Ok(Self { made, _lab: lab })
    }

    /// The certificates of this kind.
    pub(crate) fn get(&self, kind: KeyKind) -> Option<Credentials> {
        self.made.iter().find(|(known, _)| *known == kind).map(|(_, credentials)| credentials.clone())
    }
}

/// Runs all, `width` at a time, and returns the outcomes in the order of the jobs.
///
/// # Errors
/// When the certificates cannot be made.
pub(crate) fn run(jobs: &[Job], width: usize) -> Result<Vec<(Job, Outcome)>> {
    let wallet = Wallet::make(jobs)?;
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(jobs.len())));
    std::thread::scope(|scope| {
        for _ in 0..width.max(1) {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = trial::run(job, &wallet);
                    let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    done.push((*job, outcome));
                    let (_, outcome) = &done[done.len() - 1];
                    table::print(&table::progress(done.len(), jobs.len(), job, outcome));
                }
            });
        }
    });
    let mut outcomes = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    outcomes.sort_by_key(|(job, _)| (job.row, job.role));
    Ok(outcomes)
}
