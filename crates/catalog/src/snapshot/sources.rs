//! The functions that resources and prompts name, and the plugins that have them.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;
use wasimancer_runtime::{Digest, Function};

use super::{Resources, Snapshot, Tools};
use crate::read::Read;
use crate::source::{Placed, Source, UnresolvedSource};

impl Snapshot {
    /// The function that a source names, among the plugins that are served now.
    ///
    /// # Errors
    /// When there is no such plugin, or it has no such function.
    pub fn resolve(&self, source: &Source) -> Result<Function, UnresolvedSource> {
        let (plugin, function) = (source.plugin().to_owned(), source.function().to_owned());
        match self.plugin(source.plugin()) {
            None => Err(UnresolvedSource::Plugin { plugin, function }),
            Some(served) => served.module.function(source.function()).map_err(|source| {
                UnresolvedSource::Function {
                    plugin,
                    function,
                    source,
                }
            }),
        }
    }

    /// What stays while a URI reads the same, as far as that is known without a call: a hash of the
    /// contents, or of the function that makes them with its plugin's module and how it runs.
    #[must_use]
    pub fn resource_fingerprint(&self, uri: &str) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        match self.resource(uri)? {
            Read::Contents(contents) => contents.hash(&mut hasher),
            Read::TooLong { limit } => limit.hash(&mut hasher),
            Read::Function(call) => {
                let plugin = self.plugin(call.source.plugin());
                let running = plugin.map(|plugin| plugin.running());
                (call.source, &call.input, call.mime_type, running).hash(&mut hasher);
            }
        }
        Some(hasher.finish())
    }

    /// Stays only while each URI's [fingerprint](Self::resource_fingerprint) does: a digest of the
    /// definitions of resources, and of the plugins that make contents.
    #[must_use]
    pub fn resources_digest(&self) -> Option<Digest> {
        self.resources_digest
    }

    /// What is wrong with the functions that resources and prompts name, as sentences in
    /// alphabetical order. The entries are served all the same: a plugin may come.
    pub(crate) fn unresolved(&self) -> BTreeSet<String> {
        let resources = self
            .resources
            .iter()
            .flat_map(|resources| resources.sources());
        let prompts = self.prompts.iter().flat_map(|prompts| {
            let prompts = prompts.by_name.values();
            prompts.flat_map(|prompt| {
                let entry = format!("prompt {:?}", prompt.name);
                prompt.sources().map(move |placed| (entry.clone(), placed))
            })
        });
        let unresolved = resources.chain(prompts).filter_map(|(entry, placed)| {
            let (place, source) = placed;
            let error = self.resolve(source).err()?;
            let dot = if place.is_empty() { "" } else { "." };
            Some(format!("{entry}: {place}{dot}{}: {error}", error.field()))
        });
        unresolved.collect()
    }
}

impl Resources {
    /// Every function that a resource names, and what messages call the resource.
    fn sources(&self) -> impl Iterator<Item = (String, Placed<'_>)> {
        let called = |entry: &Value| format!("resource {}", entry["name"]);
        let fixed = self.by_uri.values().flat_map(move |resource| {
            let sources = resource.sources();
            sources.map(move |placed| (called(&resource.entry), placed))
        });
        let templates = self.templates.iter().flat_map(move |template| {
            let sources = template.sources();
            sources.map(move |placed| (called(&template.entry), placed))
        });
        fixed.chain(templates)
    }
}

/// See [`Snapshot::resources_digest`].
pub(super) fn resources_digest(
    resources: Option<&Resources>,
    tools: Option<&Tools>,
) -> Option<Digest> {
    let resources = resources?;
    let sources = resources.sources().map(|(_, (_, source))| source.plugin());
    let plugins: BTreeSet<&str> = sources.collect();
    if plugins.is_empty() {
        return Some(resources.origin.digest);
    }
    let mut text = resources.origin.digest.to_string();
    for name in plugins {
        let plugin = tools.and_then(|tools| tools.plugin(name));
        let _ = write!(text, " {:?}", plugin.map(|plugin| plugin.running()));
    }
    Some(Digest::of(text.as_bytes()))
}
