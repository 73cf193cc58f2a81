//! Compiling in processes of their own, whose time and memory are bounded.

use std::fs;

use crate::support::{Home, Launch, MODERN, Operator, Sample, Server, until};

/// A module with one function that calls itself so often in a row: two bytes each, and some kilobytes of
/// the compiler's memory.
pub(crate) fn calls_in_a_row(count: usize) -> Vec<u8> {
    let number = |mut number: usize| {
        let mut bytes = Vec::new();
        loop {
            let byte = (number & 0x7f) as u8;
            number >>= 7;
            if number == 0 {
                bytes.push(byte);
                return bytes;
            }
            bytes.push(byte | 0x80);
        }
    };
    let section = |id: u8, content: &[u8]| [&[id][..], &number(content.len()), content].concat();
    let mut body = vec![0];
    body.extend([0x10, 0].repeat(count));
    body.push(0x0b);
    let code = [&[1][..], &number(body.len()), &body].concat();
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    module.extend(section(1, b"\x01\x60\0\0"));
    module.extend(section(3, b"\x01\0"));
    module.extend(section(7, b"\x01\x05speak\0\0"));
    module.extend(section(10, &code));
    module
}

fn start(configuration: &str) -> Server {
    let home = Home::new();
    home.file("wasimancer.toml", configuration);
    let cache = home.path().join("cache");
    Launch::of(home)
        .env("WASIMANCER_CACHE_FOLDER", cache)
        .start()
}

/// A plugin that takes the compiler more than a gigabyte and some seconds.
fn dear() -> Sample {
    Sample::new("dear", "1.0.0", "").with_module(calls_in_a_row(1_000_000))
}

/// What an operator is told of it, where it is refused.
async fn refusal(operator: &Operator) -> String {
    let told = operator.upload("", &dear()).await;
    told.declined(500, "invalid_module").to_owned()
}

/// The processes that compile for a server.
fn workers(server: &Server) -> Vec<u32> {
    let all = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let mut found = Vec::new();
    for task in all {
        let task = task.unwrap().path().join("children");
        found.extend(
            fs::read_to_string(task)
                .unwrap_or_default()
                .split_whitespace()
                .map(|pid| pid.parse::<u32>().unwrap()),
        );
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_a_module_that_takes_too_much_memory_is_refused() {
    let server = start("compile_memory = \"300MiB\"\n");
    let operator = Operator::of(&server);
    let told = refusal(&operator).await;
    assert!(told.contains("takes more than 300 MiB of memory"), "{told}");
    assert!(told.contains("compile_memory"), "{told}");
    operator
        .upload("", &Sample::new("after", "1.0.0", "it"))
        .await
        .granted();
    assert_eq!(
        server.client(MODERN).call("after", "{}").await.output(),
        "it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_a_module_that_takes_too_long_is_refused() {
    let server = start("compile_cpu = \"1s\"\n");
    let told = refusal(&Operator::of(&server)).await;
    assert!(
        told.contains("takes more than 1s of computing time"),
        "{told}"
    );
}

/// What the compiler holds is charged as well, and it ends before anything of the server does.
#[tokio::test(flavor = "multi_thread")]
async fn slow_compiling_stays_within_the_budget() {
    let server = start("memory_budget = \"200MiB\"\n");
    let told = Operator::of(&server).upload("", &dear()).await;
    assert_eq!(told.header("retry-after"), "10");
    let told = told.declined(503, "server_memory");
    assert!(
        told.contains("dear.wasm") && told.contains("memory_budget"),
        "{told}"
    );
    let ready = server.client(MODERN).ready().await.json;
    assert_eq!(ready["memory"]["used"], 0, "{ready}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_is_replaced() {
    let server = start("");
    let operator = Operator::of(&server);
    for round in 0..3 {
        let text = format!("round {round}");
        operator
            .upload("", &Sample::new(&format!("r{round}"), "1.0.0", &text))
            .await
            .granted();
        let idle = workers(&server);
        assert_eq!(idle.len(), 1, "it is kept for the next module");
        for pid in idle {
            rustix::process::kill_process(
                rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(),
                rustix::process::Signal::KILL,
            )
            .unwrap();
        }
    }
}

/// Nothing that the server knows can leave through the compiler.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_compiles_has_nothing_but_its_pipes() {
    let server = start("");
    let operator = Operator::of(&server);
    operator
        .upload("", &Sample::new("any", "1.0.0", "it"))
        .await
        .granted();
    for pid in workers(&server) {
        assert_eq!(fs::read(format!("/proc/{pid}/environ")).unwrap(), b"");
        let score = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
        assert_eq!(score.trim(), "1000");
        let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        let open: Vec<String> = open
            .map(|file| fs::read_link(file.unwrap().path()).unwrap())
            .map(|target| target.to_string_lossy().into_owned())
            .collect();
        assert!(
            open.iter()
                .all(|target| target.starts_with("pipe:") || target == "/dev/null"),
            "{open:?}"
        );
    }
}

/// Also while a module is compiled, and where the server had no time to say so.
#[tokio::test(flavor = "multi_thread")]
async fn slow_a_process_that_compiles_ends_with_its_server() {
    let server = start("");
    let operator = Operator::of(&server);
    let uploading = tokio::spawn(async move {
        let dear = dear();
        // The connection breaks, or it was fast.
        let request = operator.request(reqwest::Method::POST, "/upload-plugin");
        let _ = request.multipart(dear.form()).send().await;
    });
    until("it compiles", || !workers(&server).is_empty()).await;
    let compiling = workers(&server);
    server.signal("KILL");
    for pid in compiling {
        let status = format!("/proc/{pid}/stat");
        let is_gone = || {
            let stat = fs::read_to_string(&status).unwrap_or_default();
            // One that has ended may wait for whoever inherits it.
            stat.is_empty() || stat.contains(") Z ")
        };
        until("it has ended", is_gone).await;
    }
    uploading.await.unwrap();
}
