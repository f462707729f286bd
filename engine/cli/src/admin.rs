//! The admin port: metrics for Prometheus, liveness, readiness, version, and reading the configuration again.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, StatusCode};
use axum::routing::{get, post};
use frostwatch_feeds::Feeds;
use frostwatch_kafka::Counts;
use frostwatch_runtime::board::Board;
use prometheus::{Registry, TextEncoder};
use serde_json::{Value, json};

use crate::engine::BUILD;
use crate::feeds::FeedMetrics;
use crate::metrics::{Metrics, Observed};
use crate::reload::{NotSwitched, Reloader, Told};

/// A worker that has stood still for this long is not ready.
const UNREADY_AFTER: Duration = Duration::from_secs(30);

/// Serves the admin port for as long as the result is kept.
pub(crate) fn serve(
    listen: SocketAddr,
    (observed, reloader, feeds): (Arc<Observed>, Arc<Reloader>, Arc<Feeds>),
) -> anyhow::Result<tokio::runtime::Runtime> {
    let registry = Registry::new();
    registry.register(Box::new(Metrics::new(Arc::clone(&observed), Arc::clone(&reloader))?))?;
    registry.register(Box::new(FeedMetrics::new(feeds)?))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind(listen))
        .with_context(|| format!("admin.listen: cannot listen on {listen}"))?;
    let current = Arc::clone(&observed.current);
    let pages =
        Router::new()
            .route("/metrics", get(move || async move { text_of(&registry) }))
            .route("/livez", get(|| async { "live\n" }))
            .route(
                "/readyz",
                get(move || async move {
                    readiness(&observed.board, &observed.counters.read(), observed.pulse.stands_still())
                }),
            )
            .route("/reload", post(move || reload(Arc::clone(&reloader))))
            .route("/version", get(move || async move { format!("frostwatch {BUILD}\n{}\n", current.get().named()) }));
    runtime.spawn(async move {
        if let Err(error) = axum::serve(listener, pages).await {
            tracing::error!(%error, "the admin port closed");
        }
    });
    Ok(runtime)
}

/// Reads the configuration again; a fault is told whole and switches nothing.
async fn reload(reloader: Arc<Reloader>) -> Answer {
    match tokio::task::spawn_blocking(move || reloader.reload()).await {
        Ok(outcome) => answer_of(&outcome),
        Err(error) => json(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "told": error.to_string() })),
    }
}

/// A status and a body of JSON.
type Answer = (StatusCode, [(HeaderName, &'static str); 1], String);

/// `told` is what the process writes to standard error.
fn answer_of(outcome: &Result<Told, NotSwitched>) -> Answer {
    let (code, mut body) = match outcome {
        Ok(told) => (StatusCode::OK, json!(told)),
        Err(NotSwitched::Refused(_)) => (StatusCode::UNPROCESSABLE_ENTITY, json!({ "is_switched": false })),
        Err(NotSwitched::UnderWay | NotSwitched::Changing) => (StatusCode::CONFLICT, json!({ "is_switched": false })),
    };
    body["told"] = json!(outcome.as_ref().map_or_else(ToString::to_string, ToString::to_string));
    json(code, &body)
}

fn json(code: StatusCode, body: &Value) -> Answer {
    (code, [(CONTENT_TYPE, "application/json")], format!("{body}\n"))
}

fn text_of(registry: &Registry) -> (StatusCode, String) {
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

fn readiness(board: &Board, counts: &Counts, stands_still: Duration) -> (StatusCode, String) {
    let lines = board.lines();
    let mut text = String::new();
    for (partition, status) in &lines {
        let (phase, position, until, users) =
            (status.phase.as_str(), status.position, status.restore_until, status.keys);
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "partition {partition}: {phase}, position {position}, restore until {until}, {users} users");
    }
    if counts.misrouted > 0 {
        let _ = writeln!(
            text,
            "warning: {} records lie in another partition than murmur2 gives their key: their producer partitions \
             otherwise, and what concerns one user is split",
            counts.misrouted
        );
    }
    let moves = stands_still < UNREADY_AFTER;
    if !moves {
        let _ = writeln!(text, "a worker has stood still for {} s", stands_still.as_secs());
    }
    let ready = board.is_ready() && moves;
    text += match (ready, moves) {
        (true, _) => "ready\n",
        (false, true) => "restoring\n",
        (false, false) => "not ready\n",
    };
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text)
}

#[cfg(test)]
mod tests {
    use frostwatch_runtime::board::{PartitionStatus, Phase};

    use super::*;

    #[track_caller]
    fn check(phase: Phase, misrouted: u64, still_secs: u64, code: StatusCode, wanted: &[&str]) {
        let board = Board::default();
        board.set(3, PartitionStatus { phase, keys: 7, ..PartitionStatus::default() });
        let (found, text) =
            readiness(&board, &Counts { misrouted, ..Counts::default() }, Duration::from_secs(still_secs));
        assert_eq!(found, code, "{text}");
        assert_eq!(text.lines().count(), wanted.len(), "{text}");
        for (line, wanted) in text.lines().zip(wanted) {
            assert!(line.starts_with(wanted), "{text}");
        }
    }

    #[test]
    fn a_reading_that_switched_nothing_is_told_by_its_status() {
        for (why, code) in [
            (NotSwitched::UnderWay, StatusCode::CONFLICT),
            (NotSwitched::Changing, StatusCode::CONFLICT),
            (NotSwitched::Refused(anyhow::anyhow!("2 faults")), StatusCode::UNPROCESSABLE_ENTITY),
        ] {
            let said = why.to_string();
            let (found, _, body) = answer_of(&Err(why));
            assert_eq!(found, code);
            assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), json!({ "is_switched": false, "told": said }));
        }
    }

    #[test]
    fn a_process_is_ready_when_all_its_partitions_are_live_and_warns_of_misrouted_records() {
        check(Phase::Restoring, 0, 0, StatusCode::SERVICE_UNAVAILABLE, &["partition 3: restoring", "restoring"]);
        check(Phase::Live, 0, 29, StatusCode::OK, &["partition 3: live", "ready"]);
        check(Phase::Live, 2, 0, StatusCode::OK, &["partition 3: live", "warning: 2 records lie in another", "ready"]);
        let unready = StatusCode::SERVICE_UNAVAILABLE;
        check(Phase::Live, 0, 30, unready, &["partition 3: live", "a worker has stood still for 30 s", "not ready"]);
    }
}
