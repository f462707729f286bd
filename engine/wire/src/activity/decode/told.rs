//! What a record tells beyond what the detectors keep: the texts that conditions of rules ask for. It lives no longer than
//! the record.

use std::borrow::Cow;

use super::{Count, Peers, Person, Record, Text};

/// What a record tells; what is empty is not told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told<'a> {
    /// `action_raw`.
    pub action_raw: Option<Cow<'a, str>>,
    /// `actor.name`.
    pub actor: Option<Cow<'a, str>>,
    /// `target.name`.
    pub target: Option<Cow<'a, str>>,
    /// `user.email`.
    pub email: Option<Cow<'a, str>>,
    /// `auth.method`.
    pub method: Option<Cow<'a, str>>,
    /// `client.user_agent`.
    pub agent: Option<Cow<'a, str>>,
    /// `client.device.id`.
    pub device: Option<Cow<'a, str>>,
    /// `object.kind`.
    pub object_kind: Option<Cow<'a, str>>,
    /// `object.table`.
    pub object_table: Option<Cow<'a, str>>,
    /// `object.id`.
    pub object_id: Option<Cow<'a, str>>,
    /// `object.name`.
    pub object_name: Option<Cow<'a, str>>,
    /// `object.previous_name`.
    pub previous_name: Option<Cow<'a, str>>,
    /// `object.content_type`.
    pub content_type: Option<Cow<'a, str>>,
    /// `object.visibility`.
    pub visibility: Option<Cow<'a, str>>,
    /// `object.parent.table`.
    pub parent_table: Option<Cow<'a, str>>,
    /// `object.parent.id`.
    pub parent_id: Option<Cow<'a, str>>,
    /// `inspection.entropy_centibits`.
    pub entropy_centibits: Option<u16>,
    /// `domain`.
    pub domain: Option<Cow<'a, str>>,
    /// `source.producer`.
    pub producer: Cow<'a, str>,
    /// `source.table`.
    pub source_table: Option<Cow<'a, str>>,
    /// `object.labels`.
    pub labels: Vec<Cow<'a, str>>,
    /// The addresses of `recipients`.
    pub recipients: Vec<Cow<'a, str>>,
    /// `object.size_bytes`.
    pub size_bytes: Option<u64>,
    /// `quantity`: objects, rows and bytes.
    pub quantity: [Option<u64>; 3],
    /// Is there a `reason`?
    pub has_reason: bool,
    /// `user.display_name`.
    pub display_name: Option<Cow<'a, str>>,
    /// `user.department`.
    pub department: Option<Cow<'a, str>>,
    /// Is there a `user.groups`, be it empty?
    pub has_groups: bool,
    /// `user.privileged`.
    pub privileged: Option<bool>,
    /// `user.peers`, boxed since few records say it.
    pub peers: Option<Box<ToldPeers<'a>>>,
    /// `interactive`.
    pub interactive: Option<bool>,
}

/// What a record tells of the user's colleagues; what is `None` is not told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToldPeers<'a> {
    /// `group`.
    pub group: Option<Cow<'a, str>>,
    /// `people`.
    pub people: Option<u64>,
    /// `objects_hour`, `rows_hour` and `bytes_hour`.
    pub hour: [Option<u64>; 3],
    /// The same around the turn of a month.
    pub turn: [Option<u64>; 3],
}

impl<'a> Record<'a> {
    /// What nothing else takes.
    pub(super) fn told(&mut self) -> Told<'a> {
        let text = |text: Option<Text<'a, { usize::MAX }>>| text.map(|text| text.0).filter(|text| !text.is_empty());
        let name = |person: Option<Person<'a>>| person.and_then(|person| person.name).map(|name| name.0);
        let client = self.client.take().unwrap_or_default();
        let object = self.object.take().unwrap_or_default();
        let parent = object.parent.unwrap_or_default();
        let quantity = self.quantity.take().unwrap_or_default();
        let entropy = self.inspection.take().and_then(|inspection| inspection.entropy_centibits);
        Told {
            action_raw: text(self.action_raw.take()),
            actor: name(self.actor.take()).filter(|name| !name.is_empty()),
            target: name(self.target.take()).filter(|name| !name.is_empty()),
            email: text(self.user.email.take()),
            method: text(self.auth.take().and_then(|auth| auth.method)),
            agent: text(client.user_agent),
            device: text(client.device.and_then(|device| device.id)),
            object_kind: text(object.kind),
            object_table: text(object.table),
            object_id: text(object.id),
            object_name: text(object.name),
            previous_name: text(object.previous_name),
            content_type: text(object.content_type),
            visibility: text(object.visibility),
            parent_table: text(parent.table),
            parent_id: text(parent.id),
            entropy_centibits: entropy.and_then(|entropy| u16::try_from(entropy.0).ok()),
            domain: text(self.domain.take()),
            producer: std::mem::take(&mut self.source.producer.0),
            source_table: text(self.source.table.take()),
            labels: full(object.labels.unwrap_or_default().0.into_iter().map(|label| label.0)),
            recipients: full(self.recipients.take().unwrap_or_default().0.into_iter().map(|one| one.address.0)),
            size_bytes: object.size_bytes.map(|count| count.0),
            quantity: [quantity.objects, quantity.rows, quantity.bytes].map(|count| count.map(|count| count.0)),
            has_reason: self.reason.is_some(),
            display_name: self.user.display_name.take().map(|text| text.0).filter(|text| !text.is_empty()),
            department: self.user.department.take().map(|text| text.0).filter(|text| !text.is_empty()),
            has_groups: self.user.groups.is_some(),
            privileged: self.user.privileged,
            peers: self.user.peers.take().map(|peers| Box::new(told_of(*peers))),
            interactive: self.interactive,
        }
    }
}

fn told_of(peers: Peers<'_>) -> ToldPeers<'_> {
    let numbers = |numbers: [Option<Count>; 3]| numbers.map(|number| number.map(|number| number.0));
    ToldPeers {
        group: peers.group.map(|text| text.0).filter(|text| !text.is_empty()),
        people: peers.people.map(|people| people.0),
        hour: numbers([peers.objects_hour, peers.rows_hour, peers.bytes_hour]),
        turn: numbers([peers.turn_objects_hour, peers.turn_rows_hour, peers.turn_bytes_hour]),
    }
}

/// The texts that are not empty.
fn full<'a>(texts: impl Iterator<Item = Cow<'a, str>>) -> Vec<Cow<'a, str>> {
    texts.filter(|text| !text.is_empty()).collect()
}
