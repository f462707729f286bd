//! Sign-ins from addresses of bad repute, and those of which something says that they are nobody else's.

use serde::{Deserialize, Serialize};

use crate::context::Block;
use crate::rule::Layer;
use crate::time::{Millis, spoken};

/// The last of both. What is set aside is no risky event; it is kept so that a device that would be told after one is
/// recorded as held back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BadAddresses {
    last: Option<Millis>,
    aside: Option<Aside>,
}

/// A sign-in that was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Aside {
    pub(super) at: Millis,
    why: Why,
}

/// Why it is no risky event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Why {
    KnownGood,
    OwnNetwork,
    SharedAddress,
    UsualNetwork,
}

impl BadAddresses {
    /// Notes a sign-in, a risky event unless something says why not.
    pub(super) const fn note(&mut self, at: Millis, why: Option<Why>) {
        match why {
            Some(why) => self.aside = Some(Aside { at, why }),
            None => self.last = Some(at),
        }
    }

    /// The last risky event, if it was not before this.
    pub(super) fn since(&self, from: Millis) -> Option<Millis> {
        self.last.filter(|at| *at >= from)
    }

    /// The last that was set aside, if it was not before this.
    pub(super) fn aside_since(&self, from: Millis) -> Option<Aside> {
        self.aside.filter(|aside| aside.at >= from)
    }
}

impl Aside {
    /// Holds back what would be told after it.
    pub(super) fn block(self, now: Millis) -> Block {
        let (layer, what) = match self.why {
            Why::KnownGood => (Layer::System, "an address that a list calls harmless"),
            Why::OwnNetwork => (Layer::System, "a network of the organisation"),
            Why::SharedAddress => (Layer::User, "an address of a mobile carrier, behind which many others are"),
            Why::UsualNetwork => (Layer::User, "the tunnel that the user usually has"),
        };
        let since = if now > self.at { format!(", {} before", spoken(now - self.at)) } else { String::new() };
        let reason = format!("the sign-in from an address of bad repute{since} came from {what}: it is no risky event");
        Block { layer, by: self.why.by(), reason, measures: Vec::new() }
    }
}

impl Why {
    const ALL: [Self; 4] = [Self::KnownGood, Self::OwnNetwork, Self::SharedAddress, Self::UsualNetwork];

    /// The name of what holds back.
    const fn by(self) -> &'static str {
        match self {
            Self::KnownGood => "known_good",
            Self::OwnNetwork => "own_network",
            Self::SharedAddress => "shared_address",
            Self::UsualNetwork => "usual_network",
        }
    }

    /// Of that name.
    pub(super) fn of(by: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.by() == by)
    }
}
