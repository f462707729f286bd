use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::listed::ListEntry;

fn listing(network: &str, category: Category, confidence: u8, span: (Millis, Millis)) -> Listing {
    let (ip, prefix) = network.split_once('/').unwrap();
    let ip: std::net::IpAddr = ip.parse().unwrap();
    let prefix = prefix.parse::<u8>().unwrap() + if ip.is_ipv4() { 96 } else { 0 };
    let first = Address::new(ip).map_or(0, Address::bits);
    assert_eq!(first & host_bits(prefix), 0, "{network}");
    Listing { first, prefix, category, confidence, tag: Name::EMPTY, from: span.0, until: span.1 }
}

const EVER: (Millis, Millis) = (Listing::ALWAYS, Listing::FOREVER);

fn lists(all: &[(&str, &[Listing])]) -> Arc<Lists> {
    let list = |(name, entries): &(&str, &[Listing])| List { name: (*name).to_owned(), entries: entries.to_vec() };
    Lists::new(all.iter().map(list).collect()).unwrap().unwrap()
}

fn told(lists: &Lists, address: &str, at: Millis) -> Vec<(Category, u8, &'static str)> {
    let told = |entry: &ListEntry| (entry.category, entry.confidence, entry.list.as_str());
    lists.of(Address::new(address.parse().unwrap()).unwrap(), at).entries().iter().map(told).collect()
}

#[test]
fn of_each_list_the_longest_prefix_counts_and_lists_stand_side_by_side() {
    let lists = lists(&[
        (
            "wide",
            &[
                listing("11.0.0.0/8", Category::Hosting, 20, EVER),
                listing("11.2.0.0/16", Category::Vpn, 60, EVER),
                listing("11.2.3.4/32", Category::Tor, 95, EVER),
                listing("11.2.3.4/32", Category::Vpn, 40, EVER),
                listing("2001:4::/32", Category::Proxy, 70, EVER),
                listing("2001:4::1/128", Category::Tor, 90, EVER),
            ],
        ),
        (
            "bots",
            &[listing("11.2.3.0/24", Category::Botnet, 80, EVER), listing("0.0.0.0/0", Category::Scanner, 1, EVER)],
        ),
    ]);
    let scanner = (Category::Scanner, 1, "bots");
    let botnet = (Category::Botnet, 80, "bots");
    for (address, expected) in [
        ("10.255.255.255", vec![scanner]),
        ("11.0.0.0", vec![scanner, (Category::Hosting, 20, "wide")]),
        ("11.2.0.0", vec![(Category::Vpn, 60, "wide"), scanner]),
        ("11.2.3.3", vec![botnet, (Category::Vpn, 60, "wide")]),
        ("11.2.3.4", vec![(Category::Tor, 95, "wide"), botnet, (Category::Vpn, 40, "wide")]),
        ("11.2.3.5", vec![botnet, (Category::Vpn, 60, "wide")]),
        ("11.2.4.0", vec![(Category::Vpn, 60, "wide"), scanner]),
        ("11.3.0.0", vec![scanner, (Category::Hosting, 20, "wide")]),
        ("11.255.255.255", vec![scanner, (Category::Hosting, 20, "wide")]),
        ("12.0.0.0", vec![scanner]),
        ("255.255.255.255", vec![scanner]),
        ("2001:4::", vec![(Category::Proxy, 70, "wide")]),
        ("2001:4::1", vec![(Category::Tor, 90, "wide")]),
        ("2001:4::2", vec![(Category::Proxy, 70, "wide")]),
        ("2001:4:ffff:ffff:ffff:ffff:ffff:ffff", vec![(Category::Proxy, 70, "wide")]),
        ("2001:5::", vec![]),
        ("::1", vec![]),
    ] {
        assert_eq!(told(&lists, address, 0), expected, "{address}");
    }
}

#[test]
fn an_entry_holds_from_its_first_moment_to_its_last_and_the_wider_one_beside_it() {
    let lists = lists(&[(
        "exits",
        &[
            listing("11.2.3.4/32", Category::Tor, 95, (100, 200)),
            listing("11.2.3.4/32", Category::Tor, 90, (150, 300)),
            listing("11.2.3.0/24", Category::Hosting, 30, (Listing::ALWAYS, 250)),
        ],
    )]);
    let hosting = (Category::Hosting, 30, "exits");
    for (at, expected) in [
        (Millis::MIN, vec![hosting]),
        (99, vec![hosting]),
        (100, vec![(Category::Tor, 95, "exits")]),
        (199, vec![(Category::Tor, 95, "exits")]),
        (200, vec![(Category::Tor, 90, "exits")]),
        (299, vec![(Category::Tor, 90, "exits")]),
        (300, vec![]),
        (Millis::MAX, vec![]),
    ] {
        assert_eq!(told(&lists, "11.2.3.4", at), expected, "{at}");
    }
    assert_eq!(told(&lists, "11.2.3.5", 249), [hosting]);
    assert!(told(&lists, "11.2.3.5", 250).is_empty());
}

