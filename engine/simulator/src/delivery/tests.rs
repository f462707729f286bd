//! Deliveries keep their promises: order, bounds, shapes, and the same bytes for the same seed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::company::{Company, CompanyConfig};

use crate::clock::{Rfc3339, TableTime};

use super::*;

/// 1 January 2026 in UTC.
const START_MS: i64 = 1_767_225_600_000;

fn company(seed: u64) -> Company {
    Company::new(CompanyConfig::new(seed, 60, 16, START_MS)).expect("a company")
}

fn object(delivery: &Delivery) -> serde_json::Map<String, Value> {
    serde_json::from_str(&delivery.row).expect("a JSON object")
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    let (one, same, other) = (company(1), company(1), company(2));
    let text = |deliveries: Deliveries<'_>| -> String {
        deliveries.take(40_000).map(|d| serde_json::to_string(&d).expect("serialisable") + "\n").collect()
    };
    assert_eq!(one.labels(), same.labels());
    assert_eq!(text(one.raw_rows()), text(same.raw_rows()));
    assert_eq!(text(one.activity()), text(same.activity()));
    assert_ne!(one.labels(), other.labels());
    assert_ne!(text(one.raw_rows()), text(other.raw_rows()));
}

#[test]
fn stamps_never_go_back_and_delays_keep_their_bounds() {
    let company = company(3);
    for deliveries in [company.raw_rows(), company.activity()] {
        let (mut last_ms, mut rows, mut late, mut again, mut behind) = (0, 0_u32, 0_u32, 0_u32, 0_u32);
        let mut newest_ms = 0;
        for delivery in deliveries {
            assert!(delivery.stamp_ms >= last_ms);
            last_ms = delivery.stamp_ms;
            let delay_ms = delivery.stamp_ms - delivery.event_ms;
            let bound_ms = if delivery.duplicate { MAX_DUPLICATE_DELAY_MS } else { MAX_DELAY_MS };
            assert!(delay_ms > 0 && delay_ms <= bound_ms, "{delay_ms} ms");
            rows += 1;
            late += u32::from(delay_ms > 6 * MINUTE_MS && !delivery.duplicate);
            again += u32::from(delivery.duplicate);
            behind += u32::from(delivery.event_ms < newest_ms);
            newest_ms = newest_ms.max(delivery.event_ms);
        }
        let share = |count: u32| f64::from(count) / f64::from(rows);
        assert!(rows > 50_000);
        assert!((0.005..0.015).contains(&share(late)), "{} late", share(late));
        assert!((0.03..0.09).contains(&share(again)), "{} twice", share(again));
        assert!(share(behind) > 0.1, "{} out of order", share(behind));
    }
}

#[test]
fn second_copies_are_the_same_row() {
    let company = company(4);
    let mut first: BTreeMap<String, Delivery> = BTreeMap::new();
    let mut copies = Vec::new();
    for delivery in company.raw_rows() {
        if delivery.duplicate {
            copies.push(delivery);
        } else {
            let earlier = first.insert(delivery.row.clone(), delivery);
            assert_eq!(earlier, None, "a row comes once");
        }
    }
    assert!(copies.len() > 100);
    for copy in copies {
        let original = &first[&copy.row];
        assert!(original.stamp_ms < copy.stamp_ms && original.key == copy.key && original.table == copy.table);
    }
}

#[test]
fn raw_rows_have_the_columns_of_their_table_and_only_strings() {
    let company = company(5);
    let mut columns: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for delivery in company.raw_rows() {
        let row = object(&delivery);
        assert!(row.values().all(Value::is_string), "{}", delivery.row);
        let names: BTreeSet<String> = row.keys().cloned().collect();
        assert_eq!(columns.entry(delivery.table).or_insert_with(|| names.clone()), &names);
        let column = if delivery.table == "sys_attachment" { "sys_updated_on" } else { "sys_created_on" };
        let time = TableTime(delivery.event_ms).to_string();
        assert_eq!(row[column], Value::String(time));
        assert_eq!(row["sys_id"].as_str().map(str::len), Some(32));
    }
    let tables: Vec<&str> = columns.keys().copied().collect();
    assert_eq!(tables, ["sys_attachment", "sys_audit", "sysevent", "syslog_transaction"]);
}

#[test]
fn every_label_has_its_rows() {
    let company = company(6);
    let count = |deliveries: Deliveries<'_>| -> BTreeMap<u32, u32> {
        let mut counts = BTreeMap::new();
        for delivery in deliveries.filter(|delivery| !delivery.duplicate) {
            if let Some(label) = delivery.label {
                assert_eq!(delivery.user, company.labels()[label as usize].user);
                *counts.entry(label).or_insert(0) += 1;
            }
        }
        counts
    };
    let (raw, activity) = (count(company.raw_rows()), count(company.activity()));
    for (position, label) in company.labels().iter().enumerate() {
        let position = position as u32;
        assert_eq!(raw[&position], label.rows);
        assert!(activity[&position] >= label.actions && activity[&position] <= label.actions + 1);
    }
    assert_eq!(raw.len(), company.labels().len());
}

