//! The catalogue: the current snapshot behind one atomic pointer.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use wasimancer_runtime::Runtime;

use crate::error::Result;
use crate::load::{Home, Settings, load};
use crate::snapshot::Snapshot;

/// What is on offer.
pub struct Catalog {
    snapshot: ArcSwap<Snapshot>,
    /// Tells of each new snapshot, after it is in place.
    changes: watch::Sender<()>,
}

impl Catalog {
    /// Loads the definition files of a home. Reads files and compiles modules: call it where
    /// blocking is allowed.
    ///
    /// # Errors
    /// When a definition file cannot be read or is malformed as a whole. What is wrong with single
    /// entries is no error: they are quarantined, see [`Snapshot::quarantined`].
    pub fn open(home: &Home, settings: &Settings, runtime: &Runtime) -> Result<Self> {
        Ok(Self {
            snapshot: ArcSwap::from_pointee(load(home, settings, runtime)?),
            changes: watch::Sender::new(()),
        })
    }

    /// What is served now. A caller keeps one snapshot for the whole of a request.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Wakes when another snapshot has taken the place of the one before. Whoever is slow to look
    /// finds the newest one, and holds up nobody.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }
}
