//! What a server offers: tools, resources and prompts, as their definition files say.
//!
//! The crate promises that what is served is one immutable snapshot behind one pointer: a reader
//! takes it with a single atomic load and never waits, and nothing is parsed, compiled or listed
//! anew for a call. A definition that is wrong is quarantined with every reason; the rest serves.
//! The crate knows nothing of HTTP or MCP.

mod arguments;
mod catalog;
mod definition;
mod error;
mod header_parameters;
mod list;
mod load;
mod node;
mod prompt;
mod resource;
mod scalar;
mod schema;
mod shown;
mod snapshot;
mod store;
mod template;
mod tool;
mod uri_template;
mod yaml;

pub use arguments::ArgumentsError;
pub use catalog::Catalog;
pub use definition::Returns;
pub use error::{Error, Problem, Result};
pub use header_parameters::HeaderParameter;
pub use list::{List, PAGE_ENTRIES};
pub use load::{Home, Kind, Settings};
pub use prompt::{Message, MessageContent, Prompt};
pub use resource::{ResourceTemplate, StaticResource};
pub use schema::OutputError;
pub use snapshot::{Counts, Quarantined, Snapshot};
pub use tool::Tool;
