//! Tasks: tool calls that go on while their clients come and go (the extension
//! io.modelcontextprotocol/tasks).
//!
//! A task is kept in memory until its time is over, whether its client asks for it or not.

mod run;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::sync::{Notify, watch};
use wasimancer_runtime::Event;

use crate::client::Caller;
use crate::error::Error;
use crate::input_required::InputRequired;
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

#[derive(Default)]
struct Kept {
    by_id: HashMap<String, Arc<Task>>,
    result_bytes: usize,
}

/// A task.
pub(crate) struct Task {
    id: String,
    caller: Caller,
    created: SystemTime,
    ttl: Duration,
    state: Mutex<State>,
    /// Wakes it when its client has answered.
    answered: Notify,
    /// Ends it.
    cancelled: Notify,
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
        open: Map<String, Value>,
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
            kept: Mutex::default(),
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
    fn create(&self, caller: Caller, ttl: Option<Duration>) -> Result<Arc<Task>, Error> {
        let mut bytes = [0; ID_BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|_| Error::Busy("this machine gives no random numbers for a task"))?;
        let now = SystemTime::now();
        let task = Arc::new(Task {
            id: URL_SAFE_NO_PAD.encode(bytes),
            caller,
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
            changes: self.changes.clone(),
        });
        let mut kept = self.kept();
        if kept.by_id.len() >= TASKS_MAX || kept.result_bytes >= RESULTS_MAX_BYTES {
            return Err(Error::Busy(
                "as many tasks are kept as the server has places for: try again later",
            ));
        }
        kept.by_id.insert(task.id.clone(), task.clone());
        Ok(task)
    }

    /// A caller's task. Those of others do not exist for it.
    pub(crate) fn find(&self, id: &str, caller: &Caller) -> Result<Arc<Task>, Error> {
        let task = self.kept().by_id.get(id).cloned();
        task.filter(|task| task.caller == *caller).ok_or_else(|| {
            Error::InvalidParams(format!(
                "`taskId`: there is no task {id:?}: it has expired, or was never yours"
            ))
        })
    }

    /// Ends a task, unless it has ended before.
    fn end(&self, task: &Task, status: Status, message: Option<String>) {
        let bytes = match &status {
            Status::Completed(text) | Status::Failed(text) => text.as_str().len(),
            _ => 0,
        };
        self.kept().result_bytes += bytes;
        if !task.change(|state| {
            state.message = message;
            state.status = status;
        }) {
            self.kept().result_bytes -= bytes;
        }
    }

    /// Forgets a task whose time is over.
    fn forget(&self, task: &Task) {
        let mut kept = self.kept();
        if kept.by_id.remove(&task.id).is_some()
            && let Status::Completed(text) | Status::Failed(text) = &task.state().status
        {
            kept.result_bytes -= text.as_str().len();
        }
        drop(kept);
        self.changes.send_replace(());
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
            let mut open = Map::new();
            let mut plugin_keys = HashMap::new();
            for (key, request) in &required.requests {
                let mut shown = key.clone();
                let mut count = 1;
                while !state.keys.insert(shown.clone()) {
                    count += 1;
                    shown = format!("{key}-{count}");
                }
                plugin_keys.insert(shown.clone(), key.clone());
                open.insert(shown, request.clone());
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
                if open.shift_remove(&key).is_some()
                    && let Some(key) = plugin_keys.remove(&key)
                {
                    answers.insert(key, raw);
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
                let open = serde_json::to_string(open).unwrap_or_default();
                let _ = write!(fields, ",\"inputRequests\":{open}");
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
    let mut json = Map::new();
    json.insert("code".to_owned(), Value::from(error.code(Era::Modern)));
    json.insert("message".to_owned(), Value::from(error.message()));
    if let Some(data) = error.data() {
        json.insert("data".to_owned(), data);
    }
    let json = Value::Object(json).to_string();
    (Status::Failed(Message::small(json)), Some(error.message()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn create(tasks: &Tasks) -> Result<Arc<Task>, Error> {
        tasks.create(Caller::default(), None)
    }

    #[test]
    fn tasks_and_their_results_are_bounded() {
        let tasks = Tasks::new();
        let all: Vec<Arc<Task>> = (0..TASKS_MAX).map(|_| create(&tasks).unwrap()).collect();
        assert!(matches!(create(&tasks), Err(Error::Busy(_))));
        tasks.forget(&all[0]);
        assert!(tasks.find(all[0].id(), &Caller::default()).is_err());
        let task = create(&tasks).unwrap();
        tasks.forget(&all[1]);
        let result = || Status::Completed(Message::small("x".repeat(RESULTS_MAX_BYTES)));
        tasks.end(&task, result(), None);
        assert!(matches!(create(&tasks), Err(Error::Busy(_))));
        // It has ended: nothing more is kept of it.
        tasks.end(&task, result(), None);
        tasks.forget(&task);
        assert_eq!(tasks.kept().result_bytes, 0);
        assert!(create(&tasks).is_ok());
    }

    /// Every key means one request in the life of a task (the extension, "Task Update Requests").
    #[tokio::test]
    async fn a_key_that_the_plugin_repeats_is_another_one() {
        let tasks = Tasks::new();
        let task = create(&tasks).unwrap();
        let mut requests = Map::new();
        requests.insert("name".to_owned(), json!({ "method": "roots/list" }));
        let required = InputRequired {
            requests,
            state: None,
            bytes: 0,
        };
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
