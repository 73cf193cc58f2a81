//! What the tests share: homes, the server as a child process, clients of both eras.

mod client;
mod events;
mod home;
mod operator;
mod server;
pub(crate) mod spec;
mod upstream;

use std::time::{Duration, Instant};

pub(crate) use client::{
    Answer, Client, LEGACY, MODERN, OLDEST, REVISIONS, SERVER_INFO_KEY, connect_from, exchange,
    http_client,
};
pub(crate) use events::Events;
pub(crate) use home::{Home, assemble, examples_folder, fixtures_folder, guest_module};
pub(crate) use operator::{Operator, Sample, answer, files, speaking};
pub(crate) use server::{
    Captured, Ended, Launch, Server, command, examples, finish, fixtures, guest,
};
pub(crate) use upstream::Upstream;

/// How long a test waits for what must come; far longer than any of it takes.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// The clients' token of every server that is not told otherwise.
pub(crate) const TOKEN: &str = "client-token-7f3a";
/// The operators' token.
pub(crate) const ADMIN_TOKEN: &str = "admin-token-9c2e";

/// Polls until the condition holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The same where there is no asynchronous runtime.
pub(crate) fn until_blocking(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
