//! Rows of `sysevent`: sign-ins, impersonation, attachments.
//!
//! What `parm1` and `parm2` mean depends on the event. Neither is ever copied as a whole, but for
//! names: reasons become words of the contract, addresses become addresses.

use std::borrow::Cow;

use super::people::Who;
use super::record::{CREATED_BY, CREATED_ON, DOMAIN, Draft, SYS_ID, TEXT_BYTES_MAX, keyed, named, note};
use super::{Column, Out, Skip, View, text};
use crate::activity::record::{ActivityRecord, Auth, Object, Outcome, Parent, Quantity, Word};

const NAME: Column = Column::new("name");
const PARM1: Column = Column::new("parm1");
const PARM2: Column = Column::new("parm2");
/// The record of the event: a session, or the `sys_id` of an attachment.
const INSTANCE: Column = Column::new("instance");
const USER_NAME: Column = Column::new("user_name");
const USER_ID: Column = Column::new("user_id");

pub(super) const COLUMNS: &[Column] =
    &[SYS_ID, CREATED_ON, CREATED_BY, DOMAIN, NAME, PARM1, PARM2, INSTANCE, USER_NAME, USER_ID];

/// Support account of the vendor that polls the login page.
const VENDOR_POLLER: &str = "system@snc.admin.maint";
/// Start of the names that the platform impersonates for its own tests.
const PLATFORM_TEST_PREFIX: &str = "whatw-";
/// What stands in `parm1` when a certificate was not accepted for a guest.
const PEM_MARK: &str = "-----BEGIN";

pub(super) fn normalise(view: &View<'_>, out: Out<'_>) -> Result<(), Skip> {
    let name = view.text(&NAME);
    if !view.normaliser.lists_event(name) {
        return Err(Skip::Secret("event not on the list"));
    }
    match name {
        "login" => signed_in(view, "login", None, out),
        "login.failed" => failed_login(view, out),
        "session.established" => signed_in(view, "session_start", None, out),
        "external.authentication.succeeded" => signed_in(view, "login", Some("saml"), out),
        "external.authentication.failed" => failed_external(view, out),
        "logout" => logout(view, Outcome::Success, out),
        "saml2.logout.validation.failed" => logout(view, Outcome::Failure, out),
        "impersonation.start" => impersonation(view, true, out),
        "impersonation.end" => impersonation(view, false, out),
        "attachment.read" => file(view, "download", out),
        "attachment.uploaded" => file(view, "upload", out),
        "attachment.deleted" => file(view, "delete", out),
        "attachment.renamed" => file(view, "rename", out),
        _ if name.starts_with("SNC.Auth.") => method_detail(view, name, out),
        _ => emit(view, &acting(view), "other", Outcome::Unknown, |_| {}, out),
    }
}

/// A sign-in that succeeded. The rows of one login share their session, and so their action key.
fn signed_in(view: &View<'_>, action: &'static str, method: Option<&'static str>, out: Out<'_>) -> Result<(), Skip> {
    let who = subject(view);
    if view.normaliser.people.is_connector(&who) {
        return Err(Skip::Noise("own connector"));
    }
    if who.is_placeholder() && action == "session_start" {
        return Err(Skip::Noise("anonymous session"));
    }
    let finish = |record: &mut ActivityRecord| {
        record.action_key = keyed("login", session(view));
        record.auth = auth(method);
    };
    emit(view, &who, action, Outcome::Success, finish, out)
}

/// A sign-in that failed, written by the session of nobody: its subject is `parm1`.
fn failed_login(view: &View<'_>, out: Out<'_>) -> Result<(), Skip> {
    if view.text(&PARM1).contains(PEM_MARK) {
        return Err(Skip::Noise("certificate of a guest"));
    }
    let who = view.normaliser.people.who(view.text(&PARM1));
    if who.lower == VENDOR_POLLER {
        return Err(Skip::Noise("vendor's poller"));
    }
    let finish = |record: &mut ActivityRecord| {
        let says = view.text(&PARM2);
        record.reason = if text::ip(says).is_some() { None } else { reason(says) };
    };
    emit(view, &who, "login", Outcome::Failure, finish, out)
}

