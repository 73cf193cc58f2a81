//! `limits`: what one call of a plugin may use, and how a definition says it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use wasimancer_catalog::Settings;
use wasimancer_runtime::{Error, Limits};

use crate::support::{TestHome, raw};

/// A home with a plugin of these limits and three tools: `echo`, and `spin`, which never ends.
fn limited(limits: &str) -> TestHome {
    TestHome::with_plugins(&format!(
        "plugins:\n- name: p\n  path: echo.wasm\n  limits: {limits}\n  functions: [{{function: echo, inputSchema: {{type: object}}}}]\n- name: q\n  path: spin.wasm\n  limits: {limits}\n  functions: [{{function: spin}}]\n"
    ))
    .module("spin.wasm", "(module (func (export \"spin\") (loop (br 0))))")
}

#[tokio::test]
async fn input_and_output() {
    let snapshot = limited("{input: 10, output: 9B}").open_whole();
    let tool = snapshot.tool("echo").unwrap();
    assert_eq!(tool.call(b"123456789").await.unwrap(), b"123456789");
    assert!(matches!(
        tool.call(b"1234567890").await,
        Err(Error::OutputTooLarge { size: 10, limit: 9 })
    ));
    assert!(matches!(
        tool.call(b"12345678901").await,
        Err(Error::InputTooLarge {
            size: 11,
            limit: 10
        })
    ));
}

#[tokio::test]
async fn time() {
    let snapshot = limited("{timeout: 50ms}").open_whole();
    let ended = snapshot.tool("spin").unwrap().call(b"").await;
    assert!(
        matches!(ended, Err(Error::TimeLimit { limit }) if limit == Duration::from_millis(50)),
        "{ended:?}"
    );
}

#[test]
fn memory() {
    let home = limited("{memory: 65535}");
    assert_eq!(
        home.problems(),
        [
            "plugins.yml:3: plugin \"p\": path: echo.wasm: the module starts with 65536 bytes of memory and its limit is 65535; raise `limits.memory`"
        ]
    );
    for enough in ["65536", "64KiB", "64 KiB", "1MB"] {
        limited(&format!("{{memory: {enough}}}")).open_whole();
    }
}

#[tokio::test]
async fn the_size_of_an_http_response() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\n12345678901").unwrap();
        }
    });
    for (limit, fits) in [("11B", true), ("10B", false)] {
        let snapshot = TestHome::with_plugins(&format!(
            "plugins:\n- name: p\n  path: fetch.wasm\n  limits: {{httpResponse: {limit}}}\n  permissions: {{network: ['127.0.0.1:{port}']}}\n  functions: [{{function: fetch, arguments: [{{name: url, type: string}}]}}]\n"
        ))
        .example("fetch", "fetch.wasm")
        .open_whole();
        let tool = snapshot.tool("fetch").unwrap();
        let input = tool
            .input(
                0,
                Some(&raw(&format!("{{\"url\":\"http://127.0.0.1:{port}/\"}}"))),
            )
            .await
            .unwrap();
        let answer = tool.call(&input).await;
        if fits {
            assert_eq!(answer.unwrap(), b"12345678901");
        } else {
            assert!(
                answer.is_err_and(|error| error.to_string().contains("10")),
                "{limit}"
            );
        }
    }
}

#[tokio::test]
async fn a_plugin_can_tighten_the_servers_limits_and_not_widen_them() {
    let settings = Settings {
        limits: Limits {
            input: 5,
            timeout: Duration::from_millis(200),
            ..Limits::default()
        },
        ..Settings::default()
    };
    let home = limited("{input: 1MiB, timeout: 1h}");
    let snapshot = home.open_with(&settings);
    assert!(matches!(
        snapshot.tool("echo").unwrap().call(b"123456").await,
        Err(Error::InputTooLarge { limit: 5, .. })
    ));
    let ended = snapshot.tool("spin").unwrap().call(b"").await;
    assert!(
        matches!(ended, Err(Error::TimeLimit { limit }) if limit == Duration::from_millis(200)),
        "{ended:?}"
    );
    let snapshot = limited("{input: 4}").open_with(&settings);
    assert!(matches!(
        snapshot.tool("echo").unwrap().call(b"12345").await,
        Err(Error::InputTooLarge { limit: 4, .. })
    ));
}

#[test]
fn every_limit_is_read_with_its_unit() {
    limited("{timeout: 250ms, memory: 256MiB, input: 4MiB, output: 4 MiB, httpResponse: 10MiB, concurrency: 64}").open_whole();
    limited("{timeout: 5m, memory: '1GiB', input: '4096', output: 1kB, httpResponse: 0, concurrency: 0x10}").open_whole();
    limited("{}").open_whole();
    limited("").open_whole();
    let size = "is no size: write a whole number and a unit, such as 256MiB, 64KiB or 1GB";
    let duration =
        "is no duration: write a whole number above 0 and a unit, such as 30s, 250ms or 5m";
    let count = "is no count: write a whole number above 0";
    for (field, message) in [
        ("timeout: 30", format!("timeout: `30` {duration}")),
        (
            "timeout: 30 parsecs",
            format!("timeout: `30 parsecs` {duration}"),
        ),
        ("timeout: 0s", format!("timeout: `0s` {duration}")),
        ("timeout: 1.50", format!("timeout: `1.50` {duration}")),
        ("timeout: true", format!("timeout: `true` {duration}")),
        ("memory: 1.5GiB", format!("memory: `1.5GiB` {size}")),
        ("memory: -1", format!("memory: `-1` {size}")),
        (
            "input: 99999999999GiB",
            format!("input: `99999999999GiB` {size}"),
        ),
        ("output: 4Mib", format!("output: `4Mib` {size}")),
        ("httpResponse: ''", format!("httpResponse: `` {size}")),
        (
            "concurrency: 0",
            format!("concurrency: the number 0 {count}"),
        ),
        (
            "concurrency: -1",
            format!("concurrency: the number -1 {count}"),
        ),
        (
            "concurrency: 1.5",
            format!("concurrency: the number 1.5 {count}"),
        ),
        (
            "concurrency: 4294967296",
            format!("concurrency: the number 4294967296 {count}"),
        ),
        (
            "concurrency: many",
            format!("concurrency: \"many\" {count}"),
        ),
        ("concurrency:", format!("concurrency: nothing {count}")),
        ("timeout:", format!("timeout: nothing {duration}")),
        ("memory: [1]", format!("memory: a list {size}")),
        (
            "wall: 3s",
            "wall: is no limit: write timeout, cpu, memory, input, output, httpResponse, httpRequests or concurrency"
                .to_owned(),
        ),
    ] {
        let problems = TestHome::with_plugins(&format!(
            "plugins:\n- name: p\n  path: echo.wasm\n  functions: [{{function: echo}}]\n  limits:\n    {field}\n"
        ))
        .problems();
        assert_eq!(
            problems,
            [format!("plugins.yml:6: plugin \"p\": limits.{message}")]
        );
    }
    assert_eq!(
        TestHome::with_plugins(
            "plugins:\n- {name: p, path: echo.wasm, functions: [{function: echo}], limits: 30s}\n"
        )
        .problems(),
        ["plugins.yml:2: plugin \"p\": limits: must be a map and is \"30s\""]
    );
}
