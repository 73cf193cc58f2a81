//! Runs a case: a server, the attack, and the probe beside it.

mod ending;
mod probe;
mod process;
mod report;

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

pub(crate) use ending::{Ended, Ending, MEMORY_LIMIT, TIME_LIMIT, Wanted};
use probe::Probe;
use process::Watch;

use crate::support::{Client, Home, Launch, MODERN, Operator, Sample, Server};

/// What nobody may wait beside an attack, whatever it is and however busy the machine.
const PROBE_MAX: Duration = Duration::from_secs(2);
/// `shutdown_grace` of every server here.
const GRACE: Duration = Duration::from_secs(1);
/// What a server may need beyond its grace to be gone, on a machine that does other things too.
const GRACE_SLACK: Duration = Duration::from_secs(2);
/// What a request may take beyond its limit on a quiet machine.
const QUIET_SLACK: Duration = Duration::from_millis(100);
/// The same where other tests run: it shows a call without a bound, not a slow one.
const BUSY_SLACK: Duration = Duration::from_secs(10);
/// Most bytes of what an error says, whatever the guest said.
const MESSAGE_MAX_BYTES: usize = 128 * 1024;
/// Most bytes of log that a case leaves for each minute that it has begun, however loud its plugins are.
const LOG_MAX_BYTES_A_MINUTE: u64 = 16 * 1024 * 1024;
/// How long the server may take to give back what an attack made it hold.
const GIVES_BACK: Duration = Duration::from_mins(1);
/// What it may hold then beside a fifth more than before: the pages that slots keep for the next call.
const KEPT_MAX_MIB: u64 = 64;
/// A request that has not ended this long after its limit has no end.
const ENDLESS: Duration = Duration::from_secs(15);

/// How large the attacks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// As large as what the faults were found with, on a machine that does nothing else.
    Full,
    /// As small as they can be and still show a fault of their kind.
    Suite,
}

impl Scale {
    /// That of this run: `HOSTILE=full`, or the suite's.
    pub(crate) fn of_run() -> Self {
        match std::env::var("HOSTILE").as_deref() {
            Ok("full") => Self::Full,
            _ => Self::Suite,
        }
    }
}

/// One value for a full run, another for the suite.
pub(crate) fn scaled<T>(full: T, suite: T) -> T {
    match Scale::of_run() {
        Scale::Full => full,
        Scale::Suite => suite,
    }
}

/// `limits.timeout` of attacking plugins.
pub(crate) fn call_limit() -> Duration {
    scaled(Duration::from_secs(2), Duration::from_millis(300))
}

/// Callers of what holds a thread: as many as there are threads to hold.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// What is attacked with, and how it must end.
pub(crate) struct Case {
    title: &'static str,
    limit: Duration,
    wanted: Vec<Wanted>,
    plugins: Vec<Sample>,
    config: String,
    launch: fn(Launch) -> Launch,
    /// None: its memory is watched, and not bounded.
    budget_mib: Option<u64>,
}

/// A case of calls, each of which has the time of [`call_limit`].
pub(crate) fn case(title: &'static str) -> Case {
    Case {
        title,
        limit: call_limit(),
        wanted: Vec::new(),
        plugins: Vec::new(),
        config: format!(
            "shutdown_grace = \"{}s\"\n{}",
            GRACE.as_secs(),
            // What is attacked with is compiled before anything is measured, and is larger than a module
            // may be by default.
            scaled("compile_memory = \"8GiB\"\ncompile_cpu = \"10m\"\n", "")
        ),
        launch: |launch| launch,
        budget_mib: None,
    }
}

impl Case {
    /// With another bound on the time of each request.
    pub(crate) fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// With this plugin, published before anything is measured.
    pub(crate) fn plugin(mut self, plugin: Sample) -> Self {
        self.plugins.push(plugin);
        self
    }

    /// With lines of `wasimancer.toml`.
    pub(crate) fn config(mut self, lines: &str) -> Self {
        self.config.push_str(lines);
        self.config.push('\n');
        self
    }

    /// With another way to start the server.
    pub(crate) fn launch(mut self, launch: fn(Launch) -> Launch) -> Self {
        self.launch = launch;
        self
    }

