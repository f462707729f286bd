//! Whose record it is: the key that its state lives under.
//!
//! Every producer that leaves the key to the engine and every one that writes it must come to the same bytes, or one
//! user has two states. So there is one reading of names, here, and nobody else makes keys.

use std::borrow::Cow;
use std::net::IpAddr;

/// Names that many people share, or nobody has, in lower case. The empty name is always one.
pub const PLACEHOLDERS: &[&str] =
    &["anonymous", "empty", "guest", "none", "null", "soap.guest", "system", "undefined", "unknown"];

/// Does the name stand for nobody? `others` are the names to compare with, in lower case; an empty one always does.
pub fn is_nobody<'o>(name: &str, others: impl IntoIterator<Item = &'o str>) -> bool {
    let name = compared(name);
    name.is_empty() || others.into_iter().any(|other| other == name)
}

/// The key of a named user: `instance|name`.
pub fn key_by_name(instance: &str, name: &str) -> String {
    format!("{instance}|{}", compared(name))
}

/// The key of a record that is nobody's: `instance|@address`, so that guests at two places share no state.
pub fn key_by_address(instance: &str, ip: Option<IpAddr>) -> String {
    match ip {
        // An IPv4 address inside IPv6 is that IPv4 address.
        Some(ip) => format!("{instance}|@{}", ip.to_canonical()),
        None => format!("{instance}|@none"),
    }
}

/// A user name as it is compared: without blanks around it, in lower case.
pub fn compared(name: &str) -> Cow<'_, str> {
    let name = name.trim();
    if name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.to_lowercase())
    }
}
