//! What a plugin tells whoever it is called for, and what it may know of them.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use wasimancer_runtime::{Event, Plugin, Requester, Result, Severity};

use crate::support::{module, plugin, runtime, trap};

/// Somebody who writes down what they hear.
#[derive(Default)]
struct Listener {
    log: Option<Severity>,
    heard: Mutex<Vec<Value>>,
    /// Numbers and data as they came.
    spelled: Mutex<Vec<String>>,
}

impl Requester for Listener {
    fn key(&self) -> u64 {
        0
    }

    fn describe(&self) -> String {
        r#"{"method":"tools/call"}"#.to_owned()
    }

    fn log(&self) -> Option<Severity> {
        self.log
    }

    fn tell(&self, event: Event) {
        let event = match event {
            Event::Progress {
                progress,
                total,
                message,
            } => {
                self.spelled.lock().unwrap().push(progress.get().to_owned());
                json!([progress, total, message])
            }
            Event::Log {
                severity,
                logger,
                data,
            } => {
                self.spelled.lock().unwrap().push(data.get().to_owned());
                json!([severity.name(), logger, data])
            }
            Event::Release => json!("release"),
        };
        self.heard.lock().unwrap().push(event);
    }
}

fn conversing(name: &str) -> Plugin {
    let imports = include_str!("../modules/conversation.wat");
    let prelude = include_str!("../modules/prelude.wat");
    let exports = include_str!("../modules/conversation_exports.wat");
    let wasm = module(&format!("(module\n{imports}\n{prelude}\n{exports})"));
    plugin(&runtime(), name, &wasm)
}

async fn call(
    plugin: &Plugin,
    export: &str,
    input: &str,
    log: Option<Severity>,
) -> (Result<Vec<u8>>, Vec<Value>) {
    let listener = Arc::new(Listener {
        log,
        ..Listener::default()
    });
    let function = plugin.function(export).unwrap();
    let output = function.call_for(listener.clone(), input.as_bytes()).await;
    let output = output.map(Vec::from);
    let heard = std::mem::take(&mut *listener.heard.lock().unwrap());
    (output, heard)
}

#[tokio::test]
async fn progress_is_told_as_far_as_it_grows() {
    let plugin = conversing("progress");
    let (output, heard) = call(&plugin, "reports", "", None).await;
    output.unwrap();
    assert_eq!(heard, [json!([1, null, null]), json!([1.5, 2, "m"])]);
    let long = json!({"progress": 1, "message": format!("x{}", "é".repeat(600))}).to_string();
    let (_, heard) = call(&plugin, "progress", &long, None).await;
    // The 1024th byte lies inside a character.
    assert_eq!(heard[0][2], format!("x{}", "é".repeat(511)));
}

#[tokio::test]
async fn messages_are_told_from_their_severity_on() {
    let plugin = conversing("messages");
    for (index, least) in Severity::ALL.into_iter().enumerate() {
        for (other, severity) in Severity::ALL.into_iter().enumerate() {
            let message = json!({"level": severity.name(), "logger": "l", "data": {"n": [1]}});
            let (_, heard) = call(&plugin, "log", &message.to_string(), Some(least)).await;
            let wanted = json!([severity.name(), "l", {"n": [1]}]);
            let wanted: Vec<Value> = (other >= index).then_some(wanted).into_iter().collect();
            assert_eq!(heard, wanted, "{severity} from {least} on");
        }
    }
    let message = json!({"level": "emergency", "data": "x"}).to_string();
    assert!(call(&plugin, "log", &message, None).await.1.is_empty());
    // The functions of Extism say the same.
    let (_, heard) = call(&plugin, "say", "a text", Some(Severity::Warning)).await;
    assert_eq!(heard, [json!(["warning", null, "a text"])]);
    let (_, heard) = call(&plugin, "trace", "a text", Some(Severity::Debug)).await;
    assert_eq!(heard, [json!(["debug", null, "a text"])]);
}

