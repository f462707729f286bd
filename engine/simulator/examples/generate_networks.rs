//! Prints a table of networks: `cargo run -p frostwatch-simulator --example generate_networks > data/networks.csv`, and
//! with the word `confounding` behind it `data/confounding-networks.csv`.

use std::io::{Error, Write};

use frostwatch_simulator::world::{confounding_networks_table, networks_table};

fn main() -> Result<(), Error> {
    let confounding = std::env::args().any(|word| word == "confounding");
    let table = if confounding { confounding_networks_table() } else { networks_table() };
    std::io::stdout().write_all(table.map_err(Error::other)?.as_bytes())
}
