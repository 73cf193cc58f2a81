//! The revisions that are served, and how they differ.

/// The stateless revision.
pub(crate) const MODERN_VERSION: &str = "2026-07-28";
/// The newest revision with `initialize`.
pub(crate) const LATEST_LEGACY_VERSION: &str = "2025-11-25";
/// The revision of a request that names none and belongs to no session.
pub(crate) const UNNAMED_VERSION: &str = "2025-03-26";
/// The revision of clients that know no other. They agree to it when they initialize, and name it nowhere
/// else; its own transport over HTTP is not served.
pub(crate) const OLDEST_VERSION: &str = "2024-11-05";
/// Every revision that a request can name, newest first.
pub const SUPPORTED_VERSIONS: [&str; 4] = [
    MODERN_VERSION,
    LATEST_LEGACY_VERSION,
    "2025-06-18",
    UNNAMED_VERSION,
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
    /// The one that serves requests which name none and belong to no session.
    Unnamed,
}

impl Revision {
    pub(crate) fn era(self) -> Era {
        match self {
            Self::Modern => Era::Modern,
            Self::Legacy(_) | Self::Unnamed => Era::Legacy,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Modern => MODERN_VERSION,
            Self::Legacy(name) => name,
            Self::Unnamed => UNNAMED_VERSION,
        }
    }

    /// Whether a content block can be a resource link: since 2025-06-18.
    pub(crate) fn knows_resource_links(self) -> bool {
        !matches!(self.name(), UNNAMED_VERSION | OLDEST_VERSION)
    }

    /// Whether a content block can be audio: since 2025-03-26.
    pub(crate) fn knows_audio(self) -> bool {
        self.name() != OLDEST_VERSION
    }

    /// Whether a result can have structured content. Its revision has had it since 2025-06-18, and the one
    /// before passes on what it does not know.
    pub(crate) fn knows_structured_content(self) -> bool {
        self.name() != OLDEST_VERSION
    }

    /// Whether clients take a text that is a number, a boolean, null or a list for structured content which
    /// is malformed. They may name no revision.
    pub(crate) fn reads_texts_as_values(self) -> bool {
        matches!(
            self,
            Self::Legacy("2025-06-18" | LATEST_LEGACY_VERSION) | Self::Unnamed
        )
    }

    /// Whether elicitation has modes, and events without data can prime a client: in 2025-11-25, and
    /// modes since.
    pub(crate) fn knows_elicitation_modes(self) -> bool {
        matches!(self, Self::Modern | Self::Legacy(LATEST_LEGACY_VERSION))
    }

    /// Whether batches exist: in 2025-03-26 alone.
    pub(crate) fn has_batches(self) -> bool {
        self.name() == UNNAMED_VERSION
    }
}

/// The older revision that a client can agree to by this name.
pub(crate) fn agreed(version: &str) -> Option<&'static str> {
    if version == OLDEST_VERSION {
        return Some(OLDEST_VERSION);
    }
    legacy(version)
}

/// The older revision that a request can name so.
pub(crate) fn legacy(version: &str) -> Option<&'static str> {
    SUPPORTED_VERSIONS[1..]
        .iter()
        .find(|known| **known == version)
        .copied()
}
