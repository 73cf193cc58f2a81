//! How plugins, resources and prompts are changed while the server runs.

use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use wasimancer_catalog::{Settings, WatchTimes};
use wasimancer_runtime::{parse_duration, parse_size};

use super::{ConfigFile, Flags, Resolver};

/// Most bytes of a module that is published: a Go module with its whole runtime has some 10 MiB.
const DEFAULT_UPLOAD_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// How long the files must be left alone before an edit is loaded: longer than an editor or a copy
/// pauses between two writes.
const DEFAULT_SETTLE_TIME: Duration = Duration::from_millis(500);
/// How often files are looked at where the system tells of no edits: soon enough for whoever waits for one,
/// and a thousand files take some milliseconds.
const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(5);

/// How changes are made.
pub(crate) struct Publishing {
    /// Where published modules are kept, relative to the plugins folder.
    pub(crate) upload_folder: PathBuf,
    /// Most bytes of a module that is published.
    pub(crate) upload_max_bytes: u64,
    /// Most versions of a plugin that are kept.
    pub(crate) versions_kept: usize,
    /// Whether definition files are replaced wherever a link leads.
    pub(crate) follow_links: bool,
    /// When edits by hand are noticed and loaded.
    pub(crate) watch: WatchTimes,
    /// Where the administration listens, if not where clients do.
    pub(crate) admin_address: Option<SocketAddr>,
}

impl Resolver<'_> {
    pub(super) fn publishing(
        &mut self,
        flags: &Flags,
        file: &ConfigFile,
        home: &Path,
        plugins: Option<&Path>,
    ) -> Publishing {
        let defaults = Settings::default();
        let given = flags.upload_path.clone();
        let given = given
            .or_else(|| self.variable("UPLOAD_PATH"))
            .map(PathBuf::from);
        let given = given.or_else(|| file.upload_path.as_ref().map(|path| home.join(path)));
        let upload_folder = match (given, plugins) {
            (Some(given), Some(plugins)) => self.inside(&given, plugins),
            _ => None,
        };
        let limit = self.variable("UPLOAD_LIMIT").or(file.upload_limit.clone());
        Publishing {
            upload_folder: upload_folder.unwrap_or(defaults.upload_folder),
            upload_max_bytes: self
                .value("UPLOAD_LIMIT", limit.as_ref(), parse_size)
                .unwrap_or(DEFAULT_UPLOAD_MAX_BYTES),
            versions_kept: self
                .count("versions", file.versions)
                .map_or(defaults.versions_kept, |count| count as usize),
            follow_links: self.switch("WASIMANCER_FOLLOW_LINKS", file.follow_links, false),
            watch: WatchTimes {
                settle: self
                    .value("settle_time", file.settle_time.as_ref(), parse_duration)
                    .unwrap_or(DEFAULT_SETTLE_TIME),
                poll_interval: self
                    .value("poll_interval", file.poll_interval.as_ref(), parse_duration)
                    .unwrap_or(DEFAULT_POLL_INTERVAL),
            },
            admin_address: self.admin_address(flags, file),
        }
    }

    /// The upload folder, relative to the plugins folder.
    fn inside(&mut self, given: &Path, plugins: &Path) -> Option<PathBuf> {
        let absolute = |path: &Path| std::path::absolute(path).ok();
        let inside = absolute(given).and_then(|given| {
            let inside = given.strip_prefix(absolute(plugins)?).ok()?;
            let mut parts = inside.components();
            let is_below = inside.file_name().is_some()
                && parts.all(|part| matches!(part, Component::Normal(_)));
            is_below.then(|| inside.to_owned())
        });
        if inside.is_none() {
            self.errors.push(format!(
                "UPLOAD_PATH: {} is no folder inside {}, where definitions look for modules: choose one there",
                given.display(),
                plugins.display()
            ));
        }
        inside
    }

    fn admin_address(&mut self, flags: &Flags, file: &ConfigFile) -> Option<SocketAddr> {
        let text = flags.admin_address.clone();
        let text = text.or_else(|| self.variable("ADMIN_ADDRESS"));
        let text = text.or_else(|| file.admin_address.clone())?;
        let address = text.parse().ok();
        if address.is_none() {
            self.errors.push(format!(
                "ADMIN_ADDRESS: {text:?} is no IP address with a port: write one such as 127.0.0.1:3002"
            ));
        }
        address
    }
}
