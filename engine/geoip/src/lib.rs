//! Where an address is and what lists say of it: `GeoIP` files behind the core's [`Locate`](frostwatch_detect::place::Locate) port.
//!
//! Files are read with `maxminddb`, in `MaxMind`'s nested shape or the flat one of DB-IP, and flattened at load into
//! sorted ranges over a table of facts: a lookup is one step in an index, a search over a few dozen numbers and one
//! read. Addresses that no file may answer (private, reserved) are decided by constants before.

mod error;
mod facts;
mod limits;
pub mod lists;
mod load;
mod record;
mod special;
mod table;

pub use error::{Family, Fault, GeoError, GeoWarning, Role};
pub use limits::GeoLimits;
pub use table::{Footprint, GeoFiles, GeoSource, GeoTable, NoGeo};

/// The demo's table: real cities and invented networks, written by our own tool from the simulator's table and
/// embedded, so that nothing needs to be downloaded.
pub fn demo() -> Result<GeoTable, GeoError> {
    let city = GeoSource { role: Role::Place, name: "demo-city.mmdb", bytes: include_bytes!("../data/demo-city.mmdb") };
    let asn = GeoSource { role: Role::Carrier, name: "demo-asn.mmdb", bytes: include_bytes!("../data/demo-asn.mmdb") };
    GeoTable::from_bytes(&[city, asn], GeoLimits::default())
}

/// The demo's files, name and bytes: city and ASN, for those who want them on disk.
pub const fn demo_files() -> [(&'static str, &'static [u8]); 2] {
    [
        ("demo-city.mmdb", include_bytes!("../data/demo-city.mmdb")),
        ("demo-asn.mmdb", include_bytes!("../data/demo-asn.mmdb")),
    ]
}
