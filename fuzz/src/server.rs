//! The real endpoint on a small home, without a socket.

use std::fs;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tower::ServiceExt;
use wasimancer_catalog::{Catalog, Definitions, Home, Kind, Settings};
use wasimancer_mcp::{AllowedNames, Gate, Options};
use wasimancer_runtime::{EngineOptions, Runtime};

/// Answers its input.
pub(crate) const ECHO: &str = r#"(module
  (import "extism:host/env" "input_offset" (func $offset (result i64)))
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (memory (export "memory") 1)
  (func (export "echo") (call $output (call $offset) (call $length))))"#;

const PLUGINS: &str = "plugins:
  - name: echo
    path: echo.wasm
    functions:
      - {displayName: text, function: echo, inputSchema: {type: object}}
      - {displayName: json, function: echo, inputSchema: {type: object}, returns: json, outputSchema: {type: object, required: [a]}}
      - {displayName: result, function: echo, inputSchema: {type: object}, returns: result}
      - {displayName: task, function: echo, inputSchema: {type: object}, returns: result, task: {after: 1s}}
      - displayName: mirrored
        function: echo
        inputSchema: {type: object, properties: {region: {type: string, x-mcp-header: Region}, level: {type: integer, x-mcp-header: Level}}}
";

const RESOURCES: &str = r#"resources:
  static:
    - {name: plain, uri: "test://plain", contents: [{text: hello}]}
  dynamic:
    - {name: pair, uri: "test://{a}/x{?b}", arguments: [{name: a, enum: [one, two]}], contents: [{text: "${a}"}]}
    - {name: made, uri: "made://{a}", arguments: [{name: a}], plugin: echo, function: echo, returns: result}
"#;

const PROMPTS: &str = "prompts:
  predefined:
    - {name: fixed, arguments: [{name: a, type: number, required: false}], messages: [{role: user, text: \"${a}\"}]}
    - {name: made, arguments: [{name: contents}], plugin: echo, function: echo, returns: result}
";

/// A server that is asked.
pub struct Server {
    runtime: tokio::runtime::Runtime,
    router: Router,
    _home: TempDir,
    _shutdown: watch::Sender<bool>,
}

/// What it answers.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; of a stream its first events.
    pub body: Vec<u8>,
}

/// The server of this process.
///
/// # Panics
/// When it cannot be started.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

impl Server {
    fn start() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let kind = |name: &str, text: &str| {
            let folder = home.path().join(name);
            fs::create_dir(&folder).expect("a new folder");
            let definition_file = format!("{name}.yml");
            fs::write(folder.join(&definition_file), text).expect("a new file");
            Some(Kind {
                folder,
                definition_file,
            })
        };
        let defined = Home {
            plugins: kind("plugins", PLUGINS),
            resources: kind("resources", RESOURCES),
            prompts: kind("prompts", PROMPTS),
        };
        let wasm = wat::parse_str(ECHO).expect("the module is well-formed");
        fs::write(home.path().join("plugins/echo.wasm"), wasm).expect("a new file");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let engine = Runtime::new(EngineOptions {
            instances_max: 4,
            ..EngineOptions::default()
        });
        let engine = engine.expect("the engine starts");
        let defined = Definitions::read(&defined).expect("the home is readable");
        let catalog = Catalog::open(&defined, &Settings::default(), &engine);
        let catalog = Arc::new(catalog.expect("the home loads"));
        catalog.compile_rest();
        assert_eq!(catalog.snapshot().quarantined().len(), 0, "all is served");
        let gate = Gate {
            names: AllowedNames::with(["*"]).expect("it is a name"),
            admission: None,
        };
        let (shutdown, is_shutting_down) = watch::channel(false);
        let router = wasimancer_mcp::router(
            catalog,
            Options::default(),
            gate,
            is_shutting_down.clone(),
            is_shutting_down,
        );
        Self {
            runtime,
            router,
            _home: home,
            _shutdown: shutdown,
        }
    }

    /// Posts a body with these headers.
    ///
    /// # Panics
    /// When no answer comes.
    pub fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri("/mcp")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // A header that HTTP cannot carry never comes.
        let Ok(request) = request.body(Body::from(body.to_vec())) else {
            return Answer {
                status: StatusCode::BAD_REQUEST,
                headers: HeaderMap::new(),
                body: Vec::new(),
            };
        };
        self.runtime.block_on(async {
            let answer = self.router.clone().oneshot(request).await;
            let (parts, mut body) = answer.expect("the router answers").into_parts();
            let is_stream = parts
                .headers
                .get(header::CONTENT_TYPE)
                .is_some_and(|found| found.as_bytes().starts_with(b"text/event-stream"));
            let mut bytes = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.expect("the body is whole");
                bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                // A subscription would never end.
                if is_stream {
                    break;
                }
            }
            Answer {
                status: parts.status,
                headers: parts.headers,
                body: bytes,
            }
        })
    }
}

/// Holds an answer against what every answer must be.
///
/// # Panics
/// When it is something else.
pub fn check(asked: &[u8], answer: &Answer) {
    const STATUSES: [u16; 10] = [200, 202, 400, 404, 406, 408, 413, 415, 503, 403];
    assert!(
        STATUSES.contains(&answer.status.as_u16()),
        "{}",
        answer.status
    );
    if answer.body.is_empty()
        || answer.body.starts_with(b"data:")
        || answer.body.starts_with(b"id:")
    {
        return;
    }
    let found: Value = serde_json::from_slice(&answer.body).expect("an answer is JSON");
    if let Some(batch) = found.as_array() {
        assert!(!batch.is_empty());
        batch.iter().for_each(check_message);
        return;
    }
    check_message(&found);
    // Whoever asked with an id finds it.
    let Ok(asked) = serde_json::from_slice::<Value>(asked) else {
        return;
    };
    let is_id = asked["id"].is_string() || asked["id"].is_i64() || asked["id"].is_u64();
    if asked["jsonrpc"] == "2.0"
        && asked["method"].is_string()
        && is_id
        && found.get("id").is_some()
    {
        assert_eq!(asked["id"], found["id"]);
    }
}

fn check_message(message: &Value) {
    assert_eq!(message["jsonrpc"], json!("2.0"));
    let is_error = message.get("error").is_some();
    assert_ne!(message.get("result").is_some(), is_error, "{message}");
    if is_error {
        assert!(message["error"]["code"].is_i64(), "{message}");
        assert!(message["error"]["message"].is_string(), "{message}");
    } else {
        assert!(message["result"].is_object(), "{message}");
        assert!(message.get("id").is_some(), "{message}");
    }
}
