//! Certificates for one test: made when it runs, by Java's own `keytool`, so that nothing that expires is kept.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::BrokerError;

/// Password of the key stores, which last as long as the test.
pub(super) const STORE_PASSWORD: &str = "for-one-test";
/// How long what is made is valid, days.
const VALID_DAYS: &str = "2";

/// An authority and a broker's key that it has signed, for the name `localhost` alone.
#[derive(Debug, Clone)]
pub struct Certificates {
    authority: PathBuf,
    key_store: PathBuf,
}

impl Certificates {
    /// Makes them in a folder, under names that begin with `name`.
    ///
    /// # Errors
    /// [`BrokerError::Missing`] without `keytool`, which comes with Java.
    pub fn make(folder: &Path, name: &str) -> Result<Self, BrokerError> {
        let made = Self::at(folder, name);
        let at_name = |suffix: &str| folder.join(format!("{name}{suffix}"));
        let (signer, request, signed) = (at_name("-authority.p12"), at_name(".request"), at_name(".pem"));
        let (authority, key_store) = (&made.authority, &made.key_store);
        let tool = KeyTool { folder };
        tool.key(&signer, &format!("CN=Authority {name}"), "bc:c=ca:true")?;
        tool.run(&signer, &["-exportcert", "-rfc", "-alias", "key", "-file", text(authority)?])?;
        tool.key(key_store, "CN=broker", "san=dns:localhost")?;
        tool.run(key_store, &["-certreq", "-alias", "key", "-file", text(&request)?])?;
        let files = ["-infile", text(&request)?, "-outfile", text(&signed)?];
        let sign = ["-gencert", "-rfc", "-alias", "key", "-validity", VALID_DAYS, "-ext", "san=dns:localhost"];
        tool.run(&signer, &[&sign[..], &files[..]].concat())?;
        tool.run(key_store, &["-importcert", "-noprompt", "-alias", "authority", "-file", text(authority)?])?;
        tool.run(key_store, &["-importcert", "-noprompt", "-alias", "key", "-file", text(&signed)?])?;
        Ok(made)
    }

    /// Those that were made before.
    pub(super) fn at(folder: &Path, name: &str) -> Self {
        let at_name = |suffix: &str| folder.join(format!("{name}{suffix}"));
        Self { authority: at_name("-authority.pem"), key_store: at_name(".p12") }
    }

    /// The authority's certificate, PEM: what clients trust.
    pub fn authority(&self) -> &Path {
        &self.authority
    }

    /// The broker's key with its certificates, PKCS 12.
    pub(super) fn key_store(&self) -> &Path {
        &self.key_store
    }
}

struct KeyTool<'a> {
    folder: &'a Path,
}

impl KeyTool<'_> {
    fn key(&self, store: &Path, name: &str, extension: &str) -> Result<(), BrokerError> {
        let kind =
            ["-genkeypair", "-alias", "key", "-keyalg", "EC", "-groupname", "secp256r1", "-validity", VALID_DAYS];
        self.run(store, &[&kind[..], &["-dname", name, "-ext", extension]].concat())
    }

    fn run(&self, store: &Path, args: &[&str]) -> Result<(), BrokerError> {
        let output = Command::new("keytool")
            .args(args)
            .args(["-storetype", "PKCS12", "-storepass", STORE_PASSWORD, "-keystore"])
            .arg(store)
            .stdin(Stdio::null())
            .current_dir(self.folder)
            .output()
            .map_err(|error| BrokerError::Missing(format!("Java's keytool does not start: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        // It writes its faults to standard output.
        Err(BrokerError::Certificates(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()))
    }
}

fn text(path: &Path) -> Result<&str, BrokerError> {
    path.to_str().ok_or_else(|| BrokerError::Certificates(format!("{} is not UTF-8", path.display())))
}
