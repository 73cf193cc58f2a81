//! An operator: publishes, and looks at what is published.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::client::http_client;
use super::{ADMIN_TOKEN, Answer, Server, assemble};

/// An operator of a server, with the administration token.
pub(crate) struct Operator {
    http: reqwest::Client,
    url: String,
}

impl Operator {
    pub(crate) fn of(server: &Server) -> Self {
        Self::at(server.url(""))
    }

    /// An operator of the administration at this URL.
    pub(crate) fn at(url: String) -> Self {
        Self {
            http: http_client(),
            url,
        }
    }

    /// A request with the token, to be changed or sent.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        request.bearer_auth(ADMIN_TOKEN)
    }

    /// A request without the token.
    pub(crate) fn stranger(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::PUT, path).json(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        answer(self.request(Method::DELETE, path)).await
    }

    /// Publishes a new plugin; the path may hold a query.
    pub(crate) async fn upload(&self, query: &str, plugin: &Sample) -> Answer {
        let request = self.request(Method::POST, &format!("/upload-plugin{query}"));
        answer(request.multipart(plugin.form())).await
    }

    pub(crate) async fn update(&self, query: &str, plugin: &Sample) -> Answer {
        let request = self.request(Method::PUT, &format!("/update-plugin{query}"));
        answer(request.multipart(plugin.form())).await
    }

    /// The revision that is served.
    pub(crate) async fn revision(&self) -> String {
        self.get("/plugins").await.header("etag").to_owned()
    }
}

pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    Answer::of(request.send().await.expect("an answer")).await
}

impl Answer {
    /// The body of a request that was granted.
    #[track_caller]
    pub(crate) fn granted(&self) -> &Value {
        assert_eq!(self.status, 200, "{}", self.text);
        &self.json
    }

    /// What a request is told that was refused with this status and word.
    #[track_caller]
    pub(crate) fn declined(&self, status: u16, code: &str) -> &str {
        let found = (self.status, self.json["code"].as_str());
        assert_eq!(found, (status, Some(code)), "{}", self.text);
        let fields = self.json.as_object().expect("an object");
        assert_eq!(fields.len(), 2, "{}", self.text);
        let message = self.json["error"].as_str().expect("a message");
        message.strip_prefix("😡 ").expect(message)
    }
}

/// A plugin on its way to a server.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) definition: Value,
    pub(crate) module: Vec<u8>,
    pub(crate) file_name: String,
}

impl Sample {
    /// A plugin with one tool of its name, which answers a text.
    pub(crate) fn new(name: &str, version: &str, text: &str) -> Self {
        Self {
            definition: json!({
                "name": name,
                "path": format!("./bucket/{name}.wasm"),
                "version": version,
                "description": "a sample",
                "functions": [{
                    "displayName": name,
                    "function": "speak",
                    "arguments": [],
                    "description": "speaks"
                }]
            }),
            module: speaking(text),
            file_name: format!("{name}.wasm"),
        }
    }

    /// The same with another value in its definition.
    pub(crate) fn with(mut self, pointer: &str, value: Value) -> Self {
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
        let parent = self.definition.pointer_mut(parent).expect("a parent");
        parent[field] = value;
        self
    }

    /// The same without a field of its definition.
    pub(crate) fn without(mut self, field: &str) -> Self {
        let fields = self.definition.as_object_mut().expect("an object");
        fields.remove(field).expect("the field is there");
        self
    }

    pub(crate) fn with_module(mut self, module: impl Into<Vec<u8>>) -> Self {
        self.module = module.into();
        self
    }

    pub(crate) fn in_file(mut self, file_name: &str) -> Self {
        file_name.clone_into(&mut self.file_name);
        self
    }

    pub(crate) fn form(&self) -> Form {
        let file = Part::bytes(self.module.clone()).file_name(self.file_name.clone());
        Form::new()
            .part("wasmFile", file)
            .text("pluginData", self.definition.to_string())
    }
}

/// A module whose export `speak` answers a text.
pub(crate) fn speaking(text: &str) -> Vec<u8> {
    let mut data = String::new();
    for byte in text.bytes() {
        write!(data, "\\{byte:02x}").expect("a text can be written to");
    }
    let length = text.len();
    assemble(&format!(
        r#"(module
          (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
          (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
          (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
          (memory (export "memory") 1)
          (data (i32.const 0) "{data}")
          (func (export "speak") (result i32)
            (local $handle i64) (local $at i32)
            (local.set $handle (call $alloc (i64.const {length})))
            (loop $next
              (call $store_u8
                (i64.add (local.get $handle) (i64.extend_i32_u (local.get $at)))
                (i32.load8_u (local.get $at)))
              (local.set $at (i32.add (local.get $at) (i32.const 1)))
              (br_if $next (i32.lt_u (local.get $at) (i32.const {length}))))
            (call $output_set (local.get $handle) (i64.const {length}))
            (i32.const 0)))"#
    ))
}

/// Every file below a folder, by its path in it.
pub(crate) fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let inside = path.strip_prefix(folder).expect("inside");
                found.insert(inside.to_string_lossy().into_owned());
            }
        }
    }
    found
}
