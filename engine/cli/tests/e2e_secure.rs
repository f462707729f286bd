//! TLS and SASL on Apache Kafka: who is let in, and what is said to whom is not.
//!
//! Only in a build with the feature `tls`. Without Java or Maven it says aloud that it did not run; `FROSTWATCH_E2E=required`
//! makes that a failure.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::path::Path;

use frostwatch_testkit::broker::{Broker, Certificates, Settings, secure_port, unique_name};
use serde_json::json;
use support::group::{Group, Membership, wait_for};
use support::rows::Rows;

mod support;

const PASSWORD: &str = "right-of-way";
const WRONG: &str = "wrong-of-way";

/// Somebody who comes to a host of the broker, trusting an authority, with a password.
fn membership(broker: &Broker, host: &str, authority: &Path, password: &str) -> Membership {
    let properties = json!({
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "engine",
        "sasl.password": password,
        "ssl.ca.location": authority,
        // `localhost` may be an address of the other kind first, at which nobody listens.
        "broker.address.family": "v4",
    });
    let bootstrap = Some(format!("{host}:{}", secure_port(broker.port().unwrap())));
    Membership { bootstrap, properties: Some(properties), ..Membership::default() }
}

#[test]
fn the_right_authority_name_and_password_are_let_in_and_others_are_told_why_not() {
    let secure_users = vec![("engine".to_owned(), PASSWORD.to_owned())];
    let Some(broker) = Broker::own(&Settings { secure_users, ..Settings::default() }).unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    Rows::simulate(folder.path());
    let group = Group::create(folder.path(), broker.bootstrap(), &unique_name("secure"));
    let authority = broker.authority().unwrap();
    let other = Certificates::make(folder.path(), "other").unwrap();
    let right = membership(&broker, "localhost", &authority, PASSWORD);

    let (code, said) = group.ended_as(&right, &["check", "--brokers"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("answers: brokers 1"), "{said}");
    let process = group.join_as(&right);
    group.frostwatch(&["simulate", "--users", "20", "--days", "1", "--no-attacks"]);
    wait_for("all rows are normalised", || group.is_normalised());
    wait_for("all activity is consumed", || group.is_consumed());
    assert!(process.count("consumed") > 100);
    assert!(process.stop().success());

    let check = [&["check", "--brokers"][..], &["topics", "check"], &["run"]];
    for (commands, membership, wanted) in [
        (
            &check[..1],
            membership(&broker, "localhost", other.authority(), PASSWORD),
            "is not signed by an authority of `ssl.ca.location`",
        ),
        (&check[..], membership(&broker, "localhost", &authority, WRONG), "refuses the credentials"),
        (&check[..1], membership(&broker, "127.0.0.1", &authority, PASSWORD), "hostname mismatch"),
    ] {
        for command in commands {
            let (code, said) = group.ended_as(&membership, command);
            assert_eq!(code, Some(1), "{command:?}: another start does not help: {said}");
            assert!(said.contains(&format!("error: broker {}: ", membership.bootstrap.as_ref().unwrap())), "{said}");
            assert!(said.contains(wanted), "{command:?}: {wanted} in {said}");
            assert!(!said.contains(PASSWORD) && !said.contains(WRONG), "{said}");
            assert!(!said.contains("[thrd:"), "in plain words: {said}");
        }
    }
}
