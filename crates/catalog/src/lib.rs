//! What a server offers: tools, resources and prompts, as their definition files say.
//!
//! The crate promises that what is served is one immutable snapshot behind one pointer: a reader
//! takes it with a single atomic load and never waits, and nothing is parsed, compiled or listed
//! anew for a call. A definition that is wrong is quarantined with every reason; the rest serves.
//! A change is a transaction: whenever the process is killed, the next one serves what was served
//! before the change, or after it.
//! The crate knows nothing of HTTP or MCP.

mod additional_arguments;
mod apart;
mod arguments;
mod block;
mod capability;
mod catalog;
mod changes;
mod choices;
mod compile_rest;
mod date_time;
mod definition;
mod definition_file;
mod entry;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod header_parameters;
mod home;
mod input;
mod lints;
mod list;
mod load;
mod module;
mod near_miss;
mod node;
mod output_schema;
mod parallel;
mod plugin;
mod prompt;
mod publish;
mod read;
mod references;
mod regular_file;
mod resource;
mod returns;
mod scalar;
mod schema;
mod schema_bounds;
mod schema_keywords;
mod shown;
mod shown_schema;
mod snapshot;
mod source;
mod store;
mod subschemas;
mod surrogates;
mod task_policy;
mod template;
mod tool;
mod tool_names;
mod uri;
mod uri_syntax;
mod uri_template;
mod validation;
mod version;
mod watch;
mod whole_number;
mod yaml;

pub use additional_arguments::AdditionalArguments;
pub use apart::apart;
pub use arguments::ArgumentsError;
pub use capability::Capability;
pub use catalog::Catalog;
pub use changes::{Changes, Difference};
pub use choices::Choices;
pub use compile_rest::Compiled;
pub use definition::VARIABLES_PREFIX;
pub use error::{Cause, Error, Problem, Result};
pub use header_parameters::HeaderParameter;
pub use home::{Home, Kind, Settings};
pub use lints::Lint;
pub use list::{List, PAGE_ENTRIES};
pub use load::Definitions;
pub use plugin::ServedPlugin;
pub use prompt::{Message, MessageContent, Prompt};
pub use publish::{Change, Data, Publication, Request, Upload};
pub use read::{Read, ResourceCall};
pub use regular_file::read_text as read_regular_text;
pub use resource::ResourceTemplate;
pub use returns::Returns;
pub use shown_schema::Schemas;
pub use snapshot::{Advice, Counts, Defined, Quarantined, Snapshot};
pub use source::{Source, UnresolvedSource};
pub use store::{Incoming, Version};
pub use task_policy::TaskPolicy;
pub use tool::{InputError, OutputError, Tool};
pub use wasimancer_runtime::{Budget, Charge, ChargedBytes, Digest, Escaped, Full, Profile};
pub use watch::{Noticing, Watch, WatchTimes};
pub use whole_number::{WholeNumber, push_json};
