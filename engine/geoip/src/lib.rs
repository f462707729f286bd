//! Where an address is: `GeoIP` files behind the core's [`Locate`](frostwatch_detect::place::Locate) port.
//!
//! Files are read with `maxminddb`, in `MaxMind`'s nested shape or the flat one of DB-IP, and flattened at load into
//! sorted ranges over a table of facts: a lookup is one step in an index, a search over a few dozen numbers and one
//! read. Addresses that no file may answer (private, reserved) are decided by constants before.

mod error;
mod facts;
mod limits;
mod load;
mod ranges;
mod record;
mod special;
mod table;

pub use error::{Family, Fault, GeoError, GeoWarning, Role};
pub use limits::GeoLimits;
pub use table::{Footprint, GeoFiles, GeoSource, GeoTable, NoGeo};
