//! Whose address counts where a proxy stands before the server.

use std::io::{Read, Write};

use crate::support::{Home, Launch, Server, connect_from};

/// Sends a wrong token from an address, with this header more.
fn guess(server: &Server, host: u8, header: &str) {
    let mut stream = connect_from(host, server.address);
    let request = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer wrong\r\n{header}connection: close\r\n\
         content-length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[tokio::test]
async fn a_trusted_proxy_is_taken_at_its_word_and_nobody_else() {
    for launch in [
        Launch::of(Home::guest()).args(["--trusted-proxy", "127.0.0.2"]),
        Launch::of(Home::guest()).env(
            "WASIMANCER_TRUSTED_PROXIES",
            "unix, 10.0.0.0/8,127.0.0.2/32",
        ),
    ] {
        let server = launch.start();
        guess(
            &server,
            2,
            "x-forwarded-for: 192.0.2.1, 192.0.2.7, 127.0.0.2\r\n",
        );
        server.logs("192.0.2.7").await;
        guess(
            &server,
            2,
            "forwarded: for=\"[2001:db8::7]:80\";proto=https\r\n",
        );
        server.logs("2001:db8::7").await;
        guess(&server, 3, "x-forwarded-for: 192.0.2.8\r\n");
        server.logs("127.0.0.3").await;
        guess(&server, 2, "x-forwarded-for: 192.0.2.9, unknown\r\n");
        server.logs("127.0.0.2").await;
        let log = server.stderr();
        for believed in ["192.0.2.1\"", "192.0.2.8", "192.0.2.9"] {
            assert!(!log.contains(believed), "{believed}: {log}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_reads_no_http_announces_clients() {
    let server = Launch::of(Home::guest())
        .args(["--trusted-proxy", "127.0.0.2"])
        .env("WASIMANCER_PROXY_PROTOCOL", "true")
        .start();
    let guess = "DELETE /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer wrong\r\nconnection: close\r\n\r\n";
    let four = [192, 0, 2, 8, 192, 0, 2, 1, 18, 103, 0, 80];
    let binary = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", &four[..]].concat();
    for (host, header, client) in [
        (
            2,
            &b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n"[..],
            "192.0.2.7",
        ),
        (2, &binary, "192.0.2.8"),
        // Nobody else needs a header.
        (3, b"", "127.0.0.3"),
    ] {
        let mut stream = connect_from(host, server.address);
        stream.write_all(header).unwrap();
        stream.write_all(guess.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        server.logs(client).await;
    }
    // Where the header is wanted or where it is not, what else comes is refused.
    for (host, sent) in [(2, guess), (3, "PROXY UNKNOWN\r\n\r\n")] {
        let mut stream = connect_from(host, server.address);
        stream.write_all(sent.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // Bytes that were not read reset the connection.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
            "{answer}"
        );
    }
}

#[test]
fn proxies_are_networks() {
    let home = Home::new();
    home.file(
        "wasimancer.toml",
        "trusted_proxies = [\"proxy.example\", \"10.0.0.0/40\"]\n",
    );
    let ended = Launch::of(home).refused();
    for name in ["proxy.example", "10.0.0.0/40"] {
        let wanted =
            format!("trusted proxies: \"{name}\" is no network: write one such as 10.0.0.0/8");
        assert!(ended.stderr.contains(&wanted), "{}", ended.stderr);
    }
    let home = Home::new();
    home.file("wasimancer.toml", "proxy_protocol = true\n");
    let ended = Launch::of(home).refused();
    let wanted = "proxy_protocol: no proxy is trusted to speak it";
    assert!(ended.stderr.contains(wanted), "{}", ended.stderr);
}
