//! Sessions of the older era: small, bounded in number, expiring. They are optional: a client that
//! gets no id is served all the same.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Most sessions at once; beyond it, `initialize` answers without a session id.
const SESSIONS_MAX: usize = 10_000;
/// A session that is not used for this long has ended.
const IDLE_MAX: Duration = Duration::from_hours(1);
/// Random bytes of an id: 128 bits, so that it cannot be guessed.
const ID_BYTES: usize = 16;

/// The sessions of one endpoint.
pub(crate) struct Sessions {
    began: Instant,
    by_id: RwLock<HashMap<String, Session>>,
}

struct Session {
    version: &'static str,
    /// Seconds since `began`.
    last_used: AtomicU64,
}

impl Sessions {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            by_id: RwLock::new(HashMap::new()),
        }
    }

    /// Begins a session; none where there are too many, or no randomness to be had.
    pub(crate) fn begin(&self, version: &'static str) -> Option<String> {
        let mut bytes = [0; ID_BYTES];
        getrandom::fill(&mut bytes).ok()?;
        let id = URL_SAFE_NO_PAD.encode(bytes);
        let now = self.now();
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        if by_id.len() >= SESSIONS_MAX {
            by_id.retain(|_, session| !expired(session, now));
        }
        if by_id.len() >= SESSIONS_MAX {
            tracing::warn!(
                sessions = by_id.len(),
                "too many sessions: a client is served without one"
            );
            return None;
        }
        let session = Session {
            version,
            last_used: AtomicU64::new(now),
        };
        by_id.insert(id.clone(), session);
        Some(id)
    }

    /// The revision that a session negotiated, if it is alive; it lives on.
    pub(crate) fn version(&self, id: &str) -> Option<&'static str> {
        let now = self.now();
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        let session = by_id.get(id).filter(|session| !expired(session, now))?;
        session.last_used.store(now, Ordering::Relaxed);
        Some(session.version)
    }

    /// Ends a session; whether there was one.
    pub(crate) fn end(&self, id: &str) -> bool {
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        by_id.remove(id).is_some()
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_secs()
    }
}

fn expired(session: &Session, now: u64) -> bool {
    now.saturating_sub(session.last_used.load(Ordering::Relaxed)) > IDLE_MAX.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_begin_end_and_are_bounded() {
        let sessions = Sessions::new();
        let first = sessions.begin("2025-11-25").unwrap();
        assert_eq!(sessions.version(&first), Some("2025-11-25"));
        assert_eq!(sessions.version("other"), None);
        for _ in 1..SESSIONS_MAX {
            assert!(sessions.begin("2025-06-18").is_some());
        }
        assert_eq!(sessions.begin("2025-06-18"), None);
        assert!(sessions.end(&first));
        assert!(!sessions.end(&first));
        assert_eq!(sessions.version(&first), None);
        assert!(sessions.begin("2025-06-18").is_some());
    }
}
