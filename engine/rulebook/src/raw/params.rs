//! The detectors' parameters as the JSON Schema shows them. Reading goes through the detectors' own types; a test
//! holds the two together, field by field and bound by bound.

mod written;

use schemars::JsonSchema;
use written::{WrittenExtension, WrittenNote};

use super::condition::{About, Condition, Distinct, per};

/// The detector and its parameters.
#[derive(JsonSchema)]
#[schemars(tag = "kind", content = "params", rename_all = "snake_case", deny_unknown_fields)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) enum Detector {
    /// Activity that an organisation's own rule describes: one that fits, or many within a time.
    ActivityPolicy(ActivityPolicy),
    /// Activity from an address behind which anybody can hide.
    AnonymousIp(AnonymousIp),
    /// Multiple failed login attempts of one user.
    FailedLogins(FailedLogins),
    /// Activity of one user at two places that nobody can travel between in the time.
    ImpossibleTravel(ImpossibleTravel),
    /// Alerts of one user that belong together: one story, with a risk score.
    Incident(Incident),
    /// Activity from a country where this user is not, or no longer, known to be.
    InfrequentCountry(InfrequentCountry),
    /// Many downloads by one user in a short time.
    MassDownload(MassDownload),
    /// First use of a device after a risky event.
    NewDevice(NewDevice),
    /// Files of one user's making useless: encrypted, replaced or overwritten, a note left behind.
    Ransomware(Ransomware),
    /// Activity from an address of bad repute.
    SuspiciousIp(SuspiciousIp),
    /// Activity of an account after its person has left, or after it was switched off.
    TerminatedUser(TerminatedUser),
    /// More carried off than is usual for this user: within an hour, or a little more day after day.
    UnusualDownload(UnusualDownload),
}

/// Parameters of `activity_policy`.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend(
        "required" = ["where"],
        "dependentRequired" = {
            "events_min": ["window_secs"],
            "window_secs": ["events_min"],
            "slow_events_min": ["slow_window_secs", "events_min", "window_secs"],
            "slow_window_secs": ["slow_events_min", "events_min", "window_secs"],
            "distinct": ["events_min", "window_secs"]
        },
        "if" = { "required": ["distinct"] },
        "then" = { "properties": { "events_min": { "maximum": 1_000 }, "slow_events_min": { "maximum": 1_000 } } }
    )
)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct ActivityPolicy {
    /// What an activity must be to count.
    r#where: Condition,
    /// So many within the window raise the alert. Left out: each that fits is told.
    #[schemars(with = "u32", range(min = 2, max = 100_000))]
    events_min: Option<u32>,
    /// Length of the sliding window, seconds.
    #[schemars(with = "u32", range(min = 1, max = 86_400))]
    window_secs: Option<u32>,
    /// So many within the longer window raise the alert too, however slowly; more than `events_min`.
    #[schemars(with = "u32", range(min = 2, max = 100_000))]
    slow_events_min: Option<u32>,
    /// Length of the longer sliding window, seconds; more than `window_secs`.
    #[schemars(with = "u32", range(min = 1, max = 86_400))]
    slow_window_secs: Option<u32>,
    /// Count what is the same here once within the window. What lacks it is not counted.
    #[schemars(with = "Distinct")]
    distinct: Option<Distinct>,
    /// Count by this in place of the user, whoever did it. What lacks it is not counted.
    #[schemars(schema_with = "per")]
    per: Option<String>,
    /// What it tells, as an incident weighs it; of a policy that counts per user. Beside the alert of a detector about the same,
    /// of the same events in part, it is no other sign.
    #[schemars(with = "About")]
    about: Option<About>,
}

/// Parameters of `anonymous_ip`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct AnonymousIp {
    /// What a list says with less confidence than this is not looked at.
    #[schemars(range(min = 0, max = 100))]
    confidence_min: u8,
    /// Below this confidence the severity is a step lower.
    #[schemars(range(min = 0, max = 100))]
    confidence_sure: u8,
    /// Addresses of hosters count too.
    hosting: bool,
    /// Event time from a user's first activity in which findings on tunnels and hosters are only recorded, days.
    #[schemars(range(min = 0, max = 90))]
    learning_days: u32,
    /// A network of a tunnel or hoster the user was on for this many different days before is usual.
    #[schemars(range(min = 1, max = 90))]
    usual_days_min: u32,
    /// A usual network not used for this long is forgotten, days.
    #[schemars(range(min = 1, max = 365))]
    usual_forget_days: u32,
}

