//! The committed tables keep what the simulated world promises.

use super::*;

fn world() -> World {
    World::load().expect("the committed tables are readable")
}

fn error_km(world: &World, network: &Network) -> f64 {
    let listed = world.listed(network);
    places::distance_to_km(world.city(network.true_city), listed.latitude, listed.longitude)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn the_committed_networks_are_what_the_generator_writes() {
    assert_eq!(networks_table().expect("cities are readable"), NETWORKS_CSV, "run the example generate_networks");
    let confounding = confounding_networks_table().expect("cities are readable");
    assert_eq!(confounding, CONFOUNDING_NETWORKS_CSV, "run the example generate_networks confounding");
}

#[test]
fn networks_do_not_overlap() {
    let world = World::load_confounding().expect("the committed tables are readable");
    let mut prefixes: Vec<IpNet> = world.networks.iter().map(|network| network.prefix).collect();
    prefixes.sort();
    for pair in prefixes.windows(2) {
        assert!(!pair[0].contains(&pair[1]) && !pair[1].contains(&pair[0]), "{} and {}", pair[0], pair[1]);
    }
}

#[test]
fn addresses_come_from_the_agreed_blocks() {
    let v4 = [11, 22, 26, 28, 29, 30, 33, 55];
    for network in &world().networks {
        match network.prefix {
            IpNet::V4(net) => assert!(v4.contains(&net.network().octets()[0]), "{net}"),
            IpNet::V6(net) => assert_eq!(net.network().segments()[0], 0x2e00, "{net}"),
        }
    }
}

#[test]
fn listed_places_err_as_geoip_does() {
    let world = world();
    let check = |kind: NetworkKind, median_km: (f64, f64), radius_km: (u16, u16), honest: (f64, f64)| {
        let all: Vec<&Network> = world.networks.iter().filter(|n| n.kind == kind).collect();
        let errors: Vec<f64> = all.iter().map(|network| error_km(&world, network)).collect();
        let inside = all.iter().zip(&errors).filter(|(n, error)| **error <= f64::from(n.radius_km)).count();
        let share = inside as f64 / all.len() as f64;
        let middle = median(errors);
        assert!(middle > median_km.0 && middle < median_km.1, "{kind:?}: median error {middle} km");
        assert!(share > honest.0 && share < honest.1, "{kind:?}: {share} of the radii hold the true place");
        assert!(all.iter().all(|n| n.radius_km >= radius_km.0 && n.radius_km <= radius_km.1), "{kind:?}");
    };
    check(NetworkKind::Fixed, (7.0, 13.0), (5, 50), (0.6, 0.75));
    check(NetworkKind::Mobile, (160.0, 220.0), (100, 500), (0.6, 0.75));
}

#[test]
fn a_few_fixed_networks_are_listed_in_another_city_of_their_country() {
    let world = world();
    let fixed: Vec<&Network> = world.networks.iter().filter(|n| n.kind == NetworkKind::Fixed).collect();
    let wrong = fixed.iter().filter(|n| n.listed_city != n.true_city).count() as f64 / fixed.len() as f64;
    assert!(wrong > 0.005 && wrong < 0.05, "{wrong}");
    assert!(world.networks.iter().all(|n| world.city(n.listed_city).country == world.city(n.true_city).country));
}

#[test]
fn every_city_can_be_lived_in_and_every_host_lies_in_its_network() {
    let world = world();
    for index in 0..world.cities.len() {
        let city = CityId(index as u16);
        assert!(
            !world.access(NetworkKind::Fixed, city).is_empty() && !world.access(NetworkKind::Mobile, city).is_empty()
        );
    }
    for (index, network) in world.networks.iter().enumerate() {
        for number in [0, 1, 12_345, u64::MAX] {
            assert!(network.prefix.contains(&world.host(NetworkId(index as u16), number)), "{}", network.prefix);
        }
    }
}

#[test]
fn cities_are_distinct_and_on_earth() {
    let world = world();
    let keys: std::collections::BTreeSet<String> = world.cities.iter().map(City::key).collect();
    assert_eq!(keys.len(), world.cities.len());
    for city in &world.cities {
        assert!(
            city.latitude.abs() < 70.0 && city.longitude.abs() <= 180.0 && city.population > 50_000,
            "{}",
            city.key()
        );
        let solar_minutes = city.longitude * 4.0;
        let apart = (f64::from(city.utc_offset_minutes) - solar_minutes).abs();
        assert!(apart < 200.0, "{}: the zone is {apart} minutes from the sun", city.key());
    }
}

#[test]
fn distances_are_great_circles() {
    let world = world();
    let find = |key: &str| world.cities.iter().find(|city| city.key() == key).expect("a known city");
    let check = |a: &str, b: &str, km: f64| {
        let apart = distance_km(find(a), find(b));
        assert!((apart - km).abs() < 0.01 * km, "{a} to {b}: {apart} km");
    };
    check("Stockholm/SE", "Copenhagen/DK", 522.0);
    check("London/GB", "New York/US", 5_570.0);
    check("Suva/FJ", "Honolulu/US", 5_100.0);
}

#[test]
fn a_bad_table_is_named_with_line_and_reason() {
    let check = |cities: &str, networks: &str, expected: &str| {
        let error = World::parse(cities, networks).expect_err("refused");
        assert_eq!(error.to_string(), expected);
    };
    let cities = "heading\nOslo,NO,59.91,10.75,1000000,60\n";
    check("heading\nOslo,NO\n", "heading\n", "cities.csv line 2: 2 fields where 6 belong");
    check(cities, "h\n11.0.0.0/18,1,X,fixed,Oslo/NO,Rome/IT,1,2,3\n", "networks.csv line 2: no city 'Rome/IT'");
    check(cities, "h\n11.0.0.0/18,1,X,dial,Oslo/NO,Oslo/NO,1,2,3\n", "networks.csv line 2: no kind 'dial'");
}
