//! Secrets: read when they are needed, never shown.

use std::fmt;
use std::io::Read as _;
use std::path::Path;

use reqwest::header::HeaderValue;

use crate::config::{Credentials, CredentialsKind};
use crate::fault::FetchFault;

/// Longest secret, bytes.
const SECRET_BYTES_MAX: u64 = 16 << 10;

/// Reads a variable of the environment.
pub(crate) type ReadVariable = fn(&str) -> Option<String>;

/// A text that no message shows.
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

/// A header that carries a secret.
#[derive(Clone, Debug)]
pub(crate) struct SecretHeader {
    pub(crate) name: String,
    /// Marked as sensitive, so that it is not shown either.
    pub(crate) value: HeaderValue,
}

/// Reads the secret of credentials and makes their header.
pub(crate) fn header(credentials: &Credentials, variable: ReadVariable) -> Result<SecretHeader, FetchFault> {
    let secret = match (&credentials.file, &credentials.env) {
        (Some(file), _) => read(file)?,
        (None, Some(name)) => variable(name)
            .map(Secret)
            .ok_or_else(|| FetchFault::Credentials(format!("the environment has no variable {name}")))?,
        (None, None) => return Err(FetchFault::Credentials("neither file nor env".to_owned())),
    };
    let secret = Secret(secret.0.trim_end_matches(['\r', '\n']).to_owned());
    if secret.0.is_empty() {
        return Err(FetchFault::Credentials("the secret is empty".to_owned()));
    }
    let (name, text) = match credentials.kind {
        CredentialsKind::Basic => {
            let user = credentials.user.as_deref().unwrap_or_default();
            ("authorization", format!("Basic {}", base64(format!("{user}:{}", secret.0).as_bytes())))
        }
        CredentialsKind::Bearer => ("authorization", format!("Bearer {}", secret.0)),
        CredentialsKind::Key => ("authorization", secret.0),
        CredentialsKind::Header => (credentials.name.as_deref().unwrap_or("authorization"), secret.0),
    };
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| FetchFault::Credentials("the secret has signs that no header can carry".to_owned()))?;
    value.set_sensitive(true);
    Ok(SecretHeader { name: name.to_owned(), value })
}

fn read(path: &Path) -> Result<Secret, FetchFault> {
    let failed = |error: std::io::Error| FetchFault::Credentials(format!("cannot read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(FetchFault::Credentials(format!("{}: more than {SECRET_BYTES_MAX} bytes", path.display())));
    }
    let no_text = |_| FetchFault::Credentials(format!("{}: not UTF-8 text", path.display()));
    String::from_utf8(bytes).map(Secret).map_err(no_text)
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
