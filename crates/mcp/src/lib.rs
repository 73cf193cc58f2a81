//! The Model Context Protocol in both of its eras: over Streamable HTTP, on one endpoint, and over
//! standard input and output.
//!
//! The crate promises that each request is served by the revision that it declares: 2026-07-28
//! statelessly, 2025-11-25 and before with or without `initialize`. Whoever subscribes is told when a
//! list or a resource has changed, and holds up neither the publication nor other subscribers. Protocol types are its own,
//! small and borrowed; what exists as bytes is passed on as bytes. It knows nothing of REST, YAML
//! or WebAssembly.

mod answer;
mod block;
mod bounds;
mod caller;
mod capabilities;
mod client;
mod content;
mod conversation;
mod endpoint;
mod era;
mod error;
mod exchange;
mod guard;
mod headers;
mod http;
mod input_required;
mod jsonrpc;
mod listener;
mod media_types;
mod members;
mod message;
mod optional;
mod origin;
mod outbox;
mod outcome;
mod params;
mod question;
mod replay;
mod request_state;
mod revision;
mod round;
mod seldom;
mod server_info;
mod service;
mod sessions;
mod sse;
mod stdio;
mod strict;
mod subscriptions;
mod tasks;
mod text;
mod value_type;
mod wire_2025_11_25;
mod wire_2026_07_28;

pub use crate::http::router;
pub use caller::ClientAddress;
pub use endpoint::Options;
pub use guard::{Admission, Gate, ambiguity, guard_origins};
pub use origin::{AllowedNames, AllowedNamesError};
pub use revision::SUPPORTED_VERSIONS;
pub use seldom::Seldom;
pub use server_info::{Icon, ServerInfo};
pub use stdio::{STDIO_END_GRACE, serve_stdio};
