//! Whoever a function is called for: what the plugin may know of them, and tell them while it runs.

use std::fmt;
use std::str::FromStr;

use serde_json::value::RawValue;
use tracing::Level;

/// How severe a message is, least first (RFC 5424, section 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Detailed information for whoever looks for a fault.
    Debug,
    /// What happens in the ordinary course.
    Info,
    /// Normal, but significant.
    Notice,
    /// A warning.
    Warning,
    /// A failure.
    Error,
    /// A component fails.
    Critical,
    /// Something must be done at once.
    Alert,
    /// The system cannot be used.
    Emergency,
}

impl Severity {
    /// Every severity, least first.
    pub const ALL: [Self; 8] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Alert,
        Self::Emergency,
    ];

    /// Its name, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }

    /// What a level of the Extism log functions means.
    pub(crate) fn of(level: Level) -> Self {
        match level {
            Level::TRACE | Level::DEBUG => Self::Debug,
            Level::INFO => Self::Info,
            Level::WARN => Self::Warning,
            Level::ERROR => Self::Error,
        }
    }

    /// The level in the server's own log.
    pub(crate) fn level(self) -> Level {
        match self {
            Self::Debug => Level::DEBUG,
            Self::Info | Self::Notice => Level::INFO,
            Self::Warning => Level::WARN,
            Self::Error | Self::Critical | Self::Alert | Self::Emergency => Level::ERROR,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A word that names no severity.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "is {0:?} and must be one of debug, info, notice, warning, error, critical, alert, emergency"
)]
pub struct SeverityError(String);

impl FromStr for Severity {
    type Err = SeverityError;

    fn from_str(name: &str) -> Result<Self, SeverityError> {
        let mut all = Self::ALL.into_iter();
        all.find(|severity| severity.name() == name)
            .ok_or_else(|| SeverityError(name.to_owned()))
    }
}

/// What a plugin tells its requester while it runs.
#[derive(Clone, Debug)]
pub enum Event {
    /// How far it has come.
    Progress {
        /// Grows with each report: the JSON of a number.
        progress: Box<RawValue>,
        /// What it will be at the end, where that is known.
        total: Option<Box<RawValue>>,
        /// A sentence for people.
        message: Option<String>,
    },
    /// A message of its log.
    Log {
        /// How severe it is.
        severity: Severity,
        /// Which part of the plugin it comes from.
        logger: Option<String>,
        /// A text, or any other JSON.
        data: Box<RawValue>,
    },
    /// The requester's connection may be closed, where they can come back for the rest.
    Release,
}

/// Whoever a function is called for.
///
/// Its methods are called on the thread that runs the guest, and must not block.
pub trait Requester: Send + Sync {
    /// Tells requesters apart: calls of one plugin take turns by it, so that nobody's many calls stand
    /// before another's one.
    fn key(&self) -> u64;

    /// What the host function `request` answers: a JSON object.
    fn describe(&self) -> String;

    /// The least severe messages of the log that are told; none for no messages.
    fn log(&self) -> Option<Severity>;

    /// Takes what the plugin tells. Progress is told to everyone.
    fn tell(&self, event: Event);
}

/// Somebody who wants to hear nothing but the output.
pub(crate) struct Nobody;

impl Requester for Nobody {
    fn key(&self) -> u64 {
        0
    }

    fn describe(&self) -> String {
        "{}".to_owned()
    }

    fn log(&self) -> Option<Severity> {
        None
    }

    fn tell(&self, _: Event) {}
}
