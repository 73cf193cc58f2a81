//! Requests of guests: to whom they may go, what arrives, and how each of them ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, Request};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use wasimancer_runtime::{
    EngineOptions, Error, Limits, OutboundProxy, Permissions, Plugin, PluginSpec, Result, Runtime,
};

use crate::support::{
    PATIENCE, call, extism, in_own_process, numbers, options, runtime, runtime_with, spec,
};

/// A server of this test's own.
struct Server {
    address: SocketAddr,
    /// Requests that have arrived.
    hits: Arc<AtomicUsize>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hits = Arc::new(AtomicUsize::new(0));
        let count = hits.clone();
        let router = router(address).layer(axum::middleware::from_fn(
            move |request: Request, next: axum::middleware::Next| {
                count.fetch_add(1, Ordering::SeqCst);
                next.run(request)
            },
        ));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, hits }
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn router(address: SocketAddr) -> Router {
    let port = address.port();
    let redirect = |to: String| (StatusCode::FOUND, [(header::LOCATION, to)]);
    Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route(
            "/headers",
            get(|| async {
                let mut headers = HeaderMap::new();
                headers.insert("X-Answer", "42".parse().unwrap());
                headers.append("X-Many", "one".parse().unwrap());
                headers.append("X-Many", "two".parse().unwrap());
                (headers, "with headers")
            }),
        )
        .route("/echo", any(echo))
        .route("/arrived", any(arrived))
        .route("/head", any(head))
        .route("/gzip/{count}", any(gzip))
        .route(
            "/redirect/{status}",
            any(
                |Path(status): Path<u16>, RawQuery(to): RawQuery| async move {
                    let status = StatusCode::from_u16(status).unwrap();
                    (status, [(header::LOCATION, to.unwrap())])
                },
            ),
        )
        .route(
            "/status/{code}",
            get(|Path(code): Path<u16>| async move { StatusCode::from_u16(code).unwrap() }),
        )
        .route(
            "/bytes/{count}",
            get(|Path(count): Path<usize>| async move { vec![b'x'; count] }),
        )
        .route(
            "/hops/{left}",
            get(move |Path(left): Path<usize>| async move {
                match left {
                    0 => "arrived".into_response(),
                    _ => redirect(format!("/hops/{}", left - 1)).into_response(),
                }
            }),
        )
        .route(
            "/to-localhost",
            get(move || async move { redirect(format!("http://localhost:{port}/hello")) }),
        )
        .route(
            "/to-elsewhere",
            get(move || async move { redirect("http://elsewhere.example/".to_owned()) }),
        )
        .route(
            "/to-file",
            get(move || async move { redirect("file:///etc/passwd".to_owned()) }),
        )
}

/// Says what has arrived.
async fn echo(method: Method, headers: HeaderMap, body: Bytes) -> String {
    let header = |name: &str| {
        headers
            .get(name)
            .map_or("-", |value| value.to_str().unwrap())
            .to_owned()
    };
    let body = String::from_utf8(body.to_vec()).unwrap();
    format!(
        "{method} host={} x-key={} body={body}",
        header("host"),
        header("x-key")
    )
}

/// Method, headers that a test may have set, and body, as they have arrived.
async fn arrived(method: Method, headers: HeaderMap, body: Bytes) -> String {
    let mut found = vec![method.to_string()];
    let own = ["host", "content-length"];
    let is_the_servers = |name: &str, value: &str| match name {
        "user-agent" => value.starts_with("wasimancer/"),
        "accept-encoding" => matches!(value, "gzip" | "identity"),
        name => own.contains(&name),
    };
    for (name, value) in headers
        .iter()
        .filter(|(name, value)| !is_the_servers(name.as_str(), value.to_str().unwrap()))
    {
        found.push(format!("{name}={}", value.to_str().unwrap()));
    }
    found.sort();
    format!("{}; {}", found.join(" "), String::from_utf8_lossy(&body))
}

/// Some headers, as they have arrived.
async fn head(headers: HeaderMap) -> String {
    ["user-agent", "content-length", "accept-encoding"]
        .map(|name| {
            headers
                .get(name)
                .map_or("-", |value| value.to_str().unwrap())
                .to_owned()
        })
        .join(" ")
}

