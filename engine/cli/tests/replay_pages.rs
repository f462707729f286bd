//! Exports replayed: the same rows as a page, pretty or on one line, plain or packed, are the same activity.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests stop at what is broken")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longest element of a page, bytes, as the reader has it.
const ELEMENT_BYTES_MAX: usize = 1 << 20;
const ROWS: usize = 5_000;

fn rows() -> Vec<Value> {
    let row = |n: usize| {
        let seconds = n;
        let time = format!("2026-03-02 {:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
        json!({
            "sys_id": format!("{n:032x}"), "name": "login.failed", "parm1": format!("user{}", n % 5),
            "parm2": "User name or password incorrect {\"[", "instance": "", "user_name": "guest", "queue": "",
            "claimed_by": "app01.acme", "state": "processed", "process_on": time, "processed": time,
            "sys_created_on": time, "sys_created_by": "guest",
        })
    };
    (0..ROWS).map(row).collect()
}

fn lines(rows: &[Value]) -> Vec<u8> {
    rows.iter().flat_map(|row| [row.to_string(), "\n".to_owned()]).collect::<String>().into_bytes()
}

fn replay(folder: &Path, bytes: &[u8]) -> Output {
    let file = folder.join("export");
    fs::write(&file, bytes).unwrap();
    let args = ["replay", "--instance", "acme", "--demo-geoip"];
    Command::new(env!("CARGO_BIN_EXE_frostwatch")).args(args).arg(&file).output().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

#[test]
fn a_page_gives_the_alerts_of_its_lines() {
    let (folder, rows) = (TempDir::new().unwrap(), rows());
    let expect = replay(folder.path(), &lines(&rows));
    assert!(expect.status.success() && !expect.stdout.is_empty(), "{}", String::from_utf8_lossy(&expect.stderr));
    let page = json!({ "result": rows });
    let pretty = |value: &Value| serde_json::to_vec_pretty(value).unwrap();
    let one_line = serde_json::to_vec(&page).unwrap();
    assert!(one_line.len() > ELEMENT_BYTES_MAX);
    let (head, tail) = rows.split_at(ROWS / 2);
    let two = [pretty(&json!({ "records": head })), b"\n".to_vec(), pretty(&json!(tail))].concat();
    let mixed = [lines(head), pretty(&json!({ "result": tail })), b"\n".to_vec()].concat();
    let objects: Vec<u8> = rows.iter().flat_map(|row| [pretty(row), b"\n".to_vec()].concat()).collect();
    let crlf = String::from_utf8(pretty(&page)).unwrap().replace('\n', "\r\n").into_bytes();
    for (name, bytes) in [
        ("one line", one_line.clone()),
        ("one line that ends", [one_line.clone(), b"\n".to_vec()].concat()),
        ("pretty", pretty(&page)),
        ("pretty, ends of lines of Windows", crlf),
        ("records on one line", serde_json::to_vec(&json!({ "records": rows })).unwrap()),
        ("records with more behind them", format!(r#"{{"records": {}, "next": {{"a": "]}}"}}}}"#, json!(rows)).into()),
        ("a bare array", serde_json::to_vec(&rows).unwrap()),
        ("a pretty bare array", pretty(&json!(rows))),
        ("two pages", two),
        ("lines, then a page", mixed),
        ("pretty objects", objects),
        ("gzip", gzip(&pretty(&page))),
        ("zstd", zstd::encode_all(one_line.as_slice(), 1).unwrap()),
    ] {
        let got = replay(folder.path(), &bytes);
        assert_eq!(String::from_utf8_lossy(&got.stderr), String::from_utf8_lossy(&expect.stderr), "{name}");
        assert!(got.stdout == expect.stdout, "{name}: other alerts");
    }
}

#[test]
fn what_is_wrong_in_a_page_is_named_by_its_line_and_costs_no_other_row() {
    let (folder, rows) = (TempDir::new().unwrap(), rows());
    let long = |bytes: usize| {
        let mut row = rows[1].clone();
        let room = bytes - row.to_string().len();
        row["queue"] = json!("x".repeat(room));
        row.to_string()
    };
    let (good, bad) = (rows[0].to_string(), r#"{"name":"login","parm1":"ana.lind","sys_created_on":"05.01.2026"}"#);
    for (page, scored, says) in [
        (format!("[{good},\n{}]", long(ELEMENT_BYTES_MAX)), 2, ""),
        (format!("[{good},\n{}]", long(ELEMENT_BYTES_MAX + 1)), 1, "line 2: a row of a page longer than 1048576 bytes"),
        (format!("[{good},\n{},\n{}]", long(ELEMENT_BYTES_MAX + 1), rows[2]), 2, "line 2: "),
        (format!("{{\n\"result\": [\n{bad},\n{good}]}}"), 1, "line 3: sys_created_on: not a time in UTC"),
        (format!("[\n7,\nnull,\n{good}\n]"), 1, ""),
        (format!("[{good},\n{}", rows[1]), 2, "line 2: not JSON: ends too early"),
        (format!("[{good}\n{}\n]\n{}", rows[1], rows[2]), 2, "line 2: not JSON: no comma"),
        (
            format!("[{good},\n{{\"name\":\"lo\ngin\"}}]\n{}", rows[2]),
            2,
            "not JSON: a text that does not end on its line",
        ),
        (format!("[{good},\n]\n{}", rows[2]), 2, "line 2: not JSON: no row where a page must have one"),
        (format!("[\n{good}\n] x\n{}", rows[2]), 2, "line 3: text behind the end of a page"),
        (format!("{{\n{good}"), 0, "line 2: not JSON: ends too early"),
        ("{".to_owned(), 0, ""),
    ] {
        let got = replay(folder.path(), page.as_bytes());
        let output = String::from_utf8_lossy(&got.stderr).into_owned();
        let shown: String = page.chars().take(90).collect();
        assert!(output.contains(&format!(": {scored} scored")), "{shown}\n{output}");
        assert!(output.contains(says), "{shown}\n{output}");
    }
}