#[test]
fn lists_are_made_again_from_what_is_kept_of_them() {
    let tag = Name::new("exit of  somebody");
    let entries: Vec<Listing> = (0..40_000_u32)
        .map(|index| Listing {
            first: 0xffff_0b00_0000 + u128::from(index * 2),
            tag,
            ..listing("11.0.0.0/32", Category::Tor, 90, (i64::from(index), Listing::FOREVER))
        })
        .collect();
    let lists = lists(&[("a", &entries), ("b", &[listing("2001:4::/32", Category::Vpn, 5, EVER)]), ("empty", &[])]);
    let digest = lists.digest().to_string();
    let names: Vec<String> = lists.kept().names().collect();
    assert!(lists.kept().is_whole() && names.len() > 3, "{names:?}");
    assert_eq!(content::parts_of(lists.kept().manifest().as_bytes()), names);
    let mut contents: Contents<'_> = BTreeMap::new();
    contents.insert(&digest, lists.kept().manifest().as_bytes());
    for name in &names {
        let part = lists.kept().part(name).unwrap();
        assert!(part.len() <= content::PART_BYTES_MAX);
        contents.insert(name, part);
    }
    let again = Lists::recalled(lists.digest(), &contents).unwrap().unwrap();
    assert_eq!((again.builds(), again.digest()), (lists.builds(), lists.digest()));
    assert_eq!(told(&again, "11.0.0.6", 3), [(Category::Tor, 90, "a")]);
    assert_eq!(again.of(Address::new("11.0.0.6".parse().unwrap()).unwrap(), 3).entries()[0].tag, tag);
    contents.insert(&names[0], b"0/0 tor 90 - - \n");
    assert!(Lists::recalled(lists.digest(), &contents).unwrap().is_none(), "another content under the name");
    contents.remove(names[0].as_str());
    assert!(Lists::recalled(lists.digest(), &contents).unwrap().is_none(), "a part is missing");
}

#[test]
fn the_digest_is_that_of_the_content_and_not_of_its_order() {
    let (a, b) = (listing("11.0.0.0/8", Category::Vpn, 9, EVER), listing("12.0.0.0/8", Category::Tor, 9, EVER));
    let one = lists(&[("x", &[a, b]), ("y", &[b])]);
    assert_eq!(one.digest(), lists(&[("y", &[b, b]), ("x", &[b, a])]).digest());
    for other in [lists(&[("x", &[a, b]), ("z", &[b])]), lists(&[("x", &[a]), ("y", &[b])]), lists(&[("x", &[a, b])])] {
        assert_ne!(one.digest(), other.digest());
    }
}

#[test]
fn what_cannot_be_laid_out_is_refused() {
    let list = |name: &str| List { name: name.to_owned(), entries: Vec::new() };
    assert_eq!(Lists::new(Vec::new()).map(|none| none.is_none()), Ok(true));
    for (all, expected) in [
        (vec![list("a"), list("b"), list("a")], "two lists are called 'a'"),
        (vec![list("Tor exits")], "'Tor exits' is no name of a list"),
        (vec![list("")], "'' is no name of a list"),
        ((0..65).map(|index| list(&format!("l{index}"))).collect(), "65 lists; at most 64"),
    ] {
        let fault = Lists::new(all).map(|_| ()).unwrap_err().to_string();
        assert!(fault.starts_with(expected), "{fault}");
    }
    assert!(Lists::new((0..64).map(|index| list(&format!("l{index}"))).collect()).is_ok());
}

