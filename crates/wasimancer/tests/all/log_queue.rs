//! A log that nobody reads stops nothing.

use std::io::{Read, Write, pipe};
use std::process::Stdio;

use reqwest::Method;
use serde_json::Value;

use crate::support::{Home, Launch, MODERN, Operator, Server, command, until_blocking};

/// Fills the queue with lines that repeat long names, until lines are dropped.
async fn fill(server: &Server) {
    let operator = Operator::of(server);
    let client = server.client(MODERN);
    // The queue holds 4 MiB, and the pipe 64 KiB.
    let name = "n".repeat(30_000);
    for _ in 0..200 {
        operator.delete(&format!("/remove-plugin/{name}")).await;
    }
    let ready = client.ready().await.json;
    assert!(ready["logLinesDropped"].as_u64().unwrap() > 0, "{ready}");
    assert_eq!(ready["status"], "ready", "only the log is at a loss");
}

#[tokio::test]
async fn slow_what_nobody_reads_is_dropped_and_told_once_somebody_reads() {
    for format in ["human", "json"] {
        let server = Launch::of(Home::guest())
            .args(["--log-format", format])
            .with_unread_log()
            .start();
        fill(&server).await;
        let client = server.client(MODERN);
        assert_eq!(client.get("/healthz").await.status, 200);
        assert_eq!(client.call("echo", r#"{"text":"x"}"#).await.status, 200);
        server.read_log();
        server
            .logs("lines of the log were dropped, since nobody read them")
            .await;
        let ready = client.ready().await.json;
        server.signal("TERM");
        assert_eq!(server.ended().await.code(), Some(0));
        let log = server.whole_output().await;
        // What came after the gap is there, and so is how large the gap is.
        assert!(log.contains("shutting down"));
        let told = log
            .lines()
            .find(|line| line.contains("were dropped, since"));
        let dropped = &ready["logLinesDropped"];
        assert!(
            told.unwrap().contains(&format!("{dropped} lines")),
            "{told:?}"
        );
        if format == "json" {
            let lines = log.lines().filter(|line| line.starts_with('{'));
            assert!(lines.clone().count() > 10);
            for line in lines {
                serde_json::from_str::<Value>(line).expect(line);
            }
        }
    }
}

#[tokio::test]
async fn a_log_that_nobody_reads_does_not_keep_the_server_from_ending() {
    let server = Launch::of(Home::guest()).with_unread_log().start();
    fill(&server).await;
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));
}

/// A pipe without room.
fn full_pipe() -> (std::io::PipeReader, Stdio) {
    let (reader, mut writer) = pipe().unwrap();
    // The capacity of a pipe (pipe(7)); a smaller one has read what is written by now.
    writer.write_all(&vec![b'x'; 64 * 1024]).unwrap();
    (reader, Stdio::from(writer))
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_waits_for_a_standard_error_that_is_full_from_the_start() {
    // Wrong arguments, and a wrong configuration.
    for (arguments, code) in [
        (&["serve", "--no-such-flag"][..], 2),
        (&["serve", "--home", "/nowhere"][..], 1),
        (&["check", "--home", "/nowhere"][..], 1),
    ] {
        let (reader, stderr) = full_pipe();
        let mut child = command(arguments).stderr(stderr).spawn().unwrap();
        until_blocking("the command ends", || child.try_wait().unwrap().is_some());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{arguments:?}");
        drop(reader);
    }
    // A start with generated tokens.
    let home = Home::guest();
    let (mut reader, stderr) = full_pipe();
    let home = home.path().to_str().unwrap();
    let mut child = command(["serve", "--home", home, "--http-port", "0"])
        .stderr(stderr)
        .spawn()
        .unwrap();
    let stdout = crate::support::Captured::of(child.stdout.take().unwrap());
    until_blocking("the server listens", || {
        stdout.text().contains("listening on")
    });
    // Whoever reads at last is told everything.
    let told = std::thread::spawn(move || {
        let mut log = Vec::new();
        reader.read_to_end(&mut log).unwrap();
        String::from_utf8_lossy(&log).into_owned()
    });
    let kill = format!("sleep 1; kill -TERM {}", child.id());
    std::process::Command::new("sh")
        .args(["-c", &kill])
        .status()
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let log = told.join().unwrap();
    assert!(log.contains("admin token, since"), "{log}");
}

#[tokio::test]
async fn a_refused_change_is_told_in_one_line_however_long() {
    let server = Launch::of(Home::guest()).start();
    let operator = Operator::of(&server);
    let name = "n".repeat(40_000);
    let request = operator.request(Method::DELETE, &format!("/remove-resource/{name}"));
    crate::support::answer(request)
        .await
        .declined(404, "not_found");
    server.logs("a change was refused").await;
    let log = server.stderr();
    let line = log
        .lines()
        .find(|line| line.contains("a change was refused"));
    assert!(line.unwrap().len() < 66_000);
}
