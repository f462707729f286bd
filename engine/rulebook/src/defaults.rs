//! The rules that ship with the engine, so that it runs without a folder of its own.

/// The shipped rules and networks as file name and text, in alphabetical order.
pub const fn default_rules() -> &'static [(&'static str, &'static str)] {
    &[
        ("activity_policy.yaml", include_str!("../../../rules/activity_policy.yaml")),
        ("anonymous_ip.yaml", include_str!("../../../rules/anonymous_ip.yaml")),
        ("failed_logins.yaml", include_str!("../../../rules/failed_logins.yaml")),
        ("impossible_travel.yaml", include_str!("../../../rules/impossible_travel.yaml")),
        ("incident.yaml", include_str!("../../../rules/incident.yaml")),
        ("infrequent_country.yaml", include_str!("../../../rules/infrequent_country.yaml")),
        ("mass_download.yaml", include_str!("../../../rules/mass_download.yaml")),
        ("networks.yaml", include_str!("../../../rules/networks.yaml")),
        ("new_device.yaml", include_str!("../../../rules/new_device.yaml")),
        ("ransomware.yaml", include_str!("../../../rules/ransomware.yaml")),
        ("suspicious_ip.yaml", include_str!("../../../rules/suspicious_ip.yaml")),
        ("terminated_user.yaml", include_str!("../../../rules/terminated_user.yaml")),
        ("unusual_download.yaml", include_str!("../../../rules/unusual_download.yaml")),
    ]
}

/// Policies that ship as beginnings of one's own, as file name and text, in alphabetical order. None of them runs.
pub const fn policy_templates() -> &'static [(&'static str, &'static str)] {
    &[
        ("admin_from_outside.yaml", include_str!("../../../rules/policies/admin_from_outside.yaml")),
        ("impersonation.yaml", include_str!("../../../rules/policies/impersonation.yaml")),
        ("many_downloads.yaml", include_str!("../../../rules/policies/many_downloads.yaml")),
        ("many_failed_sign_ins.yaml", include_str!("../../../rules/policies/many_failed_sign_ins.yaml")),
        ("password_spray.yaml", include_str!("../../../rules/policies/password_spray.yaml")),
        ("privileged_role_granted.yaml", include_str!("../../../rules/policies/privileged_role_granted.yaml")),
        ("risky_ip_logon.yaml", include_str!("../../../rules/policies/risky_ip_logon.yaml")),
    ]
}
