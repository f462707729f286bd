//! Prints the table of networks: `cargo run -p frostwatch-simulator --example generate_networks > data/networks.csv`.

use std::io::{Error, Write};

fn main() -> Result<(), Error> {
    let table = frostwatch_simulator::world::networks_table().map_err(Error::other)?;
    std::io::stdout().write_all(table.as_bytes())
}
