//! Names of topics: a prefix, and any name of its own.

use std::collections::BTreeMap;

use frostwatch_runtime::ports::Channel;
use serde::Deserialize;

use super::SettingFault;

/// Longest topic name Kafka takes, bytes.
pub(super) const TOPIC_NAME_BYTES_MAX: usize = 249;

/// Topics by purpose. What is not named is `<prefix><purpose>.v1`, raw topics `<prefix>raw.<table>`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopicNames {
    /// Put before every name that is not given.
    pub prefix: String,
    /// Input of the engine.
    pub activity: Option<String>,
    /// Alerts and their revisions.
    pub alerts: Option<String>,
    /// Findings held back.
    pub suppressions: Option<String>,
    /// Events that came too late.
    pub late: Option<String>,
    /// Records that could not be read.
    pub rejected: Option<String>,
    /// Texts of rules by their hash.
    pub tables: Option<String>,
    /// Raw rows to make activity of, one topic a table.
    pub raw: Vec<RawTopic>,
}

/// A topic of raw rows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTopic {
    /// ServiceNow table the rows are of.
    pub table: String,
    /// The topic, if it is not `<prefix>raw.<table>`.
    #[serde(default)]
    pub topic: Option<String>,
}

impl Default for TopicNames {
    fn default() -> Self {
        let tables = ["sysevent", "syslog_transaction", "sys_audit", "sys_audit_delete", "sys_attachment", "sys_user"];
        Self {
            prefix: "frostwatch.".to_owned(),
            activity: None,
            alerts: None,
            suppressions: None,
            late: None,
            rejected: None,
            tables: None,
            raw: tables.map(|table| RawTopic { table: table.to_owned(), topic: None }).to_vec(),
        }
    }
}

impl TopicNames {
    /// Name of the activity topic.
    pub fn activity(&self) -> String {
        self.named(self.activity.as_ref(), "activity")
    }

    /// Name of an output channel's topic.
    pub fn channel(&self, channel: Channel) -> String {
        let given = match channel {
            Channel::Alerts => &self.alerts,
            Channel::Suppressions => &self.suppressions,
            Channel::Late => &self.late,
            Channel::Rejected => &self.rejected,
            Channel::Activity => &self.activity,
        };
        self.named(given.as_ref(), channel.as_str())
    }

    /// Name of the topic of tables.
    pub fn tables(&self) -> String {
        self.named(self.tables.as_ref(), "tables")
    }

    /// Raw topics with the table each carries.
    pub fn raw(&self) -> Vec<(String, String)> {
        let name = |raw: &RawTopic| raw.topic.clone().unwrap_or_else(|| format!("{}raw.{}", self.prefix, raw.table));
        self.raw.iter().map(|raw| (name(raw), raw.table.clone())).collect()
    }

    fn named(&self, given: Option<&String>, purpose: &str) -> String {
        given.cloned().unwrap_or_else(|| format!("{}{purpose}.v1", self.prefix))
    }

    pub(super) fn check(&self, faults: &mut Vec<SettingFault>) {
        let mut all = vec![("activity".to_owned(), self.activity()), ("tables".to_owned(), self.tables())];
        all.extend(Channel::OUTPUTS.map(|channel| (channel.as_str().to_owned(), self.channel(channel))));
        all.extend(self.raw().into_iter().map(|(topic, table)| (format!("raw.{table}"), topic)));
        let mut users: BTreeMap<&str, &str> = BTreeMap::new();
        for (purpose, topic) in &all {
            let mut fault = |message| faults.push(SettingFault { path: format!("topics.{purpose}"), message });
            if let Err(why) = legal(topic) {
                fault(format!("'{topic}' {why}"));
            }
            if let Some(other) = users.insert(topic, purpose) {
                fault(format!("'{topic}' is the topic of {other} too; each needs its own"));
            }
        }
    }
}

fn legal(topic: &str) -> Result<(), String> {
    if topic.is_empty() || topic == "." || topic == ".." {
        return Err("is not a name Kafka takes".to_owned());
    }
    if topic.len() > TOPIC_NAME_BYTES_MAX {
        return Err(format!("is longer than {TOPIC_NAME_BYTES_MAX} bytes"));
    }
    match topic.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-')) {
        Some(c) => Err(format!("holds '{c}'; letters, digits, '.', '_' and '-' are allowed")),
        None => Ok(()),
    }
}
