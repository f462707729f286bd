//! Holds what readers are left with against what was injected.

use std::collections::BTreeMap;

use frostwatch_detect::time::{HOUR, MINUTE, Millis, SECOND};
use frostwatch_simulator::{AccountKind, AttackKind, Company, Confounder, FirstVisit, Label};

use super::Final;
use super::addresses::{BY_EVIDENCE, Stories, episodes, held_counts, is_seen_by_evidence, is_true, stories};
use super::benign::{Benign, OfNobody, Said, benign};
use super::guesses::{OfGuesses, guesses};

/// `ServiceNow`'s clock has whole seconds, and some rows of an action are written a second later.
const CLOCK: Millis = 2 * SECOND;
/// An alert of the attack's own kind this near to it is about it: the victim goes on, and the jump back is part of it.
const NEAR: Millis = HOUR;
/// An alert of another kind this near to an attack comes of it.
const AFTER: Millis = 10 * MINUTE;

/// An attack on files is found by an alert that was raised while it went on, or so long after its last action: what comes
/// later saves no file, and what was raised before is about something else.
const TOLD_WITHIN: Millis = 10 * MINUTE;

/// What an alert stands at that asks nobody to get up.
pub(super) const SEVERITY_LOW: u8 = 2;

/// A rule with the kinds of attack that it is for.
type Measured = (&'static str, &'static [AttackKind]);

/// The detectors that are measured.
const DETECTORS: [Measured; 11] = [
    ("activity_policy", &[AttackKind::MassDeletion, AttackKind::SlowMassDeletion]),
    ("anonymous_ip", &[AttackKind::AnonymousAddress, AttackKind::SlowAnonymousAddress]),
    ("failed_logins", &[AttackKind::FailedLogins, AttackKind::SlowFailedLogins]),
    ("impossible_travel", &[AttackKind::ImpossibleTravel, AttackKind::SlowImpossibleTravel]),
    ("infrequent_country", &[AttackKind::InfrequentCountry, AttackKind::SlowInfrequentCountry]),
    ("mass_download", &[AttackKind::MassDownload]),
    ("new_device", &[AttackKind::NewDevice, AttackKind::SlowNewDevice]),
    ("ransomware", &[AttackKind::Ransomware, AttackKind::SlowRansomware]),
    ("suspicious_ip", &[AttackKind::BadAddress, AttackKind::SlowBadAddress]),
    ("terminated_user", &[AttackKind::TerminatedUse, AttackKind::SlowTerminatedUse]),
    ("unusual_download", &[AttackKind::UnusualDownload, AttackKind::SlowExfiltration]),
];
/// The policies that are switched on beside them where the company has attacks for these.
const TEMPLATES: [Measured; 7] = [
    ("admin_from_outside", &[AttackKind::AdminFromOutside, AttackKind::SlowAdminFromOutside]),
    ("impersonation", &[AttackKind::Impersonation, AttackKind::SlowImpersonation]),
    ("many_downloads", &[AttackKind::MassDownload]),
    ("many_failed_sign_ins", &[AttackKind::FailedLogins, AttackKind::SlowFailedLogins]),
    ("password_spray", &[AttackKind::PasswordSpray, AttackKind::SlowPasswordSpray]),
    ("privileged_role_granted", &[AttackKind::PrivilegedGrant, AttackKind::SlowPrivilegedGrant]),
    ("risky_ip_logon", &[AttackKind::RiskySignIn, AttackKind::SlowRiskySignIn]),
];

/// To what a false or harmless alert belongs: the confounders of its user that concern the detector, or `none`.
pub type Attribution = BTreeMap<String, usize>;

/// How one detector did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Attacks of its kind.
    pub injected: usize,
    /// Of these, with an alert.
    pub found: usize,
    /// Attacks of other kinds of which its own is true too.
    pub also: usize,
    /// Of these, with an alert.
    pub also_found: usize,
    /// Alerts at the end.
    pub alerts: usize,
    /// Of these, caused by an attack.
    pub of_attacks: usize,
    /// Of these, true and harmless: somebody's first stay in a country, or a client with an old password that stands at
    /// low severity.
    pub harmless: usize,
    /// Of these, false.
    pub wrong: usize,
    /// Event time from the first action of an attack to the event with which it was told, median, seconds.
    pub detection_secs: i64,
    /// To what the false ones belong.
    pub wrong_by: Attribution,
    /// Of the attacks, how those of each kind did, where a policy is for several.
    pub kinds: BTreeMap<AttackKind, OfKind>,
    /// The same for each class of attacks that is counted apart ([`Label::classes`]).
    pub classes: BTreeMap<(AttackKind, &'static str), OfKind>,
}

/// An attack that was told, and how long that took, seconds.
type Told = (AttackKind, i64);

