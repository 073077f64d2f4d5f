//! YAML in, a checked configuration out; every mistake with its place, its reason and its remedy.
//!
//! ```text
//!  text --yaml--> Node --de--> schema::Document --resolve--> Drafts --lint--> Drafts --finish--> settings::Router
//!    |              |                |                |                |
//!    |              +-- syntax       +-- shape        +-- values       +-- what only shows between values
//!    +--> masked Source <----------------- Findings --------------------+--> Report, or warnings
//! ```
//!
//! No stage stops at its first finding, and a later stage looks at whatever the earlier ones could read, so that one
//! reading finds all there is to find. Nothing here changes anything: `quadspan check` is [`load`] and a printout.
//!
//! * [`load`] and [`parse`] are the way in, [`settings::Router`] is what comes out, [`Report`] what comes out otherwise.
//! * The room `document` reads text into fields and says what is wrong with them, `schema` is the file as written,
//!   `resolve` what each key means, `settings` what comes of it; `profile` is what is known about each cloud.
//! * `lint` is how it all fits together.

mod lint;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use resolve::Drafts;
use settings::Router;

pub use document::code::Code;
pub use document::diagnostic::{Diagnostic, Report, Severity};
pub use resolve::{FoundSecret, SecretError, SecretReference, SecretSource, SystemSecrets};

use document::diagnostic::{Finding, Findings};
use document::source::{self, Source, Span};
use document::{de, yaml};

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub router: Router,
    /// What somebody should look at, in order of position.
    pub warnings: Vec<Diagnostic>,
}

/// Reads and checks the configuration at `path`. Relative paths in it start at its folder.
///
/// # Errors
///
/// Everything that is wrong with it.
pub fn load(path: &Path) -> Result<Loaded, Report> {
    let name = path.display().to_string();
    let text = fs::read(path)
        .map_err(|error| error.to_string())
        .and_then(|octets| String::from_utf8(octets).map_err(|_| "it is not UTF-8".to_owned()))
        .map_err(|reason| unreadable(&name, &reason))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    parse(&name, &text, &SystemSecrets::new(folder))
}

/// Checks the configuration `text`, which diagnostics call `name`.
///
/// # Errors
///
/// Everything that is wrong with it.
pub fn parse(name: &str, text: &str, secrets: &dyn SecretSource) -> Result<Loaded, Report> {
    let findings = Findings::default();
    let (source, router) = match yaml::read(text) {
        Ok(node) => {
            let source = Source::masked(name, text, &node.secrets());
            let drafts = resolve::resolve(de::read(&node, &findings), secrets, &findings);
            (source, drafts.and_then(|drafts| linted(drafts, &findings)))
        }
        Err(syntax) => {
            syntax.into_iter().for_each(|finding| findings.push(finding));
            (Source::masked(name, text, &source::suspected_secrets(text)), None)
        }
    };
    let diagnostics = findings.into_diagnostics(&source);
    router.map(|router| Loaded { router, warnings: diagnostics.clone() }).ok_or_else(|| Report::new(name, diagnostics))
}

/// The configuration, if there is no error in it.
fn linted(drafts: Drafts, findings: &Findings) -> Option<Router> {
    lint::lint(&drafts, findings);
    if findings.has_errors() { None } else { drafts.finish() }
}

fn unreadable(name: &str, reason: &str) -> Report {
    let findings = Findings::default();
    findings.push(
        Finding::error(Code::Unreadable, Span::default(), format!("cannot read the configuration: {reason}"))
            .remedy("check the path and who may read it"),
    );
    Report::new(name, findings.into_diagnostics(&Source::masked(name, "", &[])))
}
