//! What the tests share: homes in temporary folders, one engine, the views that tests assert on.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex, Once, PoisonError};

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;
use tempfile::TempDir;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use wasimancer_catalog::{Catalog, Definitions, Error, Home, Kind, List, Read, Settings, Snapshot};
use wasimancer_runtime::{EngineOptions, Runtime};

/// The engine of every test. It keeps compiled modules between runs: that of a Go plugin takes
/// seconds to compile.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let options = EngineOptions {
        instances_max: 8,
        cache_folder: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("catalog-modules")),
        ..EngineOptions::default()
    };
    Runtime::new(options).expect("the engine starts")
});

/// A plugin whose output is its input; `twice` is the same under another name, `number` has another
/// type than a plugin's function.
const ECHO: &str = r#"(module
  (import "extism:host/env" "input_offset" (func $input_offset (result i64)))
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (memory (export "memory") 1)
  (func $echo (export "echo") (export "twice") (result i32)
    (call $output_set (call $input_offset) (call $input_length))
    (i32.const 0))
  (func (export "number") (param i32) (result i32) (local.get 0)))"#;

/// A home in a temporary folder: three empty folders, and `echo.wasm` among the plugins.
pub(crate) struct TestHome {
    folder: TempDir,
}

impl TestHome {
    pub(crate) fn new() -> Self {
        let home = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        for kind in ["resources", "prompts"] {
            fs::create_dir(home.path(kind)).unwrap();
        }
        home.module("echo.wasm", ECHO)
    }

    /// A home with this `plugins.yml`.
    pub(crate) fn with_plugins(yaml: &str) -> Self {
        Self::new().write("plugins/plugins.yml", yaml)
    }

    /// A home with this `resources.yml`.
    pub(crate) fn with_resources(yaml: &str) -> Self {
        Self::new().write("resources/resources.yml", yaml)
    }

    /// A home with this `prompts.yml`.
    pub(crate) fn with_prompts(yaml: &str) -> Self {
        Self::new().write("prompts/prompts.yml", yaml)
    }

    /// A home with a plugin that has one tool, `t`, with these further fields, of which the first
    /// stands on line 7.
    pub(crate) fn with_tool(fields: &str) -> Self {
        let mut yaml = String::from(
            "plugins:\n  - name: p\n    path: echo.wasm\n    functions:\n      - displayName: t\n        function: echo\n",
        );
        for line in fields.lines() {
            writeln!(yaml, "        {line}").unwrap();
        }
        Self::with_plugins(&yaml)
    }

