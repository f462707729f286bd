//! The normaliser behind the port of the Kafka edge.

use frostwatch_runtime::ports::{RawOutcome, RawRows};
use frostwatch_wire::normalise::{Normalised, Normaliser, Table};

/// Raw rows of Kafka topics.
pub(crate) struct Rows(pub(crate) Normaliser);

impl RawRows for Rows {
    fn rows(&mut self, table: &str, value: &[u8], out: &mut Vec<RawOutcome>) {
        let Some(table) = Table::from_name(table) else {
            out.push(RawOutcome::Dropped { why: "unknown_table" });
            return;
        };
        self.0.row(table, value, &mut |normalised| out.push(outcome(&normalised)));
    }
}

/// What the port calls it.
pub(crate) fn outcome(normalised: &Normalised) -> RawOutcome {
    match normalised {
        Normalised::Activity { key, .. } => match normalised.to_bytes() {
            Some(value) => RawOutcome::Activity { key: key.clone().into_bytes(), value },
            None => RawOutcome::Dropped { why: "unwritable" },
        },
        Normalised::Noise { why } | Normalised::Secret { why } => RawOutcome::Dropped { why },
        // Bytes that may hold a secret are counted and go nowhere.
        Normalised::Reject(rejected) if !rejected.keep_raw => RawOutcome::Dropped { why: "unreadable_withheld" },
        Normalised::Reject(rejected) => RawOutcome::Rejected { reason: rejected.to_string() },
    }
}