/// Parameters of `failed_logins`. Where those of the baseline or the rhythm are left out, it is off.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("required" = ["failures_max", "window_secs", "success_within_secs"])
)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct FailedLogins {
    /// Failures allowed within the window; one more raises the alert.
    #[schemars(range(min = 1, max = 1_000))]
    failures_max: u32,
    /// Length of the sliding window, seconds.
    #[schemars(range(min = 1, max = 86_400))]
    window_secs: u32,
    /// A success this soon after the last failure of a burst raises the severity, seconds.
    #[schemars(range(min = 0, max = 86_400))]
    success_within_secs: u32,
    /// Length of the sliding window in which failures are compared with what is usual for the user, seconds. 0: what is
    /// usual is neither learned nor asked.
    #[schemars(range(min = 0, max = 86_400))]
    baseline_window_secs: u32,
    /// Fewer failures than this are never unusual.
    #[schemars(range(min = 1, max = 1_000))]
    baseline_floor: u32,
    /// Failures are unusual when so many or more have a smaller probability than this.
    #[schemars(range(min = 0, max = 0.1))]
    baseline_tail_max: f64,
    /// Failures a week of a user of whom nothing is known.
    #[schemars(range(min = 0.01, max = 1_000))]
    prior_failures_per_week: f64,
    /// What is assumed of such a user weighs as much as this many weeks of watching, weeks.
    #[schemars(range(min = 0.1, max = 100))]
    prior_weeks: f64,
    /// What was learned weighs half as much after this time, weeks.
    #[schemars(range(min = 1, max = 100))]
    half_life_weeks: u32,
    /// Failures over the limit are usual when so many or more have at least this probability.
    #[schemars(range(min = 0.0001, max = 1))]
    usual_tail_min: f64,
    /// And when the user failed at this hour on at least so many days before, days.
    #[schemars(range(min = 1, max = 90))]
    usual_days_min: u32,
    /// More failures than this within `baseline_window_secs` are never usual. 0: nothing is.
    #[schemars(range(min = 0, max = 5_000))]
    usual_failures_max: u32,
    /// Intervals between failures that must be even for a client with an old password. 0: nothing looks like one.
    #[schemars(range(min = 0, max = 16))]
    rhythm_intervals: u32,
    /// An even interval differs from the median by at most this, or by a fiftieth of it, seconds.
    #[schemars(range(min = 0, max = 60))]
    rhythm_tolerance_secs: u32,
    /// Failures from so many networks look like stuffing, and not like guessing by one. 0: nothing does.
    #[schemars(range(min = 0, max = 16))]
    stuffing_networks_min: u32,
    /// Failures from networks that are not the user's, in so many different hours, are slow guessing. 0: nothing is.
    #[schemars(range(min = 0, max = 16))]
    slow_hours_min: u32,
    /// Within so many hours.
    #[schemars(range(min = 1, max = 168))]
    slow_within_hours: u32,
}

/// Parameters of `impossible_travel`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct ImpossibleTravel {
    /// Fastest plausible travel, km/h.
    #[schemars(range(min = 100, max = 100_000))]
    speed_kmh_max: u32,
    /// Distances whose lower bound is under this are never reported, km.
    #[schemars(range(min = 0, max = 20_000))]
    distance_km_min: u32,
    /// How many accuracy radii of each end the distance is shortened by (1 sensitive, 2 quiet).
    #[schemars(range(min = 0, max = 10))]
    radius_factor: f64,
    /// Radius to assume of a city where the `GeoIP` file gives none, km; twice as much of a mobile carrier, and of
    /// a record without a city the country's.
    #[schemars(range(min = 0, max = 5_000))]
    radius_missing_km: u16,
    /// Added to the time between the two, for clocks that disagree, seconds.
    #[schemars(range(min = 1, max = 3_600))]
    clock_pad_secs: u32,
    /// Activity further apart than this is not compared, seconds.
    #[schemars(range(min = 60, max = 604_800))]
    lookback_secs: u32,
    /// Event time from a user's first activity in which findings are only recorded, days.
    #[schemars(range(min = 0, max = 90))]
    learning_days: u32,
    /// A network the user was on for this many different days is familiar.
    #[schemars(range(min = 1, max = 90))]
    familiar_days: u32,
    /// A familiar network not used for this long is forgotten, days.
    #[schemars(range(min = 1, max = 365))]
    familiar_forget_days: u32,
}

