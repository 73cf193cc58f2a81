//! Two pipelines cannot overwrite each other unseen, and a dry run changes nothing.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Home, Launch, MODERN, Operator, Sample, answer, files};

async fn update_if(operator: &Operator, revision: &str, sample: &Sample) -> Answer {
    let request = operator.request(Method::PUT, "/update-plugin");
    answer(
        request
            .header("if-match", revision)
            .multipart(sample.form()),
    )
    .await
}

#[tokio::test]
async fn a_change_for_another_revision_is_refused() {
    let server = Launch::of(Home::new()).start();
    let operator = Operator::of(&server);
    let uploaded = operator.upload("", &Sample::new("p", "1", "one")).await;
    let revision = uploaded.header("etag").to_owned();
    assert_eq!(operator.revision().await, revision);

    // Both looked at the same revision; the second comes too late.
    let first = update_if(&operator, &revision, &Sample::new("p", "2", "two")).await;
    let second = update_if(&operator, &revision, &Sample::new("p", "3", "three")).await;
    assert_eq!(first.status, 200, "{}", first.text);
    second.declined(412, "revision_changed");
    assert_eq!(
        second.header("etag"),
        first.header("etag"),
        "it learns the one to look at"
    );
    let spoken = server.client(MODERN).call("p", "{}").await;
    assert_eq!(spoken.output(), "two");

    // Any of several, or any at all.
    let either = format!("\"x\", {}", first.header("etag"));
    let third = update_if(&operator, &either, &Sample::new("p", "3", "three")).await;
    assert_eq!(third.status, 200, "{}", third.text);
    update_if(&operator, "*", &Sample::new("p", "4", "four"))
        .await
        .granted();
    for none in [
        "\"x\"",
        "nonsense",
        &format!("W/{}", operator.revision().await),
    ] {
        let refused = update_if(&operator, none, &Sample::new("p", "5", "five")).await;
        refused.declined(412, "revision_changed");
    }
    let request = operator.request(Method::DELETE, "/remove-plugin/p");
    answer(request.header("if-match", &revision))
        .await
        .declined(412, "revision_changed");
}

#[tokio::test]
async fn the_revision_is_that_of_the_content() {
    let home = Home::new();
    let folder = home.path().to_owned();
    let server = Launch::of(home).start();
    let operator = Operator::of(&server);
    let empty = operator.revision().await;
    operator
        .upload("", &Sample::new("p", "1", "one"))
        .await
        .granted();
    let with_plugin = operator.revision().await;
    assert_ne!(empty, with_plugin);
    for path in [
        "/plugins/p",
        "/plugins/p/versions",
        "/resources",
        "/prompts",
    ] {
        assert_eq!(
            operator.get(path).await.header("etag"),
            with_plugin,
            "{path}"
        );
    }
    let again = Launch::again(&folder).start();
    assert_eq!(
        Operator::of(&again).revision().await,
        with_plugin,
        "after a restart too"
    );
}

#[tokio::test]
async fn a_dry_run_finds_out_everything_and_changes_nothing() {
    let home = Home::new();
    let folder = home.path().to_owned();
    let server = Launch::of(home).start();
    let operator = Operator::of(&server);
    operator
        .upload("", &Sample::new("a", "1", "one"))
        .await
        .granted();
    operator
        .upload("", &Sample::new("b", "1", "b"))
        .await
        .granted();
    let prompt = json!({"name": "p", "arguments": [], "messages": [{"role": "user", "text": "x"}]});
    operator.post("/add-prompt", prompt.clone()).await.granted();
    operator
        .update("", &Sample::new("a", "2", "two"))
        .await
        .granted();
    let on_disk = || {
        let names = files(&folder).into_iter();
        let contents = names.map(|name| (name.clone(), fs::read(folder.join(name)).unwrap()));
        contents.collect::<Vec<_>>()
    };
    let (before, revision) = (on_disk(), operator.revision().await);
    let only = |kind: &str, what: &str, name: &str| {
        let none = json!({"added": [], "removed": [], "altered": []});
        let mut changes = json!({"tools": none, "resources": none, "prompts": none});
        changes[kind][what] = json!([name]);
        changes
    };
    let check = |answer: Answer, changes: Value| {
        assert_eq!(answer.header("etag"), revision);
        let body = answer.granted();
        assert_eq!(body["dryRun"], true, "{body}");
        assert_eq!(
            body["message"],
            "🙂 Nothing was changed: this was a dry run"
        );
        assert_eq!(body["changes"], changes, "{body}");
    };
    let new = Sample::new("c", "1", "c");
    check(
        operator.upload("?dryRun=true", &new).await,
        only("tools", "added", "c"),
    );
    let update = Sample::new("a", "3", "three");
    check(
        operator.update("?dryRun=true", &update).await,
        only("tools", "altered", "a"),
    );
    check(
        operator.delete("/remove-plugin/a?dryRun=true").await,
        only("tools", "removed", "a"),
    );
    let rolled_back = operator
        .post("/rollback-plugin/a?dryRun=true", json!({}))
        .await;
    check(rolled_back, only("tools", "altered", "a"));
    let resource = json!({"name": "r", "uri": "info://r", "contents": [{"text": "r"}]});
    let added = operator.post("/add-resource?dryRun=true", resource).await;
    check(added, only("resources", "added", "r"));
    let mut changed = prompt.clone();
    changed["messages"][0]["text"] = json!("y");
    let updated = operator.put("/update-prompt/p?dryRun=true", changed).await;
    check(updated, only("prompts", "altered", "p"));
    check(
        operator.delete("/remove-prompt/p?dryRun=true").await,
        only("prompts", "removed", "p"),
    );

    // What is wrong is found as it would be.
    let broken = new.with_module(*b"broken");
    operator
        .upload("?dryRun=true", &broken)
        .await
        .declined(500, "invalid_module");
    operator
        .delete("/remove-prompt/q?dryRun=true")
        .await
        .declined(404, "not_found");
    assert_eq!(on_disk(), before);
    assert_eq!(operator.revision().await, revision);
}

/// What clients are not shown counts too where it is heard in a call.
#[tokio::test]
async fn what_a_tool_answers_otherwise_is_a_change_of_it() {
    let server = Launch::of(Home::new()).start();
    let operator = Operator::of(&server);
    let plain = Sample::new("a", "1", "one").with("/functions/0/returns", json!("result"));
    operator.upload("", &plain).await.granted();
    for (field, value, altered) in [
        ("returns", json!("text"), json!(["a"])),
        ("requires", json!(["roots"]), json!(["a"])),
        ("task", json!("always"), json!(["a"])),
        (
            "task",
            json!({"after": "2s", "required": true}),
            json!(["a"]),
        ),
        ("requires", json!([]), json!([])),
    ] {
        let other = plain.clone().with(&format!("/functions/0/{field}"), value);
        let tried = operator.update("?dryRun=true", &other).await;
        let tools = &tried.granted()["changes"]["tools"];
        assert_eq!(tools["altered"], altered, "{field}: {tools}");
    }
}