    /// Writes a file.
    pub(crate) fn write(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    /// Assembles a module into the plugins folder.
    pub(crate) fn module(self, path: &str, text: &str) -> Self {
        let wasm = wat::parse_str(text).expect("the test's module is well-formed");
        self.write(&format!("plugins/{path}"), wasm)
    }

    /// Copies the module of an example into the plugins folder.
    pub(crate) fn example(self, name: &str, path: &str) -> Self {
        let from = examples()
            .join("plugins")
            .join(name)
            .join(format!("{name}.wasm"));
        let wasm = fs::read(&from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        self.write(&format!("plugins/{path}"), wasm)
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Where the catalogue finds everything.
    pub(crate) fn home(&self) -> Home {
        home_in(self.folder.path())
    }

    /// The catalogue of the home, with which it can be changed.
    #[track_caller]
    pub(crate) fn catalog(&self) -> Catalog {
        let settings = Settings::default();
        open_catalog(&self.home(), &settings).expect("the home loads")
    }

    pub(crate) fn try_open(&self) -> Result<Arc<Snapshot>, Error> {
        open(&self.home(), &Settings::default())
    }

    #[track_caller]
    pub(crate) fn open(&self) -> Arc<Snapshot> {
        self.try_open().expect("the home loads")
    }

    /// Opens a home in which everything is served.
    #[track_caller]
    pub(crate) fn open_whole(&self) -> Arc<Snapshot> {
        let snapshot = self.open();
        assert_eq!(problems(&snapshot), [""; 0]);
        snapshot
    }

    #[track_caller]
    pub(crate) fn open_with(&self, settings: &Settings) -> Arc<Snapshot> {
        open(&self.home(), settings).expect("the home loads")
    }

    /// Why nothing of a definition file is served.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        let snapshot = self.open();
        match snapshot.quarantined() {
            [file] if file.kind == "file" => file.reasons().join("\n"),
            others => panic!("{others:?}"),
        }
    }

    /// What is wrong with the quarantined entries.
    #[track_caller]
    pub(crate) fn problems(&self) -> Vec<String> {
        problems(&self.open())
    }
}

/// The folder of the project's examples.
pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// The three kinds in the usual places of a folder.
pub(crate) fn home_in(folder: &Path) -> Home {
    let kind = |name: &str| {
        Some(Kind {
            folder: folder.join(name),
            definition_file: format!("{name}.yml"),
        })
    };
    Home {
        plugins: kind("plugins"),
        resources: kind("resources"),
        prompts: kind("prompts"),
    }
}

pub(crate) fn open(home: &Home, settings: &Settings) -> Result<Arc<Snapshot>, Error> {
    open_catalog(home, settings).map(|catalog| catalog.snapshot())
}

/// A catalogue whose plugins are all compiled.
fn open_catalog(home: &Home, settings: &Settings) -> Result<Catalog, Error> {
    let catalog = Catalog::open(&Definitions::read(home)?, settings, &RUNTIME)?;
    catalog.compile_rest();
    Ok(catalog)
}

/// Every problem of every quarantined entry, as it is displayed.
pub(crate) fn problems(snapshot: &Snapshot) -> Vec<String> {
    let entries = snapshot.quarantined().iter();
    entries
        .flat_map(|entry| entry.problems.iter().map(ToString::to_string))
        .collect()
}

/// Kind and name of the quarantined entries.
pub(crate) fn quarantined(snapshot: &Snapshot) -> Vec<(&str, &str)> {
    let entries = snapshot.quarantined().iter();
    entries
        .map(|entry| (entry.kind, entry.name.as_str()))
        .collect()
}

/// The entries of a list that has one page.
#[track_caller]
pub(crate) fn entries(list: Option<&List>) -> Vec<Value> {
    let list = list.expect("the kind is served");
    assert_eq!(list.pages(), 1);
    parse_page(list, 0)
}

#[track_caller]
pub(crate) fn parse_page(list: &List, index: usize) -> Vec<Value> {
    let page = list.page(index).expect("there is such a page");
    serde_json::from_str(page).expect("a page is a JSON array")
}

/// The schema of the tool `t` as clients see it.
#[track_caller]
pub(crate) fn input_schema(home: &TestHome) -> Value {
    let snapshot = home.open_whole();
    entries(snapshot.tool_list())[0]["inputSchema"].clone()
}

pub(crate) fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).expect(json)
}

/// What a future gives that waits for nothing but its turn.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(given) => return given,
            std::task::Poll::Pending => std::thread::yield_now(),
        }
    }
}

/// The input that the tool `t` makes of these arguments, or why it refuses them.
#[track_caller]
pub(crate) fn input(snapshot: &Snapshot, arguments: &str) -> Result<String, String> {
    let tool = snapshot.tool("t").expect("the tool is served");
    match wait(tool.input(0, Some(&raw(arguments)))) {
        Ok(input) => Ok(String::from_utf8(input).expect("an input is UTF-8")),
        Err(error) => Err(error.to_string()),
    }
}

/// The contents at a URI as they are written; none where nothing is there.
#[track_caller]
pub(crate) fn contents(snapshot: &Snapshot, uri: &str) -> Option<Bytes> {
    match snapshot.resource(uri)? {
        Read::Contents(contents) => Some(contents),
        Read::TooLong { limit } => panic!("{uri} has more than {limit} bytes"),
        Read::Function(call) => panic!("{uri} is made by a function: {:?}", call.source),
    }
}

/// The contents at a URI.
pub(crate) fn read(snapshot: &Snapshot, uri: &str) -> Option<Value> {
    let contents = contents(snapshot, uri)?;
    Some(serde_json::from_slice(&contents).expect("contents are JSON"))
}

static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Captures the warnings of the whole process from here on.
pub(crate) fn capture_warnings() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(Capture);
        tracing::subscriber::set_global_default(subscriber).expect("nothing else captures the log");
    });
}

/// The captured warnings that mention this.
pub(crate) fn warnings(mentioned: &str) -> Vec<String> {
    let warnings = WARNINGS.lock().unwrap_or_else(PoisonError::into_inner);
    warnings
        .iter()
        .filter(|line| line.contains(mentioned))
        .cloned()
        .collect()
}

struct Capture;

impl<S: tracing::Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == tracing::Level::WARN {
            let mut line = Fields(String::new());
            event.record(&mut line);
            WARNINGS
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line.0);
        }
    }
}

struct Fields(String);

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

/// Runs a test's body in a process of its own, where running out of stack or memory ends that
/// process alone: answers true there, and false in the first process once the other one has
/// passed. `setup` is a shell command that runs in front of it.
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
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{}: {said}", output.status);
    assert!(said.contains("1 passed"), "`{test}` names no test: {said}");
    false
}
