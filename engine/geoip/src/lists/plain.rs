//! An address or network a line; what follows a `#` or `;` is for people.

use super::line::{lines, network};
use super::sink::{Said, Sink};
use super::{Decode, ListConfig, needed};

pub(super) struct Plain;

impl Decode for Plain {
    fn decode(&self, _config: &ListConfig, bytes: &[u8], sink: &mut Sink<'_>) {
        for (number, line) in lines(bytes) {
            if !sink.takes_line(number) {
                return;
            }
            let Some(line) = sink.text(number, line) else { continue };
            let told = line.split(['#', ';']).next().unwrap_or("").trim();
            if told.is_empty() {
                continue;
            }
            match network(told) {
                Ok(network) => sink.entry(number, &network, &Said::default()),
                Err(message) => sink.fault(number, message),
            }
        }
    }

    fn faults(&self, config: &ListConfig) -> Vec<(&'static str, String)> {
        let missing = [needed("category", config.category.as_ref()), needed("confidence", config.confidence.as_ref())];
        missing.into_iter().flatten().collect()
    }
}
