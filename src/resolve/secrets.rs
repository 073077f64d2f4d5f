//! Where pre-shared keys and certificates come from. A configuration names them; a [`SecretSource`] fetches them.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use wire::Secret;

/// How a configuration refers to a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretReference {
    /// The content of a file; a relative path starts at the configuration's folder.
    File(PathBuf),
    /// An environment variable of the process.
    Env(String),
    /// A systemd credential (`LoadCredential=`), by its name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

/// A secret as found, line ending included.
#[derive(Clone, Debug)]
pub struct FoundSecret {
    /// The octets.
    pub secret: Secret,
    /// Permission bits of the file it was read from, if it was a file.
    pub mode: Option<u32>,
}

/// Why a secret could not be fetched. Never holds any of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The file could not be read.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// The file, resolved.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// More than [`MAX_SECRET`] octets: neither a key nor a certificate.
    #[error("{} is larger than {MAX_SECRET} octets", path.display())]
    TooLarge {
        /// The file, resolved.
        path: PathBuf,
    },
    /// No such environment variable.
    #[error("the environment variable `{name}` is not set")]
    Unset {
        /// Its name.
        name: String,
    },
    /// The process has no credentials.
    #[error("$CREDENTIALS_DIRECTORY is not set, so the process has no systemd credentials")]
    NoCredentials,
    /// The name could leave the folder of credentials.
    #[error("`{name}` is not the name of a credential")]
    CredentialName {
        /// The name given.
        name: String,
    },
}

/// Upper bound of a secret, a chain of certificates or a CRL in octets.
pub const MAX_SECRET: u64 = 1024 * 1024;

/// Fetches secrets.
pub trait SecretSource {
    /// Fetches one, without changing anything.
    ///
    /// # Errors
    ///
    /// Says why there is none.
    fn fetch(&self, reference: &SecretReference) -> Result<FoundSecret, SecretError>;

    /// Seconds since 1970 by the clock on the wall: certificates are good for a time.
    fn unix_time(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

/// Files, environment and credentials of this process.
#[derive(Clone, Debug)]
pub struct SystemSecrets {
    folder: PathBuf,
}

impl SystemSecrets {
    /// Relative paths start at `folder`.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }
}

impl SecretSource for SystemSecrets {
    fn fetch(&self, reference: &SecretReference) -> Result<FoundSecret, SecretError> {
        match reference {
            SecretReference::File(path) => read(&self.folder.join(path)),
            SecretReference::Env(name) => match env::var_os(name) {
                Some(value) => Ok(FoundSecret { secret: Secret::new(value.into_encoded_bytes()), mode: None }),
                None => Err(SecretError::Unset { name: name.clone() }),
            },
            SecretReference::Credential(name) => {
                if name.contains('/') || name == "." || name == ".." {
                    return Err(SecretError::CredentialName { name: name.clone() });
                }
                let folder = env::var_os("CREDENTIALS_DIRECTORY").ok_or(SecretError::NoCredentials)?;
                // systemd itself keeps the folder closed to others.
                read(&Path::new(&folder).join(name)).map(|found| FoundSecret { mode: None, ..found })
            }
        }
    }
}

fn read(path: &Path) -> Result<FoundSecret, SecretError> {
    let unreadable = |error: io::Error| SecretError::Unreadable { path: path.to_owned(), reason: error.to_string() };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unreadable(io::Error::other("not a regular file")));
    }
    if metadata.len() > MAX_SECRET {
        return Err(SecretError::TooLarge { path: path.to_owned() });
    }
    let octets = fs::read(path).map_err(unreadable)?;
    Ok(FoundSecret { secret: Secret::new(octets), mode: Some(metadata.permissions().mode() & 0o7777) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_starts_at_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("k"), "key\n").unwrap();
        fs::set_permissions(folder.path().join("k"), fs::Permissions::from_mode(0o640)).unwrap();
        let found = SystemSecrets::new(folder.path()).fetch(&SecretReference::File("k".into())).unwrap();
        assert_eq!(found.secret.expose(), b"key\n");
        assert_eq!(found.mode, Some(0o640));
    }

    #[test]
    fn what_cannot_be_a_secret_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("big"), vec![b'x'; 1024 * 1024 + 1]).unwrap();
        let source = SystemSecrets::new(folder.path());
        let fetch = |reference| source.fetch(&reference).unwrap_err();
        assert!(matches!(fetch(SecretReference::File("absent".into())), SecretError::Unreadable { .. }));
        assert!(matches!(fetch(SecretReference::File(".".into())), SecretError::Unreadable { .. }));
        assert!(matches!(fetch(SecretReference::File("big".into())), SecretError::TooLarge { .. }));
        assert!(matches!(fetch(SecretReference::Env("QS_NO_SUCH".into())), SecretError::Unset { .. }));
        assert!(matches!(fetch(SecretReference::Credential("../k".into())), SecretError::CredentialName { .. }));
    }
}
