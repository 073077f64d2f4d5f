//! A hundred tunnels in one process: they come up together, cost little, and are not renewed all at once.

use proto_tests::lab::many::Many;
use proto_tests::lab::{Result, ensure, tell};

const TUNNELS: u16 = 100;
/// Of a process in a build without optimisation, with queues of its own for each tunnel.
const MOST_KIB_PER_TUNNEL: u64 = 2048;

#[test]
fn a_hundred_tunnels_come_up_and_their_renewals_are_spread() -> Result<()> {
    let mut many = Many::start(TUNNELS)?;
    let took = many.wait_up(60)?;
    let [hub, spoke] = many.load()?;
    let due: Vec<u64> = many.renewals()?.into_iter().map(|(seconds, _)| seconds).collect();
    tell(&format!("{TUNNELS} tunnels: up after {took:.1?}; hub {hub:?}; spoke {spoke:?}"));
    let (first, last) = (due.iter().min().copied().unwrap_or(0), due.iter().max().copied().unwrap_or(0));
    // The margin is 270 s, enlarged by up to as much again.
    ensure(last - first > 135, "renewals are spread over minutes", || format!("{first} to {last} s"))?;
    let crowded = due.iter().map(|one| due.iter().filter(|other| *other == one).count()).max().unwrap_or(0);
    ensure(crowded <= usize::from(TUNNELS) / 10, "few are due in the same second", || format!("{crowded}"))?;
    for load in [hub, spoke] {
        ensure(load.usage.resident_kib < MOST_KIB_PER_TUNNEL * u64::from(TUNNELS), "memory", || format!("{load:?}"))?;
    }
    many.stop().map(drop)
}
