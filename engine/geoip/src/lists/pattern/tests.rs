use super::*;

#[track_caller]
fn check(pattern: &str, networks: &[&str], others: usize) {
    let named = read(pattern).unwrap_or_else(|why| panic!("{pattern}: {why:?}"));
    let found: Vec<&str> = named.networks.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!((found.as_slice(), named.others), (networks, others), "{pattern}");
}

#[test]
fn addresses_are_read_wherever_or_joins_them() {
    check("[ipv4-addr:value = '11.2.3.4']", &["11.2.3.4"], 0);
    check("[ipv4-addr:value='11.2.3.4'OR ipv6-addr:value = '2e00::1']", &["11.2.3.4", "2e00::1"], 0);
    check(
        "  [ ipv4-addr:value IN ('11.2.3.4','11.2.3.5' , '11.3.0.0/16') ]  ",
        &["11.2.3.4", "11.2.3.5", "11.3.0.0/16"],
        0,
    );
    check("[ipv4-addr:value ISSUBSET '11.3.0.0/16']", &["11.3.0.0/16"], 0);
    check("[ipv4-addr:value = '11.2.3.4'] OR [ipv4-addr:value = '11.2.3.5']", &["11.2.3.4", "11.2.3.5"], 0);
    check("([ipv4-addr:value = '1'] OR ([(ipv4-addr:value = '2')] OR [ipv4-addr:value = '3']))", &["1", "2", "3"], 0);
    check(r"[ipv4-addr:value = 'a\'b\\c']", &[r"a'b\c"], 0);
}

#[test]
fn alternatives_about_other_things_are_counted() {
    check("[domain-name:value = 'x.example']", &[], 1);
    check("[ipv4-addr:value = '1' OR domain-name:value LIKE '%x]' OR url:value != 'y']", &["1"], 2);
    check("[ipv4-addr:value != '1' OR ipv4-addr:value LIKE '1%' OR ipv4-addr:value ISSUPERSET '1']", &[], 3);
    check(
        "[file:hashes.'SHA-256' = 'x' OR file:size > 3 OR x:y[0].z = true OR x:y[*] = t'2026-03-02T09:00:00Z']",
        &[],
        4,
    );
    check("[ipv4-addr:resolves_to_refs[*].value = 'x']", &[], 1);
}

#[test]
fn what_asks_for_more_than_an_address_gives_none() {
    for pattern in [
        "[ipv4-addr:value = '1' AND network-traffic:dst_port = 443]",
        "[ipv4-addr:value = '1'] AND [ipv4-addr:value = '2']",
        "[ipv4-addr:value = '1'] FOLLOWEDBY [ipv4-addr:value = '2']",
        "[ipv4-addr:value = '1'] REPEATS 5 TIMES WITHIN 60 SECONDS",
        "([ipv4-addr:value = '1']) WITHIN 60 SECONDS",
        "[ipv4-addr:value = '1'] START t'2026-03-02T09:00:00Z' STOP t'2026-03-02T10:00:00Z'",
        "[ipv4-addr:value NOT IN ('1')]",
        "[NOT ipv4-addr:value = '1']",
        "[EXISTS ipv4-addr:value]",
    ] {
        assert_eq!(read(pattern), Err(NotRead::Beyond), "{pattern}");
    }
}

#[test]
fn what_is_no_pattern_is_told() {
    let deep = format!("{}[ipv4-addr:value = '1']{}", "(".repeat(100_000), ")".repeat(100_000));
    for pattern in [
        "",
        "11.2.3.4",
        "[",
        "[]",
        "[ipv4-addr:value]",
        "[ipv4-addr:value =]",
        "[ipv4-addr:value = '1'",
        "[ipv4-addr:value = '1]",
        "[ipv4-addr:value = 1]",
        "[ipv4-addr:value IN ()]",
        "[ipv4-addr:value IN ('1'",
        "[ipv4-addr:value = '1' ipv4-addr:value = '2']",
        "[ipv4-addr:value = '1'] [ipv4-addr:value = '2']",
        "[ipv4-addr:value = '1'])",
        "[a.'b]",
        &deep,
    ] {
        assert!(
            matches!(read(pattern), Err(NotRead::Broken(_))),
            "{} {:?}",
            pattern.get(..60).unwrap_or(pattern),
            read(pattern)
        );
    }
}
