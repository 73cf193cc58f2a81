//! `Host` and `Origin`, against DNS rebinding, and CORS for the pages that are allowed.

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Client, Home, Launch, MODERN, REVISIONS, Server, exchange, guest};

/// A server that wants no token.
fn open() -> Server {
    let launch = Launch::of(Home::guest());
    launch
        .env("WASIMANCER_AUTHENTICATION_TOKEN", "NO_AUTHENTICATION")
        .start()
}

async fn with(client: &Client, name: &str, value: &str) -> Answer {
    client
        .request("tools/list", json!({}))
        .header(name, value)
        .send()
        .await
}

async fn statuses(server: &Server, name: &str, values: &[&str]) -> Vec<u16> {
    let client = server.client(MODERN);
    let mut statuses = Vec::new();
    for value in values {
        statuses.push(with(&client, name, value).await.status);
    }
    statuses
}

#[tokio::test]
async fn other_hosts_and_origins_are_forbidden() {
    let server = open();
    for revision in REVISIONS {
        let client = server.client(revision);
        for host in [
            "evil.example.com",
            "evil.example.com:80",
            "localhost.evil.com",
            "127.0.0.1.evil.com",
            "10.0.0.1",
            "",
        ] {
            let answer = with(&client, "host", host).await;
            answer.refused(403, -32600);
            assert!(answer.json.get("id").is_none());
            assert!(answer.text.contains("WASIMANCER_PUBLIC_HOSTS"));
        }
        for origin in [
            "https://evil.example.com",
            "http://localhost.evil.com",
            "http://localhost@evil.com",
            "null",
            "",
        ] {
            let answer = with(&client, "origin", origin).await;
            answer.refused(403, -32600);
            assert!(answer.text.contains("WASIMANCER_PUBLIC_HOSTS"));
            assert!(answer.headers.get("access-control-allow-origin").is_none());
        }
    }
    // The log is told of each once in a while, since they were many.
    for header in ["Host", "Origin"] {
        let told = format!("a request is refused: the {header} header");
        server.logs(&told).await;
        assert_eq!(server.stderr().matches(&told).count(), 1);
    }
    // What is refused learns nothing of tokens, and preflights are refused as well.
    let server = guest();
    let mut client = server.client(MODERN);
    client.headers.remove("authorization");
    client
        .headers
        .insert("origin", "https://evil.example.com".parse().unwrap());
    client
        .ask("tools/list", json!({}))
        .await
        .refused(403, -32600);
    let answer = client.send(Method::OPTIONS, &client.headers, "").await;
    assert_eq!(answer.status, 403);
}

/// A page that was rebound to the server's address has no token, so who has one may name any host; pages may
/// not.
#[tokio::test]
async fn who_has_a_token_may_name_any_host() {
    let server = guest();
    let hosts = ["wasimancer:3001", "10.244.0.5:3001", "evil.example.com", ""];
    assert_eq!(statuses(&server, "host", &hosts).await, [200; 4]);
    let mut client = server.client(MODERN);
    client
        .headers
        .insert("host", "evil.example.com".parse().unwrap());
    let mut page = server.client(MODERN);
    page.headers.clone_from(&client.headers);
    page.headers
        .insert("origin", "http://localhost:1".parse().unwrap());
    page.ask("tools/list", json!({})).await.refused(403, -32600);
    client.headers.remove("authorization");
    assert_eq!(client.ask("tools/list", json!({})).await.status, 401);
}

/// In a container nobody outside reaches the loopback address.
#[tokio::test]
async fn a_container_is_told_to_choose_an_address() {
    let launch = || Launch::of(Home::guest()).env("container", "docker");
    launch()
        .start()
        .logs("set WASIMANCER_ADDRESS=0.0.0.0")
        .await;
    let server = launch().env("WASIMANCER_ADDRESS", "127.0.0.1").start();
    assert!(!server.stderr().contains("set WASIMANCER_ADDRESS"));
}

#[tokio::test]
async fn loopback_names_are_allowed() {
    let server = open();
    let port = server.address.port();
    let hosts = [
        &format!("127.0.0.1:{port}"),
        "localhost",
        &format!("LOCALHOST:{port}"),
        "[::1]:1",
        "127.0.0.1",
    ];
    assert_eq!(statuses(&server, "host", &hosts).await, [200; 5]);
    let origins = [
        &format!("http://127.0.0.1:{port}"),
        "http://localhost:6274",
        "https://localhost",
        "http://[::1]:8080",
    ];
    assert_eq!(statuses(&server, "origin", &origins).await, [200; 4]);
}

