//! The registry of codes.

use std::collections::BTreeSet;

use crate::Code;

#[test]
fn codes_that_the_documents_name_exist() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/documents.md");
    let text = std::fs::read_to_string(path).unwrap();
    let named: Vec<_> =
        text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.starts_with("QD")).collect();
    assert!(!named.is_empty(), "the documents name codes");
    let unknown: Vec<_> = named.into_iter().filter(|word| Code::find(word).is_none()).collect();
    assert_eq!(unknown, Vec::<&str>::new());
}

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
