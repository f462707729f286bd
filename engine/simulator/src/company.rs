//! The simulated company: configuration, people, labels, and what it sends.

use std::collections::BTreeMap;

use serde::Serialize;
use thiserror::Error;

use crate::action::Action;
use crate::addresses::{self, AddressList, AddressPlan, Harmless};
use crate::attacks::{AttackPlan, Label, plan_attacks};
use crate::behaviour::DayContext;
use crate::clock::DAY_MS;
use crate::confounders::Confounders;
use crate::delivery::{Deliveries, Form};
use crate::files::{self, FilePlan};
use crate::misleading::Misleading;
use crate::people::{Account, Person, populate};
use crate::policies::{self, Administration, PolicyPlan};
use crate::world::{World, WorldError};

/// Fewest accounts: below it not every role has somebody.
pub const USERS_MIN: u32 = 20;
/// Most accounts.
pub const USERS_MAX: u32 = 100_000;
/// Most days.
pub const DAYS_MAX: u32 = 400;
/// Longest name of an instance, bytes.
pub const INSTANCE_BYTES_MAX: usize = 40;
/// Of a thousand people, those who pay for a tunnel, in a company with lists of addresses.
const TUNNELS: u16 = 40;
/// No attack begins before this day of the run, counted from 0.
pub const EARLIEST_ATTACK_DAY: u32 = 10;
/// Fewest days of a run with attacks.
pub const ATTACK_DAYS_MIN: u32 = EARLIEST_ATTACK_DAY + 5;

/// What to simulate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompanyConfig {
    /// Seed of all chance: the same seed gives the same bytes.
    pub seed: u64,
    /// Accounts, people and programs together; [`USERS_MIN`] to [`USERS_MAX`].
    pub users: u32,
    /// Length of the run in days; at most [`DAYS_MAX`].
    pub days: u32,
    /// Begin of the run, a midnight in UTC, milliseconds since the epoch.
    pub start_ms: i64,
    /// How many attacks of each kind.
    pub attacks: AttackPlan,
    /// Name of the ServiceNow instance: small letters, digits, hyphens.
    pub instance: String,
    /// How many travellers go, late in the run, to a country they have never been in: harmless, and indistinguishable
    /// from an account used there by somebody else. They are listed by [`Company::first_visits`].
    pub first_visits: u32,
    /// Shares of what harmless people do that looks like an attack; `None`: the demo's people, whose roles are dealt out
    /// in turn.
    pub confounders: Option<Confounders>,
    /// Attacks on files, and what harmless people and programs do to files; `None`: nobody does more to a file than attach,
    /// fetch and rename it. Nothing else changes with it.
    pub files: Option<FilePlan>,
    /// Attacks by way of listed addresses, accounts that should be off, and devices, with what looks like them; `None`: there
    /// are no lists, and nobody leaves.
    pub addresses: Option<AddressPlan>,
    /// Attacks that policies of one's own look for, with the administration of every day; `None`: nobody deletes records,
    /// impersonates or gives roles. Nothing else changes with it.
    pub policies: Option<PolicyPlan>,
}

/// A configuration that cannot be simulated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// Too few or too many accounts.
    #[error("users: {0} is not between {USERS_MIN} and {USERS_MAX}")]
    Users(u32),
    /// No days, or too many.
    #[error("days: {0} is not between 1 and {DAYS_MAX}")]
    Days(u32),
    /// Attacks need history before them and a day after.
    #[error("days: {0} leave no room for attacks, which need at least {ATTACK_DAYS_MIN}")]
    DaysForAttacks(u32),
    /// The run must begin at midnight.
    #[error("start_ms: {0} is not a midnight in UTC")]
    Start(i64),
    /// The instance's name is empty, too long or has other characters.
    #[error("instance: '{0}' is not 1 to {INSTANCE_BYTES_MAX} small letters, digits and hyphens")]
    Instance(String),
    /// Nobody is left to attack.
    #[error("attacks: nobody is left for {kind} number {number}; ask for fewer attacks or more users")]
    NoVictim {
        /// Which kind.
        kind: &'static str,
        /// Which of that kind, from 0.
        number: u32,
    },
    /// More ways to the network, or of moving about, than people.
    #[error("confounders: the shares of {0} come to more than 1000")]
    Shares(&'static str),
    /// A table of the world is broken.
    #[error(transparent)]
    World(#[from] WorldError),
}

/// A harmless stay in a country that the person has never been in before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FirstVisit {
    /// Account name.
    pub user: String,
    /// Country, ISO 3166.
    pub country: String,
    /// Arrival, milliseconds since the epoch.
    pub from_ms: i64,
    /// Departure, milliseconds since the epoch.
    pub to_ms: i64,
}

