//! What stands beside every offset that the engine commits.

use serde::{Deserialize, Serialize};

/// How a note of ours begins; JSON follows.
const PREFIX: &str = "frostwatch ";

/// The note. Offsets that another tool has set have none. State and progress lie in a log of their own; this is what must
/// outlive that log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Epoch of the outputs.
    pub(crate) epoch: u32,
    /// Partitions of the topic.
    pub(crate) partitions: i32,
    /// Tells commits apart, also those of one offset.
    #[serde(default)]
    pub(crate) serial: String,
}

impl Note {
    /// Its text.
    pub(crate) fn written(&self) -> String {
        // Numbers and texts always have a JSON.
        format!("{PREFIX}{}", serde_json::to_string(self).unwrap_or_default())
    }

    /// Reads a note. `None`: it is not ours.
    pub(crate) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text.strip_prefix(PREFIX)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_back_and_foreign_ones_are_none() {
        let note = Note { epoch: 3, partitions: 48, serial: "a-1".to_owned() };
        assert_eq!(Note::read(&note.written()), Some(note));
        for foreign in ["", "flink", "frostwatch", "frostwatch {}"] {
            assert_eq!(Note::read(foreign), None, "{foreign}");
        }
    }
}
