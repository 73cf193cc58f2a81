//! Code that is made after the server has begun to serve: that of plugins which no earlier time has
//! compiled. Those that somebody waits for come first. A plugin for which there can be no code is
//! quarantined.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use wasimancer_runtime::Error as RuntimeError;

use crate::catalog::Catalog;
use crate::entry::Entry;
use crate::error::Cause;
use crate::load::not_compiled;
use crate::parallel;
use crate::plugin::ServedPlugin;
use crate::snapshot::{Origin, Snapshot, ToolsBuilder};

/// How often a module is tried that cannot be compiled at the moment, and how long it rests between: a
/// server whose memory is full at its start has a minute to become itself.
const TRIES_MAX: u32 = 60;
const REST: Duration = Duration::from_secs(1);

/// How many plugins have their code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// Those that have it.
    pub plugins: usize,
    /// All that are served.
    pub of: usize,
}

impl Compiled {
    /// Whether none is missing.
    #[must_use]
    pub fn is_everything(self) -> bool {
        self.plugins == self.of
    }
}

impl Snapshot {
    /// How many of its plugins have their code.
    #[must_use]
    pub fn compiled(&self) -> Compiled {
        let plugins = self.plugins();
        Compiled {
            plugins: plugins
                .iter()
                .filter(|plugin| plugin.module.is_finished())
                .count(),
            of: plugins.len(),
        }
    }
}

/// A plugin without its code, and how often it was tried.
type Pending = (Arc<ServedPlugin>, u32);

impl Catalog {
    /// Makes the code of all plugins that have none, on all cores, and quarantines those for which there
    /// can be none. Blocks for as long as it takes; calls of a plugin move it to the front.
    pub fn compile_rest(&self) {
        let snapshot = self.snapshot();
        let plugins = snapshot.plugins().iter();
        let pending = plugins.filter(|plugin| !plugin.module.is_finished());
        let pending: Vec<Pending> = pending.map(|plugin| (Arc::clone(plugin), 0)).collect();
        drop(snapshot);
        let workers = parallel::cores().min(pending.len());
        let pending = Mutex::new(pending);
        parallel::for_each((0..workers).collect(), |_: usize| {
            while let Some((plugin, tries)) = next(&pending) {
                if !self.compile_pending(&plugin, tries) {
                    thread::sleep(REST);
                    let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
                    pending.push((plugin, tries + 1));
                }
            }
        });
    }

    /// Makes the code of a plugin; false where another time it may be possible.
    fn compile_pending(&self, plugin: &Arc<ServedPlugin>, tries: u32) -> bool {
        let wasm = match self.loader.module_again(plugin) {
            Ok(wasm) => wasm,
            Err(reason) => {
                self.quarantine(plugin, |entry| {
                    entry.wrong_because(Cause::Module, "path", reason);
                });
                return true;
            }
        };
        let Err(error) = plugin.module.finish(&wasm) else {
            return true;
        };
        let is_passing = matches!(
            error,
            RuntimeError::Compiling { .. } | RuntimeError::ServerMemory { .. }
        );
        if is_passing && tries < TRIES_MAX {
            return false;
        }
        self.quarantine(plugin, |entry| {
            not_compiled(&error, Path::new(plugin.path()), entry);
        });
        true
    }

    /// Takes a plugin that is served out of service, unless it is served no longer.
    fn quarantine(&self, plugin: &Arc<ServedPlugin>, tell: impl FnOnce(&mut Entry<'_>)) {
        let _one_at_a_time = self.writing();
        let snapshot = self.snapshot();
        let Some((kind, tools)) = self.loader.home.plugins.as_ref().zip(snapshot.tools()) else {
            return;
        };
        let is_it = |served: &Arc<ServedPlugin>| Arc::ptr_eq(served, plugin);
        if !tools.plugins.iter().any(is_it) {
            return;
        }
        let mut entry = Entry::begin(
            &kind.definition_file,
            "plugin",
            &plugin.node,
            &mut HashSet::new(),
        );
        tell(&mut entry);
        let mut quarantined = tools.origin.quarantined.clone();
        let known = quarantined.len();
        entry.end(&mut quarantined);
        for problem in quarantined[known..]
            .iter()
            .flat_map(|entry| &entry.problems)
        {
            tracing::error!(plugin = plugin.name, "quarantined: {problem}");
        }
        let mut builder = ToolsBuilder::default();
        for plugin in tools.plugins.iter().filter(|served| !is_it(served)) {
            builder.add(Arc::clone(plugin));
        }
        self.swap(snapshot.with_tools(builder.build(Origin {
            digest: tools.origin.digest,
            names: tools.origin.names.clone(),
            quarantined,
            advice: tools.origin.advice.clone(),
        })));
    }
}

/// The plugin whose turn it is: one that somebody waits for, else the first.
fn next(pending: &Mutex<Vec<Pending>>) -> Option<Pending> {
    let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = pending
        .iter()
        .position(|(plugin, _)| plugin.module.is_wanted());
    (!pending.is_empty()).then(|| pending.remove(wanted.unwrap_or(0)))
}
