//! Raw rows of a simulated company, and the configuration that fits it.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Accounts that are switched off, so many rows apart.
const LEAVERS: usize = 5;
const LEAVER_ROWS: usize = 100;

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
        Self(lines.map(|line| serde_json::from_slice(line).unwrap()).collect()).with_leavers()
    }

    /// The same in which, half-way, accounts of some who go on working are switched off.
    fn with_leavers(mut self) -> Self {
        let half = self.0.len() / 2;
        for number in 0..LEAVERS {
            let of_user = |row: &Row| row.table == "sysevent" && row.key.contains('|') && !row.key.contains("|@");
            let at = half + number * LEAVER_ROWS;
            let Some(at) = self.0[at..].iter().position(of_user).map(|beyond| at + beyond) else { continue };
            let row: Value = serde_json::from_str(self.0[at].value.get()).unwrap();
            let key = self.0[at].key.clone();
            let (_, name) = key.split_once('|').unwrap();
            let account = json!({
                "sys_id": format!("{number:032x}"), "user_name": name, "active": "false", "sys_mod_count": "9",
                "sys_created_on": "2024-01-15 08:00:00", "sys_updated_on": row["sys_created_on"],
                "sys_updated_by": "personnel",
            });
            let value = RawValue::from_string(account.to_string()).unwrap();
            self.0.insert(at, Row { key, table: "sys_user".to_owned(), value });
        }
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn slice(&self, from: usize, until: usize) -> &[Row] {
        &self.0[from..until]
    }
}
