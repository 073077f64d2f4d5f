//! Whatever the text is: no panic, no secret shown, and every finding has a place in it.

use proptest::prelude::*;

use super::{GOOD, changed, check, rendered};

fn sound(text: &str) {
    let diagnostics = match check(text) {
        Ok(loaded) => loaded.warnings,
        Err(report) => {
            assert!(!report.diagnostics().is_empty(), "refused without a reason");
            report.diagnostics().to_vec()
        }
    };
    for diagnostic in diagnostics {
        assert!(diagnostic.line() >= 1 && diagnostic.column() >= 1);
        assert!(!diagnostic.remedy().is_empty(), "{diagnostic} has no remedy");
        assert!(!diagnostic.render(false).is_empty());
    }
}

proptest! {
    #[test]
    fn arbitrary_text_is_answered(text in ".{0,200}") {
        sound(&text);
    }

    #[test]
    fn arbitrary_yaml_like_text_is_answered(text in "([a-z]{1,3}|[ \n:\\-{}\\[\\],&*!|>'\"#%@`?]|router|tunnels|psk|<<){0,60}") {
        sound(&text);
    }

    #[test]
    fn a_damaged_configuration_is_answered(at in 0..GOOD.len(), cut in 0..20_usize, insert in "[ -~\n]{0,6}") {
        let end = (at + cut).min(GOOD.len());
        sound(&format!("{}{insert}{}", &GOOD[..at], &GOOD[end..]));
    }

    #[test]
    fn any_scalar_at_any_place_is_answered(place in 0..PLACES.len(), value in "[0-9a-f.:/ smh-]{0,24}") {
        let (from, to) = PLACES[place];
        sound(&changed(GOOD, from, &to.replace('@', &value)));
    }
}

const PLACES: [(&str, &str); 8] = [
    ("65000", "'@'"),
    ("10.1.0.1", "'@'"),
    ("10.1.0.0/16", "'@'"),
    ("64512", "64512, hold-time: '@', keepalive: '@', import: ['@']"),
    ("203.0.113.11", "'@'"),
    ("169.254.21.0/30", "'@'"),
    ("169.254.21.0/30", "{local: '@', peer: '@'}"),
    ("169.254.21.0/30", "169.254.21.0/30\n    esp: {lifetime: '@', bytes: '@', proposals: ['@']}"),
];

#[test]
fn aliases_that_multiply_are_refused() {
    let mut text = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = level - 1;
        text += &format!("a{level}: &a{level} [*a{below}, *a{below}, *a{below}, *a{below}, *a{below}, *a{below}]\n");
    }
    sound(&text);
}

#[test]
fn deep_nesting_is_refused() {
    for open in ["[", "{a: ", "- ", "? "] {
        sound(&open.repeat(20_000));
    }
}

#[test]
fn a_huge_text_is_refused() {
    sound(&"#".repeat(2 << 20));
}

#[test]
fn no_rendering_shows_a_secret() {
    for psk in [
        "psk: {inline: hunter2hunter2}",
        "psk: hunter2hunter2",
        "psk: {inlin: hunter2hunter2}",
        "psk: {file: a, inline: hunter2hunter2}",
        "psk: [hunter2hunter2]",
        "pre_shared_key: hunter2hunter2",
        "ppk: hunter2hunter2",
        "ppk: {id: a, key: hunter2hunter2}",
        "ppk: {id: a, inline: hunter2hunter2}",
        "ppk: [{id: hunter2hunter2}]",
        "Password: hunter2hunter2",
        "psk: {inline: {a: hunter2hunter2}}",
        "psk: {inline: hunter2hunter2",
        "psk:\n    inline: |\n      hunter2hunter2\n  : [",
        "psk: {inline: hunter2hunter2, inline: hunter2hunter2}",
    ] {
        let text = changed(GOOD, "psk: {file: good.psk}", psk);
        let shown = rendered(&text) + &format!("{:?}", check(&text));
        assert!(shown.contains("QS1"), "{psk}");
        assert!(!shown.contains("hunter2"), "{psk}\n{shown}");
    }
}
