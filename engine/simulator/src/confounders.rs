//! What harmless people do that looks like an attack, each with the share of people who do it, and each to be switched
//! off by a share of nought.

use serde::{Deserialize, Serialize};

/// Shares of a confounded company, each in thousandths of its people unless it says otherwise.
///
/// A person has at most one way to the network and at most one way of moving about, and any of the rest beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confounders {
    /// All traffic leaves through the company's one VPN egress, far away; it comes up minutes after the first sign-in
    /// of a half-day and drops out now and then.
    pub corporate_vpn: u16,
    /// Files go through that tunnel and pages directly, in the same minutes of one session.
    pub split_tunnel: u16,
    /// A cloud proxy whose data centre changes every few minutes, among those nearby and at times a far one.
    pub cloud_proxy: u16,
    /// A consumer VPN's exits by turns.
    pub consumer_vpn: u16,
    /// Lives in one country and works in the next.
    pub commuting: u16,
    /// Some days elsewhere every few weeks, mostly at another office.
    pub business_travel: u16,
    /// Moves to another country for good.
    pub relocation: u16,
    /// Another country every week.
    pub road_warrior: u16,
    /// The phone's carrier lets it out at gateways in other cities of the country, also while its owner is abroad.
    pub mobile_jitter: u16,
    /// IPv4 and IPv6 by turns in one session, listed in different cities or countries.
    pub dual_stack: u16,
    /// Forgets the password and tries again and again.
    pub forgotten_password: u16,
    /// For some days a client knocks in a steady rhythm with a password that has expired.
    pub expired_client: u16,
    /// Carries many reports and exports together at the end of a month.
    pub month_end: u16,
    /// Begins in the midst of the run.
    pub new_hire: u16,
    /// One account and one device for everybody on the floor.
    pub kiosk: u16,
    /// Rows, in thousandths, that wait for a much later poll, beside those of every company; one outage of half an hour
    /// a day of each table's poller comes with them.
    pub late_rows: u16,
    /// Clocks change where they do, or not at all.
    pub summer_time: bool,
    /// A project before its deadline: for one to two weeks evenings and a week-end too, with more documents than usual.
    pub crunch: u16,
    /// Another role from some day on, with more documents.
    pub new_role: u16,
    /// Reports, and evenings, in the last week of a quarter.
    pub quarter_end: u16,
    /// People have departments, and some have always done what is new to others.
    pub departments: bool,
}

/// What a person has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confounder {
    /// See [`Confounders::corporate_vpn`].
    CorporateVpn,
    /// See [`Confounders::split_tunnel`].
    SplitTunnel,
    /// See [`Confounders::cloud_proxy`].
    CloudProxy,
    /// See [`Confounders::consumer_vpn`].
    ConsumerVpn,
    /// See [`Confounders::commuting`].
    Commuting,
    /// See [`Confounders::business_travel`].
    BusinessTravel,
    /// See [`Confounders::relocation`].
    Relocation,
    /// See [`Confounders::road_warrior`].
    RoadWarrior,
    /// See [`Confounders::mobile_jitter`].
    MobileJitter,
    /// See [`Confounders::dual_stack`].
    DualStack,
    /// See [`Confounders::forgotten_password`].
    ForgottenPassword,
    /// See [`Confounders::expired_client`].
    ExpiredClient,
    /// See [`Confounders::month_end`].
    MonthEnd,
    /// See [`Confounders::new_hire`].
    NewHire,
    /// See [`Confounders::kiosk`].
    Kiosk,
    /// See [`Confounders::crunch`].
    Crunch,
    /// See [`Confounders::new_role`].
    NewRole,
    /// See [`Confounders::quarter_end`].
    QuarterEnd,
}

impl Confounders {
    /// A company of people who only work.
    pub const NONE: Self = Self {
        corporate_vpn: 0,
        split_tunnel: 0,
        cloud_proxy: 0,
        consumer_vpn: 0,
        commuting: 0,
        business_travel: 0,
        relocation: 0,
        road_warrior: 0,
        mobile_jitter: 0,
        dual_stack: 0,
        forgotten_password: 0,
        expired_client: 0,
        month_end: 0,
        new_hire: 0,
        kiosk: 0,
        late_rows: 0,
        summer_time: false,
        crunch: 0,
        new_role: 0,
        quarter_end: 0,
        departments: false,
    };

    /// Everything at once, in the shares of a company whose people work from everywhere.
    pub const EVERYDAY: Self = Self {
        corporate_vpn: 150,
        split_tunnel: 100,
        cloud_proxy: 150,
        consumer_vpn: 15,
        commuting: 30,
        business_travel: 100,
        relocation: 10,
        road_warrior: 15,
        mobile_jitter: 150,
        dual_stack: 100,
        forgotten_password: 100,
        expired_client: 40,
        month_end: 60,
        new_hire: 60,
        kiosk: 10,
        late_rows: 20,
        summer_time: true,
        ..Self::NONE
    };

    /// The same, and what makes people carry off more than they did.
    pub const PROJECTS: Self = Self { crunch: 40, new_role: 15, quarter_end: 40, ..Self::EVERYDAY };

    /// Ways to the network and ways of moving about, of which a person has one: no more than everybody.
    pub(crate) fn groups(&self) -> [u32; 2] {
        let sum = |shares: &[u16]| shares.iter().map(|share| u32::from(*share)).sum();
        [
            sum(&[self.corporate_vpn, self.split_tunnel, self.cloud_proxy, self.consumer_vpn]),
            sum(&[self.commuting, self.business_travel, self.relocation, self.road_warrior, self.kiosk]),
        ]
    }
}

impl Confounder {
    /// The word by which it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CorporateVpn => "corporate_vpn",
            Self::SplitTunnel => "split_tunnel",
            Self::CloudProxy => "cloud_proxy",
            Self::ConsumerVpn => "consumer_vpn",
            Self::Commuting => "commuting",
            Self::BusinessTravel => "business_travel",
            Self::Relocation => "relocation",
            Self::RoadWarrior => "road_warrior",
            Self::MobileJitter => "mobile_jitter",
            Self::DualStack => "dual_stack",
            Self::ForgottenPassword => "forgotten_password",
            Self::ExpiredClient => "expired_client",
            Self::MonthEnd => "month_end",
            Self::NewHire => "new_hire",
            Self::Kiosk => "kiosk",
            Self::Crunch => "crunch",
            Self::NewRole => "new_role",
            Self::QuarterEnd => "quarter_end",
        }
    }
}
