//! Whom a feed is asked of, and who learns the secret.

use std::fs;

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::server::{Reply, Server};

const LIST: &str = "11.2.3.4\n";

fn to(status: &str, target: &str) -> Reply {
    Reply::new(status, &[("Location", target)], "")
}

#[tokio::test]
async fn credentials_are_sent_as_configured_and_read_anew_each_time() {
    for (credentials, header, wanted) in [
        (json!({ "kind": "basic", "user": "reader", "file": "secret" }), "authorization", "Basic cmVhZGVyOnMzY3JldA=="),
        (json!({ "kind": "bearer", "file": "secret" }), "authorization", "Bearer s3cret"),
        (json!({ "kind": "key", "file": "secret" }), "authorization", "s3cret"),
        (json!({ "kind": "header", "name": "X-Api-Key", "env": "FEED_KEY" }), "x-api-key", "of the environment"),
    ] {
        let bench = Bench::new("plain", "file").await.configured(&json!({ "credentials": credentials }));
        fs::write(bench.folder.path().join("secret"), "s3cret\n").unwrap();
        bench.server.say([Reply::ok(LIST)]);
        assert_eq!(bench.fetch().await, "list list: fetched, 1 entries");
        assert_eq!(bench.server.asked()[0].header(header), Some(wanted));
        fs::write(bench.folder.path().join("secret"), "").unwrap();
        if credentials["file"].is_string() {
            let told = "list list: not fetched, what was there stays: credentials: the secret is empty";
            assert_eq!(bench.fetch().await, told);
        }
        let kept = fs::read_to_string(bench.folder.path().join("list.fetched")).unwrap();
        assert!(!kept.contains("s3cret") && !kept.contains("hidden"), "{kept}");
    }
    let bench =
        Bench::new("plain", "file").await.configured(&json!({ "credentials": { "kind": "key", "env": "NOT_THERE" } }));
    let told = "list list: not fetched, what was there stays: credentials: the environment has no variable NOT_THERE";
    assert_eq!(bench.fetch().await, told);
}

#[tokio::test]
async fn a_secret_never_follows_a_redirect_to_another_host() {
    let (bench, other) = (Bench::new("plain", "file").await, Server::start().await);
    let bench = bench.configured(&json!({ "credentials": { "kind": "key", "file": "secret" } }));
    fs::write(bench.folder.path().join("secret"), "s3cret").unwrap();
    bench.server.say([to("302 Found", "/b"), to("307 Temporary Redirect", &format!("{}/c?x=1", other.address))]);
    other.say([Reply::ok(LIST)]);
    assert_eq!(bench.fetch().await, "list list: fetched, 1 entries");
    let asked = bench.server.asked();
    assert!(asked.iter().all(|asked| asked.header("authorization") == Some("s3cret")));
    let asked = other.asked();
    assert_eq!((asked[0].line.as_str(), asked[0].header("authorization")), ("GET /c?x=1", None));
}

#[tokio::test]
async fn redirects_end_somewhere_and_do_not_leave_the_web() {
    let failed = "list list: not fetched, what was there stays: S/a: ";
    for (replies, wanted) in [
        (vec![to("301 Moved Permanently", "/a?key=hidden"); 6], "more than 5 redirects"),
        (vec![to("302 Found", "file:///etc/passwd")], "redirects to file, which is not followed"),
        (vec![Reply::status("302 Found")], "redirects to no address"),
        (vec![Reply::status("300 Multiple Choices")], "status 300"),
    ] {
        let bench = Bench::new("plain", "file").await;
        bench.server.say(replies);
        assert_eq!(bench.fetch().await, format!("{failed}{wanted}"));
        bench.server.asked();
    }
    let bench = Bench::new("misp", "misp").await;
    bench.server.say([to("302 Found", "/b")]);
    let told = bench.fetch().await;
    assert!(told.contains("redirects a search to S/b; name that in `url`"), "{told}");
}

/// What is told of a fetch over TLS, which is not made twice, and how much it wrote.
async fn over_tls(changes: &Value, replies: Vec<Reply>) -> (String, usize) {
    let server = Server::start_tls().await;
    let certificate = server.certificate.clone().unwrap();
    let bench = Bench::with(server, "plain", "file").configured(changes);
    fs::write(bench.folder.path().join("own.pem"), certificate).unwrap();
    let other = Server::start_tls().await.certificate.unwrap();
    fs::write(bench.folder.path().join("other.pem"), other).unwrap();
    fs::write(bench.folder.path().join("none.pem"), "no certificate").unwrap();
    bench.server.say(replies);
    let told = bench.fetch().await;
    assert!(bench.waits().is_empty(), "{told}");
    (told, fs::read(bench.path()).map_or(0, |list| list.len()))
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_is_refused() {
    for changes in [json!({}), json!({ "ca_file": "other.pem" })] {
        let (told, written) = over_tls(&changes, Vec::new()).await;
        assert!(told.contains("S/a: is not trusted: invalid peer certificate"), "{told}");
        assert_eq!(written, 0);
    }
    for changes in [json!({ "ca_file": "own.pem" }), json!({ "tls_verify": false })] {
        let (told, written) = over_tls(&changes, vec![Reply::ok(LIST)]).await;
        assert_eq!((told.as_str(), written), ("list list: fetched, 1 entries", LIST.len()), "{changes}");
    }
    let (told, _) = over_tls(&json!({ "ca_file": "none.pem" }), Vec::new()).await;
    assert!(told.contains("none.pem: no certificate in PEM"), "{told}");
}

#[tokio::test]
async fn no_redirect_leads_out_of_tls() {
    let plain = Server::start().await;
    let (told, written) = over_tls(&json!({ "ca_file": "own.pem" }), vec![to("302 Found", &plain.address)]).await;
    assert!(told.contains("redirects from https to http://127.0.0.1"), "{told}");
    assert_eq!((written, plain.asked().len()), (0, 0));
}
