//! Resources: lists, templates, and what is read.

use serde_json::{Value, json};

use crate::support::{Client, MODERN, REVISIONS, guest};

async fn contents(client: &Client, uri: &str) -> Value {
    client
        .ask("resources/read", json!({"uri": uri}))
        .await
        .result()["contents"]
        .clone()
}

#[tokio::test]
async fn resources_are_listed_as_they_are_defined() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        let answer = client.ask("resources/list", json!({})).await;
        assert_eq!(
            answer.result()["resources"],
            json!([
                {"uri": "test://plain", "name": "plain"},
                {
                    "uri": "test://rich",
                    "name": "rich",
                    "title": "A rich one",
                    "description": "has everything",
                    "mimeType": "text/markdown",
                    "size": 12,
                    "annotations": {"audience": ["user"], "priority": 0.5},
                    "unknown": {"any": ["thing"]},
                },
                {"uri": "test://braces/{x}", "name": "braces"},
                {"uri": "test://größe", "name": "not ascii"},
            ])
        );
        let answer = client.ask("resources/templates/list", json!({})).await;
        assert_eq!(
            answer.result()["resourceTemplates"],
            json!([
                {
                    "uriTemplate": "greet://{first}/{last}",
                    "name": "greet",
                    "title": "A greeting",
                    "description": "greets",
                    "mimeType": "text/plain",
                    "unknown": "kept",
                },
                {"uriTemplate": "search://items{?q,color}", "name": "search"},
            ])
        );
    }
}

#[tokio::test]
async fn static_contents_travel_as_they_are() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        assert_eq!(
            contents(&client, "test://plain").await,
            json!([{"uri": "test://plain", "text": "plain text"}])
        );
        assert_eq!(
            contents(&client, "test://rich").await,
            json!([
                {
                    "uri": "test://rich",
                    "text": "# Rich",
                    "mimeType": "text/markdown",
                    "environment": "production",
                    "count": 3,
                    "nested": {"deep": [1, 2.5, null, true]},
                    "_meta": {"example.com/x": "y"},
                },
                {"uri": "test://rich", "blob": "aGVsbG8=", "mimeType": "application/octet-stream"},
                {"uri": "test://rich/part", "text": "says its own address"},
            ])
        );
        assert_eq!(
            contents(&client, "test://braces/{x}").await[0]["text"],
            "${x} stays"
        );
        assert_eq!(contents(&client, "test://größe").await[0]["text"], "📏");
    }
}

#[tokio::test]
async fn templates_are_filled_once_and_literally() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        assert_eq!(
            contents(&client, "greet://Bob/Morane").await,
            json!([
                {
                    "uri": "greet://Bob/Morane",
                    "text": "Hello Bob Morane! $5 ${nobody}",
                    "mimeType": "text/plain",
                    "custom": "${first} is not replaced here",
                },
                {"uri": "greet://Bob/Morane", "text": "Again Bob"},
            ])
        );
        for (uri, wanted) in [
            ("greet://a%2Fb%20c/d", "Hello a/b c d! $5 ${nobody}"),
            ("greet://%2525/d", "Hello %25 d! $5 ${nobody}"),
            ("greet://gr%C3%B6%C3%9Fe/😡", "Hello größe 😡! $5 ${nobody}"),
            ("greet://$%7Blast%7D/$&", "Hello ${last} $&! $5 ${nobody}"),
            ("greet://$1/%22%5C", "Hello $1 \"\\! $5 ${nobody}"),
            ("greet://%FF/x", "Hello \u{fffd} x! $5 ${nobody}"),
        ] {
            assert_eq!(contents(&client, uri).await[0]["text"], wanted, "{uri}");
            // What a URI cannot hold as it is comes back percent-encoded.
            let answered = uri.replace('😡', "%F0%9F%98%A1");
            assert_eq!(contents(&client, uri).await[0]["uri"], answered.as_str());
        }
        assert_eq!(
            contents(&client, "search://items?q=a%20b&color=red").await[0]["text"],
            "q=a b color=red"
        );
        assert_eq!(
            contents(&client, "search://items").await[0]["text"],
            "q= color="
        );
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        let code = if revision == MODERN { -32602 } else { -32002 };
        for uri in [
            "test://nothing",
            "test:///plain",
            "test://plain/x",
            "",
            "greet://Bob",
            "greet://Bob/",
            "greet:///Morane",
            "greet://Bob/Morane/more",
            "file:///etc/passwd",
            "test://braces/y",
        ] {
            let answer = client.ask("resources/read", json!({"uri": uri})).await;
            let error = answer.refused(200, code);
            assert_eq!(
                error,
                &json!({"code": code, "message": "Resource not found", "data": {"uri": uri}})
            );
        }
        for params in [json!({}), json!({"uri": 5}), json!({"uri": null})] {
            client
                .ask("resources/read", params)
                .await
                .refused(200, -32602);
        }
    }
}
