//! The tables beside the examples: what becomes of every row of the documents, and the list of all rules.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Code;

/// How many rows each document has.
const ROWS: [u16; 5] = [60, 25, 26, 21, 22];

const WORDS: [&str; 6] = ["enforced", "applied", "reported", "documented", "open", "out of scope"];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs").join(name)
}

/// Row, what it says, what is done.
fn table() -> Vec<(String, String, String)> {
    let text = fs::read_to_string(path("documents.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| S"));
    rows.map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        let [row, says, does] = cells.try_into().unwrap_or_else(|cells| panic!("{cells:?}"));
        (row, says, does)
    })
    .collect()
}

#[test]
fn every_row_of_every_document_is_in_the_table_once_and_in_order() {
    let rows: Vec<_> = table().into_iter().map(|(row, _, _)| row).collect();
    let expected =
        (0..).zip(ROWS).flat_map(|(document, rows)| (1..=rows).map(move |row| format!("S{document}-{row:02}")));
    assert_eq!(rows, expected.collect::<Vec<_>>());
}

#[test]
fn each_row_says_what_is_done_and_gives_its_reason() {
    for (row, says, does) in table() {
        assert!(says.len() > 10, "{row}");
        let parts = does.split("; ").filter(|part| WORDS.iter().any(|word| part.starts_with(word)));
        assert!(parts.count() > 0 && WORDS.iter().any(|word| does.starts_with(word)), "{row}: {does}");
        if does.starts_with("out of scope") || does.starts_with("open") {
            assert!(does.split_once(": ").is_some_and(|(_, reason)| reason.len() > 10), "{row}: {does}");
        }
        if does.contains("enforced") {
            assert!(does.contains("QS"), "{row}: {does}");
        }
    }
}

#[test]
fn codes_in_the_table_exist_and_rules_from_a_row_are_named_there() {
    let table = table();
    for (row, _, does) in &table {
        for word in does.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.starts_with("QS")) {
            assert!(Code::ALL.iter().any(|code| code.as_str() == word), "{row}: {word}");
        }
    }
    for code in Code::ALL.iter().filter(|code| code.as_str() < "QS1000") {
        let number: u16 = code.as_str()[2..].parse().unwrap();
        let of = format!("S{}-{:02}", number / 100, number % 100);
        let (_, _, does) = table.iter().find(|(row, _, _)| *row == of).unwrap();
        assert!(does.contains(code.as_str()), "{of} does not name {code}");
    }
}

#[test]
fn rows_that_rules_refer_to_exist() {
    let rows: BTreeSet<_> = table().into_iter().map(|(row, _, _)| row).collect();
    for code in Code::ALL {
        let words = code.rule().unwrap().source.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        for row in words.filter(|word| word.len() == 5 && word.starts_with('S') && word.as_bytes()[2] == b'-') {
            assert!(rows.contains(row), "{code}: {row}");
        }
    }
}

fn list() -> String {
    let mut text = String::from(
        "# The rules of `quadspan check`\n\n`quadspan explain CODE` prints one of them. Written by a test; see `src/document/rules`.\n\n\
         | code | name | severity | what | why | what to do | from |\n|---|---|---|---|---|---|---|\n",
    );
    let mut codes = Code::ALL.to_vec();
    codes.sort_by_key(|code| code.as_str());
    for code in codes {
        let rule = code.rule().unwrap();
        let severity = rule.severity.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        let cells = [code.as_str(), code.name(), &severity, code.title(), &rule.why, &rule.remedy, &rule.source];
        writeln!(text, "| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | ")).unwrap();
    }
    text
}

/// `QUADSPAN_BLESS=1 cargo test -p config` writes the file anew.
#[test]
fn the_list_of_rules_in_configs_is_the_one_made_here() {
    let path = path("rules.md");
    if std::env::var_os("QUADSPAN_BLESS").is_some() {
        fs::write(&path, list()).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), list(), "run it again with QUADSPAN_BLESS=1");
}
