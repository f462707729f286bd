//! Lists from files of every format, sound and broken.

use std::net::IpAddr;

use frostwatch_detect::event::Address;
use frostwatch_detect::listed::Category;
use frostwatch_detect::lists::{Lists, host_bits};
use frostwatch_geoip::lists::{ListConfig, ListsLimits, decode, open};
use frostwatch_testkit::mmdb::Value;
use serde_json::json;

use crate::fixtures::{bent, file, meta};

pub(crate) fn config(format: &str, more: &serde_json::Value) -> ListConfig {
    let mut config = json!({ "name": "list", "path": "list.txt", "format": format });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(config).unwrap()
}

fn plain() -> ListConfig {
    config("plain", &json!({ "category": "vpn", "confidence": 70, "tag": "rented" }))
}

fn tor() -> ListConfig {
    config("tor_exit", &json!({ "confidence": 95, "hold_hours": 2 }))
}

fn csv() -> ListConfig {
    let columns = json!({ "network": "cidr", "category": "kind", "confidence": "score", "tag": "name",
                          "valid_from": "since", "valid_until": "until" });
    config("csv", &json!({ "columns": columns, "confidence": 40 }))
}

/// The entries as text: network, category, confidence, tag and times.
pub(crate) fn entries(config: &ListConfig, bytes: &[u8]) -> Vec<String> {
    let decoded = decode(config, bytes, ListsLimits::default()).unwrap();
    let time = |time: i64| if time == i64::MIN || time == i64::MAX { "-".to_owned() } else { time.to_string() };
    let told = decoded.list.entries.iter().map(|entry| {
        let first = std::net::Ipv6Addr::from_bits(entry.first).to_canonical();
        assert_eq!(entry.first & host_bits(entry.prefix), 0);
        let prefix = if first.is_ipv4() { entry.prefix - 96 } else { entry.prefix };
        let (category, tag) = (entry.category.as_str(), entry.tag.as_str());
        format!("{first}/{prefix} {category} {} '{tag}' {} {}", entry.confidence, time(entry.from), time(entry.until))
    });
    told.collect()
}

pub(crate) fn faults(config: &ListConfig, bytes: &[u8], limits: ListsLimits) -> Vec<String> {
    decode(config, bytes, limits).unwrap_err().iter().map(|fault| format!("{}{fault}", "f")).collect()
}

#[test]
fn a_plain_list_is_read_with_its_comments_and_both_families() {
    let text =
        "\u{feff}# rented\n11.2.3.4\r\n\n  11.3.0.0/16   # block\n2e00:10::/32;x\n2e00::1\n::ffff:11.5.0.0/112\n";
    assert_eq!(
        entries(&plain(), text.as_bytes()),
        [
            "11.2.3.4/32 vpn 70 'rented' - -",
            "11.3.0.0/16 vpn 70 'rented' - -",
            "2e00:10::/32 vpn 70 'rented' - -",
            "2e00::1/128 vpn 70 'rented' - -",
            "11.5.0.0/16 vpn 70 'rented' - -",
        ]
    );
}

#[test]
fn every_fault_of_a_list_is_told_with_its_line() {
    let text = "11.2.3.4\n11.2.3\n11.2.3.4/33\n11.2.3.4/24\n11.0.0.0/7\n2000::/8\n::/0\n::ffff:0:0/96\nhttp://x\n\u{7}\n1.1.1.1/\n";
    assert_eq!(
        faults(&plain(), text.as_bytes(), ListsLimits::default()),
        [
            "f:2: '11.2.3' is no address and no network as 11.2.3.0/24",
            "f:3: '11.2.3.4/33' has no prefix of 0 to 32 bits",
            "f:4: '11.2.3.4/24' has bits beyond its prefix",
            "f:5: '11.0.0.0/7' is wider than /8",
            "f:6: '2000::/8' is wider than /16",
            "f:7: '::/0' is wider than /16",
            "f:8: '::ffff:0:0/96' has bits beyond its prefix",
            "f:9: 'http://x' is no address and no network as 11.2.3.0/24",
            "f:10: '\u{fffd}' is no address and no network as 11.2.3.0/24",
            "f:11: '1.1.1.1/' has no prefix of 0 to 32 bits",
        ]
    );
    let many = "x\n".repeat(60);
    let told = faults(&plain(), many.as_bytes(), ListsLimits::default());
    assert_eq!((told.len(), told.last().unwrap().as_str()), (51, "f: 10 faults more"));
    assert_eq!(faults(&plain(), b"11.2.3.4\n\xff\xfe\n", ListsLimits::default()), ["f:2: not UTF-8 text"]);
    for empty in ["", "# nothing\n", "\n\n"] {
        let told = faults(&plain(), empty.as_bytes(), ListsLimits::default());
        assert_eq!(told, ["f: names no address; is it the right file?"]);
    }
}

