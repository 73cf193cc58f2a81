//! The catalogue's behaviour through its public interface, on real definition files and modules.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod argument_errors;
mod argument_types;
mod calls;
mod config;
mod duplicates;
mod guides;
mod header_parameters;
mod hostile_yaml;
mod input;
mod left_out;
mod limits;
mod lists;
mod loading;
mod near_misses;
mod one_bad_entry;
mod paths;
mod permissions;
mod preinit;
mod prompts;
mod publication;
mod quarantine;
mod raw_input;
mod resource_templates;
mod resources;
mod running_fields;
mod schemas;
mod shown_fields;
mod sources;
mod support;
mod tool_fields;
mod tool_names;
mod validation;
mod yaml;
