//! activity.v1: what somebody did in a ServiceNow instance, as producers publish it.
//!
//! [`record::ActivityRecord`] is the whole contract as an owned type: the normaliser writes it,
//! the JSON Schema is generated from it. The limits below bind every reader and writer.

pub mod decode;
mod fields;
pub mod record;
pub mod reject;
mod scan;
pub mod time;
mod whole;

/// Longest `id`, in bytes of UTF-8.
pub const ID_BYTES_MAX: usize = 128;
/// Longest `action_key`, in bytes of UTF-8.
pub const ACTION_KEY_BYTES_MAX: usize = 256;
/// Longest `action`, in bytes of UTF-8.
pub const ACTION_BYTES_MAX: usize = 64;
/// Longest `instance`, in bytes; its pattern is [`INSTANCE_PATTERN`].
pub const INSTANCE_BYTES_MAX: usize = 63;
/// Longest `user.name` (and `actor.name`, `target.name`), in bytes of UTF-8.
pub const USER_NAME_BYTES_MAX: usize = 256;
/// Longest `user.display_name`, in bytes of UTF-8.
pub const DISPLAY_NAME_BYTES_MAX: usize = 256;
/// Longest `user.department`, in bytes of UTF-8.
pub const DEPARTMENT_BYTES_MAX: usize = 256;
/// Longest `session`, in bytes of UTF-8.
pub const SESSION_BYTES_MAX: usize = 256;
/// Most entries of `user.groups`.
pub const GROUPS_MAX: usize = 64;
/// Most entries of `client.forwarded_for`.
pub const FORWARDED_FOR_MAX: usize = 8;
/// Most entries of `recipients`.
pub const RECIPIENTS_MAX: usize = 500;
/// Most entries of `object.labels`.
pub const LABELS_MAX: usize = 64;
/// Most entries of `inspection.classes`.
pub const CLASSES_MAX: usize = 64;
/// Most keys of `attributes`.
pub const ATTRIBUTES_KEYS_MAX: usize = 64;
/// Largest `attributes`, in bytes of its compact JSON.
pub const ATTRIBUTES_BYTES_MAX: usize = 4 * 1024;
/// Largest record, in bytes of JSON.
pub const RECORD_BYTES_MAX: usize = 256 * 1024;
/// So much larger may a record be that says for what it is counted: it is a copy.
pub const ENTITY_BYTES_MAX: usize = 8 * 1024;
/// Longest `entity.value`, in bytes of UTF-8.
pub const ENTITY_VALUE_BYTES_MAX: usize = 256;
/// Longest `entity.key`, in bytes of UTF-8.
pub const ENTITY_KEY_BYTES_MAX: usize = 512;
/// Deepest nesting of objects and arrays; the record itself is level 1.
pub const DEPTH_MAX: usize = 8;
/// Largest count or size: 2^53 − 1, the last integer that every JSON reader keeps exact.
pub const COUNT_MAX: u64 = (1 << 53) - 1;
/// Highest percentage, for `inspection.classes[].confidence`.
pub const PERCENT_MAX: u8 = 100;
/// Highest entropy of a file's bytes, hundredths of a bit a byte: that of bytes drawn at random.
pub const ENTROPY_CENTIBITS_MAX: u64 = 800;

/// Form of `instance`: a host label in lower case, so that it can never hold the `|` of the key.
pub const INSTANCE_PATTERN: &str = "^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$";
/// Form of a ServiceNow `sys_id`: 32 hexadecimal digits in lower case.
pub const SYS_ID_PATTERN: &str = "^[0-9a-f]{32}$";
/// Form of every time: RFC 3339 in UTC, upper case, at most nanoseconds.
pub const TIME_PATTERN: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|\+00:00)$";

/// Words of `action`. Others are accepted, and read as `other`.
pub const ACTIONS: &[&str] = &[
    "login",
    "logout",
    "session_start",
    "mfa_challenge",
    "impersonate_start",
    "impersonate_end",
    "view",
    "list",
    "search",
    "download",
    "export",
    "bulk_read",
    "upload",
    "update",
    "rename",
    "delete",
    "share",
    "email_send",
    "create",
    "role_grant",
    "role_revoke",
    "user_create",
    "user_disable",
    "user_enable",
    "user_terminate",
    "user_rename",
    "password_change",
    "mfa_change",
    "config_change",
    "script_run",
    "user_profile",
    "other",
];
/// Words of `reason`. Others are accepted, and read as `other`.
pub const REASONS: &[&str] = &["bad_password", "unknown_user", "locked", "mfa_failed", "expired", "denied", "other"];
/// Words of `user.kind`. Others are accepted, and read as `unknown`.
pub const USER_KINDS: &[&str] =
    &["employee", "external", "guest", "service", "integration", "vendor", "placeholder", "unknown"];
/// Words of `auth.method`.
pub const AUTH_METHODS: &[&str] = &["local", "ldap", "saml", "oidc", "basic", "oauth", "api_key", "cookie"];
/// Words of `channel`.
pub const CHANNELS: &[&str] = &["ui", "mobile", "portal", "api", "integration", "email", "scheduled"];
/// Words of `object.visibility`.
pub const VISIBILITIES: &[&str] = &["internal", "external", "public"];
/// Words of `recipients[].kind`.
pub const RECIPIENT_KINDS: &[&str] = &["to", "cc", "bcc", "watch_list", "report", "public_link"];
/// Words of `test`.
pub const TESTS: &[&str] = &["synthetic", "canary"];
