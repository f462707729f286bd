//! Apache Kafka's own jars, by Maven from the committed pom, into a folder inside the checkout.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::{BrokerError, at};

const JAVA_MAJOR_MIN: u32 = 17;
const POM: &str = "engine/xtask/kafka/pom.xml";

/// The folder of this checkout.
pub fn checkout() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root)
}

/// The folder that local brokers, jars and logs live in; git ignores it.
pub fn work_dir() -> PathBuf {
    checkout().join(".work/kafka")
}

/// The folder with the jars, filled first where it is missing or of another pom.
///
/// # Errors
/// [`BrokerError::Missing`] without Java 17, without Maven, or when Maven could not get the jars.
pub(super) fn ensure() -> Result<PathBuf, BrokerError> {
    check_java()?;
    let pom = checkout().join(POM);
    let wanted = fs::read_to_string(&pom).map_err(at(&pom))?;
    let work = work_dir();
    fs::create_dir_all(&work).map_err(at(&work))?;
    let libs = work.join("libs");
    // Two test programs may come here at once; the second finds the work done.
    let lock = work.join("libs.lock");
    let lock_file = File::create(&lock).map_err(at(&lock))?;
    lock_file.lock().map_err(at(&lock))?;
    // The pom lies beside the jars it stands for, and the folder gets its name when it is complete.
    if fs::read_to_string(libs.join("pom.xml")).is_ok_and(|have| have == wanted) {
        return Ok(libs);
    }
    let partial = work.join("libs.partial");
    remove(&partial)?;
    copy_dependencies(&pom, &partial)?;
    fs::copy(&pom, partial.join("pom.xml")).map_err(at(&partial))?;
    remove(&libs)?;
    fs::rename(&partial, &libs).map_err(at(&libs))?;
    Ok(libs)
}

/// Removes a folder with all in it; one that is not there is fine.
pub(super) fn remove(dir: &Path) -> Result<(), BrokerError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at(dir)(error)),
        _ => Ok(()),
    }
}

fn copy_dependencies(pom: &Path, into: &Path) -> Result<(), BrokerError> {
    let output = Command::new("mvn")
        .args(["--batch-mode", "--quiet", "--file"])
        .arg(pom)
        .arg("dependency:copy-dependencies")
        .arg("-DincludeScope=runtime")
        .arg(format!("-DoutputDirectory={}", into.display()))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| BrokerError::Missing(format!("Maven (mvn) does not start: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let first = said.lines().find(|line| line.contains("ERROR")).unwrap_or("it said nothing");
    Err(BrokerError::Missing(format!("Maven could not get Apache Kafka's jars ({}): {first}", output.status)))
}

fn check_java() -> Result<(), BrokerError> {
    let output = Command::new("java")
        .arg("-version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| BrokerError::Missing(format!("Java (java) does not start: {error}")))?;
    let said = String::from_utf8_lossy(&output.stderr);
    match java_major(&said) {
        Some(major) if major >= JAVA_MAJOR_MIN => Ok(()),
        _ => Err(BrokerError::Missing(format!(
            "Java {JAVA_MAJOR_MIN} or newer is needed, and `java -version` says: {}",
            said.lines().find(|line| line.contains("version")).unwrap_or("nothing that names a version")
        ))),
    }
}

/// From `openjdk version "17.0.15" 2025-04-15`; the old `1.8.0` counts as 1, which is too old all the same.
fn java_major(said: &str) -> Option<u32> {
    let quoted = said.split('"').nth(1)?;
    let digits = quoted.split(|sign: char| !sign.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_of_java_is_read_from_what_it_prints() {
        let cases = [
            ("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment", Some(17)),
            ("openjdk version \"21-ea\" 2023-09-19", Some(21)),
            ("java version \"1.8.0_402\"", Some(1)),
            ("Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version \"25\" 2025-09-16", Some(25)),
            ("no java here", None),
            ("\"\"", None),
        ];
        for (said, major) in cases {
            assert_eq!(java_major(said), major, "{said}");
        }
    }
}