/// As many bytes, compressed.
async fn gzip(Path(count): Path<usize>) -> impl IntoResponse {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &vec![b'x'; count]).unwrap();
    (
        [(header::CONTENT_ENCODING, "gzip")],
        encoder.finish().unwrap(),
    )
}

fn wasm() -> Vec<u8> {
    extism(include_str!("../modules/http.wat"))
}

/// A plugin that may reach these hosts.
fn plugin_in(runtime: &Runtime, name: &str, hosts: &[&str], limits: Limits) -> Plugin {
    let wasm = wasm();
    let permissions = Permissions {
        network: hosts.iter().map(|host| host.parse().expect(host)).collect(),
    };
    runtime
        .compile(PluginSpec {
            limits,
            permissions,
            ..spec(name, &wasm)
        })
        .unwrap()
}

fn plugin(hosts: &[&str]) -> Plugin {
    plugin_in(&runtime(), "http", hosts, Limits::default())
}

fn request(url: &str) -> String {
    format!(r#"{{"url":"{url}"}}"#)
}

async fn fetch(plugin: &Plugin, url: &str) -> Result<Vec<u8>> {
    call(plugin, "get", request(url)).await
}

/// The host that the request was denied to.
#[track_caller]
fn denied(ended: Result<Vec<u8>>) -> String {
    match ended {
        Err(Error::DeniedHost { host, .. }) => host,
        other => panic!("expected a denied host, not {other:?}"),
    }
}

/// Why the request failed.
#[track_caller]
fn failed(ended: Result<Vec<u8>>) -> String {
    match ended {
        Err(Error::Http { reason }) => reason,
        other => panic!("expected a failed request, not {other:?}"),
    }
}

#[tokio::test]
async fn no_host_can_be_reached_by_default() {
    let server = Server::start().await;
    let plugin = plugin(&[]);
    assert_eq!(
        denied(fetch(&plugin, &server.url("/hello")).await),
        "127.0.0.1"
    );
    for host in ["localhost", "elsewhere.example", "[::1]", "10.0.0.1"] {
        assert_eq!(
            denied(fetch(&plugin, &format!("http://{host}/")).await),
            host
        );
    }
    assert_eq!(server.hits(), 0);
    assert_eq!(call(&plugin, "answer", "").await.unwrap(), b"after it");
}

#[tokio::test]
async fn a_host_that_is_named_answers() {
    let server = Server::start().await;
    let plugin = plugin(&["127.0.0.1"]);
    for _ in 0..3 {
        assert_eq!(
            fetch(&plugin, &server.url("/hello")).await.unwrap(),
            b"hello"
        );
    }
    assert_eq!(server.hits(), 3);
}

#[tokio::test]
async fn a_host_can_be_named_for_all_plugins() {
    let server = Server::start().await;
    let runtime = runtime_with(EngineOptions {
        allowed_hosts: vec!["127.0.0.0/8".parse().unwrap()],
        ..options()
    });
    let plugin = plugin_in(&runtime, "all", &["elsewhere.example"], Limits::default());
    assert_eq!(
        fetch(&plugin, &server.url("/hello")).await.unwrap(),
        b"hello"
    );
}

#[tokio::test]
async fn a_name_for_one_port_opens_no_other() {
    let (server, other) = (Server::start().await, Server::start().await);
    let plugin = plugin(&[&server.address.to_string()]);
    assert_eq!(
        fetch(&plugin, &server.url("/hello")).await.unwrap(),
        b"hello"
    );
    denied(fetch(&plugin, &other.url("/hello")).await);
    assert_eq!(other.hits(), 0);
}

#[tokio::test]
async fn the_machine_itself_must_be_named() {
    let server = Server::start().await;
    let url = format!("http://localhost:{}/hello", server.address.port());
    for hosts in [&["*"][..], &["*", "*.localhost"], &["*", "10.0.0.0/8"]] {
        denied(fetch(&plugin(hosts), &url).await);
        denied(fetch(&plugin(hosts), &server.url("/hello")).await);
    }
    // Its name for another port does not open this one either.
    denied(
        fetch(
            &plugin(&["*", "localhost:1", "127.0.0.1:1", "[::1]:1"]),
            &url,
        )
        .await,
    );
    assert_eq!(server.hits(), 0);
    let port = format!("localhost:{}", server.address.port());
    for hosts in [
        &["localhost"][..],
        &[&port],
        &["*", &port],
        &["localhost", "127.0.0.1:1"],
    ] {
        assert_eq!(
            fetch(&plugin(hosts), &url).await.unwrap(),
            b"hello",
            "{hosts:?}"
        );
    }
}

#[tokio::test]
async fn status_and_headers_of_a_response_are_the_guests() {
    let server = Server::start().await;
    let plugin = plugin(&["127.0.0.1"]);
    for code in [200, 204, 404, 503] {
        let status = call(
            &plugin,
            "status",
            request(&server.url(&format!("/status/{code}"))),
        )
        .await;
        assert_eq!(numbers(&status.unwrap()), [code]);
    }
    let headers = call(&plugin, "headers", request(&server.url("/headers")))
        .await
        .unwrap();
    let headers: serde_json::Value = serde_json::from_slice(&headers).unwrap();
    assert_eq!(headers["x-answer"], "42");
    assert_eq!(headers["x-many"], "one, two");
    assert_eq!(headers["content-length"], "12");
    // No body is no block.
    let handle = call(&plugin, "handle", request(&server.url("/bytes/0")))
        .await
        .unwrap();
    assert_eq!(numbers(&handle), [0]);
}

#[tokio::test]
async fn a_request_arrives_as_the_guest_wrote_it() {
    let server = Server::start().await;
    let plugin = plugin(&["127.0.0.1"]);
    let (url, host) = (server.url("/echo"), server.address);
    for (export, fields, wanted) in [
        ("get", "", "GET host=HOST x-key=- body="),
        ("get", r#","headers":null"#, "GET host=HOST x-key=- body="),
        (
            "get",
            r#","headers":{},"method":null"#,
            "GET host=HOST x-key=- body=",
        ),
        (
            "get",
            r#","headers":{"X-Key":"secret"}"#,
            "GET host=HOST x-key=secret body=",
        ),
        (
            "get",
            r#","headers":{"X-Key":null},"method":"DELETE""#,
            "DELETE host=HOST x-key=- body=",
        ),
        (
            "post",
            r#","method":"POST""#,
            "POST host=HOST x-key=- body=body of the guest",
        ),
        (
            "post",
            r#","method":"put""#,
            "PUT host=HOST x-key=- body=body of the guest",
        ),
        (
            "post",
            r#","method":"POST","headers":{"Host":"elsewhere","Content-Length":"3","X-Key":"k"}"#,
            "POST host=HOST x-key=k body=body of the guest",
        ),
    ] {
        let json = format!(r#"{{"url":"{url}"{fields}}}"#);
        let arrived = call(&plugin, export, &json).await.expect(&json);
        let wanted = wanted.replace("HOST", &host.to_string());
        assert_eq!(String::from_utf8(arrived).unwrap(), wanted, "{json}");
    }
}

#[tokio::test]
async fn a_description_that_is_none_is_refused() {
    let plugin = plugin(&["127.0.0.1"]);
    for json in [
        "{}",
        "null",
        "http://127.0.0.1/",
        r#"{"url":"file:///etc/passwd"}"#,
        r#"{"url":"http://127.0.0.1/","headers":{"a b":"c"}}"#,
        r#"{"url":"http://127.0.0.1/","method":"G T"}"#,
    ] {
        failed(call(&plugin, "get", json).await);
    }
}

#[tokio::test]
async fn every_hop_of_a_redirect_must_be_named() {
    let server = Server::start().await;
    let here = plugin(&["127.0.0.1"]);
    assert_eq!(
        denied(fetch(&here, &server.url("/to-localhost")).await),
        "localhost"
    );
    assert_eq!(
        denied(fetch(&here, &server.url("/to-elsewhere")).await),
        "elsewhere.example"
    );
    assert_eq!(server.hits(), 2, "the first hop of each, and no other");
    // A name that leads to this machine is as closed behind a redirect as it is in front.
    let public = plugin(&["127.0.0.1:1", "*"]);
    denied(fetch(&public, &server.url("/to-localhost")).await);
    let ended = fetch(&here, &server.url("/to-file")).await;
    assert!(
        !matches!(&ended, Ok(body) if body.starts_with(b"root")),
        "{ended:?}"
    );
    let both = plugin(&["127.0.0.1", "localhost"]);
    assert_eq!(
        fetch(&both, &server.url("/to-localhost")).await.unwrap(),
        b"hello"
    );
}

/// What a plugin sent to one origin was not meant for another one, whatever the header is called.
#[tokio::test]
async fn secrets_do_not_follow_a_redirect_to_another_origin() {
    let (server, other) = (Server::start().await, Server::start().await);
    let both = plugin(&["127.0.0.1", "localhost"]);
    let headers = r#"{"Authorization":"Bearer s","Cookie":"c=s","Proxy-Authorization":"s","X-Api-Key":"s",
        "Private-Token":"s","If-None-Match":"s","Accept":"text/plain","Content-Type":"text/x","User-Agent":"me","Range":"bytes=0-"}"#;
    let all = "GET accept=text/plain authorization=Bearer s content-type=text/x cookie=c=s if-none-match=s \
        private-token=s proxy-authorization=s range=bytes=0- user-agent=me x-api-key=s; ";
    let for_others = "GET accept=text/plain content-type=text/x range=bytes=0- user-agent=me; ";
    let here = server.url("/arrived");
    let elsewhere = other.url("/arrived");
    // Another name for the same machine is another origin.
    let named = format!("http://localhost:{}/arrived", server.address.port());
    let back = other.url(&format!("/redirect/302?{here}"));
    for (to, wanted) in [
        ("/arrived", all),
        (here.as_str(), all),
        (elsewhere.as_str(), for_others),
        (named.as_str(), for_others),
        // What was left out on the way does not come back.
        (back.as_str(), for_others),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let url = server.url(&format!("/redirect/{status}?{to}"));
            let json = format!(r#"{{"url":"{url}","headers":{headers}}}"#);
            let found = call(&both, "get", &json).await.expect(&json);
            let found = String::from_utf8(found).unwrap();
            // A body's own headers go with it.
            let wanted = match status {
                303 => wanted.replace(" content-type=text/x", ""),
                _ => wanted.to_owned(),
            };
            assert_eq!(found, wanted, "{json}");
        }
    }
    // A name and a password in the URL are a header on the wire.
    let to = format!("/redirect/302?{elsewhere}");
    let url = server.url(&to).replace("http://", "http://me:secret@");
    let found = fetch(&both, &url).await.unwrap();
    assert_eq!(found, b"GET accept=*/*; ");
    let url = server.url("/redirect/302?/arrived");
    let url = url.replace("http://", "http://me:secret@");
    let found = String::from_utf8(fetch(&both, &url).await.unwrap()).unwrap();
    assert!(found.contains("authorization=Basic "), "{found}");
    // Nor is one that the redirect names sent in the plugin's name.
    let to = elsewhere.replace("http://", "http://me:secret@");
    let found = fetch(&both, &server.url(&format!("/redirect/302?{to}"))).await;
    assert_eq!(found.unwrap(), b"GET accept=*/*; ");
}

/// A body holds a secret as often as a header does: the plugin is told where it is to go.
#[tokio::test]
async fn a_body_does_not_follow_a_redirect_to_another_origin() {
    let (server, other) = (Server::start().await, Server::start().await);
    let both = plugin(&["127.0.0.1"]);
    let post = async |status: u16, to: &str, export: &str, method: &str| {
        let url = server.url(&format!("/redirect/{status}?{to}"));
        let json = format!(
            r#"{{"url":"{url}","method":"{method}","headers":{{"Content-Type":"text/x"}}}}"#
        );
        call(&both, export, json).await.unwrap()
    };
    let whole = b"POST accept=*/* content-type=text/x; body of the guest";
    let elsewhere = other.url("/arrived");
    for status in [307, 308] {
        assert_eq!(post(status, "/arrived", "post", "POST").await, whole);
        assert_eq!(post(status, &elsewhere, "post", "POST").await, b"");
    }
    assert_eq!(post(302, &elsewhere, "post", "PUT").await, b"");
    assert_eq!(other.hits(), 0);
    // These redirect to a page that is to be read, without the body.
    for status in [301, 302, 303] {
        let found = post(status, &elsewhere, "post", "POST").await;
        assert_eq!(found, b"GET accept=*/*; ");
    }
    let json = format!(
        r#"{{"url":"{}","method":"POST"}}"#,
        server.url(&format!("/redirect/307?{elsewhere}"))
    );
    // Without a body there is nothing to lose.
    assert_eq!(
        call(&both, "get", &json).await.unwrap(),
        b"POST accept=*/*; "
    );
}

#[tokio::test]
async fn a_redirect_to_nowhere_is_the_answer() {
    let server = Server::start().await;
    let plugin = plugin(&["127.0.0.1"]);
    for path in [
        "/status/302",
        "/redirect/302?http://[",
        "/redirect/304?/hello",
        "/redirect/300?/hello",
    ] {
        let status = call(&plugin, "status", request(&server.url(path))).await;
        let wanted = path.split(['/', '?']).nth(2).unwrap();
        assert_eq!(numbers(&status.unwrap()), [wanted.parse::<u64>().unwrap()]);
    }
    let reason = failed(fetch(&plugin, &server.url("/to-file")).await);
    assert!(reason.contains("`file`"), "{reason}");
    assert_eq!(server.hits(), 5);
}

#[tokio::test]
async fn redirects_come_to_an_end() {
    let server = Server::start().await;
    let plugin = plugin(&["127.0.0.1"]);
    assert_eq!(
        fetch(&plugin, &server.url("/hops/5")).await.unwrap(),
        b"arrived"
    );
    assert_eq!(server.hits(), 6);
    let reason = failed(fetch(&plugin, &server.url("/hops/6")).await);
    assert!(reason.contains("more than 5 redirects"), "{reason}");
    assert_eq!(server.hits(), 12);
}

#[tokio::test]
async fn a_response_has_a_size() {
    let server = Server::start().await;
    let limits = Limits {
        http_response: 1000,
        ..Limits::default()
    };
    let small = plugin_in(&runtime(), "small", &["127.0.0.1"], limits);
    assert_eq!(
        fetch(&small, &server.url("/bytes/1000"))
            .await
            .unwrap()
            .len(),
        1000
    );
    let reason = failed(fetch(&small, &server.url("/bytes/1001")).await);
    assert!(reason.contains("1000 bytes"), "{reason}");
    // One that never ends is left as soon as it is too large.
    let url = misbehaving(b"HTTP/1.1 200 OK\r\n\r\n", Ending::Endless).await;
    failed(fetch(&small, &url).await);
    assert_eq!(call(&small, "answer", "").await.unwrap(), b"after it");
}

#[tokio::test]
async fn a_response_counts_as_memory() {
    let server = Server::start().await;
    let limits = Limits {
        memory: 1024 * 1024,
        ..Limits::default()
    };
    let plugin = plugin_in(&runtime(), "memory", &["127.0.0.1"], limits);
    let ended = fetch(&plugin, &server.url("/bytes/1000000")).await;
    assert!(matches!(ended, Err(Error::MemoryLimit { .. })), "{ended:?}");
}

#[tokio::test]
async fn a_response_that_does_not_end_is_ended_by_the_calls_time() {
    let limits = Limits {
        timeout: Duration::from_millis(500),
        ..Limits::default()
    };
    let plugin = plugin_in(&runtime(), "patient", &["127.0.0.1"], limits);
    for head in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_head(&mut stream).await;
            stream.write_all(head).await.unwrap();
            // The guest's end closes the connection.
            let closed = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 16])).await;
            assert!(matches!(closed, Ok(Ok(0) | Err(_))), "{closed:?}");
        };
        let (ended, ()) = tokio::join!(fetch(&plugin, &url), server);
        assert!(matches!(ended, Err(Error::TimeLimit { .. })), "{ended:?}");
        assert_eq!(call(&plugin, "answer", "").await.unwrap(), b"after it");
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_its_request() {
    let plugin = plugin(&["127.0.0.1"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let calling = tokio::spawn(async move { fetch(&plugin, &url).await });
    let (mut stream, _) = listener.accept().await.unwrap();
    read_head(&mut stream).await;
    calling.abort();
    let closed = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 16])).await;
    assert!(matches!(closed, Ok(Ok(0) | Err(_))), "{closed:?}");
}

