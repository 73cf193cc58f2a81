//! A client of each revision. It checks what every answer must have.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use socket2::{Domain, Socket, Type};

use super::{ADMIN_TOKEN, Events, PATIENCE, TOKEN, spec};

/// The stateless revision.
pub(crate) const MODERN: &str = "2026-07-28";
/// The revisions with `initialize`, newest first.
pub(crate) const LEGACY: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];
/// Every revision, newest first.
pub(crate) const REVISIONS: [&str; 4] = [MODERN, "2025-11-25", "2025-06-18", "2025-03-26"];

/// The revision that can be agreed to, and named nowhere else.
pub(crate) const OLDEST: &str = "2024-11-05";

const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
pub(crate) const SERVER_INFO_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// The results that clients may keep (2026-07-28, caching).
const CACHEABLE: [&str; 6] = [
    "server/discover",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
];

/// A client that speaks one revision. Each has connections of its own.
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    revision: &'static str,
    /// Sent with every request.
    pub(crate) headers: HeaderMap,
}

/// A client of plain HTTP, with connections of its own.
pub(crate) fn http_client() -> reqwest::Client {
    // Another test may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
    http.build().expect("a client")
}

/// The params of a request, as JSON.
pub(crate) struct Params(String);

impl From<Value> for Params {
    fn from(value: Value) -> Self {
        Self(value.to_string())
    }
}

impl From<&str> for Params {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Client {
    pub(crate) fn new(url: String, revision: &'static str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        headers.insert(
            AUTHORIZATION,
            format!("Bearer {TOKEN}").parse().expect("a header value"),
        );
        if revision != "2025-03-26" {
            headers.insert("mcp-protocol-version", HeaderValue::from_static(revision));
        }
        Self {
            http: http_client(),
            url,
            revision,
            headers,
        }
    }

    /// The same with connections from this address of the machine, such as 127.0.0.2.
    pub(crate) fn at(mut self, address: &str) -> Self {
        let address: IpAddr = address.parse().expect("an address");
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
        let http = http.local_address(address).build();
        self.http = http.expect("a client");
        self
    }

    fn is_modern(&self) -> bool {
        self.revision == MODERN
    }

