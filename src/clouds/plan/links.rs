//! Which link each tunnel has, and which host of it each end.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::matrix::{Custom, Row};
use super::{PlanError, Side};
use profile::Profile;

/// The side, 0 or 1, that has the first host of every link (S4-07).
pub(super) fn first_host(sides: &[Side; 2]) -> Result<usize, PlanError> {
    // A profile speaks of the customer's host; the cloud has the other.
    let fixed = |side: &Side| {
        let ours = side.profile.takes_first_host().filter(|_| side.profile.leaves_no_choice_of_host());
        ours.map(|ours| !ours)
    };
    let wishes = [fixed(&sides[0]), fixed(&sides[1])];
    match wishes {
        [Some(one), Some(other)] if one == other => Err(PlanError::Hosts {
            clouds: [sides[0].profile, sides[1].profile],
            host: if one { "first" } else { "second" },
        }),
        [Some(one), _] => Ok(usize::from(!one)),
        [None, Some(other)] => Ok(usize::from(other)),
        [None, None] => Ok(1),
    }
}

/// The four tunnels, in the order of S4-04.
pub(super) fn rows(sides: &[Side; 2], first: usize, avoid: &[Ipv4Net]) -> Result<Vec<Row>, PlanError> {
    let mut taken = avoid.to_vec();
    let mut rows = Vec::new();
    for instance in 0..2_usize {
        for column in 0..2_u8 {
            let link = free(sides, column, &taken)
                .ok_or_else(|| PlanError::Links { clouds: [sides[0].profile, sides[1].profile] })?;
            taken.push(link);
            let endpoint = if sides[1].outside.len() == 4 { instance * 2 } else { 0 } + usize::from(column);
            rows.push(Row {
                name: format!("t{}-inst{instance}", column + 1),
                outside: [sides[0].outside[instance], sides[1].outside[endpoint]],
                inside: link,
                hosts: hosts(link, first),
                custom: None,
            });
        }
    }
    let custom = custom(sides, &rows);
    for (row, custom) in rows.iter_mut().zip(custom) {
        row.custom = custom;
    }
    Ok(rows)
}

fn hosts(link: Ipv4Net, first: usize) -> [Ipv4Addr; 2] {
    let step = u32::from(link.prefix_len() < 31);
    let host = |number: u32| Ipv4Addr::from_bits(link.network().to_bits().saturating_add(number + step));
    if first == 0 { [host(0), host(1)] } else { [host(1), host(0)] }
}

/// The lowest link that both clouds take: in 169.254.21.0/24 for the first column and in 169.254.22.0/24 for the second
/// where that is possible, so that a plan looks like the one everybody knows.
fn free(sides: &[Side; 2], column: u8, taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    let good = |link: &Ipv4Net| {
        sides.iter().all(|side| side.profile.takes_link(*link))
            && !taken.iter().any(|other| other.contains(link) || link.contains(other))
    };
    let usual = (0..64_u8).filter_map(|number| Ipv4Net::new([169, 254, 21 + column, number * 4].into(), 30).ok());
    let all = (0..=u16::MAX).step_by(4).filter_map(|number| {
        let [third, fourth] = number.to_be_bytes();
        Ipv4Net::new([169, 254, third, fourth].into(), 30).ok()
    });
    usual.chain(all).find(good)
}

/// S4-18: what each connection of an Azure gateway names; the instance that it does not end at gets the first address
/// of its list.
pub(super) fn custom(sides: &[Side; 2], rows: &[Row]) -> Vec<Option<Custom>> {
    let Some(azure) = sides.iter().position(|side| side.profile == Profile::Azure) else {
        return rows.iter().map(|_| None).collect();
    };
    let instances = &sides[azure].outside;
    let first = |instance: usize| {
        let of = rows.iter().find(|row| instances.get(instance) == Some(&row.outside[azure]));
        of.map(|row| row.hosts[azure])
    };
    let one = |row: &Row| {
        let own = row.hosts[azure];
        if instances.first() == Some(&row.outside[azure]) {
            Custom { primary: own, secondary: first(1).unwrap_or(own) }
        } else {
            Custom { primary: first(0).unwrap_or(own), secondary: own }
        }
    };
    rows.iter().map(|row| Some(one(row))).collect()
}
