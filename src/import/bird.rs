//! BIRD's configuration, as far as sessions and announced prefixes go: `protocol bgp`, `protocol static`, `router id`.
//!
//! Filters, functions and tables say how to judge routes; none of that has a translation, and all of it is told. What a
//! session takes from templates, and what `define` gives a name, is followed.

use super::strongswan::Speaker;
use super::text::{LineCounter, Text};
use super::value::{Value, shown_line};
use crate::note::{Notes, shown};
use crate::site::Site;
use crate::{ImportError, Place};

pub(super) fn read(
    file: &Text,
    site: &mut Site,
    speakers: &mut Vec<Speaker>,
    notes: &mut Notes,
) -> Result<(), ImportError> {
    let mut statements = parse(file)?;
    let constants = constants(&statements);
    substitute(&mut statements, &constants);
    let templates: Vec<&Statement> =
        statements.iter().filter(|it| it.words.starts_with(&["template".to_owned(), "bgp".to_owned()])).collect();
    for statement in &statements {
        let words: Vec<&str> = statement.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["router", "id", id] => {
                site.router_id = Some(Value::new("router id", id, statement.place.clone()).address4()?);
                notes.read(&statement.place, "router id", id);
            }
            ["protocol", "bgp", rest @ ..] => speakers.extend(bgp(statement, rest, &templates, notes)?),
            ["protocol", "static", ..] => fixed(statement, site, notes)?,
            // What the process does by itself.
            ["protocol", "device" | "kernel" | "direct", ..] | ["log", ..] | ["debug", ..] => {}
            [] | ["template", "bgp", ..] => {}
            ["define", name, ..] => {
                let name = name.split('=').next().unwrap_or_default();
                if constants.iter().any(|(known, _)| known == name) {
                    notes.read(&statement.place, "define", shown(name));
                } else {
                    notes.unmapped(
                        &statement.place,
                        format!("define {}", shown(name)),
                        "only single words are followed",
                    );
                }
            }
            _ => notes.unmapped(
                &statement.place,
                shown_line(&words.join(" ")),
                "how routes are judged is not translated",
            ),
        }
    }
    Ok(())
}

/// Words up to `;`, or up to a block that belongs to them.
struct Statement {
    words: Vec<String>,
    place: Place,
    block: Vec<Self>,
}

const MAX_DEPTH: usize = 16;

fn parse(file: &Text) -> Result<Vec<Statement>, ImportError> {
    let mut lines = LineCounter::new(&file.text);
    let mut open: Vec<Statement> = vec![Statement { words: Vec::new(), place: file.place(1), block: Vec::new() }];
    let mut current = Statement { words: Vec::new(), place: file.place(1), block: Vec::new() };
    for (offset, token) in tokens(&file.text) {
        let place = file.place(lines.line(offset));
        match token {
            "{" => {
                if open.len() > MAX_DEPTH {
                    return Err(ImportError::TooDeep { place, limit: MAX_DEPTH });
                }
                open.push(std::mem::replace(&mut current, Statement { words: Vec::new(), place, block: Vec::new() }));
            }
            "}" => {
                let Some(mut closed) = open.pop().filter(|_| !open.is_empty()) else {
                    let expected = "a block".to_owned();
                    return Err(ImportError::Syntax { place, expected, found: "`}` without one open".to_owned() });
                };
                let last = std::mem::replace(&mut current, Statement { words: Vec::new(), place, block: Vec::new() });
                if !last.words.is_empty() {
                    closed.block.push(last);
                }
                if let Some(parent) = open.last_mut() {
                    parent.block.push(closed);
                }
            }
            ";" => {
                let done = std::mem::replace(&mut current, Statement { words: Vec::new(), place, block: Vec::new() });
                if let Some(parent) = open.last_mut().filter(|_| !done.words.is_empty()) {
                    parent.block.push(done);
                }
            }
            word => {
                if current.words.is_empty() {
                    current.place = place;
                }
                current.words.push(word.to_owned());
            }
        }
    }
    if open.len() > 1 || !current.words.is_empty() {
        let place = file.place(lines.line(usize::MAX));
        let expected = "`;` or `}`".to_owned();
        return Err(ImportError::Syntax { place, expected, found: "the end of the file".to_owned() });
    }
    Ok(open.pop().map(|root| root.block).unwrap_or_default())
}

