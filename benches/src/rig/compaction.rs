//! Letting the broker compact a log of state, and waiting until it has.

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;

use super::{Deployment, wait_for};

impl Deployment<'_> {
    /// Keeps the broker from compacting the log of state of a group, or asks for it.
    pub fn compact(&self, group: &str, now: bool) {
        let topic = self.settings(group).changelog();
        let (lag, ratio) = if now { ("0", "0.01") } else { ("86400000", "0.2") };
        let change = AlterConfig::new(ResourceSpecifier::Topic(&topic))
            .set("cleanup.policy", "compact")
            .set("segment.bytes", "4194304")
            .set("max.message.bytes", "4194304")
            .set("min.compaction.lag.ms", lag)
            .set("min.cleanable.dirty.ratio", ratio);
        let admin: AdminClient<DefaultClientContext> = self.client("admin").create().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let changed = runtime.block_on(admin.alter_configs([&change], &AdminOptions::new())).unwrap();
        changed.into_iter().for_each(|topic| drop(topic.unwrap()));
    }

    /// Waits until all that can be compacted is: all but the segments that are being written.
    pub fn wait_compacted(&self, group: &str) {
        let (topic, data) = (self.settings(group).changelog(), self.rig.broker.data_dir().unwrap());
        for partition in 0..self.partitions() {
            wait_for("the log is compacted", || {
                let cleaned = std::fs::read_to_string(data.join("cleaner-offset-checkpoint")).unwrap_or_default();
                let prefix = format!("{topic} {partition} ");
                let cleaned = cleaned.lines().find_map(|line| line.strip_prefix(&prefix)?.parse::<u64>().ok());
                let segments = std::fs::read_dir(data.join(format!("{topic}-{partition}"))).ok()?;
                let base = |name: &str| name.strip_suffix(".log")?.parse::<u64>().ok();
                let active = segments.filter_map(|entry| base(entry.ok()?.file_name().to_str()?)).max()?;
                // A log of one segment has nothing to compact, and is not told of.
                (cleaned.unwrap_or(0) >= active).then_some(())
            });
        }
    }

    /// Bytes of the log of state of a group on the broker's disk.
    pub fn state_on_disk(&self, group: &str) -> u64 {
        let (topic, data) = (self.settings(group).changelog(), self.rig.broker.data_dir().unwrap());
        let folders = (0..self.partitions()).map(|partition| data.join(format!("{topic}-{partition}")));
        let logs = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap()).filter_map(Result::ok);
        let logs = logs.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "log"));
        logs.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
    }
}
