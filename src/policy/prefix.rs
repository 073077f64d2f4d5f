//! Prefix lists: lines of a covering prefix and bounds of length; the first that matches decides.
//!
//! Short lists are searched line by line. Long ones are put into a trie by their covering prefix: only lines whose
//! prefix covers the one asked for are looked at, at most one node per bit of its length.

use std::fmt;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use prefix_trie::joint::JointPrefixMap;

/// Lists longer than this get a trie.
const LINEAR: usize = 16;

/// One line of a prefix list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixRule {
    /// Accept or refuse.
    pub action: RuleAction,
    /// Covering prefix.
    pub prefix: IpNet,
    /// Shortest length that matches.
    pub min_len: u8,
    /// Longest length that matches.
    pub max_len: u8,
}

/// What a matching line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// Accept.
    Permit,
    /// Refuse.
    Deny,
}

impl PrefixRule {
    /// Whether the line is about `prefix`.
    #[must_use]
    pub fn matches(&self, prefix: &IpNet) -> bool {
        self.lengths().contains(&prefix.prefix_len()) && self.prefix.contains(prefix)
    }

    /// Whether every prefix that `other` matches is matched by this, too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.prefix.contains(&other.prefix) && self.min_len <= other.min_len && other.max_len <= self.max_len
    }

    /// Whether it matches the default route and nothing else.
    #[must_use]
    pub fn names_default(&self) -> bool {
        self.prefix.prefix_len() == 0 && self.max_len == 0
    }

    const fn lengths(&self) -> RangeInclusive<u8> {
        self.min_len..=self.max_len
    }
}

/// As in a configuration: `deny 10.0.0.0/8 ge 16 le 24`.
impl fmt::Display for PrefixRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.action {
            RuleAction::Permit => {}
            RuleAction::Deny => f.write_str("deny ")?,
        }
        self.prefix.fmt(f)?;
        let own = self.prefix.prefix_len();
        if self.min_len != own {
            write!(f, " ge {}", self.min_len)?;
        }
        let open = self.min_len != own && self.max_len == self.prefix.max_prefix_len();
        if self.max_len != own && !open { write!(f, " le {}", self.max_len) } else { Ok(()) }
    }
}

/// What a list says of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixVerdict {
    /// A line permits it.
    Permit {
        /// Which, from zero.
        line: usize,
    },
    /// A line denies it.
    Deny {
        /// Which, from zero.
        line: usize,
    },
    /// No line is about it.
    NoMatch,
}

/// Lines in order.
#[derive(Clone, Debug, Default)]
pub struct PrefixList {
    lines: Vec<PrefixRule>,
    /// Numbers of lines by covering prefix, ascending.
    index: Option<Box<JointPrefixMap<IpNet, Vec<usize>>>>,
}

impl PrefixList {
    /// From its lines.
    #[must_use]
    pub fn new(lines: Vec<PrefixRule>) -> Self {
        let index = (lines.len() > LINEAR).then(|| {
            let mut index: JointPrefixMap<IpNet, Vec<usize>> = JointPrefixMap::default();
            for (at, line) in lines.iter().enumerate() {
                match index.get_mut(&line.prefix) {
                    Some(known) => known.push(at),
                    None => drop(index.insert(line.prefix, vec![at])),
                }
            }
            Box::new(index)
        });
        Self { lines, index }
    }

    /// The lines.
    #[must_use]
    pub fn lines(&self) -> &[PrefixRule] {
        &self.lines
    }

    /// The first line that matches decides.
    #[must_use]
    pub fn consult(&self, prefix: &IpNet) -> PrefixVerdict {
        let found = match &self.index {
            None => self.lines.iter().position(|line| line.matches(prefix)),
            Some(index) => self.search(index, prefix),
        };
        match found.map(|line| (line, self.lines[line].action)) {
            None => PrefixVerdict::NoMatch,
            Some((line, RuleAction::Permit)) => PrefixVerdict::Permit { line },
            Some((line, RuleAction::Deny)) => PrefixVerdict::Deny { line },
        }
    }

    fn search(&self, index: &JointPrefixMap<IpNet, Vec<usize>>, prefix: &IpNet) -> Option<usize> {
        let length = prefix.prefix_len();
        let first = |lines: &Vec<usize>| lines.iter().copied().find(|at| self.lines[*at].lengths().contains(&length));
        index.cover_values(prefix).filter_map(first).min()
    }
}

impl PartialEq for PrefixList {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines
    }
}

impl Eq for PrefixList {}

