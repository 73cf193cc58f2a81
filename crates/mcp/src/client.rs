//! The client of one request: what it can do, and what it wants to hear while it waits.

use std::fmt::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::{Value, json};
use wasimancer_runtime::{Event, Requester, Severity};

use crate::caller::Caller;
use crate::capabilities::Capabilities;
use crate::outbox::Outbox;
use crate::revision::Revision;
use crate::subscriptions::notification;
use crate::tasks::Task;

/// The client of one request.
pub(crate) struct Client {
    pub(crate) revision: Revision,
    pub(crate) caller: Caller,
    pub(crate) capabilities: Capabilities,
    /// The least severe messages of a plugin's log that it wants to hear.
    pub(crate) log: Option<Severity>,
    /// What reports of progress are to name, as JSON.
    pub(crate) progress_token: Option<Box<str>>,
    pub(crate) outbox: Outbox,
    /// How far the request has come, over all of its rounds.
    pub(crate) progress: Mutex<Option<f64>>,
    /// The task that its request has become.
    pub(crate) task: OnceLock<Arc<Task>>,
}

impl Client {
    /// The notification of what a plugin tells; none where the client does not want it.
    fn message(&self, event: Event) -> Option<String> {
        match event {
            Event::Progress {
                progress,
                total,
                message,
            } => {
                let token = self.progress_token.as_ref()?;
                self.advance(progress.get().parse().ok()?)?;
                let mut params = format!("\"progressToken\":{token},\"progress\":{progress}");
                if let Some(total) = total {
                    let _ = write!(params, ",\"total\":{total}");
                }
                if let Some(message) = message {
                    let _ = write!(params, ",\"message\":{}", Value::from(message));
                }
                let method = "notifications/progress";
                Some(notification(method, &params))
            }
            Event::Log {
                severity,
                logger,
                data,
            } => {
                let mut params = format!("\"level\":\"{severity}\"");
                if let Some(logger) = logger {
                    let _ = write!(params, ",\"logger\":{}", Value::from(logger));
                }
                let _ = write!(params, ",\"data\":{data}");
                let method = "notifications/message";
                Some(notification(method, &params))
            }
            Event::Release => {
                // The stateless revision has nothing to come back to.
                if self.revision != Revision::Modern {
                    self.outbox.release();
                }
                None
            }
        }
    }

    /// Remembers progress; none where it is no further than before (patterns/progress).
    fn advance(&self, progress: f64) -> Option<()> {
        let mut before = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if before.is_some_and(|before| progress <= before) {
            return None;
        }
        *before = Some(progress);
        Some(())
    }

    /// Passes on what a plugin tells.
    pub(crate) fn tell(&self, event: Event) {
        if let Some(task) = self.task.get() {
            task.report(event);
        } else if let Some(message) = self.message(event) {
            self.outbox.send(message);
        }
    }

    /// The least severe messages that it hears.
    pub(crate) fn hears(&self) -> Option<Severity> {
        let is_heard = self.task.get().is_none() && !self.outbox.is_closed();
        self.log.filter(|_| is_heard)
    }

    /// What a plugin may know of it and of its request, which is about a name or URI.
    pub(crate) fn describe(&self, method: &str, name: &str) -> String {
        let about = if method == "resources/read" {
            "uri"
        } else {
            "name"
        };
        let description = json!({
            "method": method,
            about: name,
            "protocolVersion": self.revision.name(),
            "clientCapabilities": self.capabilities.to_json(),
        });
        description.to_string()
    }
}

/// A client that hears what a plugin tells as it comes.
pub(crate) struct Listening {
    pub(crate) client: Arc<Client>,
    pub(crate) method: &'static str,
    /// The name or URI that the request is about.
    pub(crate) name: String,
}

impl Requester for Listening {
    fn key(&self) -> u64 {
        self.client.caller.key()
    }

    fn describe(&self) -> String {
        self.client.describe(self.method, &self.name)
    }

    fn log(&self) -> Option<Severity> {
        self.client.hears()
    }

    fn tell(&self, event: Event) {
        self.client.tell(event);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;
    use wasimancer_runtime::Budget;

    use super::*;
    use crate::outbox::{Sent, channel};

    #[test]
    fn progress_grows_over_all_rounds() {
        let (outbox, mut inbox) = channel(&Budget::default());
        let client = Client {
            revision: Revision::Legacy("2025-11-25"),
            caller: Caller::default(),
            capabilities: Capabilities::default(),
            log: None,
            progress_token: Some("7".into()),
            outbox,
            progress: Mutex::default(),
            task: OnceLock::new(),
        };
        for progress in [0, 1, 1, 0, 2] {
            client.tell(Event::Progress {
                progress: to_raw_value(&progress).unwrap(),
                total: None,
                message: None,
            });
        }
        let mut told = Vec::new();
        while let Ok(Sent::Message(message)) = inbox.try_recv() {
            let message: Value = serde_json::from_str(message.as_str()).unwrap();
            told.push(message["params"]["progress"].as_u64().unwrap());
        }
        assert_eq!(told, [0, 1, 2]);
    }
}
