//! What is made of attached files: attacks that make them useless, and harmless work that looks like it.
//!
//! All of it is drawn from streams of its own, and only where it is asked for: a company without it is the same byte for byte.

mod attack;
mod work;

use std::collections::BTreeSet;

use rand::RngExt;

use crate::action::{Action, file};
use crate::attacks::Planned;
use crate::chance::Chance;
use crate::company::{Company, ConfigError};
use crate::misleading::Misleading;

/// What is made of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilePlan {
    /// Attacks within minutes: by turns files renamed, uploaded anew and deleted, and overwritten under their own names; with
    /// the accounts of people, of those who handle many files, and of programs.
    pub fast: u32,
    /// Attacks over a day, a few files an hour: renamed, or uploaded anew and deleted.
    pub slow: u32,
    /// People delete, replace and rename files in bulk and day by day, programs archive, convert, mark and encrypt them.
    pub work: bool,
}

/// Letters of an extension at most.
const EXTENSION_BYTES_MAX: usize = 12;

/// An extension, without allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extension {
    bytes: [u8; EXTENSION_BYTES_MAX],
}

impl Extension {
    pub(crate) fn new(text: &str) -> Self {
        let mut bytes = [0; EXTENSION_BYTES_MAX];
        bytes.iter_mut().zip(text.bytes()).for_each(|(kept, byte)| *kept = byte);
        Self { bytes }
    }

    fn as_str(&self) -> &str {
        let length = self.bytes.iter().position(|byte| *byte == 0).unwrap_or(EXTENSION_BYTES_MAX);
        std::str::from_utf8(&self.bytes[..length]).unwrap_or_default()
    }
}

/// A new name of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NewName {
    /// An extension behind the name.
    Behind(Extension),
    /// An extension in place of the one there.
    Instead(Extension),
    /// Something before the name.
    Before,
    /// The same.
    Same,
}

/// What is made of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileDeed {
    /// It is renamed. Where names are audited, the former one is told.
    Rename { file: u32, to: NewName, audited: bool },
    /// It is deleted.
    Delete { file: u32, audited: bool },
    /// Another one is attached to its record.
    Put { file: u32, name: NewName, content_type: &'static str },
    /// A text is attached to its record.
    Text { file: u32, name: &'static str },
}

/// A file after a deed.
pub(crate) struct State {
    pub(crate) sys_id: u128,
    pub(crate) name: String,
    pub(crate) previous_name: Option<String>,
    pub(crate) content_type: &'static str,
    pub(crate) table: &'static str,
    pub(crate) record: u128,
    pub(crate) bytes: u64,
}

impl FileDeed {
    /// What it is called in activity records.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Rename { .. } => "rename",
            Self::Delete { .. } => "delete",
            Self::Put { .. } | Self::Text { .. } => "upload",
        }
    }

    /// Is a change of it told field by field?
    pub(crate) const fn is_audited(self) -> bool {
        matches!(self, Self::Rename { audited: true, .. } | Self::Delete { audited: true, .. })
    }

    /// The file after it; of one that is gone, as it was.
    pub(crate) fn state(self, action: &Action) -> State {
        let (Self::Rename { file: number, .. }
        | Self::Delete { file: number, .. }
        | Self::Put { file: number, .. }
        | Self::Text { file: number, .. }) = self;
        let old = file(number);
        let (table, record) = (old.table, old.record);
        let own = State {
            sys_id: old.sys_id,
            name: old.name.clone(),
            previous_name: None,
            content_type: old.content_type,
            table,
            record,
            bytes: u64::from(old.bytes),
        };
        match self {
            Self::Rename { to, .. } => State { name: renamed(&old.name, to), previous_name: Some(old.name), ..own },
            Self::Delete { .. } => own,
            Self::Put { name, content_type, .. } => {
                State { sys_id: action.row_id(0), name: renamed(&old.name, name), content_type, ..own }
            }
            Self::Text { name, .. } => State {
                sys_id: action.row_id(0),
                name: name.to_owned(),
                content_type: "text/plain",
                bytes: 2_100,
                ..own
            },
        }
    }
}

fn renamed(name: &str, to: NewName) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    match to {
        NewName::Behind(extension) => format!("{name}.{}", extension.as_str()),
        NewName::Instead(extension) => format!("{stem}.{}", extension.as_str()),
        NewName::Before => format!("2026-{name}"),
        NewName::Same => name.to_owned(),
    }
}

/// Plans all of it: labels of the attacks, the actions of attacks and of work, and what of that work, by whose account, looks
/// like an attack.
pub(crate) fn plan(company: &Company, plan: FilePlan) -> Result<(Planned, Vec<(u32, Misleading)>), ConfigError> {
    let mut attacked: BTreeSet<u32> = company.attack_actions.iter().map(|action| action.account).collect();
    let mut planned = attack::plan(company, plan, &mut attacked)?;
    if !plan.work {
        return Ok((planned, Vec::new()));
    }
    let work::Work { actions, misleading, .. } = work::plan(company);
    planned.actions.extend(actions);
    Ok((planned, misleading))
}

/// Different files by their numbers, some of `count` drawn.
fn some_files(chance: &mut Chance, count: u32) -> Vec<u32> {
    let mut files = BTreeSet::new();
    while files.len() < count as usize {
        files.insert(chance.random_range(0..crate::action::FILE_COUNT));
    }
    // In no order that a name tells.
    let mut files: Vec<u32> = files.into_iter().collect();
    files.sort_by_key(|number| crate::chance::mix(u64::from(*number), 11));
    files
}

#[cfg(test)]
mod tests;
