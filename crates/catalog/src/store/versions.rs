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
    /// When it was published, in seconds since 1970; none where it was put there by hand.
    pub published_at: Option<u64>,
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
#[derive(Clone, Copy)]
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

    /// What an entry says that is quarantined: where it pins a module, that may be known.
    pub(crate) fn of_quarantined(definition: &'a Value) -> Option<Self> {
        Some(Self {
            definition,
            digest: definition.get("digest")?.as_str()?.parse().ok()?,
            size_bytes: 0,
        })
    }

    /// Whether it is this version.
    pub(crate) fn is(&self, version: &Version) -> bool {
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

/// The versions of one plugin, oldest first, and what is happening to them.
///
/// What is written here precedes the commit of a definition file, so that nothing is forgotten by a
/// process that is killed; [`Versions::reconcile`] holds it against the definition at the next start.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub(crate) struct Versions {
    pub(crate) plugin: String,
    pub(crate) kept: Vec<Version>,
    /// The number of the version that is served, or was when this was written.
    served: Option<u64>,
    /// The number of a version that is being published.
    pending: Option<u64>,
    /// Whether the plugin is being removed.
    removing: bool,
}

impl Versions {
    pub(crate) fn new(plugin: &str) -> Self {
        Self {
            plugin: plugin.to_owned(),
            kept: Vec::new(),
            served: None,
            pending: None,
            removing: false,
        }
    }

    /// The version that a plugin is: by what it is, else the one that was served last.
    pub(crate) fn current(&self, published: Option<Published<'_>>) -> Option<&Version> {
        let known = published.and_then(|published| self.find(&published));
        known.or_else(|| self.numbered(self.served?))
    }

    /// The version with this content.
    pub(crate) fn find(&self, published: &Published<'_>) -> Option<&Version> {
        let mut newest_first = self.kept.iter().rev();
        newest_first.find(|version| published.is(version))
    }

    fn numbered(&self, number: u64) -> Option<&Version> {
        let mut versions = self.kept.iter();
        versions.find(|version| version.number == number)
    }

    /// Takes down what is served; what is unknown is a version that was made by hand.
    pub(crate) fn ensure(&mut self, published: Published<'_>) {
        self.served = match self.find(&published) {
            Some(known) => Some(known.number),
            None => Some(self.push(published, None)),
        };
    }

    /// Takes down what is about to be published, in the place of what is served.
    pub(crate) fn begin(&mut self, published: Published<'_>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        self.pending = Some(self.push(published, Some(now)));
    }

    /// Takes down that the plugin is about to be removed.
    pub(crate) fn begin_removal(&mut self) {
        self.removing = true;
    }

    /// Forgets what was about to happen.
    pub(crate) fn abandon(&mut self) {
        let pending = self.pending.take();
        self.kept.retain(|version| Some(version.number) != pending);
        self.removing = false;
    }

    /// What was pending is served. A version of the same content is the newest one again.
    pub(crate) fn publish(&mut self) {
        let Some(number) = self.pending.take() else {
            return;
        };
        self.served = Some(number);
        if let Some(published) = self.numbered(number).cloned() {
            self.kept.retain(|version| {
                version.number == number
                    || version.digest != published.digest
                    || version.definition != published.definition
            });
        }
    }

    /// A known version is served again, from this place.
    pub(crate) fn roll_back(&mut self, published: Published<'_>) {
        self.ensure(published);
        let (served, path) = (self.served, path_of(published.definition));
        let mut versions = self.kept.iter_mut();
        if let Some(version) = versions.find(|version| Some(version.number) == served) {
            version.path = path;
        }
    }

    /// Makes up for what a killed process did not get to: what the definition says has happened.
    pub(crate) fn reconcile(&mut self, published: Option<Published<'_>>) {
        let is_committed = |version: &Version| published.is_some_and(|found| found.is(version));
        let pending = self.pending.and_then(|number| self.numbered(number));
        if pending.is_some_and(is_committed) {
            self.publish();
        }
        self.abandon();
        if let Some(published) = published.filter(|published| self.find(published).is_some()) {
            self.ensure(published);
        }
    }

    /// Whether a removal was begun.
    pub(crate) fn is_being_removed(&self) -> bool {
        self.removing
    }

    fn push(&mut self, published: Published<'_>, published_at: Option<u64>) -> u64 {
        let last = self.kept.iter().map(|version| version.number).max();
        let number = last.unwrap_or(0) + 1;
        self.kept.push(Version {
            number,
            replaced: self.served,
            digest: pin(&published.digest),
            size_bytes: published.size_bytes,
            path: path_of(published.definition),
            published_at,
            definition: without_place(published.definition),
        });
        number
    }

    /// Forgets the oldest versions beyond `kept`, but neither the one that is served nor the one that
    /// a rollback leads to; whether there were any.
    pub(crate) fn prune(&mut self, kept: usize) -> bool {
        let before = self.kept.len();
        let served = self.served.and_then(|number| self.numbered(number));
        let spared = [self.served, served.and_then(|served| served.replaced)];
        while self.kept.len() > kept.max(1) {
            let mut versions = self.kept.iter();
            match versions.position(|version| !spared.contains(&Some(version.number))) {
                Some(oldest) => self.kept.remove(oldest),
                None => break,
            };
        }
        self.kept.len() < before
    }

    /// The version before another: the one in whose place it came.
    pub(crate) fn previous(&self, current: &Version) -> Option<&Version> {
        self.numbered(current.replaced?)
    }

