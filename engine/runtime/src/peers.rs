//! What is usual among the colleagues of each person, measured over activity, as records to publish.
//!
//! The busiest hour of each, apart from the turn of a month and around it, and what 19 of 20 of the others of a department,
//! or of the smallest group that is large enough, did not exceed. What comes out is the same for any order of the records and
//! with copies of them.

mod measure;
mod people;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use frostwatch_detect::hash::hash64;
use frostwatch_detect::time::{Millis, SECOND, rfc3339};
use frostwatch_wire::activity::ID_BYTES_MAX;
use frostwatch_wire::activity::record::{ActivityRecord, Outcome, Peers, SchemaName, Source, User};
use frostwatch_wire::activity::time::UtcTime;

pub use measure::{Measured, measure};
pub use people::{Counts, People};

/// Who are colleagues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Those of one `user.department`.
    Department,
    /// Those of one of `user.groups`.
    Group,
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Its length.
    pub days: u32,
    /// Its end; without it the time of the newest activity.
    pub at: Option<Millis>,
}

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Too many people.
    People {
        /// So many at most.
        most: usize,
    },
    /// Too many downloads.
    Downloads {
        /// So many at most.
        most: usize,
        /// Days of the span.
        days: u32,
    },
}

impl fmt::Display for Overflow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::People { most } => {
                write!(formatter, "more than {most} people: measure each instance, or parts of it, by itself")
            }
            Self::Downloads { most, days } => {
                write!(formatter, "more than {most} downloads in {days} days: measure fewer days")
            }
        }
    }
}

impl std::error::Error for Overflow {}

/// The record that says it of a person. `None`: the end of the span is no time that can be written.
pub fn record_of(key: &str, name: &str, peers: &Peers, at: Millis) -> Option<ActivityRecord> {
    let (instance, user) = key.split_once('|')?;
    let at = at.div_euclid(SECOND) * SECOND;
    let id = format!("peers:{instance}:{user}:{}", rfc3339(at));
    // A name of any length has an id.
    let hashed = || format!("peers:{instance}:{:016x}:{}", hash64(user.as_bytes()), rfc3339(at));
    Some(ActivityRecord {
        schema: SchemaName::ActivityV1,
        id: if id.len() <= ID_BYTES_MAX { id } else { hashed() },
        action_key: None,
        time: UtcTime::from_ms(at)?,
        time_precision_ms: None,
        observed_time: None,
        instance: instance.to_owned(),
        domain: None,
        user: User { name: name.to_owned(), peers: Some(peers.clone()), ..User::default() },
        actor: None,
        target: None,
        action: Cow::Borrowed("user_profile"),
        action_raw: None,
        outcome: Outcome::Success,
        reason: None,
        effective_at: None,
        auth: None,
        channel: None,
        interactive: None,
        client: None,
        session: None,
        object: None,
        quantity: None,
        recipients: Vec::new(),
        inspection: None,
        source: Source { producer: Cow::Borrowed("frostwatch-peers"), ..Source::default() },
        attributes: BTreeMap::new(),
        test: None,
        entity: None,
    })
}
