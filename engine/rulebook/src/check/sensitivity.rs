//! Which suppressions count, and for whom.

use frostwatch_detect::rule::{Selector, Sensitivity, SensitivityFor};
use serde::Deserialize;

use super::Check;
use super::scope::kind_of;
use crate::limits::{ENTRIES_MAX, SELECTORS_MAX};
use crate::raw::{RawScopedSensitivity, RawSensitivity, RawSensitivityFor};
use crate::reader::Reader;
use crate::tree::{Node, Value};

const PATH: &str = "sensitivity";

impl Check<'_> {
    /// The sensitivity for everybody else, and those for some. A missing one is blamed where the rule is read.
    pub(super) fn sensitivities(&self) -> (Sensitivity, Vec<SensitivityFor>) {
        let Some(node) = self.root.get(PATH) else { return (Sensitivity::Medium, Vec::new()) };
        let reader = Reader::new(node, PATH, self.notes);
        if !matches!(node, Node { value: Value::Map(_), .. }) {
            let one = RawSensitivity::deserialize(reader).map(level);
            return (self.read(node, one).unwrap_or(Sensitivity::Medium), Vec::new());
        }
        match self.read(node, RawScopedSensitivity::deserialize(reader)) {
            Some(raw) => (level(raw.default), self.some(&raw.some)),
            None => (Sensitivity::Medium, Vec::new()),
        }
    }

    fn some(&self, raw: &[RawSensitivityFor]) -> Vec<SensitivityFor> {
        let path = format!("{PATH}.for");
        if raw.is_empty() {
            self.note(&path, "is empty; write the default alone, as in `sensitivity: medium`");
        }
        self.count(&path, raw.len(), SELECTORS_MAX);
        let mut some: Vec<SensitivityFor> = Vec::with_capacity(raw.len());
        for (index, raw) in raw.iter().enumerate() {
            let path = format!("{path}[{index}]");
            if raw.users.is_none() && raw.groups.is_none() && raw.kinds.is_none() {
                self.note(&path, "asks for nothing; give it users, groups or kinds");
            }
            let who = Selector {
                users: self.names(&format!("{path}.users"), raw.users.as_deref()),
                groups: self.names(&format!("{path}.groups"), raw.groups.as_deref()),
                kinds: self
                    .entries(&format!("{path}.kinds"), raw.kinds.as_deref(), ENTRIES_MAX, |kind| Ok(kind_of(*kind))),
                ..Selector::default()
            };
            match some.iter().position(|other| other.who == who) {
                Some(first) => self.note(&path, format!("selects the same as entry {first}, which counts; keep one")),
                None => some.push(SensitivityFor { is: level(raw.is), who }),
            }
        }
        some
    }

    fn read<T>(&self, node: &Node, read: Result<T, crate::reader::Stop>) -> Option<T> {
        read.map_err(|stop| self.notes.add(node.at, PATH, stop.0)).ok()
    }
}

const fn level(raw: RawSensitivity) -> Sensitivity {
    match raw {
        RawSensitivity::Low => Sensitivity::Low,
        RawSensitivity::Medium => Sensitivity::Medium,
        RawSensitivity::High => Sensitivity::High,
    }
}
