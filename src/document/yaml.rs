//! YAML text to a tree: `serde_yaml` decides what a document means, `marks` says where it stands.
//!
//! ```text
//!   text --serde_yaml--> Value --+
//!     |                          +--> same structure? --> Node
//!     +-----marks------> Node ---+
//! ```
//!
//! The two readers implement different revisions of YAML. A document that they understand differently is refused:
//! nobody should have to know which of them was right.

use serde::de::DeserializeOwned;
use serde_yaml::Value;

use crate::code::Code;
use crate::diagnostic::Finding;
use crate::marks;
use crate::node::{Entry, Kind, Node};
use crate::source::Span;

/// Upper bound of a configuration in octets.
pub const MAX_TEXT: usize = 1 << 20;

/// The one document in `text`.
///
/// # Errors
///
/// What keeps the text from being a document, with its place.
pub fn read(text: &str) -> Result<Node, Vec<Finding>> {
    if text.len() > MAX_TEXT {
        return Err(vec![
            Finding::error(Code::TooLarge, Span::default(), format!("the text has more than {MAX_TEXT} octets"))
                .remedy("this is not a configuration of this program"),
        ]);
    }
    let value = match serde_yaml::from_str::<Value>(text) {
        Ok(value) => value,
        Err(error) => return Err(refused(text, &error)),
    };
    match marks::read(text)? {
        Some(node) if value != Value::Null => {
            agree(&node, &value).map_err(|finding| vec![finding])?;
            Ok(node)
        }
        Some(_) | None => Err(vec![
            Finding::error(Code::Empty, Span::default(), "the configuration is empty")
                .remedy("begin with a `router:` section; configs/ has examples"),
        ]),
    }
}

/// Reads a document that is no configuration: a profile, the pages of rules, a plan.
///
/// # Errors
///
/// What is wrong with it, in words.
pub fn document<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    if text.len() > MAX_TEXT {
        return Err(format!("the text has more than {MAX_TEXT} octets"));
    }
    serde_yaml::from_str(text).map_err(|error| error.to_string())
}

/// As `marks` puts it, which knows both places of a duplicate key; as `serde_yaml` puts it where that is stricter.
fn refused(text: &str, error: &serde_yaml::Error) -> Vec<Finding> {
    if let Err(findings) = marks::read(text) {
        return findings;
    }
    let at = error.location().map_or(0, |location| offset(text, location.line(), location.column()));
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or(&message);
    vec![marks::syntax(Span::new(at, at), message)]
}

fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = text.get(start..).unwrap_or_default();
    start + rest.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum::<usize>()
}

fn agree(node: &Node, value: &Value) -> Result<(), Finding> {
    match (&node.kind, value) {
        (Kind::Null, Value::Null) | (Kind::Scalar(_), Value::Bool(_) | Value::Number(_) | Value::String(_)) => Ok(()),
        (Kind::List(items), Value::Sequence(values)) if items.len() == values.len() => {
            items.iter().zip(values).try_for_each(|(item, value)| agree(item, value))
        }
        (Kind::Map(entries), Value::Mapping(values)) if entries.len() == values.len() => {
            entries.iter().zip(values).try_for_each(|(Entry { value: node, .. }, (_, value))| agree(node, value))
        }
        (_, Value::Tagged(_)) => Err(Finding::error(Code::YamlSyntax, node.span, "tags have no meaning here")
            .label("tagged")
            .remedy("remove the `!`; put text that must begin with one into quotes")),
        (Kind::Null | Kind::Scalar(_) | Kind::List(_) | Kind::Map(_), _) => {
            Err(Finding::error(Code::YamlSyntax, node.span, "this can be read in two ways")
                .label("means different things in YAML 1.1 and YAML 1.2")
                .remedy("put the text into quotes, or write it in block form"))
        }
    }
}
