//! What is done with the files of any importer: what is accepted passes the check and holds no key, what is refused
//! says where and what to do.

use std::path::{Component, Path};

use import::{Format, Input, Options, import};

/// Part of every invented key of the samples.
const KEY: &str = "nvented.Key";

/// Reads octets as `format`, or as whatever they look like; with a route into tunnels without BGP, and as they are.
pub(super) fn judge(format: Option<Format>, octets: &[u8]) {
    let bare =
        Options { router_id: Some([10, 1, 0, 1].into()), local: Some([192, 0, 2, 10].into()), ..Options::default() };
    let routed = Options { remote_networks: "10.2.0.0/16".parse().into_iter().collect(), ..bare.clone() };
    judge_with(format, octets, &routed);
    judge_with(format, octets, &bare);
}

fn judge_with(format: Option<Format>, octets: &[u8], options: &Options) {
    match import(format, &[Input { name: "fuzz", octets }], options) {
        Ok(imported) => {
            assert!(!imported.site.tunnels.is_empty(), "accepted without a tunnel");
            assert!(!imported.yaml.contains(KEY), "a key is in the configuration");
            for key in &imported.keys {
                let parts: Vec<_> = Path::new(&key.path).components().collect();
                let inside = matches!(parts[..], [Component::Normal(folder), Component::Normal(_)] if folder == "keys");
                assert!(inside, "{}", key.path);
            }
            for note in &imported.notes {
                assert!(!note.what.chars().chain(note.text.chars()).any(char::is_control), "{note:?}");
            }
        }
        Err(error) => assert!(!error.to_string().is_empty() && !error.remedy().is_empty(), "{error}"),
    }
}