#[test]
fn lists_that_would_take_too_long_or_too_much_are_refused_by_name() {
    let at = |index: u32, prefix| Listing {
        first: (0xffff_0b00_0000 + u128::from(index)) & !host_bits(prefix),
        prefix,
        tag: Name::EMPTY,
        ..listing("11.0.0.0/32", Category::Tor, 90, EVER)
    };
    let times = |count: i64| (0..count).map(|from| Listing { from, ..at(0, 128) }).collect::<Vec<_>>();
    let refused = |entries: Vec<Listing>| {
        let lists =
            vec![List { name: "b".to_owned(), entries }, List { name: "a".to_owned(), entries: vec![at(1, 128)] }];
        Lists::new(lists).map(|lists| lists.is_some()).map_err(|fault| fault.to_string())
    };
    assert_eq!(refused(times(64)), Ok(true));
    assert!(refused(times(65)).unwrap_err().starts_with("'b': 65 entries for one network"));
    // Networks in one another, each with as many times as it may have, around other addresses.
    let around = |bits: u8| (0..64).map(move |from| Listing { from, ..at(0, 128 - bits) });
    let mut entries: Vec<Listing> = (1..=8).flat_map(around).collect();
    entries.extend((0..100).map(|index| Listing { from: i64::from(index), ..at(index, 128) }));
    let lists = vec![List { name: "b".to_owned(), entries }];
    for (budget, fits) in [
        (Budget::default(), true),
        (Budget { steps_max: 1_000_000, ..Budget::default() }, false),
        (Budget { parts_max: 10_000, ..Budget::default() }, false),
    ] {
        let fault = Lists::within(lists.clone(), budget).map(|_| ());
        assert_eq!(fault, if fits { Ok(()) } else { Err(ListsFault::TooEntangled { list: "b".to_owned() }) });
    }
    let answers = |count: u32| {
        (0..count).map(move |index| Listing {
            tag: Name::new(&(index / 100).to_string()),
            confidence: (index % 100) as u8,
            ..at(index, 128)
        })
    };
    // Beside that of the other list.
    let most = LOADED_ANSWERS_MAX as u32 - 1;
    assert_eq!(refused(answers(most).collect()), Ok(true));
    assert!(refused(answers(most + 2).collect()).unwrap_err().starts_with("'b': more than 65536 different answers"));
}

/// What the entries say of an address at a time, by looking at each.
fn looked_through(lists: &[List], builds: &[ListBuild], address: u128, at: Millis) -> Listed {
    let mut told = Vec::new();
    for (list, build) in lists.iter().zip(builds) {
        let holds = |entry: &&Listing| {
            (entry.first..=entry.last()).contains(&address) && (entry.from..entry.until).contains(&at)
        };
        let longest = list.entries.iter().filter(holds).map(|entry| entry.prefix).max();
        let mut said: Vec<&Listing> = list.entries.iter().filter(holds).collect();
        said.retain(|entry| Some(entry.prefix) == longest);
        said.sort_by(|a, b| b.confidence.cmp(&a.confidence).then(a.tag.as_str().cmp(b.tag.as_str())));
        let mut seen: Vec<Category> = Vec::new();
        for Listing { category, confidence, tag, .. } in said.into_iter().copied() {
            if !seen.contains(&category) {
                seen.push(category);
                let (list, digest) = (Name::new(&list.name), build.digest.0);
                told.push(ListEntry { category, confidence, list, tag, digest });
            }
        }
    }
    Listed::new(&told).unwrap()
}

/// Networks that are nested and meet, of both families, some of them within times that meet.
fn random_entries() -> impl Strategy<Value = Vec<Listing>> {
    let one = (any::<u8>(), 0_u8..=8, 0_usize..4, 0_u8..3, any::<bool>(), 0_i64..6, 1_i64..6, any::<bool>());
    let entry = |(host, bits, category, confidence, is_v4, from, length, is_always)| {
        let base = if is_v4 { 0xffff_0b00_0000 } else { 0x2e00_u128 << 112 };
        let prefix = 128 - bits;
        let (from, until) = if is_always { EVER } else { (from, from + length) };
        let tag = Name::new(if host % 2 == 0 { "even" } else { "" });
        let first = (base + u128::from(host)) & !host_bits(prefix);
        Listing { first, prefix, category: Category::ALL[category], confidence, tag, from, until }
    };
    prop::collection::vec(one.prop_map(entry), 0..24)
}

proptest! {
    #[test]
    fn the_table_says_what_the_entries_say(a in random_entries(), b in random_entries()) {
        let all = vec![List { name: "a".to_owned(), entries: a }, List { name: "b".to_owned(), entries: b }];
        let lists = Lists::new(all.clone()).unwrap().unwrap();
        for (base, host) in [0xffff_0b00_0000, 0x2e00_u128 << 112].into_iter().flat_map(|base| (0..=256).map(move |host| (base, host))) {
            let address = Address::new(std::net::Ipv6Addr::from_bits(base + host).into()).unwrap();
            for at in [Millis::MIN, 0, 1, 3, 5, 8, 11, Millis::MAX - 1] {
                prop_assert_eq!(lists.of(address, at), looked_through(&all, lists.builds(), address.bits(), at));
            }
        }
    }
}
