//! The exits of Tor as its project publishes them:
//!
//! ```text
//! ExitNode 0011BD2485AD45D984EC4159C88FC066E5E3300E
//! Published 2026-03-01 18:00:00
//! LastStatus 2026-03-02 02:00:00
//! ExitAddress 162.247.74.201 2026-03-02 02:06:17
//! ```
//!
//! An exit is looked at now and then, so it counts from some hours before it was seen there to as many after the relay
//! was last known ([`ListConfig::hold_hours`]): events of another time were no Tor.

use std::net::IpAddr;

use frostwatch_detect::listed::Category;
use frostwatch_detect::time::Millis;

use super::line::{lines, network, shown, time};
use super::sink::{Said, Sink};
use super::{Decode, ListConfig, needed};

pub(super) struct TorExit;

/// What a file says of one relay, so far.
#[derive(Default)]
struct Relay {
    is_begun: bool,
    last_status: Option<Millis>,
}

impl Decode for TorExit {
    fn decode(&self, config: &ListConfig, bytes: &[u8], sink: &mut Sink<'_>) {
        let mut relay = Relay::default();
        for (number, line) in lines(bytes) {
            if !sink.takes_line(number) {
                return;
            }
            let Some(line) = sink.text(number, line).filter(|line| !line.is_empty() && !line.starts_with('#')) else {
                continue;
            };
            if let Err(message) = relay.line(config, number, line, sink) {
                sink.fault(number, message);
            }
        }
    }

    fn faults(&self, config: &ListConfig) -> Vec<(&'static str, String)> {
        needed("confidence", config.confidence.as_ref()).into_iter().collect()
    }
}

impl Relay {
    fn line(&mut self, config: &ListConfig, number: u64, line: &str, sink: &mut Sink<'_>) -> Result<(), String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let moment = |text: &str| time(text).ok_or_else(|| format!("'{}' is no time", shown(text)));
        if !self.is_begun && word != "ExitNode" {
            return Err(format!("'{}' before the first ExitNode; is it the right file?", shown(word)));
        }
        match word {
            "ExitNode" => *self = Self { is_begun: true, ..Self::default() },
            "Published" => drop(moment(rest)?),
            "LastStatus" => self.last_status = Some(moment(rest)?),
            "ExitAddress" => {
                let (address, seen) = rest.split_once(' ').unwrap_or((rest, ""));
                let seen = moment(seen)?;
                address.parse::<IpAddr>().map_err(|_| format!("'{}' is no address", shown(address)))?;
                let last = self.last_status.map_or(seen, |status| status.max(seen));
                let said = Said {
                    category: config.category.or(Some(Category::Tor)),
                    from: Some(seen - config.hold()),
                    until: Some(last + config.hold()),
                    ..Said::default()
                };
                sink.entry(number, &network(address)?, &said);
            }
            _ => return Err(format!("'{}' is none of ExitNode, Published, LastStatus and ExitAddress", shown(word))),
        }
        Ok(())
    }
}
