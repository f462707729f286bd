//! A server of the web that answers every path with what a test last said of it.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

/// Lives as long as the process.
pub(crate) struct Web {
    pub(crate) address: String,
    pages: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Web {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let pages = Arc::<Mutex<BTreeMap<String, String>>>::default();
        let said = Arc::clone(&pages);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut byte = [0; 1];
                while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) > 0 {
                    request.push(byte[0]);
                }
                let text = String::from_utf8_lossy(&request).into_owned();
                let path = text.split(' ').nth(1).unwrap_or("").split('?').next().unwrap_or("").to_owned();
                let reply = said.lock().unwrap().get(&path).map_or_else(
                    || "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_owned(),
                    |page| {
                        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{page}", page.len())
                    },
                );
                // A client that went away is its own affair.
                let _ = stream.write_all(reply.as_bytes());
            }
        });
        Self { address, pages }
    }

    /// Says what stands at a path.
    pub(crate) fn say(&self, path: &str, page: &str) {
        self.pages.lock().unwrap().insert(path.to_owned(), page.to_owned());
    }
}
