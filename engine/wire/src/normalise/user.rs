//! Rows of `sys_user`: whether an account is on, from when its person has left, and who that is.
//!
//! Who it is (`name`, `email`, `department`) is said in one record more, a `user_profile`, where the row has any of it, and with
//! it what the account may do. The table itself has no column for that: an export adds `groups`, a list of names or one text
//! with commas between them, and `privileged`. Empty groups say that there are none; a column that is absent or null says
//! nothing.
//!
//! A row says how things are, not what changed: the same is said again with every change of the account, which moves
//! nothing. An account that is on counts from when it was made, so the row of one whose person has left does not say that
//! the person came back. Nor does a column of the last day that was emptied: whoever calls a leaving off publishes a
//! `user_enable` under the person's key.

use super::record::{CREATED_ON, DOMAIN, Draft, SYS_ID, TEXT_BYTES_MAX};
use super::{Column, Out, Skip, View, text};
use crate::activity::record::{Outcome, User, Word};
use crate::activity::time::UtcTime;
use crate::activity::{DEPARTMENT_BYTES_MAX, DISPLAY_NAME_BYTES_MAX, GROUPS_MAX};

const USER_NAME: Column = Column::new("user_name");
const ACTIVE: Column = Column::new("active");
const EMAIL: Column = Column::new("email");
/// No column of the base system: one of the operator's under this name.
const LEAVES_ON: Column = Column::known_as("employment_end_date", &["u_employment_end_date", "u_termination_date"]);
/// The name as people write it.
const DISPLAY_NAME: Column = Column::new("name");
/// A reference: the name behind it, where the export has that.
const DEPARTMENT: Column = Column::known_as("department", &["department.name", "dv_department"]);
/// No column of the base system, like the next.
const GROUPS: Column = Column::known_as("groups", &["u_groups"]);
const PRIVILEGED: Column = Column::known_as("privileged", &["u_privileged"]);
const MOD_COUNT: Column = Column::new("sys_mod_count");
const UPDATED_ON: Column = Column::new("sys_updated_on");
const UPDATED_BY: Column = Column::new("sys_updated_by");

pub(super) const COLUMNS: &[Column] = &[
    SYS_ID,
    CREATED_ON,
    DOMAIN,
    USER_NAME,
    ACTIVE,
    EMAIL,
    LEAVES_ON,
    DISPLAY_NAME,
    DEPARTMENT,
    GROUPS,
    PRIVILEGED,
    MOD_COUNT,
    UPDATED_ON,
    UPDATED_BY,
];

const DAY_MS: i64 = 86_400_000;
/// How much later than in UTC a day ends in the last zone.
const WESTERNMOST_MS: i64 = 12 * 3_600_000;

pub(super) fn normalise(view: &View<'_>, out: Out<'_>) -> Result<(), Skip> {
    let Some(id) = text::sys_id(view.text(&SYS_ID)) else {
        return Err(Skip::Reject(SYS_ID.name, "not a sys_id".to_owned()));
    };
    let is_active = match view.text(&ACTIVE) {
        "true" | "1" => true,
        "false" | "0" => false,
        _ => return Err(Skip::Reject(ACTIVE.name, "neither true nor false".to_owned())),
    };
    let name = view.text(&USER_NAME);
    if name.is_empty() {
        return Err(Skip::Noise("account without a name"));
    }
    let updated = view.time(&UPDATED_ON)?;
    let created = text::time(view.text(&CREATED_ON)).unwrap_or(updated);
    // Of a fixed width, so that revisions of one second stand in their order.
    let revision = match text::count(view.text(&MOD_COUNT)) {
        Some(count) => format!("{count:010}"),
        None => format!("t{:015}", updated.0.ms()),
    };
    let leaves = leaves_at(view)?;
    let (action, counts_from) = if is_active { ("user_enable", created.0) } else { ("user_disable", updated.0) };
    let leaving = leaves.map(|at| ("user_terminate", Some(at), ":end"));
    let who = view.normaliser.people.who(name);
    let profile = profile(view);
    let said = [(action, Some(counts_from), "")].into_iter().chain(leaving);
    let said = said.chain(profile.as_ref().map(|_| ("user_profile", None, ":profile")));
    // The leaving comes behind what it outranks.
    for (action, counts_from, part) in said {
        let draft = Draft {
            who: &who,
            action,
            outcome: Outcome::Success,
            ip: None,
            user_agent: "",
            session: "",
            action_key: None,
        };
        let mut record = view.record(format!("sys_user:{id}:{revision}{part}"), updated, draft);
        record.action_raw = Some(Word::Borrowed("sys_user"));
        record.effective_at = counts_from;
        if let Some(profile) = profile.as_ref().filter(|_| counts_from.is_none()) {
            record.user = User { name: record.user.name, kind: record.user.kind, ..profile.clone() };
        }
        record.user.id = Some(id.clone());
        record.user.email = text::owned(view.text(&EMAIL), TEXT_BYTES_MAX);
        record.actor = super::record::named(&view.normaliser.people.who(view.text(&UPDATED_BY)));
        view.emit(&who, record, out)?;
    }
    Ok(())
}

/// Who the row says it is, if it says anything of that.
fn profile(view: &View<'_>) -> Option<User> {
    let words = |column: &Column| {
        let mut all = view.names(column).map(|name| view.row.words(name));
        // A reference without the words for it names nothing.
        all.find(|text| !text.is_empty() && text::sys_id(text).is_none()).unwrap_or("").to_owned()
    };
    let privileged = match view.text(&PRIVILEGED) {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        // A column of this name that means something else must not cost the rest of the row.
        _ => None,
    };
    let user = User {
        display_name: text::owned(&words(&DISPLAY_NAME), DISPLAY_NAME_BYTES_MAX),
        department: text::owned(&words(&DEPARTMENT), DEPARTMENT_BYTES_MAX),
        email: text::owned(view.text(&EMAIL), TEXT_BYTES_MAX),
        privileged,
        groups: groups(view),
        ..User::default()
    };
    (user != User::default()).then_some(user)
}

/// The names of the groups of the first such column that has any. `None`: the row does not say, or says only who is meant and not
/// what they are called.
fn groups(view: &View<'_>) -> Option<Vec<String>> {
    let mut lists: Vec<Vec<&str>> = view.names(&GROUPS).filter_map(|name| view.row.list(name)).collect();
    let most = lists.iter().position(|list| !list.is_empty()).unwrap_or(0);
    let said = (most < lists.len()).then(|| lists.swap_remove(most))?;
    let is_none = said.is_empty();
    let named = said.into_iter().filter(|name| text::sys_id(name).is_none()).take(GROUPS_MAX);
    let names: Vec<String> = named.map(|name| text::clip(name, TEXT_BYTES_MAX).to_owned()).collect();
    (is_none || !names.is_empty()).then_some(names)
}

/// The end of the last day wherever on earth the person is, or a time, if there is one. What lies beyond the times that can be
/// written is how some sources say that nobody leaves.
fn leaves_at(view: &View<'_>) -> Result<Option<UtcTime>, Skip> {
    let written = view.text(&LEAVES_ON);
    if written.is_empty() {
        return Ok(None);
    }
    let reject = || Skip::Reject(LEAVES_ON.name, "neither a day nor a time in UTC".to_owned());
    if let Some((at, _)) = text::time(&format!("{written} 00:00:00")) {
        return Ok(UtcTime::from_ms(at.ms() + DAY_MS + WESTERNMOST_MS));
    }
    text::time(written).map(|(at, _)| Some(at)).ok_or_else(reject)
}
