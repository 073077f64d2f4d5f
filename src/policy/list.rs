//! Named lists that conditions refer to.

use std::fmt;
use std::sync::Arc;

use bgp::AsPath;

use crate::{AsPathPattern, CommunityPattern, RuleAction};

/// A list, and its name if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<T> {
    /// As configured; none for a list written in place.
    pub name: Option<Arc<str>>,
    /// Shared by all that refer to it.
    pub list: Arc<T>,
}

impl<T> Named<T> {
    /// One written in place.
    #[must_use]
    pub fn inline(list: T) -> Self {
        Self { name: None, list: Arc::new(list) }
    }
}

impl<T: fmt::Display> fmt::Display for Named<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "[{}]", self.list),
        }
    }
}

/// One line of an AS path list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsPathLine {
    /// Whether paths that match are in the list.
    pub action: RuleAction,
    /// Which.
    pub pattern: AsPathPattern,
}

impl fmt::Display for AsPathLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.action {
            RuleAction::Permit => write!(f, "\"{}\"", self.pattern),
            RuleAction::Deny => write!(f, "\"deny {}\"", self.pattern),
        }
    }
}

/// Lines of patterns; the first that matches decides, no match is not in the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AsPathList(pub Vec<AsPathLine>);

impl AsPathList {
    /// Whether `path` is in the list.
    #[must_use]
    pub fn holds(&self, path: &AsPath) -> bool {
        self.0.iter().find(|line| line.pattern.matches(path)).is_some_and(|line| line.action == RuleAction::Permit)
    }
}

impl fmt::Display for AsPathList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_all(f, &self.0)
    }
}

/// Patterns of communities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommunityList(pub Vec<CommunityPattern>);

impl fmt::Display for CommunityList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_all(f, &self.0)
    }
}

/// All, with commas between.
pub(crate) fn write_all<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        item.fmt(f)?;
    }
    Ok(())
}