#[test]
fn private_and_reserved_networks_are_left_out_aloud() {
    let decoded = decode(&plain(), b"11.2.3.4\n10.0.0.0/8\nfe80::/16\n192.168.1.1\n", ListsLimits::default()).unwrap();
    assert_eq!(decoded.list.entries.len(), 1);
    let told = ["3 entries of private or reserved networks, which are left out; the first on line 2"];
    assert_eq!(decoded.warnings, told);
    let wide = b"172.0.0.0/8\n100.0.0.0/8\n192.0.0.0/8\n192.0.0.0/24\n172.16.0.0/16\n2001::/16\n2001::/24\n";
    let told = [
        "172.0.0.0/8 vpn 70 'rented' - -",
        "100.0.0.0/8 vpn 70 'rented' - -",
        "192.0.0.0/8 vpn 70 'rented' - -",
        "2001::/16 vpn 70 'rented' - -",
    ];
    assert_eq!(entries(&plain(), wide)[..4], told, "special in part alone");
}

#[test]
fn limits_hold_at_their_edge_and_one_more_is_refused() {
    let limits =
        ListsLimits { file_bytes_max: 60, lines_max: 4, line_bytes_max: 12, entries_max: 3, ..ListsLimits::default() };
    let fits = "11.2.3.1\n11.2.3.2\n11.200.300 #".replace("11.200.300 #", "11.200.1.1 #");
    assert!(decode(&plain(), fits.as_bytes(), limits).is_ok());
    for (text, expected) in [
        ("11.2.3.1\n".repeat(7), "f: more than 60 bytes; is it the right file?"),
        ("\n".repeat(4) + "11.2.3.1", "f:5: more than 4 lines; is it the right file?"),
        ("11.2.3.1    #".to_owned(), "f:1: longer than 12 bytes"),
        ("11.2.3.1\n11.2.3.2\n11.2.3.3\n11.2.3.4".to_owned(), "f:4: more than 3 entries; is it the right file?"),
    ] {
        assert_eq!(faults(&plain(), text.as_bytes(), limits), [expected], "{text}");
    }
}

#[test]
fn exits_of_tor_count_around_the_times_at_which_they_were_seen() {
    let text = "ExitNode 0011BD2485AD45D984EC4159C88FC066E5E3300E\nPublished 2026-03-01 18:00:00\n\
                LastStatus 2026-03-02 03:00:00\nExitAddress 11.2.3.4 2026-03-02 00:00:00\n\
                ExitAddress 2e00::1 2026-03-02 04:00:00\nExitNode 00\nExitAddress 11.2.3.5 2026-03-02 00:00:00\n";
    assert_eq!(
        entries(&tor(), text.as_bytes()),
        [
            "11.2.3.4/32 tor 95 '' 1772402400000 1772427600000",
            "2e00::1/128 tor 95 '' 1772416800000 1772431200000",
            "11.2.3.5/32 tor 95 '' 1772402400000 1772416800000",
        ]
    );
    let text =
        "11.2.3.4\nExitNode 00\nExitAddress 11.2.3.4\nExitAddress 11.2.3 2026-03-02 00:00:00\nLastStatus soon\nExit\n";
    assert_eq!(
        faults(&tor(), text.as_bytes(), ListsLimits::default()),
        [
            "f:1: '11.2.3.4' before the first ExitNode; is it the right file?",
            "f:3: '' is no time",
            "f:4: '11.2.3' is no address",
            "f:5: 'soon' is no time",
            "f:6: 'Exit' is none of ExitNode, Published, LastStatus and ExitAddress",
        ]
    );
}