    /// Gives the server this `memory_budget`. It may hold so much and a tenth of it more than after one call
    /// of each plugin, must give it back afterwards, and may tell anybody that it has no room.
    pub(crate) fn within_budget(mut self, mib: u64) -> Self {
        self.budget_mib = Some(mib);
        self.config(&format!("memory_budget = \"{mib}MiB\""))
    }

    /// Lets the plugin that is published last take this long, where each call has to get far.
    pub(crate) fn with_time(mut self, limit: Duration) -> Self {
        let plugin = self.plugins.pop().expect("a plugin comes before its time");
        let timeout = json!(crate::guests::duration(limit));
        self.plugins.push(plugin.with("/limits/timeout", timeout));
        self.within(limit)
    }

    /// Each request must end in one of these ways.
    pub(crate) fn ends(mut self, wanted: impl IntoIterator<Item = Wanted>) -> Self {
        self.wanted.extend(wanted);
        self
    }

    /// Calls `attack` of the plugin of that name as often at once.
    pub(crate) fn calls(self, count: usize, arguments: &str) {
        self.attack(async |stage| stage.calls("attack", arguments, count).await);
    }

    /// Runs it.
    pub(crate) fn attack(self, attack: impl AsyncFnOnce(&Stage) -> Vec<Ended>) {
        // One after the other, although each is a test: what a probe measures is not to be another
        // case's doing.
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let problems = runtime.block_on(self.run(attack));
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }

    async fn run(self, attack: impl AsyncFnOnce(&Stage) -> Vec<Ended>) -> Vec<String> {
        let stage = Stage::set(&self).await;
        if self.budget_mib.is_some() {
            stage.call_each(&self.plugins).await;
        }
        let probe = Probe::start(&stage.server, self.budget_mib.is_some());
        stage.watch.forget_peak();
        let before_mib = stage.watch.resident_mib();
        let begun = Instant::now();
        let ended = attack(&stage).await;
        let measured = probe.end();
        let minutes = 1 + begun.elapsed().as_secs() / 60;
        let peak_mib = stage.watch.peak_mib();
        let mut problems = self.judge(&ended);
        problems.extend(measured.problems(PROBE_MAX));
        if let Some(budget_mib) = self.budget_mib {
            if peak_mib > before_mib + budget_mib + budget_mib / 10 {
                problems.push(format!("held {peak_mib} MiB after {before_mib} MiB"));
            }
            let left_mib = before_mib + before_mib / 5 + KEPT_MAX_MIB;
            problems.extend(stage.watch.gives_back(left_mib, GIVES_BACK).await);
        }
        problems.extend(stage.terminate().await);
        problems.extend(stage.watch.problem());
        let logged = stage.server.stderr().len();
        if logged as u64 > LOG_MAX_BYTES_A_MINUTE * minutes {
            problems.push(format!("left {} MiB of log", logged >> 20));
        }
        report::row(
            self.title, self.limit, &ended, &measured, peak_mib, &problems,
        );
        problems
    }

    fn judge(&self, ended: &[Ended]) -> Vec<String> {
        let longest = self.limit + scaled(QUIET_SLACK, BUSY_SLACK);
        let mut problems = Vec::new();
        for Ended { ending, took } in ended {
            if !self.wanted.iter().any(|wanted| wanted.matches(ending)) {
                problems.push(format!("ended in {ending}, not in {:?}", self.wanted));
            }
            if ending.message().len() > MESSAGE_MAX_BYTES {
                problems.push(format!("says {} bytes", ending.message().len()));
            }
            if *took > longest {
                problems.push(format!("took {took:.1?} with a limit of {:?}", self.limit));
            }
        }
        // A thousand callers say it once.
        problems.sort();
        problems.dedup();
        problems.truncate(5);
        problems
    }
}

/// The server under attack, and those who ask it.
pub(crate) struct Stage {
    /// Ends before the server, whose number may then be another process's.
    watch: Watch,
    pub(crate) server: Server,
    pub(crate) operator: Operator,
    client: Client,
    /// When a request is given up.
    patience: Duration,
}