impl fmt::Display for PrefixList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, line) in self.lines.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            line.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(action: RuleAction, prefix: &str, min_len: u8, max_len: u8) -> PrefixRule {
        PrefixRule { action, prefix: prefix.parse().unwrap(), min_len, max_len }
    }

    #[test]
    fn the_first_matching_line_decides() {
        let list = PrefixList::new(vec![
            rule(RuleAction::Deny, "10.9.0.0/16", 16, 32),
            rule(RuleAction::Permit, "10.0.0.0/8", 16, 24),
            rule(RuleAction::Permit, "2001:db8::/32", 48, 64),
        ]);
        let table = [
            ("10.9.1.0/24", PrefixVerdict::Deny { line: 0 }),
            ("10.9.0.0/16", PrefixVerdict::Deny { line: 0 }),
            ("10.8.0.0/16", PrefixVerdict::Permit { line: 1 }),
            ("10.8.1.0/24", PrefixVerdict::Permit { line: 1 }),
            ("10.8.1.0/25", PrefixVerdict::NoMatch),
            ("10.0.0.0/8", PrefixVerdict::NoMatch),
            ("11.0.0.0/16", PrefixVerdict::NoMatch),
            ("2001:db8:1::/48", PrefixVerdict::Permit { line: 2 }),
            ("2001:db9:1::/48", PrefixVerdict::NoMatch),
        ];
        for (prefix, expected) in table {
            assert_eq!(list.consult(&prefix.parse().unwrap()), expected, "{prefix}");
        }
        assert_eq!(PrefixList::default().consult(&"10.0.0.0/8".parse().unwrap()), PrefixVerdict::NoMatch);
    }

    #[test]
    fn lines_are_shown_as_they_are_written() {
        let cases = [
            (rule(RuleAction::Permit, "10.2.0.0/16", 16, 16), "10.2.0.0/16"),
            (rule(RuleAction::Deny, "10.0.0.0/8", 8, 24), "deny 10.0.0.0/8 le 24"),
            (rule(RuleAction::Permit, "10.0.0.0/8", 16, 24), "10.0.0.0/8 ge 16 le 24"),
            (rule(RuleAction::Permit, "0.0.0.0/0", 1, 32), "0.0.0.0/0 ge 1"),
            (rule(RuleAction::Permit, "fd00::/8", 8, 128), "fd00::/8 le 128"),
        ];
        for (rule, text) in cases {
            assert_eq!(rule.to_string(), text);
        }
    }

    #[test]
    fn a_line_covers_what_it_matches_more_of() {
        let wide = rule(RuleAction::Permit, "10.0.0.0/8", 8, 24);
        assert!(wide.covers(&rule(RuleAction::Deny, "10.9.0.0/16", 16, 24)));
        assert!(!wide.covers(&rule(RuleAction::Deny, "10.9.0.0/16", 16, 25)));
        assert!(!wide.covers(&rule(RuleAction::Deny, "0.0.0.0/0", 8, 24)));
        assert!(!wide.covers(&rule(RuleAction::Deny, "2001:db8::/32", 32, 32)));
    }

    fn nets() -> impl Strategy<Value = IpNet> {
        let v4 = (0_u32..64, 0_u8..=32).prop_map(|(bits, len)| {
            IpNet::new(std::net::Ipv4Addr::from(bits << 26 | bits << 12).into(), len).unwrap().trunc()
        });
        let v6 = (0_u128..16, 0_u8..=128).prop_map(|(bits, len)| {
            IpNet::new(std::net::Ipv6Addr::from(bits << 124 | bits << 60).into(), len).unwrap().trunc()
        });
        prop_oneof![3 => v4, 1 => v6]
    }

    fn rules() -> impl Strategy<Value = PrefixRule> {
        (nets(), any::<bool>(), any::<u8>(), any::<u8>()).prop_map(|(prefix, permit, one, other)| {
            let (own, most) = (prefix.prefix_len(), prefix.max_prefix_len());
            let bound = |byte: u8| own + byte % (most - own + 1);
            let (min_len, max_len) = (bound(one).min(bound(other)), bound(one).max(bound(other)));
            let action = if permit { RuleAction::Permit } else { RuleAction::Deny };
            PrefixRule { action, prefix, min_len, max_len }
        })
    }

    proptest! {
        #[test]
        fn the_trie_says_what_a_search_by_line_says(
            lines in prop::collection::vec(rules(), LINEAR + 1..80),
            asked in prop::collection::vec(nets(), 1..40),
        ) {
            let list = PrefixList::new(lines.clone());
            prop_assert!(list.index.is_some());
            for prefix in asked {
                let expected = lines.iter().position(|line| line.matches(&prefix));
                let found = match list.consult(&prefix) {
                    PrefixVerdict::Permit { line } | PrefixVerdict::Deny { line } => Some(line),
                    PrefixVerdict::NoMatch => None,
                };
                prop_assert_eq!(found, expected, "{}", prefix);
            }
        }
    }
}