/// Parameters of `incident`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct Incident {
    /// Alerts of so many different rules make an incident.
    #[schemars(range(min = 2, max = 10))]
    policies_min: u32,
    /// Below this risk score it is not told.
    #[schemars(range(min = 0, max = 100))]
    score_min: u8,
    /// From this risk score on the severity is a step higher than that of its gravest alert.
    #[schemars(range(min = 0, max = 100))]
    score_grave: u8,
}

/// Parameters of `infrequent_country`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct InfrequentCountry {
    /// Event time from a user's first activity in which findings are only recorded and countries are learned, days.
    #[schemars(range(min = 0, max = 90))]
    learning_days: u32,
    /// A country's weight halves in this time, days; each day of use adds one.
    #[schemars(range(min = 1, max = 365))]
    half_life_days: u32,
    /// A country is known while its weight is at least this.
    #[schemars(range(min = 0.01, max = 100))]
    known_weight_min: f64,
    /// A country that raised an alert is learned after use on this many further days, in other sessions.
    #[schemars(range(min = 1, max = 90))]
    learn_after_days: u32,
}

/// Parameters of `mass_download`. A limit of 0 is off; at least one must be on.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct MassDownload {
    /// Objects allowed within the window; one more raises the alert. 0: off.
    #[schemars(range(min = 0, max = 100_000))]
    objects_max: u32,
    /// Rows allowed within the window. 0: off.
    rows_max: u64,
    /// Bytes allowed within the window. 0: off.
    bytes_max: u64,
    /// Length of the sliding window, seconds.
    #[schemars(range(min = 1, max = 86_400))]
    window_secs: u32,
    /// Count an object once within the window, however often it is fetched.
    unique_objects: bool,
}

/// Parameters of `new_device`.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("required" = [
        "within_secs", "failures_min", "failures_within_secs", "confidence_min", "learning_days", "usual_days_min",
        "devices_many", "device_forget_days",
    ])
)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct NewDevice {
    /// How long a risky event counts, seconds.
    #[schemars(range(min = 60, max = 604_800))]
    within_secs: u32,
    /// So many failed sign-ins or second factors are a risky event. 0: none are.
    #[schemars(range(min = 0, max = 32))]
    failures_min: u32,
    /// Of an address on a network on which the user had not signed in, away from where they do, this much is enough, at most
    /// `confidence_min`. 0: as of others.
    #[schemars(range(min = 0, max = 100))]
    confidence_strange_min: u32,
    /// So many are where each was on a network on which the user had not signed in, away from where they do, at most
    /// `failures_min`. 0: such failures count as others.
    #[schemars(range(min = 0, max = 32))]
    failures_strange_min: u32,
    /// Within so many seconds.
    #[schemars(range(min = 60, max = 86_400))]
    failures_within_secs: u32,
    /// What lies nearer to where the user signs in, day by day, is where they are, km; and what may do so, as exact as places of
    /// its carrier are. 0: that is not asked.
    #[schemars(range(min = 0, max = 500))]
    near_km: u32,
    /// What a list says with less confidence than this is not looked at.
    #[schemars(range(min = 0, max = 100))]
    confidence_min: u8,
    /// Event time from a user's first sign-in with a device in which findings are only recorded, days.
    #[schemars(range(min = 0, max = 90))]
    learning_days: u32,
    /// A network the user signed in from on this many different days before is usual.
    #[schemars(range(min = 1, max = 90))]
    usual_days_min: u32,
    /// So many devices within 30 days: a new one says nothing.
    #[schemars(range(min = 2, max = 16))]
    devices_many: u32,
    /// A device not used for this long is new again, days.
    #[schemars(range(min = 1, max = 365))]
    device_forget_days: u32,
}

