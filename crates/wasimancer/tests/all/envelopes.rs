//! JSON-RPC envelopes: what is no JSON, what is no request, and ids that come back as they were.

use serde_json::json;

use crate::support::{LEGACY, REVISIONS, guest};

#[tokio::test]
async fn what_is_no_json_is_a_parse_error() {
    let server = guest();
    let bodies: [&[u8]; 9] = [
        b"",
        b"{",
        b"not json",
        br#"{"jsonrpc":"2.0","id":1,"method":"ping"} trailing"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"ping"}{}"#,
        b"{'jsonrpc':'2.0'}",
        b"[{\"jsonrpc\":\"2.0\",",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"x\":\"\xff\xfe\"}}",
        b"\xef\xbb\xbf\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
    ];
    for revision in REVISIONS {
        for body in bodies {
            let answer = server.client(revision).post(body).await;
            answer.refused(400, -32700);
            assert!(answer.json.get("id").is_none(), "{}", answer.text);
            assert_eq!(answer.json["jsonrpc"], "2.0");
        }
    }
}

#[tokio::test]
async fn what_is_no_request_is_an_invalid_one() {
    let server = guest();
    for revision in REVISIONS {
        for (body, id) in [
            (r#"{"id":1,"method":"ping"}"#, json!(1)),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, json!(1)),
            (r#"{"jsonrpc":2.0,"id":"x","method":"ping"}"#, json!("x")),
            (
                r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
                json!(null),
            ),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, json!(null)),
            (
                r#"{"jsonrpc":"2.0","id":1e21,"method":"ping"}"#,
                json!(null),
            ),
            (
                r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#,
                json!(null),
            ),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, json!(null)),
            (r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#, json!(null)),
            (
                r#"{"jsonrpc":"2.0","id":2,"method":"ping","params":[{}]}"#,
                json!(2),
            ),
            (
                r#"{"jsonrpc":"2.0","id":2,"method":"ping","params":"x"}"#,
                json!(2),
            ),
            (r#"{"jsonrpc":"2.0","id":3,"method":7}"#, json!(3)),
            (r#"{"jsonrpc":"2.0","id":3,"method":null}"#, json!(3)),
            (r#"{"jsonrpc":"2.0","id":3}"#, json!(3)),
            (
                r#"{"jsonrpc":"2.0","id":3,"id":4,"method":"ping"}"#,
                json!(null),
            ),
            ("{}", json!(null)),
            ("7", json!(null)),
            ("null", json!(null)),
            ("\"ping\"", json!(null)),
        ] {
            let answer = server.client(revision).post(body).await;
            answer.refused(400, -32600);
            assert_eq!(answer.json["id"], id, "{body}: {}", answer.text);
            assert_eq!(
                answer.json.get("id").is_none(),
                id.is_null(),
                "an id that was not read is left out: {body}"
            );
        }
    }
}

#[tokio::test]
async fn ids_come_back_as_they_were() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        for id in [
            "0",
            "-7",
            "9007199254740993",
            "123456789012345678901234567890",
            "\"\"",
            "\"text\"",
            "\"7\"",
            r#""quotes \" and \u00e9 and \/ and \ud83d\ude00""#,
            "\"größe 😡\"",
        ] {
            // The client asserts the id, byte by byte, in results and in errors.
            let answer = client.request("tools/list", json!({})).id(id).send().await;
            assert!(answer.result()["tools"].is_array());
            let answer = client.request("unknown", json!({})).id(id).send().await;
            assert_eq!(answer.json["error"]["code"], -32601);
            let answer = client
                .request("tools/list", json!({"cursor": "x"}))
                .id(id)
                .send()
                .await;
            assert_eq!(answer.json["error"]["code"], -32602);
        }
    }
}

#[tokio::test]
async fn unknown_fields_and_absent_params_are_no_fault() {
    let server = guest();
    let body = r#" {"extra": [1], "method":"ping", "id" : 5 , "jsonrpc":"2.0"}
"#;
    for revision in LEGACY {
        let answer = server.client(revision).post(body).await;
        assert_eq!(answer.text, r#"{"jsonrpc":"2.0","id":5,"result":{}}"#);
        let answer = server
            .client(revision)
            .request("tools/list", json!({}))
            .without_params()
            .send()
            .await;
        assert!(answer.result()["tools"].is_array());
        let answer = server
            .client(revision)
            .post(r#"{"jsonrpc":"2.0","id":6,"method":"ping","params":null}"#)
            .await;
        assert_eq!(answer.status, 200, "no params at all: {}", answer.text);
    }
}
