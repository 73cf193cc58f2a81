//! Changes beside one that takes long to prepare: nobody waits for it, and nothing is lost.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::support::{Home, Launch, MODERN, Operator, Sample, answer, assemble, files, until};

/// A plugin whose start never ends, so that it takes its whole time limit to find out that it cannot be
/// run in advance. No module is like another, since what was found out is remembered.
fn slow(name: &str, takes: &str) -> Sample {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let module = format!(
        r#"(module
            (memory 1)
            (data (i32.const 0) "{name} {}")
            (func $start (loop $again (br $again)))
            (start $start)
            (func (export "speak")))"#,
        now.as_nanos()
    );
    Sample::new(name, "1.0.0", "")
        .with_module(assemble(&module))
        .with("/limits", json!({"timeout": takes}))
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_nobody_waits_for_a_change_that_takes_long() {
    let server = Launch::of(Home::new()).start();
    let operator = Operator::of(&server);
    let slow_ones = tokio::spawn({
        let operator = Operator::of(&server);
        async move {
            let (one, two) = (slow("one", "10s"), slow("two", "10s"));
            tokio::join!(operator.upload("", &one), operator.upload("", &two))
        }
    });
    let resource = json!({"name": "r", "uri": "info://r", "contents": [{"text": "x"}]});
    operator.post("/add-resource", resource).await.granted();
    let quick = Sample::new("quick", "1.0.0", "quick");
    operator.upload("", &quick).await.granted();
    operator
        .update("", &Sample::new("quick", "1.0.1", "quicker"))
        .await
        .granted();
    assert_eq!(
        server.client(MODERN).call("quick", "{}").await.output(),
        "quicker"
    );
    assert!(!slow_ones.is_finished(), "they take seconds");
    // They have been overtaken, and are made beside what was made meanwhile.
    let (one, two) = slow_ones.await.unwrap();
    one.granted();
    two.granted();
    let list = operator.get("/plugins").await;
    let plugins = list.granted()["plugins"].as_array().unwrap().iter();
    let mut names: Vec<_> = plugins
        .map(|plugin| plugin["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["one", "quick", "two"]);
}

/// Two versions of one plugin: the later commit is the newer version, whoever began first.
#[tokio::test(flavor = "multi_thread")]
async fn the_later_of_two_changes_to_a_plugin_stands() {
    let server = Launch::of(Home::new()).start();
    let operator = Operator::of(&server);
    let first = Sample::new("twice", "1.0.0", "first");
    operator.upload("", &first).await.granted();
    let changing = tokio::spawn({
        let operator = Operator::of(&server);
        async move { operator.update("", &slow("twice", "2s")).await }
    });
    let second = Sample::new("twice", "1.0.1", "second");
    operator.update("", &second).await.granted();
    changing.await.unwrap().granted();
    let shown = operator.get("/plugins/twice").await;
    let versions = shown.granted()["versions"].as_array().unwrap().clone();
    assert_eq!(versions.len(), 3, "{versions:?}");
    operator
        .post("/rollback-plugin/twice", json!({}))
        .await
        .granted();
    assert_eq!(
        server.client(MODERN).call("twice", "{}").await.output(),
        "second"
    );
}

/// Whoever names a revision is refused where it has moved on while the change was prepared.
#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_has_moved_on_refuses_a_change_that_took_long() {
    let home = Home::new();
    let folder = home.path().to_owned();
    let server = Launch::of(home).start();
    let operator = Operator::of(&server);
    let revision = operator.revision().await;
    let before = files(&folder).len();
    let changing = tokio::spawn({
        let operator = Operator::of(&server);
        async move {
            let request = operator.request(reqwest::Method::POST, "/upload-plugin");
            let request = request.header("if-match", revision);
            answer(request.multipart(slow("late", "2s").form())).await
        }
    });
    until("it is received", || files(&folder).len() > before).await;
    let quick = Sample::new("quick", "1.0.0", "quick");
    operator.upload("", &quick).await.granted();
    changing.await.unwrap().declined(412, "revision_changed");
    assert!(
        files(&folder).iter().all(|file| !file.contains("late")),
        "nothing of it is left"
    );
}
