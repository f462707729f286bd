//! A server that says what a script says, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What is answered: raw, so that it may be wrong.
#[derive(Clone, Debug)]
pub(crate) struct Reply(pub(crate) Vec<u8>);

impl Reply {
    pub(crate) fn new(status: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let length = body.len().to_string();
        let ours = [("Connection", "close"), ("Content-Length", &length)];
        let headers = ours.iter().chain(headers).map(|(name, value)| [name, ": ", value, "\r\n"].concat());
        let head = format!("HTTP/1.1 {status}\r\n{}\r\n", headers.collect::<Vec<_>>().concat());
        Self([head.as_bytes(), body].concat())
    }

    pub(crate) fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::new("200 OK", &[], body)
    }

    pub(crate) fn status(status: &str) -> Self {
        Self::new(status, &[], "")
    }

    /// The same without its last bytes.
    pub(crate) fn cut(mut self, bytes: usize) -> Self {
        self.0.truncate(self.0.len() - bytes);
        self
    }
}

/// A request: method and target, and all its headers with its body.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) text: String,
}

impl Asked {
    /// The value of a header.
    pub(crate) fn header(&self, wanted: &str) -> Option<&str> {
        let headers = self.text.lines().map_while(|line| line.split_once(": "));
        headers.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    }

    pub(crate) fn body(&self) -> serde_json::Value {
        serde_json::from_str(self.text.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

pub(crate) struct Server {
    pub(crate) address: String,
    /// Its certificate, if it speaks TLS, in PEM.
    pub(crate) certificate: Option<String>,
    script: Arc<Mutex<VecDeque<Reply>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::listen(None, None).await
    }

    /// With a certificate for `localhost`.
    pub(crate) async fn start_tls() -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        Self::listen(Some(TlsAcceptor::from(Arc::new(config))), Some(cert.pem())).await
    }

    async fn listen(tls: Option<TlsAcceptor>, certificate: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let address =
            if tls.is_some() { format!("https://localhost:{port}") } else { format!("http://127.0.0.1:{port}") };
        let script = Arc::<Mutex<VecDeque<Reply>>>::default();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (replies, seen) = (Arc::clone(&script), Arc::clone(&asked));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                match &tls {
                    None => answer(stream, &replies, &seen).await,
                    // Whoever does not trust us goes away.
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            answer(stream, &replies, &seen).await;
                        }
                    }
                }
            }
        });
        Self { address, certificate, script, asked }
    }

    /// Adds to the script.
    pub(crate) fn say(&self, replies: impl IntoIterator<Item = Reply>) {
        self.script.lock().unwrap().extend(replies);
    }

    /// What was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        assert!(self.script.lock().unwrap().is_empty(), "not all was asked for");
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// The lines of these requests.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    script: &Mutex<VecDeque<Reply>>,
    seen: &Mutex<Vec<Asked>>,
) {
    let mut text = Vec::new();
    loop {
        let mut more = [0; 4_096];
        let count = stream.read(&mut more).await.unwrap_or(0);
        text.extend_from_slice(&more[..count]);
        let request = String::from_utf8_lossy(&text);
        let whole = request.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            body.len() >= length.unwrap_or(0)
        });
        if whole || count == 0 {
            break;
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let (line, rest) = text.split_once("\r\n").unwrap_or((&text, ""));
    seen.lock().unwrap().push(Asked { line: line.trim_end_matches(" HTTP/1.1").to_owned(), text: rest.to_owned() });
    let reply = script.lock().unwrap().pop_front().unwrap_or_else(|| Reply::status("418 Not In The Script"));
    let _ = stream.write_all(&reply.0).await;
    let _ = stream.shutdown().await;
}