#[test]
fn one_action_makes_the_rows_that_servicenow_makes() {
    let company = company(7);
    let mut events: BTreeMap<String, u32> = BTreeMap::new();
    let (mut missing, mut ported, mut shouted) = (0, 0, 0);
    let (mut sessions, mut downloads) = (BTreeSet::new(), BTreeSet::new());
    let rows: Vec<(&str, serde_json::Map<String, Value>)> =
        company.raw_rows().filter(|d| !d.duplicate).map(|d| (d.table, object(&d))).collect();
    let text = |row: &serde_json::Map<String, Value>, column: &str| row[column].as_str().unwrap_or_default().to_owned();
    for (_, row) in rows.iter().filter(|(table, _)| *table == "syslog_transaction") {
        sessions.insert(text(row, "session"));
        let url = text(row, "url");
        if let Some(id) = url.strip_prefix("/sys_attachment.do?sys_id=").and_then(|rest| rest.get(..32)) {
            downloads.insert(id.to_owned());
        }
    }
    for (_, row) in rows.iter().filter(|(table, _)| *table == "sysevent") {
        let name = text(row, "name");
        match name.as_str() {
            "login" | "session.established" => {
                assert!(text(row, "parm2").parse::<std::net::IpAddr>().is_ok());
                assert!(sessions.contains(&text(row, "instance")), "the session of a login goes on");
            }
            "external.authentication.succeeded" => {
                assert!(text(row, "parm2").starts_with("https://") && sessions.contains(&text(row, "instance")));
            }
            "login.failed" => {
                assert_eq!(text(row, "user_name"), "guest");
                let parm2 = text(row, "parm2");
                missing += u32::from(parm2.is_empty());
                ported += u32::from(parm2.parse::<std::net::SocketAddrV4>().is_ok());
                shouted += u32::from(text(row, "parm1").starts_with(char::is_uppercase));
            }
            "attachment.read" => assert!(downloads.contains(&text(row, "instance"))),
            _ => {}
        }
        *events.entry(name).or_default() += 1;
    }
    assert!(missing > 0 && ported > 0 && shouted > 0, "{missing} {ported} {shouted}");
    assert_eq!(events["login"], events["session.established"]);
    for name in ["logout", "login.failed", "attachment.uploaded", "attachment.renamed", "multifactor.email.otp"] {
        assert!(events.get(name).is_some_and(|count| *count > 0), "{name}");
    }
}

#[test]
fn activity_records_carry_what_the_contract_requires() {
    let company = company(8);
    let mut ids = BTreeSet::new();
    let mut actions = BTreeSet::new();
    for delivery in company.activity() {
        let record = object(&delivery);
        assert_eq!(record["schema"], "activity.v1");
        let id = record["id"].as_str().expect("an id").to_owned();
        assert!(id.len() <= 128 && (ids.insert(id) || delivery.duplicate));
        assert_eq!(record["time"], Rfc3339(delivery.event_ms).to_string());
        let name = record["user"]["name"].as_str().expect("a name");
        let placeholder = record["user"]["kind"] == "placeholder";
        let who = if placeholder {
            format!("@{}", record["client"]["ip"].as_str().expect("an address"))
        } else {
            name.to_lowercase()
        };
        assert_eq!(delivery.key, format!("nordvik|{who}"));
        assert!(record["source"]["producer"].is_string() && record["outcome"].is_string());
        let managed = &record["client"]["device"]["managed"];
        assert!(managed.is_null() || managed == true);
        actions.insert(record["action"].as_str().expect("an action").to_owned());
    }
    let expected = [
        "bulk_read",
        "download",
        "export",
        "list",
        "login",
        "logout",
        "rename",
        "session_start",
        "update",
        "upload",
        "view",
    ];
    assert!(expected.iter().all(|action| actions.contains(*action)), "{actions:?}");
}

#[test]
fn memory_holds_two_days_of_actions_and_an_hour_of_rows() {
    let company = company(9);
    let mut deliveries = company.raw_rows();
    let (mut actions_max, mut rows_max, mut rows) = (0, 0, 0_usize);
    while deliveries.next().is_some() {
        rows += 1;
        actions_max = actions_max.max(deliveries.actions.slots.values().map(Vec::len).sum());
        rows_max = rows_max.max(deliveries.pending.len() + deliveries.ready.len());
    }
    let rows_a_day = rows / 16;
    assert!(actions_max < 3 * rows_a_day, "{actions_max} actions are held where a day has {rows_a_day} rows");
    assert!(rows_max < rows_a_day / 3, "{rows_max} rows are held where a day has {rows_a_day}");
}