/// A sign-in over single sign-on that failed; `parm2` says why.
fn failed_external(view: &View<'_>, out: Out<'_>) -> Result<(), Skip> {
    let finish = |record: &mut ActivityRecord| {
        record.reason = reason(view.text(&PARM2));
        record.auth = auth(Some("saml"));
    };
    emit(view, &subject(view), "login", Outcome::Failure, finish, out)
}

/// `SNC.Auth.<method>.Login.Success|Failed`: the method of a login that has its own event. A
/// success joins that login by its session; a failure has nothing to join by, so it is kept as
/// detail under `other` and never counted as a second failure.
fn method_detail(view: &View<'_>, name: &str, out: Out<'_>) -> Result<(), Skip> {
    let who = subject(view);
    if view.normaliser.people.is_connector(&who) {
        return Err(Skip::Noise("own connector"));
    }
    let method = method(name);
    if name.ends_with(".Success") {
        let finish = |record: &mut ActivityRecord| {
            record.action_key = keyed("login", session(view));
            record.auth = auth(method);
        };
        return emit(view, &who, "login", Outcome::Success, finish, out);
    }
    let finish = |record: &mut ActivityRecord| record.auth = auth(method);
    emit(view, &who, "other", Outcome::Failure, finish, out)
}

fn logout(view: &View<'_>, outcome: Outcome, out: Out<'_>) -> Result<(), Skip> {
    let who = subject(view);
    if view.normaliser.people.is_connector(&who) {
        return Err(Skip::Noise("own connector"));
    }
    let finish = |record: &mut ActivityRecord| {
        record.action_key = keyed("logout", session(view));
    };
    emit(view, &who, "logout", outcome, finish, out)
}

/// Releases differ in which parameter is the impersonator. At the start it is the one whose
/// session writes the row; else the documented order stands. Both are kept as they came.
fn impersonation(view: &View<'_>, starts: bool, out: Out<'_>) -> Result<(), Skip> {
    let people = &view.normaliser.people;
    let (first, second) = (people.who(view.text(&PARM1)), people.who(view.text(&PARM2)));
    let by = acting(view);
    let tests = |who: &Who<'_>| who.lower.starts_with(PLATFORM_TEST_PREFIX);
    if by.lower == "system" && (tests(&first) || tests(&second)) {
        return Err(Skip::Noise("platform's own test"));
    }
    let turned = starts && !by.is_placeholder() && by.lower == first.lower;
    let (impersonator, impersonated) = if turned { (&first, &second) } else { (&second, &first) };
    let user = if impersonator.name.is_empty() { &by } else { impersonator };
    if people.is_connector(user) {
        return Err(Skip::Noise("own connector"));
    }
    let (action, stem) =
        if starts { ("impersonate_start", "impersonate_start") } else { ("impersonate_end", "impersonate_end") };
    let finish = |record: &mut ActivityRecord| {
        record.actor = named(user);
        record.target = named(impersonated);
        // A walk through several accounts in one session is as many actions.
        let session = session(view);
        record.action_key = keyed(stem, session).map(|key| format!("{key}|{}", impersonated.lower));
        note(record, "parm1", first.name);
        note(record, "parm2", second.name);
    };
    emit(view, user, action, Outcome::Success, finish, out)
}

