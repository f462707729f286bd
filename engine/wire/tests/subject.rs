//! One user has one key, whoever makes it: the producer, the normaliser, or the engine from the record alone.

#![allow(clippy::unwrap_used, reason = "helpers of tests stop at what is broken")]

use frostwatch_wire::activity::decode::{decode, key_of};
use frostwatch_wire::normalise::config::NormaliseConfig;
use frostwatch_wire::normalise::{Normalised, Normaliser, Table};
use frostwatch_wire::subject::PLACEHOLDERS;
use serde_json::json;

fn activity(name: &str, kind: Option<&str>, ip: Option<&str>) -> Vec<u8> {
    let record = json!({
        "schema": "activity.v1", "id": "a", "time": "2026-03-02T08:14:09Z", "instance": "acme",
        "user": {"name": name, "kind": kind}, "action": "login", "outcome": "failure",
        "client": {"ip": ip}, "source": {"producer": "p"},
    });
    serde_json::to_vec(&record).unwrap()
}

fn key(name: &str, kind: Option<&str>, ip: Option<&str>) -> String {
    key_of(&decode(&activity(name, kind, ip)).unwrap())
}

#[test]
fn names_are_compared_trimmed_and_in_lower_case_and_nobody_is_an_address() {
    const IP: Option<&str> = Some("203.0.113.7");
    for (name, kind, ip, wanted) in [
        ("ana.lind", None, IP, "acme|ana.lind"),
        ("Ana.LIND", None, IP, "acme|ana.lind"),
        (" ana.lind\t", None, IP, "acme|ana.lind"),
        ("ÅSA.ÖST", None, IP, "acme|åsa.öst"),
        ("guest.smith", None, IP, "acme|guest.smith"),
        ("guest", None, IP, "acme|@203.0.113.7"),
        (" Guest ", None, IP, "acme|@203.0.113.7"),
        ("guest", Some("employee"), IP, "acme|@203.0.113.7"),
        ("guest", None, Some("203.0.113.8"), "acme|@203.0.113.8"),
        ("system", None, Some("2001:DB8::1"), "acme|@2001:db8::1"),
        ("system", None, Some("::ffff:203.0.113.7"), "acme|@203.0.113.7"),
        ("", None, IP, "acme|@203.0.113.7"),
        ("  ", None, IP, "acme|@203.0.113.7"),
        ("", None, None, "acme|@none"),
        ("kiosk", Some("placeholder"), IP, "acme|@203.0.113.7"),
        ("ana", Some("guest"), IP, "acme|ana"),
    ] {
        assert_eq!(key(name, kind, ip), wanted, "{name:?} {kind:?} {ip:?}");
    }
}

#[test]
fn the_normaliser_writes_the_key_that_the_engine_makes_of_its_record() {
    let mut names = PLACEHOLDERS.to_vec();
    let long = format!("{} b", "a".repeat(255));
    names.extend(["ana.lind", "Ana.LIND", " ana ", "ÅSA", " GUEST", "", "guest2", "tech@snc", long.as_str()]);
    let normaliser = Normaliser::new(NormaliseConfig::for_instance("acme")).unwrap();
    let mut keys = 0;
    for name in names {
        let row = json!({
            "sys_id": "0f3c8a5b2d4e46f7a1b2c3d4e5f60718", "name": "login.failed", "parm1": name,
            "parm2": "203.0.113.24", "sys_created_on": "2026-03-02 08:14:09", "sys_created_by": "guest",
        });
        normaliser.row(Table::Sysevent, &serde_json::to_vec(&row).unwrap(), &mut |normalised| {
            let Normalised::Activity { key, .. } = &normalised else { panic!("{name:?}: {normalised:?}") };
            assert_eq!(*key, key_of(&decode(&normalised.to_bytes().unwrap()).unwrap()), "{name:?}");
            keys += 1;
        });
    }
    assert_eq!(keys, PLACEHOLDERS.len() + 9);
}
