//! What subscribers watch, and whether it has changed: the same in both eras.
//!
//! Of each thing that is watched only a fingerprint is kept, neither contents nor a snapshot, so
//! that a subscriber is small and keeps nothing alive that is served no more.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::task::yield_now;
use wasimancer_catalog::{List, Snapshot};

use crate::bounds::Held;
use crate::error::Error;
use crate::revision::Era;
use crate::service;
use crate::tasks::Task;

/// Most URIs, and most tasks, that one subscription or session watches. Each URI is read again after
/// a publication.
pub(crate) const TEXTS_MAX: usize = 500;
/// How many topics are looked at before others have the thread, since each URI is read: some tens
/// of microseconds, so that a request waits little however many subscribers there are.
const LOOKS_IN_A_TURN: usize = 16;

/// What can be watched.
pub(crate) enum Topic {
    /// The list of tools.
    Tools,
    /// The lists of resources and of resource templates.
    Resources,
    /// The list of prompts.
    Prompts,
    /// The contents at a URI, whether there are any or not.
    Resource(Held),
    Task(Arc<Task>),
}

impl Topic {
    /// The lists of a snapshot's kinds.
    pub(crate) fn lists(snapshot: &Snapshot) -> impl Iterator<Item = Self> {
        [
            snapshot.serves_tools().then_some(Self::Tools),
            snapshot.serves_resources().then_some(Self::Resources),
            snapshot.serves_prompts().then_some(Self::Prompts),
        ]
        .into_iter()
        .flatten()
    }

    /// The notification of a change.
    pub(crate) fn method(&self) -> &'static str {
        match self {
            Self::Tools => "notifications/tools/list_changed",
            Self::Resources => "notifications/resources/list_changed",
            Self::Prompts => "notifications/prompts/list_changed",
            Self::Resource(_) => "notifications/resources/updated",
            Self::Task(_) => "notifications/tasks",
        }
    }

    /// The URI, where it is one that is watched.
    pub(crate) fn uri(&self) -> Option<&str> {
        match self {
            Self::Resource(uri) => Some(uri.text()),
            Self::Tools | Self::Resources | Self::Prompts | Self::Task(_) => None,
        }
    }

    /// The fields of a notification's params.
    fn params(&self) -> Option<String> {
        match self {
            Self::Tools | Self::Resources | Self::Prompts => None,
            Self::Resource(uri) => Some(format!("\"uri\":{}", Value::from(uri.text()))),
            Self::Task(task) => Some(task.details()),
        }
    }

    /// Differs where what clients of the era are served differs.
    fn fingerprint(&self, snapshot: &Snapshot, era: Era) -> u64 {
        let digest = |list: Option<&List>| list.map(List::digest);
        match self {
            Self::Tools => fingerprint(digest(service::tool_list(snapshot, era))),
            Self::Resources => fingerprint((
                digest(snapshot.resource_list()),
                digest(snapshot.resource_template_list()),
            )),
            Self::Prompts => fingerprint(digest(snapshot.prompt_list())),
            Self::Resource(uri) => fingerprint(snapshot.resource_fingerprint(uri.text())),
            Self::Task(task) => task.version(),
        }
    }

    /// Cheap to compute, and stays only where the fingerprint does: so that a publication of a
    /// prompt, or of a plugin that makes no contents, has no URI read again.
    fn source(&self, snapshot: &Snapshot, era: Era) -> u64 {
        match self {
            Self::Tools | Self::Resources | Self::Prompts | Self::Task(_) => {
                self.fingerprint(snapshot, era)
            }
            Self::Resource(_) => fingerprint(snapshot.resources_digest()),
        }
    }
}

/// Lets others have the thread from time to time, while many topics are looked at; `others` is the
/// number of those before this one, or after it.
pub(crate) async fn take_turns(others: usize) {
    if (others + 1).is_multiple_of(LOOKS_IN_A_TURN) {
        yield_now().await;
    }
}

