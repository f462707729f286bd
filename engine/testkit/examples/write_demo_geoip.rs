//! Writes the demo's GeoIP databases below the current directory, which is the root of the repository:
//! `cargo run -p frostwatch-testkit --example write_demo_geoip`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (path, bytes) in frostwatch_testkit::mmdb::demo_files()? {
        std::fs::write(path, bytes)?;
    }
    Ok(())
}
