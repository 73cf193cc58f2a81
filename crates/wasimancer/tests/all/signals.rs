//! What signals ask of a server, beside its end (see `shutdown.rs`).

use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{Captured, Client, Home, Launch, MODERN, Upstream, command, until_blocking};

const RESOURCE: &str =
    "resources:\n  static:\n    - {name: new, uri: 'info://new', contents: [{text: x}]}\n";

/// Edits by hand are never noticed by themselves.
fn home() -> Home {
    let home = Home::asking();
    home.file("resources/resources.yml", "resources:\n  static: []\n");
    home.file(
        "wasimancer.toml",
        "settle_time = \"1h\"\nshutdown_grace = \"1h\"\n",
    );
    home
}

async fn resources(client: &Client) -> usize {
    let listed = client.ask("resources/list", json!({})).await;
    listed.result()["resources"].as_array().unwrap().len()
}

#[tokio::test]
async fn some_signals_do_nothing_and_a_hang_up_loads_the_files_anew() {
    let home = home();
    let server = Launch::again(home.path()).start();
    let client = server.client(MODERN);
    for signal in ["USR1", "USR2", "ALRM"] {
        server.signal(signal);
    }
    assert_eq!(resources(&client).await, 0);
    home.file("resources/resources.yml", RESOURCE);
    server.signal("HUP");
    server.logs("told to load the files anew").await;
    assert_eq!(resources(&client).await, 1);
    // What is wrong takes nothing out of service.
    home.file("resources/resources.yml", "resources: [");
    server.signal("HUP");
    server.logs("what is served stays").await;
    assert_eq!(resources(&client).await, 1);
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));
}

/// Supervisors and the shells between them often send it twice.
#[tokio::test]
async fn a_second_request_to_terminate_at_once_is_the_same_one() {
    let upstream = Upstream::start();
    let server = Launch::of(home()).start();
    let client = server.client(MODERN);
    let url = json!({"url": format!("http://{}/", upstream.address)});
    let stopping = async {
        upstream.holds(1).await;
        // Two in one would be one for the system already.
        server.signals(&["TERM", "TERM"]);
        server.logs("shutting down").await;
        // A call under way is answered all the same.
        upstream.release("in time");
    };
    let (answer, ()) = tokio::join!(client.call("get", url), stopping);
    assert_eq!(answer.output(), "in time");
    assert_eq!(server.ended().await.code(), Some(0));
}

#[test]
fn a_hang_up_ends_the_server_of_standard_input() {
    let home = home();
    let home = home.path().to_str().unwrap();
    let mut child = command(["serve", "--stdio", "--home", home, "--log", "info"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let log = Captured::of(child.stderr.take().unwrap());
    until_blocking("the client is served", || {
        log.text().contains("serving the client")
    });
    hang_up(child.id());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// `script` gives the server a terminal, which goes with it.
#[cfg(target_os = "linux")]
#[test]
fn a_server_ends_with_its_terminal() {
    let home = home();
    let pid_file = home.path().join("pid");
    let serve = command(["serve"]);
    let script = format!(
        // Whoever runs the tests may ignore it, which a shell cannot undo.
        "echo $$ > {}; exec env --default-signal=HUP {} serve --home {} --http-port 0",
        pid_file.display(),
        serve.get_program().display(),
        home.path().display()
    );
    let mut terminal = Command::new("script");
    terminal.args(["-qfc", &script, "/dev/null"]);
    for (name, value) in serve.get_envs() {
        match value {
            Some(value) => terminal.env(name, value),
            None => terminal.env_remove(name),
        };
    }
    let mut terminal = terminal
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("util-linux is there");
    let shown = Captured::of(terminal.stdout.take().unwrap());
    until_blocking("the server listens", || {
        shown.text().contains("listening on")
    });
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    let process = format!("/proc/{}", pid.trim());
    // It loads anew while the terminal is there.
    hang_up(pid.trim().parse().unwrap());
    until_blocking("the files are loaded anew", || {
        shown.text().contains("told to load the files anew")
    });
    assert!(std::fs::exists(&process).unwrap());
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    until_blocking("the server ends with its terminal", || {
        !std::fs::exists(&process).unwrap()
    });
}

fn hang_up(pid: u32) {
    let kill = format!("kill -HUP {pid}");
    let sent = Command::new("sh").args(["-c", &kill]).status().unwrap();
    assert!(sent.success(), "{kill}");
}
