//! Runs one exported function of a WebAssembly plugin, safely.
//!
//! The crate promises that every call starts from a fresh instance, that it ends at its own
//! deadline and within its own limits whatever the guest does, and that nothing of one call is
//! seen by another, but for plugins that keep instances on purpose. It serves the Extism host ABI,
//! host functions for a conversation with whoever a plugin is called for, and WASI preview 1; it
//! denies everything that a plugin's definition does not grant, and knows nothing of MCP, HTTP
//! servers or YAML.

mod budget;
mod cache;
mod call;
mod compile;
mod compiler;
mod context;
mod conversation;
mod credentials;
mod digest;
mod engine;
mod error;
mod escape;
mod extism;
mod first_look;
mod host;
mod json_tree;
mod kept;
mod limits;
mod outbound_http;
mod outbound_proxy;
mod outline;
mod pace;
mod permissions;
mod plugin_log;
mod precompile;
mod preinit;
mod queue;
mod readiness;
mod requester;
mod resident;
mod resolver;
mod rewrite_json;
mod seats;
mod sections;
mod shares;
mod slice;
mod stderr_tail;
mod turns;
mod under_way;
mod usage;
mod wasi;

pub use budget::{Budget, BudgetUsage, Charge, ChargedBytes, Full, GiveWay, STEP_BYTES};
pub use call::Function;
pub use compile::{Inspection, Plugin, PluginSpec};
pub use compiler::{Allocation, Import};
pub use context::ErrorDetail;
pub use credentials::without_credentials;
pub use digest::{Digest, DigestError};
pub use engine::{EngineOptions, Profile, Runtime};
pub use error::{Error, Result};
pub use escape::{Escaped, escape, is_misleading};
pub use json_tree::charge_json;
pub use kept::{Instances, Reuse};
pub use limits::{Limits, LimitsOverride, UnitError, parse_duration, parse_size};
pub use outbound_proxy::{OutboundProxy, OutboundProxyError};
pub use permissions::{HostRule, HostRuleError, Permissions};
pub use precompile::{CodeOptions, Precompile, Precompiler};
pub use preinit::{Hindrance, Preinit};
pub use requester::{Event, Requester, Severity, SeverityError};
pub use rewrite_json::{RewriteError, rewrite_json};
pub use seats::{Seat, Seats};
pub use shares::{Shares, Ticket, Use};
pub use turns::{Turn, Turns, Waiting};
pub use usage::Usage;
