//! Patterns against paths, and against a matcher that tries everything.

use proptest::prelude::*;

use super::*;

/// `1 2 {3,4}`.
fn path(text: &str) -> AsPath {
    let mut segments: Vec<AsPathSegment> = Vec::new();
    for word in text.split_whitespace() {
        if let Some(set) = word.strip_prefix('{') {
            let numbers = set.trim_end_matches('}').split(',').map(|n| Asn(n.parse().unwrap())).collect();
            segments.push(AsPathSegment::Set(numbers));
        } else {
            let asn = Asn(word.parse().unwrap());
            match segments.last_mut() {
                Some(AsPathSegment::Sequence(numbers)) => numbers.push(asn),
                Some(AsPathSegment::Set(_)) | None => segments.push(AsPathSegment::Sequence(vec![asn])),
            }
        }
    }
    AsPath(segments)
}

fn matches(pattern: &str, text: &str) -> bool {
    pattern.parse::<AsPathPattern>().unwrap().matches(&path(text))
}

#[test]
fn patterns_match_whole_numbers() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("^$", &[""], &["1"]),
        ("", &["", "1", "1 2"], &[]),
        (".*", &["", "1", "1 2"], &[]),
        (".+", &["1", "1 2"], &[""]),
        ("^64512$", &["64512"], &["", "64512 1", "1 64512", "164512"]),
        ("64512", &["64512", "1 64512", "64512 1", "1 64512 2"], &["164512", "6451", ""]),
        ("_64512_", &["64512", "1 64512", "64512 1", "1 64512 2"], &["164512", "6451", ""]),
        ("^64512_", &["64512", "64512 1"], &["1 64512"]),
        ("_65001$", &["65001", "1 65001"], &["65001 1"]),
        (
            "^64512 .* 65001$",
            &["64512 65001", "64512 1 65001", "64512 1 2 65001"],
            &["64512", "65001", "1 64512 65001"],
        ),
        ("^64512_.*_65001$", &["64512 65001", "64512 1 65001"], &["64512", "64512 65001 1"]),
        ("^64512_[0-9]+_65001$", &["64512 1 65001"], &["64512 65001", "64512 1 2 65001"]),
        ("^64512 [0-9]*$", &["64512", "64512 7"], &["64512 7 8"]),
        ("^[64512-65534 7]$", &["64512", "65000", "65534", "7"], &["64511", "65535", "8"]),
        ("^[64512-65534,7]$", &["7"], &["8"]),
        ("^[^64512-65534]$", &["1", "65535"], &["64512", "65000", ""]),
        ("^(1|2 3)+$", &["1", "2 3", "1 2 3 1", "2 3 2 3"], &["", "2", "3", "2 1"]),
        ("^1? 2* 3$", &["3", "1 3", "1 2 2 3", "2 3"], &["1", "1 1 3", ""]),
        ("^1|2$", &["1", "2"], &["1 2", "3"]),
        ("^(()|1)$", &["", "1"], &["2"]),
        ("^(1*)*$", &["", "1", "1 1 1"], &["1 2"]),
        ("^..$", &["1 2"], &["1", "1 2 3"]),
        ("^4294967295$", &["4294967295"], &["1"]),
    ];
    for (pattern, yes, no) in cases {
        for text in *yes {
            assert!(matches(pattern, text), "{pattern} does not match `{text}`");
        }
        for text in *no {
            assert!(!matches(pattern, text), "{pattern} matches `{text}`");
        }
    }
}

#[test]
fn a_set_is_one_hop_and_matches_by_any_member() {
    assert!(matches("^1 [3]$", "1 {2,3}"));
    assert!(!matches("^1 [4]$", "1 {2,3}"));
    assert!(!matches("^1 2 3$", "1 {2,3}"));
    assert!(matches("^1 . 5$", "1 {2,3} 5"));
    assert_eq!(hops(&path("1 {2,3} 5 6")), 4);
    assert_eq!((origin(&path("1 {2,3} 5 6")), origin(&path("1 {2,3}")), origin(&path(""))), (Some(Asn(6)), None, None));
}

