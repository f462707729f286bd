//! The table that answers: ranges to facts, nothing computed at lookup.

use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use frostwatch_detect::place::{Carrier, GeoBuild, Locate, Location, NoPlace};
use sha2::{Digest, Sha256};

use crate::error::{GeoError, GeoWarning, Role};
use crate::facts::UNKNOWN;
use crate::limits::GeoLimits;
use crate::load::{Loader, short_hex};
use crate::special::{Scope, scope};
use frostwatch_detect::ranges::{V4Index, V6Index};

/// The files to load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GeoFiles {
    /// City, Enterprise or Country files: one for both families, or one for each.
    pub city: Vec<PathBuf>,
    /// ASN files, likewise; may be empty.
    pub asn: Vec<PathBuf>,
}

/// One file that is in memory already.
#[derive(Clone, Copy, Debug)]
pub struct GeoSource<'a> {
    /// What it is for.
    pub role: Role,
    /// Its name in messages.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// What a table takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// IPv4 ranges.
    pub v4_ranges: usize,
    /// IPv6 ranges.
    pub v6_ranges: usize,
    /// Different answers.
    pub locations: usize,
    /// Bytes of all of them with their indexes; the names come on top.
    pub bytes: usize,
}

/// A `GeoIP` build flattened into sorted ranges. It never changes; a new build is a new table.
#[derive(Debug)]
pub struct GeoTable {
    v4: V4Index,
    v6: V6Index,
    locations: Vec<Location>,
    build: GeoBuild,
    warnings: Vec<GeoWarning>,
}

impl GeoTable {
    /// Reads, checks and flattens the files, one after the other.
    pub fn open(files: &GeoFiles, limits: GeoLimits) -> Result<Self, GeoError> {
        let mut loader = Loader::new(limits);
        for (role, paths) in [(Role::Place, &files.city), (Role::Carrier, &files.asn)] {
            for path in paths {
                let name = path.display().to_string();
                let bytes = read(path, &name, limits.file_bytes_max)?;
                loader.add(role, &name, &bytes)?;
            }
        }
        loader.finish()
    }

    /// The same from memory.
    pub fn from_bytes(sources: &[GeoSource<'_>], limits: GeoLimits) -> Result<Self, GeoError> {
        let mut loader = Loader::new(limits);
        for source in sources {
            loader.add(source.role, source.name, source.bytes)?;
        }
        loader.finish()
    }

    pub(crate) fn new(
        v4: V4Index,
        v6: V6Index,
        locations: Vec<Location>,
        build: GeoBuild,
        warnings: Vec<GeoWarning>,
    ) -> Self {
        Self { v4, v6, locations, build, warnings }
    }

    /// What these files cannot tell; to be said once at the start.
    pub fn warnings(&self) -> &[GeoWarning] {
        &self.warnings
    }

    /// What the table takes.
    pub fn footprint(&self) -> Footprint {
        Footprint {
            v4_ranges: self.v4.count(),
            v6_ranges: self.v6.count(),
            locations: self.locations.len(),
            bytes: self.v4.bytes() + self.v6.bytes() + self.locations.len() * size_of::<Location>(),
        }
    }
}

impl Locate for GeoTable {
    #[inline]
    fn locate(&self, address: IpAddr) -> Location {
        let number = match scope(address) {
            Scope::V4(bits) => self.v4.find(bits),
            Scope::V6(bits) => self.v6.find(bits),
            Scope::Nowhere(why) => return nowhere(why),
        };
        self.locations.get(number as usize).copied().unwrap_or(UNKNOWN)
    }

    fn build(&self) -> &GeoBuild {
        &self.build
    }
}

/// The locator of an engine without files: every public address is unknown.
#[derive(Clone, Debug)]
pub struct NoGeo {
    build: GeoBuild,
}

impl NoGeo {
    /// A locator that knows nothing.
    pub fn new() -> Self {
        let digest = short_hex(&Sha256::digest([]));
        Self { build: GeoBuild { kind: "none".to_owned(), built_at_secs: 0, digest } }
    }
}

impl Default for NoGeo {
    fn default() -> Self {
        Self::new()
    }
}

impl Locate for NoGeo {
    fn locate(&self, address: IpAddr) -> Location {
        match scope(address) {
            Scope::Nowhere(why) => nowhere(why),
            Scope::V4(_) | Scope::V6(_) => UNKNOWN,
        }
    }

    fn build(&self) -> &GeoBuild {
        &self.build
    }
}

fn nowhere(why: NoPlace) -> Location {
    Location { place: Err(why), carrier: Carrier::default() }
}

/// Reads a file that may grow while it is read: one byte over the limit is enough to refuse it.
fn read(path: &Path, name: &str, limit_bytes: u64) -> Result<Vec<u8>, GeoError> {
    let failed = |source| GeoError::Read { file: name.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let mut bytes = Vec::with_capacity(size.min(limit_bytes) as usize);
    file.take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit_bytes {
        return Err(GeoError::TooLarge { file: name.to_owned(), limit_bytes });
    }
    Ok(bytes)
}
