//! How much the files may hold.

/// Limits on what is read and kept. A file over one is refused, never cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeoLimits {
    /// Bytes of one file.
    pub file_bytes_max: u64,
    /// Networks in one file, those without data included (that is what the walk visits).
    pub networks_max: usize,
    /// Different records (places, carriers and pairs of them) over all files.
    pub records_max: usize,
    /// Different names of cities and carriers over all files.
    pub names_max: usize,
}

impl Default for GeoLimits {
    /// Room for four times the largest file that is sold (about 130 MB, 8 million networks).
    fn default() -> Self {
        Self { file_bytes_max: 512 << 20, networks_max: 32_000_000, records_max: 8_000_000, names_max: 1_000_000 }
    }
}

/// Earliest build of a file, seconds since the epoch: 2000-01-01, years before the format was there.
pub(crate) const BUILT_SECS_MIN: i64 = 946_684_800;
/// Latest build of a file, seconds since the epoch: 2100-01-01.
pub(crate) const BUILT_SECS_MAX: i64 = 4_102_444_800;
