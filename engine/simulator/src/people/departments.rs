//! Who works with whom: departments whose people carry off about as much as one another.

use rand::RngExt;

use crate::chance::{Purpose, stream};
use crate::clock::DAY_MS;
use crate::company::CompanyConfig;
use crate::confounders::Confounder;

use super::{NewRole, Person};

/// Of a thousand people, so many have always had the role that others are given (see `Confounders::new_role`).
const OLD_HANDS: u32 = 60;
/// Of a hundred, so many stand under no department, and so many under none or another than the one they work for.
const NOWHERE: u32 = 3;
const MISFILED: u32 = 10;
/// People of a department that has no work of its own, about.
const SALES: u32 = 40;

/// The department whose people read documents all day.
const RESEARCH: &str = "Research";

/// Gives a person a department by what they do; some of those without anything special the role of [`RESEARCH`].
pub(super) fn assign(config: &CompanyConfig, number: u32, person: &mut Person) {
    let mut chance = stream(config.seed, Purpose::Departments, number, 0);
    let habits = &mut person.habits;
    let is_plain = habits.corporate_vpn.is_none() && habits.consumer_vpn.is_empty() && !habits.kiosk;
    let (is_old_hand, documents) = (chance.random_range(0..1_000) < OLD_HANDS, chance.random_range(5..13));
    if is_old_hand && is_plain && habits.new_role.is_none() {
        habits.new_role = Some(NewRole { from: i64::MIN, documents });
    }
    let any = format!("Sales {}", chance.random_range(0..=config.users / SALES));
    let filed = chance.random_range(0..100);
    let role_since = habits.new_role.map(|role| role.from);
    let own = if role_since == Some(i64::MIN) {
        RESEARCH
    } else if habits.quarter_end {
        "Controlling"
    } else if person.has(Confounder::MonthEnd) {
        "Finance"
    } else if person.has(Confounder::Crunch) {
        "Delivery"
    } else {
        &any
    };
    let first = match filed {
        ..NOWHERE => String::new(),
        NOWHERE..MISFILED => any.clone(),
        _ => own.to_owned(),
    };
    person.departments = vec![(config.start_ms, first)];
    let changes = role_since.filter(|from| *from > 0 && filed >= MISFILED);
    person.departments.extend(changes.map(|from| (config.start_ms + from * DAY_MS, RESEARCH.to_owned())));
}
