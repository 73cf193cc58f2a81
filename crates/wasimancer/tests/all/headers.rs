//! Headers that mirror the body in 2026-07-28: `Mcp-Method`, `Mcp-Name`, `Mcp-Param-…`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Answer, Client, LEGACY, MODERN, exchange, guest};

fn encoded(text: &str) -> String {
    format!("=?base64?{}?=", STANDARD.encode(text))
}

#[tokio::test]
async fn the_method_is_repeated() {
    let server = guest();
    let client = server.client(MODERN);
    let request = || client.request("tools/list", json!({}));
    let answer = request().without_header("mcp-method").send().await;
    let error = answer.refused(400, -32020);
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .starts_with("Header mismatch: "),
        "{error}"
    );
    for wrong in [
        "tools/call",
        "TOOLS/LIST",
        "",
        &encoded("tools/list"),
        "tools/list,tools/list",
    ] {
        request()
            .header("mcp-method", wrong)
            .send()
            .await
            .refused(400, -32020);
    }
    request()
        .second_header("mcp-method", "tools/list")
        .send()
        .await
        .refused(400, -32020);
    request()
        .header("mcp-method", "größe")
        .send()
        .await
        .refused(400, -32020);
    request()
        .header("mcp-method", "  tools/list\t")
        .send()
        .await
        .result();
    // A method that does not exist is looked up after its header was found right.
    let unknown = client
        .request("unknown", json!({}))
        .header("mcp-method", "tools/list")
        .send()
        .await;
    unknown.refused(400, -32020);
}

#[tokio::test]
async fn the_name_is_repeated() {
    let server = guest();
    let client = server.client(MODERN);
    for (method, params, name) in [
        ("tools/call", json!({"name": "echo"}), "echo"),
        ("prompts/get", json!({"name": "fixed"}), "fixed"),
        (
            "resources/read",
            json!({"uri": "test://plain"}),
            "test://plain",
        ),
        (
            "tools/call",
            json!({"name": "a name with spaces"}),
            "a name with spaces",
        ),
        ("tools/call", json!({"name": "größe 📏"}), "größe 📏"),
        (
            "prompts/get",
            json!({"name": "a name with spaces"}),
            "a name with spaces",
        ),
        (
            "resources/read",
            json!({"uri": "test://größe"}),
            "test://größe",
        ),
    ] {
        let request = || client.request(method, params.clone());
        request().send().await.result();
        request()
            .header("mcp-name", encoded(name))
            .send()
            .await
            .result();
        request()
            .without_header("mcp-name")
            .send()
            .await
            .refused(400, -32020);
        for wrong in ["other", "ECHO", "", "=?base64??=", &encoded("other")] {
            request()
                .header("mcp-name", wrong)
                .send()
                .await
                .refused(400, -32020);
        }
        request()
            .second_header("mcp-name", "echo")
            .send()
            .await
            .refused(400, -32020);
        // Header values are ASCII: what is not must be encoded.
        request()
            .header("mcp-name", "größe 📏")
            .send()
            .await
            .refused(400, -32020);
    }
}

#[tokio::test]
async fn malformed_base64_is_refused_and_half_of_its_marks_is_none() {
    let server = guest();
    let client = server.client(MODERN);
    let call = |tool: &str, header: &str| {
        client
            .request_call(tool, "{}")
            .header("mcp-name", header)
            .send()
    };
    for wrong in [
        "=?base64?ZWNobw?=",
        "=?base64?ZW%obw==?=",
        "=?base64?/w==?=",
        "=?BASE64?ZWNobw==?=",
    ] {
        call("echo", wrong).await.refused(400, -32020);
    }
    // A name that looks encoded stands for itself only where it is encoded.
    let odd = "=?base64?literal?=";
    call(odd, &encoded(odd)).await.refused(200, -32602);
    call(odd, odd).await.refused(400, -32020);
    for plain in ["=?base64?ZWNobw==", "ZWNobw==?="] {
        call(plain, plain).await.refused(200, -32602);
    }
}

#[tokio::test]
async fn other_methods_have_no_name() {
    let server = guest();
    let client = server.client(MODERN);
    client
        .request("tools/list", json!({"name": "echo"}))
        .header("mcp-name", "other")
        .send()
        .await
        .result();
    // Where the body lacks the name, that is what is wrong.
    for method in ["tools/call", "prompts/get", "resources/read"] {
        client.ask(method, json!({})).await.refused(200, -32602);
        client
            .ask(method, json!({"name": 7, "uri": 7}))
            .await
            .refused(200, -32602);
    }
}

