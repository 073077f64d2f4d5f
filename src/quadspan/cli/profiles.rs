//! `quadspan profiles`: what is known about the gateways of each cloud, with the source of each fact.

use std::process::ExitCode;

use clap::Args;
use profile::Profile;
use serde_json::Value;

use super::refusal::refuse;
use super::{OutputFormat, print, render};

#[derive(Debug, Args)]
pub(super) struct ProfilesArgs {
    /// Only this profile, in full.
    name: Option<String>,
    /// How to answer.
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
    output: OutputFormat,
}

/// 0 if there is such a profile, 2 if not.
pub(super) fn run(args: &ProfilesArgs) -> ExitCode {
    let Some(name) = &args.name else {
        print(&match args.output {
            OutputFormat::Table => overview(),
            OutputFormat::Json => format!("{:#}", Value::Array(Profile::ALL.map(json).to_vec())),
        });
        return ExitCode::SUCCESS;
    };
    let Some(profile) = Profile::ALL.into_iter().find(|profile| profile.as_str() == name) else {
        let known = Profile::ALL.map(Profile::as_str).join(", ");
        refuse(args.output, &format!("there is no profile `{name}`"), &format!("choose one of {known}"));
        return ExitCode::from(2);
    };
    print(&match args.output {
        OutputFormat::Table => page(profile),
        OutputFormat::Json => format!("{:#}", json(profile)),
    });
    ExitCode::SUCCESS
}

/// The sheet with its name, keys as in every other answer.
fn json(profile: Profile) -> Value {
    let mut sheet = snake(profile.sheet());
    if let Some(sheet) = sheet.as_object_mut() {
        sheet.insert("profile".to_owned(), profile.as_str().into());
    }
    sheet
}

fn snake(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            members.into_iter().map(|(key, value)| (key.replace('-', "_"), snake(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(snake).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn overview() -> String {
    let mut table = render::plain(["PROFILE", "PEER", "SUITE", "HOLD TIME", "ROUTES OUT", "INSIDE LINKS"]);
    for profile in Profile::ALL {
        let facts = profile.facts();
        let fact = |section: &str, name: &str| {
            let found = facts.iter().find(|fact| fact.section == section && fact.name == name);
            found.map_or_else(|| "-".to_owned(), |fact| fact.value.clone())
        };
        let suite = fact("suites", "IKE, proposed");
        table.add_row([
            profile.as_str().to_owned(),
            profile.title().to_owned(),
            suite.split(' ').next().unwrap_or_default().to_owned(),
            fact("bgp", "hold time"),
            fact("routes", "out, at most"),
            fact("inside", "ranges"),
        ]);
    }
    format!("{table}\n\nquadspan profiles NAME tells all that is known, and where it is from.")
}

fn page(profile: Profile) -> String {
    let mut text = format!("{}: {}\n\n", profile.as_str(), profile.title());
    for note in profile.notes() {
        text.push_str(&format!("* {note}\n"));
    }
    let mut table = render::plain(["SECTION", "FACT", "VALUE"]);
    let mut sources = render::plain(["SECTION", "SOURCE"]);
    let mut section = "";
    for fact in profile.facts() {
        let first = fact.section != section;
        if first {
            section = fact.section;
            sources.add_row([fact.section, fact.source]);
        }
        table.add_row([if first { fact.section } else { "" }, fact.name, &fact.value]);
    }
    format!("{text}\n{table}\n\n{sources}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overview_has_every_profile_and_a_page_every_source() {
        let text = overview();
        for profile in Profile::ALL {
            assert!(text.contains(profile.title()), "{}", profile.as_str());
            let page = page(profile);
            for fact in profile.facts() {
                assert!(page.contains(fact.name), "{}: {}", profile.as_str(), fact.name);
            }
            assert!(page.contains("SOURCE"), "{page}");
        }
    }

    #[test]
    fn an_answer_in_json_says_all_in_keys_like_every_other() {
        fn keys(value: &Value) -> Vec<&str> {
            match value {
                Value::Object(members) => {
                    members.iter().flat_map(|(key, value)| [vec![&**key], keys(value)].concat()).collect()
                }
                Value::Array(items) => items.iter().flat_map(keys).collect(),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
            }
        }
        for profile in Profile::ALL {
            let value = json(profile);
            assert_eq!(value["profile"], profile.as_str());
            assert!(keys(&value).iter().all(|key| !key.contains('-')), "{:?}", keys(&value));
        }
        assert_eq!(json(Profile::Aws)["asn"]["cloud_default"], Profile::Aws.sheet()["asn"]["cloud-default"]);
        assert!(json(Profile::Aws)["asn"]["cloud_default"].is_number());
    }

    #[test]
    fn a_page_tells_the_rules_of_the_cloud() {
        let page = page(Profile::Azure);
        for part in ["169.254.21.0/24 169.254.22.0/24", "65517-65520", "only we", "1 to 128 printable", "45 s"] {
            assert!(page.contains(part), "{part} is not in\n{page}");
        }
    }
}
