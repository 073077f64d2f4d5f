//! The files of a plan: for each side our configuration in its place and, where a cloud can be told, what it is to be
//! given; the keys, the plan itself and its table.

use config::{FoundSecret, SecretError, SecretReference, SecretSource};
use profile::Profile;
use wire::Secret;

use super::matrix::Matrix;
use super::{PlanError, texts};
use crate::export::{Artifact, Options, Target, export};

/// One file, by its path below the folder of the plan.
pub enum PlanFile {
    /// Nothing secret.
    Text(String, String),
    /// A key: mode 0600.
    Key(String, Secret),
    /// Part of an export, which knows whether it holds a key.
    Export(String, Artifact),
}

/// All files of a plan.
pub struct PlanFiles {
    /// The files.
    pub files: Vec<PlanFile>,
    /// What is to be known and done about them.
    pub notes: Vec<String>,
}

/// Writes a plan with one key per tunnel, in the order of its rows.
///
/// # Errors
///
/// [`PlanError::Keys`] if there is not one key per tunnel, [`PlanError::Export`] if a cloud cannot be told.
pub fn write(matrix: &Matrix, keys: &[Secret]) -> Result<PlanFiles, PlanError> {
    if keys.len() != matrix.rows.len() {
        return Err(PlanError::Keys { keys: keys.len(), tunnels: matrix.rows.len() });
    }
    let mut files = vec![
        PlanFile::Text("plan.yaml".to_owned(), texts::plan(matrix)),
        PlanFile::Text("plan.md".to_owned(), texts::page(matrix)),
    ];
    for (row, key) in matrix.rows.iter().zip(keys) {
        files.push(PlanFile::Key(format!("keys/{}", row.name), key.clone()));
    }
    let mut notes = Vec::new();
    for side in 0..2 {
        let text = texts::configuration(matrix, side);
        for part in exports(matrix, side, &text, keys, &mut notes)? {
            files.push(part);
        }
        files.push(PlanFile::Text(format!("{}.yaml", matrix.sides[side].name), text));
    }
    Ok(PlanFiles { files, notes })
}

/// What a cloud can be told in.
pub(super) const fn targets(profile: Profile) -> &'static [Target] {
    match profile {
        Profile::Aws | Profile::AwsTgw => &[Target::AwsCli, Target::AwsTerraform],
        Profile::Azure => &[Target::AzureCli, Target::AzureTerraform],
        Profile::Alibaba => &[Target::Alibaba],
        Profile::Gcp | Profile::Oci | Profile::Cloudflare | Profile::Generic => &[],
    }
}

/// What the other side's cloud is to be given, when our configuration `text` is in the place of `side`.
fn exports(
    matrix: &Matrix,
    side: usize,
    text: &str,
    keys: &[Secret],
    notes: &mut Vec<String>,
) -> Result<Vec<PlanFile>, PlanError> {
    let peer = &matrix.sides[1 - side];
    let targets = targets(peer.profile);
    if targets.is_empty() && peer.profile != Profile::Generic {
        notes.push(format!("{}: there is no export for it yet: type in what plan.md says", peer.name));
    }
    let source = Keys { matrix, keys };
    // `check` has read it: it loads.
    let Ok(loaded) = config::parse(&format!("{}.yaml", matrix.sides[side].name), text, &source) else {
        return Ok(Vec::new());
    };
    let mut files = Vec::new();
    for (target, group) in
        targets.iter().flat_map(|target| groups(matrix, *target).into_iter().map(|group| (*target, group)))
    {
        let options = Options { tunnels: group.tunnels, ..Options::default() };
        let exported = export(&loaded.router, target, &options)?;
        for artifact in exported.files {
            files.push(PlanFile::Export(format!("{}/{}{}", peer.name, target.as_str(), group.folder), artifact));
        }
        for note in exported.notes {
            let note = format!("{}: {note}", peer.name);
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    Ok(files)
}

struct Group {
    folder: String,
    tunnels: Vec<String>,
}

/// A connection of Alibaba has two tunnels; the others take all at once.
fn groups(matrix: &Matrix, target: Target) -> Vec<Group> {
    let names = |rows: &[super::Row]| rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
    if target != Target::Alibaba {
        return vec![Group { folder: String::new(), tunnels: names(&matrix.rows) }];
    }
    let pairs = (1..).zip(matrix.rows.chunks(2));
    pairs.map(|(number, rows)| Group { folder: format!("/connection-{number}"), tunnels: names(rows) }).collect()
}

/// The keys of the plan, by the paths that our configuration names.
struct Keys<'a> {
    matrix: &'a Matrix,
    keys: &'a [Secret],
}

impl SecretSource for Keys<'_> {
    fn unix_time(&self) -> u64 {
        0
    }

    fn fetch(&self, reference: &SecretReference) -> Result<FoundSecret, SecretError> {
        let SecretReference::File(path) = reference else { return Err(SecretError::NoCredentials) };
        let mut rows = self.matrix.rows.iter().zip(self.keys);
        let key = rows.find(|(row, _)| path.ends_with(&row.name)).map(|(_, key)| key);
        key.map(|key| FoundSecret { secret: key.clone(), mode: Some(0o600) }).ok_or(SecretError::NoCredentials)
    }
}