/// Parameters of `ransomware`.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("required" = [
        "changes_min", "window_secs", "slow_window_secs", "extension_min", "content_min", "records_min", "score_min",
        "learning_days", "usual_days_min", "usual_forget_days", "usual_extensions"
    ])
)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct Ransomware {
    /// Files changed, replaced or deleted within the window that are a sign.
    #[schemars(range(min = 2, max = 256))]
    changes_min: u32,
    /// Length of the sliding window of the rate, seconds.
    #[schemars(range(min = 1, max = 3_600))]
    window_secs: u32,
    /// Length of the sliding window of all other signs, seconds.
    #[schemars(range(min = 3_600, max = 604_800))]
    slow_window_secs: u32,
    /// Files with the same new extension that are a sign.
    #[schemars(range(min = 2, max = 256))]
    extension_min: u32,
    /// Files whose media type or bytes contradict their name that are a sign.
    #[schemars(range(min = 1, max = 256))]
    content_min: u32,
    /// Records whose files were changed that are a sign.
    #[schemars(range(min = 2, max = 256))]
    records_min: u32,
    /// So many points of signs raise the alert.
    #[schemars(range(min = 1, max = 200))]
    score_min: u32,
    /// What only an extension speaks for that no list of ransomware has, or a media type that nobody told, is held back for so
    /// many days from the first activity of a user on. 0: nothing is.
    #[schemars(range(max = 90))]
    learning_days: u32,
    /// What an account did to files on this many different days before is its habit.
    #[schemars(range(min = 1, max = 30))]
    usual_days_min: u32,
    /// A habit not seen for this long is forgotten, days.
    #[schemars(range(min = 30, max = 365))]
    usual_forget_days: u32,
    /// Extensions that are usual in the organisation, in lower case without the dot.
    #[schemars(length(max = 64), inner(regex(pattern = r"^[^.A-Z]+$")))]
    usual_extensions: Vec<String>,
    /// What so many people of the organisation write weighs nothing, what fewer write so much less. 0: nothing was measured.
    #[schemars(with = "u32", range(min = 0, max = 1_000))]
    usual_people: Option<u32>,
    /// By extension how many people wrote it, as `frostwatch usual-files` measures it.
    #[schemars(with = "Vec<WrittenExtension>", length(max = 256))]
    seen_extensions: Option<Vec<WrittenExtension>>,
    /// The same by the words in names of notes.
    #[schemars(with = "Vec<WrittenNote>", length(max = 256))]
    seen_notes: Option<Vec<WrittenNote>>,
}

/// Parameters of `suspicious_ip`.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("required" = ["confidence_min", "confidence_sure", "usual_days_min", "usual_forget_days"])
)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct SuspiciousIp {
    /// What a list says with less confidence than this is not looked at.
    #[schemars(range(min = 0, max = 100))]
    confidence_min: u8,
    /// Of an address on a network and with a device with which the user was not before this much is enough, at most
    /// `confidence_min`. 0: as of others.
    #[schemars(range(min = 0, max = 100))]
    confidence_strange_min: u32,
    /// What a list says only afterwards counts for so long after the user was there, hours. 0: it does not.
    #[schemars(range(min = 0, max = 168))]
    look_back_hours: u32,
    /// Below this confidence the severity is a step lower.
    #[schemars(range(min = 0, max = 100))]
    confidence_sure: u8,
    /// From a network the user was on for this many different days before it was listed, the severity is a step lower.
    #[schemars(range(min = 1, max = 90))]
    usual_days_min: u32,
    /// A usual network not used for this long is forgotten, days.
    #[schemars(range(min = 1, max = 365))]
    usual_forget_days: u32,
}

/// Parameters of `terminated_user`. Where those of the grace or of days are left out, they are off.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("required" = ["grace_minutes", "disabled_counts"]))]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct TerminatedUser {
    /// Activity this soon after the time that counts is held back, minutes.
    #[schemars(range(max = 43_200))]
    grace_minutes: u32,
    /// So many objects can be carried out meanwhile without being told. 0: any number.
    #[schemars(range(max = 100_000))]
    grace_objects_max: u32,
    /// That somebody signs in anew is told meanwhile as well.
    grace_tells_sign_ins: bool,
    /// A leaving from midnight UTC is a day without a time, and counts from its end.
    midnight_is_a_day: bool,
    /// An account that is switched off counts like one whose person has left.
    disabled_counts: bool,
}

