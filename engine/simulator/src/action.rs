//! One thing an account does: the truth from which rows and activity records are written.

use std::net::IpAddr;

use crate::chance::{mix, mix_wide};
use crate::files::FileDeed;
use crate::policies::AdminDeed;
use crate::world::{CityId, NetworkId};

/// Files that exist in the instance.
pub(crate) const FILE_COUNT: u32 = 6_000;
/// Records that exist in each table.
pub(crate) const RECORD_COUNT: u32 = 4_000;

/// One action with its circumstances.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Action {
    /// When it happened, milliseconds since the epoch.
    pub(crate) time_ms: i64,
    /// Whose account, a position in the population.
    pub(crate) account: u32,
    /// Unique in the run; the ids of all rows come from it.
    pub(crate) id: u128,
    /// From where and with what.
    pub(crate) client: Client,
    /// What.
    pub(crate) deed: Deed,
    /// The attack it belongs to, a position in the labels.
    pub(crate) label: Option<u32>,
}

/// The client an action came from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Client {
    /// Address as ServiceNow sees it.
    pub(crate) ip: IpAddr,
    /// The network of that address.
    pub(crate) network: NetworkId,
    /// The city where the hands on the keyboard are.
    pub(crate) body: CityId,
    /// Kind of device.
    pub(crate) device: Device,
    /// Which of the browsers of that kind, a position in the table of user agents.
    pub(crate) browser: u8,
    /// Session of the instance; zero where there is none.
    pub(crate) session: u128,
}

/// What kind of client it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Device {
    /// A managed laptop.
    Laptop,
    /// A managed phone with the mobile app.
    Phone,
    /// A program.
    Script,
    /// Somebody's own computer, not managed.
    Unmanaged,
    /// The same, with the user agent of the victim's laptop.
    Impostor,
    /// A computer or phone with an id of its own beside those of the account's owner: which of the world.
    Other { number: u8, managed: bool },
}

/// Why a login failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Wrong password.
    BadPassword,
    /// The password has expired.
    Expired,
    /// There is no such account.
    UnknownUser,
}

/// What personnel or the directory tell about an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// Its person leaves.
    Terminated,
    /// It is switched off.
    Disabled,
    /// It is switched on again.
    Enabled,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Signed in.
    Login { sso: bool, code_by_mail: bool },
    /// Failed to sign in.
    LoginFailed { refusal: Refusal },
    /// The vendor's instance analyser polls with a certificate, as `guest`.
    VendorProbe,
    /// Signed out.
    Logout,
    /// Opened a record.
    View { table: u8, record: u32 },
    /// Opened a list.
    List { table: u8 },
    /// Read an attachment.
    Download { file: u32 },
    /// Downloaded all attachments of a record in one archive.
    Zip { table: u8, record: u32, objects: u32, bytes: u64 },
    /// Exported a list.
    Export { table: u8, format: ExportFormat, rows: u32, first_row: u32, bytes: u64 },
    /// Read a page of a table over REST.
    RestRead { table: u8, rows: u32, offset: u32, bytes: u64 },
    /// Saved a record.
    Update { table: u8, record: u32, fields: u8 },
    /// Attached a file.
    Upload { table: u8, record: u32, bytes: u32 },
    /// Renamed an attached file.
    Rename { file: u32 },
    /// Made something of attached files.
    File(FileDeed),
    /// Declined a second factor that somebody with the password had asked for; activity records alone tell of it.
    SecondFactorDenied,
    /// Others tell about the account, and from when that counts, milliseconds since the epoch; activity records alone do.
    Status { status: Status, counts_from_ms: i64 },
    /// Changed the instance, or who may do what in it.
    Admin(AdminDeed),
}

impl Deed {
    /// Signed in with a password and no more.
    pub(crate) const SIGN_IN: Self = Self::Login { sso: false, code_by_mail: false };
}

/// The format of a list export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExportFormat {
    /// Comma-separated values.
    Csv,
    /// An Excel workbook.
    Xlsx,
    /// JSON.
    Json,
}