#[test]
fn columns_are_found_by_their_names_and_what_is_left_out_the_configuration_says() {
    let text = "since,cidr,kind,score,name,until\n2026-03-02T00:00:00Z,11.2.3.0/24,botnet,90,\"mirai, old\",\n\
                # nothing\n,2e00::1,scanner,,,2026-03-02 01:00:00\n,11.2.3.4,tor,1,,2026-03-02T01:00:00+01:00\n";
    assert_eq!(
        entries(&csv(), text.as_bytes()),
        [
            "11.2.3.0/24 botnet 90 'mirai, old' 1772409600000 -",
            "2e00::1/128 scanner 40 '' - 1772413200000",
            "11.2.3.4/32 tor 1 '' - 1772409600000",
        ]
    );
    let text = "cidr,kind,score,name,since,until\n11.2.3.4,bot,90,,,\n11.2.3.4,tor,101,,,\n11.2.3.4,tor,many,,,\n\
                11.2.3,tor,90,,,\n11.2.3.4,tor,90,,then,\n11.2.3.4,tor\n11.2.3.4,,90,,,\n";
    assert_eq!(
        faults(&csv(), text.as_bytes(), ListsLimits::default()),
        [
            "f:2: 'bot' is no category; there are tor, vpn, proxy, residential_proxy, hosting, botnet, \
             command_and_control, malware, password_spray, scanner, known_good, private_relay",
            "f:3: confidence 101 is outside 0–100",
            "f:4: 'many' is no confidence of 0 to 100",
            "f:5: '11.2.3' is no address and no network as 11.2.3.0/24",
            "f:6: 'then' is no time",
            "f:7: 2 columns; the header has 6",
            "f:8: no category, and the configuration has none",
        ]
    );
    let told = faults(&csv(), b"ip,kind,score,name,since\n1.2.3.4,tor,9,,\n", ListsLimits::default());
    assert_eq!(told, ["f:1: no column is called 'cidr'", "f:1: no column is called 'until'"]);
}

#[test]
fn an_entry_holds_within_the_times_of_its_list() {
    let config = config(
        "csv",
        &json!({ "category": "vpn", "confidence": 5, "valid_from": "2026-03-02T00:00:00Z",
                "valid_until": "2026-03-03T00:00:00Z" }),
    );
    let text = "network,valid_from,valid_until\n11.0.0.1,,\n11.0.0.2,2026-03-01T00:00:00Z,2026-03-04T00:00:00Z\n\
                11.0.0.3,2026-03-02T12:00:00Z,2026-03-02T13:00:00Z\n11.0.0.4,2026-03-03T00:00:00Z,\n";
    let day = "1772409600000 1772496000000";
    assert_eq!(
        entries(&config, text.as_bytes()),
        [
            format!("11.0.0.1/32 vpn 5 '' {day}"),
            format!("11.0.0.2/32 vpn 5 '' {day}"),
            "11.0.0.3/32 vpn 5 '' 1772452800000 1772456400000".to_owned(),
        ]
    );
    let warnings = decode(&config, text.as_bytes(), ListsLimits::default()).unwrap().warnings;
    assert_eq!(warnings, ["1 entries that end before they begin, which are left out; the first on line 5"]);
}