/// Parameters of `unusual_download`. A floor of 0 is off; at least one of the first three must be on.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("required" = [
        "window_secs", "objects_floor", "rows_floor", "bytes_floor", "tail_max", "prior_objects_per_week", "prior_weeks",
        "half_life_weeks", "peak_times", "turn_days", "learning_days", "slow_days_min", "slow_slack", "slow_sum_max",
        "slow_objects_floor", "slow_rows_floor", "slow_bytes_floor", "work_times_max",
    ])
)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) struct UnusualDownload {
    /// Length of the sliding window, seconds.
    #[schemars(range(min = 60, max = 86_400))]
    window_secs: u32,
    /// Fewer different objects than this in the window are never unusual. 0: objects are not asked.
    #[schemars(range(min = 0, max = 100_000))]
    objects_floor: u32,
    /// Fewer rows than this in the window are never unusual. 0: rows are not asked.
    rows_floor: u64,
    /// Fewer bytes than this in the window are never unusual. 0: bytes are not asked.
    bytes_floor: u64,
    /// An amount is unusual for the hour when so much or more has a smaller probability than this.
    #[schemars(range(min = 0, max = 0.1))]
    tail_max: f64,
    /// Objects a week of a user of whom nothing is known.
    #[schemars(range(min = 0.01, max = 100_000))]
    prior_objects_per_week: f64,
    /// What is assumed of such a user weighs as much as this many weeks of watching, weeks.
    #[schemars(range(min = 0.1, max = 100))]
    prior_weeks: f64,
    /// What was learned of an hour weighs half as much after this time, weeks.
    #[schemars(range(min = 1, max = 100))]
    half_life_weeks: u32,
    /// Up to so many times the most in such a window on the last 28 days of activity is usual.
    #[schemars(range(min = 1, max = 100))]
    peak_times: f64,
    /// Working days before and after the beginning of a month that are measured by the last such days too, days. 0: none.
    #[schemars(range(min = 0, max = 10))]
    turn_days: u32,
    /// Event time from a user's first download in which findings are only recorded, days.
    #[schemars(range(min = 0, max = 90))]
    learning_days: u32,
    /// A rise has at least so many days above the usual, days. 0: none is looked for.
    #[schemars(range(min = 0, max = 15))]
    slow_days_min: u32,
    /// A day up to so many spreads above the usual one counts for nothing, spreads.
    #[schemars(range(min = 0, max = 10))]
    slow_slack: f64,
    /// A rise is told when its days, each without its slack, have come to so much, spreads.
    #[schemars(range(min = 1, max = 100))]
    slow_sum_max: f64,
    /// And so many objects more than usual. 0: objects are not asked.
    #[schemars(range(min = 0, max = 100_000))]
    slow_objects_floor: u32,
    /// Or so many rows. 0: rows are not asked.
    slow_rows_floor: u64,
    /// Or so many bytes. 0: bytes are not asked.
    slow_bytes_floor: u64,
    /// More work than usual explains up to so many times the usual downloads of a day. 1: it explains nothing.
    #[schemars(range(min = 1, max = 10))]
    work_times_max: f64,
    /// What was said of at least so many colleagues holds back what they do too, and makes graver what is far more. It is of
    /// an hour: another `window_secs` is not measured by it. 0: colleagues are not asked.
    #[schemars(range(min = 0, max = 100_000))]
    peers_min: u32,
    /// While a user is learned, what comes to so many times what would be told of anybody of whom nothing is known is told all the
    /// same; of programs it is not. 0: nothing is.
    #[schemars(range(min = 0, max = 1_000))]
    learning_times_max: u32,
    /// Count an object once within the window, however often it is fetched. Otherwise each fetch counts, and what is said of
    /// objects here is of fetches. A rule that changes it should take a new id: what was learned counts the other way.
    unique_objects: bool,
}
