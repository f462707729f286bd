//! Files that are there whole or not at all.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tempfile::Builder;

use crate::fault::FetchFault;

/// Whoever runs the engine may read what another user fetched; the mask of the process takes from it.
const MODE: u32 = 0o644;

/// Writes a file beside its place, and moves it there when it is on the disk.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), FetchFault> {
    let failed = |error: std::io::Error| FetchFault::file(path, &error);
    let folder = folder_of(path);
    let mut file = Builder::new()
        .prefix(".frostwatch-")
        .suffix(".part")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)
        .map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    // The move itself.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// The folder of a file.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What tells contents apart.
pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}
