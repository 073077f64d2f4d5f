//! Files written beside their places first, all of them, then each moved there in one step.
//!
//! New ones are written all or none. Of those that `force` replaces each is the old or the new one, whole; the first move
//! that the system refuses ends it, and what was moved until then stays. What can be known before is refused before: that
//! there is no room, that a place is a folder.
//!
//! A file with a secret is never open to others, not even for a moment: it is made with mode 0600, must not exist
//! before (`O_EXCL`), and no symbolic link is followed. Without `force` nothing that exists is replaced, and this is
//! decided by the move itself.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use zeroize::Zeroizing;

/// A file to write.
pub(super) struct NewFile {
    /// Below the folder.
    pub(super) path: PathBuf,
    pub(super) content: Zeroizing<Vec<u8>>,
    /// Permission bits.
    pub(super) mode: u32,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    /// Something is there already.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// The system refuses.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl WriteError {
    pub(super) const fn remedy(&self) -> &'static str {
        match self {
            Self::Exists(_) => "choose another folder by `--output`, or replace what is there by `--force`",
            Self::Io { .. } => "choose a folder by `--output` that this user may write into",
        }
    }
}

/// A file as it is; of one with more than `limit` octets only as much as shows that it has more.
pub(super) fn read_within(path: &Path, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut octets = Zeroizing::new(Vec::new());
    let limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(limit).read_to_end(&mut octets)?;
    Ok(octets)
}

/// Writes `files` below `folder`, which is made if it is not there, and returns where they are.
pub(super) fn write_all(folder: &Path, files: &[NewFile], force: bool) -> Result<Vec<PathBuf>, WriteError> {
    let places: Vec<PathBuf> = files.iter().map(|file| folder.join(&file.path)).collect();
    if !force && let Some(taken) = places.iter().find(|place| place.symlink_metadata().is_ok()) {
        return Err(WriteError::Exists(taken.clone()));
    }
    if let Some(folder) = places.iter().find(|place| place.symlink_metadata().is_ok_and(|it| it.is_dir())) {
        return Err(WriteError::Io { path: folder.clone(), source: io::ErrorKind::IsADirectory.into() });
    }
    let mut staged = Staged::default();
    for (file, place) in files.iter().zip(&places) {
        staged.write(file, place)?;
    }
    staged.publish(&places, force)?;
    Ok(places)
}

/// Files beside their places. What is not published goes away.
#[derive(Default)]
struct Staged {
    waiting: Vec<PathBuf>,
    published: Vec<PathBuf>,
}

impl Staged {
    fn write(&mut self, file: &NewFile, place: &Path) -> Result<(), WriteError> {
        let parent = place.parent().unwrap_or(Path::new("."));
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| WriteError::Io { path, source }
        };
        // A folder with keys in it is nobody else's business.
        let mode = if file.mode & 0o077 == 0 && file.path.parent() != Some(Path::new("")) { 0o700 } else { 0o755 };
        DirBuilder::new().recursive(true).mode(mode).create(parent).map_err(failed(parent))?;
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let beside = parent.join(format!(".{name}.{}.new", std::process::id()));
        let mut new = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(file.mode)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&beside)
            .map_err(failed(&beside))?;
        self.waiting.push(beside.clone());
        new.write_all(&file.content).and_then(|()| new.sync_all()).map_err(failed(&beside))
    }

    fn publish(&mut self, places: &[PathBuf], force: bool) -> Result<(), WriteError> {
        let flags = if force { RenameFlags::empty() } else { RenameFlags::RENAME_NOREPLACE };
        for place in places {
            let beside = self.waiting.remove(0);
            if let Err(errno) = renameat2(AT_FDCWD, &beside, AT_FDCWD, place, flags) {
                self.waiting.push(beside);
                return Err(if errno == Errno::EEXIST {
                    WriteError::Exists(place.clone())
                } else {
                    WriteError::Io { path: place.clone(), source: errno.into() }
                });
            }
            if !force {
                self.published.push(place.clone());
            }
        }
        self.published.clear();
        for folder in places.iter().filter_map(|place| place.parent()) {
            // A crash right after may not undo the moves; where a folder cannot be synchronised, it may.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        for path in self.waiting.iter().chain(&self.published) {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(path: &str, content: &str, mode: u32) -> NewFile {
        NewFile { path: path.into(), content: Zeroizing::new(content.as_bytes().to_vec()), mode }
    }

    fn listing(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn keys_are_closed_and_nothing_is_left_beside() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new/place");
        let files = [file("a.yaml", "a", 0o644), file("keys/k", "secret", 0o600)];
        write_all(&folder, &files, false).unwrap();
        let mode = |path: &str| fs::metadata(folder.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("keys/k"), mode("keys")), (0o600, 0o700));
        assert_eq!(listing(&folder), ["a.yaml", "keys"]);
        assert_eq!(listing(&folder.join("keys")), ["k"]);
    }

    #[test]
    fn what_exists_is_kept_and_then_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b"), "old").unwrap();
        let files = [file("a", "new", 0o644), file("b", "new", 0o600)];
        let error = write_all(folder.path(), &files, false).unwrap_err();
        assert!(matches!(error, WriteError::Exists(_)), "{error}");
        assert_eq!(
            (listing(folder.path()), fs::read_to_string(folder.path().join("b")).unwrap()),
            (vec!["b".to_owned()], "old".to_owned())
        );
        write_all(folder.path(), &files, true).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("b")).unwrap(), "new");
        assert_eq!(fs::metadata(folder.path().join("b")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_dangling_link_in_the_place_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let aim = folder.path().join("aim");
        std::os::unix::fs::symlink(&aim, folder.path().join("k")).unwrap();
        let files = [file("k", "secret", 0o600)];
        assert!(matches!(write_all(folder.path(), &files, false), Err(WriteError::Exists(_))));
        write_all(folder.path(), &files, true).unwrap();
        assert!(!aim.exists() && !folder.path().join("k").is_symlink());
    }

    #[test]
    fn nothing_is_replaced_where_a_folder_is_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "old").unwrap();
        fs::create_dir(folder.path().join("b")).unwrap();
        let files = [file("a", "new", 0o644), file("b", "new", 0o644)];
        let error = write_all(folder.path(), &files, true).unwrap_err();
        assert!(matches!(&error, WriteError::Io { path, .. } if path.ends_with("b")), "{error}");
        assert_eq!(fs::read_to_string(folder.path().join("a")).unwrap(), "old");
        assert_eq!(listing(folder.path()), ["a", "b"]);
    }

    #[test]
    fn a_failure_in_the_middle_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("keys"), "in the way").unwrap();
        let files = [file("a", "new", 0o644), file("keys/k", "secret", 0o600)];
        let error = write_all(folder.path(), &files, false).unwrap_err();
        assert!(matches!(error, WriteError::Io { .. }), "{error}");
        assert_eq!(listing(folder.path()), ["keys"]);
    }
}