/// Words, braces and semicolons, without comments; a quoted text is one word.
fn tokens(text: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let c = rest.chars().next().unwrap_or(' ');
        let length = if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        } else if c == '#' {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        } else if rest.starts_with("/*") {
            at += rest.find("*/").map_or(rest.len(), |end| end + 2);
            continue;
        } else if matches!(c, '{' | '}' | ';') {
            1
        } else if c == '"' {
            rest[1..].find('"').map_or(rest.len(), |end| end + 2)
        } else {
            rest.find(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | ';' | '"' | '#')).unwrap_or(rest.len())
        };
        tokens.push((at, &rest[..length]));
        at += length;
    }
    tokens
}

/// A session, if it is one over IPv4 with one neighbour.
fn bgp(
    statement: &Statement,
    words: &[&str],
    templates: &[&Statement],
    notes: &mut Notes,
) -> Result<Option<Speaker>, ImportError> {
    let name = words.first().copied().filter(|word| *word != "from").unwrap_or("bgp").trim_matches('\'');
    let elsewhere = |inner: &&Statement| {
        let mut words = inner.words.iter().map(String::as_str);
        // `fe80::1%eth0`, `range 10.0.0.0/24`.
        words.next() == Some("neighbor") && words.next().is_some_and(|peer| peer == "range" || peer.contains(':'))
    };
    if let Some(inner) = statement.block.iter().find(elsewhere) {
        let what = format!("{name} {}", shown(&inner.words.join(" ")));
        notes.unmapped(&inner.place, what, "only sessions with one IPv4 neighbour are followed: this one is left out");
        return Ok(None);
    }
    let mut speaker = Speaker::new(name, statement.place.clone());
    take_over(&statement.words, 0, templates, &mut speaker, notes)?;
    body(statement, name, &mut speaker, notes)?;
    Ok(Some(speaker))
}

/// What the template that a session or a template names says, and before that what that one takes over.
fn take_over(
    words: &[String],
    depth: usize,
    templates: &[&Statement],
    speaker: &mut Speaker,
    notes: &mut Notes,
) -> Result<(), ImportError> {
    let Some(name) = words.iter().position(|word| word == "from").and_then(|at| words.get(at + 1)) else {
        return Ok(());
    };
    let is_named = |it: &&&Statement| it.words.get(2) == Some(name);
    match templates.iter().find(is_named).filter(|_| depth < MAX_DEPTH) {
        Some(template) => {
            take_over(&template.words, depth + 1, templates, speaker, notes)?;
            body(template, name, speaker, notes)
        }
        None => {
            let what = format!("{} from {}", speaker.name, shown(name));
            let place = speaker.place.clone();
            notes.unmapped(&place, what, "there is no template of this name in the files");
            Ok(())
        }
    }
}

/// What is written between the braces of a session or of a template.
fn body(statement: &Statement, name: &str, speaker: &mut Speaker, notes: &mut Notes) -> Result<(), ImportError> {
    for inner in &statement.block {
        let words: Vec<&str> = inner.words.iter().map(String::as_str).collect();
        if key(&words, inner, speaker)? {
            notes.read(&inner.place, format!("{name} {}", words[0]), shown(&words[1..].join(" ")));
        } else if matches!(words.as_slice(), ["ipv4" | "ipv6"]) {
            channel(inner, name, notes);
        } else {
            let what = format!("{name} {}", shown_line(&words.join(" ")));
            notes.unmapped(&inner.place, what, "has no meaning here");
        }
    }
    Ok(())
}

