//! Static resources: their contents, and which of the two kinds an entry is.

use serde_json::json;

use crate::support::{TestHome, contents, entries, read};

fn one(fields: &str) -> TestHome {
    TestHome::with_resources(&format!(
        "resources:\n  static:\n  - name: n\n    uri: a://a\n{fields}"
    ))
}

#[test]
fn contents_travel_with_all_their_fields_in_order() {
    let snapshot = one(r"    contents:
    - text: first
    - zeta: {b: [1, 2.5, null], a: true}
      mimeType: text/markdown
      text: |
        # Two
        lines
      alpha: null
      huge: 18446744073709551615
      version: 1.0
    - blob: aGVsbG8=
      mimeType: application/octet-stream
")
    .open_whole();
    assert_eq!(
        contents(&snapshot, "a://a").unwrap(),
        concat!(
            r#"[{"uri":"a://a","text":"first"},"#,
            r##"{"uri":"a://a","zeta":{"b":[1,2.5,null],"a":true},"mimeType":"text/markdown","text":"# Two\nlines\n","alpha":null,"huge":18446744073709551615,"version":1.0},"##,
            r#"{"uri":"a://a","blob":"aGVsbG8=","mimeType":"application/octet-stream"}]"#,
        )
    );
    assert!(snapshot.has_static_resource("a://a"));
    assert!(!snapshot.has_static_resource("a://b"));
    assert!(snapshot.resource_template("a://a").is_none());
    assert!(snapshot.resource("a://").is_none());
    assert!(snapshot.resource("a://a/b").is_none());
}

/// Clients normalize URIs before they ask for them.
#[test]
fn an_equal_uri_is_read_and_named_in_the_answer() {
    let home = TestHome::with_resources(
        r#"resources:
  static:
  - {name: upper, uri: "WordPress://Posts", contents: [{text: upper}, {text: more}]}
  - {name: accent, uri: "docs://café/menu", contents: [{text: accent}]}
  - {name: space, uri: "file:///my docs/read me.txt", contents: [{text: space}]}
  - {name: site, uri: "https://example.com", contents: [{text: site}]}
  - {name: other, uri: "https://example.com/", contents: [{text: other}]}
  dynamic:
  - {name: issue, uri: "Repo://issues/{id}", arguments: [{name: id, type: string}], contents: [{text: "issue ${id}"}]}
  - {name: file, uri: "file:///my files/{id}", arguments: [{name: id, type: string}], contents: [{text: "file ${id}"}]}
"#,
    );
    let snapshot = home.open_whole();
    for (uri, text) in [
        ("docs://caf%C3%A9/menu", "accent"),
        ("docs://caf%c3%a9/%6Denu", "accent"),
        ("file:///my%20docs/read%20me.txt", "space"),
        ("https://EXAMPLE.com", "site"),
        // What is written so is meant.
        ("https://example.com/", "other"),
        ("repo://issues/A%2fb", "issue A/b"),
        ("file:///my%20files/%7E7", "file ~7"),
    ] {
        assert_eq!(
            read(&snapshot, uri),
            Some(json!([{ "uri": uri, "text": text }])),
            "{uri}"
        );
    }
    assert_eq!(
        contents(&snapshot, "wordpress://posts").unwrap(),
        r#"[{"uri":"wordpress://posts","text":"upper"},{"uri":"wordpress://posts","text":"more"}]"#
    );
    assert!(snapshot.has_static_resource("wordpress://posts"));
    for other in [
        "docs://café/Menu",
        "docs://café/menu/",
        "file:///my+docs/read me.txt",
    ] {
        assert!(snapshot.resource(other).is_none(), "{other}");
    }
}

#[test]
fn a_uri_of_a_content_wins() {
    let snapshot = one("    contents: [{text: x, uri: 'a://a/part'}, {uri: 'b://b', blob: ''}]\n")
        .open_whole();
    assert_eq!(
        read(&snapshot, "a://a"),
        Some(json!([{"uri": "a://a/part", "text": "x"}, {"uri": "b://b", "blob": ""}]))
    );
    assert!(snapshot.resource("a://a/part").is_none());
}

#[test]
fn fields_of_a_content_that_are_left_blank_are_absent() {
    let snapshot = one("    contents: [{text: x, uri: , mimeType: ~, blob: null}]\n").open_whole();
    assert_eq!(
        read(&snapshot, "a://a"),
        Some(json!([{"uri": "a://a", "text": "x"}]))
    );
}

#[test]
fn placeholders_of_a_static_resource_are_text() {
    let snapshot = one("    contents: [{text: 'Hello ${name}'}]\n").open_whole();
    assert_eq!(
        read(&snapshot, "a://a").unwrap()[0]["text"],
        "Hello ${name}"
    );
}

#[test]
fn braces_without_arguments_are_static_wherever_the_entry_stands() {
    for list in ["static", "dynamic"] {
        for arguments in ["", "arguments: ~, "] {
            let snapshot = TestHome::with_resources(&format!(
                "resources:\n  {list}:\n  - {{name: n, uri: 'a://{{a}}', {arguments}contents: [{{text: '${{a}}'}}]}}\n"
            ))
            .open_whole();
            assert_eq!(
                entries(snapshot.resource_list()),
                [json!({"uri": "a://{a}", "name": "n"})]
            );
            assert_eq!(entries(snapshot.resource_template_list()), [json!(null); 0]);
            assert_eq!(
                read(&snapshot, "a://{a}"),
                Some(json!([{"uri": "a://{a}", "text": "${a}"}]))
            );
            assert!(snapshot.resource("a://b").is_none());
        }
    }
}

#[test]
fn arguments_without_braces_are_static_wherever_the_entry_stands() {
    for list in ["static", "dynamic"] {
        for uri in ["a://a", "a://}a{", "a://a{"] {
            let snapshot = TestHome::with_resources(&format!(
                "resources:\n  {list}:\n  - {{name: n, uri: '{uri}', arguments: [{{name: a, type: string}}], contents: [{{text: x}}]}}\n"
            ))
            .open_whole();
            assert!(snapshot.has_static_resource(uri));
            assert_eq!(snapshot.counts().resource_templates, 0);
        }
    }
}

#[test]
fn what_is_wrong_with_contents_names_its_place() {
    let home = one(r"    contents:
    - mimeType: text/plain
    - text
    - text: 5
      blob: [a]
    - text:
      mimeType: 7
    - uri: true
      blob: not base64!
");
    assert_eq!(
        home.problems(),
        [
            "resources.yml:6: resource \"n\": contents[0].text: is missing: give the content a `text` or a base64 `blob`",
            "resources.yml:7: resource \"n\": contents[1]: an entry must be a map and is \"text\"",
            "resources.yml:8: resource \"n\": contents[2].text: must be a text and is the number 5: put it in quotes",
            "resources.yml:9: resource \"n\": contents[2].blob: must be a text and is a list",
            "resources.yml:10: resource \"n\": contents[3].text: is missing: give the content a `text` or a base64 `blob`",
            "resources.yml:11: resource \"n\": contents[3].mimeType: must be a text and is the number 7: put it in quotes",
            "resources.yml:12: resource \"n\": contents[4].uri: must be a text and is the boolean true: put it in quotes",
            "resources.yml:13: resource \"n\": contents[4].blob: \"not base64!\" is no base64: write the bytes in it, with padding",
        ]
    );
    for (fields, message) in [
        (
            "",
            "resources.yml:3: resource \"n\": contents: is missing or empty: give at least one content with a `text`",
        ),
        (
            "    contents: []\n",
            "resources.yml:5: resource \"n\": contents: is missing or empty: give at least one content with a `text`",
        ),
        (
            "    contents: x\n",
            "resources.yml:5: resource \"n\": contents: must be a list and is \"x\"",
        ),
    ] {
        assert_eq!(one(fields).problems(), [message]);
    }
}

#[test]
fn a_uri_is_wanted() {
    let home = TestHome::with_resources(
        "resources:\n  static:\n  - {name: a, contents: [{text: x}]}\n  - name: b\n    contents: [{text: x}]\n    uri: ''\n  - {name: c, uri: [x], arguments: [{name: 5}], contents: [{text: x}]}\n",
    );
    assert_eq!(
        home.problems(),
        [
            "resources.yml:3: resource \"a\": uri: is missing: give the resource a URI, such as info://example",
            "resources.yml:6: resource \"b\": uri: is empty: give the resource a URI, such as info://example",
            "resources.yml:7: resource \"c\": uri: must be a text and is a list",
            "resources.yml:7: resource \"c\": arguments[0].name: must be a text and is the number 5: put it in quotes",
        ]
    );
}
