//! Whom and what an alert is about, besides its user: addresses, devices, sessions, objects.

use frostwatch_detect::context::Subject;
use frostwatch_detect::event::{EventLocation, ObjectRow};
use frostwatch_detect::finding::{Finding, SeenAddress, SeenDevice};
use frostwatch_detect::model::{ObjectTable, Os};
use frostwatch_detect::networks::Networks;
use frostwatch_detect::profile::Person;

use super::types::{Entity, PlaceRecord};

/// Devices an alert names at most.
pub const DEVICES_MAX: usize = 16;
/// Users an alert names at most that is not about one; the evidence names those of its events.
pub const USERS_MAX: usize = 50;
/// Objects an alert names at most; the evidence counts them all.
pub const OBJECTS_MAX: usize = 16;

/// The entities of a finding, each kind in order of first appearance.
pub(super) fn all(finding: &Finding, networks: &Networks) -> impl Iterator<Item = Entity> {
    let mut devices: Vec<SeenDevice> = Vec::new();
    let mut objects: Vec<ObjectRow> = Vec::new();
    for trace in &finding.evidence {
        let new = |seen: &SeenDevice| !devices.iter().any(|known| known.hash == seen.hash);
        if let Some(device) = trace.device.filter(new)
            && devices.len() < DEVICES_MAX
        {
            devices.push(device);
        }
        if let Some(object) = trace.about.object
            && objects.len() < OBJECTS_MAX
            && !objects.contains(&object)
        {
            objects.push(object);
        }
    }
    let sessions = finding.sessions.iter().map(|hash| Entity::Session { hash: format!("{hash:016x}") });
    let addresses = finding.addresses.iter().map(|seen| address_entity(seen, networks));
    addresses
        .chain(devices.into_iter().map(device_entity))
        .chain(sessions)
        .chain(objects.into_iter().map(object_entity))
}

/// Whose alert it is: the user, or what the policy counted by and the users that took part.
pub(super) fn subject(subject: Subject<'_>, finding: Option<&Finding>) -> Vec<Entity> {
    let instance = subject.instance().to_owned();
    let Some((per, value)) = subject.entity() else { return vec![user(subject, finding)] };
    let mut names: Vec<&str> = Vec::new();
    for name in finding.iter().flat_map(|finding| &finding.evidence).filter_map(|trace| trace.about.other.as_deref()) {
        if names.len() < USERS_MAX && !names.contains(&name) {
            names.push(name);
        }
    }
    let counted = Entity::Counted { by: per.as_str().to_owned(), value: value.to_owned(), instance: instance.clone() };
    let user = |name: &str| Entity::User {
        name: name.to_owned(),
        instance: instance.clone(),
        display_name: None,
        email: None,
        department: None,
    };
    std::iter::once(counted).chain(names.into_iter().map(user)).collect()
}

/// What a title calls it.
pub(super) fn name(subject: Subject<'_>) -> String {
    match subject.entity() {
        Some((per, value)) => format!("{} {value}", per.noun()),
        None => subject.user().to_owned(),
    }
}

/// Whose alert it is, and who that was by then where somebody has said it.
fn user(subject: Subject<'_>, finding: Option<&Finding>) -> Entity {
    let person = finding.and_then(|finding| finding.beside.person.as_deref());
    let said =
        |text: fn(&Person) -> &Option<Box<str>>| person.and_then(|person| text(person).as_deref()).map(str::to_owned);
    Entity::User {
        name: subject.user().to_owned(),
        instance: subject.instance().to_owned(),
        display_name: said(|person| &person.display_name),
        email: said(|person| &person.email),
        department: said(|person| &person.department),
    }
}

fn address_entity(seen: &SeenAddress, networks: &Networks) -> Entity {
    let EventLocation { place, carrier, listed } = seen.location;
    let own = networks.tagged(seen).map(|entry| entry.tag.as_str());
    let mut tags: Vec<String> = own.into_iter().map(str::to_owned).collect();
    for category in listed.entries().iter().map(|entry| entry.category.as_str()) {
        if !tags.iter().any(|known| known == category) {
            tags.push(category.to_owned());
        }
    }
    Entity::Address {
        ip: seen.address.ip(),
        no_place: place.err().map(|why| why.as_str().to_owned()),
        place: place.ok().map(|place| PlaceRecord {
            country: place.country.to_string(),
            city: (!place.city.is_empty()).then(|| place.city.as_str().to_owned()),
            latitude: place.point.map(frostwatch_detect::place::Point::lat_degrees),
            longitude: place.point.map(frostwatch_detect::place::Point::lon_degrees),
            radius_km: (place.radius_km != 0).then_some(place.radius_km),
        }),
        asn: (carrier.asn != 0).then_some(carrier.asn),
        organisation: (!carrier.organisation.is_empty()).then(|| carrier.organisation.as_str().to_owned()),
        tags,
    }
}

fn device_entity(device: SeenDevice) -> Entity {
    let SeenDevice { hash, facts } = device;
    Entity::Device {
        hash: format!("{hash:016x}"),
        managed: facts.managed,
        compliant: facts.compliant,
        os: (facts.os != Os::Unknown).then(|| facts.os.as_str().to_owned()),
    }
}

fn object_entity(object: ObjectRow) -> Entity {
    let listed = object.table != ObjectTable::Unlisted;
    Entity::Object {
        table: listed.then(|| object.table.as_str().to_owned()),
        id: format!("{:032x}", object.sys_id()),
        name: None,
        size_bytes: None,
        labels: Vec::new(),
    }
}
