//! People: working hours in their own zone, lunch, phones, offices, hotels, VPNs, forgotten passwords.

use rand::RngExt;

use crate::action::{Deed, Device, ExportFormat, FILE_COUNT, RECORD_COUNT, Refusal, TABLES};
use crate::chance::pick;
use crate::clock::{MINUTE_MS, SECOND_MS, civil_date, weekday};
use crate::people::Stay;
use crate::world::{Access, CityId, NetworkId, NetworkKind};

use super::{Line, Planner, Window};

/// A shorter stretch of work is not begun.
pub(super) const SHORTEST_BLOCK_MS: i64 = 10 * MINUTE_MS;
/// Subscribers of a mobile carrier in a city share this many IPv4 addresses.
pub(super) const CARRIER_ADDRESSES: u64 = 24;
/// Everybody in an office leaves through this many IPv4 addresses.
pub(super) const OFFICE_ADDRESSES: u64 = 4;
/// Downloads of a month-end hour, least and most.
const MONTH_END_DOWNLOADS: (i64, i64) = (20, 45);
/// The part of the day after the working day; 0 and 1 are morning and afternoon.
pub(super) const EVENING: i64 = 2;
/// The position in the table of phone user agents that is a mail client.
pub(super) const MAIL_CLIENT: u8 = 4;

/// A stretch of work at a laptop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) from_ms: i64,
    pub(super) line: Line,
    pub(super) tunnel: Option<Tunnel>,
}

/// A VPN during a block: its line, when it is up, and when it drops out for a while.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tunnel {
    line: Line,
    up_ms: i64,
    drop_from_ms: i64,
    drop_to_ms: i64,
}

/// The lines a person has during a day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    pub(super) desk: Line,
    pub(super) bed: Line,
    pub(super) mobile: Line,
    pub(super) at_office: bool,
}

impl Block {
    fn line_at(&self, time_ms: i64) -> Line {
        match self.tunnel {
            Some(t) if time_ms >= t.up_ms && !(t.drop_from_ms..t.drop_to_ms).contains(&time_ms) => t.line,
            _ => self.line,
        }
    }
}

