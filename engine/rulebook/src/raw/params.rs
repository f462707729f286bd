//! The detectors' parameters as the JSON Schema shows them. Reading goes through the detectors' own types; a test
//! holds the two together, field by field and bound by bound.

use schemars::JsonSchema;

/// The detector and its parameters.
#[derive(JsonSchema)]
#[schemars(tag = "kind", content = "params", rename_all = "snake_case", deny_unknown_fields)]
#[expect(dead_code, reason = "it only describes")]
pub(crate) enum Detector {
    /// Multiple failed login attempts of one user.
    FailedLogins(FailedLogins),
    /// Activity of one user at two places that nobody can travel between in the time.
    ImpossibleTravel(ImpossibleTravel),
    /// Activity from a country where this user is not, or no longer, known to be.
    InfrequentCountry(InfrequentCountry),
    /// Many downloads by one user in a short time.
    MassDownload(MassDownload),
}

/// Parameters of `failed_logins`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
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
