//! `completion/complete`: the values that an argument may have.

use serde_json::{Value, json};

use crate::support::{MODERN, REVISIONS, guest};

fn params(reference: &Value, argument: &str, value: &str) -> Value {
    json!({"ref": reference, "argument": {"name": argument, "value": value}})
}

#[tokio::test]
async fn choices_that_begin_alike_are_offered() {
    let server = guest();
    let prompt = json!({"type": "ref/prompt", "name": "typed"});
    let template = json!({"type": "ref/resource", "uri": "search://items{?q,color}"});
    for revision in REVISIONS {
        let client = server.client(revision);
        for reference in [&prompt, &template] {
            for (value, wanted) in [
                ("", json!(["red", "rose", "green"])),
                ("r", json!(["red", "rose"])),
                ("RO", json!(["rose"])),
                ("x", json!([])),
            ] {
                let answer = client
                    .ask("completion/complete", params(reference, "color", value))
                    .await;
                let total = wanted.as_array().unwrap().len();
                let wanted = json!({"values": wanted, "total": total, "hasMore": false});
                assert_eq!(answer.result()["completion"], wanted);
            }
        }
        // An argument without choices has none to offer.
        for (reference, argument) in [(&prompt, "word"), (&template, "q")] {
            let answer = client
                .ask("completion/complete", params(reference, argument, "x"))
                .await;
            assert_eq!(answer.result()["completion"]["values"], json!([]));
        }
    }
}

#[tokio::test]
async fn no_more_than_a_hundred_are_offered() {
    let server = guest();
    for revision in REVISIONS {
        let reference = json!({"type": "ref/prompt", "name": "many choices"});
        let answer = server
            .client(revision)
            .ask("completion/complete", params(&reference, "choice", "c"))
            .await;
        let completion = &answer.result()["completion"];
        assert_eq!(completion["values"].as_array().unwrap().len(), 100);
        assert_eq!(
            (
                &completion["values"][99],
                &completion["total"],
                &completion["hasMore"]
            ),
            (&json!("c99"), &json!(117), &json!(true))
        );
    }
}

#[tokio::test]
async fn unknown_references_are_refused() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        let prompt = json!({"type": "ref/prompt", "name": "typed"});
        for wrong in [
            params(
                &json!({"type": "ref/prompt", "name": "unknown"}),
                "color",
                "",
            ),
            params(&json!({"type": "ref/tool", "name": "echo"}), "x", ""),
            params(&json!({"name": "typed"}), "color", ""),
            params(&prompt, "unknown", ""),
            params(
                &json!({"type": "ref/resource", "uri": "test://plain"}),
                "x",
                "",
            ),
            json!({"ref": prompt}),
            json!({"ref": prompt, "argument": {"name": "color"}}),
            json!({"ref": prompt, "argument": {"name": "color", "value": 5}}),
            json!({}),
        ] {
            client
                .ask("completion/complete", wrong)
                .await
                .refused(200, -32602);
        }
        let wrong = params(
            &json!({"type": "ref/resource", "uri": "test://nothing"}),
            "x",
            "",
        );
        let code = if revision == MODERN { -32602 } else { -32002 };
        client
            .ask("completion/complete", wrong)
            .await
            .refused(200, code);
    }
}
