//! What a set says of networks as the last line of its content. A set that says nothing has no such line, so its hash is
//! that of its rules alone.

use std::borrow::Cow;

use frostwatch_detect::networks::{Networks, Tag, Tagged};
use frostwatch_detect::place::Country;
use serde::{Deserialize, Serialize};

use super::{network, range};

/// What the line begins with, and no rule does.
const HEAD: &str = "{\"networks\":";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Canonical<'a> {
    #[serde(borrow)]
    networks: Vec<CanonicalTagged<'a>>,
    #[serde(borrow)]
    usual: (Vec<Cow<'a, str>>, Vec<u32>),
}

/// Tag, name, ranges, systems.
type CanonicalTagged<'a> = (Cow<'a, str>, Cow<'a, str>, Vec<String>, Vec<u32>);

/// The line; `None`: nothing is said.
pub(crate) fn canonical(networks: &Networks) -> Option<String> {
    let tagged = |entry| {
        let Tagged { tag, name, networks, asns }: &Tagged = entry;
        (tag.as_str().into(), name.as_str().into(), networks.iter().map(range).collect(), asns.clone())
    };
    let line = || Canonical {
        networks: networks.entries().iter().map(tagged).collect(),
        usual: (
            networks.usual_countries().iter().map(|country| country.to_string().into()).collect(),
            networks.usual_asns().to_vec(),
        ),
    };
    (!networks.is_empty()).then(|| serde_json::to_string(&line()).unwrap_or_default())
}

/// What a line says; `None`: it is no such line.
pub(super) fn read(line: &str) -> Option<Result<Networks, String>> {
    line.starts_with(HEAD).then(|| {
        let line: Canonical<'_> = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let entries = line.networks.into_iter().map(tagged).collect::<Result<_, _>>()?;
        let (countries, asns) = line.usual;
        let country = |text: &Cow<'_, str>| Country::new(text).ok_or_else(|| format!("{text:?} is no country"));
        let countries = countries.iter().map(country).collect::<Result<_, _>>()?;
        let networks = Networks::new(entries, countries, asns);
        networks.map_err(|overlap| format!("entries {} and {} overlap", overlap.first, overlap.second))
    })
}

fn tagged((tag, name, networks, asns): CanonicalTagged<'_>) -> Result<Tagged, String> {
    let known = Tag::ALL.into_iter().find(|known| known.as_str() == tag);
    Ok(Tagged {
        tag: known.ok_or_else(|| format!("no tag is called {tag:?}"))?,
        name: name.into_owned(),
        networks: networks.iter().map(|text| network(text)).collect::<Result<_, _>>()?,
        asns,
    })
}