/// It goes out as the server writes it, and what may be missing is left out where it is wrong.
#[tokio::test]
async fn what_is_told_is_on_one_line_and_every_reader_takes_it() {
    let plugin = conversing("spelled");
    let tell = async |export: &str, input: &str| {
        let listener = Arc::new(Listener {
            log: Some(Severity::Debug),
            ..Listener::default()
        });
        let function = plugin.function(export).unwrap();
        let output = function.call_for(listener.clone(), input.as_bytes()).await;
        output.map(Vec::from).unwrap();
        let spelled = std::mem::take(&mut *listener.spelled.lock().unwrap());
        let heard = std::mem::take(&mut *listener.heard.lock().unwrap());
        (spelled, heard)
    };
    let (spelled, _) = tell(
        "log",
        "{\"level\":\"info\",\n\"data\": {\n \"a\": [1.50, \"\\ud83d\"],\r\n\"\\u0062\":\"x y\"}}",
    )
    .await;
    assert_eq!(spelled, ["{\"a\":[1.50,\"\u{fffd}\"],\"b\":\"x y\"}"]);
    let (spelled, heard) = tell(
        "progress",
        "{\"progress\": 1.50,\n\"total\":\"2\", \"message\": \"cut \\ud83d\"}",
    )
    .await;
    assert_eq!(spelled, ["1.50"]);
    assert_eq!(heard, [json!([1.5, null, "cut \u{fffd}"])]);
    let (_, heard) = tell("progress", r#"{"progress":1,"total":null,"message":5}"#).await;
    assert_eq!(heard, [json!([1, null, null])]);
    let (_, heard) = tell("log", r#"{"level":"info","logger":[],"data":null}"#).await;
    assert_eq!(heard, [json!(["info", null, null])]);
}

#[tokio::test]
async fn what_one_call_tells_is_bounded() {
    let plugin = conversing("bounded");
    let data = "x".repeat(2000);
    let message = json!({"level": "alert", "data": data}).to_string();
    let (output, heard) = call(&plugin, "log_often", &message, Some(Severity::Debug)).await;
    output.unwrap();
    // 64 KiB, of which each message takes 2064 bytes.
    assert_eq!(heard.len(), 31);
    let long = json!({"level": "alert", "data": [data, data, data]}).to_string();
    let (_, heard) = call(&plugin, "log", &long, Some(Severity::Debug)).await;
    assert_eq!(heard[0][2].as_str().unwrap().len(), 4096);
}

#[tokio::test]
async fn a_plugin_knows_who_asks() {
    let plugin = conversing("request");
    let (output, _) = call(&plugin, "request", "", None).await;
    assert_eq!(output.unwrap(), br#"{"method":"tools/call"}"#);
    let nobody = plugin.function("request").unwrap().call(b"").await;
    assert_eq!(nobody.unwrap(), b"{}");
    let (output, heard) = call(&plugin, "release", "", None).await;
    output.unwrap();
    assert_eq!(heard, [json!("release")]);
}

/// A guest that looks before it formats a message formats what somebody hears.
#[tokio::test]
async fn the_level_is_that_of_whoever_hears_most() {
    let plugin = conversing("level");
    let level = async |log| {
        let (output, _) = call(&plugin, "level", "", log).await;
        String::from_utf8(output.unwrap()).unwrap()
    };
    // Other tests of the process may have started a log, which hears everything.
    let alone = level(None).await;
    let of = |requester: &str| {
        if alone == "0" {
            "0".to_owned()
        } else {
            requester.to_owned()
        }
    };
    assert_eq!(level(Some(Severity::Emergency)).await, of("4"));
    assert_eq!(level(Some(Severity::Notice)).await, of("2"));
    assert_eq!(level(Some(Severity::Debug)).await, of("1"));
}

#[tokio::test]
async fn what_is_no_report_and_no_message_traps() {
    let plugin = conversing("malformed");
    for (export, input, wanted) in [
        ("progress", "{}", "missing field `progress`"),
        (
            "progress",
            r#"{"progress":"much"}"#,
            "progress: its parameter",
        ),
        ("log", "text", "log: its parameter"),
        (
            "log",
            r#"{"level":"info","data":{"a":1,"a":2}}"#,
            "duplicate key \"a\"",
        ),
        ("progress", r#"{"progress":1e999}"#, "the number 1e999"),
        ("log", r#"{"level":"info"}"#, "missing field `data`"),
        ("log", r#"{"level":"loud","data":1}"#, "`level` is \"loud\""),
    ] {
        let (output, heard) = call(&plugin, export, input, Some(Severity::Debug)).await;
        let reason = trap(output);
        assert!(reason.contains(wanted), "{input}: {reason}");
        assert!(heard.is_empty());
    }
}
