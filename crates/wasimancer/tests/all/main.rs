//! The behaviour of the real binary: as a server, through HTTP, and as a command line.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod admin_address;
mod arguments;
mod authentication;
mod batches;
mod broken_messages;
mod cancellation;
mod changes_told;
mod command_call;
mod command_check;
mod command_inspect;
mod command_line;
#[cfg(target_os = "linux")]
mod compiled_code;
mod compiling;
mod completion;
mod concurrency;
mod configuration;
mod crash;
mod definition_links;
mod discovery;
mod envelopes;
mod eras;
mod examples;
mod faults;
mod filling;
mod foreign_text;
mod full_disk;
mod hand_edits;
mod headers;
mod initialize;
mod kept_instances;
mod last_words;
mod lenient_requests;
mod limits;
mod log_queue;
mod made;
mod many_connections;
mod memory_budget;
mod multipart;
mod notifications;
mod origins;
mod pagination;
mod plugin_answers;
mod plugin_messages;
mod plugin_variables;
mod prompts;
mod publish_beside;
mod publish_data;
mod publish_edges;
mod publish_load;
mod publish_plugins;
mod quarantine;
mod questions;
mod raw_input;
mod resources;
mod resuming;
mod returns;
mod revisions;
mod rounds;
mod secrets;
mod session_streams;
mod sessions;
mod shares;
mod shutdown;
mod signals;
mod silent_calls;
mod slow_clients;
#[cfg(target_os = "linux")]
mod starting;
mod stdio;
mod storage;
mod strangers;
mod subscriptions;
mod support;
mod tasks;
mod threat_model;
mod tokens;
mod tool_names;
mod tools;
mod transport;
mod trusted_proxies;
mod unknown_arguments;
mod unread_bodies;
mod validation;
mod versions;
mod wrong_tokens;
