//! The versions of one plugin that are kept: what is served, and what it can be rolled back to.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wasimancer_runtime::Digest;

use crate::plugin::ServedPlugin;

/// The fields of a plugin's entry that say where its module is, and not what the plugin does.
const PLACE_FIELDS: [&str; 2] = ["path", "digest"];

/// One version of a plugin.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Version {
    /// From 1, in the order of publication.
    pub number: u64,
    /// The number of the version that was served before this one was published.
    pub replaced: Option<u64>,
    /// The digest of the module, as `sha256:…`.
    pub digest: String,
    /// Size of the module, in bytes.
    pub size_bytes: u64,
    /// The file's place in the plugins folder.
    pub path: String,
    /// When it was published, in seconds since 1970.
    pub published_at: u64,
    /// The entry, without its place.
    pub(crate) definition: Value,
}

impl Version {
    /// The version that the definition names.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        match self.definition.get("version")? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    /// The digest of the module.
    pub(crate) fn module(&self) -> Option<Digest> {
        self.digest.parse().ok()
    }
}

/// What a plugin is at one moment.
pub(crate) struct Published<'a> {
    /// Its entry.
    pub(crate) definition: &'a Value,
    pub(crate) digest: Digest,
    pub(crate) size_bytes: u64,
}

impl<'a> Published<'a> {
    pub(crate) fn of(plugin: &'a ServedPlugin) -> Self {
        Self {
            definition: &plugin.definition,
            digest: plugin.digest(),
            size_bytes: plugin.size_bytes,
        }
    }

    fn is(&self, version: &Version) -> bool {
        version.digest == pin(&self.digest) && version.definition == without_place(self.definition)
    }
}

/// The value of `digest` in a definition.
pub(crate) fn pin(digest: &Digest) -> String {
    format!("sha256:{digest}")
}

/// The entry without the fields that say where its module is.
pub(crate) fn without_place(definition: &Value) -> Value {
    let mut definition = definition.clone();
    if let Some(fields) = definition.as_object_mut() {
        for field in PLACE_FIELDS {
            fields.shift_remove(field);
        }
    }
    definition
}

/// The versions of one plugin, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub(crate) struct Versions {
    pub(crate) plugin: String,
    pub(crate) versions: Vec<Version>,
}

impl Versions {
    pub(crate) fn new(plugin: &str) -> Self {
        Self {
            plugin: plugin.to_owned(),
            versions: Vec::new(),
        }
    }

    /// The version that a plugin is.
    pub(crate) fn find(&self, published: &Published<'_>) -> Option<&Version> {
        let mut newest_first = self.versions.iter().rev();
        newest_first.find(|version| published.is(version))
    }

    /// Adds what is served, unless it is among them; whether it was added.
    pub(crate) fn ensure(&mut self, published: &Published<'_>) -> bool {
        let is_new = self.find(published).is_none();
        if is_new {
            let replaced = self.versions.last().map(|version| version.number);
            self.push(published, replaced);
        }
        is_new
    }

    /// Adds what was published just now in place of what is `replaced`. A version that is published
    /// again is the newest one again.
    pub(crate) fn publish(&mut self, published: &Published<'_>, replaced: Option<u64>) {
        self.versions.retain(|version| !published.is(version));
        self.push(published, replaced);
    }

    fn push(&mut self, published: &Published<'_>, replaced: Option<u64>) {
        let last = self.versions.iter().map(|version| version.number).max();
        let path = published.definition.get("path").and_then(Value::as_str);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.versions.push(Version {
            number: last.unwrap_or(0) + 1,
            replaced,
            digest: pin(&published.digest),
            size_bytes: published.size_bytes,
            path: path.unwrap_or_default().to_owned(),
            published_at: now.map_or(0, |since| since.as_secs()),
            definition: without_place(published.definition),
        });
    }

