//! Who a user name is: its kind of account, and the key of its records.

use std::borrow::Cow;
use std::net::IpAddr;

use super::config::{NormaliseConfig, fits};
use super::text;
use crate::activity::{USER_KINDS, USER_NAME_BYTES_MAX};
use crate::subject;

/// What the configuration says about user names, in lower case.
#[derive(Debug, Clone)]
pub(super) struct People {
    connectors: Vec<String>,
    placeholders: Vec<String>,
    kinds: Vec<(String, &'static str)>,
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
        Self {
            connectors: all(&config.connector_users),
            placeholders: all(&config.placeholders),
            kinds: own.chain(vendors).collect(),
        }
    }

    pub(super) fn who<'n>(&self, name: &'n str) -> Who<'n> {
        let name = text::clip(name.trim(), USER_NAME_BYTES_MAX);
        let lower = text::lower(name);
        let kind = if subject::is_nobody(&lower, self.placeholders.iter().map(String::as_str)) {
            Some("placeholder")
        } else {
            let fitting = self.kinds.iter().find(|(pattern, _)| fits(pattern, &lower));
            fitting.map(|(_, kind)| *kind)
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
