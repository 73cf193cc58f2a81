//! The faults of the JavaScript server, each shown absent where no other file does:
//!
//! - *two or more concurrent tool calls: all but one hang; overlapping calls with one id: one client
//!   gets another's answer*: `concurrency.rs`.
//! - *a failed plugin HTTP request kills the plugin; plugins reach any host*: the runtime's `http.rs`.
//! - *`initialize` returns the bearer token; logs print it*: `secrets.rs`.
//! - *malformed `pluginData`, an upload with no body: the process exits; rejected uploads stay on
//!   disk; `?dir=../../x` writes outside*: `publish_plugins.rs`.
//! - *each removed plugin leaves a thread and 10 MB behind*: `publish_load.rs`.

use std::fs;

use serde_json::json;

use crate::support::{Home, Launch, MODERN, Operator, Sample, assemble, files};

#[tokio::test]
async fn slow_a_plugin_does_not_die_after_16_384_calls() {
    let server = Launch::of(Home::new()).start();
    let operator = Operator::of(&server);
    operator
        .upload("", &Sample::new("tireless", "1", "still here"))
        .await
        .granted();
    let client = server.client(MODERN);
    for _ in 0..1025 {
        let calls = (0..16).map(|_| client.call("tireless", "{}"));
        for answer in futures_util::future::join_all(calls).await {
            assert_eq!(answer.output(), "still here");
        }
    }
}

#[tokio::test]
async fn a_looping_function_blocks_nobody_and_a_looping_start_hangs_no_upload() {
    let server = Launch::of(Home::new()).start();
    let operator = Operator::of(&server);
    let looping =
        r#"(module (func $loop (loop $l (br $l))) (start $loop) (func (export "speak")))"#;
    let sample = Sample::new("looping", "1", "x")
        .with_module(assemble(looping))
        .with("/limits", json!({"timeout": "200ms"}));
    operator.upload("", &sample).await.granted();
    operator
        .upload("", &Sample::new("quick", "1", "quick"))
        .await
        .granted();
    let client = server.client(MODERN);
    let (looped, quick) = tokio::join!(client.call("looping", "{}"), client.call("quick", "{}"));
    assert!(
        looped.failure().contains("time limit of 200ms"),
        "{}",
        looped.text
    );
    assert_eq!(quick.output(), "quick");
    let mended = Sample::new("looping", "2", "mended");
    operator.update("", &mended).await.granted();
    assert_eq!(client.call("looping", "{}").await.output(), "mended");
}

#[tokio::test]
async fn a_trapping_start_section_ends_no_process() {
    let server = Launch::of(Home::new()).start();
    let operator = Operator::of(&server);
    let trapping = r#"(module (func $trap unreachable) (start $trap) (func (export "speak")))"#;
    let sample = Sample::new("trapping", "1", "x").with_module(assemble(trapping));
    operator.upload("", &sample).await.granted();
    let client = server.client(MODERN);
    assert!(
        client
            .call("trapping", "{}")
            .await
            .failure()
            .contains("trapped")
    );
    operator.delete("/remove-plugin/trapping").await.granted();
}

#[tokio::test]
async fn a_failed_upload_does_not_stop_the_next_start() {
    let home = Home::new();
    let folder = home.path().to_owned();
    {
        let server = Launch::again(&folder).start();
        let operator = Operator::of(&server);
        operator
            .upload("", &Sample::new("good", "1", "good"))
            .await
            .granted();
        let bad = Sample::new("bad", "1", "bad").with_module(*b"bad");
        operator
            .upload("", &bad)
            .await
            .declined(500, "invalid_module");
    }
    let server = Launch::again(&folder).start();
    let client = server.client(MODERN);
    assert_eq!(client.get("/readyz").await.json["status"], "ready");
    assert_eq!(client.call("good", "{}").await.output(), "good");
}

#[tokio::test]
async fn a_duplicate_upload_does_not_overwrite_the_file_of_the_other() {
    let home = Home::new();
    let folder = home.path().to_owned();
    let server = Launch::of(home).start();
    let operator = Operator::of(&server);
    let first = Sample::new("first", "1", "first");
    operator.upload("", &first).await.granted();
    let duplicate = Sample::new("first", "2", "second");
    operator
        .upload("", &duplicate)
        .await
        .declined(400, "name_taken");
    let other = Sample::new("other", "1", "other").in_file("first.wasm");
    operator.upload("", &other).await.granted();
    let file = fs::read(folder.join("plugins/bucket/first.wasm")).unwrap();
    assert_eq!(file, first.module);
    // Nor one that somebody put there by hand.
    fs::write(folder.join("plugins/bucket/third.wasm"), "somebody's").unwrap();
    let third = Sample::new("third", "1", "third");
    operator.upload("", &third).await.granted();
    let file = fs::read(folder.join("plugins/bucket/third.wasm")).unwrap();
    assert_eq!(file, b"somebody's");
    let client = server.client(MODERN);
    for name in ["first", "other", "third"] {
        assert_eq!(client.call(name, "{}").await.output(), name);
    }
}

#[tokio::test]
async fn removing_a_plugin_deletes_no_file_that_it_merely_names() {
    let home = Home::with_plugins(
        "plugins:\n  - name: thief\n    path: ../precious.wasm\n    functions: [{function: echo}]\n  - name: sharer\n    path: guest.wasm\n    functions: [{function: echo}]\n",
    );
    home.file("precious.wasm", "precious");
    let folder = home.path().to_owned();
    let server = Launch::of(home).start();
    let operator = Operator::of(&server);
    for name in ["thief", "sharer"] {
        operator
            .delete(&format!("/remove-plugin/{name}"))
            .await
            .granted();
    }
    let left = files(&folder);
    for file in ["precious.wasm", "plugins/guest.wasm"] {
        assert!(left.contains(file), "{left:?}");
    }
}
