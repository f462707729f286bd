//! Who a user name is: its kind of account, and the key of its records.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;

use super::config::{NormaliseConfig, WILD, fits};
use super::text;
use crate::activity::{USER_KINDS, USER_NAME_BYTES_MAX};
use crate::subject;

/// What the configuration says about user names, in lower case.
#[derive(Debug, Clone)]
pub(super) struct People {
    connectors: Vec<String>,
    placeholders: Vec<String>,
    kinds: Kinds,
}

/// Kinds of account by name and by pattern; of several that fit the first of the configuration counts.
#[derive(Debug, Clone, Default)]
struct Kinds {
    /// Names with nothing wild in them, with their place in the configuration.
    names: HashMap<String, (usize, &'static str)>,
    /// All else, in order.
    patterns: Vec<(usize, String, &'static str)>,
}

impl Kinds {
    fn add(&mut self, at: usize, pattern: String, kind: &'static str) {
        if pattern.contains(WILD) {
            self.patterns.push((at, pattern, kind));
        } else {
            self.names.entry(pattern).or_insert((at, kind));
        }
    }

    fn of(&self, name: &str) -> Option<&'static str> {
        let named = self.names.get(name).copied();
        let before = named.map_or(usize::MAX, |(at, _)| at);
        let mut earlier = self.patterns.iter().take_while(|(at, ..)| *at < before);
        let fitting = earlier.find(|(_, pattern, _)| fits(pattern, name)).map(|(.., kind)| *kind);
        fitting.or(named.map(|(_, kind)| kind))
    }
}

/// One user name and what is known about it.
#[derive(Debug, Clone)]
pub(super) struct Who<'n> {
    /// As the row has it, cut to the contract's limit.
    pub(super) name: &'n str,
    /// In lower case.
    pub(super) lower: Cow<'n, str>,
    /// Kind of account, if it is known.
    pub(super) kind: Option<&'static str>,
}

impl People {
    pub(super) fn new(config: &NormaliseConfig) -> Self {
        let all = |names: &[String]| names.iter().map(|name| name.trim().to_lowercase()).collect();
        let kind_of = |kind: &str| USER_KINDS.iter().copied().find(|&known| known == kind);
        let accounts = config.accounts.iter();
        let own = accounts
            .filter_map(|account| kind_of(&account.kind).map(|kind| (account.pattern.trim().to_lowercase(), kind)));
        let vendors = config.vendor_patterns.iter().map(|name| (name.trim().to_lowercase(), "vendor"));
        let mut kinds = Kinds::default();
        own.chain(vendors).enumerate().for_each(|(at, (pattern, kind))| kinds.add(at, pattern, kind));
        Self { connectors: all(&config.connector_users), placeholders: all(&config.placeholders), kinds }
    }

    pub(super) fn who<'n>(&self, name: &'n str) -> Who<'n> {
        let name = text::clip(name.trim(), USER_NAME_BYTES_MAX);
        let lower = text::lower(name);
        let kind = if subject::is_nobody(&lower, self.placeholders.iter().map(String::as_str)) {
            Some("placeholder")
        } else {
            self.kinds.of(&lower)
        };
        Who { name, lower, kind }
    }

    /// Whether this is the account of one of our own connectors.
    pub(super) fn is_connector(&self, who: &Who<'_>) -> bool {
        self.connectors.iter().any(|known| *known == who.lower)
    }
}

impl Who<'_> {
    pub(super) fn is_placeholder(&self) -> bool {
        self.kind == Some("placeholder")
    }

    /// Whether programs, not people, use the account.
    pub(super) fn is_machine(&self) -> bool {
        matches!(self.kind, Some("integration" | "service"))
    }

    /// The key of a record of this user in `instance` from `ip`.
    pub(super) fn key(&self, instance: &str, ip: Option<IpAddr>) -> String {
        if self.is_placeholder() {
            subject::key_by_address(instance, ip)
        } else {
            subject::key_by_name(instance, &self.lower)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_names_and_patterns_that_fit_the_first_counts() {
        let mut kinds = Kinds::default();
        let all = ["svc.backup", "svc.*", "ana", "a*", "svc.sync", "ana"];
        let words = ["service", "integration", "employee", "external", "vendor", "guest"];
        for (at, (pattern, kind)) in all.into_iter().zip(words).enumerate() {
            kinds.add(at, pattern.to_owned(), kind);
        }
        for (name, wanted) in [
            ("svc.backup", Some("service")),
            ("svc.sync", Some("integration")),
            ("ana", Some("employee")),
            ("anna", Some("external")),
            ("bob", None),
        ] {
            assert_eq!(kinds.of(name), wanted, "{name}");
        }
    }
}