impl Stage {
    async fn set(case: &Case) -> Self {
        let home = Home::with_plugins("plugins: []\n");
        home.file("wasimancer.toml", &case.config);
        let launch = Launch::of(home).env("WASIMANCER_LOG", "warn");
        let server = process::guarded((case.launch)(launch)).start();
        let watch = Watch::of(server.pid());
        let operator = Operator::of(&server);
        for plugin in [&Sample::new(probe::TOOL, "1", "here")]
            .into_iter()
            .chain(&case.plugins)
        {
            operator.upload("", plugin).await.granted();
        }
        Self {
            client: server.client(MODERN),
            operator,
            watch,
            server,
            patience: case.limit + ENDLESS,
        }
    }

    /// Calls a tool; the arguments are JSON.
    pub(crate) async fn call(&self, tool: &str, arguments: &str) -> Ended {
        let request = self.client.request_call(tool, arguments);
        let posted = self.post(&request.headers, request.body()).await;
        posted.into_iter().next().expect("one answer")
    }

    /// Calls the tools that are named as their plugins, once each: what the first call of each costs stays.
    async fn call_each(&self, plugins: &[Sample]) {
        for plugin in plugins {
            self.call(plugin.file_name.trim_end_matches(".wasm"), "{}")
                .await;
        }
    }

    /// Calls a tool as often at once.
    pub(crate) async fn calls(&self, tool: &str, arguments: &str, count: usize) -> Vec<Ended> {
        join_all((0..count).map(|_| self.call(tool, arguments))).await
    }

    /// Posts a message of the newest revision, or a batch with a header of its own revision.
    pub(crate) async fn post(
        &self,
        headers: &HeaderMap,
        body: impl Into<reqwest::Body>,
    ) -> Vec<Ended> {
        let request = self.operator.stranger(Method::POST, "/mcp");
        let request = request.headers(headers.clone()).body(body);
        self.timed(Ending::of_answer(request)).await
    }

    /// Posts any message of a revision with `initialize`, which needs no headers of its own.
    pub(crate) async fn post_legacy(&self, revision: &'static str, body: String) -> Vec<Ended> {
        let client = self.server.client(revision);
        self.post(&client.headers, body).await
    }

    /// Publishes a plugin.
    pub(crate) async fn publish(&self, plugin: &Sample) -> Ended {
        let request = self.operator.request(Method::POST, "/upload-plugin");
        self.administer(request.multipart(plugin.form())).await
    }

    /// Sends a request of the administration.
    pub(crate) async fn administer(&self, request: RequestBuilder) -> Ended {
        let ended = self.timed(Ending::of_administration(request)).await;
        ended.into_iter().next().expect("one answer")
    }

    async fn timed(&self, answer: impl Future<Output = Vec<Ending>>) -> Vec<Ended> {
        let begun = Instant::now();
        let endings = tokio::time::timeout(self.patience, answer).await;
        let took = begun.elapsed();
        let endings = endings.unwrap_or_else(|_| vec![Ending::Gone("no answer".to_owned())]);
        endings
            .into_iter()
            .map(|ending| Ended { ending, took })
            .collect()
    }

    /// Begins calls that nobody waits for, and waits until the server works at them.
    pub(crate) async fn leave_running(&self, tool: &str, count: usize) {
        let before = process::cpu_ticks(self.server.pid());
        for _ in 0..count {
            let request = self.client.request_call(tool, "{}");
            let posted = self.operator.stranger(Method::POST, "/mcp");
            let posted = posted.headers(request.headers.clone()).body(request.body());
            // Broken off when the server ends.
            tokio::spawn(async move { posted.send().await.map(drop) });
        }
        crate::support::until("the calls run", || {
            // A tick is 10 ms of one processor.
            process::cpu_ticks(self.server.pid()) > before + 20
        })
        .await;
    }

    /// Asks the server to end, as a service manager does.
    async fn terminate(&self) -> Option<String> {
        if self.server.has_ended() {
            return Some("the server has ended".to_owned());
        }
        let asked = Instant::now();
        self.server.signal("TERM");
        let ended = tokio::time::timeout(GRACE + GRACE_SLACK, self.server.ended()).await;
        match ended {
            Ok(status) if status.success() => None,
            Ok(status) => Some(format!("SIGTERM ended it with {status}")),
            Err(_) => Some(format!(
                "SIGTERM is not obeyed within {:.1?}",
                asked.elapsed()
            )),
        }
    }
}
