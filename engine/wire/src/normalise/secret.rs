//! What may hold a secret, by its name.

/// Parts of column, parameter and event names that point to a secret.
const WORDS: &[&str] = &[
    "access_key",
    "api_key",
    "apikey",
    "assertion",
    "authorization",
    "credential",
    "otp",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "pwd",
    "reset",
    "samlresponse",
    "secret",
    "token",
];

/// Whether a name, or a text that may hold such a name, speaks of a secret.
pub(super) fn mentioned(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    WORDS.iter().any(|word| lower.contains(word))
}