    /// A request as the revision wants it, to be changed or sent.
    pub(crate) fn request(&self, method: &str, params: impl Into<Params>) -> Request<'_> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let params = params.into().0;
        let mut headers = self.headers.clone();
        let mut meta = Map::new();
        if self.is_modern() {
            meta.insert(VERSION_KEY.to_owned(), json!(MODERN));
            meta.insert(CAPABILITIES_KEY.to_owned(), json!({}));
            headers.insert("mcp-method", method.parse().expect("a header value"));
            if let Some(name) = name_of(method, &params) {
                headers.insert("mcp-name", header_text(&name));
            }
        }
        Request {
            client: self,
            id: Some(NEXT_ID.fetch_add(1, Ordering::Relaxed).to_string()),
            method: method.to_owned(),
            params: Some(params),
            meta: self.is_modern().then_some(meta),
            headers,
        }
    }

    pub(crate) async fn ask(&self, method: &str, params: impl Into<Params>) -> Answer {
        self.request(method, params).send().await
    }

    /// Calls a tool; the arguments are JSON, kept as they are written.
    pub(crate) async fn call(&self, tool: &str, arguments: impl Into<Params>) -> Answer {
        self.request_call(tool, arguments).send().await
    }

    pub(crate) fn request_call(&self, tool: &str, arguments: impl Into<Params>) -> Request<'_> {
        let params = format!(
            r#"{{"name":{},"arguments":{}}}"#,
            json!(tool),
            arguments.into().0
        );
        self.request("tools/call", params.as_str())
    }

    /// Posts any bytes, with the headers of every request.
    pub(crate) async fn post(&self, body: impl Into<reqwest::Body>) -> Answer {
        self.post_with(&self.headers, body).await
    }

    pub(crate) async fn post_with(
        &self,
        headers: &HeaderMap,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        self.send(reqwest::Method::POST, headers, body).await
    }

    /// Any exchange with the endpoint, whose answer must be what its revision allows.
    pub(crate) async fn send(
        &self,
        method: reqwest::Method,
        headers: &HeaderMap,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let body = body.into();
        let asked = body.as_bytes().unwrap_or_default().to_vec();
        let answer = Answer::of(self.begin(method, headers, body).await).await;
        // Whoever has no token, or another method than its own, has not reached the protocol.
        let is_message = !answer.json.is_null() && ![401, 405].contains(&answer.status);
        if self.url.ends_with("/mcp") && is_message {
            spec::check(&revision_of(headers), &asked, &answer.json);
            remember_session(&answer);
        }
        answer
    }

    /// The same, up to the head of the answer.
    pub(super) async fn begin(
        &self,
        method: reqwest::Method,
        headers: &HeaderMap,
        body: impl Into<reqwest::Body>,
    ) -> reqwest::Response {
        let request = self
            .http
            .request(method, &self.url)
            .headers(headers.clone())
            .body(body);
        request.send().await.expect("an answer")
    }

    /// Goes on with a stream of the client's session after the event with this id.
    pub(crate) async fn resume(&self, last_event_id: &str, asked: &str) -> Events {
        let mut headers = self.headers.clone();
        headers.insert("last-event-id", header_text(last_event_id));
        let response = self.begin(reqwest::Method::GET, &headers, "").await;
        Events::of(response, revision_of(&headers), asked)
    }

    /// The stream of the client's session.
    pub(crate) async fn stream(&self) -> Events {
        let response = self.begin(reqwest::Method::GET, &self.headers, "").await;
        Events::of(response, revision_of(&self.headers), "")
    }

    /// `GET` of another path of the server, without a token.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let url = self.url.replace("/mcp", path);
        Answer::of(self.http.get(url).send().await.expect("an answer")).await
    }

    /// Posts an empty object to another path, with no token.
    pub(crate) async fn http_post(&self, path: &str) -> Answer {
        let request = self.http.post(self.url.replace("/mcp", path));
        let request = request
            .header("content-type", "application/json")
            .body("{}");
        Answer::of(request.send().await.expect("an answer")).await
    }

    /// What `/readyz` tells operators.
    pub(crate) async fn ready(&self) -> Answer {
        let request = self.http.get(self.url.replace("/mcp", "/readyz"));
        let request = request.bearer_auth(ADMIN_TOKEN);
        Answer::of(request.send().await.expect("an answer")).await
    }
}

/// The revision of each session of a test, by its id.
static SESSIONS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

fn remember_session(answer: &Answer) {
    let id = answer.headers.get("mcp-session-id");
    let version = answer.json["result"]["protocolVersion"].as_str();
    if let (Some(Ok(id)), Some(version)) = (id.map(HeaderValue::to_str), version) {
        let mut sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.insert(id.to_owned(), version.to_owned());
    }
}

/// The revision of what a request with these headers is answered with; the newest where it is one
/// that no server knows.
fn revision_of(headers: &HeaderMap) -> String {
    if let Some(version) = headers.get("mcp-protocol-version") {
        let version = version.to_str().unwrap_or_default().trim();
        let mut known = REVISIONS.iter().chain([&OLDEST]);
        let known = known.find(|known| **known == version);
        return (*known.unwrap_or(&MODERN)).to_owned();
    }
    let session = headers.get("mcp-session-id");
    let session = session.and_then(|id| id.to_str().ok()).unwrap_or_default();
    let sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
    sessions
        .get(session)
        .map_or("2025-03-26", String::as_str)
        .to_owned()
}

/// What the header `Mcp-Name` repeats.
fn name_of(method: &str, params: &str) -> Option<String> {
    let field = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
        _ => return None,
    };
    let params: HashMap<String, Box<RawValue>> = serde_json::from_str(params).ok()?;
    serde_json::from_str(params.get(field)?.get()).ok()
}

/// A value as the header that repeats it holds it.
fn header_text(value: &str) -> HeaderValue {
    let is_plain = value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && value.trim() == value;
    let encoded = if is_plain {
        value.to_owned()
    } else {
        format!("=?base64?{}?=", STANDARD.encode(value))
    };
    encoded.parse().expect("a header value")
}

