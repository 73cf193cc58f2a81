//! A plugin that is served: its definition, its compiled module and its tools.

use std::sync::Arc;

use serde_json::Value;
use wasimancer_runtime::{Digest, Plugin, Profile, Usage};

use crate::module::Identity;
use crate::node::{Data, Node};
use crate::snapshot::Advice;
use crate::tool::Tool;

/// What stands for the values of `config`, which may be secrets.
const REDACTED: &str = "***";
/// The fields of a plugin that decide how its functions run, beside its module.
const RUNNING_FIELDS: [&str; 8] = [
    "limits",
    "permissions",
    "config",
    "variables",
    "preinit",
    "profile",
    "instances",
    "errors",
];

/// A plugin that is served.
pub struct ServedPlugin {
    pub(crate) name: String,
    pub(crate) node: Node,
    /// The entry as it stands in the definition file.
    pub(crate) definition: Value,
    pub(crate) module: Plugin,
    pub(crate) identity: Identity,
    /// Whether the file at `path` holds the module.
    pub(crate) in_place: bool,
    pub(crate) size_bytes: u64,
    pub(crate) tools: Vec<ServedTool>,
    /// What is not wrong with it, and could be better.
    pub(crate) advice: Vec<Advice>,
}

/// A tool of a plugin, and how it is listed.
pub(crate) struct ServedTool {
    pub(crate) tool: Arc<Tool>,
    /// What its name looks like.
    pub(crate) looks: [String; 2],
    /// What the list of tools shows.
    pub(crate) entry: Value,
}

impl ServedPlugin {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its entry in the definition file, with the values of `config` hidden.
    #[must_use]
    pub fn definition(&self) -> Value {
        without_secrets(self.definition.clone())
    }

    /// Its `version`, as it is written.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        let version = self.node.get("version")?.scalar_text()?;
        Some(version.to_owned())
    }

    /// The digest of its module.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.module.digest()
    }

    /// Whether the start of its module was run in advance.
    #[must_use]
    pub fn is_preinitialized(&self) -> bool {
        self.module.is_preinitialized()
    }

    /// The variables of the server that its definition names. `None`: it may read all that are for
    /// plugins.
    #[must_use]
    pub fn variables(&self) -> Option<Vec<&str>> {
        let Data::List(names) = &self.node.get("variables")?.data else {
            return None;
        };
        Some(names.iter().filter_map(Node::scalar_text).collect())
    }

    /// Whether its module reads configuration.
    #[must_use]
    pub fn reads_configuration(&self) -> bool {
        self.module.reads_configuration()
    }

    /// What its code is compiled for.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.module.profile()
    }

    /// What the calls of its functions have taken.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        self.module.usage()
    }

    /// Size of its module, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The functions that its module exports.
    #[must_use]
    pub fn exports(&self) -> Vec<String> {
        self.module.functions()
    }

    /// The names of its tools, in the order of the definition.
    pub fn tools(&self) -> impl Iterator<Item = &str> {
        self.tools.iter().map(|served| served.tool.name())
    }

    /// The path of its module, as its definition writes it.
    #[must_use]
    pub fn path(&self) -> &str {
        let path = self.definition.get("path").and_then(Value::as_str);
        path.unwrap_or_default()
    }

    /// Whether its definition pins the bytes of its module.
    pub(crate) fn is_pinned(&self) -> bool {
        matches!(self.identity, Identity::Pinned)
    }

    /// A digest of its module and of what decides how its functions run.
    pub(crate) fn running(&self) -> Digest {
        let fields = RUNNING_FIELDS.map(|field| self.definition.get(field));
        Digest::of(format!("{} {fields:?}", self.digest()).as_bytes())
    }

    /// Whether two plugins run their functions alike: one module, one set of limits, permissions and
    /// configuration, one way to start.
    pub(crate) fn runs_like(&self, other: &Self) -> bool {
        let same = |field| match (self.node.get(field), other.node.get(field)) {
            (None, None) => true,
            (Some(field), Some(other)) => field.same_text(other),
            _ => false,
        };
        self.digest() == other.digest() && RUNNING_FIELDS.into_iter().all(same)
    }
}

/// A plugin's definition with the values of `config` hidden.
pub(crate) fn without_secrets(mut definition: Value) -> Value {
    if let Some(config) = definition.get_mut("config") {
        match config {
            Value::Object(values) => values
                .values_mut()
                .for_each(|value| *value = Value::from(REDACTED)),
            other => *other = Value::from(REDACTED),
        }
    }
    definition
}
