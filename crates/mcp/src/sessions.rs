//! Sessions of the older era: small, bounded in number, expiring. They are optional: a client that
//! gets no id is served all the same, but only a session has a stream and subscriptions.
//!
//! Where there are too many, idle ones give way to new ones ([`Shares`]). Their clients are told that they
//! have ended, and begin anew.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::oneshot;
use wasimancer_runtime::{Severity, Shares, Ticket, Use};

use crate::bounds::{Bounds, Place};
use crate::caller::Caller;
use crate::capabilities::Capabilities;
use crate::conversation::Conversation;
use crate::error::Error;
use crate::replay::Replays;
use crate::subscriptions::Watchlist;

/// Most sessions at once. Where none gives way, `initialize` answers without a session id.
const SESSIONS_MAX: usize = 10_000;
/// A session that is not used for this long has ended.
const IDLE_MAX: Duration = Duration::from_hours(1);
/// How often sessions that have expired are looked for, so that what they hold is free again.
const SWEEP_EVERY: Duration = Duration::from_mins(5);
/// How often the log says that sessions give way: each of them would fill it.
const WARN_EVERY: Duration = Duration::from_mins(1);
/// Random bytes of an id: 128 bits, so that it cannot be guessed.
const ID_BYTES: usize = 16;

/// The sessions of one endpoint.
pub(crate) struct Sessions {
    began: Instant,
    table: RwLock<Table>,
    places: Places,
}

/// The places of all sessions, locked after the table, and before the stream of a session that is looked at.
type Places = Arc<Mutex<Shares<Named>>>;

struct Table {
    by_id: HashMap<Arc<str>, Known>,
    /// When expired sessions were last looked for, as time since the endpoint began.
    swept: Duration,
    /// When the log last said that sessions give way.
    warned: Option<Duration>,
}

/// A session, and its place among all.
struct Known {
    session: Arc<Session>,
    place: Ticket,
}

/// A session, and what it is found by.
struct Named {
    id: Arc<str>,
    session: Arc<Session>,
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
    /// Microseconds since then.
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Microseconds of a duration; more than fit into the number are as many as do.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The right to be a session's stream, until it ends or a newer stream takes over.
pub(crate) struct Turn {
    pub(crate) session: Arc<Session>,
    ended: oneshot::Receiver<()>,
    place: Arc<Place>,
    /// That of the session, and what it is one of.
    session_place: Ticket,
    session_places: Places,
}

impl Sessions {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            table: RwLock::new(Table {
                by_id: HashMap::new(),
                swept: Duration::ZERO,
                warned: None,
            }),
            places: Arc::new(Mutex::new(Shares::observed(SESSIONS_MAX, |named| {
                named.session.idle_since()
            }))),
        }
    }

    /// Begins a session; none where there are too many that are in use, or no randomness to be had.
    pub(crate) fn begin(
        &self,
        caller: Caller,
        version: &'static str,
        capabilities: Capabilities,
    ) -> Option<String> {
        self.begin_at(caller, version, capabilities, self.began.elapsed())
    }

    fn begin_at(
        &self,
        caller: Caller,
        version: &'static str,
        capabilities: Capabilities,
        now: Duration,
    ) -> Option<String> {
        let mut bytes = [0; ID_BYTES];
        getrandom::fill(&mut bytes).ok()?;
        let id = URL_SAFE_NO_PAD.encode(bytes);
        let session = Arc::new(Session::new(version, capabilities, self.began, now));
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(table.swept) >= SWEEP_EVERY {
            table.swept = now;
            table.drop_expired(&mut lock(&self.places), now);
        }
        let name: Arc<str> = id.as_str().into();
        let named = |_| Named {
            id: name.clone(),
            session: session.clone(),
        };
        let (place, gave_way) = lock(&self.places).enter(caller.key(), 0, 1, Use::Idle, named);
        for named in &gave_way {
            table.by_id.remove(&named.id);
            named.session.end();
        }
        if place.is_none() || !gave_way.is_empty() {
            table.warn(now);
        }
        let place = place?;
        table.by_id.insert(name, Known { session, place });
        Some(id)
    }

    /// A session, if it is alive; it lives on.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Session>> {
        self.table().alive(id).map(|known| known.session.clone())
    }

    fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a stream the one of its session; the one before it ends.
    pub(crate) fn open_stream(
        &self,
        id: &str,
        caller: Caller,
        bounds: &Bounds,
    ) -> Result<Turn, Error> {
        // Held until the stream is open, so that a session that is ended meanwhile ends it too.
        let table = self.table();
        let known = table.alive(id).ok_or(Error::UnknownSession)?;
        let mut stream = known.session.stream();
        // It gets the place of the stream before, which may be held by a peer that is long gone.
        let place = match &*stream {
            Some(open) => open.place.clone(),
            None => Arc::new(bounds.place(caller)?),
        };
        let (ending, ended) = oneshot::channel();
        *stream = Some(OpenStream {
            ending,
            place: place.clone(),
        });
        drop(stream);
        lock(&self.places).set_use(known.place, Use::Busy);
        Ok(Turn {
            session: known.session.clone(),
            ended,
            place,
            session_place: known.place,
            session_places: self.places.clone(),
        })
    }

    /// Ends a session with its stream and its requests; whether there was one.
    pub(crate) fn end(&self, id: &str) -> bool {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = table.by_id.remove(id) else {
            return false;
        };
        lock(&self.places).leave(known.place);
        known.session.end();
        true
    }
}

