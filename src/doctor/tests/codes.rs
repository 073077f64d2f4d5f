//! The registry of codes.

use std::collections::BTreeSet;

use crate::Code;

#[test]
fn codes_are_unique_ordered_and_say_something() {
    let ids: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert!(ids.is_sorted() && ids.iter().collect::<BTreeSet<_>>().len() == ids.len(), "{ids:?}");
    for code in Code::ALL {
        let id = code.as_str();
        assert!(id.len() == 6 && id.starts_with("QD") && id[2..].parse::<u16>().is_ok(), "{id}");
        assert_eq!(id[2..4].parse::<usize>().ok(), Some(code.rung() as usize + 1), "{id} is of its rung");
        assert!(!code.title().is_empty() && !code.cause().is_empty(), "{id}");
        assert_eq!(Code::find(&id.to_lowercase()), Some(*code));
    }
    assert_eq!(Code::find("QD9999"), None);
}
