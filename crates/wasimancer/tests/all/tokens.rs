//! Tokens: where they come from, which are refused, and requests that say two things at once.

use std::fs;

use serde_json::json;

use crate::support::{
    ADMIN_TOKEN, Client, Home, Launch, MODERN, TOKEN, answer, command, exchange, finish,
    http_client,
};

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
        (OPERATORS, "no_authentication", "is never open"),
        (CLIENTS, "No_Authentication", "write it in capitals"),
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

/// A row: tokens of clients and of operators, and what is said of them.
const WEAK: [(&str, &str, &str); 6] = [
    (
        "short",
        ADMIN_TOKEN,
        "WASIMANCER_AUTHENTICATION_TOKEN: has fewer than 8 characters",
    ),
    (
        TOKEN,
        "operators-token",
        "WASIMANCER_ADMIN_TOKEN: has fewer than 16 characters",
    ),
    (
        TOKEN,
        "wasimancer-rocks",
        "WASIMANCER_ADMIN_TOKEN: is printed in public guides",
    ),
    (
        TOKEN,
        "words of an operator",
        "WASIMANCER_ADMIN_TOKEN: holds a blank",
    ),
    (
        ADMIN_TOKEN,
        ADMIN_TOKEN,
        "are the same, so that every client may administer",
    ),
    (
        "NO_AUTHENTICATION",
        "operators-token",
        "has fewer than 16 characters",
    ),
];

async fn readiness(url: &str, token: Option<&str>) -> serde_json::Value {
    let request = http_client().get(format!("{url}/readyz"));
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    answer(request).await.json
}

#[tokio::test]
async fn weak_tokens_are_named_to_operators_alone() {
    for (clients, operators, words) in WEAK {
        let launch = Launch::of(Home::new()).env(CLIENTS, clients);
        let server = launch.env(OPERATORS, operators).start();
        server.logs(words).await;
        assert!(server.stderr().contains("WARN"), "{}", server.stderr());
        let url = server.url("");
        let told = readiness(&url, Some(operators)).await;
        let warnings = told["warnings"].as_array().expect("a list of sentences");
        assert_eq!(warnings.len(), 1, "{told}");
        assert!(warnings[0].as_str().unwrap().contains(words), "{told}");
        assert!(!told.to_string().contains(operators), "{told}");
        let strangers = [
            None,
            Some("wrong-token"),
            (clients != operators).then_some(clients),
        ];
        for token in strangers {
            let told = readiness(&url, token).await;
            assert!(!told.to_string().contains("characters"), "{told}");
            assert_eq!(told.get("warnings"), None, "{told}");
        }
    }
    let server = Launch::of(Home::new()).start();
    let told = readiness(&server.url(""), Some(ADMIN_TOKEN)).await;
    assert_eq!(told["warnings"], json!([]));
    assert!(!server.stderr().contains("TOKEN"), "{}", server.stderr());
}

#[test]
fn a_check_names_weak_tokens() {
    let home = Home::guest();
    for (clients, operators, words) in WEAK {
        let mut check = command(["check", "--home"]);
        check
            .arg(home.path())
            .env(CLIENTS, clients)
            .env(OPERATORS, operators);
        let ended = finish(&mut check);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(ended.stderr.contains("WARN"), "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
}

#[test]
fn weak_tokens_can_be_refused() {
    for (clients, operators, words) in WEAK {
        for in_file in [false, true] {
            let home = Home::new();
            let launch = if in_file {
                home.file("wasimancer.toml", "strict_tokens = true\n");
                Launch::of(home)
            } else {
                Launch::of(home).env("WASIMANCER_STRICT_TOKENS", "true")
            };
            let ended = launch
                .env(CLIENTS, clients)
                .env(OPERATORS, operators)
                .refused();
            assert!(ended.stderr.contains(words), "{}", ended.stderr);
            assert!(ended.stderr.contains("strict_tokens"), "{}", ended.stderr);
        }
    }
    let strict = |value| Launch::of(Home::new()).env("WASIMANCER_STRICT_TOKENS", value);
    // Those that the server makes are strong.
    strict("true")
        .without_env(CLIENTS)
        .without_env(OPERATORS)
        .start();
    // An empty variable is one that is not set.
    strict("").env(OPERATORS, "short").start();
    let ended = strict("yes").refused();
    assert!(
        ended.stderr.contains("write true or false"),
        "{}",
        ended.stderr
    );
}

/// What a start refuses, no later reading lets in.
#[tokio::test]
async fn a_token_that_is_read_anew_is_held_to_the_same() {
    let home = Home::new();
    let file = home.path().join("token");
    fs::write(&file, ADMIN_TOKEN).unwrap();
    let server = Launch::of(home)
        .without_env(OPERATORS)
        .env(&format!("{OPERATORS}_FILE"), &file)
        .env("WASIMANCER_STRICT_TOKENS", "true")
        .start();
    for (text, words) in [
        ("NO_AUTHENTICATION", "is never open"),
        ("\"in-the-quotes-of-a-file\"", "is in quotes"),
        ("short", "has fewer than 16 characters"),
        (TOKEN, "are the same"),
    ] {
        fs::write(&file, text).unwrap();
        server.signal("HUP");
        server.logs(words).await;
        let told = readiness(&server.url(""), Some(ADMIN_TOKEN)).await;
        assert_eq!(told["warnings"], json!([]), "{text}");
    }
    assert!(!server.stderr().contains("a token is another one now"));
}

/// A state secret is never sent, so blanks do not matter; a line end in its file does not either.
#[tokio::test]
async fn a_state_secret_may_hold_blanks() {
    let home = Home::new();
    let file = home.path().join("secret");
    fs::write(&file, "a long secret that holds many blanks\n").unwrap();
    let server = Launch::of(home)
        .env("WASIMANCER_STATE_SECRET_FILE", &file)
        .env("WASIMANCER_STATE_SECRET", "")
        .env("WASIMANCER_STRICT_TOKENS", "true")
        .start();
    let told = readiness(&server.url(""), Some(ADMIN_TOKEN)).await;
    assert_eq!(told["warnings"], json!([]));
    fs::write(&file, format!("{}\n", "x".repeat(31))).unwrap();
    let ended = Launch::of(Home::new())
        .env("WASIMANCER_STATE_SECRET_FILE", &file)
        .refused();
    assert!(
        ended
            .stderr
            .contains("WASIMANCER_STATE_SECRET_FILE: is shorter than 32 bytes"),
        "{}",
        ended.stderr
    );
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