fn fingerprint(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A topic, and what its subscriber knows of it.
pub(crate) struct Watched {
    topic: Topic,
    /// The fingerprint of what was there when it was last looked at.
    seen: AtomicU64,
    /// The fingerprint of what that depends on, see [`Topic::source`].
    source: AtomicU64,
}

impl Watched {
    /// Begins to watch: what differs from this snapshot is a change.
    pub(crate) fn new(topic: Topic, snapshot: &Snapshot, era: Era) -> Self {
        Self {
            seen: AtomicU64::new(topic.fingerprint(snapshot, era)),
            source: AtomicU64::new(topic.source(snapshot, era)),
            topic,
        }
    }

    /// Begins to watch a task. How far it has come is told first: it may have ended before.
    pub(crate) fn task(task: Arc<Task>) -> Self {
        Self {
            topic: Topic::Task(task),
            seen: AtomicU64::new(u64::MAX),
            source: AtomicU64::new(u64::MAX),
        }
    }

    pub(crate) fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Whether it has changed since the last look.
    pub(crate) fn look(&self, snapshot: &Snapshot, era: Era) -> bool {
        let differs = |before: &AtomicU64, now| before.swap(now, Ordering::Relaxed) != now;
        differs(&self.source, self.topic.source(snapshot, era))
            && differs(&self.seen, self.topic.fingerprint(snapshot, era))
    }

    /// The message that tells of a change; `meta` is the JSON of its `_meta`.
    pub(crate) fn notification(&self, meta: Option<&str>) -> String {
        let meta = meta.map(|meta| format!("\"_meta\":{meta}"));
        let params: Vec<String> = meta.into_iter().chain(self.topic.params()).collect();
        notification(self.topic.method(), &params.join(","))
    }
}

/// Writes a notification from the fields of its params; none has no params.
pub(crate) fn notification(method: &str, params: &str) -> String {
    let params = if params.is_empty() {
        String::new()
    } else {
        format!(",\"params\":{{{params}}}")
    };
    format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\"{params}}}")
}

/// What one subscriber watches.
#[derive(Default)]
pub(crate) struct Watchlist(Mutex<Vec<Arc<Watched>>>);

impl Watchlist {
    pub(crate) fn new(watched: Vec<Arc<Watched>>) -> Self {
        Self(Mutex::new(watched))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Watched>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything on it now.
    pub(crate) fn all(&self) -> Vec<Arc<Watched>> {
        self.lock().clone()
    }

    /// Puts the lists first on it, unless they are there: what a subscriber was told of them stays told.
    pub(crate) fn add_lists(&self, snapshot: &Snapshot, era: Era) {
        let mut watched = self.lock();
        if watched.iter().all(|known| known.topic.uri().is_some()) {
            let watch = |topic| Arc::new(Watched::new(topic, snapshot, era));
            watched.splice(..0, Topic::lists(snapshot).map(watch));
        }
    }

    /// Puts a URI on it, unless it is. `watch` begins to watch it, and must look at the snapshot
    /// that is the current one while it runs: then a change is either before, or a stream finds
    /// the URI on the list when it wakes.
    pub(crate) fn add_uri(
        &self,
        uri: &str,
        watch: impl FnOnce() -> Result<Watched, Error>,
    ) -> Result<(), Error> {
        let mut watched = self.lock();
        let is_known = |known: &Arc<Watched>| known.topic.uri() == Some(uri);
        if watched.iter().any(is_known) {
            return Ok(());
        }
        let uris = watched.iter().filter(|known| known.topic.uri().is_some());
        if uris.count() >= TEXTS_MAX {
            return Err(Error::InvalidParams(format!(
                "`uri`: the session is subscribed to {TEXTS_MAX} resources, and that is the most: unsubscribe from others first"
            )));
        }
        watched.push(Arc::new(watch()?));
        Ok(())
    }

    /// Takes a URI off it, if it is there.
    pub(crate) fn remove_uri(&self, uri: &str) {
        self.lock().retain(|known| known.topic.uri() != Some(uri));
    }
}
