//! A stream's way through time: it waits for a publication, then looks at what it watches.
//!
//! Nothing is queued for a stream. Each looks for itself, one topic after another and only when
//! its connection takes more, so a slow reader finds several changes as one and holds up nobody.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::watch;

use crate::endpoint::Endpoint;
use crate::revision::Era;
use crate::sse::KEEP_ALIVE;
use crate::subscriptions::{Watched, Watchlist, take_turns};

/// What a stream wakes for.
pub(crate) enum Wake {
    /// This has changed.
    Changed(Arc<Watched>),
    /// There was nothing to tell for a while.
    Silence,
    /// The server is shutting down, or the stream gives way to others.
    End,
}

/// Waits for changes on behalf of one stream.
pub(crate) struct Listener {
    endpoint: Arc<Endpoint>,
    era: Era,
    publications: watch::Receiver<()>,
    /// Wakes for every change of a task, where tasks are watched.
    tasks: Option<watch::Receiver<()>>,
    shutdown: watch::Receiver<bool>,
    /// What is yet to be looked at after the last publication.
    unseen: std::vec::IntoIter<Arc<Watched>>,
}

impl Listener {
    /// Misses no publication from now on: make it before the first look at a snapshot.
    pub(crate) fn new(endpoint: &Arc<Endpoint>, era: Era) -> Self {
        Self {
            endpoint: endpoint.clone(),
            era,
            publications: endpoint.catalog.changes(),
            tasks: None,
            shutdown: endpoint.shutdown.clone(),
            unseen: Vec::new().into_iter(),
        }
    }

    /// Misses no change of a task from now on.
    pub(crate) fn watch_tasks(&mut self) {
        self.tasks = Some(self.endpoint.tasks.changes());
        self.look_at_once();
    }

    /// Looks once without waiting for a publication.
    pub(crate) fn look_at_once(&mut self) {
        self.publications.mark_changed();
    }

    /// The next thing to tell.
    pub(crate) async fn next(&mut self, watchlist: &Watchlist) -> Wake {
        loop {
            if *self.shutdown.borrow() {
                return Wake::End;
            }
            while let Some(watched) = self.unseen.next() {
                take_turns(self.unseen.len()).await;
                if watched.look(&self.endpoint.catalog.snapshot(), self.era) {
                    return Wake::Changed(watched);
                }
            }
            tokio::select! {
                // Fails with the end of the process alone, which is a shutdown too.
                _ = self.shutdown.changed() => return Wake::End,
                published = self.publications.changed() => {
                    if published.is_err() {
                        return Wake::End;
                    }
                    self.unseen = watchlist.all().into_iter();
                }
                () = changed(self.tasks.as_mut()) => self.unseen = watchlist.all().into_iter(),
                () = tokio::time::sleep(KEEP_ALIVE) => return Wake::Silence,
            }
        }
    }
}

async fn changed(tasks: Option<&mut watch::Receiver<()>>) {
    if let Some(tasks) = tasks
        && tasks.changed().await.is_ok()
    {
        return;
    }
    // Nothing changes, or nothing can any more.
    pending::<()>().await;
}
