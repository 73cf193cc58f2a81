//! What every call of one plugin shares.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use tracing::Level;

use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::outbound_http::Outbound;
use crate::permissions::Permissions;

/// Longest message of a plugin that reaches the log, in bytes; the rest is cut.
pub(crate) const LOG_MESSAGE_MAX_BYTES: usize = 4096;
/// Most bytes that one call can send to the log by each way: its log functions, its standard output
/// and its standard error.
pub(crate) const LOG_CALL_MAX_BYTES: usize = 64 * 1024;

/// What every call of one plugin shares.
pub(crate) struct Context {
    /// The plugin's name, for the log.
    pub(crate) name: String,
    pub(crate) limits: Limits,
    pub(crate) permissions: Permissions,
    /// What `config_get` answers.
    pub(crate) config: BTreeMap<String, String>,
    /// Made at the first request, so that a plugin that never asks costs nothing.
    outbound: OnceLock<Result<Outbound, String>>,
}

impl Context {
    pub(crate) fn new(
        name: String,
        limits: Limits,
        permissions: Permissions,
        config: BTreeMap<String, String>,
    ) -> Self {
        Self {
            name,
            limits,
            permissions,
            config,
            outbound: OnceLock::new(),
        }
    }

    /// That of a module which nobody has published, without permissions and configuration.
    pub(crate) fn of_nobody(limits: Limits) -> Self {
        let permissions = Permissions::default();
        Self::new(String::new(), limits, permissions, BTreeMap::new())
    }

    /// The same with an HTTP client of its own, which does not outlive the scheduler it is made on.
    pub(crate) fn anew(&self) -> Self {
        let (name, limits) = (self.name.clone(), self.limits.clone());
        Self::new(name, limits, self.permissions.clone(), self.config.clone())
    }

    /// The HTTP client that knows this plugin's permissions.
    pub(crate) fn outbound(&self) -> Result<&Outbound> {
        self.outbound
            .get_or_init(|| Outbound::new(self.permissions.clone(), self.limits.http_response))
            .as_ref()
            .map_err(|reason| Error::Http {
                reason: reason.clone(),
            })
    }

    /// Says in the log that a call has written all that it may.
    pub(crate) fn log_is_full(&self) {
        self.log(
            Level::WARN,
            "wrote more than the log takes from one call; the rest is left out",
        );
    }

    /// Writes a message of the plugin to the log, cut at [`LOG_MESSAGE_MAX_BYTES`].
    pub(crate) fn log(&self, level: Level, message: &str) {
        let end = message.floor_char_boundary(LOG_MESSAGE_MAX_BYTES);
        let plugin = self.name.as_str();
        let message = one_line(&message[..end]);
        match level {
            Level::ERROR => tracing::error!(target: "wasimancer::plugin", plugin, "{message}"),
            Level::WARN => tracing::warn!(target: "wasimancer::plugin", plugin, "{message}"),
            Level::INFO => tracing::info!(target: "wasimancer::plugin", plugin, "{message}"),
            Level::DEBUG => tracing::debug!(target: "wasimancer::plugin", plugin, "{message}"),
            Level::TRACE => tracing::trace!(target: "wasimancer::plugin", plugin, "{message}"),
        }
    }
}

/// The message with its control characters escaped, so that it cannot pass for lines of others.
fn one_line(message: &str) -> Cow<'_, str> {
    let forges = |c: char| c.is_control() && c != '\t';
    if !message.contains(forges) {
        return Cow::Borrowed(message);
    }
    let escape = |c: char| {
        if forges(c) {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    Cow::Owned(message.chars().map(escape).collect())
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_message_is_one_line() {
        assert_eq!(one_line("plain żółw\t!"), "plain żółw\t!");
        assert_eq!(
            one_line("hi\n2026 WARN forged\r\0"),
            "hi\\n2026 WARN forged\\r\\u{0}"
        );
    }
}
