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