/// A request, before it is sent.
pub(crate) struct Request<'c> {
    client: &'c Client,
    /// As JSON; none makes a notification.
    id: Option<String>,
    method: String,
    params: Option<String>,
    meta: Option<Map<String, Value>>,
    pub(crate) headers: HeaderMap,
}

impl Request<'_> {
    /// With this id, which is JSON.
    pub(crate) fn id(mut self, json: &str) -> Self {
        self.id = Some(json.to_owned());
        self
    }

    pub(crate) fn into_notification(mut self) -> Self {
        self.id = None;
        self
    }

    /// With this header in place of the one of its name.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = HeaderValue::from_bytes(value.as_ref()).expect("a header value");
        self.headers
            .insert(name.parse::<HeaderName>().expect("a header name"), value);
        self
    }

    /// With this header beside the one of its name.
    pub(crate) fn second_header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header name");
        self.headers
            .append(name, value.parse().expect("a header value"));
        self
    }

    pub(crate) fn without_header(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// With this field in `_meta`, under the protocol's prefix.
    pub(crate) fn meta(mut self, name: &str, value: Value) -> Self {
        let meta = self.meta.get_or_insert_default();
        meta.insert(format!("io.modelcontextprotocol/{name}"), value);
        self
    }

    /// Of a client that can do this: a `ClientCapabilities` object.
    pub(crate) fn capabilities(self, capabilities: Value) -> Self {
        self.meta("clientCapabilities", capabilities)
    }

    /// With what reports of progress are to name.
    pub(crate) fn progress_token(mut self, token: Value) -> Self {
        let meta = self.meta.get_or_insert_default();
        meta.insert("progressToken".to_owned(), token);
        self
    }

    pub(crate) fn without_meta(mut self, name: &str) -> Self {
        let meta = self.meta.get_or_insert_default();
        meta.remove(&format!("io.modelcontextprotocol/{name}"));
        self
    }

    /// Without any `_meta`.
    pub(crate) fn bare(mut self) -> Self {
        self.meta = None;
        self
    }

    pub(crate) fn without_params(mut self) -> Self {
        self.params = None;
        self
    }

    pub(crate) fn body(&self) -> String {
        let params = match (&self.params, &self.meta) {
            (None, None) => String::new(),
            (Some(params), None) => format!(",\"params\":{params}"),
            (params, Some(meta)) => {
                let rest = params
                    .as_deref()
                    .unwrap_or("{}")
                    .strip_prefix('{')
                    .expect("params are an object");
                let comma = if rest.trim() == "}" { "" } else { "," };
                format!(",\"params\":{{\"_meta\":{}{comma}{rest}", json!(meta))
            }
        };
        let id = self
            .id
            .as_ref()
            .map(|id| format!("\"id\":{id},"))
            .unwrap_or_default();
        format!(
            r#"{{"jsonrpc":"2.0",{id}"method":{}{params}}}"#,
            json!(self.method)
        )
    }

    /// Sends it and reads the stream of events that it is answered with.
    pub(crate) async fn listen(self) -> Events {
        let body = self.body();
        let begun = self
            .client
            .begin(reqwest::Method::POST, &self.headers, body.clone());
        Events::of(begun.await, revision_of(&self.headers), body)
    }

    /// Sends it and checks what every answer of the revision must have.
    pub(crate) async fn send(self) -> Answer {
        let answer = self.client.post_with(&self.headers, self.body()).await;
        if let Some(id) = &self.id
            && answer.is_json_rpc()
        {
            assert!(
                answer.text.contains(&format!("\"id\":{id},")),
                "the id {id} is echoed: {}",
                answer.text
            );
            answer.check_result(self.client.is_modern(), &self.method);
        }
        answer
    }
}

/// An answer to an exchange.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// Null where there is no body.
    pub(crate) json: Value,
}

impl Answer {
    pub(super) async fn of(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let bytes = response.bytes().await.expect("a whole body");
        let text = String::from_utf8(bytes.to_vec()).expect("the body is UTF-8");
        let json = if text.is_empty() {
            Value::Null
        } else {
            assert_eq!(
                headers.get(CONTENT_TYPE).expect("a content type"),
                "application/json",
                "{text}"
            );
            serde_json::from_str(&text).expect("the body is JSON")
        };
        for secret in [TOKEN, ADMIN_TOKEN] {
            assert!(!text.contains(secret), "a token is never answered: {text}");
            let in_headers = headers
                .values()
                .any(|value| value.to_str().is_ok_and(|value| value.contains(secret)));
            assert!(!in_headers, "a token is never answered: {headers:?}");
        }
        Self {
            status,
            headers,
            text,
            json,
        }
    }

