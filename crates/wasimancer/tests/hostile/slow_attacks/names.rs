//! Names that do not resolve.

use std::time::Duration;

use serde_json::json;

use crate::guests::{escaped, extism};
use crate::harness::{TIME_LIMIT, Wanted, case, scaled};
use crate::support::Sample;

fn asking(host: &str) -> Sample {
    let request = format!(r#"{{"url":"http://{host}/"}}"#);
    let fields = format!(
        r#"(data (i32.const 0) "{}")
        (func (export "run")
          (drop (call $http_request (call $block (i32.const 0) (i32.const {})) (i64.const 0))))"#,
        escaped(&request),
        request.len()
    );
    extism(&fields).with("/permissions", json!({"network": [host]}))
}

const ENDS: [Wanted; 3] = [
    TIME_LIMIT,
    Wanted::ToolError("HTTP request"),
    Wanted::ToolError("may not reach"),
];

#[test]
fn callers() {
    case("64 callers that look up a name that is not there")
        .plugin(asking("nowhere.invalid"))
        .ends(ENDS)
        .calls(64, "{}");
}

#[test]
fn publications_meanwhile() {
    // A publication needs threads on which it may block.
    case("5 publications beside 300 callers that look up a name that is not there")
        .plugin(asking("nowhere.invalid"))
        .ends(ENDS.into_iter().chain([Wanted::Published]))
        .within(crate::harness::call_limit() * 5 + Duration::from_secs(1))
        .attack(async |stage| {
            let calls = stage.calls("attack", "{}", scaled(300, 100));
            let publishing = async {
                let mut ended = Vec::new();
                for at in 0..5 {
                    let other = Sample::new(&format!("other{at}"), "1", "other");
                    ended.push(stage.publish(&other).await);
                }
                ended
            };
            let (calls, published) = tokio::join!(calls, publishing);
            calls.into_iter().chain(published).collect()
        });
}