/// An attached file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    /// `sys_id` of its row.
    pub(crate) sys_id: u128,
    /// Its name.
    pub(crate) name: String,
    /// The table of the record it hangs on.
    pub(crate) table: &'static str,
    /// That record.
    pub(crate) record: u128,
    /// Its size.
    pub(crate) bytes: u32,
    /// Its MIME type.
    pub(crate) content_type: &'static str,
}

/// Tables people work with.
pub(crate) const TABLES: [&str; 10] = [
    "incident",
    "change_request",
    "problem",
    "sc_req_item",
    "sc_task",
    "kb_knowledge",
    "cmdb_ci_server",
    "sys_user",
    "task",
    "alm_asset",
];

/// Words that file names are made of.
const FILE_WORDS: [&str; 16] = [
    "forecast",
    "invoice",
    "contract",
    "network-plan",
    "screenshot",
    "minutes",
    "offer",
    "payroll",
    "roadmap",
    "inventory",
    "access-list",
    "audit",
    "handover",
    "error-log",
    "budget",
    "training",
];

/// Extensions with MIME type and typical size in bytes.
const FILE_TYPES: [(&str, &str, u32); 6] = [
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", 180_000),
    ("pdf", "application/pdf", 420_000),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", 150_000),
    ("png", "image/png", 260_000),
    ("txt", "text/plain", 40_000),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation", 1_900_000),
];

impl Action {
    /// The `sys_id` of the `nth` row that this action makes.
    pub(crate) fn row_id(&self, nth: u64) -> u128 {
        self.id ^ mix_wide(self.id as u64, nth)
    }

    /// Whether somebody else did it, in vain, without being an attack: a stranger who tried a leaked password.
    pub(crate) fn is_strangers(&self) -> bool {
        let failed = matches!(self.deed, Deed::LoginFailed { .. });
        self.label.is_none() && failed && self.client.device == Device::Unmanaged
    }

    /// A number of this action's own for incidental values such as response times, below `bound`.
    pub(crate) fn incidental(&self, salt: u64, bound: u64) -> u64 {
        mix(self.id as u64, salt) % bound.max(1)
    }
}

/// The name of a table by number.
pub(crate) fn table_name(table: u8) -> &'static str {
    TABLES[usize::from(table) % TABLES.len()]
}

/// The `sys_id` of a record.
pub(crate) fn record_id(table: u8, record: u32) -> u128 {
    mix_wide(0x7265_636f_7264 + u64::from(table), u64::from(record))
}

/// The file with a number.
pub(crate) fn file(number: u32) -> File {
    let salt = mix(0x6669_6c65, u64::from(number));
    let (extension, content_type, typical_bytes) = FILE_TYPES[(salt % FILE_TYPES.len() as u64) as usize];
    let word = FILE_WORDS[((salt >> 8) % FILE_WORDS.len() as u64) as usize];
    let table = ((salt >> 16) % 5) as u8;
    File {
        sys_id: mix_wide(0x6174_7461_6368, u64::from(number)),
        name: format!("{word}-{number}.{extension}"),
        table: table_name(table),
        record: record_id(table, ((salt >> 24) % u64::from(RECORD_COUNT)) as u32),
        bytes: typical_bytes / 4 + (salt >> 32) as u32 % (typical_bytes * 2),
        content_type,
    }
}

/// The name of an uploaded file.
pub(crate) fn upload_name(action: &Action) -> String {
    let word = FILE_WORDS[action.incidental(1, FILE_WORDS.len() as u64) as usize];
    let (extension, _, _) = FILE_TYPES[action.incidental(2, FILE_TYPES.len() as u64) as usize];
    format!("{word}-{:06}.{extension}", action.incidental(3, 1_000_000))
}

/// The MIME type of an uploaded file.
pub(crate) fn upload_type(action: &Action) -> &'static str {
    FILE_TYPES[action.incidental(2, FILE_TYPES.len() as u64) as usize].1
}