/// An attachment: `parm1` is its name, `parm2` the table of its record, `instance` its `sys_id`.
fn file(view: &View<'_>, action: &'static str, out: Out<'_>) -> Result<(), Skip> {
    let who = acting(view);
    if view.normaliser.people.is_connector(&who) {
        return Err(Skip::Noise("own connector"));
    }
    let id = text::sys_id(view.text(&INSTANCE));
    let parent = text::owned(view.text(&PARM2), TEXT_BYTES_MAX);
    let finish = |record: &mut ActivityRecord| {
        record.action_key = id.as_deref().and_then(|id| keyed(action, id));
        record.session = None;
        record.object = Some(Object {
            kind: Some(Cow::Borrowed("attachment")),
            table: Some("sys_attachment".to_owned()),
            id,
            name: text::owned(view.text(&PARM1), TEXT_BYTES_MAX),
            parent: parent.map(|table| Parent { table: Some(table), id: None }),
            ..Object::default()
        });
        record.quantity = Some(Quantity { objects: Some(1), ..Quantity::default() });
    };
    emit(view, &who, action, Outcome::Success, finish, out)
}

/// Hands over the record of this row after `finish` has added what its action knows.
fn emit(
    view: &View<'_>,
    who: &Who<'_>,
    action: &'static str,
    outcome: Outcome,
    finish: impl FnOnce(&mut ActivityRecord),
    out: Out<'_>,
) -> Result<(), Skip> {
    let draft = Draft {
        who,
        action,
        outcome,
        ip: text::ip(view.text(&PARM2)),
        user_agent: "",
        session: session(view),
        action_key: None,
    };
    let mut record = view.record(view.id(), view.time(&CREATED_ON)?, draft);
    record.action_raw = text::owned(view.text(&NAME), TEXT_BYTES_MAX).map(Word::Owned);
    if view.normaliser.people.who(view.text(&USER_NAME)).lower == who.lower {
        record.user.id = text::sys_id(view.text(&USER_ID));
    }
    finish(&mut record);
    view.emit(who, record, out)
}

/// Who the event is about: `parm1`, bare or as `user_name=…`; where that is an id or empty, the
/// user of the row.
fn subject<'v>(view: &'v View<'_>) -> Who<'v> {
    let said = view.text(&PARM1);
    let name = match said.split_once("user_name=") {
        Some((_, rest)) => rest.split([',', ';', '&', '^', '\n', '"']).next().unwrap_or(""),
        None => said,
    };
    if name.is_empty() || text::sys_id(name).is_some() || name == session(view) {
        acting(view)
    } else {
        view.normaliser.people.who(name)
    }
}

/// The user whose session wrote the row.
fn acting<'v>(view: &'v View<'_>) -> Who<'v> {
    let name = view.text(&USER_NAME);
    view.normaliser.people.who(if name.is_empty() { view.text(&CREATED_BY) } else { name })
}

fn session<'v>(view: &'v View<'_>) -> &'v str {
    view.text(&INSTANCE)
}

fn auth(method: Option<&'static str>) -> Option<Auth> {
    method.map(|method| Auth { method: Some(Cow::Borrowed(method)), mfa: None })
}

/// The method named in `SNC.Auth.<method>.…`.
fn method(name: &str) -> Option<&'static str> {
    match name.split('.').nth(2)?.to_ascii_lowercase().as_str() {
        "db" => Some("local"),
        "ldap" => Some("ldap"),
        "saml" | "saml2" => Some("saml"),
        "oidc" => Some("oidc"),
        "oauth" => Some("oauth"),
        "basic" => Some("basic"),
        "cookie" => Some("cookie"),
        _ => None,
    }
}

/// The contract's word for a reason in the platform's text; the text itself never passes.
fn reason(text: &str) -> Option<Word> {
    let text = text.to_ascii_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    let word = if text.is_empty() {
        return None;
    } else if says(&["does not exist", "not found", "unknown user", "no such user"]) {
        "unknown_user"
    } else if says(&["locked"]) {
        "locked"
    } else if says(&["multifactor", "multi-factor", "mfa", "second factor"]) {
        "mfa_failed"
    } else if says(&["expired", "not yet valid"]) {
        "expired"
    } else if says(&["password"]) {
        "bad_password"
    } else if says(&["denied", "inactive", "not active", "not authorized", "requirement"]) {
        "denied"
    } else {
        "other"
    };
    Some(Cow::Borrowed(word))
}
