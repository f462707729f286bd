//! What can be wrong with the files, whose fault it is and what to do about it.

use std::fmt;
use std::io;

use thiserror::Error;

/// What a file was given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Places: a City, Enterprise or Country file.
    Place,
    /// Carriers: an ASN file.
    Carrier,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Place => "city",
            Self::Carrier => "ASN",
        })
    }
}

/// The two address families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// Who can put an error right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The one who named the files: another path or another file is needed. A retry does not help.
    Setup,
    /// The file itself: fetch it again, or from another vendor. A retry does not help.
    File,
    /// The file is larger than the limits that were set.
    Limit,
}

/// Why the files were refused. Each message names the file and the way out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GeoError {
    /// No city file was named.
    #[error("no GeoIP city file is configured: name one, or turn GeoIP off")]
    NoFiles,
    /// The file cannot be read.
    #[error("cannot read GeoIP file {file}: {source}; check its path and permissions")]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file has no bytes.
    #[error("GeoIP file {file} is empty; fetch it again")]
    Empty {
        /// The file.
        file: String,
    },
    /// More bytes than allowed.
    #[error("GeoIP file {file} has more than {limit_bytes} bytes; is it the right file? Raise the limit if it is")]
    TooLarge {
        /// The file.
        file: String,
        /// The limit that was set.
        limit_bytes: u64,
    },
    /// The file is something else.
    #[error("GeoIP file {file} is not an mmdb file but looks like {looks_like}; give the unpacked .mmdb file")]
    NotMmdb {
        /// The file.
        file: String,
        /// What its first bytes look like.
        looks_like: &'static str,
    },
    /// The metadata that ends every mmdb file is missing.
    #[error(
        "GeoIP file {file} has no MaxMind DB metadata at its end: it was cut off or is not an mmdb file; fetch it again"
    )]
    NoMetadata {
        /// The file.
        file: String,
    },
    /// An mmdb file whose inside is broken.
    #[error("GeoIP file {file} is damaged ({detail}); fetch it again")]
    Damaged {
        /// The file.
        file: String,
        /// What is broken.
        detail: String,
    },
    /// A record with a value that cannot be.
    #[error(
        "GeoIP file {file} says {field} {value} for {network}, which cannot be; fetch it again or use another file"
    )]
    BadValue {
        /// The file.
        file: String,
        /// The network of the record.
        network: String,
        /// The field.
        field: &'static str,
        /// What it says.
        value: String,
    },
    /// An mmdb file about something else.
    #[error(
        "GeoIP file {file} (type \"{kind}\") has records of an unknown shape ({keys}); a city, country or ASN file in \
         MaxMind's or DB-IP's shape is needed"
    )]
    UnknownShape {
        /// The file.
        file: String,
        /// Its own description of its type.
        kind: String,
        /// The keys its records have.
        keys: String,
    },
    /// A city file given as ASN file or the other way round.
    #[error(
        "GeoIP file {file} was named as {given} file but holds {found} records (type \"{kind}\"); name it as {found} file"
    )]
    WrongRole {
        /// The file.
        file: String,
        /// What it was given for.
        given: Role,
        /// What it is.
        found: Role,
        /// Its own description of its type.
        kind: String,
    },
    /// Most of the file's records do not say what it was given for.
    #[error(
        "GeoIP file {file} (type \"{kind}\") was named as {given} file, but only {telling} of its {records} different \
         records say so much as that; another file is needed"
    )]
    MostlySilent {
        /// The file.
        file: String,
        /// What it was given for.
        given: Role,
        /// Its own description of its type.
        kind: String,
        /// Different records that say it.
        telling: usize,
        /// Different records.
        records: usize,
    },
    /// A time of build that cannot be.
    #[error(
        "GeoIP file {file} says it was built {build_epoch} s after 1970, which is not between 2000 and 2100; fetch it again"
    )]
    BuildTime {
        /// The file.
        file: String,
        /// What it says, seconds since the epoch.
        build_epoch: u64,
    },
    /// The file knows no network.
    #[error("GeoIP file {file} (type \"{kind}\") holds no network; fetch it again")]
    NoNetworks {
        /// The file.
        file: String,
        /// Its own description of its type.
        kind: String,
    },
    /// Two files of one role answer for the same family.
    #[error("GeoIP files {first} and {second} both hold {family} networks; give one file, or one per family")]
    TwoAnswers {
        /// The file that came first.
        first: String,
        /// The one after it.
        second: String,
        /// The family both hold.
        family: Family,
    },
    /// More of something than allowed.
    #[error("GeoIP file {file} holds more than {limit} {what}; is it the right file? Raise the limit if it is")]
    TooMany {
        /// The file.
        file: String,
        /// What there is too much of.
        what: &'static str,
        /// The limit that was set.
        limit: usize,
    },
}

impl GeoError {
    /// Who can put it right.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::NoFiles
            | Self::Read { .. }
            | Self::NotMmdb { .. }
            | Self::UnknownShape { .. }
            | Self::WrongRole { .. }
            | Self::MostlySilent { .. }
            | Self::TwoAnswers { .. } => Fault::Setup,
            Self::Empty { .. }
            | Self::NoMetadata { .. }
            | Self::Damaged { .. }
            | Self::BadValue { .. }
            | Self::BuildTime { .. }
            | Self::NoNetworks { .. } => Fault::File,
            Self::TooLarge { .. } | Self::TooMany { .. } => Fault::Limit,
        }
    }
}

/// What an accepted set of files cannot tell: said once, when they are loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GeoWarning {
    /// No file of this role holds a network of this family: its addresses are unknown.
    NoFamily {
        /// The role.
        role: Role,
        /// The family that is missing.
        family: Family,
    },
    /// A file with countries alone: distances cannot be computed from it.
    NoPoints {
        /// The file.
        file: String,
    },
    /// A file without accuracy radius: detectors must assume one.
    NoRadius {
        /// The file.
        file: String,
    },
}

impl fmt::Display for GeoWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFamily { role, family } => {
                write!(f, "no {role} file holds {family} networks: for {family} addresses nothing is known")
            }
            Self::NoPoints { file } => {
                write!(f, "GeoIP file {file} gives countries without coordinates: no distance can be computed")
            }
            Self::NoRadius { file } => {
                write!(f, "GeoIP file {file} gives no accuracy radius: detectors assume one")
            }
        }
    }
}
