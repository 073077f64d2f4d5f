//! Sections of swanctl.conf that stand on others: `conn : defaults, more { .. }`.
//!
//! ```text
//!   defaults { a = 1  x { b = 2 } }        conn { a = 1  x { b = 3 }  c = 4 }
//!   conn : defaults { x { b = 3 } c = 4 }
//! ```
//!
//! Names are those of whole paths (`connections.conn`). Of several the later counts, and what a section says itself
//! counts most; sections in sections are merged likewise.

use super::blocks::{MAX_DEPTH, Section};
use super::text::Text;
use crate::ImportError;
use crate::note::{Notes, shown};

/// Sections made in all; no real file comes near.
const MOST: usize = 20_000;

/// The tree with everything in its place. Sections outside `connections` and `secrets` that others stand on are gone.
pub(super) fn follow(root: Section, file: &Text, notes: &mut Notes) -> Result<Section, ImportError> {
    let mut work = Work { root: &root, file, notes, made: 0, used: Vec::new() };
    let mut whole = Section::default();
    whole.pairs.extend(root.pairs.iter().cloned());
    for section in &root.sections {
        let section = work.made(section, 0)?;
        whole.sections.push(section);
    }
    let used = work.used;
    whole.sections.retain(|section| !used.contains(&section.name));
    Ok(whole)
}

struct Work<'a> {
    root: &'a Section,
    file: &'a Text,
    notes: &'a mut Notes,
    made: usize,
    used: Vec<String>,
}

impl Work<'_> {
    fn made(&mut self, section: &Section, depth: usize) -> Result<Section, ImportError> {
        let place = self.file.place(section.line);
        self.made += 1;
        // One that stands on itself never ends.
        if depth > MAX_DEPTH || self.made > MOST {
            return Err(ImportError::TooDeep { place, limit: MAX_DEPTH });
        }
        let mut whole = Section { name: section.name.clone(), line: section.line, ..Section::default() };
        for path in &section.parents {
            match find(self.root, path) {
                Some(parent) => {
                    self.used.extend(path.split('.').next().filter(|name| !OWN.contains(name)).map(str::to_owned));
                    let parent = self.made(parent, depth + 1)?;
                    merge(&mut whole, parent);
                }
                None => {
                    let what = format!("{} : {}", shown(&section.name), shown(path));
                    self.notes.unmapped(
                        &place,
                        what,
                        "there is no section of this name in the files: give that one, too",
                    );
                }
            }
        }
        let mut own = Section { pairs: section.pairs.clone(), ..Section::default() };
        for inner in &section.sections {
            own.sections.push(self.made(inner, depth + 1)?);
        }
        merge(&mut whole, own);
        Ok(whole)
    }
}

/// What has a meaning by itself.
const OWN: [&str; 2] = ["connections", "secrets"];

fn find<'a>(root: &'a Section, path: &str) -> Option<&'a Section> {
    path.split('.').try_fold(root, |at, name| at.sections.iter().find(|section| section.name == name))
}

/// Puts one section over another.
fn merge(under: &mut Section, over: Section) {
    for pair in over.pairs {
        match under.pairs.iter_mut().find(|known| known.key == pair.key) {
            Some(known) => *known = pair,
            None => under.pairs.push(pair),
        }
    }
    for section in over.sections {
        match under.sections.iter_mut().find(|known| known.name == section.name) {
            Some(known) => {
                known.line = section.line;
                merge(known, section);
            }
            None => under.sections.push(section),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Input, blocks};
    use super::*;

    fn read(text: &str) -> Result<(Section, usize), String> {
        let file = Text::decode(&Input { name: "f", octets: text.as_bytes() }).unwrap();
        let mut notes = Notes::default();
        let root = blocks::parse(&file, &mut notes).map_err(|error| error.to_string());
        let root = root.and_then(|root| follow(root, &file, &mut notes).map_err(|error| error.to_string()))?;
        Ok((root, notes.into_list().len()))
    }

    #[test]
    fn what_is_said_last_and_nearest_counts() {
        let (root, notes) = read(
            "one { a = 1\n b = 1\n x { c = 1\n d = 1 } }\ntwo { b = 2 }\n\
             connections { base { e = 0 }\n conn : one, two, connections.base { x { d = 3 } } }\n",
        )
        .unwrap();
        let [connections] = root.sections.as_slice() else { panic!("what is stood on has no meaning by itself") };
        let conn = &connections.sections[1];
        let pairs = |section: &Section| -> Vec<_> {
            section.pairs.iter().map(|pair| format!("{}={}", pair.key, pair.text)).collect()
        };
        assert_eq!(pairs(conn), ["a=1", "b=2", "e=0"]);
        assert_eq!((pairs(&conn.sections[0]), notes), (vec!["c=1".to_owned(), "d=3".to_owned()], 0));
    }

    #[test]
    fn what_is_not_there_is_told_and_what_never_ends_is_refused() {
        assert_eq!(read("connections { a : b.c { d = 1 } }").unwrap().1, 1);
        assert!(read("a : a { b = 1 }").err().unwrap().contains("nested more than"));
        assert!(read("a : b { }\nb : a { }").err().unwrap().contains("nested more than"));
        let doubling: String = (0..16).fold("s0 { x = 1 }\n".to_owned(), |text, n| {
            format!("{text}s{0} {{ p : s{n} {{ }}\n q : s{n} {{ }}\n r : s{n} {{ }}\n t : s{n} {{ }} }}\n", n + 1)
        });
        assert!(read(&doubling).err().unwrap().contains("nested more than"));
    }
}
