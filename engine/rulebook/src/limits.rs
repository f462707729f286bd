//! Every limit of rule text, by name. The JSON Schema carries the same numbers.

use frostwatch_detect::time::Millis;

/// Bytes of one rule file at most.
pub const FILE_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a set's content ([`crate::Rulebook::to_content`]) at most: it is kept as one record of a topic.
pub const CONTENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Files in one set at most, disabled rules included.
pub const FILES_MAX: usize = 1_024;
/// Nesting of one rule file at most; a rule needs seven levels.
pub const DEPTH_MAX: usize = 12;
/// Faults reported for one file at most; the rest is summed up in a last one.
pub const FAULTS_PER_FILE_MAX: usize = 100;

/// Characters of a title at most.
pub const TITLE_CHARS_MAX: usize = 200;
/// Characters of a runbook's address at most.
pub const URL_CHARS_MAX: usize = 500;
/// Recommended actions of a rule at most.
pub const ACTIONS_MAX: usize = 20;
/// Characters of a recommended action at most.
pub const ACTION_CHARS_MAX: usize = 500;
/// ATT&CK techniques of a rule at most.
pub const ATTACK_MAX: usize = 8;
/// Selectors in `include` and in `exclude`, each, at most.
pub const SELECTORS_MAX: usize = 64;
/// Entries of one field of a selector at most.
pub const ENTRIES_MAX: usize = 1_000;
/// Characters of a user name or group at most.
pub const NAME_CHARS_MAX: usize = 128;
/// Characters of an exception's reason at most.
pub const REASON_CHARS_MAX: usize = 500;
/// Characters of an exception's owner at most.
pub const OWNER_CHARS_MAX: usize = 120;
/// Entries of a file of networks at most.
pub const TAGGED_MAX: usize = 1_000;
/// Ranges and autonomous systems of a file of networks at most.
pub const NETWORK_RANGES_MAX: usize = 10_000;
/// Characters of a name of networks at most.
pub const NETWORK_NAME_CHARS_MAX: usize = 120;
/// Suppressions that a rule switches off at most; no detector has as many.
pub const OFF_MAX: usize = 32;
/// Shortest quiet time, seconds.
pub const QUIET_SECS_MIN: u32 = 1;
/// Longest quiet time, seconds: 90 days.
pub const QUIET_SECS_MAX: u32 = 90 * 86_400;
/// Earliest sane expiry: 2020-01-01. Anything before is a slip of the pen.
pub const EXPIRES_MIN: Millis = 1_577_836_800_000;
/// Expiries are before this: 2100-01-01. "Never" is a change of scope and not an exception.
pub const EXPIRES_END: Millis = 4_102_444_800_000;
