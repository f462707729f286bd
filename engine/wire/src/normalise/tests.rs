//! Limits at their edges, and the configuration.

use super::config::{LIST_MAX, NormaliseConfig, PATTERN_BYTES_MAX, fits};
use super::row::{VALUE_BYTES_MAX, VALUE_CELLS_MAX, VALUE_ROWS_MAX};
use super::*;

fn normaliser() -> Normaliser {
    Normaliser::new(NormaliseConfig::for_instance("acme")).unwrap()
}

fn lines(value: &str) -> Vec<Normalised> {
    let mut all = Vec::new();
    normaliser().line(value.as_bytes(), &mut |made| all.push(made));
    all
}

fn faults(yaml_like: serde_json::Value) -> Vec<String> {
    let config: NormaliseConfig = serde_json::from_value(yaml_like).unwrap();
    config.check().into_iter().map(|fault| fault.path).collect()
}

#[test]
fn a_page_has_a_limit_of_rows_and_says_how_many_were_over_it() {
    let flat = |count| format!("[{}]", vec!["{}"; count].join(","));
    let (half, rest) = (flat(VALUE_ROWS_MAX / 2), flat(VALUE_ROWS_MAX / 2 + 7));
    for (value, over) in [
        (flat(VALUE_ROWS_MAX), 0),
        (flat(VALUE_ROWS_MAX + 1), 1),
        (flat(VALUE_ROWS_MAX + 9), 9),
        (format!("[{half},{rest}]"), 7),
        (format!("[{half},{}]", flat(VALUE_ROWS_MAX + 7)), VALUE_ROWS_MAX / 2 + 7),
    ] {
        let made = lines(&value);
        let [Normalised::Reject(rejected)] = made.as_slice() else { panic!("{} outcomes", made.len()) };
        assert_eq!((rejected.count, rejected.unread), (VALUE_ROWS_MAX, over));
        assert_eq!(rejected.rows.len(), REJECTED_ROWS_MAX);
        let says = format!("{over} rows over the limit of {VALUE_ROWS_MAX} were not read");
        assert_eq!(rejected.to_string().contains(&says), over > 0, "{rejected}");
    }
}

#[test]
fn a_reject_tells_its_first_rows_and_counts_the_rest() {
    for (bad, expect) in [
        (1, "[0]: not an object"),
        (2, "[0]: not an object; [1]: not an object"),
        (REJECTED_ROWS_MAX, "[7]: not an object"),
        (REJECTED_ROWS_MAX + 1, "[7]: not an object; and 1 rows more"),
    ] {
        let made = lines(&format!("[{}]", vec!["7"; bad].join(",")));
        let [Normalised::Reject(rejected)] = made.as_slice() else { panic!("{made:?}") };
        assert_eq!(rejected.count, bad);
        assert!(rejected.to_string().ends_with(expect), "{rejected}");
    }
}

