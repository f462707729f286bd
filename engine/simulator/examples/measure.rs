//! Writes a run as recorded lines, or counts it: `measure USERS DAYS raw|activity [print|labels]`.

use std::collections::BTreeMap;
use std::io::{BufWriter, Error, Write};

use frostwatch_simulator::{Company, CompanyConfig};

/// 1 January 2026 in UTC, milliseconds since the epoch.
const START_MS: i64 = 1_767_225_600_000;

fn main() -> Result<(), Error> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default| words.get(index).and_then(|word| word.parse().ok()).unwrap_or(default);
    let config = CompanyConfig::new(7, number(0, 90), number(1, 36), START_MS);
    let company = Company::new(config).map_err(Error::other)?;
    let deliveries =
        if words.get(2).is_some_and(|word| word == "activity") { company.activity() } else { company.raw_rows() };
    let mut out = BufWriter::new(std::io::stdout().lock());
    match words.get(3).map(String::as_str) {
        Some("print") => {
            for delivery in deliveries {
                serde_json::to_writer(&mut out, &delivery)?;
                out.write_all(b"\n")?;
            }
        }
        Some("labels") => {
            for label in company.labels() {
                serde_json::to_writer(&mut out, label)?;
                out.write_all(b"\n")?;
            }
        }
        _ => {
            let mut rows: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
            for delivery in deliveries {
                let (count, bytes) = rows.entry(delivery.table).or_default();
                *count += 1;
                *bytes += delivery.row.len() as u64;
            }
            writeln!(out, "{rows:?}")?;
        }
    }
    out.flush()
}