/// `define NAME = WORD;`, with or without blanks.
fn constants(statements: &[Statement]) -> Vec<(String, String)> {
    let constant = |statement: &Statement| {
        let words: Vec<&str> = statement.words.iter().map(String::as_str).collect();
        let text = match words.as_slice() {
            ["define", rest @ ..] if !rest.is_empty() => rest.concat(),
            _ => return None,
        };
        let (name, value) = text.split_once('=')?;
        let single = words.len() <= 4 && !value.is_empty() && !value.contains(['(', '[', '"']);
        single.then(|| (name.to_owned(), value.to_owned()))
    };
    statements.iter().filter_map(constant).collect()
}

/// Puts what constants stand for in their place.
fn substitute(statements: &mut [Statement], constants: &[(String, String)]) {
    for statement in statements {
        if statement.words.first().is_some_and(|word| word == "define") {
            continue;
        }
        for word in &mut statement.words {
            if let Some((_, value)) = constants.iter().find(|(name, _)| name == word) {
                word.clone_from(value);
            }
        }
        substitute(&mut statement.block, constants);
    }
}

/// Whether a statement of a session is one with a place here.
fn key(words: &[&str], statement: &Statement, speaker: &mut Speaker) -> Result<bool, ImportError> {
    let at = |key, text| Value::new(key, text, statement.place.clone());
    match words {
        ["local", "as", asn] => speaker.local_asn = Some(at("local as", *asn).asn()?),
        ["local", address] => speaker.local = Some(at("local", *address).address4()?),
        ["local", address, "as", asn] => {
            speaker.local = Some(at("local", *address).address4()?);
            speaker.local_asn = Some(at("local as", *asn).asn()?);
        }
        ["source", "address", address] => speaker.local = Some(at("source address", *address).address4()?),
        ["neighbor", address] => speaker.peer = Some(at("neighbor", *address).address4()?),
        ["neighbor", address, "as", asn] => {
            speaker.peer = Some(at("neighbor", *address).address4()?);
            speaker.session.asn = Some(at("neighbor as", *asn).asn()?);
        }
        ["neighbor", "as", asn] => speaker.session.asn = Some(at("neighbor as", *asn).asn()?),
        ["interface", name] => speaker.interface = Some(name.trim_matches('"').to_owned()),
        ["hold", "time", time] => speaker.session.hold_time = Some(at("hold time", *time).seconds()?),
        ["keepalive", "time", time] => speaker.session.keepalive = Some(at("keepalive time", *time).seconds()?),
        ["passive"] => speaker.session.passive = true,
        ["passive", text] => speaker.session.passive = at("passive", *text).boolean()?,
        // How the process goes about it anyway.
        ["direct"] | ["connect" | "error" | "startup", ..] | ["description", ..] => {}
        _ => return Ok(false),
    }
    Ok(true)
}

fn channel(statement: &Statement, name: &str, notes: &mut Notes) {
    for inner in &statement.block {
        let words: Vec<&str> = inner.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["import", "all"] | ["next", "hop", "self"] => {}
            _ => {
                let what = format!("{name} {} {}", statement.words.join(" "), shown(&words.join(" ")));
                notes.unmapped(
                    &inner.place,
                    what,
                    "how routes are judged is not translated: write `import` and `export`",
                );
            }
        }
    }
}

fn fixed(statement: &Statement, site: &mut Site, notes: &mut Notes) -> Result<(), ImportError> {
    for inner in &statement.block {
        let words: Vec<&str> = inner.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["route", prefix, "unreachable" | "blackhole" | "reject" | "prohibit"] => {
                site.networks.push(Value::new("route", prefix, inner.place.clone()).prefix()?);
                notes.read(&inner.place, "route", prefix);
            }
            ["ipv4" | "ipv6"] => {}
            _ => notes.unmapped(&inner.place, shown(&words.join(" ")), "is no prefix of this router's own"),
        }
    }
    Ok(())
}
