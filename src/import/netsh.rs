//! `netsh advfirewall` scripts: `consec add rule`, `consec set rule ... new`, `set global mainmode` (S3-14, S3-15).
//!
//! `^` at the end of a line continues it; where a document runs lines together it stands between words. A rule is a
//! tunnel; it is the one of a section above if both end at the same address.

use settings::name_of;

use super::text::Text;
use super::value::{Value, shown_value};
use super::windows::{Common, Draft, main_lifetime, main_methods, quick_methods};
use crate::ImportError;
use crate::Place;
use crate::note::Notes;

pub(super) fn read(
    file: &Text,
    tunnels: &mut Vec<Draft>,
    common: &mut Common,
    notes: &mut Notes,
) -> Result<(), ImportError> {
    for command in commands(file)? {
        run(&command, tunnels, common, notes)?;
    }
    Ok(())
}

/// The words of one command, quotes resolved, each with its place.
struct Command {
    place: Place,
    words: Vec<(String, Place)>,
}

/// `Key=value` of a rule.
type Pair<'a> = (&'a str, &'a str, &'a Place);

/// Words of a command; no rule has nearly as many.
const MAX_WORDS: usize = 1_000;

fn commands(file: &Text) -> Result<Vec<Command>, ImportError> {
    let mut commands: Vec<Command> = Vec::new();
    let mut continues = false;
    for (place, line) in file.lines() {
        if !continues && !line.to_ascii_lowercase().contains("netsh ") {
            continue;
        }
        let words = split(line, &place)?;
        for word in words {
            if word.eq_ignore_ascii_case("netsh") {
                commands.push(Command { place: place.clone(), words: Vec::new() });
            } else if let Some(command) = commands.last_mut()
                && word != "^"
                && command.words.len() < MAX_WORDS
            {
                command.words.push((word, place.clone()));
            }
        }
        continues = line.ends_with('^');
    }
    Ok(commands)
}

fn split(line: &str, place: &Place) -> Result<Vec<String>, ImportError> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in line.chars() {
        match c {
            // The document's own typesetting turns quotes into curly ones now and then.
            '"' | '\u{201c}' | '\u{201d}' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if quoted {
        let expected = "a closing quote".to_owned();
        return Err(ImportError::Syntax { place: place.clone(), expected, found: "the end of the line".to_owned() });
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

fn run(command: &Command, tunnels: &mut Vec<Draft>, common: &mut Common, notes: &mut Notes) -> Result<(), ImportError> {
    let is_pair = |word: &&(String, Place)| word.0.contains('=');
    let verb: Vec<_> =
        command.words.iter().filter(|word| !is_pair(word)).map(|word| word.0.to_ascii_lowercase()).collect();
    let verb: Vec<&str> = verb.iter().map(String::as_str).collect();
    let pairs: Vec<Pair<'_>> = command
        .words
        .iter()
        .filter_map(|(word, place)| word.split_once('=').map(|(key, text)| (key, text, place)))
        .collect();
    match verb.as_slice() {
        ["advfirewall", "consec", "add", "rule"] => add(command, &pairs, tunnels, notes),
        ["advfirewall", "consec", "set", "rule", "new"] => change(command, &pairs, tunnels, notes),
        ["advfirewall", "set", "global", "mainmode", key, values @ ..] => {
            let text = values.join(" ");
            let value = Value::new(key, &text, command.place.clone());
            match *key {
                "mmsecmethods" => common.ike = main_methods(&value, notes)?,
                "mmkeylifetime" => common.ike_lifetime = main_lifetime(&value)?,
                _ => notes.unmapped(&command.place, *key, "has no meaning here"),
            }
            Ok(())
        }
        _ => {
            notes.unmapped(&command.place, format!("netsh {}", verb.join(" ")), "is not about a tunnel");
            Ok(())
        }
    }
}

fn add(command: &Command, pairs: &[Pair<'_>], tunnels: &mut Vec<Draft>, notes: &mut Notes) -> Result<(), ImportError> {
    let find = |key: &str| pairs.iter().find(|(name, ..)| name.eq_ignore_ascii_case(key)).map(|(_, text, _)| *text);
    let name = find("name").unwrap_or("tunnel");
    let remote = find("remotetunnelendpoint").and_then(|text| text.parse().ok());
    let known = tunnels
        .iter()
        .position(|draft| draft.tunnel.name == name_of(name) || (remote.is_some() && draft.tunnel.remote == remote));
    let draft = match known {
        Some(index) => &mut tunnels[index],
        None => {
            tunnels.push(Draft::new(name, command.place.clone()));
            tunnels.last_mut().expect("one was pushed")
        }
    };
    pairs.iter().try_for_each(|(key, text, place)| pair(draft, &Value::new(key, text, (*place).clone()), notes))
}

fn change(command: &Command, pairs: &[Pair<'_>], tunnels: &mut [Draft], notes: &mut Notes) -> Result<(), ImportError> {
    let name = pairs.iter().find(|(key, ..)| key.eq_ignore_ascii_case("name")).map(|(_, text, _)| name_of(text));
    let draft = tunnels.iter_mut().find(|draft| Some(&draft.tunnel.name) == name.as_ref());
    let Some(draft) = draft else {
        notes.unmapped(&command.place, "netsh consec set rule", "names no rule of this script");
        return Ok(());
    };
    pairs.iter().try_for_each(|(key, text, place)| pair(draft, &Value::new(key, text, (*place).clone()), notes))
}

fn pair(draft: &mut Draft, value: &Value<'_>, notes: &mut Notes) -> Result<(), ImportError> {
    let key = value.key.to_ascii_lowercase();
    let is = |text: &str| value.text.eq_ignore_ascii_case(text);
    let tunnel = &mut draft.tunnel;
    match key.as_str() {
        "name" => {}
        "localtunnelendpoint" => {
            // Behind a NAT this is the server's private address; the section has what AWS knows.
            let said = value.address_or_blank()?;
            if let (Some(ours), Some(public)) = (said, tunnel.local)
                && ours != public
            {
                tunnel.local_id = Some(public.into());
            }
            tunnel.local = said.or(tunnel.local);
        }
        "remotetunnelendpoint" => tunnel.remote = value.address_or_blank()?.or(tunnel.remote),
        "endpoint1" if !is("any") => networks(&mut tunnel.local_networks, value)?,
        "endpoint2" if !is("any") => networks(&mut tunnel.remote_networks, value)?,
        "auth1psk" => tunnel.psk = Some(value.secret()?),
        "qmsecmethods" => draft.quick.method = quick_methods(value, notes)?,
        "qmpfs" => draft.quick.group = Some(value.group()?),
        // What a tunnel of ours always is.
        "enable" if is("yes") => {}
        "profile" | "protocol" | "endpoint1" | "endpoint2" if is("any") => {}
        "type" if is("static") => {}
        "mode" if is("tunnel") => {}
        "action" if is("requireinclearout") => {}
        "auth1" if is("computerpsk") => {}
        "exemptipsecprotectedconnections" | "applyauthz" if is("no") => {}
        _ => {
            let what = format!("{} {}={}", tunnel.name, value.key, shown_value(value.key, value.text));
            notes.unmapped(&value.place, what, "has no meaning here");
            return Ok(());
        }
    }
    notes.read(&value.place, format!("{} {}", tunnel.name, value.key), shown_value(value.key, value.text));
    Ok(())
}

fn networks(networks: &mut Vec<ipnet::IpNet>, value: &Value<'_>) -> Result<(), ImportError> {
    let said = value.prefixes()?;
    if !said.is_empty() {
        *networks = said;
    }
    Ok(())
}
