//! Tasks: tool calls that go on while their clients come and go (the extension
//! io.modelcontextprotocol/tasks).
//!
//! A task is kept in memory until its time is over, whether its client asks for it or not. Where there are
//! too many, or too much is kept of their results, tasks give way to others ([`Shares`]), those that have
//! ended first.

mod run;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::{Notify, watch};
use wasimancer_runtime::{Event, Shares, Ticket, Use};

use crate::caller::Caller;
use crate::error::Error;
use crate::input_required::{InputRequired, push_requests};
use crate::message::Message;
use crate::revision::Era;

pub(crate) use run::{Job, Started, start};

/// Most tasks at once, finished ones that are kept included.
const TASKS_MAX: usize = 10_000;
/// Most bytes of results that are kept at once.
const RESULTS_MAX_BYTES: usize = 256 * 1024 * 1024;
/// How long a task is kept from its beginning on, where its definition does not say it.
const TTL: Duration = Duration::from_hours(1);
/// How long a client is to wait between two looks, in milliseconds.
const POLL_INTERVAL_MS: u64 = 1000;
/// Random bytes of an id: 192 bits, so that it cannot be guessed.
const ID_BYTES: usize = 24;

/// All tasks of an endpoint.
pub(crate) struct Tasks {
    kept: Mutex<Kept>,
    /// Wakes whoever watches a task.
    changes: watch::Sender<()>,
}

struct Kept {
    by_id: HashMap<String, KeptTask>,
    places: Shares<Arc<Task>>,
    /// By their bytes.
    results: Shares<Arc<Task>>,
}

struct KeptTask {
    task: Arc<Task>,
    place: Ticket,
    /// None: it has not ended.
    result: Option<Ticket>,
}

/// A task.
pub(crate) struct Task {
    id: String,
    caller: Caller,
    /// What tells its plugin from others.
    plugin: u64,
    created: SystemTime,
    ttl: Duration,
    state: Mutex<State>,
    /// Wakes it when its client has answered.
    answered: Notify,
    /// Ends it.
    cancelled: Notify,
    /// Says that it was forgotten before its time, since others wanted its place.
    gave_way: Notify,
    changes: watch::Sender<()>,
}

struct State {
    status: Status,
    message: Option<String>,
    updated: SystemTime,
    /// Grows with every change that a client can see.
    version: u64,
    /// Every key under which the client was asked, since none may mean two requests.
    keys: HashSet<String>,
}

/// How far a task has come.
enum Status {
    Working,
    InputRequired {
        /// What is asked and not yet answered, by the keys that the client sees.
        open: Vec<(String, Box<RawValue>)>,
        /// The plugin's keys by those.
        plugin_keys: HashMap<String, String>,
        /// The answers by the plugin's keys.
        answers: BTreeMap<String, Box<RawValue>>,
    },
    /// The fields of the result.
    Completed(Message),
    /// The JSON of the error, and its message.
    Failed(Message),
    Cancelled,
}