#[test]
fn the_flags_of_anonymous_ip_become_categories() {
    let flags = |names: &[&'static str]| Value::map(names.iter().map(|name| (*name, Value::Bool(true))));
    let records = [
        ("11.2.0.0/16", flags(&["is_anonymous", "is_anonymous_vpn"])),
        ("11.3.0.0/24", flags(&["is_anonymous", "is_tor_exit_node", "is_hosting_provider"])),
        ("11.4.0.0/24", flags(&["is_anonymous"])),
        ("11.5.0.0/24", flags(&[])),
        ("2e00:10::/32", flags(&["is_public_proxy", "is_residential_proxy"])),
    ];
    let bytes = file(meta("GeoIP2-Anonymous-IP", 6, 28), &records);
    let config = config("mmdb", &json!({ "confidence": 80 }));
    let mut told = entries(&config, &bytes);
    told.sort();
    assert_eq!(
        told,
        [
            "11.2.0.0/16 vpn 80 '' - -",
            "11.3.0.0/24 hosting 80 '' - -",
            "11.3.0.0/24 tor 80 '' - -",
            "11.4.0.0/24 proxy 80 '' - -",
            "2e00:10::/32 proxy 80 '' - -",
            "2e00:10::/32 residential_proxy 80 '' - -",
        ]
    );
    let other = file(meta("GeoLite2-City", 6, 28), &[("11.0.0.0/8", Value::map([("city", Value::text("x"))]))]);
    assert_eq!(faults(&config, &other, ListsLimits::default()), ["f: names no address; is it the right file?"]);
    assert!(faults(&config, b"11.2.3.4\n", ListsLimits::default())[0].starts_with("f: no sound mmdb file"));
}

/// A tree of nodes that all lead to the next one on both sides has 2^128 leaves, none of which has data.
#[test]
fn a_list_whose_tree_is_bent_back_on_itself_is_refused_soon() {
    let records = [("11.2.0.0/16", Value::map([("is_anonymous_vpn", Value::Bool(true))]))];
    let sound = file(meta("GeoIP2-Anonymous-IP", 6, 28), &records);
    let config = config("mmdb", &json!({ "confidence": 80 }));
    for bytes in bent(&sound) {
        let told = faults(&config, &bytes, ListsLimits::default());
        assert!(told[0].starts_with("f: no sound mmdb file"), "{told:?}");
    }
}

#[test]
fn a_configuration_of_lists_is_told_all_its_faults() {
    for (config, expected) in [
        (plain(), vec![]),
        (tor(), vec![]),
        (csv(), vec![]),
        (config("mmdb", &json!({ "confidence": 100 })), vec![]),
        (config("plain", &json!({ "name": "Tor exits" })), vec!["name", "category", "confidence"]),
        (config("plain", &json!({ "category": "vpn", "confidence": 101, "tag": "a\nb" })), vec!["confidence", "tag"]),
        (
            config("tor_exit", &json!({ "confidence": 1, "hold_hours": 0, "columns": {} })),
            vec!["hold_hours", "columns"],
        ),
        (config("tor_exit", &json!({ "confidence": 1, "hold_hours": 8_761 })), vec!["hold_hours"]),
        (config("csv", &json!({ "hold_hours": 1, "valid_from": "now" })), vec!["valid_from", "hold_hours"]),
        (
            config("csv", &json!({ "valid_from": "2026-03-02T00:00:00Z", "valid_until": "2026-03-02T00:00:00Z" })),
            vec!["valid_until"],
        ),
        (config("mmdb", &json!({ "confidence": 1, "category": "tor" })), vec!["category"]),
    ] {
        let faults = config.faults();
        let fields: Vec<&str> = faults.iter().map(|fault| fault.split(": ").nth(1).unwrap()).collect();
        assert_eq!(fields, expected, "{faults:?}");
    }
}

#[test]
fn files_are_read_and_laid_out_together_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let at = |config: ListConfig, name: &str, file: &str, text: &str| {
        let path = folder.path().join(file);
        std::fs::write(&path, text).unwrap();
        ListConfig { name: name.to_owned(), path, ..config }
    };
    let configs = [
        at(plain(), "tunnels", "a.txt", "11.2.0.0/16\n"),
        at(csv(), "bots", "b.csv", "cidr,kind,score,name,since,until\n11.2.3.4,botnet,90,,,\n"),
    ];
    let opened = open(&configs, ListsLimits::default()).unwrap();
    let lists = opened.lists.unwrap();
    let of = |lists: &Lists, ip: &str| {
        let listed = lists.of(Address::new(ip.parse::<IpAddr>().unwrap()).unwrap(), 0);
        listed.entries().iter().map(|entry| (entry.category, entry.list.as_str())).collect::<Vec<_>>()
    };
    assert_eq!(of(&lists, "11.2.3.4"), [(Category::Botnet, "bots"), (Category::Vpn, "tunnels")]);
    let files: Vec<&str> = opened.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(files, ["tunnels", "bots"]);
    assert!(opened.files[0].changed_at_secs > Some(1_700_000_000));
    assert!(open(&[], ListsLimits::default()).unwrap().lists.is_none());
    let broken = [
        at(plain(), "tunnels", "a.txt", "11.2\n"),
        at(plain(), "Bad name", "c.txt", "11.2.0.0/16\n"),
        ListConfig { name: "gone".to_owned(), path: folder.path().join("gone.txt"), ..plain() },
    ];
    let told = open(&broken, ListsLimits::default()).unwrap_err();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains("a.txt:1: '11.2' is no address") && told[2].contains("cannot read"), "{told:?}");
}