    /// Forgets the oldest versions beyond `kept`, but never the one that is served; whether there
    /// were any.
    pub(crate) fn prune(&mut self, kept: usize, served: u64) -> bool {
        let before = self.versions.len();
        while self.versions.len() > kept.max(1) {
            let oldest = self
                .versions
                .iter()
                .position(|version| version.number != served);
            match oldest {
                Some(oldest) => self.versions.remove(oldest),
                None => break,
            };
        }
        self.versions.len() < before
    }

    /// The version before the one that is served: the one in whose place it came.
    pub(crate) fn previous(&self, served: &Version) -> Option<&Version> {
        let replaced = served.replaced?;
        self.versions
            .iter()
            .find(|version| version.number == replaced)
    }

    /// The newest version with this digest, or with this `version` in its definition, other than the
    /// one that is served.
    pub(crate) fn named(&self, name: &str, served: Option<&Version>) -> Option<&Version> {
        let mut newest_first = self.versions.iter().rev();
        newest_first.find(|version| {
            let digits = version.digest.trim_start_matches("sha256:");
            let is_named = version.digest == name
                || digits == name
                || version.version().as_deref() == Some(name);
            is_named && served.is_none_or(|served| served.number != version.number)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn publish(versions: &mut Versions, definition: &Value, replaced: Option<u64>) {
        let published = Published {
            definition,
            digest: Digest::of(definition.to_string().as_bytes()),
            size_bytes: 1,
        };
        versions.publish(&published, replaced);
    }

    fn numbers(versions: &Versions) -> Vec<u64> {
        versions
            .versions
            .iter()
            .map(|version| version.number)
            .collect()
    }

    fn three() -> Versions {
        let mut versions = Versions::new("p");
        publish(&mut versions, &json!({"version": "1"}), None);
        publish(&mut versions, &json!({"version": "2"}), Some(1));
        publish(&mut versions, &json!({"version": "3"}), Some(2));
        versions
    }

    #[test]
    fn the_previous_version_is_the_one_that_was_replaced() {
        let mut versions = three();
        // Back to 2, and from there to 4: whoever rolls that back wants 2, and not the bad 3.
        publish(&mut versions, &json!({"version": "4"}), Some(2));
        let served = versions.versions[3].clone();
        let previous = versions.previous(&served).unwrap();
        assert_eq!(previous.number, 2);
        assert_eq!(versions.previous(previous).unwrap().number, 1);
        assert_eq!(versions.previous(&versions.versions[0]), None);
    }

    #[test]
    fn a_version_that_is_published_again_is_the_newest() {
        let mut versions = three();
        publish(&mut versions, &json!({"version": "1"}), Some(3));
        assert_eq!(numbers(&versions), [2, 3, 4]);
        assert_eq!(versions.previous(&versions.versions[2]).unwrap().number, 3);
    }

    #[test]
    fn the_oldest_are_forgotten_but_never_the_one_that_is_served() {
        let mut versions = three();
        versions.prune(2, 3);
        assert_eq!(numbers(&versions), [2, 3]);
        let mut versions = three();
        versions.prune(2, 1);
        assert_eq!(numbers(&versions), [1, 3]);
        versions.prune(0, 1);
        assert_eq!(numbers(&versions), [1]);
    }

    #[test]
    fn versions_are_named_by_digest_or_version() {
        let versions = three();
        let second = &versions.versions[1];
        for name in [
            &second.digest,
            second.digest.trim_start_matches("sha256:"),
            "2",
        ] {
            assert_eq!(versions.named(name, None), Some(second));
            assert_eq!(versions.named(name, Some(second)), None);
        }
        assert_eq!(versions.named("9", None), None);
        assert_eq!(versions.named("", None), None);
    }

    #[test]
    fn the_place_of_a_module_is_no_part_of_a_version() {
        let mut versions = Versions::new("p");
        let here = json!({"name": "p", "path": "./a.wasm", "digest": "x"});
        let there = json!({"name": "p", "path": "./b.wasm"});
        let published = |definition| Published {
            definition,
            digest: Digest::of(b"m"),
            size_bytes: 1,
        };
        assert!(versions.ensure(&published(&here)));
        assert!(!versions.ensure(&published(&there)));
    }
}
