//! The closed vocabularies of `activity.v1`, as the detectors see them.
//!
//! A word that is not in the list is kept as the catch-all of its vocabulary: a producer may be newer than the engine.

/// Makes an enum of words with both directions of text, so that a word is written once. Words that came later have numbers
/// behind the catch-all, which keeps the one it had.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ } else $other:ident = $other_text:literal
     $(, and later { $($(#[$lmeta:meta])* $later:ident = $later_text:literal,)+ })?) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$vmeta])* $variant,)+
            /// Anything else, and absent.
            #[default]
            $other,
            $($($(#[$lmeta])* $later,)+)?
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u8(*self as u8)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                u8::deserialize(deserializer).map(Self::from_code)
            }
        }

        impl $name {
            /// Every word, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+ Self::$other, $($(Self::$later,)+)?];

            /// The word as it stands in records.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::$other => $other_text,
                    $($(Self::$later => $later_text,)+)?
                }
            }

            /// The variant of a word; unknown words are the catch-all.
            pub fn from_word(word: &str) -> Self {
                match word {
                    $($text => Self::$variant,)+
                    $($($later_text => Self::$later,)+)?
                    _ => Self::$other,
                }
            }

            /// The variant with this number, for the state encoding; unknown numbers are the catch-all.
            pub fn from_code(code: u8) -> Self {
                Self::ALL.get(usize::from(code)).copied().unwrap_or_default()
            }
        }
    };
}

words! {
    /// What was done (`action`). The order is part of the state encoding: append only.
    Action {
        /// A sign-in, or an attempt at one.
        Login = "login",
        /// The end of a session.
        Logout = "logout",
        /// A session came to life.
        SessionStart = "session_start",
        /// A second factor was asked for.
        MfaChallenge = "mfa_challenge",
        /// An administrator began to act as somebody else.
        ImpersonateStart = "impersonate_start",
        /// The impersonation ended.
        ImpersonateEnd = "impersonate_end",
        /// A record or page was looked at.
        View = "view",
        /// A list was looked at.
        List = "list",
        /// A search was run.
        Search = "search",
        /// A file was fetched.
        Download = "download",
        /// A list or report was exported to a file.
        Export = "export",
        /// Many rows were read through an interface for programs.
        BulkRead = "bulk_read",
        /// A file was stored.
        Upload = "upload",
        /// A record was changed.
        Update = "update",
        /// A record or file was renamed.
        Rename = "rename",
        /// A record or file was deleted.
        Delete = "delete",
        /// Something was made visible to others.
        Share = "share",
        /// A mail left.
        EmailSend = "email_send",
        /// A record was made.
        Create = "create",
        /// A role was given.
        RoleGrant = "role_grant",
        /// A role was taken.
        RoleRevoke = "role_revoke",
        /// An account was made.
        UserCreate = "user_create",
        /// An account was switched off.
        UserDisable = "user_disable",
        /// An account was switched on.
        UserEnable = "user_enable",
        /// A person left.
        UserTerminate = "user_terminate",
        /// An account got another name.
        UserRename = "user_rename",
        /// A password was changed.
        PasswordChange = "password_change",
        /// A second factor was changed.
        MfaChange = "mfa_change",
        /// A setting was changed.
        ConfigChange = "config_change",
        /// A script was run.
        ScriptRun = "script_run",
    } else Other = "other", and later {
        /// What is said of the account of the key, and no activity: see [`crate::profile`].
        UserProfile = "user_profile",
    }
}

impl Action {
    /// An act of proving who one is: what a failure of counts as a failed login.
    pub const fn is_authentication(self) -> bool {
        matches!(self, Self::Login | Self::MfaChallenge)
    }

    /// Says something of an account, from a time on.
    pub const fn is_of_account(self) -> bool {
        matches!(
            self,
            Self::UserDisable | Self::UserTerminate | Self::UserEnable | Self::UserCreate | Self::UserProfile
        )
    }

    /// Carries data out: what mass download counts.
    pub const fn is_download(self) -> bool {
        matches!(self, Self::Download | Self::Export | Self::BulkRead)
    }
}

words! {
    /// How it ended (`outcome`).
    Outcome {
        /// It worked.
        Success = "success",
        /// It was refused or failed.
        Failure = "failure",
    } else Unknown = "unknown"
}

words! {
    /// Why it failed (`reason`).
    Reason {
        /// The password was wrong.
        BadPassword = "bad_password",
        /// No such account.
        UnknownUser = "unknown_user",
        /// The account is locked.
        Locked = "locked",
        /// The second factor failed.
        MfaFailed = "mfa_failed",
        /// The password or token has expired.
        Expired = "expired",
        /// Policy said no.
        Denied = "denied",
    } else Other = "other"
}

words! {
    /// The way in (`channel`).
    Channel {
        /// The classic web interface.
        Ui = "ui",
        /// The mobile application.
        Mobile = "mobile",
        /// The self-service portal.
        Portal = "portal",
        /// REST or SOAP on behalf of a person.
        Api = "api",
        /// A system account talking to the instance.
        Integration = "integration",
        /// Inbound mail.
        Email = "email",
        /// A job of the instance itself.
        Scheduled = "scheduled",
    } else Unknown = "unknown"
}

words! {
    /// What sort of account it is (`user.kind`).
    AccountKind {
        /// A member of staff.
        Employee = "employee",
        /// A partner or contractor.
        External = "external",
        /// A guest.
        Guest = "guest",
        /// A technical account.
        Service = "service",
        /// An account of another system.
        Integration = "integration",
        /// The platform vendor's own staff.
        Vendor = "vendor",
        /// A name that stands for nobody: guest, system, empty.
        Placeholder = "placeholder",
    } else Unknown = "unknown"
}

words! {
    /// Where the address of an event comes from.
    IpSource {
        /// The record itself carried it.
        Direct = "direct",
        /// The session the record names was seen at it.
        Session = "session",
        /// The same user's only live session within a minute was at it; never enough for a finding about place.
        Nearest = "nearest",
    } else None = "none"
}

words! {
    /// The family of operating systems of a device (`client.device.os`).
    Os {
        /// Android.
        Android = "android",
        /// `ChromeOS`.
        ChromeOs = "chromeos",
        /// iOS and iPadOS.
        Ios = "ios",
        /// Linux.
        Linux = "linux",
        /// macOS.
        MacOs = "macos",
        /// Windows.
        Windows = "windows",
    } else Unknown = "unknown"
}

impl Os {
    /// The family that a text begins with, in any case: `Windows 11`, `iOS 18.7`.
    pub fn of(text: &str) -> Self {
        let begins = |word: &str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        let spellings = [("ipados", Self::Ios), ("mac os", Self::MacOs), ("chrome os", Self::ChromeOs)];
        let spelled = spellings.into_iter().find(|(word, _)| begins(word)).map(|(_, os)| os);
        spelled.or_else(|| Self::ALL.iter().copied().find(|os| begins(os.as_str()))).unwrap_or_default()
    }
}

words! {
    /// Tables of objects that alerts name (`object.table`). A row of another table is named by its id alone: a table's
    /// name is text that a user can type into an address, and such text is not kept.
    ObjectTable {
        /// Attached files.
        Attachment = "sys_attachment",
        /// Incidents.
        Incident = "incident",
        /// Problems.
        Problem = "problem",
        /// Changes.
        ChangeRequest = "change_request",
        /// Their tasks.
        ChangeTask = "change_task",
        /// Requests.
        Request = "sc_request",
        /// Requested items.
        RequestedItem = "sc_req_item",
        /// Catalogue tasks.
        CatalogTask = "sc_task",
        /// Tasks of all kinds.
        Task = "task",
        /// Articles.
        Knowledge = "kb_knowledge",
        /// Users.
        User = "sys_user",
        /// Groups.
        Group = "sys_user_group",
        /// Roles.
        Role = "sys_user_role",
        /// Configuration items.
        ConfigurationItem = "cmdb_ci",
        /// Servers.
        Server = "cmdb_ci_server",
        /// Assets.
        Asset = "alm_asset",
        /// Reports.
        Report = "sys_report",
        /// Customer service cases.
        CustomerCase = "sn_customerservice_case",
        /// Human resources cases.
        HrCase = "sn_hr_core_case",
        /// Security incidents.
        SecurityIncident = "sn_si_incident",
    } else Unlisted = ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_and_unknown_words_are_the_catch_all() {
        for action in Action::ALL {
            assert_eq!(Action::from_word(action.as_str()), *action);
            assert_eq!(Action::from_code(*action as u8), *action);
        }
        assert_eq!(Action::from_word("teleport"), Action::Other);
        assert_eq!(Outcome::from_code(200), Outcome::Unknown);
    }

    #[test]
    fn an_operating_system_is_known_by_how_its_name_begins() {
        for (text, os) in [
            ("Windows 11 Enterprise", Os::Windows),
            ("macOS", Os::MacOs),
            ("Mac OS X 10.15", Os::MacOs),
            ("IOS 18.7", Os::Ios),
            ("iPadOS", Os::Ios),
            ("Chrome OS", Os::ChromeOs),
            ("an android", Os::Unknown),
            ("wïndows", Os::Unknown),
            ("", Os::Unknown),
        ] {
            assert_eq!(Os::of(text), os, "{text}");
        }
    }
}