#[tokio::test]
async fn a_request_that_fails_ends_its_call_alone() {
    let server = Server::start().await;
    let plugin = plugin(&["127.0.0.1"]);
    // Bound and not listening: nobody else can take the port, and nobody answers.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let refused = format!("http://{}/?token=hunter2", nobody.local_addr().unwrap());
    let closed = misbehaving(b"", Ending::Close).await;
    let half = misbehaving(
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        Ending::Close,
    )
    .await;
    let foreign = misbehaving(b"220 smtp.example ESMTP\r\n", Ending::Close).await;
    for url in [refused, closed, half, foreign] {
        let hello = server.url("/hello");
        let (ended, healthy) = tokio::join!(fetch(&plugin, &url), fetch(&plugin, &hello));
        let reason = failed(ended);
        assert!(
            !reason.contains("hunter2"),
            "a URL's secrets stay out of the message: {reason}"
        );
        assert_eq!(healthy.unwrap(), b"hello");
        assert_eq!(call(&plugin, "answer", "").await.unwrap(), b"after it");
    }
}

/// The guest's stack and the host's part of the fiber's stack are apart.
#[tokio::test]
async fn a_request_can_be_made_from_deep_on_the_stack() {
    let server = Server::start().await;
    let plugin = plugin(&["127.0.0.1"]);
    let request = request(&server.url("/hello"));
    let at_depth = async |spaces: usize| {
        let padded = format!("{request}{}", " ".repeat(spaces));
        call(&plugin, "get_at_depth", padded).await
    };
    // The deepest that still works, to within a few frames.
    let (mut works, mut overflows) = (0, 100_000);
    assert!(at_depth(works).await.is_ok());
    while overflows - works > 1 {
        let middle = works.midpoint(overflows);
        match at_depth(middle).await {
            Ok(_) => works = middle,
            Err(Error::Trap { reason }) if reason.contains("stack") => overflows = middle,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(
        works > 0 && overflows < 100_000,
        "the end of the stack is between {works} and {overflows}"
    );
}

/// A proxy would look names up itself, out of reach of the address check.
#[test]
fn proxies_of_the_environment_are_not_used() {
    let name = "http::proxies_of_the_environment_are_not_used";
    let proxy = "http://127.0.0.1:1";
    if !in_own_process(
        name,
        &format!("export http_proxy={proxy} HTTP_PROXY={proxy} ALL_PROXY={proxy}"),
    ) {
        return;
    }
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio.block_on(async {
        let server = Server::start().await;
        let plugin = plugin(&["127.0.0.1"]);
        assert_eq!(
            fetch(&plugin, &server.url("/hello")).await.unwrap(),
            b"hello"
        );
    });
}

/// What a misbehaving server does after its answer.
#[derive(Clone, Copy)]
enum Ending {
    Close,
    Endless,
}

/// A server that answers each connection with these bytes.
async fn misbehaving(answer: &'static [u8], ending: Ending) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            read_head(&mut stream).await;
            let mut answered = stream.write_all(answer).await;
            while matches!(ending, Ending::Endless) && answered.is_ok() {
                answered = stream.write_all(&[b'x'; 1000]).await;
            }
        }
    });
    format!("http://{address}/")
}

async fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
}

#[tokio::test]
async fn a_wildcard_says_that_it_covers_public_hosts_alone() {
    let server = Server::start().await;
    let port = server.address.port();
    let plugin = plugin(&["*"]);
    for url in [
        format!("http://127.0.0.1:{port}/hello"),
        format!("http://localhost:{port}/hello"),
        "http://10.0.0.1/".to_owned(),
        "http://[::1]/".to_owned(),
    ] {
        let Err(error @ Error::DeniedHost { .. }) = fetch(&plugin, &url).await else {
            panic!("{url} is reached");
        };
        let told = error.to_string();
        assert!(
            told.contains("`*`") && told.contains("public"),
            "{url}: {told}"
        );
    }
    let Err(error @ Error::DeniedHost { .. }) =
        fetch(&self::plugin(&["a.com"]), "http://10.0.0.1/").await
    else {
        panic!("it is reached");
    };
    assert!(!error.to_string().contains('*'), "{error}");
}

#[tokio::test]
async fn requests_name_who_sends_them_unless_the_plugin_does() {
    let server = Server::start().await;
    let plugin = plugin(&["127.0.0.1"]);
    let url = server.url("/head");
    let own = concat!("wasimancer/", env!("CARGO_PKG_VERSION"));
    let cases = [
        (request(&url), own),
        (
            format!(r#"{{"url":"{url}","headers":{{"user-agent":"mine/2"}}}}"#),
            "mine/2",
        ),
    ];
    for (request, agent) in cases {
        let seen = String::from_utf8(call(&plugin, "get", request).await.unwrap()).unwrap();
        assert_eq!(seen, format!("{agent} - gzip"));
    }
}

#[tokio::test]
async fn methods_with_a_body_say_that_it_is_empty() {
    let server = Server::start().await;
    let plugin = plugin(&["127.0.0.1"]);
    for (method, length) in [
        ("POST", "0"),
        ("put", "0"),
        ("PATCH", "0"),
        ("GET", "-"),
        ("DELETE", "-"),
    ] {
        let request = format!(r#"{{"url":"{}","method":"{method}"}}"#, server.url("/head"));
        let seen = String::from_utf8(call(&plugin, "get", request).await.unwrap()).unwrap();
        assert_eq!(seen.split(' ').nth(1), Some(length), "{method}: {seen}");
    }
    // A redirect that becomes a GET leaves the length behind, and one that does not keeps it.
    for (status, length) in [(303, "-"), (307, "0")] {
        let to = server.url(&format!("/redirect/{status}?/head"));
        let request = format!(r#"{{"url":"{to}","method":"POST"}}"#);
        let seen = String::from_utf8(call(&plugin, "get", request).await.unwrap()).unwrap();
        assert_eq!(seen.split(' ').nth(1), Some(length), "{status}: {seen}");
    }
}

#[tokio::test]
async fn gzip_is_decoded_within_the_limit_of_a_response() {
    let server = Server::start().await;
    let limits = Limits {
        http_response: 100_000,
        ..Limits::default()
    };
    let plugin = plugin_in(&runtime(), "gzip", &["127.0.0.1"], limits);
    for count in [0, 1, 100_000] {
        let body = fetch(&plugin, &server.url(&format!("/gzip/{count}")))
            .await
            .unwrap();
        assert_eq!(body, vec![b'x'; count]);
    }
    let headers = call(&plugin, "headers", request(&server.url("/gzip/5")))
        .await
        .unwrap();
    let headers = String::from_utf8(headers).unwrap();
    assert!(!headers.contains("content-encoding"), "{headers}");
    let head = format!(r#"{{"url":"{}","method":"HEAD"}}"#, server.url("/gzip/5"));
    assert_eq!(call(&plugin, "get", head).await.unwrap(), b"");
    // A part of what is compressed could not be decoded.
    let part = format!(
        r#"{{"url":"{}","headers":{{"range":"bytes=0-1"}}}}"#,
        server.url("/head")
    );
    let seen = String::from_utf8(call(&plugin, "get", part).await.unwrap()).unwrap();
    assert!(seen.ends_with(" identity"), "{seen}");
    // A hundred megabytes that were sent as a hundred kilobytes.
    for count in [100_001, 100_000_000] {
        let reason = failed(fetch(&plugin, &server.url(&format!("/gzip/{count}"))).await);
        assert_eq!(reason, "the response has more than 100000 bytes");
    }
}

/// A server with TLS, whose certificate it writes to a file.
async fn start_tls(certificate: &std::path::Path) -> u16 {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(certificate, made.cert.pem()).unwrap();
    let key = made.signing_key.serialize_der();
    let config = tokio_rustls::rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.try_into().unwrap())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not trust the certificate goes.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nsecret";
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

#[tokio::test]
async fn certificates_of_the_system_count() {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("authority.pem");
    let setup = format!(
        "export SSL_CERT_FILE='{}'; unset SSL_CERT_DIR",
        file.display()
    );
    if !in_own_process("http::certificates_of_the_system_count", &setup) {
        return;
    }
    let runtime = runtime();
    let named = |name| plugin_in(&runtime, name, &["localhost"], Limits::default());
    let port = start_tls(&file).await;
    let url = format!("https://localhost:{port}/");
    assert_eq!(fetch(&named("trusts"), &url).await.unwrap(), b"secret");
    let other = start_tls(&file.with_extension("other")).await;
    failed(fetch(&named("trusts"), &format!("https://localhost:{other}/")).await);
}

/// As in a container without any certificates.
#[tokio::test]
async fn requests_are_made_without_certificates_of_the_system() {
    let setup = "export SSL_CERT_FILE=/nowhere SSL_CERT_DIR=/nowhere HTTP_PROXY=http://127.0.0.1:1 HTTPS_PROXY=http://127.0.0.1:1 ALL_PROXY=http://127.0.0.1:1 http_proxy=http://127.0.0.1:1 all_proxy=http://127.0.0.1:1";
    let test = "http::requests_are_made_without_certificates_of_the_system";
    if !in_own_process(test, setup) {
        return;
    }
    // Proxies that are set for other programs are not asked either.
    let server = Server::start().await;
    let answer = fetch(&plugin(&["127.0.0.1"]), &server.url("/hello")).await;
    assert_eq!(answer.unwrap(), b"hello");
}

/// A proxy that answers everything itself, and says what it was asked.
async fn start_proxy() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut buffer = vec![0; 4096];
                let length = stream.read(&mut buffer).await.unwrap_or_default();
                let head = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let asked = head.lines().next().unwrap_or_default();
                let is_known = head.contains("Basic dTpwYXNz") || head.contains("basic dTpwYXNz");
                let body = format!("{asked} {is_known}");
                let length = body.len();
                let status = if asked.starts_with("CONNECT") {
                    "403 No"
                } else {
                    "200 OK"
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn requests_go_through_a_proxy_and_names_are_resolved_here() {
    let proxy = start_proxy().await;
    let through = |resolves| {
        let url = format!("http://u:pass@{proxy}");
        let mut proxy = url.parse::<OutboundProxy>().unwrap();
        proxy.resolves = resolves;
        let options = EngineOptions {
            outbound_proxy: Some(proxy),
            ..options()
        };
        let hosts = ["localhost", "nowhere.invalid", "192.0.2.1"];
        plugin_in(&runtime_with(options), "proxied", &hosts, Limits::default())
    };
    let (checked, resolving) = (through(false), through(true));
    for plugin in [&checked, &resolving] {
        for host in ["localhost:81", "192.0.2.1:81"] {
            let answer = fetch(plugin, &format!("http://{host}/a?b")).await.unwrap();
            let asked = format!("GET http://{host}/a?b HTTP/1.1 true");
            assert_eq!(String::from_utf8(answer).unwrap(), asked);
        }
        // The proxy itself is none of the plugin's hosts.
        denied(fetch(plugin, &format!("http://{proxy}/")).await);
        denied(fetch(plugin, "http://elsewhere.example/").await);
        let reason = failed(fetch(plugin, "https://localhost:82/").await);
        assert!(!reason.contains("pass"), "{reason}");
    }
    let answer = fetch(&resolving, "http://nowhere.invalid/").await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert_eq!(answer, "GET http://nowhere.invalid/ HTTP/1.1 true");
    failed(fetch(&checked, "http://nowhere.invalid/").await);
}