#[tokio::test]
async fn the_older_era_knows_no_such_headers() {
    let server = guest();
    for revision in LEGACY {
        let client = server.client(revision);
        let request = client
            .request_call("echo", "{}")
            .header("mcp-name", "other")
            .header("mcp-method", "other");
        assert_eq!(request.send().await.output(), "{}");
        let request = client
            .request_call("mirrored", r#"{"region":"west"}"#)
            .header("mcp-param-region", "east");
        assert_eq!(request.send().await.output(), r#"{"region":"west"}"#);
    }
}

/// Calls a tool whose arguments are mirrored, with these `Mcp-Param-…` headers.
async fn mirrored(client: &Client, arguments: &Value, headers: &[(&str, &str)]) -> Answer {
    let mut request = client.request_call("mirrored", arguments.to_string().as_str());
    for (name, value) in headers {
        request = request.header(&format!("Mcp-Param-{name}"), value);
    }
    request.send().await
}

#[tokio::test]
async fn parameters_are_repeated() {
    let server = guest();
    let client = server.client(MODERN);
    for (arguments, headers) in [
        (json!({}), vec![]),
        (json!({"free": "x"}), vec![]),
        (json!({"free": "x"}), vec![("Unknown", "ignored")]),
        (json!({"region": "west"}), vec![("Region", "west")]),
        (json!({"region": "west"}), vec![("REGION", "west")]),
        (
            json!({"region": "west"}),
            vec![("Region", "=?base64?d2VzdA==?=")],
        ),
        (
            json!({"region": "Hello, 世界"}),
            vec![("Region", "=?base64?SGVsbG8sIOS4lueVjA==?=")],
        ),
        (
            json!({"region": " padded "}),
            vec![("Region", "=?base64?IHBhZGRlZCA=?=")],
        ),
        (
            json!({"region": "line1\nline2"}),
            vec![("Region", "=?base64?bGluZTEKbGluZTI=?=")],
        ),
        (
            json!({"region": "=?base64?literal?="}),
            vec![("Region", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=")],
        ),
        (
            json!({"region": "=?base64?half"}),
            vec![("Region", "=?base64?half")],
        ),
        (json!({"region": ""}), vec![("Region", "")]),
        (json!({"level": 42}), vec![("Level", "42")]),
        (json!({"level": 42}), vec![("Level", "42.0")]),
        (json!({"level": -7}), vec![("Level", "-7")]),
        (json!({"dry": true}), vec![("Dry-Run", "true")]),
        (json!({"options": {"tenant": "t1"}}), vec![("Tenant", "t1")]),
        (json!({"options": {}}), vec![]),
        (
            json!({"region": "west", "level": 1, "dry": false}),
            vec![("Region", "west"), ("Level", "1"), ("Dry-Run", "false")],
        ),
    ] {
        let answer = mirrored(&client, &arguments, &headers).await;
        assert_eq!(answer.output(), arguments.to_string(), "{headers:?}");
    }
}

#[tokio::test]
async fn parameters_that_differ_are_refused() {
    let server = guest();
    let client = server.client(MODERN);
    for (arguments, headers) in [
        (json!({"region": "west"}), vec![]),
        (json!({"region": "west"}), vec![("Region", "east")]),
        (json!({"region": "west"}), vec![("Region", "West")]),
        (
            json!({"region": "west"}),
            vec![("Region", "=?base64?d2VzdA?=")],
        ),
        (
            json!({"region": "west"}),
            vec![("Region", "=?base64?d2V%dA==?=")],
        ),
        (json!({}), vec![("Region", "west")]),
        (json!({"region": null}), vec![("Region", "null")]),
        (json!({"level": 42}), vec![("Level", "41")]),
        (json!({"level": 42}), vec![("Level", "many")]),
        (json!({"dry": true}), vec![("Dry-Run", "True")]),
        (json!({"options": {"tenant": "t1"}}), vec![]),
        (json!({"options": {"tenant": "t1"}}), vec![("Tenant", "t2")]),
        (
            json!({"region": "west", "level": 1}),
            vec![("Region", "west")],
        ),
    ] {
        mirrored(&client, &arguments, &headers)
            .await
            .refused(400, -32020);
    }
    let request = client
        .request_call("mirrored", r#"{"region":"west"}"#)
        .header("mcp-param-region", "west");
    request
        .second_header("mcp-param-region", "west")
        .send()
        .await
        .refused(400, -32020);
}

/// Names of headers in any case, values with white space around them, on the wire itself.
#[tokio::test]
async fn header_names_have_no_case() {
    let server = guest();
    let client = server.client(MODERN);
    let body = client.request_call("echo", "{}").body();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHOST: localhost\r\nconnection: close\r\nCONTENT-TYPE: application/json\r\n\
         aUTHORIZATION: bearer {token}\r\nMCP-PROTOCOL-VERSION: \t 2026-07-28 \r\nmCP-mETHOD:tools/call\r\n\
         MCP-NAME:   echo\t\r\nContent-Length: {length}\r\n\r\n{body}",
        token = crate::support::TOKEN,
        length = body.len(),
    );
    let answer = exchange(server.address, request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains(r#""text":"{}""#), "{answer}");
}

#[tokio::test]
async fn a_name_that_the_body_lacks_is_refused() {
    let server = guest();
    for method in ["tools/call", "prompts/get", "resources/read"] {
        let client = server.client(MODERN);
        let request = client.request(method, json!({}));
        request
            .header("mcp-name", "echo")
            .send()
            .await
            .refused(400, -32020);
    }
}
