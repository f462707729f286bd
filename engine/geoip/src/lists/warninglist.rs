//! Warning lists of MISP, `list.json`: addresses that often stand in reports and are harmless, or what else its
//! configuration says they are.

use std::borrow::Cow;

use frostwatch_detect::listed::Category;
use serde::Deserialize;

use super::json::{Elements, Places, element, text_of, whole};
use super::line::{network, shown};
use super::sink::{Said, Sink};
use super::{Decode, ListConfig, needed};

pub(super) struct Warninglist;

#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    list: Elements<'a>,
}

impl Decode for Warninglist {
    fn decode(&self, config: &ListConfig, bytes: &[u8], sink: &mut Sink<'_>) {
        let text = text_of(bytes);
        let Some(Whole { kind, list }) = whole(text, sink) else { return };
        if kind != "cidr" && kind != "string" {
            return sink
                .fault(0, format!("a warning list of type '{}'; of cidr or string are addresses", shown(&kind)));
        }
        let mut places = Places::new(text);
        let category = config.category.or(Some(Category::KnownGood));
        for (number, raw) in (1..).zip(list.0) {
            let line = places.line(raw);
            if !sink.takes_line(number) {
                return;
            }
            let read = element::<Cow<'_, str>>(raw).and_then(|text| Ok((network(&text)?, text)));
            match read {
                Ok((network, _)) => sink.entry(line, &network, &Said { category, ..Said::default() }),
                // Names of hosts stand among addresses there.
                Err(_) if kind == "string" => sink.leave_out("entries that are no addresses", line),
                Err(message) => sink.unreadable(line, format!("list[{}]: {message}", number - 1)),
            }
        }
    }

    fn faults(&self, config: &ListConfig) -> Vec<(&'static str, String)> {
        needed("confidence", config.confidence.as_ref()).into_iter().collect()
    }
}