#[test]
fn what_is_no_pattern_is_refused_with_the_reason() {
    let refused = |text: &str| text.parse::<AsPathPattern>().unwrap_err();
    let unexpected = |text: &str, found, at| PatternError::Unexpected { found, at, text: text.to_owned() };
    for (text, found, at) in [
        ("*", '*', 1),
        ("1**", '*', 3),
        ("^^1", '^', 2),
        ("1$2", '2', 3),
        ("(^|_)1", '^', 2),
        ("AS1", 'A', 1),
        ("1)", ')', 2),
        ("1{2}", '{', 2),
        ("[a]", 'a', 2),
        ("\u{fc}1", '\u{fc}', 1),
    ] {
        assert_eq!(refused(text), unexpected(text, found, at));
    }
    assert!(matches!(refused("(1"), PatternError::Unfinished { .. }));
    assert!(matches!(refused("[1"), PatternError::Unfinished { .. }));
    assert!(matches!(refused("[]"), PatternError::Unfinished { .. }));
    assert!(matches!(refused("6451[0-9]"), PatternError::PartOfNumber { .. }));
    assert!(matches!(refused("[0-9]51"), PatternError::PartOfNumber { .. }));
    assert!(matches!(refused("[2-1]"), PatternError::Backwards(_)));
    assert!(matches!(refused("4294967296"), PatternError::TooLarge { .. }));
}

#[test]
fn hostile_patterns_stop_at_the_limits() {
    let refused = |text: String| text.parse::<AsPathPattern>().unwrap_err();
    assert!(matches!(refused("1 ".repeat(300)), PatternError::TooLong { .. }));
    assert!(matches!(refused("(".repeat(100)), PatternError::TooDeep { .. }));
    assert!(matches!(refused("1.".repeat(150)), PatternError::TooManyStates { .. }));
    // What takes a matcher that goes back exponential time.
    let nested = format!("^{}1{}2$", "(".repeat(15), "*)".repeat(15));
    let long = path(&"1 ".repeat(20_000));
    assert!(!nested.parse::<AsPathPattern>().unwrap().matches(&long));
    let many = format!("^{}1$", "1?".repeat(60));
    assert!(!many.parse::<AsPathPattern>().unwrap().matches(&long));
}

/// A pattern as a tree, for a matcher that is plainly right.
#[derive(Clone, Debug)]
enum Tree {
    One(u32),
    Any,
    Row(Vec<Self>),
    Or(Vec<Self>),
    Star(Box<Self>),
}

impl Tree {
    fn text(&self) -> String {
        match self {
            Self::One(asn) => asn.to_string(),
            Self::Any => ".".to_owned(),
            Self::Row(parts) => parts.iter().map(|part| format!("({})", part.text())).collect::<Vec<_>>().join(" "),
            Self::Or(parts) => parts.iter().map(|part| format!("({})", part.text())).collect::<Vec<_>>().join("|"),
            Self::Star(part) => format!("({})*", part.text()),
        }
    }

    /// How many numbers from the start it can take.
    fn ends(&self, path: &[u32]) -> std::collections::BTreeSet<usize> {
        match self {
            Self::One(asn) => path.first().filter(|first| *first == asn).map(|_| 1).into_iter().collect(),
            Self::Any => path.first().map(|_| 1).into_iter().collect(),
            Self::Or(parts) => parts.iter().flat_map(|part| part.ends(path)).collect(),
            Self::Row(parts) => parts.iter().fold([0].into(), |starts, part| {
                starts.iter().flat_map(|at| part.ends(&path[*at..]).into_iter().map(move |more| at + more)).collect()
            }),
            Self::Star(part) => {
                let mut reached: std::collections::BTreeSet<usize> = [0].into();
                loop {
                    let more: Vec<usize> = reached
                        .iter()
                        .flat_map(|at| part.ends(&path[*at..]).into_iter().map(move |more| at + more))
                        .filter(|end| !reached.contains(end))
                        .collect();
                    if more.is_empty() {
                        return reached;
                    }
                    reached.extend(more);
                }
            }
        }
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![(1_u32..4).prop_map(Tree::One), Just(Tree::Any)];
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Tree::Row),
            prop::collection::vec(inner.clone(), 1..3).prop_map(Tree::Or),
            inner.prop_map(|part| Tree::Star(Box::new(part))),
        ]
    })
}

proptest! {
    #[test]
    fn the_automaton_says_what_trying_everything_says(tree in trees(), numbers in prop::collection::vec(1_u32..5, 0..7)) {
        let text = numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let tied = format!("^{}$", Tree::Row(vec![tree.clone()]).text());
        prop_assume!(tied.len() <= MAX_PATTERN);
        prop_assert_eq!(matches(&tied, &text), tree.ends(&numbers).contains(&numbers.len()), "{}", tied);
        let loose = tree.text();
        let anywhere = (0..=numbers.len()).any(|at| !tree.ends(&numbers[at..]).is_empty());
        prop_assert_eq!(matches(&loose, &text), anywhere, "{}", loose);
    }

    #[test]
    fn no_text_panics(text in "[0-9^$._|()*+? \\[\\],-]{0,40}|.{0,40}") {
        if let Ok(pattern) = text.parse::<AsPathPattern>() {
            let _ = pattern.matches(&path("1 2 {3,4} 5"));
        }
    }
}
