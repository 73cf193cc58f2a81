//! A function of a plugin that makes what a definition does not hold itself: the contents of a
//! resource, the messages of a prompt, or the completions of an argument.
//!
//! It is named and not resolved, since plugins are published independently of what names them: see
//! [`crate::Snapshot::resolve`].

use crate::capability::Capability;
use crate::node::{Node, Reader};
use crate::returns::Returns;

/// The fields of an entry that name a source.
pub(crate) const SOURCE_FIELDS: [&str; 5] =
    ["plugin", "function", "returns", "mediaType", "requires"];

/// A function of a plugin, by its names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    plugin: String,
    function: String,
    returns: Returns,
    requires: Vec<Capability>,
}

impl Source {
    /// Reads the source of an entry, or else the list under `data`. None where a source is named
    /// wrongly; what is wrong goes to the reader.
    pub(crate) fn read_or<D>(
        entry: &Node,
        data: &str,
        reader: &mut Reader<'_>,
        read_data: impl FnOnce(&mut Reader<'_>) -> D,
    ) -> Option<Made<D>> {
        if ["plugin", "function"]
            .iter()
            .all(|field| entry.get(field).is_none())
        {
            for field in ["returns", "mediaType", "requires"] {
                if entry.get(field).is_some() {
                    let message = "is of a function and there is none: name a `plugin` and its `function`, or leave it out";
                    reader.wrong(entry, field, message);
                }
            }
            return Some(Made::Data(read_data(reader)));
        }
        if entry.get(data).is_some() {
            reader.wrong(
                entry,
                data,
                "stands beside `plugin` and `function`: give one of the two",
            );
        }
        let returns = Returns::read(entry, reader);
        let requires = Capability::read_all(entry, returns.as_ref(), reader);
        let source = Self::named(entry, reader)?;
        Some(Made::Function(Self {
            returns: returns.unwrap_or_default(),
            requires,
            ..source
        }))
    }

    /// Reads the function that completes an argument.
    pub(crate) fn read_completing(argument: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let map = reader.optional_map(argument, "complete")?;
        if argument.get("enum").is_some() {
            let message = "stands beside `enum`: give one of the two";
            reader.wrong(argument, "complete", message);
        }
        let mut inside = reader.inside("complete");
        let unknown = |key: &&String| !matches!(key.as_str(), "plugin" | "function");
        for key in map.fields().iter().map(|(key, _)| key).filter(unknown) {
            inside.wrong(map, key, "means nothing here: write plugin and function");
        }
        Some(Self {
            returns: Returns::Json,
            ..Self::named(map, &mut inside)?
        })
    }

    fn named(map: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let plugin = reader.required_text(map, "plugin", "name the plugin of the function");
        let function = reader.required_text(map, "function", "name the export of the plugin");
        Some(Self {
            plugin: plugin?,
            function: function?,
            returns: Returns::default(),
            requires: Vec::new(),
        })
    }

    /// The name of the plugin.
    #[must_use]
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// The name of the export.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.function
    }

    /// How its output is to be read.
    #[must_use]
    pub fn returns(&self) -> &Returns {
        &self.returns
    }

    /// What it may ask of a client.
    #[must_use]
    pub fn requires(&self) -> &[Capability] {
        &self.requires
    }
}

/// What an entry answers with.
pub(crate) enum Made<D> {
    /// What the definition holds.
    Data(D),
    /// What a function makes.
    Function(Source),
}

impl<D> Made<D> {
    pub(crate) fn source(&self) -> Option<&Source> {
        match self {
            Self::Data(_) => None,
            Self::Function(source) => Some(source),
        }
    }
}

/// A source, and its place in its entry; empty for the entry itself.
pub(crate) type Placed<'s> = (String, &'s Source);

/// Why a source cannot be called.
#[derive(Debug, thiserror::Error)]
pub enum UnresolvedSource {
    /// Its plugin is not there.
    #[error(
        "the function {function:?} of plugin {plugin:?} cannot be called: no such plugin is served; publish it, or name another"
    )]
    Plugin {
        /// The plugin's name.
        plugin: String,
        /// The export's name.
        function: String,
    },

    /// Its plugin is there, and has no such function.
    #[error("the function {function:?} of plugin {plugin:?} cannot be called: {source}")]
    Function {
        /// The plugin's name.
        plugin: String,
        /// The export's name.
        function: String,
        /// What is wrong with the export.
        source: wasimancer_runtime::Error,
    },
}

impl UnresolvedSource {
    /// The field that names what is missing.
    pub(crate) fn field(&self) -> &'static str {
        match self {
            Self::Plugin { .. } => "plugin",
            Self::Function { .. } => "function",
        }
    }
}
