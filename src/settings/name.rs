//! Names of routers, tunnels, connections and pools: as they may stand in logs, metric labels and paths.

/// Characters of the longest name.
pub const LONGEST_NAME: usize = 32;

/// Whether `text` is one.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.len() <= LONGEST_NAME && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is_allowed)
}

/// A name made of any text: what no name has becomes `-`, and what is too long is cut; `tunnel` where nothing is left.
#[must_use]
pub fn name_of(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars().map(|c| if is_allowed(c) { c } else { '-' }) {
        let begins = c.is_ascii_alphanumeric();
        if begins || !(name.is_empty() || c == '-' && name.ends_with('-')) {
            name.push(c);
        }
    }
    name.truncate(LONGEST_NAME);
    let trimmed = name.trim_end_matches(['-', '.']);
    if trimmed.is_empty() { "tunnel".to_owned() } else { trimmed.to_owned() }
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_become_ones_that_files_and_configurations_take() {
        let names = ["vgw-1a2b Tunnel1", "../../etc/passwd", "", "..", "a b", "日本", "_x -.y."].map(name_of);
        assert_eq!(names, ["vgw-1a2b-Tunnel1", "etc-passwd", "tunnel", "tunnel", "a-b", "tunnel", "x-.y"]);
    }

    proptest! {
        #[test]
        fn whatever_a_name_is_made_of_it_is_one(text in ".{0,80}") {
            prop_assert!(is_name(&name_of(&text)), "{}", name_of(&text));
        }

        #[test]
        fn a_name_stays_what_it_is(name in "[A-Za-z0-9]([A-Za-z0-9_.]{0,20}[A-Za-z0-9_])?") {
            prop_assert_eq!(name_of(&name), name);
        }
    }
}
