//! A seeded, deterministic simulation of a company that uses ServiceNow, with labelled attacks.
//!
//! People live in real cities, work in their own time zones, fly, use VPNs, forget passwords; the rows their work
//! leaves arrive as a poller would deliver them: late, out of order, sometimes twice. The crate depends on no other
//! crate of the workspace: it moves people through the true world and derives addresses from it, and what it labels
//! is what it injected.

mod action;
mod activity;
mod addresses;
mod attacks;
mod behaviour;
mod chance;
mod clock;
mod company;
mod confounders;
mod delivery;
mod files;
mod misleading;
mod people;
mod policies;
mod raw;
pub mod world;

pub use addresses::{AddressList, AddressPlan, Harmless, HarmlessKind};
pub use attacks::{AttackKind, AttackPlan, Label};
pub use company::{
    ATTACK_DAYS_MIN, Company, CompanyConfig, ConfigError, DAYS_MAX, EARLIEST_ATTACK_DAY, FirstVisit,
    INSTANCE_BYTES_MAX, USERS_MAX, USERS_MIN,
};
pub use confounders::{Confounder, Confounders};
pub use delivery::{Deliveries, Delivery, MAX_DELAY_MS, MAX_DUPLICATE_DELAY_MS};
pub use files::FilePlan;
pub use misleading::{FileWork, Misleading, Misleads, Moment};
pub use people::{Account, AccountKind};
pub use policies::{Administration, PolicyPlan};
