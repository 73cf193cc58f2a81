//! A server for the requests of plugins, which answers when the test lets it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use super::until;

/// Holds every request until it is released.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    held: Arc<Mutex<Vec<TcpStream>>>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let held = Arc::new(Mutex::new(Vec::new()));
        let shared = held.clone();
        std::thread::spawn(move || {
            // Ends with the process: a connection that nobody makes any more.
            for mut stream in listener.incoming().flatten() {
                let mut buffer = [0; 4096];
                if stream.read(&mut buffer).is_ok_and(|length| length > 0) {
                    shared
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(stream);
                }
            }
        });
        Self { address, held }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until this many requests are held.
    pub(crate) async fn holds(&self, count: usize) {
        until("requests arrive upstream", || self.held().len() >= count).await;
    }

    /// Answers all that are held.
    pub(crate) fn release(&self, body: &str) {
        for mut stream in self.held().drain(..) {
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            // A plugin whose call has ended is not there any more.
            let _ = stream.write_all(answer.as_bytes());
        }
    }
}
