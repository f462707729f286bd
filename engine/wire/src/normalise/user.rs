//! Rows of `sys_user`: whether an account is on, and from when its person has left.
//!
//! A row says how things are, not what changed: the same is said again with every change of the account, which moves
//! nothing. An account that is on counts from when it was made, so the row of one whose person has left does not say that
//! the person came back. Nor does a column of the last day that was emptied: whoever calls a leaving off publishes a
//! `user_enable` under the person's key.

use super::record::{CREATED_ON, DOMAIN, Draft, SYS_ID, TEXT_BYTES_MAX};
use super::{Column, Out, Skip, View, text};
use crate::activity::record::{Outcome, Word};
use crate::activity::time::UtcTime;

const USER_NAME: Column = Column::new("user_name");
const ACTIVE: Column = Column::new("active");
const EMAIL: Column = Column::new("email");
/// No column of the base system: one of the operator's under this name.
const LEAVES_ON: Column = Column::known_as("employment_end_date", &["u_employment_end_date", "u_termination_date"]);
const MOD_COUNT: Column = Column::new("sys_mod_count");
const UPDATED_ON: Column = Column::new("sys_updated_on");
const UPDATED_BY: Column = Column::new("sys_updated_by");

pub(super) const COLUMNS: &[Column] =
    &[SYS_ID, CREATED_ON, DOMAIN, USER_NAME, ACTIVE, EMAIL, LEAVES_ON, MOD_COUNT, UPDATED_ON, UPDATED_BY];

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
    let leaving = leaves.map(|at| ("user_terminate", at, ":end"));
    // The leaving comes last: of the two it is what counts.
    for (action, counts_from, part) in [(action, counts_from, "")].into_iter().chain(leaving) {
        let who = view.normaliser.people.who(name);
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
        record.effective_at = Some(counts_from);
        record.user.id = Some(id.clone());
        record.user.email = text::owned(view.text(&EMAIL), TEXT_BYTES_MAX);
        record.actor = super::record::named(&view.normaliser.people.who(view.text(&UPDATED_BY)));
        view.emit(&who, record, out)?;
    }
    Ok(())
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