/// How attacks of one kind were found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfKind {
    /// Attacks.
    pub injected: usize,
    /// Of these, with an alert.
    pub found: usize,
    /// As [`Score::detection_secs`].
    pub detection_secs: i64,
}

impl OfKind {
    /// Share of the attacks that have an alert.
    pub fn recall(&self) -> f64 {
        share(self.found, self.injected)
    }
}

/// Alerts of several policies together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// As [`Score::of_attacks`].
    pub of_attacks: usize,
    /// As [`Score::harmless`].
    pub harmless: usize,
    /// As [`Score::wrong`].
    pub wrong: usize,
}

/// How all detectors did, by policy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
    /// By policy.
    pub scores: BTreeMap<&'static str, Score>,
    /// Days on which people had accounts, all together.
    pub user_days: u64,
    /// Attacks without an alert, a sentence each.
    pub missed: Vec<String>,
    /// Attacks that are told at low severity, a sentence each: nobody gets up for these.
    pub told_low: Vec<String>,
    /// False alerts, a sentence each.
    pub false_alerts: Vec<String>,
    /// What was held back and stands, by policy and by what did: how many, and of how many an attack is part.
    pub held: BTreeMap<&'static str, BTreeMap<String, (usize, usize)>>,
    /// How alerts were put together.
    pub stories: Stories,
    /// What is harmless and looks like an attack, by its kind, and what was said of it.
    pub benign: BTreeMap<String, Benign>,
    /// As what guessed passwords are told, by how they were guessed.
    pub guesses: BTreeMap<String, OfGuesses>,
}

impl Score {
    /// Share of the attacks of its kind that have an alert.
    pub fn recall(&self) -> f64 {
        share(self.found, self.injected)
    }

    /// Share of the alerts that attacks caused, among those that are not true and harmless.
    pub fn precision(&self) -> f64 {
        share(self.of_attacks, self.of_attacks + self.wrong)
    }

    /// The same among all alerts: whoever wants attacks alone counts a first stay in a country as false.
    pub fn precision_strict(&self) -> f64 {
        share(self.of_attacks, self.alerts)
    }
}

impl Judged {
    /// False alerts of a detector for 1,000 days of a user.
    pub fn false_per_1000(&self, score: &Score) -> f64 {
        score.wrong as f64 * 1_000.0 / self.user_days.max(1) as f64
    }

    /// False alerts, and those that are true and harmless, of all that ships switched on, and of the templates.
    pub fn totals(&self) -> [Total; 2] {
        let of = |measured: &[Measured]| {
            let scores = measured.iter().filter_map(|(policy, _)| self.scores.get(policy));
            scores.fold(Total::default(), |sum, score| Total {
                of_attacks: sum.of_attacks + score.of_attacks,
                harmless: sum.harmless + score.harmless,
                wrong: sum.wrong + score.wrong,
            })
        };
        [of(&DETECTORS), of(&TEMPLATES)]
    }

    /// The same of all that are switched on together.
    pub fn false_of_all_per_1000(&self) -> f64 {
        let wrong: usize = self.scores.values().map(|score| score.wrong).sum();
        wrong as f64 * 1_000.0 / self.user_days.max(1) as f64
    }

    /// Incidents without any attack for 1,000 days of a user.
    pub fn stories_per_1000(&self) -> f64 {
        self.stories.without_attack.len() as f64 * 1_000.0 / self.user_days.max(1) as f64
    }

    /// The same with the harmless ones.
    pub fn false_per_1000_strict(&self, score: &Score) -> f64 {
        (score.wrong + score.harmless) as f64 * 1_000.0 / self.user_days.max(1) as f64
    }
}

/// Holds the alerts at the end against what was injected.
pub fn judge(company: &Company, finals: &[Final]) -> Judged {
    let mut judged = Judged {
        user_days: user_days(company),
        stories: stories(company, finals),
        guesses: guesses(company, finals),
        ..Judged::default()
    };
    let known = Known {
        visits: company.first_visits(),
        confounders: company.people().map(|account| (account.name.to_lowercase(), account.confounders)).collect(),
    };
    let mut of_nobody = OfNobody::default();
    let templates = TEMPLATES.into_iter().filter(|_| company.config().policies.is_some());
    for (policy, kinds) in DETECTORS.into_iter().chain(templates) {
        let of_policy = finals.iter().filter(|alert| alert.policy == policy);
        let (alerts, held): (Vec<&Final>, Vec<&Final>) = of_policy.partition(|alert| alert.held_by.is_none());
        judged.held.insert(policy, held_counts(&held));
        let mut score = Score { alerts: alerts.len(), ..Score::default() };
        attacks_of(company, (policy, kinds), (&alerts, &held), (&mut score, &mut judged));
        alerts_of((company, &known), (policy, kinds), &alerts, (&mut score, &mut judged, &mut of_nobody));
        held.iter().filter(|held| held.labels.is_empty()).for_each(|held| of_nobody.take(held, Said::Held));
        judged.scores.insert(policy, score);
    }
    judged.benign = benign(company, &known.visits, &of_nobody);
    judged
}