    /// The version with this digest, or with this `version` in its definition: the one that is
    /// served if it is one of them, else the newest.
    pub(crate) fn named<'v>(
        &'v self,
        name: &str,
        current: Option<&'v Version>,
    ) -> Option<&'v Version> {
        let is_named = |version: &&Version| {
            version.digest == name
                || version.digest.trim_start_matches("sha256:") == name
                || version.version().as_deref() == Some(name)
        };
        let mut newest_first = self.kept.iter().rev();
        current
            .filter(is_named)
            .or_else(|| newest_first.find(is_named))
    }
}

fn path_of(definition: &Value) -> String {
    let path = definition.get("path").and_then(Value::as_str);
    path.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn published(definition: &Value) -> Published<'_> {
        Published {
            definition,
            digest: Digest::of(without_place(definition).to_string().as_bytes()),
            size_bytes: 1,
        }
    }

    fn publish(versions: &mut Versions, definition: &Value) {
        versions.begin(published(definition));
        versions.publish();
    }

    fn numbers(versions: &Versions) -> Vec<u64> {
        let versions = versions.kept.iter();
        versions.map(|version| version.number).collect()
    }

    fn version(number: u64) -> Value {
        json!({"version": number.to_string()})
    }

    fn three() -> Versions {
        let mut versions = Versions::new("p");
        (1..=3).for_each(|number| publish(&mut versions, &version(number)));
        versions
    }

    fn previous(versions: &Versions, definition: &Value) -> Option<u64> {
        let current = versions.current(Some(published(definition)))?;
        versions.previous(current).map(|version| version.number)
    }

    #[test]
    fn the_previous_version_is_the_one_that_was_replaced() {
        let mut versions = three();
        assert_eq!(previous(&versions, &version(3)), Some(2));
        versions.roll_back(published(&version(2)));
        // Whoever rolls the fourth one back wants 2 again, and not the bad 3.
        publish(&mut versions, &version(4));
        assert_eq!(previous(&versions, &version(4)), Some(2));
        assert_eq!(previous(&versions, &version(2)), Some(1));
        assert_eq!(previous(&versions, &version(1)), None);
        // The same for an entry that was edited by hand after a rollback.
        let mut versions = three();
        versions.roll_back(published(&version(2)));
        versions.ensure(published(&json!({"version": "by hand"})));
        assert_eq!(previous(&versions, &json!({"version": "by hand"})), Some(2));
        // One that is quarantined and unknown is in the place of the one that was served.
        assert_eq!(three().current(None).unwrap().number, 3);
    }

    #[test]
    fn a_version_that_is_published_again_is_the_newest() {
        let mut versions = three();
        publish(&mut versions, &version(1));
        assert_eq!(numbers(&versions), [2, 3, 4]);
        assert_eq!(previous(&versions, &version(1)), Some(3));
    }

    #[test]
    fn what_was_begun_is_made_up_for_or_forgotten() {
        for (found, expected) in [(version(4), vec![1, 2, 3, 4]), (version(3), vec![1, 2, 3])] {
            let mut versions = three();
            versions.begin(published(&version(4)));
            versions.reconcile(Some(published(&found)));
            assert_eq!(numbers(&versions), expected);
            let served = versions.current(None).unwrap();
            assert!(published(&found).is(served));
            assert_eq!(versions.pending, None);
        }
        // Published again what was there before, and killed before the commit: nothing is lost.
        let mut versions = three();
        versions.begin(published(&version(1)));
        versions.reconcile(Some(published(&version(3))));
        assert_eq!(versions, three());
        // A rollback needs no mark: the definition tells.
        let mut versions = three();
        versions.reconcile(Some(published(&version(2))));
        assert_eq!(versions.current(None).unwrap().number, 2);
        // A removal that was not committed is forgotten.
        let mut versions = three();
        versions.begin_removal();
        versions.reconcile(Some(published(&version(3))));
        assert_eq!(versions, three());
    }

    #[test]
    fn the_oldest_are_forgotten_but_not_what_a_rollback_leads_to() {
        let mut versions = three();
        assert!(versions.prune(2));
        assert_eq!(numbers(&versions), [2, 3]);
        assert!(!versions.prune(2));
        let mut versions = three();
        versions.roll_back(published(&version(1)));
        publish(&mut versions, &version(4));
        versions.prune(2);
        assert_eq!(numbers(&versions), [1, 4]);
        versions.prune(0);
        assert_eq!(numbers(&versions), [1, 4]);
    }

    #[test]
    fn versions_are_named_by_digest_or_version() {
        let versions = three();
        let second = &versions.kept[1];
        for name in [
            &second.digest,
            second.digest.trim_start_matches("sha256:"),
            "2",
        ] {
            assert_eq!(versions.named(name, None), Some(second));
            assert_eq!(versions.named(name, Some(second)), Some(second));
        }
        assert_eq!(versions.named("9", None), None);
        assert_eq!(versions.named("", None), None);
        // Of several with one name it is the one that is served, so that trying again changes nothing.
        let mut versions = three();
        publish(
            &mut versions,
            &json!({"version": "2", "description": "another"}),
        );
        assert_eq!(versions.named("2", None).unwrap().number, 4);
        let second = &versions.kept[1];
        assert_eq!(versions.named("2", Some(second)), Some(second));
    }

    #[test]
    fn the_place_of_a_module_is_no_part_of_a_version() {
        let mut versions = Versions::new("p");
        let here = json!({"name": "p", "path": "./a.wasm", "digest": "x"});
        let there = json!({"name": "p", "path": "./b.wasm"});
        versions.ensure(published(&here));
        versions.roll_back(published(&there));
        assert_eq!(numbers(&versions), [1]);
        assert_eq!(versions.kept[0].path, "./b.wasm");
    }
}
