//! Any body as the form of an upload: what is published of it is what an independent reading finds.

use std::fs;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use futures_util::stream;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;
use wasimancer_catalog::{Catalog, Definitions, Digest, Home, Kind, Settings};
use wasimancer_runtime::{EngineOptions, Runtime};

use crate::bounded_time;

/// Longest input.
const MAX_BYTES: usize = 64 * 1024;
const BOUNDARY: &str = "edge";
/// Statuses of what an upload may be told.
const STATUSES: [u16; 8] = [200, 400, 404, 409, 413, 422, 500, 503];

/// A server that is published to.
struct Server {
    tokio: tokio::runtime::Runtime,
    router: Router,
    catalog: Arc<Catalog>,
    _home: TempDir,
}

/// The first byte says into how large pieces the body comes; the body is what follows.
///
/// # Panics
/// At a finding.
pub fn run(data: &[u8]) {
    let Some((piece, body)) = data.split_first() else {
        return;
    };
    if body.len() > MAX_BYTES {
        return;
    }
    bounded_time(|| check(usize::from(*piece) * usize::from(*piece), body));
}

fn check(piece_bytes: usize, body: &[u8]) {
    let server = server();
    let (status, told) = server.upload(piece_bytes, body);
    let plugins = server.catalog.snapshot();
    let plugins = plugins.plugins();
    assert!(STATUSES.contains(&status.as_u16()), "{status}: {told}");
    assert!(
        told["code"] != "failed" && told["code"] != "storage_failed",
        "{told}"
    );
    if status != StatusCode::OK {
        assert!(
            told["error"].is_string() && told["code"].is_string(),
            "{told}"
        );
        assert!(plugins.is_empty(), "what is refused leaves nothing");
        return;
    }
    let [plugin] = plugins else {
        panic!("one plugin is served");
    };
    let parts = read(body).expect("what is published is a form");
    let is_there = |name: &str, is_it: &dyn Fn(&[u8]) -> bool| {
        let mut named = parts.iter().filter(|part| part.mentions(name));
        named.any(|part| is_it(part.data))
    };
    let is_definition = |data: &[u8]| {
        serde_json::from_slice::<Value>(data).is_ok_and(|sent| sent == told["metadata"])
    };
    assert!(is_there("pluginData", &is_definition), "{told}");
    let is_module = |data: &[u8]| Digest::of(data) == plugin.digest();
    assert!(is_there("wasmFile", &is_module), "{told}");
    server.remove(plugin.name());
}

/// A part of a form.
struct Part<'b> {
    head: &'b [u8],
    data: &'b [u8],
}

impl Part<'_> {
    /// Whether the word stands in its headers, however they are written.
    fn mentions(&self, word: &str) -> bool {
        position(self.head, word.as_bytes()).is_some()
    }
}

/// The parts of a form (RFC 2046, section 5.1.1); none where it is none. As the server does it takes a
/// preamble that does not end its line, and whatever stands behind the end.
fn read(body: &[u8]) -> Option<Vec<Part<'_>>> {
    let delimiter = format!("\r\n--{BOUNDARY}");
    let first = &delimiter.as_bytes()[2..];
    let mut rest = &body[position(body, first)? + first.len()..];
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let padding = rest.iter().take_while(|byte| b" \t".contains(byte)).count();
        rest = rest[padding..].strip_prefix(b"\r\n")?;
        let head = position(rest, b"\r\n\r\n")?;
        let (head, behind) = (&rest[..head], &rest[head + 4..]);
        let end = position(behind, delimiter.as_bytes())?;
        parts.push(Part {
            head,
            data: &behind[..end],
        });
        rest = &behind[end + delimiter.len()..];
    }
    Some(parts)
}

fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|found| found == wanted)
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

impl Server {
    fn start() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let folder = home.path().join("plugins");
        fs::create_dir(&folder).expect("a new folder");
        let defined = Home {
            plugins: Some(Kind {
                folder,
                definition_file: "plugins.yml".to_owned(),
            }),
            resources: None,
            prompts: None,
        };
        let engine = Runtime::new(EngineOptions {
            instances_max: 4,
            cache_folder: Some(home.path().join("compiled")),
            ..EngineOptions::default()
        });
        let engine = engine.expect("the engine starts");
        let defined = Definitions::read(&defined).expect("there are no files yet");
        let catalog = Catalog::open(&defined, &Settings::default(), &engine);
        let catalog = Arc::new(catalog.expect("the home is readable"));
        let options = wasimancer_admin::Options {
            upload_max_bytes: MAX_BYTES as u64,
            body_max_bytes: MAX_BYTES as u64,
            read_timeout: Duration::from_secs(5),
        };
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        Self {
            tokio,
            router: wasimancer_admin::router(Arc::clone(&catalog), &options),
            catalog,
            _home: home,
        }
    }

    fn upload(&self, piece_bytes: usize, body: &[u8]) -> (StatusCode, Value) {
        let pieces = body.chunks(piece_bytes.max(1)).map(Bytes::copy_from_slice);
        let pieces: Vec<_> = pieces.map(Ok::<_, std::io::Error>).collect();
        let form = format!("multipart/form-data; boundary={BOUNDARY}");
        let request = Request::builder()
            .method(Method::POST)
            .uri("/upload-plugin")
            .header("content-type", form)
            .body(Body::from_stream(stream::iter(pieces)));
        self.ask(request.expect("a request"))
    }

    fn remove(&self, name: &str) {
        let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
        let request = Request::builder()
            .method(Method::DELETE)
            .uri(format!("/remove-plugin/{name}"))
            .body(Body::empty());
        let (status, told) = self.ask(request.expect("a request"));
        assert_eq!(status, StatusCode::OK, "{told}");
    }

    fn ask(&self, request: Request<Body>) -> (StatusCode, Value) {
        self.tokio.block_on(async {
            let answer = self.router.clone().oneshot(request).await;
            let answer = answer.expect("the router answers");
            let status = answer.status();
            let body = answer.into_body().collect().await;
            let body = body.expect("the body is whole").to_bytes();
            let told = serde_json::from_slice(&body).expect("an answer is JSON");
            (status, told)
        })
    }
}
