//! Raw rows of a simulated company, and the configuration that fits it.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A row on its way to a raw topic.
#[derive(Deserialize)]
pub(crate) struct Row {
    pub(crate) key: String,
    pub(crate) table: String,
    pub(crate) value: Box<RawValue>,
}

/// Rows in the order of arrival.
pub(crate) struct Rows(Vec<Row>);

impl Rows {
    /// Simulates, and writes the company's setup into the folder.
    pub(crate) fn simulate(folder: &Path) -> Self {
        let simulated = Command::new(env!("CARGO_BIN_EXE_frostwatch"))
            .args(["simulate", "--seed", "7", "--users", "40", "--days", "16", "--setup"])
            .arg(folder)
            .output()
            .unwrap();
        assert!(simulated.status.success(), "{}", String::from_utf8_lossy(&simulated.stderr));
        let lines = simulated.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Self(lines.map(|line| serde_json::from_slice(line).unwrap()).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn slice(&self, from: usize, until: usize) -> &[Row] {
        &self.0[from..until]
    }
}
