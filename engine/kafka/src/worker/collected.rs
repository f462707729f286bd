//! What a batch has collected, in the order in which it is sent.

use frostwatch_runtime::checkpoint::StateRecord;
use frostwatch_runtime::ports::{Channel, OutputRecord};

use crate::outbox::Outgoing;

/// What is to be sent: outputs, then texts of rules, then the state that refers to them.
#[derive(Clone, Copy)]
pub(super) struct Collected<'a> {
    pub(super) out: &'a [OutputRecord],
    pub(super) contents: &'a [(String, Vec<u8>)],
    pub(super) state: &'a [StateRecord],
    pub(super) channels: &'a [String; Channel::ALL.len()],
    pub(super) tables: &'a str,
    pub(super) changelog: &'a str,
}

impl<'a> Collected<'a> {
    pub(super) const fn len(&self) -> usize {
        self.out.len() + self.contents.len() + self.state.len()
    }

    pub(super) fn outgoing(&self, index: usize) -> Outgoing<'a> {
        let plain =
            |topic, key, value| Outgoing { topic, partition: None, key: Some(key), value, headers: &[], stamp: None };
        if let Some(record) = self.out.get(index) {
            let topic = topic_of(self.channels, record.channel);
            let stamp = record.stamp;
            return Outgoing { headers: &record.headers, stamp, ..plain(topic, &record.key, Some(&record.value)) };
        }
        let index = index - self.out.len();
        if let Some((name, text)) = self.contents.get(index) {
            return plain(self.tables, name.as_bytes(), Some(text));
        }
        let record = &self.state[index - self.contents.len()];
        let partition = Some(record.partition);
        Outgoing { partition, ..plain(self.changelog, &record.key, record.value.as_deref()) }
    }
}

pub(super) fn topic_of(channels: &[String; Channel::ALL.len()], channel: Channel) -> &str {
    match channel {
        Channel::Alerts => &channels[0],
        Channel::Suppressions => &channels[1],
        Channel::Late => &channels[2],
        Channel::Rejected => &channels[3],
        Channel::Activity => &channels[4],
    }
}
