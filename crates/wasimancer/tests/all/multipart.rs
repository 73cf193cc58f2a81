//! Uploads whose form is hostile: what stands around the parts, and how many there are.

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Home, Launch, Operator, Server, answer, speaking};

fn start() -> (Server, Operator) {
    let server = Launch::of(Home::new()).start();
    let operator = Operator::of(&server);
    (server, operator)
}

async fn send(operator: &Operator, body: Vec<u8>) -> Answer {
    let request = operator.request(Method::POST, "/upload-plugin");
    let request = request.header("content-type", "multipart/form-data; boundary=edge");
    answer(request.body(body)).await
}

/// A part with these headers beside its name.
fn part(headers: &str, name: &str, data: &[u8]) -> Vec<u8> {
    let head = format!(
        "--edge\r\n{headers}content-disposition: form-data; name=\"{name}\"; filename=\"x.wasm\"\r\n\r\n"
    );
    [head.as_bytes(), data, b"\r\n"].concat()
}

fn definition() -> Vec<u8> {
    json!({"name": "x", "functions": [{"function": "speak", "displayName": "x"}]})
        .to_string()
        .into_bytes()
}

/// Both parts that are wanted, in a form with its end.
fn whole(before: &[u8], between: &[u8], after: &[u8]) -> Vec<u8> {
    [
        before,
        &part("", "pluginData", &definition()),
        between,
        &part("", "wasmFile", &speaking("it")),
        after,
        b"--edge--\r\n",
    ]
    .concat()
}

#[tokio::test]
async fn what_stands_around_parts_is_bounded() {
    let (_server, operator) = start();
    let long = "x".repeat(100_000);
    let preamble = format!("{long}\r\n");
    let headers = part(&format!("x-long: {long}\r\n"), "other", b"");
    let name = part("", &long, b"");
    for (what, body) in [
        ("a preamble", whole(preamble.as_bytes(), b"", b"")),
        ("headers", whole(b"", &headers, b"")),
        ("a name", whole(b"", b"", &name)),
        ("nothing but a preamble", vec![b'-'; 4_000_000]),
    ] {
        let told = send(&operator, body).await;
        let told = told.declined(413, "too_large");
        assert!(told.contains("more than 16384 bytes"), "{what}: {told}");
    }
}

#[tokio::test]
async fn parts_are_bounded_in_number() {
    let (_server, operator) = start();
    let others = part("", "other", &[b'x'; 10_000]).repeat(200);
    let told = send(&operator, whole(b"", &others, b"")).await;
    let told = told.declined(413, "too_large");
    assert!(told.contains("more than 16 parts"), "{told}");
}

/// As forms may be (RFC 2046, section 5.1.1).
#[tokio::test]
async fn forms_with_a_preamble_other_parts_and_an_epilogue_are_read() {
    let (_server, operator) = start();
    let others = part("x-header: value\r\n", "other", &b"\r".repeat(50_000)).repeat(3);
    let mut body = whole(b"This is a form.\r\n", &others, b"");
    body.extend(b"And this its end.");
    send(&operator, body).await.granted();
}

/// A part as programs send it: with this file name, or with none.
fn sent(name: &str, file_name: Option<&str>, data: &[u8]) -> Vec<u8> {
    let file_name = file_name.map_or(String::new(), |name| format!("; filename=\"{name}\""));
    let head =
        format!("--edge\r\ncontent-disposition: form-data; name=\"{name}\"{file_name}\r\n\r\n");
    [head.as_bytes(), data, b"\r\n"].concat()
}

#[tokio::test]
async fn uploads_are_taken_as_programs_send_them() {
    let (_server, operator) = start();
    let marked = [b"\xef\xbb\xbf".as_slice(), &definition()].concat();
    for (data_file, data, file_name, path) in [
        (None, definition(), "PLUGIN.WASM", "./bucket/PLUGIN.wasm"),
        (
            None,
            marked.clone(),
            "C:\\fakepath\\windows.wasm",
            "./bucket/windows.wasm",
        ),
        (
            Some("plugin.json"),
            marked,
            "..\\..\\up.Wasm",
            "./bucket/up.wasm",
        ),
    ] {
        let body = [
            sent("pluginData", data_file, &data),
            sent("wasmFile", Some(file_name), &speaking("it")),
            b"--edge--\r\n".to_vec(),
        ];
        let uploaded = send(&operator, body.concat()).await;
        assert_eq!(uploaded.granted()["filePath"], path);
        operator.delete("/remove-plugin/x").await.granted();
    }
    let body = [
        sent("pluginData", None, &definition()),
        sent("wasmFile", Some("C:\\plugin.wat"), b"(module)"),
        b"--edge--\r\n".to_vec(),
    ];
    let refused = send(&operator, body.concat()).await;
    let told = refused.declined(400, "invalid_file_name");
    assert!(told.contains("`wat2wasm plugin.wat`"), "{told}");
    let body = [
        sent("pluginData", None, &definition()),
        sent("wasmFile", Some("plugin.wasm"), b" (module)"),
        b"--edge--\r\n".to_vec(),
    ];
    let refused = send(&operator, body.concat()).await;
    let told = refused.declined(500, "invalid_module");
    assert!(
        told.contains("plugin.wasm") && told.contains("wat2wasm"),
        "{told}"
    );
}