impl Table {
    fn drop_expired(&mut self, places: &mut Shares<Named>, now: Duration) {
        self.by_id.retain(|_, known| {
            let is_alive = !known.session.is_expired(now);
            if !is_alive {
                places.leave(known.place);
            }
            is_alive
        });
    }

    fn warn(&mut self, now: Duration) {
        let is_due = |last| now.saturating_sub(last) >= WARN_EVERY;
        if self.warned.is_none_or(is_due) {
            self.warned = Some(now);
            tracing::warn!(
                sessions = self.by_id.len(),
                "as many sessions as may be: idle ones of the callers that have most give way to new ones"
            );
        }
    }

    fn alive(&self, id: &str) -> Option<&Known> {
        let known = self.by_id.get(id)?;
        let session = &known.session;
        if session.is_expired(session.began.elapsed()) {
            return None;
        }
        session.touch();
        Some(known)
    }
}

impl Session {
    fn new(
        version: &'static str,
        capabilities: Capabilities,
        began: Instant,
        now: Duration,
    ) -> Self {
        Self {
            version,
            capabilities,
            log: AtomicU8::new(u8::MAX),
            began,
            last_used: AtomicU64::new(micros(now)),
            watchlist: Watchlist::default(),
            stream: Mutex::new(None),
            going_on: OnceLock::new(),
        }
    }

    /// One that nobody looks for by an id: of a client that has the server for itself.
    pub(crate) fn alone(version: &'static str, capabilities: Capabilities) -> Self {
        Self::new(version, capabilities, Instant::now(), Duration::ZERO)
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
        let now = micros(self.began.elapsed());
        self.last_used.store(now, Ordering::Relaxed);
    }

    fn is_expired(&self, now: Duration) -> bool {
        let last_used = Duration::from_micros(self.last_used.load(Ordering::Relaxed));
        now.saturating_sub(last_used) > IDLE_MAX
    }

    /// When it was last used, in microseconds since the endpoint began. None: it has a stream, or requests
    /// are under way.
    fn idle_since(&self) -> Option<u64> {
        let is_asking = |going_on: &GoingOn| !going_on.conversation.is_silent();
        let is_in_use =
            self.stream().is_some() || self.going_on.get().map(Box::as_ref).is_some_and(is_asking);
        (!is_in_use).then(|| self.last_used.load(Ordering::Relaxed))
    }

    /// Ends its stream and its requests.
    fn end(&self) {
        *self.stream() = None;
        if let Some(going_on) = self.going_on.get() {
            going_on.conversation.end();
        }
    }

    fn stream(&self) -> MutexGuard<'_, Option<OpenStream>> {
        lock(&self.stream)
    }
}