/// Which attacks have an alert.
fn attacks_of(
    company: &Company,
    (policy, kinds): (&'static str, &[AttackKind]),
    (alerts, held): (&[&Final], &[&Final]),
    (score, judged): (&mut Score, &mut Judged),
) {
    let mut times: Vec<Told> = Vec::new();
    for (number, label) in (0..).zip(company.labels()) {
        let own = kinds.contains(&label.kind);
        let also = label.also_expected.iter().any(|kind| kinds.contains(kind));
        let about = alerts.iter().filter(|alert| tells(alert, (number, label)));
        let told = about.clone().map(|alert| alert.told_ms).min();
        if own && about.map(|alert| alert.severity).max().is_some_and(|most| most <= SEVERITY_LOW) {
            judged.told_low.push(format!("{policy} of {}: {}", label.user, label.note));
        }
        score.injected += usize::from(own);
        for class in label.classes.iter().filter(|_| own) {
            let of_class = score.classes.entry((label.kind, class)).or_default();
            of_class.injected += 1;
            of_class.found += usize::from(told.is_some());
        }
        score.also += usize::from(also);
        score.also_found += usize::from(also && told.is_some());
        match told {
            Some(told) if own => {
                score.found += 1;
                times.push((label.kind, (told - label.start_ms) / SECOND));
            }
            None if own => judged.missed.push(missed(policy, (number, label), held)),
            _ => {}
        }
    }
    score.detection_secs = median(times.iter().map(|(_, secs)| *secs));
    if kinds.len() > 1 {
        by_kind(company, kinds, &times, score);
    }
}

/// What is known of harmless people.
struct Known {
    visits: Vec<FirstVisit>,
    /// By the name of the account.
    confounders: BTreeMap<String, Vec<Confounder>>,
}

/// What alerts are about.
fn alerts_of<'a>(
    (company, known): (&Company, &Known),
    (policy, kinds): (&'static str, &[AttackKind]),
    alerts: &[&'a Final],
    (score, judged, of_nobody): (&mut Score, &mut Judged, &mut OfNobody<'a>),
) {
    for alert in alerts.iter().copied() {
        if (0..).zip(company.labels()).any(|label| comes_of(alert, label, (policy, kinds))) {
            score.of_attacks += 1;
            continue;
        }
        let own = known.confounders.get(&alert.user).map_or(&[][..], Vec::as_slice);
        let first_stay = policy == "infrequent_country" && known.visits.iter().any(|visit| is_first(alert, visit));
        let knocks = policy == "failed_logins" && own.contains(&Confounder::ExpiredClient);
        if first_stay || (knocks && alert.severity <= SEVERITY_LOW) || is_true(company, alert) {
            score.harmless += 1;
            of_nobody.take(alert, Said::True);
        } else {
            score.wrong += 1;
            of_nobody.take(alert, Said::False);
            let reason = if BY_EVIDENCE.contains(&policy) { episodes(company, alert) } else { attributed(own, policy) };
            judged.false_alerts.push(format!("{policy} ({reason}), severity {}: {}", alert.severity, alert.summary));
            *score.wrong_by.entry(reason).or_default() += 1;
        }
    }
}

/// How the attacks of each kind were found.
fn by_kind(company: &Company, kinds: &[AttackKind], times: &[Told], score: &mut Score) {
    for kind in kinds {
        let injected = company.labels().iter().filter(|label| label.kind == *kind).count();
        if injected == 0 {
            continue;
        }
        let found = times.iter().filter(|(of, _)| of == kind);
        let detection_secs = median(found.clone().map(|(_, secs)| *secs));
        score.kinds.insert(*kind, OfKind { injected, found: found.count(), detection_secs });
    }
}

/// A sentence on an attack that was not told, with what held it back.
fn missed(policy: &str, (number, label): (u32, &Label), held: &[&Final]) -> String {
    let is_about = |finding: &Final| {
        if is_seen_by_evidence(label) { finding.labels.contains(&number) } else { is_of(finding, label, CLOCK) }
    };
    let of_it = held.iter().filter(|finding| is_about(finding));
    let by: Vec<String> = of_it
        .map(|finding| format!("{}: {}", finding.held_by.as_deref().unwrap_or_default(), finding.summary))
        .collect();
    let by = if by.is_empty() { "nothing".to_owned() } else { by.join(" ") };
    format!("{policy} of {}: {}; held back: {by}", label.user, label.note)
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

fn median(secs: impl Iterator<Item = i64>) -> i64 {
    let mut sorted: Vec<i64> = secs.collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn user_days(company: &Company) -> u64 {
    let days = company.config().days;
    let human = |kind| matches!(kind, AccountKind::Employee | AccountKind::External);
    let people = company.people().filter(|account| human(account.kind));
    people.map(|account| u64::from(days.saturating_sub(account.first_day))).sum()
}

fn is_of(alert: &Final, label: &Label, slack: Millis) -> bool {
    alert.user == label.user.to_lowercase()
        && alert.first_ms <= label.end_ms + slack
        && alert.last_ms >= label.start_ms - slack
}

/// Does the alert tell of this attack? What was told before it began does not, nor what tells of an attack on files long after
/// it; nor, of what is carried off, what tells of days in place of an hour or of an hour in place of days.
fn tells(alert: &Final, (number, label): (u32, &Label)) -> bool {
    let begins = label.start_ms - CLOCK;
    if is_seen_by_evidence(label) {
        return alert.labels.contains(&number) && alert.told_ms >= begins;
    }
    let is_told = match label.kind {
        AttackKind::UnusualDownload => alert.kind.as_deref() == Some("hour") && alert.told_ms >= begins,
        AttackKind::SlowExfiltration => alert.kind.as_deref() == Some("days") && alert.told_ms >= begins,
        AttackKind::Ransomware | AttackKind::SlowRansomware => {
            (begins..=label.end_ms + TOLD_WITHIN).contains(&alert.told_ms)
        }
        _ => true,
    };
    is_told && is_of(alert, label, CLOCK)
}

fn comes_of(alert: &Final, (number, label): (u32, &Label), (policy, kinds): (&str, &[AttackKind])) -> bool {
    if is_seen_by_evidence(label) || BY_EVIDENCE.contains(&policy) {
        return alert.labels.contains(&number);
    }
    let expected = kinds.contains(&label.kind) || label.also_expected.iter().any(|kind| kinds.contains(kind));
    if !expected && label.kind == AttackKind::SlowExfiltration {
        // What goes on for weeks explains nothing else that happens in them, but what names an event of it.
        return alert.labels.contains(&number);
    }
    is_of(alert, label, if expected { NEAR } else { AFTER })
}

/// Whether the alert tells of this first stay in a country.
fn is_first(alert: &Final, visit: &FirstVisit) -> bool {
    alert.user == visit.user.to_lowercase()
        && alert.countries.contains(&visit.country)
        && alert.first_ms < visit.to_ms
        && alert.last_ms >= visit.from_ms
}

/// The confounders that can lead this detector astray.
fn attributed(confounders: &[Confounder], policy: &str) -> String {
    use Confounder as C;
    let concerns = |confounder: &&Confounder| match policy {
        "failed_logins" | "many_failed_sign_ins" => {
            matches!(confounder, C::ForgottenPassword | C::ExpiredClient | C::Kiosk | C::NewHire)
        }
        "mass_download" | "many_downloads" => matches!(confounder, C::MonthEnd | C::Kiosk),
        // What leads it astray is drawn apart from these: see `FilePlan::work`.
        "ransomware" => false,
        "unusual_download" => {
            matches!(confounder, C::MonthEnd | C::Kiosk | C::NewHire | C::Crunch | C::NewRole | C::QuarterEnd)
        }
        _ => !matches!(confounder, C::ForgottenPassword | C::ExpiredClient | C::MonthEnd),
    };
    let words: Vec<&str> = confounders.iter().filter(concerns).map(|confounder| confounder.as_str()).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" + ") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_attack_on_files_is_found_while_it_goes_on_or_soon_after() {
        let (start_ms, end_ms) = (10 * HOUR, 20 * HOUR);
        let (user, note) = ("ana".to_owned(), String::new());
        let (also_expected, classes) = (Vec::new(), Vec::new());
        let kind = AttackKind::SlowRansomware;
        let label = Label { kind, user, start_ms, end_ms, rows: 1, actions: 1, note, also_expected, classes };
        let told = |told_ms| Final {
            id: String::new(),
            parts: Vec::new(),
            labels: BTreeSet::new(),
            held_by: None,
            policy: "ransomware".to_owned(),
            kind: None,
            user: "ana".to_owned(),
            first_ms: 9 * HOUR,
            last_ms: 30 * HOUR,
            told_ms,
            severity: 4,
            countries: Vec::new(),
            summary: String::new(),
        };
        for (told_ms, found) in [
            (9 * HOUR, false),
            (10 * HOUR, true),
            (20 * HOUR, true),
            (20 * HOUR + TOLD_WITHIN, true),
            (20 * HOUR + TOLD_WITHIN + 1, false),
        ] {
            assert!(is_of(&told(told_ms), &label, CLOCK), "what it tells of overlaps the attack at any rate");
            assert_eq!(tells(&told(told_ms), (0, &label)), found, "{told_ms}");
        }
    }
}
