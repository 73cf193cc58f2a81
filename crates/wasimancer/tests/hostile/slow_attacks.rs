//! The cases, one idea to a file. All of them together take minutes.

mod bulk_memory;
mod clients;
mod conversation;
mod crowds;
mod extism;
mod http;
mod logs;
mod modules;
mod names;
mod patterns;
mod publications;
mod schemas;
mod shutdown;
mod starts;
mod wasi;
