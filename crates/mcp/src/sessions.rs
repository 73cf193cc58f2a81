//! Sessions of the older era: small, bounded in number, expiring. They are optional: a client that
//! gets no id is served all the same, but only a session has a stream and subscriptions.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::oneshot;
use wasimancer_runtime::Severity;

use crate::bounds::{Bounds, Place};
use crate::capabilities::Capabilities;
use crate::conversation::Conversation;
use crate::error::Error;
use crate::replay::Replays;
use crate::subscriptions::Watchlist;

/// Most sessions at once; beyond it, `initialize` answers without a session id.
const SESSIONS_MAX: usize = 10_000;
/// A session that is not used for this long has ended.
const IDLE_MAX: Duration = Duration::from_hours(1);
/// How often sessions that have expired are looked for, so that what they hold is free again.
const SWEEP_EVERY: Duration = Duration::from_mins(5);
/// Random bytes of an id: 128 bits, so that it cannot be guessed.
const ID_BYTES: usize = 16;

/// The sessions of one endpoint.
pub(crate) struct Sessions {
    began: Instant,
    by_id: RwLock<HashMap<String, Arc<Session>>>,
    /// When expired sessions were last looked for, in seconds since `began`.
    swept: AtomicU64,
}

/// What is kept of a client between its requests.
pub(crate) struct Session {
    version: &'static str,
    /// What its client can do.
    pub(crate) capabilities: Capabilities,
    /// The least severe log messages that its client wants to hear, as its place in
    /// [`Severity::ALL`]; what lies beyond for none.
    log: AtomicU8,
    /// When the endpoint began.
    began: Instant,
    /// Seconds since then.
    last_used: AtomicU64,
    /// What its stream tells of. It stays when the stream is closed: what changes until the client
    /// opens the next one is told there.
    pub(crate) watchlist: Watchlist,
    stream: Mutex<Option<OpenStream>>,
    /// Made when the first request may take a while.
    going_on: OnceLock<Box<GoingOn>>,
}

/// What is going on in a session.
#[derive(Default)]
pub(crate) struct GoingOn {
    pub(crate) conversation: Arc<Conversation>,
    pub(crate) replays: Replays,
}

/// The hold of a session on its stream, while there is one.
struct OpenStream {
    /// Dropped to end the stream.
    ending: oneshot::Sender<()>,
    place: Arc<Place>,
}

/// The right to be a session's stream, until it ends or a newer stream takes over.
pub(crate) struct Turn {
    pub(crate) session: Arc<Session>,
    ended: oneshot::Receiver<()>,
    _place: Arc<Place>,
}

impl Sessions {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            by_id: RwLock::new(HashMap::new()),
            swept: AtomicU64::new(0),
        }
    }

    /// Begins a session; none where there are too many, or no randomness to be had.
    pub(crate) fn begin(
        &self,
        version: &'static str,
        capabilities: Capabilities,
    ) -> Option<String> {
        self.begin_at(version, capabilities, seconds_since(self.began))
    }

    fn begin_at(
        &self,
        version: &'static str,
        capabilities: Capabilities,
        now: u64,
    ) -> Option<String> {
        let mut bytes = [0; ID_BYTES];
        getrandom::fill(&mut bytes).ok()?;
        let id = URL_SAFE_NO_PAD.encode(bytes);
        let session = Session::new(version, capabilities, self.began, now);
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        let since_sweep = now.saturating_sub(self.swept.load(Ordering::Relaxed));
        if by_id.len() >= SESSIONS_MAX || since_sweep >= SWEEP_EVERY.as_secs() {
            by_id.retain(|_, session| !session.is_expired(now));
            self.swept.store(now, Ordering::Relaxed);
        }
        if by_id.len() >= SESSIONS_MAX {
            tracing::warn!(
                sessions = by_id.len(),
                "too many sessions: a client is served without one"
            );
            return None;
        }
        by_id.insert(id.clone(), Arc::new(session));
        Some(id)
    }

    /// A session, if it is alive; it lives on.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Session>> {
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        alive(&by_id, id).cloned()
    }

    /// Makes a stream the one of its session; the one before it ends.
    pub(crate) fn open_stream(&self, id: &str, bounds: &Bounds) -> Result<Turn, Error> {
        // Held until the stream is open, so that a session that is ended meanwhile ends it too.
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        let session = alive(&by_id, id).ok_or(Error::UnknownSession)?;
        let mut stream = session.stream();
        // It gets the place of the stream before, which may be held by a peer that is long gone.
        let place = match &*stream {
            Some(open) => open.place.clone(),
            None => Arc::new(bounds.place()?),
        };
        let (ending, ended) = oneshot::channel();
        *stream = Some(OpenStream {
            ending,
            place: place.clone(),
        });
        Ok(Turn {
            session: session.clone(),
            ended,
            _place: place,
        })
    }

    /// Ends a session with its stream and its requests; whether there was one.
    pub(crate) fn end(&self, id: &str) -> bool {
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        let Some(session) = by_id.remove(id) else {
            return false;
        };
        *session.stream() = None;
        if let Some(going_on) = session.going_on.get() {
            going_on.conversation.end();
        }
        true
    }
}

fn alive<'s>(by_id: &'s HashMap<String, Arc<Session>>, id: &str) -> Option<&'s Arc<Session>> {
    let session = by_id.get(id)?;
    if session.is_expired(seconds_since(session.began)) {
        return None;
    }
    session.touch();
    Some(session)
}