impl Status {
    fn name(&self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::InputRequired { .. } => "input_required",
            Self::Completed(_) => "completed",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn is_final(&self) -> bool {
        matches!(self, Self::Completed(_) | Self::Failed(_) | Self::Cancelled)
    }
}

impl Tasks {
    pub(crate) fn new() -> Self {
        Self {
            kept: Mutex::new(Kept {
                by_id: HashMap::new(),
                places: Shares::new(TASKS_MAX),
                results: Shares::new(RESULTS_MAX_BYTES),
            }),
            changes: watch::Sender::new(()),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever watches tasks waits here.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// A new task, which can be asked for from now on.
    fn create(
        &self,
        caller: Caller,
        plugin: u64,
        ttl: Option<Duration>,
    ) -> Result<Arc<Task>, Error> {
        let mut bytes = [0; ID_BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|_| Error::Busy("this machine gives no random numbers for a task"))?;
        let now = SystemTime::now();
        let task = Arc::new(Task {
            id: URL_SAFE_NO_PAD.encode(bytes),
            caller,
            plugin,
            created: now,
            ttl: ttl.unwrap_or(TTL),
            state: Mutex::new(State {
                status: Status::Working,
                message: None,
                updated: now,
                version: 0,
                keys: HashSet::new(),
            }),
            answered: Notify::new(),
            cancelled: Notify::new(),
            gave_way: Notify::new(),
            changes: self.changes.clone(),
        });
        let mut kept = self.kept();
        let enter = |_| task.clone();
        let places = &mut kept.places;
        let (place, gave_way) = places.enter(caller.key(), plugin, 1, Use::Busy, enter);
        kept.drop_all(&gave_way);
        let place = place.ok_or(Error::Busy(
            "as many tasks are kept as the server has places for: try again later",
        ))?;
        let entry = KeptTask {
            task: task.clone(),
            place,
            result: None,
        };
        kept.by_id.insert(task.id.clone(), entry);
        Ok(task)
    }

    /// A caller's task. Those of others do not exist for it.
    pub(crate) fn find(&self, id: &str, caller: &Caller) -> Result<Arc<Task>, Error> {
        let task = self.kept().by_id.get(id).map(|kept| kept.task.clone());
        let is_own = |task: &Arc<Task>| task.caller.credentials() == caller.credentials();
        task.filter(is_own).ok_or_else(|| {
            Error::InvalidParams(format!(
                "`taskId`: there is no task {id:?}: it has expired, gave way to others, or was never yours"
            ))
        })
    }

    /// Says what is done with a task from now on.
    fn set_use(&self, task: &Task, usage: Use) {
        let mut kept = self.kept();
        if let Some(place) = kept.by_id.get(&task.id).map(|kept| kept.place) {
            kept.places.set_use(place, usage);
        }
    }

    /// Ends a task, which has not ended before. Others may have to give way to its result.
    fn end(&self, task: &Task, mut status: Status, mut message: Option<String>) {
        let bytes = match &status {
            Status::Completed(text) | Status::Failed(text) => text.as_str().len(),
            _ => 0,
        };
        if !self.kept().hold_result(task, bytes) {
            (status, message) = failed(&Error::Busy(
                "the result is larger than the server keeps of all tasks: ask for less",
            ));
        }
        task.change(|state| {
            state.message = message;
            state.status = status;
        });
    }

    /// Forgets a task whose time is over.
    fn forget(&self, task: &Task) {
        self.kept().remove(task);
        self.changes.send_replace(());
    }
}

impl Kept {
    /// Notes the end of a task, with a result of so many bytes; whether there is room for it.
    fn hold_result(&mut self, task: &Task, bytes: usize) -> bool {
        let Some(entry) = self.by_id.get_mut(&task.id) else {
            // It gave way, and nobody finds what comes of it.
            return true;
        };
        self.places.set_use(entry.place, Use::Idle);
        if bytes == 0 {
            return true;
        }
        let (caller, item) = (task.caller.key(), entry.task.clone());
        let (result, gave_way) = self
            .results
            .enter(caller, task.plugin, bytes, Use::Idle, |_| item);
        entry.result = result;
        self.drop_all(&gave_way);
        result.is_some()
    }

    /// Takes a task out of everything that it is counted in.
    fn remove(&mut self, task: &Task) {
        if let Some(entry) = self.by_id.remove(&task.id) {
            self.places.leave(entry.place);
            entry.result.and_then(|result| self.results.leave(result));
        }
    }

    /// Forgets tasks that have given way, and ends those that are under way.
    fn drop_all(&mut self, gave_way: &[Arc<Task>]) {
        for task in gave_way {
            self.remove(task);
            tracing::debug!("a task gave way to another one");
            task.cancel();
            task.gave_way.notify_one();
        }
    }
}

impl Task {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what clients see of it, unless it has ended; whether it did.
    fn change(&self, change: impl FnOnce(&mut State)) -> bool {
        self.change_if(|state| {
            change(state);
            true
        })
    }

    /// The same where there may be nothing to change, which is false then.
    fn change_if(&self, change: impl FnOnce(&mut State) -> bool) -> bool {
        let mut state = self.state();
        if state.status.is_final() || !change(&mut state) {
            return false;
        }
        state.updated = SystemTime::now();
        state.version += 1;
        drop(state);
        self.changes.send_replace(());
        true
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Differs where what clients see of it differs.
    pub(crate) fn version(&self) -> u64 {
        self.state().version
    }

    /// Takes what the plugin tells: the message of its progress is that of the task.
    pub(crate) fn report(&self, event: Event) {
        if let Event::Progress {
            message: Some(message),
            ..
        } = event
        {
            self.change(|state| state.message = Some(message));
        }
    }

    /// Asks the client, and waits for all answers.
    async fn ask(&self, required: &InputRequired) -> BTreeMap<String, Box<RawValue>> {
        self.change(|state| {
            let mut open = Vec::new();
            let mut plugin_keys = HashMap::new();
            for (key, request) in &required.requests {
                let mut shown = key.clone();
                let mut count = 1;
                while !state.keys.insert(shown.clone()) {
                    count += 1;
                    shown = format!("{key}-{count}");
                }
                plugin_keys.insert(shown.clone(), key.clone());
                open.push((shown, request.clone()));
            }
            state.status = Status::InputRequired {
                open,
                plugin_keys,
                answers: BTreeMap::new(),
            };
        });
        loop {
            if let Some(answers) = self.take_answers() {
                return answers;
            }
            self.answered.notified().await;
        }
    }

    /// The answers once they are complete.
    fn take_answers(&self) -> Option<BTreeMap<String, Box<RawValue>>> {
        let mut taken = None;
        self.change_if(|state| {
            if let Status::InputRequired { open, answers, .. } = &mut state.status
                && open.is_empty()
            {
                taken = Some(std::mem::take(answers));
                state.status = Status::Working;
            }
            taken.is_some()
        });
        taken
    }

    /// Takes answers of the client. Those to nothing that is asked are ignored.
    pub(crate) fn answer(&self, responses: BTreeMap<String, Box<RawValue>>) {
        self.change_if(|state| {
            let Status::InputRequired {
                open,
                plugin_keys,
                answers,
            } = &mut state.status
            else {
                return false;
            };
            let before = open.len();
            for (key, raw) in responses {
                if let Some(plugin_key) = plugin_keys.remove(&key) {
                    open.retain(|(open, _)| *open != key);
                    answers.insert(plugin_key, raw);
                }
            }
            open.len() < before
        });
        self.answered.notify_one();
    }

    /// Asks it to end.
    pub(crate) fn cancel(&self) {
        self.cancelled.notify_one();
    }

    /// Its fields as they are shown when it is created.
    pub(crate) fn summary(&self) -> String {
        self.summary_of(&self.state())
    }

    fn summary_of(&self, state: &State) -> String {
        let time = humantime::format_rfc3339_millis;
        let mut fields = format!(
            "\"taskId\":\"{}\",\"status\":\"{}\",\"createdAt\":\"{}\",\"lastUpdatedAt\":\"{}\",\"ttlMs\":{},\"pollIntervalMs\":{POLL_INTERVAL_MS}",
            self.id,
            state.status.name(),
            time(self.created),
            time(state.updated),
            self.ttl.as_millis(),
        );
        if let Some(message) = &state.message {
            let _ = write!(
                fields,
                ",\"statusMessage\":{}",
                Value::from(message.as_str())
            );
        }
        fields
    }

    /// Its fields with what its status has beside them.
    pub(crate) fn details(&self) -> String {
        let state = self.state();
        let mut fields = self.summary_of(&state);
        match &state.status {
            Status::Working | Status::Cancelled => {}
            Status::InputRequired { open, .. } => {
                fields.push(',');
                push_requests(&mut fields, open);
            }
            Status::Completed(result) => {
                let _ = write!(fields, ",\"result\":{{{}}}", result.as_str());
            }
            Status::Failed(error) => {
                let _ = write!(fields, ",\"error\":{}", error.as_str());
            }
        }
        fields
    }
}

/// The end that an error of the protocol means.
fn failed(error: &Error) -> (Status, Option<String>) {
    let (code, message) = (error.code(Era::Modern), error.message());
    let mut json = format!(
        "{{\"code\":{code},\"message\":{}",
        Value::from(message.as_str())
    );
    if let Some(data) = error.data() {
        let _ = write!(json, ",\"data\":{data}");
    }
    json.push('}');
    (Status::Failed(Message::small(json)), Some(message))
}

#[cfg(test)]
mod tests {
    use wasimancer_runtime::Budget;

    use super::*;
    use crate::revision::Revision;
    use crate::value_type::Writer;

    fn create_for(tasks: &Tasks, caller: u64, plugin: u64) -> Result<Arc<Task>, Error> {
        tasks.create(Caller::numbered(caller), plugin, None)
    }

    fn create(tasks: &Tasks) -> Result<Arc<Task>, Error> {
        create_for(tasks, 0, 0)
    }

    fn is_kept(tasks: &Tasks, task: &Task) -> bool {
        tasks.find(task.id(), &task.caller).is_ok()
    }

    fn result(bytes: usize) -> Status {
        Status::Completed(Message::small("x".repeat(bytes)))
    }

    #[test]
    fn tasks_that_have_ended_give_way_to_new_ones() {
        let tasks = Tasks::new();
        let all: Vec<Arc<Task>> = (0..TASKS_MAX).map(|_| create(&tasks).unwrap()).collect();
        assert!(matches!(create(&tasks), Err(Error::Busy(_))));
        tasks.forget(&all[0]);
        assert!(!is_kept(&tasks, &all[0]));
        create(&tasks).unwrap();
        tasks.set_use(&all[1], Use::Waiting);
        tasks.end(&all[2], result(1), None);
        for gone in [2, 1] {
            assert!(is_kept(&tasks, &all[gone]));
            create(&tasks).unwrap();
            assert!(!is_kept(&tasks, &all[gone]));
        }
        assert!(matches!(create(&tasks), Err(Error::Busy(_))));
        assert_eq!(tasks.kept().places.held(), TASKS_MAX);
        assert_eq!(tasks.kept().results.held(), 0);
    }

    #[tokio::test]
    async fn running_tasks_give_way_to_others_alone() {
        let tasks = Tasks::new();
        let all: Vec<Arc<Task>> = (0..TASKS_MAX).map(|_| create(&tasks).unwrap()).collect();
        create_for(&tasks, 1, 0).unwrap();
        let last = all.last().unwrap();
        assert!(!is_kept(&tasks, last) && is_kept(&tasks, &all[0]));
        // It is told to end, and not kept for its time.
        last.cancelled.notified().await;
        last.gave_way.notified().await;
        // Another plugin of the same caller has a share too.
        assert!(create_for(&tasks, 0, 0).is_err());
        create_for(&tasks, 0, 7).unwrap();
    }

    #[test]
    fn results_give_way_to_newer_ones() {
        let tasks = Tasks::new();
        let half = RESULTS_MAX_BYTES / 2;
        let ended = |caller, bytes| {
            let task = create_for(&tasks, caller, 0).unwrap();
            tasks.end(&task, result(bytes), None);
            task
        };
        let (first, second) = (ended(1, half), ended(1, half));
        let other = ended(2, 10);
        assert!(!is_kept(&tasks, &first) && is_kept(&tasks, &second));
        let third = ended(1, half);
        assert!(!is_kept(&tasks, &second) && is_kept(&tasks, &other));
        let too_large = ended(1, RESULTS_MAX_BYTES + 1);
        assert!(too_large.details().contains("\"failed\""));
        assert!(is_kept(&tasks, &third));
        assert_eq!(tasks.kept().results.held(), half + 10);
        for task in [third, other, too_large] {
            tasks.forget(&task);
        }
        let kept = tasks.kept();
        assert_eq!((kept.results.held(), kept.places.held()), (0, 0));
    }

    /// Every key means one request in the life of a task (the extension, "Task Update Requests").
    #[tokio::test]
    async fn a_key_that_the_plugin_repeats_is_another_one() {
        let tasks = Tasks::new();
        let task = create(&tasks).unwrap();
        let requests = serde_json::from_str(r#"{"name":{"method":"roots/list"}}"#).unwrap();
        let mut writer = Writer::new(Revision::Modern);
        let required = InputRequired::parse(Some(requests), None, &mut writer, &Budget::default());
        let required = Arc::new(required.unwrap_or_else(|error| panic!("{error}")));
        for shown in ["name", "name-2", "name-3"] {
            let asked = tokio::spawn({
                let (task, required) = (task.clone(), required.clone());
                async move { task.ask(&required).await }
            });
            while !task.details().contains(&format!("{{\"{shown}\":")) {
                tokio::task::yield_now().await;
            }
            let answer: Box<RawValue> = serde_json::from_str("{}").unwrap();
            // That of the round before means nothing any more.
            task.answer(BTreeMap::from([("name-0".to_owned(), answer.clone())]));
            assert!(task.details().contains("input_required"));
            task.answer(BTreeMap::from([(shown.to_owned(), answer)]));
            let answers = asked.await.unwrap();
            assert_eq!(answers.keys().collect::<Vec<_>>(), ["name"]);
        }
    }
}
