//! A list, the server it comes from, and a clock that goes by being waited for.

use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use frostwatch_feeds::{Allowed, Clock, Feed, Feeds};
use frostwatch_geoip::lists::{ListConfig, ListsLimits, open};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::server::Server;

/// The beginning of the test's time, milliseconds since the epoch.
const BEGIN: i64 = 1_772_442_000_000;

pub(crate) struct TestClock {
    now: Mutex<i64>,
    waits: Mutex<Vec<u64>>,
    /// Waits that end, one each; without it all do.
    passes: Option<Semaphore>,
    /// One for each wait that began.
    waited: Semaphore,
}

impl Clock for TestClock {
    fn now(&self) -> i64 {
        *self.now.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.pass(duration);
        self.waits.lock().unwrap().push(duration.as_millis() as u64);
        self.waited.add_permits(1);
        Box::pin(async {
            if let Some(passes) = &self.passes {
                passes.acquire().await.unwrap().forget();
            }
        })
    }

    fn chance(&self) -> f64 {
        0.0
    }
}

impl TestClock {
    fn new(passes: Option<Semaphore>) -> Self {
        Self { now: Mutex::new(BEGIN), waits: Mutex::default(), passes, waited: Semaphore::new(0) }
    }

    /// Lets the next wait end.
    pub(crate) fn let_pass(&self) {
        self.passes.as_ref().unwrap().add_permits(1);
    }

    /// Until so many more waits have begun.
    pub(crate) async fn begun(&self, waits: u32) {
        self.waited.acquire_many(waits).await.unwrap().forget();
    }

    pub(crate) fn pass(&self, duration: Duration) {
        *self.now.lock().unwrap() += duration.as_millis() as i64;
    }
}

pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) server: Server,
    pub(crate) clock: Arc<TestClock>,
    list: Value,
    pub(crate) feed: Value,
}

impl Bench {
    /// A list of this format and a feed of this kind.
    pub(crate) async fn new(format: &str, kind: &str) -> Self {
        Self::with(Server::start().await, format, kind)
    }

    pub(crate) fn with(server: Server, format: &str, kind: &str) -> Self {
        let mut list = json!({ "name": "list", "path": "list", "format": format, "confidence": 60 });
        if format == "plain" {
            list["category"] = json!("vpn");
        }
        let feed = json!({ "list": "list", "kind": kind, "url": format!("{}/a?key=hidden", server.address),
                           "allow_http": true, "proxy": "none" });
        let clock = Arc::new(TestClock::new(None));
        Self { folder: tempfile::tempdir().unwrap(), server, clock, list, feed }
    }

    /// Changes what the configuration says.
    pub(crate) fn configured(mut self, changes: &Value) -> Self {
        self.feed.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        self
    }

    /// Changes what the configuration says of the list.
    pub(crate) fn listed(mut self, changes: &Value) -> Self {
        self.list.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        self
    }

    /// Changes what is remembered of the list.
    pub(crate) fn remembered(&self, changes: &Value) {
        let path = self.folder.path().join("list.fetched");
        let mut state: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        state.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        fs::write(path, state.to_string()).unwrap();
    }

    /// With a clock whose waits end when the test says so.
    pub(crate) fn held(mut self) -> Self {
        self.clock = Arc::new(TestClock::new(Some(Semaphore::new(0))));
        self
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("list")
    }

    pub(crate) fn write(&self, text: &str) {
        fs::write(self.path(), text).unwrap();
    }

    /// What the list holds now.
    pub(crate) fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap_or_default()
    }

    fn list(&self) -> ListConfig {
        ListConfig { path: self.path(), ..serde_json::from_value(self.list.clone()).unwrap() }
    }

    /// Entries of the list as the engine loads it.
    pub(crate) fn entries(&self) -> Result<usize, Vec<String>> {
        let lists = open(&[self.list()], ListsLimits::default())?.lists;
        Ok(lists.unwrap().builds().iter().map(|build| build.entries).sum())
    }

    pub(crate) fn feeds(&self) -> Feeds {
        let list = self.list();
        let mut config: frostwatch_feeds::FeedConfig = serde_json::from_value(self.feed.clone()).unwrap();
        config.resolve(self.folder.path());
        assert!(config.faults(Some(&list)).is_empty(), "{:?}", config.faults(Some(&list)));
        let variable = |name: &str| (name == "FEED_KEY").then(|| "of the environment".to_owned());
        Feeds::new(vec![Feed { config, list }], Arc::clone(&self.clock) as Arc<dyn Clock>, variable)
    }

    /// Fetches once, and tells what people are told, without the server's port.
    pub(crate) async fn fetch(&self) -> String {
        self.fetch_allowed(Allowed::default()).await
    }

    pub(crate) async fn fetch_allowed(&self, allowed: Allowed) -> String {
        let feeds = self.feeds();
        let fetched = feeds.fetch(&feeds.all()[0], allowed).await;
        let told = fetched.to_string();
        assert!(!told.contains("hidden") && !told.contains("s3cret"), "a secret is told: {told}");
        told.replace(&self.server.address, "S")
    }

    /// The waits since the last time, milliseconds.
    pub(crate) fn waits(&self) -> Vec<u64> {
        std::mem::take(&mut self.clock.waits.lock().unwrap())
    }
}
