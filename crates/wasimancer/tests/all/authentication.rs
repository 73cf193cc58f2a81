//! Bearer tokens: of clients for `/mcp`, of operators for administration.

use serde_json::json;

use crate::support::{
    ADMIN_TOKEN, Answer, Client, Home, Launch, MODERN, REVISIONS, Server, TOKEN, exchange, guest,
};

/// What the endpoint answers to this `Authorization` header.
async fn with(server: &Server, revision: &'static str, authorization: Option<&str>) -> Answer {
    let mut client = server.client(revision);
    client.headers.remove("authorization");
    if let Some(value) = authorization {
        client
            .headers
            .insert("authorization", value.parse().unwrap());
    }
    client.ask("tools/list", json!({})).await
}

#[tokio::test]
async fn clients_need_their_token() {
    for revision in REVISIONS {
        // Another server for each, since wrong tokens are answered slowly after the first ten.
        let server = Launch::of(Home::guest()).start();
        for right in [
            format!("Bearer {TOKEN}"),
            format!("bearer {TOKEN}"),
            format!("BEARER  {TOKEN} "),
        ] {
            with(&server, revision, Some(&right)).await.result();
        }
        for absent in [
            None,
            Some("Basic dTpw"),
            Some(TOKEN),
            Some("Bearer"),
            Some(""),
        ] {
            let answer = with(&server, revision, absent).await;
            assert_eq!(answer.status, 401, "{absent:?}");
            assert_eq!(
                answer.header("www-authenticate"),
                r#"Bearer realm="wasimancer""#
            );
            assert!(answer.json["error"].is_string(), "{}", answer.text);
        }
        let longer = format!("Bearer {TOKEN}x");
        let shorter = format!("Bearer {}", &TOKEN[1..]);
        let admin = format!("Bearer {ADMIN_TOKEN}");
        for wrong in [
            "Bearer wrong",
            "Bearer  ",
            &longer,
            &shorter,
            &admin,
            "Bearer größe",
        ] {
            let answer = with(&server, revision, Some(wrong)).await;
            assert_eq!(answer.status, 401, "{wrong}");
            assert!(
                answer
                    .header("www-authenticate")
                    .starts_with("Bearer realm="),
                "{wrong}"
            );
        }
        let answer = with(&server, revision, Some("Bearer wrong")).await;
        assert_eq!(
            answer.header("www-authenticate"),
            r#"Bearer realm="wasimancer", error="invalid_token""#
        );
    }
    // Every method of the endpoint wants it, before anything else of the request is looked at.
    let server = guest();
    let mut client = server.client(MODERN);
    client.headers.clear();
    for method in [
        reqwest::Method::GET,
        reqwest::Method::DELETE,
        reqwest::Method::POST,
    ] {
        assert_eq!(
            client
                .send(method, &client.headers, "not json")
                .await
                .status,
            401
        );
    }
}

/// The body is not waited for.
#[tokio::test]
async fn a_token_is_checked_before_the_body_is_read() {
    let server = guest();
    for (path, status) in [("POST /mcp", "401"), ("GET /plugins", "403")] {
        let head = format!(
            "{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 1000000\r\n\r\n"
        );
        let answer = exchange(server.address, head.as_bytes());
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn authentication_can_be_switched_off() {
    let server = Launch::of(Home::guest())
        .env("WASIMANCER_AUTHENTICATION_TOKEN", "NO_AUTHENTICATION")
        .start();
    for revision in REVISIONS {
        with(&server, revision, None).await.result();
        with(&server, revision, Some("Bearer anything"))
            .await
            .result();
    }
    server.logs("clients need no token").await;
    assert_eq!(
        server.client(MODERN).get("/plugins").await.status,
        403,
        "operators need theirs all the same"
    );
}

/// The token after these words on a line of standard error.
fn announced(server: &Server, words: &str) -> String {
    let log = server.stderr();
    let lines: Vec<&str> = log.lines().filter(|line| line.starts_with(words)).collect();
    assert_eq!(lines.len(), 1, "{log}");
    lines[0].rsplit_once(": ").unwrap().1.to_owned()
}

#[tokio::test]
async fn tokens_that_are_not_set_are_generated() {
    let start = || {
        let launch = Launch::of(Home::guest()).env("WASIMANCER_AUTHENTICATION_TOKEN", "");
        launch.without_env("WASIMANCER_ADMIN_TOKEN").start()
    };
    let mut seen = Vec::new();
    for server in [start(), start()] {
        server.logs("admin token, since").await;
        let client_token = announced(
            &server,
            "client token, since WASIMANCER_AUTHENTICATION_TOKEN is not set: ",
        );
        let admin_token = announced(
            &server,
            "admin token, since WASIMANCER_ADMIN_TOKEN is not set: ",
        );
        with(&server, MODERN, Some(&format!("Bearer {client_token}")))
            .await
            .result();
        assert_eq!(
            with(&server, MODERN, Some(&format!("Bearer {admin_token}")))
                .await
                .status,
            401
        );
        assert_eq!(plugins(&server, Some(&admin_token)).await.status, 200);
        assert_eq!(plugins(&server, Some(&client_token)).await.status, 403);
        for token in [&client_token, &admin_token] {
            assert!(token.len() >= 32, "{token}");
            assert_eq!(
                server.stderr().matches(token.as_str()).count(),
                1,
                "it is shown once"
            );
            assert!(!server.stdout().contains(token.as_str()));
        }
        seen.extend([client_token, admin_token]);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4, "each of them is another");
}

/// Tokens that are set are not shown at all: the secrets' own test looks for them.
#[tokio::test]
async fn tokens_that_are_set_are_not_announced() {
    let server = guest();
    assert!(
        !server.stderr().contains(" token, since"),
        "{}",
        server.stderr()
    );
}

async fn plugins(server: &Server, token: Option<&str>) -> Answer {
    let mut client = Client::new(server.url("/plugins"), MODERN);
    client.headers.clear();
    if let Some(token) = token {
        client
            .headers
            .insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    client.send(reqwest::Method::GET, &client.headers, "").await
}

#[tokio::test]
async fn operators_need_their_token() {
    let server = guest();
    for wrong in [None, Some("wrong"), Some(TOKEN), Some("")] {
        let answer = plugins(&server, wrong).await;
        assert_eq!(answer.status, 403);
        assert_eq!(
            answer.text,
            r#"{"error":"😡 Unauthorized","code":"unauthorized"}"#
        );
    }
    let answer = plugins(&server, Some(ADMIN_TOKEN)).await;
    assert_eq!(answer.status, 200);
    let guest = &answer.json["plugins"][0];
    assert_eq!(guest["name"], "guest");
    let tools = guest["tools"].as_array().unwrap();
    assert!(tools.contains(&json!("echo")), "{}", answer.text);
}
