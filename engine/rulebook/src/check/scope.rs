//! Selectors: what each entry means, and whether a scope can still take anybody.

use std::collections::BTreeMap;

use frostwatch_detect::model::AccountKind;
use frostwatch_detect::place::Country;
use frostwatch_detect::rule::{Network, Scope, Selector};

use super::Check;
use crate::fault::shortened;
use crate::limits::{ENTRIES_MAX, NAME_CHARS_MAX, SELECTORS_MAX};
use crate::parse;
use crate::raw::{RawKind, RawScope, RawSelector};

impl Check<'_> {
    pub(super) fn scope(&self, raw: &RawScope) -> Scope {
        let include = self.selectors("scope.include", &raw.include);
        let exclude = self.selectors("scope.exclude", &raw.exclude);
        for (index, selector) in exclude.iter().enumerate() {
            if takes_everybody(selector) {
                let message = "leaves everybody out: the rule could never fire; to switch a rule off, `enabled: false`";
                self.note(&format!("scope.exclude[{index}]"), message);
            }
        }
        if all_kinds(exclude.iter().filter(|selector| asks_kinds_alone(selector)).flat_map(|selector| &selector.kinds))
        {
            self.note("scope.exclude", "leaves out every kind of account: the rule could never fire");
        }
        if !include.is_empty() && include.iter().all(|selector| exclude.contains(selector)) {
            self.note("scope.exclude", "leaves out all that `include` selects: the rule could never fire");
        }
        Scope { include, exclude }
    }

    fn selectors(&self, path: &str, raw: &[RawSelector]) -> Vec<Selector> {
        self.count(path, raw.len(), SELECTORS_MAX);
        let mut selectors: Vec<Selector> = Vec::with_capacity(raw.len());
        for (index, raw) in raw.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let selector = self.selector(&path, raw);
            match selectors.iter().position(|other| *other == selector) {
                Some(first) => self.note(&path, format!("selects the same as entry {first}; keep one")),
                None => selectors.push(selector),
            }
        }
        selectors
    }

    pub(super) fn selector(&self, path: &str, raw: &RawSelector) -> Selector {
        let selector = Selector {
            users: self.names(&format!("{path}.users"), raw.users.as_deref()),
            groups: self.names(&format!("{path}.groups"), raw.groups.as_deref()),
            kinds: self.entries(&format!("{path}.kinds"), raw.kinds.as_deref(), ENTRIES_MAX, |kind| Ok(kind_of(*kind))),
            networks: self.networks(&format!("{path}.networks"), raw.networks.as_deref()),
            countries: self.entries(&format!("{path}.countries"), raw.countries.as_deref(), ENTRIES_MAX, |code| {
                country(code.as_str())
            }),
        };
        let asks = raw.users.is_some()
            || raw.groups.is_some()
            || raw.kinds.is_some()
            || raw.networks.is_some()
            || raw.countries.is_some();
        if !asks {
            let message = "asks for nothing; give it users, groups, kinds, networks or countries";
            self.note(path, message);
        }
        selector
    }

    pub(super) fn names(&self, path: &str, raw: Option<&[String]>) -> Vec<String> {
        self.entries(path, raw, ENTRIES_MAX, |name| {
            let lower = name.to_lowercase();
            if lower.trim() != lower || lower.is_empty() {
                Err("is empty or has blanks around it".to_owned())
            } else if lower.chars().count() > NAME_CHARS_MAX {
                Err(format!("has more than {NAME_CHARS_MAX} characters"))
            } else if lower.chars().any(char::is_control) {
                Err("has a control character".to_owned())
            } else {
                Ok(lower)
            }
        })
    }

    fn networks(&self, path: &str, raw: Option<&[String]>) -> Vec<Network> {
        let ranges =
            self.entries(path, raw, ENTRIES_MAX, |text| parse::network(text).map(|range| (range.first, range.last)));
        ranges.into_iter().map(|(first, last)| Network { first, last }).collect()
    }

    /// The entries in order (it means nothing, so it must not change the hash); one that is there twice is a fault.
    pub(super) fn entries<R, T: Ord>(
        &self,
        path: &str,
        raw: Option<&[R]>,
        max: usize,
        read: impl Fn(&R) -> Result<T, String>,
    ) -> Vec<T> {
        let Some(raw) = raw else {
            return Vec::new();
        };
        if raw.is_empty() {
            self.note(path, "is empty; leave the line out");
        }
        self.count(path, raw.len(), max);
        let mut entries = BTreeMap::new();
        for (index, raw) in raw.iter().enumerate() {
            match read(raw) {
                Ok(entry) => {
                    if let Some(first) = entries.get(&entry) {
                        self.note(&format!("{path}[{index}]"), format!("is the same as entry {first}; keep one"));
                    } else {
                        entries.insert(entry, index);
                    }
                }
                Err(message) => self.note(&format!("{path}[{index}]"), message),
            }
        }
        entries.into_keys().collect()
    }
}

pub(super) fn country(code: &str) -> Result<Country, String> {
    let capitals = code.bytes().all(|byte| byte.is_ascii_uppercase());
    Country::new(code)
        .filter(|_| capitals)
        .ok_or_else(|| format!("`{}` is not a country: two capital letters (ISO 3166-1), e.g. `SE`", shortened(code)))
}

/// Does it take every subject that has the attributes it asks for?
fn takes_everybody(selector: &Selector) -> bool {
    let any = |names: &[String]| names.is_empty() || names.iter().any(|name| name.chars().all(|c| c == '*'));
    !selector.is_empty()
        && any(&selector.users)
        && any(&selector.groups)
        && (selector.kinds.is_empty() || all_kinds(selector.kinds.iter()))
        && (selector.networks.is_empty() || selector.networks.iter().any(|n| n.first == 0 && n.last == u128::MAX))
        && selector.countries.is_empty()
}

fn asks_kinds_alone(selector: &Selector) -> bool {
    let kinds_aside = Selector { kinds: Vec::new(), ..selector.clone() };
    kinds_aside.is_empty() && !takes_everybody(selector)
}

fn all_kinds<'a>(kinds: impl Iterator<Item = &'a AccountKind>) -> bool {
    let named: Vec<&AccountKind> = kinds.collect();
    AccountKind::ALL.iter().all(|kind| named.contains(&kind))
}

pub(super) const fn kind_of(raw: RawKind) -> AccountKind {
    match raw {
        RawKind::Employee => AccountKind::Employee,
        RawKind::External => AccountKind::External,
        RawKind::Guest => AccountKind::Guest,
        RawKind::Service => AccountKind::Service,
        RawKind::Integration => AccountKind::Integration,
        RawKind::Vendor => AccountKind::Vendor,
        RawKind::Placeholder => AccountKind::Placeholder,
        RawKind::Unknown => AccountKind::Unknown,
    }
}