/// A company whose every row follows from its configuration.
#[derive(Debug)]
pub struct Company {
    pub(crate) config: CompanyConfig,
    pub(crate) world: World,
    pub(crate) people: Vec<Person>,
    pub(crate) attack_actions: Vec<Action>,
    /// When accounts do nothing of what their days would have, milliseconds since the epoch.
    pub(crate) absences: BTreeMap<u32, Vec<(i64, i64)>>,
    /// What looks like an attack on files, and whose it is.
    pub(crate) file_work: Vec<(u32, Misleading)>,
    labels: Vec<Label>,
    harmless: Vec<Harmless>,
    lists: Vec<AddressList>,
}

impl CompanyConfig {
    /// The demo's company: attacks of every kind and no first visits.
    pub fn new(seed: u64, users: u32, days: u32, start_ms: i64) -> Self {
        let instance = "nordvik".to_owned();
        let attacks = AttackPlan::default();
        Self {
            seed,
            users,
            days,
            start_ms,
            attacks,
            instance,
            first_visits: 0,
            confounders: None,
            files: None,
            addresses: None,
            policies: None,
        }
    }

    /// A company with all confounders in their everyday shares, and as many attacks of each kind.
    pub fn confounded(seed: u64, users: u32, days: u32, start_ms: i64, attacks: u32) -> Self {
        let attacks = AttackPlan {
            impossible_travel: attacks,
            infrequent_country: attacks,
            failed_logins: attacks,
            mass_download: attacks,
            ..AttackPlan::none()
        };
        Self { attacks, confounders: Some(Confounders::EVERYDAY), ..Self::new(seed, users, days, start_ms) }
    }

    /// The same company with so many unusual downloads and slow exfiltrations beside, and with what makes harmless people
    /// carry off more than they did. All else stays as it is.
    #[must_use]
    pub fn with_downloads(mut self, attacks: u32) -> Self {
        (self.attacks.unusual_download, self.attacks.slow_exfiltration) = (attacks, attacks);
        let Confounders { crunch, new_role, quarter_end, .. } = Confounders::PROJECTS;
        self.confounders = self.confounders.map(|shares| Confounders { crunch, new_role, quarter_end, ..shares });
        self
    }

    /// The same company with departments, in one of which some have always carried off what is new to others.
    #[must_use]
    pub fn with_departments(mut self) -> Self {
        self.confounders = self.confounders.map(|shares| Confounders { departments: true, ..shares });
        self
    }

    /// The same with so many attacks of each of the first kinds that take days.
    #[must_use]
    pub const fn with_slow(mut self, attacks: u32) -> Self {
        let plan = &mut self.attacks;
        plan.slow_failed_logins = attacks;
        plan.slow_impossible_travel = attacks;
        plan.slow_infrequent_country = attacks;
        self
    }

    /// The same with attacks on files and what looks like them.
    #[must_use]
    pub fn with_files(self, files: FilePlan) -> Self {
        Self { files: Some(files), ..self }
    }

    /// The same with attacks by way of addresses, accounts that should be off, and devices, and with more people who pay for a
    /// tunnel.
    #[must_use]
    pub fn with_addresses(mut self, addresses: AddressPlan) -> Self {
        self.confounders = self.confounders.map(|shares| Confounders { consumer_vpn: TUNNELS, ..shares });
        Self { addresses: Some(addresses), ..self }
    }

    /// The same with attacks that policies of one's own look for, and the administration of every day.
    #[must_use]
    pub fn with_policies(self, policies: PolicyPlan) -> Self {
        Self { policies: Some(policies), ..self }
    }

    fn check(&self) -> Result<(), ConfigError> {
        if !(USERS_MIN..=USERS_MAX).contains(&self.users) {
            return Err(ConfigError::Users(self.users));
        }
        if !(1..=DAYS_MAX).contains(&self.days) {
            return Err(ConfigError::Days(self.days));
        }
        let others = self.files.is_some() || self.addresses.is_some() || self.policies.is_some();
        if (self.attacks.total() > 0 || others) && self.days < ATTACK_DAYS_MIN {
            return Err(ConfigError::DaysForAttacks(self.days));
        }
        if self.start_ms.rem_euclid(DAY_MS) != 0 {
            return Err(ConfigError::Start(self.start_ms));
        }
        let groups = self.confounders.map(|shares| shares.groups()).unwrap_or_default();
        for (sum, group) in groups.into_iter().zip(["ways to the network", "ways of moving about"]) {
            if sum > 1_000 {
                return Err(ConfigError::Shares(group));
            }
        }
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=INSTANCE_BYTES_MAX).contains(&self.instance.len()) || !self.instance.bytes().all(allowed) {
            return Err(ConfigError::Instance(self.instance.clone()));
        }
        Ok(())
    }
}