impl Planner<'_> {
    /// One local day of a stay.
    pub(super) fn stay_day(&mut self, stay: Stay) {
        let Some(window) = self.window(stay) else { return };
        let places = self.places(stay);
        let phone_session = self.chance.random();
        if stay.away {
            self.look_from_afar(window, places.bed, phone_session);
        }
        if !stay.away && !self.person.habits.consumer_vpn.is_empty() {
            self.evening_behind_vpn(window, places);
        }
        if weekday(self.epoch_day) >= 5 || (!stay.away && self.chance.random_bool(0.05)) {
            if self.chance.random_bool(0.15) {
                let at = window.midnight_ms + self.between(600 * MINUTE_MS, 1_260 * MINUTE_MS);
                self.phone_look(window, at, places.bed, phone_session);
            }
            if !stay.away {
                self.project_weekend(window, places);
            }
            return;
        }
        self.working_day(window, places, phone_session);
    }

    /// Twenty minutes at home in the evening, behind one of the exits by turns.
    fn evening_behind_vpn(&mut self, window: Window, places: Places) {
        let from_ms = window.midnight_ms + self.between(1_170 * MINUTE_MS, 1_260 * MINUTE_MS);
        let session = self.chance.random();
        let span = (from_ms, from_ms + 20 * MINUTE_MS);
        self.laptop_block(window, span, places, session, true, EVENING);
    }

    /// Whoever is away looks at the phone every day, also at weekends.
    fn look_from_afar(&mut self, window: Window, line: Line, session: u128) {
        let last_ms = window.to_ms - SHORTEST_BLOCK_MS;
        if window.from_ms < last_ms {
            let at = window.midnight_ms + self.between(540 * MINUTE_MS, 1_200 * MINUTE_MS);
            self.phone_look(window, at.clamp(window.from_ms, last_ms), line, session);
        }
    }

    fn working_day(&mut self, window: Window, places: Places, phone_session: u128) {
        let habits = &self.person.habits;
        let (start_min, work_min) = (habits.start_min, habits.work_min);
        let start = window.midnight_ms + (start_min + self.between(-15, 25)) * MINUTE_MS;
        let lunch = window.midnight_ms + self.between(690, 760) * MINUTE_MS;
        let after_lunch = lunch + self.between(30, 60) * MINUTE_MS;
        let end = start + (work_min + self.between(0, 75)) * MINUTE_MS;
        let session = self.chance.random();
        let afternoon_session = if self.chance.random_bool(0.5) { session } else { self.chance.random() };
        if self.chance.random_bool(0.3) {
            let at = start - self.between(15, 40) * MINUTE_MS;
            self.phone_look(window, at, places.mobile, phone_session);
        }
        self.laptop_block(window, (start, lunch), places, session, true, 0);
        if self.chance.random_bool(0.35) {
            self.phone_look(window, lunch + 8 * MINUTE_MS, places.mobile, phone_session);
        }
        let again = afternoon_session != session;
        self.laptop_block(window, (after_lunch, end), places, afternoon_session, again, 1);
        if self.chance.random_bool(0.25) {
            let at = self.between(start, end);
            self.phone_look(window, at, places.mobile, phone_session);
        }
        if self.chance.random_bool(0.2) {
            let at = end + self.between(90, 200) * MINUTE_MS;
            self.phone_look(window, at, places.bed, phone_session);
        }
        self.expired_password(window, start, places);
        if self.person.habits.month_end && is_month_end(self.epoch_day) {
            self.month_end_hour(window, after_lunch + 20 * MINUTE_MS, places, afternoon_session);
        }
        self.project_day(window, (start, end), places, afternoon_session);
    }

    fn places(&mut self, stay: Stay) -> Places {
        let person = self.person;
        let bed = match (stay.away, person.habits.work_line.filter(|_| stay.commute)) {
            (true, Some(work)) => self.line(stay.city, work, person.line_number % OFFICE_ADDRESSES, false),
            (true, None) => self.hotel(stay.city),
            (false, _) => {
                let lease = (self.day / 14).max(0) as u64;
                let (home_line, _) = self.lines_at(stay);
                self.line(stay.city, home_line, person.line_number + lease, person.habits.dual_stack)
            }
        };
        // Those who use a VPN do so every day, at home.
        let at_home = person.habits.corporate_vpn.is_some() || !person.habits.consumer_vpn.is_empty();
        let here = person.habits.moved.is_none_or(|moved| moved.city != stay.city);
        let goes = !stay.away && !at_home && self.chance.random_bool(0.7) && here;
        let visits = stay.away && self.chance.random_bool(0.5) && !stay.commute;
        let local_office = self.world.access(NetworkKind::Corporate, stay.city).first().copied();
        let office = if goes { person.office } else { local_office.filter(|_| visits) };
        let desk = office.map_or(bed, |access| self.office_line(stay.city, access));
        Places { desk, bed, mobile: self.mobile_line(stay), at_office: office.is_some() }
    }

    fn office_line(&self, city: CityId, access: Access) -> Line {
        let shared = self.line(city, access, self.person.line_number % OFFICE_ADDRESSES, false);
        let own = self.line(city, access, self.person.line_number, self.person.habits.dual_stack);
        Line { v6: own.v6, ..shared }
    }

    fn hotel(&mut self, city: CityId) -> Line {
        let operators = self.world.access(NetworkKind::Fixed, city);
        let access = pick(&mut self.chance, operators).copied().unwrap_or(self.person.home_line);
        self.line(city, access, 1 + self.person.line_number % 3, false)
    }

    fn mobile_line(&mut self, stay: Stay) -> Line {
        let roaming = self.world.access(NetworkKind::Mobile, stay.city);
        let visited = pick(&mut self.chance, roaming).copied();
        let (_, carrier) = self.lines_at(stay);
        let access = visited.filter(|_| stay.away).unwrap_or(carrier);
        let own: u64 = self.chance.random();
        let shared = self.line(stay.city, access, own % CARRIER_ADDRESSES, false);
        let dual = self.line(stay.city, access, own, self.person.habits.dual_stack);
        Line { v6: dual.v6, ..shared }
    }

    fn laptop_block(
        &mut self,
        window: Window,
        span: (i64, i64),
        places: Places,
        session: u128,
        sign_in: bool,
        part: i64,
    ) {
        let (from_ms, to_ms) = (span.0.max(window.from_ms), span.1.min(window.to_ms));
        if to_ms - from_ms < SHORTEST_BLOCK_MS {
            return;
        }
        let tunnel = self.tunnel(places, from_ms, to_ms, part);
        let block = Block { from_ms, line: places.desk, tunnel };
        // Whoever arrives late signs in late.
        if sign_in || from_ms > span.0 {
            self.sign_in(&block, session);
        }
        let mut at = from_ms + self.between(20 * SECOND_MS, 90 * SECOND_MS);
        while at < to_ms {
            let deed = self.office_deed();
            self.laptop_deed(&block, at, session, deed);
            at += self.pause();
        }
        if part == 1 && self.chance.random_bool(0.4) {
            self.laptop_deed(&block, to_ms, session, Deed::Logout);
        }
    }

    pub(super) fn tunnel(&mut self, places: Places, from_ms: i64, to_ms: i64, part: i64) -> Option<Tunnel> {
        if places.at_office {
            return None;
        }
        let exits = &self.person.habits.consumer_vpn;
        let exit = exits.get((self.day + part).rem_euclid(exits.len().max(1) as i64) as usize).copied();
        if let Some(exit) = exit.filter(|_| part == EVENING || self.chance.random_bool(0.85)) {
            let line = self.tunnel_line(places.desk.body, exit);
            return Some(Tunnel { line, up_ms: from_ms, drop_from_ms: to_ms, drop_to_ms: to_ms });
        }
        let egress = self.person.habits.corporate_vpn?;
        let up_ms = from_ms + self.between(2 * MINUTE_MS, 6 * MINUTE_MS);
        let drop_from_ms = self.between(from_ms, to_ms);
        let drop_to_ms = drop_from_ms + self.between(0, 15 * MINUTE_MS);
        let line = self.tunnel_line(places.desk.body, egress);
        Some(Tunnel { line, up_ms, drop_from_ms, drop_to_ms })
    }

    fn tunnel_line(&mut self, body: CityId, exit: NetworkId) -> Line {
        let number = self.chance.random_range(0..16);
        Line { body, v4: (self.world.host(exit, number), exit), v6: None }
    }

    /// Signs in, after some failures for those who forget.
    pub(super) fn sign_in(&mut self, block: &Block, session: u128) {
        let habits = &self.person.habits;
        let (forgets, sso) = (habits.forgets_password, habits.sso);
        let failures = if forgets && self.chance.random_bool(0.2) {
            self.chance.random_range(2..=6)
        } else if !sso && self.chance.random_bool(0.03) {
            self.chance.random_range(1..=2)
        } else {
            0
        };
        // Failures come before the block's first second, the success within it.
        let mut at = block.from_ms - failures * 25 * SECOND_MS;
        for _ in 0..failures {
            self.laptop_deed(block, at, 0, Deed::LoginFailed { refusal: Refusal::BadPassword });
            at += self.between(6 * SECOND_MS, 25 * SECOND_MS);
        }
        let code_by_mail = !sso && self.chance.random_bool(0.1);
        self.laptop_deed(block, block.from_ms, session, Deed::Login { sso, code_by_mail });
    }

    pub(super) fn laptop_deed(&mut self, block: &Block, at: i64, session: u128, deed: Deed) {
        let browser = self.person.habits.laptop_browser;
        let line = self.way_out(block.line_at(at), at, deed);
        let client = self.client(line, Device::Laptop, browser, session);
        self.push(at, client, deed);
    }

    /// A few minutes with the mobile app; its session lasts all day.
    fn phone_look(&mut self, window: Window, at: i64, line: Line, session: u128) {
        let browser = self.person.habits.phone_browser;
        let mut at = at;
        if self.chance.random_bool(0.3) {
            let sso = self.person.habits.sso;
            self.phone_deed(window, at, line, (browser, session), Deed::Login { sso, code_by_mail: false });
        }
        for _ in 0..self.chance.random_range(2..7) {
            at += self.between(8 * SECOND_MS, 80 * SECOND_MS);
            let record = self.chance.random_range(0..RECORD_COUNT);
            let table = self.chance.random_range(0..5);
            let deed = if self.chance.random_bool(0.25) { Deed::List { table } } else { Deed::View { table, record } };
            self.phone_deed(window, at, line, (browser, session), deed);
        }
    }

    fn phone_deed(&mut self, window: Window, at: i64, line: Line, (browser, session): (u8, u128), deed: Deed) {
        if (window.from_ms..window.to_ms).contains(&at) {
            let line = self.phone_way_out(line, at);
            let client = self.client(line, Device::Phone, browser, session);
            self.push(at, client, deed);
        }
    }

    /// A mail client that goes on trying, slowly, with a password that has expired.
    fn expired_password(&mut self, window: Window, start: i64, places: Places) {
        let Some((from, to)) = self.person.habits.expired_days else { return };
        if !(from..to).contains(&self.day) {
            return;
        }
        let mut at = start;
        while at < start + 360 * MINUTE_MS {
            let deed = Deed::LoginFailed { refusal: Refusal::Expired };
            self.phone_deed(window, at, places.mobile, (MAIL_CLIENT, 0), deed);
            at += self.between(6 * MINUTE_MS, 15 * MINUTE_MS);
        }
    }

    /// An hour of reports: many downloads, never all at once.
    fn month_end_hour(&mut self, window: Window, start: i64, places: Places, session: u128) {
        let downloads = self.between(MONTH_END_DOWNLOADS.0, MONTH_END_DOWNLOADS.1 + 1);
        let step_ms = 60 * MINUTE_MS / downloads;
        let block = Block { from_ms: start, line: places.desk, tunnel: None };
        for number in 0..downloads {
            let at = start + number * step_ms + self.between(0, step_ms / 2);
            if (window.from_ms..window.to_ms).contains(&at) {
                let deed = if number % 5 == 4 { self.export(800) } else { self.download() };
                self.laptop_deed(&block, at, session, deed);
            }
        }
    }

    /// Mostly minutes, sometimes one click after another.
    pub(super) fn pause(&mut self) -> i64 {
        if self.chance.random_bool(0.3) {
            self.between(8 * SECOND_MS, 40 * SECOND_MS)
        } else {
            self.between(90 * SECOND_MS, 690 * SECOND_MS)
        }
    }

    pub(super) fn office_deed(&mut self) -> Deed {
        let table = self.chance.random_range(0..TABLES.len() as u8);
        let record = self.chance.random_range(0..RECORD_COUNT);
        match self.chance.random_range(0..1_000_u32) {
            0..500 => Deed::View { table, record },
            500..700 => Deed::List { table },
            700..840 => Deed::Update { table, record, fields: self.chance.random_range(1..5) },
            840..945 => self.download(),
            945..960 => self.export(300),
            960..962 => self.record_archive(table, record),
            962..995 => Deed::Upload { table, record, bytes: self.chance.random_range(4_000..3_000_000) },
            _ => Deed::Rename { file: self.chance.random_range(0..FILE_COUNT) },
        }
    }

    pub(super) fn download(&mut self) -> Deed {
        Deed::Download { file: self.chance.random_range(0..FILE_COUNT) }
    }

    pub(super) fn export(&mut self, rows_max: u32) -> Deed {
        let formats = [ExportFormat::Csv, ExportFormat::Xlsx, ExportFormat::Xlsx, ExportFormat::Json];
        let format = pick(&mut self.chance, &formats).copied().unwrap_or(ExportFormat::Csv);
        let rows = self.chance.random_range(10..rows_max);
        let bytes = u64::from(rows) * self.chance.random_range(250..600_u64);
        Deed::Export { table: self.chance.random_range(0..5), format, rows, first_row: 0, bytes }
    }

    fn record_archive(&mut self, table: u8, record: u32) -> Deed {
        let objects = self.chance.random_range(2..7);
        let bytes = u64::from(objects) * self.chance.random_range(80_000..400_000_u64);
        Deed::Zip { table, record, objects, bytes }
    }
}

/// One of the last two days of a month?
pub(crate) fn is_month_end(epoch_day: i64) -> bool {
    (1..=2).any(|ahead| civil_date(epoch_day + ahead).1 != civil_date(epoch_day).1)
}
