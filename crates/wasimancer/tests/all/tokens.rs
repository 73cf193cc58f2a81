//! Tokens: where they come from, which are refused, and requests that say two things at once.

use std::fs;

use serde_json::json;

use crate::support::{ADMIN_TOKEN, Client, Home, Launch, MODERN, TOKEN, exchange};

const CLIENTS: &str = "WASIMANCER_AUTHENTICATION_TOKEN";
const OPERATORS: &str = "WASIMANCER_ADMIN_TOKEN";

#[test]
fn tokens_that_cannot_be_meant_are_refused_without_their_values() {
    for (name, value, words) in [
        (CLIENTS, "token-7c1d ", "begins or ends with a blank"),
        (CLIENTS, "token-7c1d\n", "begins or ends with a blank"),
        (OPERATORS, "\"token-7c1d\"", "is in quotes"),
        (OPERATORS, "tökën-7c1d", "no header can carry"),
        (OPERATORS, "NO_AUTHENTICATION", "is never open"),
    ] {
        let ended = Launch::of(Home::new()).env(name, value).refused();
        assert!(
            ended.stderr.contains(&format!("{name}: ")),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
        assert!(!ended.stderr.contains("7c1d"), "{}", ended.stderr);
    }
}

#[test]
fn a_token_comes_from_one_place() {
    let home = Home::new();
    home.file("token", TOKEN);
    home.file("empty", "\n");
    let file = |name: &str| home.path().join(name);
    let in_file = format!("{CLIENTS}_FILE");
    for (launch, words) in [
        (
            Launch::again(home.path()).env(&in_file, file("token")),
            "both are set",
        ),
        (
            Launch::again(home.path())
                .without_env(CLIENTS)
                .env(&in_file, file("absent")),
            "cannot be read",
        ),
        (
            Launch::again(home.path())
                .without_env(CLIENTS)
                .env(&in_file, file("empty")),
            "is empty",
        ),
    ] {
        let ended = launch.refused();
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_token_in_a_file_is_read_anew_at_sighup() {
    let home = Home::new();
    let file = home.path().join("token");
    fs::write(&file, "first-token\r\n").unwrap();
    let server = Launch::of(home)
        .without_env(CLIENTS)
        .env(&format!("{CLIENTS}_FILE"), &file)
        .start();
    let with = |token: &str| {
        let mut client = Client::new(server.url("/mcp"), MODERN);
        let bearer = format!("Bearer {token}").parse().unwrap();
        client.headers.insert("authorization", bearer);
        client
    };
    let status = async |token: &str| with(token).ask("tools/list", json!({})).await.status;
    assert_eq!(status("first-token").await, 200);
    fs::write(&file, "second-token\n").unwrap();
    server.signal("HUP");
    server.logs("a token is another one now").await;
    assert_eq!(status("second-token").await, 200);
    assert_eq!(status("first-token").await, 401);
    // One that cannot be meant changes nothing.
    fs::write(&file, "\n").unwrap();
    server.signal("HUP");
    server.logs("a token stays as it was").await;
    assert_eq!(status("second-token").await, 200);
    assert!(!server.stderr().contains("second-token"));
}

#[test]
fn requests_that_say_two_things_are_refused() {
    let server = Launch::of(Home::new()).start();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let length = body.len();
    let mcp = format!(
        "connection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let tokens = format!("authorization: Bearer {TOKEN}\r\n");
    let operators = format!("authorization: Bearer {ADMIN_TOKEN}\r\n");
    for (request, words) in [
        (
            format!("POST /mcp HTTP/1.1\r\nhost: localhost\r\nhost: other\r\n{tokens}{mcp}"),
            "the Host header is there twice",
        ),
        (
            format!("POST /mcp HTTP/1.1\r\nhost: localhost\r\n{tokens}{tokens}{mcp}"),
            "the Authorization header is there twice",
        ),
        (
            format!("POST http://localhost/mcp HTTP/1.1\r\nhost: 127.0.0.1\r\n{tokens}{mcp}"),
            "names another host",
        ),
        (
            format!(
                "GET /plugins HTTP/1.1\r\nhost: localhost\r\n{operators}{operators}connection: close\r\n\r\n"
            ),
            "the Authorization header is there twice",
        ),
        (
            format!(
                "GET http://other/plugins HTTP/1.1\r\nhost: localhost\r\n{operators}connection: close\r\n\r\n"
            ),
            "names another host",
        ),
    ] {
        let told = exchange(server.address, request.as_bytes());
        assert!(told.starts_with("HTTP/1.1 400 "), "{request}: {told}");
        assert!(told.contains(words), "{request}: {told}");
    }
    let same =
        "GET http://localhost/healthz HTTP/1.1\r\nhost: LOCALHOST\r\nconnection: close\r\n\r\n";
    let told = exchange(server.address, same.as_bytes());
    assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
}