fn seconds_since(began: Instant) -> u64 {
    began.elapsed().as_secs()
}

impl Session {
    fn new(version: &'static str, capabilities: Capabilities, began: Instant, now: u64) -> Self {
        Self {
            version,
            capabilities,
            log: AtomicU8::new(u8::MAX),
            began,
            last_used: AtomicU64::new(now),
            watchlist: Watchlist::default(),
            stream: Mutex::new(None),
            going_on: OnceLock::new(),
        }
    }

    /// One that nobody looks for by an id: of a client that has the server for itself.
    pub(crate) fn alone(version: &'static str, capabilities: Capabilities) -> Self {
        Self::new(version, capabilities, Instant::now(), 0)
    }

    pub(crate) fn going_on(&self) -> &GoingOn {
        self.going_on.get_or_init(Box::default)
    }

    /// The least severe log messages that its client wants to hear.
    pub(crate) fn log(&self) -> Option<Severity> {
        let place = self.log.load(Ordering::Relaxed);
        Severity::ALL.get(usize::from(place)).copied()
    }

    pub(crate) fn set_log(&self, least: Severity) {
        self.log.store(least as u8, Ordering::Relaxed);
    }

    /// The revision that it negotiated.
    pub(crate) fn version(&self) -> &'static str {
        self.version
    }

    /// Keeps it from expiring.
    pub(crate) fn touch(&self) {
        let now = seconds_since(self.began);
        self.last_used.store(now, Ordering::Relaxed);
    }

    fn is_expired(&self, now: u64) -> bool {
        now.saturating_sub(self.last_used.load(Ordering::Relaxed)) > IDLE_MAX.as_secs()
    }

    fn stream(&self) -> MutexGuard<'_, Option<OpenStream>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Completes when the session ends or a newer stream takes over.
    pub(crate) async fn ended(&mut self) {
        // Nothing is ever sent: the sender is dropped.
        let _ = (&mut self.ended).await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.ended.close();
        // A stream that took over meanwhile stays.
        let mut stream = self.session.stream();
        stream.take_if(|open| open.ending.is_closed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(sessions: &Sessions, version: &'static str) -> Option<String> {
        sessions.begin(version, Capabilities::default())
    }

    #[test]
    fn sessions_begin_end_and_are_bounded() {
        let sessions = Sessions::new();
        let version = |id: &str| sessions.find(id).map(|session| session.version());
        let first = begin(&sessions, "2025-11-25").unwrap();
        assert_eq!(version(&first), Some("2025-11-25"));
        assert_eq!(version("other"), None);
        for _ in 1..SESSIONS_MAX {
            assert!(begin(&sessions, "2025-06-18").is_some());
        }
        assert_eq!(begin(&sessions, "2025-06-18"), None);
        assert!(sessions.end(&first));
        assert!(!sessions.end(&first));
        assert_eq!(version(&first), None);
        assert!(begin(&sessions, "2025-06-18").is_some());
    }

    #[test]
    fn sessions_that_nobody_uses_make_room() {
        let sessions = Sessions::new();
        let held = || sessions.by_id.read().unwrap().len();
        let hour = IDLE_MAX.as_secs();
        sessions
            .begin_at("2025-11-25", Capabilities::default(), 0)
            .unwrap();
        sessions
            .begin_at("2025-11-25", Capabilities::default(), 60)
            .unwrap();
        sessions
            .begin_at("2025-11-25", Capabilities::default(), hour)
            .unwrap();
        assert_eq!(held(), 3);
        // Soon after the last look nobody looks again.
        sessions
            .begin_at("2025-11-25", Capabilities::default(), hour + 1)
            .unwrap();
        assert_eq!(held(), 4);
        let later = hour + SWEEP_EVERY.as_secs();
        sessions
            .begin_at("2025-11-25", Capabilities::default(), later)
            .unwrap();
        assert_eq!(held(), 3);
    }

    #[tokio::test]
    async fn a_session_has_one_stream() {
        let (sessions, bounds) = (Sessions::new(), Bounds::new());
        let open = |id: &str| sessions.open_stream(id, &bounds);
        let id = begin(&sessions, "2025-11-25").unwrap();
        let mut first = open(&id).unwrap();
        let mut second = open(&id).unwrap();
        first.ended().await;
        drop(first);
        assert!(second.session.stream().is_some(), "the second one is open");
        assert!(
            second
                .ended
                .try_recv()
                .is_err_and(|error| error == oneshot::error::TryRecvError::Empty)
        );
        assert!(sessions.end(&id));
        second.ended().await;
        assert!(matches!(open(&id), Err(Error::UnknownSession)));
        let session = second.session.clone();
        drop(second);
        assert!(session.stream().is_none());
    }

    #[test]
    fn a_session_remembers_what_is_heard() {
        let session = Session::alone("2025-11-25", Capabilities::default());
        assert_eq!(session.log(), None);
        for severity in Severity::ALL {
            session.set_log(severity);
            assert_eq!(session.log(), Some(severity));
        }
    }

    /// A session must cost little while its client is silent.
    #[test]
    fn a_session_is_small() {
        let size = size_of::<Session>();
        assert!(size <= 128, "{size} bytes");
    }
}
