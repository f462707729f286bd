//! Files that are there whole or not at all.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};
use tempfile::Builder;

use crate::clock::Millis;
use crate::fault::FetchFault;

/// Whoever runs the engine may read what another user fetched; the mask of the process takes from it.
const MODE: u32 = 0o644;
/// What a file is called until it is moved to its place.
const UNFINISHED: (&str, &str) = (".frostwatch-", ".part");
/// Such a file that was not touched for so long was left by a process that was killed.
const UNFINISHED_MAX: Duration = Duration::from_hours(24);

/// Writes a file beside its place, and moves it there when it is on the disk.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), FetchFault> {
    let failed = |error: std::io::Error| FetchFault::file(path, &error);
    let folder = folder_of(path);
    let mut file = Builder::new()
        .prefix(UNFINISHED.0)
        .suffix(UNFINISHED.1)
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)
        .map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    // The move itself.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// Deletes what processes that were killed have left of files they had not finished.
pub(crate) fn sweep(folder: &Path, now: Millis) {
    let is_left = |entry: &std::fs::DirEntry| {
        let (name, about) = (entry.file_name(), entry.metadata());
        let is_unfinished =
            name.to_str().is_some_and(|name| name.starts_with(UNFINISHED.0) && name.ends_with(UNFINISHED.1));
        let changed = about.ok().filter(std::fs::Metadata::is_file).and_then(|about| about.modified().ok());
        let age =
            changed.map(|changed| now - changed.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as Millis);
        is_unfinished && age.is_some_and(|age| age > UNFINISHED_MAX.as_millis() as Millis)
    };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten().filter(is_left) {
        if let Err(error) = std::fs::remove_file(entry.path()) {
            tracing::warn!(path = %entry.path().display(), %error, "an unfinished file that was left is not deleted");
        }
    }
}

/// The folder of a file.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What tells contents apart.
pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_unfinished_files_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let hours = |hours: u64| UNIX_EPOCH + Duration::from_hours(hours);
        for (name, changed, stays) in [
            (".frostwatch-a1.part", 0, false),
            (".frostwatch-b2.part", 23, true),
            (".frostwatch-c3.part", 40, true),
            ("list.part", 0, true),
            (".frostwatch-notes", 0, true),
        ] {
            let path = folder.path().join(name);
            File::create(&path).and_then(|file| file.set_modified(hours(changed))).unwrap();
            sweep(folder.path(), 36 * 3_600_000);
            assert_eq!(path.exists(), stays, "{name}");
        }
    }
}