impl Company {
    /// Draws the people and plans the attacks; the rows are drawn while they are read.
    pub fn new(config: CompanyConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let world = match config.confounders {
            Some(shares) => World::load_confounding()?.with_summer_time(shares.summer_time),
            None => World::load()?,
        };
        let people = populate(&world, &config);
        let mut company = Self {
            config,
            world,
            people,
            attack_actions: Vec::new(),
            absences: BTreeMap::new(),
            file_work: Vec::new(),
            labels: Vec::new(),
            harmless: Vec::new(),
            lists: Vec::new(),
        };
        let planned = plan_attacks(&company)?;
        company.labels = planned.labels;
        company.attack_actions = planned.actions;
        if let Some(plan) = company.config.files {
            let (planned, work) = files::plan(&company, plan)?;
            company.file_work = work;
            company.labels.extend(planned.labels);
            company.attack_actions.extend(planned.actions);
        }
        if let Some(plan) = company.config.addresses {
            let planned = addresses::plan(&company, plan)?;
            company.take(planned);
        }
        if let Some(plan) = company.config.policies {
            let planned = policies::plan(&company, plan)?;
            company.labels.extend(planned.labels);
            company.attack_actions.extend(planned.actions);
            company.harmless.extend(planned.harmless);
            company.lists.push(planned.list);
        }
        Ok(company)
    }

    /// Whoever is away does nothing of what was planned before.
    fn take(&mut self, planned: addresses::Planned) {
        self.absences = planned.absences;
        let mut actions = std::mem::take(&mut self.attack_actions);
        actions.retain(|action| action.label.is_some() || !self.is_absent(action));
        actions.extend(planned.actions);
        self.attack_actions = actions;

        self.labels.extend(planned.labels);
        for (account, devices) in planned.devices {
            self.people[account as usize].devices = devices;
        }
        (self.harmless, self.lists) = (planned.harmless, planned.lists);
    }

    /// Is the account one that does nothing then?
    pub(crate) fn is_absent(&self, action: &Action) -> bool {
        self.is_absent_at(action.account, action.time_ms)
    }

    /// The same of a time.
    pub(crate) fn is_absent_at(&self, account: u32, time_ms: i64) -> bool {
        addresses::is_absent(&self.absences, account, time_ms)
    }

    /// The attacks that were injected, and nothing else.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// What looks like an attack by way of addresses, accounts that should be off, and devices, and is none.
    pub fn harmless(&self) -> &[Harmless] {
        &self.harmless
    }

    /// The lists of addresses that the company has; none where nobody hides.
    pub fn address_lists(&self) -> &[AddressList] {
        &self.lists
    }

    /// What its administrator would say of it on the first day, beside its networks.
    pub fn administration(&self) -> Administration {
        policies::administration(self)
    }

    /// The user list, in the order of account numbers.
    pub fn people(&self) -> impl Iterator<Item = Account> + '_ {
        self.people.iter().map(|person| person.account(&self.world))
    }

    /// Harmless stays in countries new to the person, in the order of account numbers.
    pub fn first_visits(&self) -> Vec<FirstVisit> {
        let mut visits = Vec::new();
        for person in &self.people {
            let mut known = vec![&self.world.city(person.home).country];
            let moved = person.habits.moved.map(|moved| (moved.city, moved.there_ms, self.end_ms()));
            let trips = person.trips.iter().map(|trip| (trip.city, trip.there_ms, trip.back_ms));
            for (city, from_ms, to_ms) in trips.chain(moved) {
                let country = &self.world.city(city).country;
                // The journeys before the first possible attack are the history that every traveller of the demo brings
                // along.
                let first_ms = self.config.start_ms + i64::from(EARLIEST_ATTACK_DAY) * DAY_MS;
                let history = from_ms < first_ms && self.config.confounders.is_none();
                if !history && !known.contains(&country) {
                    visits.push(FirstVisit { user: person.name.clone(), country: country.clone(), from_ms, to_ms });
                }
                known.push(country);
            }
        }
        visits
    }

    /// The world the company lives in.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The configuration it was made from.
    pub fn config(&self) -> &CompanyConfig {
        &self.config
    }

    /// End of the run, milliseconds since the epoch; deliveries go on a little longer.
    pub fn end_ms(&self) -> i64 {
        self.config.start_ms + i64::from(self.config.days) * DAY_MS
    }

    /// Raw rows of `sysevent`, `syslog_transaction`, `sys_audit` and `sys_attachment`, in order of arrival.
    pub fn raw_rows(&self) -> Deliveries<'_> {
        Deliveries::new(self, Form::Raw)
    }

    /// The same days as activity records, in order of arrival.
    pub fn activity(&self) -> Deliveries<'_> {
        Deliveries::new(self, Form::Activity)
    }

    pub(crate) fn day_context(&self) -> DayContext<'_> {
        let first_epoch_day = self.config.start_ms.div_euclid(DAY_MS);
        DayContext { world: &self.world, seed: self.config.seed, first_epoch_day }
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod confounded_tests;
