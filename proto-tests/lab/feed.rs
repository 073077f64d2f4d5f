//! A full table made up of whole cloth, in the proportions of the real one: lengths of prefixes, lengths of AS paths,
//! how many prefixes share a set of attributes, communities.
//!
//! The proportions are those that the public reports on the IPv4 table show: three prefixes in five are /24, one in a hundred
//! is shorter than /16; paths of three to six numbers are four in five; half of the routes carry communities, few of them
//! very many. The same seed and count give the same table.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use bgp::{AsPath, AsPathSegment, Attributes, Nlri, Origin};
use ipnet::{IpNet, Ipv4Net};
use wire::Asn;

/// How many of a thousand prefixes have which length.
const LENGTHS: [(u8, u32); 17] = [
    (24, 602),
    (23, 103),
    (22, 112),
    (21, 51),
    (20, 44),
    (19, 26),
    (18, 14),
    (17, 8),
    (16, 13),
    (15, 2),
    (14, 2),
    (13, 1),
    (12, 1),
    (11, 1),
    (10, 1),
    (25, 9),
    (32, 10),
];
/// How many of a thousand paths have how many numbers.
const PATHS: [(u8, u32); 10] =
    [(1, 4), (2, 56), (3, 244), (4, 320), (5, 196), (6, 94), (7, 44), (9, 24), (14, 14), (40, 4)];
/// How many of a thousand sets of attributes have how many communities.
const COMMUNITIES: [(u8, u32); 6] = [(0, 480), (2, 220), (5, 160), (9, 90), (20, 44), (80, 6)];
/// How many of a thousand sets are shared by how many prefixes.
const SHARED: [(u8, u32); 6] = [(1, 470), (2, 190), (4, 160), (8, 110), (20, 60), (100, 10)];

/// Prefixes with the same attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// As the sender of the table has them, without its own AS in front.
    pub attributes: Attributes,
    /// Each occurs once in the table.
    pub prefixes: Vec<Nlri>,
}

/// A table of so many prefixes.
#[must_use]
pub fn table(count: usize, seed: u64) -> Vec<Group> {
    let mut random = Random(seed);
    let mut known = BTreeSet::new();
    let mut groups = Vec::new();
    while known.len() < count {
        let shared = usize::from(random.pick(&SHARED)).min(count - known.len());
        let mut prefixes = Vec::with_capacity(shared);
        while prefixes.len() < shared {
            let prefix = prefix(&mut random);
            if known.insert(prefix) {
                prefixes.push(IpNet::V4(prefix).into());
            }
        }
        groups.push(Group { attributes: attributes(&mut random), prefixes });
    }
    groups
}

/// Other attributes for the same prefixes, as after a change of somebody's mind.
#[must_use]
pub fn changed(groups: &[Group], seed: u64) -> Vec<Group> {
    let mut random = Random(seed);
    groups.iter().map(|group| Group { attributes: attributes(&mut random), prefixes: group.prefixes.clone() }).collect()
}

/// Any that can be in the real table: no special block, and none that covers one.
fn prefix(random: &mut Random) -> Ipv4Net {
    loop {
        let length = random.pick(&LENGTHS);
        let address = Ipv4Addr::from_bits(random.below(u32::MAX));
        let net = Ipv4Net::new_assert(address, length).trunc();
        let special = ["0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.0.2.0/24", "198.51.100.0/24"];
        let touches = |block: &str| {
            let block: Ipv4Net = block.parse().unwrap_or_default();
            block.contains(&net) || net.contains(&block)
        };
        if net.network().octets()[0] < 224 && !special.into_iter().any(touches) {
            return net;
        }
    }
}

fn attributes(random: &mut Random) -> Attributes {
    let hops = usize::from(random.pick(&PATHS));
    let mut path: Vec<Asn> = (0..hops).map(|_| asn(random)).collect();
    // The last ones of a long path are most often the same: somebody prepends.
    if let (true, Some(last)) = (hops > 6, path.last().copied()) {
        path.iter_mut().skip(3).for_each(|number| *number = last);
    }
    let mut segments = vec![AsPathSegment::Sequence(path)];
    if random.one_in(200) {
        segments.push(AsPathSegment::Set((0..3).map(|_| asn(random)).collect()));
    }
    let aggregated = random.one_in(12);
    let communities = usize::from(random.pick(&COMMUNITIES));
    let large = if random.one_in(5) { communities.min(6) } else { 0 };
    let mut attributes = Attributes {
        origin: match random.below(100) {
            0..90 => Origin::Igp,
            90 => Origin::Egp,
            _ => Origin::Incomplete,
        },
        as_path: AsPath(segments),
        med: random.one_in(3).then(|| random.below(1000)),
        // None of those that every router knows.
        communities: (0..communities).map(|_| random.below(0xffff_0000)).collect(),
        ..Attributes::default()
    };
    if aggregated {
        attributes.atomic_aggregate = random.one_in(2);
        attributes.aggregator = Some((asn(random), Ipv4Addr::from_bits(0x0100_0000 | random.below(1 << 24))));
    }
    if large > 0 {
        let one = |random: &mut Random| [asn(random).0, random.below(9), random.below(u32::MAX)];
        attributes.large_communities = (0..large).map(|_| one(random)).collect();
    }
    if random.one_in(20) {
        attributes.extended_communities = vec![[0, 2, 0x0d, 0x1c, 0, 0, 0, 1]];
    }
    attributes
}

/// A public number, one in three of four octets.
fn asn(random: &mut Random) -> Asn {
    Asn(if random.one_in(3) { 131_072 + random.below(270_000) } else { 1 + random.below(60_000) })
}

/// The same in every run.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let high = (mixed ^ (mixed >> 31)) >> 32;
        u32::try_from((high * u64::from(limit)) >> 32).unwrap_or(0)
    }

    fn one_in(&mut self, many: u32) -> bool {
        self.below(many) == 0
    }

    /// One of several, each with its share of a thousand.
    fn pick(&mut self, shares: &[(u8, u32)]) -> u8 {
        let mut at = self.below(shares.iter().map(|(_, share)| share).sum());
        for (value, share) in shares {
            match at.checked_sub(*share) {
                Some(rest) => at = rest,
                None => return *value,
            }
        }
        shares[0].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_table_and_every_prefix_is_there_once() {
        let groups = table(20_000, 7);
        assert_eq!(groups, table(20_000, 7));
        assert_ne!(groups, table(20_000, 8));
        let all: Vec<Nlri> = groups.iter().flat_map(|group| group.prefixes.clone()).collect();
        assert_eq!(all.iter().copied().collect::<BTreeSet<_>>().len(), 20_000);
        assert_eq!(all.len(), 20_000);
    }

    #[test]
    fn the_proportions_are_those_of_the_real_table() {
        let groups = table(20_000, 1);
        let share = |count: usize, of: usize| count * 1000 / of;
        let nets: Vec<IpNet> = groups.iter().flat_map(|group| &group.prefixes).map(|nlri| nlri.prefix).collect();
        let long = nets.iter().filter(|net| net.prefix_len() == 24).count();
        assert!((560..640).contains(&share(long, nets.len())), "{long} of {}", nets.len());
        assert!(nets.iter().any(|net| net.prefix_len() < 16) && nets.iter().any(|net| net.prefix_len() == 32));
        let sharing = nets.len() / groups.len();
        assert!((3..7).contains(&sharing), "{sharing} prefixes with each set of attributes");
        let tagged = groups.iter().filter(|group| !group.attributes.communities.is_empty()).count();
        assert!((450..600).contains(&share(tagged, groups.len())), "{tagged} of {}", groups.len());
    }
}
