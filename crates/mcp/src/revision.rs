//! The revisions that are served, and how they differ.

/// The stateless revision.
pub(crate) const MODERN_VERSION: &str = "2026-07-28";
/// The newest revision with `initialize`.
pub(crate) const LATEST_LEGACY_VERSION: &str = "2025-11-25";
/// The revision of a request that names none and belongs to no session.
pub(crate) const OLDEST_VERSION: &str = "2025-03-26";
/// Every revision that is served, newest first.
pub const SUPPORTED_VERSIONS: [&str; 4] = [
    MODERN_VERSION,
    LATEST_LEGACY_VERSION,
    "2025-06-18",
    OLDEST_VERSION,
];

/// The key under which a result's `_meta` names the server (2026-07-28, basic, "General fields").
pub(crate) const SERVER_INFO_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// The two ways in which revisions differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// 2026-07-28: every request carries its own metadata.
    Modern,
    /// 2025-11-25 and before: `initialize` and sessions.
    Legacy,
}

/// The revision that serves a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revision {
    Modern,
    /// One of the older ones, by its name.
    Legacy(&'static str),
}

impl Revision {
    pub(crate) fn era(self) -> Era {
        match self {
            Self::Modern => Era::Modern,
            Self::Legacy(_) => Era::Legacy,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Modern => MODERN_VERSION,
            Self::Legacy(name) => name,
        }
    }

    /// Whether a content block can be a resource link: since 2025-06-18.
    pub(crate) fn knows_resource_links(self) -> bool {
        self != Self::Legacy(OLDEST_VERSION)
    }

    /// Whether elicitation has modes, and events without data can prime a client: in 2025-11-25, and
    /// modes since.
    pub(crate) fn knows_elicitation_modes(self) -> bool {
        matches!(self, Self::Modern | Self::Legacy(LATEST_LEGACY_VERSION))
    }

    /// Whether batches exist: in 2025-03-26 alone.
    pub(crate) fn has_batches(self) -> bool {
        self == Self::Legacy(OLDEST_VERSION)
    }
}

/// The older revision of this name.
pub(crate) fn legacy(version: &str) -> Option<&'static str> {
    SUPPORTED_VERSIONS[1..]
        .iter()
        .find(|known| **known == version)
        .copied()
}
