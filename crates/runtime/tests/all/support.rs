//! What the tests share: modules, plugins, captured log lines, waiting, child processes.

use std::fmt::Write as _;
use std::process::Command;
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use wasimancer_runtime::{
    EngineOptions, Error, Event, Limits, Plugin, PluginSpec, Requester, Result, Runtime, Severity,
};

/// How long a test waits for what must come; far longer than any of it takes.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// An engine with a small pool.
pub(crate) fn runtime() -> Runtime {
    runtime_with(options())
}

pub(crate) fn options() -> EngineOptions {
    EngineOptions {
        instances_max: 80,
        ..EngineOptions::default()
    }
}

pub(crate) fn runtime_with(options: EngineOptions) -> Runtime {
    Runtime::new(options).expect("the engine starts")
}

/// A requester who hears nothing; its calls wait behind one another.
pub(crate) struct Keyed(pub(crate) u64);

impl Requester for Keyed {
    fn key(&self) -> u64 {
        self.0
    }

    fn describe(&self) -> String {
        "{}".to_owned()
    }

    fn log(&self) -> Option<Severity> {
        None
    }

    fn tell(&self, _: Event) {}
}

/// Assembles a module.
pub(crate) fn module(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's module is well-formed")
}

/// Assembles a module of these fields behind those of `prelude.wat`.
pub(crate) fn extism(fields: &str) -> Vec<u8> {
    let prelude = include_str!("../modules/prelude.wat");
    module(&format!("(module\n{prelude}\n{fields})"))
}

pub(crate) fn abi() -> Vec<u8> {
    extism(include_str!("../modules/abi.wat"))
}

pub(crate) fn bombs() -> Vec<u8> {
    extism(include_str!("../modules/bombs.wat"))
}

/// A plugin's specification with default limits, no permissions and no configuration.
pub(crate) fn spec<'a>(name: &'a str, wasm: &'a [u8]) -> PluginSpec<'a> {
    PluginSpec::new(name, wasm)
}

pub(crate) fn plugin(runtime: &Runtime, name: &str, wasm: &[u8]) -> Plugin {
    runtime
        .compile(spec(name, wasm))
        .expect("the module compiles")
}

pub(crate) fn limited(runtime: &Runtime, name: &str, wasm: &[u8], limits: Limits) -> Plugin {
    runtime
        .compile(PluginSpec {
            limits,
            ..spec(name, wasm)
        })
        .expect("the module compiles")
}

/// Calls an export, with a bound on how long the test waits.
pub(crate) async fn call(
    plugin: &Plugin,
    export: &str,
    input: impl AsRef<[u8]>,
) -> Result<Vec<u8>> {
    let function = plugin.function(export).expect(export);
    tokio::time::timeout(PATIENCE, function.call(input.as_ref()))
        .await
        .expect("the call ends")
}

/// Numbers as the test modules read and write them.
pub(crate) fn bytes(numbers: &[u64]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

pub(crate) fn numbers(bytes: &[u8]) -> Vec<u64> {
    let (numbers, rest) = bytes.as_chunks::<8>();
    assert!(rest.is_empty(), "{bytes:?} is no list of numbers");
    numbers.iter().copied().map(u64::from_le_bytes).collect()
}

pub(crate) async fn call_numbers(plugin: &Plugin, export: &str, input: &[u64]) -> Result<Vec<u64>> {
    let output = call(plugin, export, bytes(input)).await?;
    Ok(numbers(&output))
}

/// The reason of a trap; anything else fails the test.
#[track_caller]
pub(crate) fn trap(ended: Result<Vec<u8>>) -> String {
    match ended {
        Err(Error::Trap { reason }) => reason,
        other => panic!("expected a trap, not {other:?}"),
    }
}

/// Guests of `bombs.wat` neither get more memory than their limit nor reach beyond what they have.
pub(crate) async fn memory_is_bounded(bombs: &Plugin) {
    for export in ["grow_memory", "grow_table", "alloc"] {
        let ended = call(bombs, export, "").await;
        assert!(
            matches!(ended, Err(Error::MemoryLimit { .. })),
            "{export}: {ended:?}"
        );
    }
    for export in ["recurse", "read_behind_memory", "read_far_behind_memory"] {
        trap(call(bombs, export, "").await);
    }
}

/// Polls until the condition holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A captured event that names a plugin.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) level: tracing::Level,
    pub(crate) plugin: String,
    pub(crate) message: String,
    pub(crate) backtrace: String,
}

static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());

/// Captures the log of the whole process from here on; plugins are told apart by their names.
pub(crate) fn capture_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(Capture);
        tracing::subscriber::set_global_default(subscriber).expect("nothing else captures the log");
    });
}

/// What a plugin has written to the log, and what was written about it.
pub(crate) fn lines(plugin: &str) -> Vec<Line> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines
        .iter()
        .filter(|line| line.plugin == plugin)
        .cloned()
        .collect()
}

pub(crate) fn messages(plugin: &str) -> Vec<String> {
    lines(plugin).into_iter().map(|line| line.message).collect()
}

struct Capture;

impl<S: tracing::Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut line = Line {
            level: *event.metadata().level(),
            plugin: String::new(),
            message: String::new(),
            backtrace: String::new(),
        };
        event.record(&mut Fields(&mut line));
        if !line.plugin.is_empty() {
            let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push(line);
        }
    }
}

struct Fields<'a>(&'a mut Line);

impl tracing::field::Visit for Fields<'_> {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        let text = match field.name() {
            "plugin" => &mut self.0.plugin,
            "message" => &mut self.0.message,
            "backtrace" => &mut self.0.backtrace,
            _ => return,
        };
        write!(text, "{value:?}").expect("a string takes everything");
    }
}

/// Runs a test's body in a process of its own, where it cannot disturb other tests: answers true
/// there, and false in the first process once the other one has passed. `setup` is a shell
/// command that runs in front of it.
#[must_use]
pub(crate) fn in_own_process(test: &str, setup: &str) -> bool {
    const MARK: &str = "WASIMANCER_TEST_IN_OWN_PROCESS";
    if std::env::var_os(MARK).is_some_and(|name| name == test) {
        return true;
    }
    let this = std::env::current_exe().expect("the test knows its file");
    let output = Command::new("sh")
        .args(["-c", &format!("{setup} && exec \"$@\""), "sh"])
        .arg(this)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(MARK, test)
        .output()
        .expect("the shell starts");
    let printed = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{}: {printed}", output.status);
    assert!(
        printed.contains("1 passed"),
        "`{test}` names no test: {printed}"
    );
    false
}