impl Turn {
    /// Completes when the session ends, a newer stream takes over, or the stream gives way to that of
    /// somebody else.
    pub(crate) async fn ended(&mut self) {
        tokio::select! {
            // Nothing is ever sent: the sender is dropped.
            _ = &mut self.ended => {}
            () = self.place.gives_way() => {}
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.ended.close();
        // A stream that took over meanwhile stays.
        let mut stream = self.session.stream();
        let is_last = stream.take_if(|open| open.ending.is_closed()).is_some();
        drop(stream);
        if is_last {
            lock(&self.session_places).set_use(self.session_place, Use::Idle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: &str = "2025-11-25";

    fn begin_for(sessions: &Sessions, caller: u64) -> Option<String> {
        sessions.begin(Caller::numbered(caller), VERSION, Capabilities::default())
    }

    fn begin(sessions: &Sessions) -> Option<String> {
        begin_for(sessions, 0)
    }

    fn held(sessions: &Sessions) -> usize {
        let table = sessions.table();
        assert_eq!(table.by_id.len(), lock(&sessions.places).held());
        table.by_id.len()
    }

    #[test]
    fn sessions_begin_end_and_are_bounded() {
        let sessions = Sessions::new();
        let is_alive = |id: &str| sessions.find(id).is_some();
        let all: Vec<String> = (0..SESSIONS_MAX)
            .map(|_| begin(&sessions).unwrap())
            .collect();
        assert_eq!(sessions.find(&all[0]).unwrap().version(), VERSION);
        assert!(!is_alive("other"));
        // The first one was used since, so the second one has been idle for longest.
        let other = begin_for(&sessions, 1).unwrap();
        assert!(!is_alive(&all[1]) && is_alive(&all[0]) && is_alive(&other));
        begin(&sessions).unwrap();
        assert!(!is_alive(&all[2]) && is_alive(&other));
        assert!(sessions.end(&other));
        assert!(!sessions.end(&other));
        assert!(!is_alive(&other));
        assert_eq!(held(&sessions), SESSIONS_MAX - 1);
    }

    #[tokio::test]
    async fn sessions_in_use_give_way_to_others_alone() {
        let (sessions, bounds) = (Sessions::new(), Bounds::new());
        let all: Vec<String> = (0..SESSIONS_MAX)
            .map(|_| begin(&sessions).unwrap())
            .collect();
        let open = |id: &String| {
            sessions
                .open_stream(id, Caller::default(), &bounds)
                .unwrap()
        };
        let ask = |id: &String| {
            let session = sessions.find(id).unwrap();
            session.going_on().conversation.begin("1").unwrap()
        };
        let (streaming, asking) = all.split_at(SESSIONS_MAX - 100);
        let mut streams: Vec<Turn> = streaming.iter().map(open).collect();
        let requests: Vec<_> = asking.iter().map(ask).collect();
        assert_eq!(begin(&sessions), None);
        // What has a stream gives way last.
        let other = begin_for(&sessions, 1).unwrap();
        assert!(sessions.find(&other).is_some());
        assert!(streaming.iter().all(|id| sessions.find(id).is_some()));
        drop(requests);
        assert!(begin(&sessions).is_some());
        let is_left = |id: &&String| sessions.find(id).is_some();
        let left: Vec<&String> = asking.iter().filter(is_left).collect();
        assert_eq!(left.len(), 98);
        streams.extend(left.into_iter().map(open));
        for _ in 0..2 {
            begin_for(&sessions, 1).unwrap();
        }
        streams.last_mut().unwrap().ended().await;
        // A stream that has ended leaves its session to those that give way.
        drop(streams.remove(7));
        assert!(sessions.find(&all[7]).is_some());
        begin(&sessions).unwrap();
        assert!(sessions.find(&all[7]).is_none());
    }

    #[test]
    fn sessions_that_nobody_uses_make_room() {
        let sessions = Sessions::new();
        let begin_at = |seconds| {
            let now = Duration::from_secs(seconds);
            let id = sessions.begin_at(Caller::default(), VERSION, Capabilities::default(), now);
            id.unwrap()
        };
        let hour = IDLE_MAX.as_secs();
        for seconds in [0, 60, hour] {
            begin_at(seconds);
        }
        assert_eq!(held(&sessions), 3);
        // Soon after the last look nobody looks again.
        begin_at(hour + 1);
        assert_eq!(held(&sessions), 4);
        begin_at(hour + SWEEP_EVERY.as_secs());
        assert_eq!(held(&sessions), 3);
    }

    #[tokio::test]
    async fn a_session_has_one_stream() {
        let (sessions, bounds) = (Sessions::new(), Bounds::new());
        let open = |id: &str| sessions.open_stream(id, Caller::default(), &bounds);
        let id = begin(&sessions).unwrap();
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