    fn is_json_rpc(&self) -> bool {
        self.json.get("id").is_some()
    }

    fn check_result(&self, is_modern: bool, method: &str) {
        assert_eq!(self.json["jsonrpc"], "2.0", "{}", self.text);
        let fields: Vec<&str> = self
            .json
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        let Some(result) = self.json.get("result") else {
            assert_eq!(fields, ["jsonrpc", "id", "error"], "{}", self.text);
            let error = &self.json["error"];
            assert!(
                error["code"].is_i64() && error["message"].is_string(),
                "{}",
                self.text
            );
            return;
        };
        assert_eq!(fields, ["jsonrpc", "id", "result"], "{}", self.text);
        assert_eq!(self.status, 200);
        let asks = is_modern && result["resultType"] != "complete";
        let is_cacheable = is_modern && !asks && CACHEABLE.contains(&method);
        let is_task = result.get("taskId").is_some();
        assert_eq!(
            result["ttlMs"].is_u64(),
            is_cacheable || is_task,
            "{}",
            self.text
        );
        let scope = result.get("cacheScope").and_then(Value::as_str);
        assert_eq!(scope, is_cacheable.then_some("private"), "{}", self.text);
        if is_modern {
            let may_ask = matches!(method, "tools/call" | "prompts/get" | "resources/read");
            let is_complete = result["resultType"] == "complete";
            assert!(is_complete || may_ask, "{}", self.text);
            let info = &result["_meta"][SERVER_INFO_KEY];
            // The name can be configured.
            let is_named = info["name"].as_str().is_some_and(|name| !name.is_empty());
            let version = env!("CARGO_PKG_VERSION");
            assert!(is_named && info["version"] == version, "{}", self.text);
        } else {
            assert!(result.get("resultType").is_none(), "{}", self.text);
            assert!(
                result["_meta"].get(SERVER_INFO_KEY).is_none(),
                "{}",
                self.text
            );
        }
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self
            .headers
            .get(name)
            .unwrap_or_else(|| panic!("there is no {name}: {self:?}"));
        value.to_str().expect("a plain header")
    }

    /// The result of a request that succeeded.
    #[track_caller]
    pub(crate) fn result(&self) -> &Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json
            .get("result")
            .unwrap_or_else(|| panic!("no result: {}", self.text))
    }

    /// The error of a request that was refused with this status and code.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: i64) -> &Value {
        assert_eq!(
            (self.status, self.json["error"]["code"].as_i64()),
            (status, Some(code)),
            "{}",
            self.text
        );
        &self.json["error"]
    }

    /// The text of a tool that succeeded and answered one.
    #[track_caller]
    pub(crate) fn output(&self) -> &str {
        let result = self.result();
        assert!(result.get("isError").is_none(), "{}", self.text);
        text_of(result)
    }

    /// What a tool that failed says.
    #[track_caller]
    pub(crate) fn failure(&self) -> &str {
        let result = self.result();
        assert_eq!(result["isError"], true, "{}", self.text);
        text_of(result)
    }
}

#[track_caller]
fn text_of(result: &Value) -> &str {
    let content = result["content"].as_array().expect("content");
    assert_eq!(
        (content.len(), &content[0]["type"]),
        (1, &json!("text")),
        "{result}"
    );
    content[0]["text"].as_str().expect("a text")
}

/// A connection from 127.0.0.`host`: each of them is another client to the server.
pub(crate) fn connect_from(host: u8, address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let own = SocketAddr::from(([127, 0, 0, host], 0));
    socket.bind(&own.into()).expect("an address of loopback");
    socket.connect(&address.into()).expect("a connection");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Writes bytes to a connection of its own and reads until the server closes it.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(request).expect("the request can be sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    String::from_utf8(answer).expect("the answer is UTF-8")
}