#[test]
fn a_value_has_a_limit_of_cells() {
    // One list around the value, and in each of its maps one cell.
    let maps = (VALUE_CELLS_MAX - 1) / 2;
    let lists = |cells: usize| {
        let list = format!("[{}]", vec!["0"; VALUE_ROWS_MAX - 1].join(","));
        let (full, rest) = ((cells - 1) / VALUE_ROWS_MAX, (cells - 1) % VALUE_ROWS_MAX);
        let rest = format!("[{}]", vec!["0"; rest - 1].join(","));
        format!("[{},{rest}]", vec![list; full].join(","))
    };
    let pairs = |maps: usize| {
        let columns: Vec<String> = (0..maps).map(|_| r#"{"":0}"#.to_owned()).collect();
        let pages: Vec<String> = columns.chunks(VALUE_ROWS_MAX).map(|page| format!("[{}]", page.join(","))).collect();
        format!("[{}]", pages.join(","))
    };
    let pages = maps.div_ceil(VALUE_ROWS_MAX);
    for (value, fits) in [
        (lists(VALUE_CELLS_MAX), true),
        (lists(VALUE_CELLS_MAX + 1), false),
        (pairs(maps - pages), true),
        (pairs(maps + 1), false),
        (format!("[{}]", vec!["[{}]"; VALUE_CELLS_MAX].join(",")), true),
    ] {
        assert!(value.len() <= VALUE_BYTES_MAX);
        assert_eq!(row::read(value.as_bytes()).is_ok(), fits, "{} bytes", value.len());
    }
}

#[test]
fn a_value_has_a_limit_of_bytes() {
    let row = r#"{"name":"otp","parm1":""}"#;
    for (bytes, expect) in [(VALUE_BYTES_MAX, "Secret"), (VALUE_BYTES_MAX + 1, "Reject")] {
        let made = lines(&format!("{row}{}", " ".repeat(bytes - row.len())));
        assert_eq!(made.len(), 1);
        assert!(format!("{made:?}").starts_with(&format!("[{expect}")), "{made:?}");
    }
}

#[test]
fn a_value_is_text_also_where_nobody_reads_it() {
    let value = |text: &[u8]| {
        let row = br#""payload":{"sys_id":"0f3c8a5b2d4e46f7a1b2c3d4e5f60718","name":"login"}}"#;
        [br#"{"schema":{""#, text, br#"":1},"#, row].concat()
    };
    for (value, wanted) in [(value(b"type"), false), (value(b"\xb3ype"), true)] {
        let mut reasons = Vec::new();
        normaliser().row(Table::Sysevent, &value, &mut |made| {
            if let Normalised::Reject(rejected) = made {
                reasons.push((rejected.rows[0].reason.clone(), rejected.keep_raw));
            }
        });
        assert_eq!(reasons.contains(&("not UTF-8".to_owned(), false)), wanted, "{reasons:?}");
    }
}

#[test]
fn tables_are_known_by_the_end_of_a_topic() {
    for (topic, expect) in [
        ("frostwatch.raw.sysevent", Some(Table::Sysevent)),
        ("snc.acme.sys_audit", Some(Table::SysAudit)),
        ("snc.acme.sys_audit_delete", Some(Table::SysAuditDelete)),
        ("syslog_transaction", Some(Table::SyslogTransaction)),
        ("x.sys_attachment", Some(Table::SysAttachment)),
        ("x.sys_user", Some(Table::SysUser)),
        ("frostwatch.raw.incident", None),
        ("frostwatch.raw.mysysevent", None),
        ("", None),
    ] {
        assert_eq!(Table::from_topic_suffix(topic), expect, "{topic}");
    }
}

#[test]
fn patterns_fit_names() {
    for (pattern, text, expect) in [
        ("*@snc", "joe@snc", true),
        ("*@snc", "joe@snc.example", false),
        ("svc.?", "svc.a", true),
        ("svc.?", "svc.", false),
        ("*", "", true),
        ("", "", true),
        ("", "a", false),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-b-b", false),
        ("*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ("ana", "anna", false),
    ] {
        assert_eq!(fits(pattern, text), expect, "{pattern} {text}");
    }
}

#[test]
fn a_configuration_needs_only_an_instance() {
    assert!(faults(serde_json::json!({ "instance": "ACME-Dev.service-now.com" })).is_empty());
    assert_eq!(NormaliseConfig::for_instance("ACME-Dev.service-now.com").instance_name(), "acme-dev");
    let unknown = serde_json::json!({ "instance": "acme", "evnts": [] });
    assert!(serde_json::from_value::<NormaliseConfig>(unknown).is_err());
}

#[test]
fn all_faults_of_a_configuration_come_at_once() {
    let config = serde_json::json!({
        "instance": "ac|me",
        "base_url": "http://acme.example",
        "connector_users": [""],
        "events": ["login", "multifactor.email.otp", "*", "a*b"],
        "accounts": [{ "pattern": "", "kind": "robot" }],
        "vendor_patterns": ["x".repeat(PATTERN_BYTES_MAX + 1)],
        "columns": { "incident": {}, "sysevent": { "parm9": "x", "parm1": "" } },
        "bulk_rows_min": 0,
    });
    let expect = [
        "instance",
        "base_url",
        "connector_users[0]",
        "vendor_patterns[0]",
        "events[1]",
        "events[2]",
        "events[3]",
        "accounts[0].pattern",
        "accounts[0].kind",
        "columns.incident",
        "columns.sysevent.parm1",
        "columns.sysevent.parm9",
        "bulk_rows_min",
    ];
    assert_eq!(faults(config), expect);
}

#[test]
fn lists_of_a_configuration_have_a_limit() {
    for (count, expect) in [(LIST_MAX, 0), (LIST_MAX + 1, 1)] {
        let config = serde_json::json!({ "instance": "acme", "placeholders": vec!["x"; count] });
        assert_eq!(faults(config).len(), expect, "{count}");
    }
}

#[test]
fn an_instance_name_has_a_limit() {
    let max = crate::activity::INSTANCE_BYTES_MAX;
    for (name, expect) in [
        ("a".repeat(max), 0),
        ("a".repeat(max + 1), 1),
        ("-a".to_owned(), 1),
        ("a-".to_owned(), 1),
        (String::new(), 1),
        ("åcme".to_owned(), 1),
    ] {
        let found = faults(serde_json::json!({ "instance": name }));
        assert_eq!(found.len(), expect, "{name}: {found:?}");
    }
}

#[test]
fn every_event_of_the_default_list_may_be_read() {
    let normaliser = normaliser();
    for name in config::EVENTS {
        let name = name.replace('*', "DB.Login.Success");
        assert!(normaliser.lists_event(&name), "{name}");
    }
    for name in ["", "login2", "multifactor.email.otp", "SNC.Auth.Token", "SNC.Authx"] {
        assert!(!normaliser.lists_event(name), "{name}");
    }
}
