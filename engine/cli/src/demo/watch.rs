//! Readers of the alert and suppression topics: they print alerts as they come and keep what stands at the end.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Scope, ScopedJoinHandle};

use frostwatch_kafka::record::{Recording, record};
use frostwatch_kafka::{KafkaFault, KafkaSettings};
use frostwatch_runtime::ports::Channel;
use frostwatch_wire::alert::AlertRecord;
use serde::Deserialize;

use super::judge::Final;
use crate::console::say;

/// What was read so far.
#[derive(Default)]
pub(super) struct Watched {
    count: AtomicU64,
    last: Mutex<BTreeMap<(Channel, String), Final>>,
}

impl Watched {
    /// Records read.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Alerts that stand at the end, in order of time, and how many suppressed findings do.
    pub(super) fn finals(&self) -> (Vec<Final>, usize) {
        let Ok(last) = self.last.lock() else { return (Vec::new(), 0) };
        let of = |channel| last.iter().filter(move |((of, _), _)| *of == channel).map(|(_, alert)| alert.clone());
        let mut alerts: Vec<Final> = of(Channel::Alerts).collect();
        alerts.sort_by_key(|alert| alert.first_ms);
        (alerts, of(Channel::Suppressions).count())
    }

    fn take(&self, channel: Channel, alert: &AlertRecord) {
        // What another alert takes the place of needs no line of its own.
        if channel == Channel::Alerts && alert.significant && alert.superseded_by.is_none() {
            show(alert);
        }
        if let Ok(mut last) = self.last.lock() {
            let key = (channel, alert.id.clone());
            match Final::of(alert) {
                Some(one) => drop(last.insert(key, one)),
                None => drop(last.remove(&key)),
            }
        }
        self.count.fetch_add(1, Ordering::AcqRel);
    }
}

/// Reads both topics until told to stop.
pub(super) fn spawn<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    settings: &'env KafkaSettings,
    watched: &'env Watched,
    stop: &'env AtomicBool,
) -> Vec<ScopedJoinHandle<'scope, Result<u64, KafkaFault>>> {
    [Channel::Alerts, Channel::Suppressions]
        .map(|channel| {
            scope.spawn(move || {
                let topic = settings.topics.channel(channel);
                let recording = Recording { topic, follow: true, ..Recording::default() };
                record(settings, &recording, stop, &mut Sink { channel, watched, line: Vec::new() })
            })
        })
        .into()
}

/// Takes recorded lines as they are written.
struct Sink<'a> {
    channel: Channel,
    watched: &'a Watched,
    line: Vec<u8>,
}

#[derive(Deserialize)]
struct Line {
    value: AlertRecord,
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line: Line = serde_json::from_slice(&self.line)?;
            self.watched.take(self.channel, &line.value);
            self.line.clear();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One readable line: when, how bad, what.
fn show(alert: &AlertRecord) {
    let severity = match alert.severity {
        5 => "CRITICAL",
        4 => "HIGH",
        3 => "MEDIUM",
        2 => "LOW",
        _ => "INFO",
    };
    let time = alert.body.as_ref().map_or("", |body| body.last_event_time.as_str());
    let time = time.get(..16).unwrap_or(time).replace('T', " ");
    let what = if alert.body.is_some() { alert.summary.clone() } else { format!("{}: {}", alert.title, alert.summary) };
    say(&format!("{time:16}  {severity:8}  {:18}  {what}", alert.policy));
}