#[tokio::test]
async fn allowed_hosts_are_configured() {
    let open = || {
        let launch = Launch::of(Home::guest());
        launch.env("WASIMANCER_AUTHENTICATION_TOKEN", "NO_AUTHENTICATION")
    };
    let flags = open().args([
        "--public-host",
        "tools.example.com",
        "--public-host",
        "https://app.example.com",
    ]);
    let variable = open().env(
        "WASIMANCER_PUBLIC_HOSTS",
        "tools.example.com, https://app.example.com",
    );
    for server in [flags.start(), variable.start()] {
        let hosts = [
            "tools.example.com",
            "tools.example.com:3001",
            "localhost",
            "app.example.com",
            "example.com",
        ];
        assert_eq!(
            statuses(&server, "host", &hosts).await,
            [200, 200, 200, 403, 403]
        );
        let origins = [
            "https://app.example.com",
            "http://app.example.com",
            "https://tools.example.com",
            "https://example.com",
        ];
        assert_eq!(
            statuses(&server, "origin", &origins).await,
            [200, 403, 200, 403]
        );
    }
    let server = open().args(["--public-host", "*"]).start();
    assert_eq!(
        statuses(&server, "host", &["anything.example.com"]).await,
        [200]
    );
    assert_eq!(
        statuses(&server, "origin", &["https://anything.example.com"]).await,
        [200]
    );
}

#[tokio::test]
async fn the_address_that_is_listened_on_is_a_host() {
    let hosts = ["0.0.0.0", "10.0.0.5:80", "[fe80::1]:80", "evil.example.com"];
    let everywhere = Launch::of(Home::guest())
        .env("WASIMANCER_AUTHENTICATION_TOKEN", "NO_AUTHENTICATION")
        .args(["--address", "0.0.0.0"])
        .start();
    assert_eq!(
        statuses(&everywhere, "host", &hosts).await,
        [200, 200, 200, 403]
    );
    let origins = ["http://10.0.0.5", "http://evil.example.com"];
    assert_eq!(statuses(&everywhere, "origin", &origins).await, [403; 2]);
    assert_eq!(statuses(&open(), "host", &hosts).await, [403; 4]);
}

/// Balancers name no host, or one that only they know.
#[tokio::test]
async fn probes_may_name_any_host_or_none() {
    let server = guest();
    for path in ["/healthz", "/readyz"] {
        for method in ["GET", "HEAD"] {
            for host in [
                "10.0.0.5:3001",
                "localhost",
                "wasimancer.tools.svc:3001",
                "",
            ] {
                let request = format!(
                    "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
                );
                let answer = exchange(server.address, request.as_bytes());
                assert!(answer.starts_with("HTTP/1.1 200 "), "{host}: {answer}");
                assert_eq!(answer.ends_with("\r\n\r\n"), method == "HEAD", "{answer}");
            }
            for version in ["1.0", "1.1"] {
                let request =
                    format!("{method} {path} HTTP/{version}\r\nconnection: close\r\n\r\n");
                let answer = exchange(server.address, request.as_bytes());
                assert!(answer.contains(" 200 OK\r\n"), "{version}: {answer}");
            }
        }
        // Pages of others read nothing.
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example.com\r\nconnection: close\r\n\r\n"
        );
        let answer = exchange(server.address, request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }
}

#[tokio::test]
async fn allowed_pages_can_read_every_answer() {
    let server = guest();
    let origin = "http://localhost:6274";
    let check = |answer: &Answer, status| {
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        assert_eq!(answer.header("vary"), "origin");
        let exposed = answer.header("access-control-expose-headers");
        assert!(
            exposed.contains("mcp-session-id") && exposed.contains("www-authenticate"),
            "{exposed}"
        );
    };
    for revision in REVISIONS {
        let mut client = server.client(revision);
        client.headers.insert("origin", origin.parse().unwrap());
        check(&client.ask("tools/list", json!({})).await, 200);
        check(&client.post("{").await, 400);
        check(&client.send(Method::PUT, &client.headers, "").await, 405);
        client.headers.remove("authorization");
        let answer = client.ask("tools/list", json!({})).await;
        check(&answer, 401);
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
    // Programs that are no pages get none of this.
    let answer = server.client(MODERN).ask("tools/list", json!({})).await;
    assert!(answer.headers.get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn preflights_are_answered_without_a_token() {
    let server = guest();
    let mut client = server.client(MODERN);
    client.headers.clear();
    client
        .headers
        .insert("origin", "http://localhost:6274".parse().unwrap());
    client
        .headers
        .insert("access-control-request-method", "POST".parse().unwrap());
    let answer = client.send(Method::OPTIONS, &client.headers, "").await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "http://localhost:6274"
    );
    assert_eq!(
        answer.header("access-control-allow-methods"),
        "GET, POST, DELETE, OPTIONS"
    );
    for name in [
        "authorization",
        "content-type",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "mcp-session-id",
    ] {
        assert!(
            answer.header("access-control-allow-headers").contains(name),
            "{name}"
        );
    }
    // Headers of a tool's own parameters too.
    client.headers.insert(
        "access-control-request-headers",
        "authorization,mcp-param-region".parse().unwrap(),
    );
    let answer = client.send(Method::OPTIONS, &client.headers, "").await;
    assert_eq!(
        answer.header("access-control-allow-headers"),
        "authorization,mcp-param-region"
    );
    client.headers.remove("origin");
    let answer = client.send(Method::OPTIONS, &client.headers, "").await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
}
