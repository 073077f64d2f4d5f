//! A file to be handed out. Secrets are parts of their own, so that what goes to a terminal can go without them.

use std::fmt;

use wire::Secret;
use zeroize::Zeroizing;

use super::peer::Peer;
use super::quote::Quote;
use crate::ExportError;

/// Whether secrets are written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reveal {
    /// Into a file that nobody else can read, or because somebody insisted.
    Shown,
    /// A note stands in the place of each.
    Masked,
}

/// A file of an export.
#[derive(Clone)]
pub struct Artifact {
    name: String,
    parts: Vec<Part>,
}

#[derive(Clone)]
enum Part {
    Text(String),
    Secret { tunnel: String, text: Zeroizing<String> },
}

impl Artifact {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), parts: Vec::new() }
    }

    /// Its path below the folder of the export.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it must be closed to others: mode 0600.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Secret { .. }))
    }

    /// Whether it is a script.
    #[must_use]
    pub fn is_script(&self) -> bool {
        self.name.ends_with(".sh")
    }

    /// What is in it.
    #[must_use]
    pub fn text(&self, reveal: Reveal) -> Zeroizing<String> {
        let mut all = Zeroizing::new(String::new());
        for part in &self.parts {
            match (part, reveal) {
                (Part::Text(text), _) => all.push_str(text),
                (Part::Secret { text, .. }, Reveal::Shown) => all.push_str(text),
                (Part::Secret { tunnel, .. }, Reveal::Masked) => {
                    all.push_str("<pre-shared key of ");
                    all.push_str(tunnel);
                    all.push('>');
                }
            }
        }
        all
    }

    pub(super) fn line(&mut self, content: fmt::Arguments<'_>) {
        self.text_part(&format!("{content}\n"));
    }

    pub(super) fn part(&mut self, content: fmt::Arguments<'_>) {
        self.text_part(&content.to_string());
    }

    fn text_part(&mut self, text: &str) {
        match self.parts.last_mut() {
            Some(Part::Text(last)) => last.push_str(text),
            Some(Part::Secret { .. }) | None => self.parts.push(Part::Text(text.to_owned())),
        }
    }

    /// The key of a tunnel, as the target's syntax has it.
    pub(super) fn key(&mut self, peer: &Peer<'_>, quote: Quote) -> Result<(), ExportError> {
        let secret: &Secret = peer.psk()?;
        let text = quote.apply(secret).map_err(|reason| ExportError::Key {
            tunnel: peer.name().to_owned(),
            target: peer.target.title(),
            reason,
        })?;
        self.parts.push(Part::Secret { tunnel: peer.name().to_owned(), text });
        Ok(())
    }
}

/// Without secrets.
impl fmt::Debug for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Artifact").field("name", &self.name).field("text", &*self.text(Reveal::Masked)).finish()
    }
}

/// A line of an artifact, with arguments as `format!` has them.
macro_rules! line {
    ($artifact:expr) => { $artifact.line(format_args!("")) };
    ($artifact:expr, $($format:tt)*) => { $artifact.line(format_args!($($format)*)) };
}

pub(super) use line;
