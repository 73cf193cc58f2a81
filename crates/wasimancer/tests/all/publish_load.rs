//! Publication beside calls: none fails, none is answered by two versions, and nothing is left over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::{Home, Launch, MODERN, Operator, REVISIONS, Sample, until};

/// A version whose module and output schema belong together: another version's output breaks it.
fn version(field: &str, number: usize) -> Sample {
    let output = json!({field: field.repeat(2000)}).to_string();
    let schema = json!({"type": "object", "properties": {field: {"type": "string"}}, "required": [field], "additionalProperties": false});
    Sample::new("busy", &format!("1.{number}"), &output)
        .with("/functions/0/returns", json!("json"))
        .with("/functions/0/outputSchema", schema)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_or_mixes_versions_while_a_plugin_is_updated() {
    const CLIENTS: usize = 32;
    const UPDATES: usize = 200;
    let server = Arc::new(Launch::of(Home::new()).start());
    let operator = Operator::of(&server);
    operator.upload("", &version("a", 0)).await.granted();
    let is_over = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|index| {
            let (server, is_over, calls) = (server.clone(), is_over.clone(), calls.clone());
            tokio::spawn(async move {
                let client = server.client(REVISIONS[index % 2]);
                let mut seen = [0, 0];
                while !is_over.load(Ordering::Relaxed) {
                    let answer = client.call("busy", "{}").await;
                    let result = answer.result();
                    assert!(result.get("isError").is_none(), "{}", answer.text);
                    let content = &result["structuredContent"];
                    let version = usize::from(content["b"].is_string());
                    let field = ["a", "b"][version];
                    assert_eq!(content, &json!({field: field.repeat(2000)}));
                    seen[version] += 1;
                    calls.fetch_add(1, Ordering::Relaxed);
                }
                seen
            })
        })
        .collect();
    for number in 1..=UPDATES {
        let field = ["a", "b"][number % 2];
        operator.update("", &version(field, number)).await.granted();
        let answer = server.client(MODERN).call("busy", "{}").await;
        assert!(
            answer.result()["structuredContent"][field].is_string(),
            "new calls see the new version at once"
        );
    }
    is_over.store(true, Ordering::Relaxed);
    let mut seen = [0, 0];
    for client in clients {
        let [a, b] = client.await.expect("no call failed");
        seen = [seen[0] + a, seen[1] + b];
    }
    assert!(
        seen[0] > 0 && seen[1] > 0,
        "both versions were called: {seen:?}"
    );
    println!(
        "{} calls beside {UPDATES} updates",
        calls.load(Ordering::Relaxed)
    );
}

#[tokio::test]
async fn a_call_under_way_finishes_on_the_version_on_which_it_began() {
    // The guest's `spin` runs until its time limit; what it was told at the start is what ends it.
    let home = Home::guest();
    let server = Launch::of(home).start();
    let operator = Operator::of(&server);
    let looping = crate::support::assemble(
        r#"(module (func (export "speak") (result i32) (loop $l (br $l)) (i32.const 0)))"#,
    );
    let slow = Sample::new("slow", "1", "x")
        .with_module(looping)
        .with("/limits", json!({"timeout": "2s"}));
    operator.upload("", &slow).await.granted();
    let client = server.client(MODERN);
    let fast = Sample::new("slow", "2", "fast");
    let (ended, ()) = tokio::join!(client.call("slow", "{}"), async {
        operator.update("", &fast).await.granted();
        let other = server.client(MODERN).call("slow", "{}").await;
        // The first call may come after the update, too; it then sees the new version.
        assert_eq!(other.output(), "fast");
        operator.delete("/remove-plugin/slow").await.granted();
    });
    let text = ended.result()["content"][0]["text"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        text.contains("time limit of 2s") || text == "fast",
        "{text}"
    );
}

#[tokio::test]
async fn slow_a_thousand_plugins_that_come_and_go_leave_memory_and_threads_where_they_were() {
    const CYCLES: usize = 1000;
    let home = Home::new();
    let folder = home.path().to_owned();
    let server = Launch::of(home).env("WASIMANCER_CACHE_FOLDER", "").start();
    let operator = Operator::of(&server);
    let cycle = async |number: usize| {
        let text = format!("number {number}");
        let sample = Sample::new("passing", "1", &text);
        operator.upload("", &sample).await.granted();
        if number.is_multiple_of(10) {
            let answer = server.client(MODERN).call("passing", "{}").await;
            assert_eq!(answer.output(), text);
        }
        operator.delete("/remove-plugin/passing").await.granted();
    };
    // What is made at first use is made by then.
    for number in 0..CYCLES / 10 {
        cycle(number).await;
    }
    let memory_before = server.status("VmRSS");
    for number in 0..CYCLES {
        cycle(number).await;
    }
    // Idle helper threads end by themselves.
    let mut threads = 0;
    until("threads end", || {
        threads = server.status("Threads");
        threads <= 16
    })
    .await;
    let memory_after = server.status("VmRSS");
    println!(
        "{CYCLES} cycles: {memory_before} kB before, {memory_after} kB after, {threads} threads"
    );
    // Each plugin would leave some 20 kB of code alone.
    assert!(
        memory_after < memory_before + 8 * 1024,
        "{memory_before} kB have become {memory_after} kB"
    );
    let left = crate::support::files(&folder.join("plugins"));
    let expected: [&str; 2] = ["guest.wasm", "plugins.yml"];
    assert_eq!(
        left.iter().map(String::as_str).collect::<Vec<_>>(),
        expected
    );
    let list = operator.get("/plugins").await;
    assert_eq!(
        list.granted(),
        &json!({"plugins": Value::Array(Vec::new())})
    );
}
