//! A tool called through the catalogue: arguments to input to a real plugin to output.

use std::sync::Arc;

use serde_json::json;
use wasimancer_catalog::{Returns, Settings, Snapshot};
use wasimancer_runtime::Error;

use crate::support::{TestHome, examples, home_in, open, raw};

async fn call(snapshot: &Snapshot, name: &str, arguments: &str) -> Result<String, Error> {
    let tool = snapshot.tool(name).expect(name);
    let input = tool.input(0, Some(&raw(arguments))).await;
    let input = input.expect(arguments);
    tool.call(&input)
        .await
        .map(|output| String::from_utf8(output).expect("an output is UTF-8"))
}

fn served() -> Arc<Snapshot> {
    open(&home_in(&examples()), &Settings::default()).unwrap()
}

#[tokio::test]
async fn what_arrives_is_the_input() {
    let home = TestHome::with_tool("arguments: [{name: b}, {name: a, default: {x: 1}}]");
    let snapshot = home.open_whole();
    assert_eq!(
        call(&snapshot, "t", r#"{"b" : [ 1.5, 9007199254740993.0 ]}"#)
            .await
            .unwrap(),
        r#"{"b":[ 1.5, 9007199254740993 ],"a":{"x":1}}"#
    );
    assert_eq!(
        call(&snapshot, "t", r#"{"a":0,"b":"é🎲"}"#).await.unwrap(),
        r#"{"b":"é🎲","a":0}"#
    );
}

#[tokio::test]
async fn the_examples_answer() {
    let snapshot = served();
    assert_eq!(
        call(&snapshot, "hello", r#"{"name":"Bob"}"#).await.unwrap(),
        "Hello, Bob!"
    );
    assert_eq!(
        call(&snapshot, "add", r#"{"b":2,"a":1}"#).await.unwrap(),
        "3"
    );
    assert_eq!(
        call(&snapshot, "reverse", r#"{"text":"añ🎲"}"#)
            .await
            .unwrap(),
        "🎲ña"
    );
    let error = call(&snapshot, "divide", r#"{"a":1,"b":0}"#)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Plugin { .. }), "{error}");
}

#[tokio::test]
async fn a_promised_output_is_kept() {
    let snapshot = served();
    let tool = snapshot.tool("statistics").unwrap();
    assert_eq!(tool.returns(), &Returns::Json);
    let output = call(&snapshot, "statistics", r#"{"numbers":[1,2,3]}"#)
        .await
        .unwrap();
    let output: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(
        output,
        json!({"count": 3, "sum": 6, "mean": 2, "min": 1, "max": 3})
    );
    assert!(tool.check_output(0, &output.to_string()).await.is_ok());
    assert!(tool.check_output(0, r#"{"count":0}"#).await.is_err());
}

#[tokio::test]
async fn a_snapshot_serves_on_when_its_files_are_gone() {
    let home = TestHome::with_tool("arguments: []");
    let snapshot = home.open_whole();
    drop(home);
    assert_eq!(call(&snapshot, "t", "{}").await.unwrap(), "{}");
}
