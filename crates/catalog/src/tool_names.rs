//! Names of tools that mislead whoever reads or chooses them, or that some clients refuse, and those of
//! properties, which the same clients look at.

use serde_json::{Map, Value};
use unicode_security::confusable_detection::skeleton;
use wasimancer_runtime::is_misleading;

use crate::subschemas::visit;

/// Longest name of a tool, in characters (MCP 2026-07-28, server/tools, "Tool Names").
const NAME_MAX_CHARACTERS: usize = 128;
/// Longest name of a tool or property that APIs of models take, in characters.
const MODEL_NAME_MAX_CHARACTERS: usize = 64;
/// Most properties of one tool that advice names: a person mends some of them and looks again.
const PROPERTIES_ADVISED_MAX: usize = 5;
/// Most characters of a name that advice on it repeats.
const SHOWN_CHARACTERS: usize = 128;
/// Characters of a name that decide what it looks like: nobody tells two names apart behind them.
const LOOK_CHARACTERS: usize = 512;

/// What names look like which only differ in characters that look alike (UTS 39), do not show, are
/// blank, or only in upper and lower case. Each is a key of its own: what a capital `I` looks like is
/// no capital of what an `i` looks like.
pub(crate) fn looks(name: &str) -> [String; 2] {
    let shown: String = name
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .take(LOOK_CHARACTERS)
        .collect();
    [
        skeleton(&shown).collect(),
        skeleton(&shown.to_lowercase()).collect(),
    ]
}

/// Why a name is refused where it is published.
pub(crate) fn refusal(name: &str) -> Option<String> {
    let fault = if name.contains(char::is_control) {
        "holds control characters: leave them out"
    } else if name.chars().count() > NAME_MAX_CHARACTERS {
        "has more than 128 characters, which clients refuse: choose a shorter one"
    } else {
        return None;
    };
    Some(format!("the tool name {:?} {fault}", shown(name)))
}

/// The worst that is unusual about a name itself.
pub(crate) fn advice(name: &str) -> Option<String> {
    refusal(name)
        .or_else(|| unseen(name))
        .or_else(|| unusual(name))
}

/// Advice on a name that looks like that of another tool.
pub(crate) fn look_alike(name: &str, other: &str, plugin: &str) -> String {
    format!(
        "the tool name {:?} looks like {:?} of plugin {plugin:?}: choose names that people and models can tell apart",
        shown(name),
        shown(other)
    )
}

/// Advice on a name with characters of which nothing is seen but what they do to others.
fn unseen(name: &str) -> Option<String> {
    let is_unseen = |c: char| {
        !c.is_control()
            && (is_misleading(c) || skeleton(c.encode_utf8(&mut [0; 4])).next().is_none())
    };
    name.contains(is_unseen).then(|| {
        format!(
            "the tool name {:?} holds characters that do not show or that turn the direction of a text: leave them out",
            shown(name)
        )
    })
}

/// Advice on a name that some clients refuse, since they hand it to the API of a model.
fn unusual(name: &str) -> Option<String> {
    let fault = model_fault(name)?;
    let name = shown(name);
    Some(format!("the tool name {name:?} {fault}"))
}

/// Advice on properties of a tool's arguments, at every depth, whose names some clients refuse.
pub(crate) fn property_advice(tool: &str, input_schema: &Value) -> Vec<String> {
    let mut advice = Vec::new();
    visit(input_schema, &mut |fields| {
        let properties = fields.get("properties").and_then(Value::as_object);
        for name in properties.into_iter().flat_map(Map::keys) {
            if advice.len() < PROPERTIES_ADVISED_MAX
                && let Some(fault) = model_fault(name)
            {
                let (tool, name) = (shown(tool), shown(name));
                advice.push(format!("the property {name:?} of tool {tool:?} {fault}"));
            }
        }
    });
    advice
}

/// Why APIs of models refuse a name, and clients with them the tool.
fn model_fault(name: &str) -> Option<&'static str> {
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if !name.bytes().all(usual) {
        Some("holds other characters than letters, digits, `_` and `-`, which some clients refuse")
    } else if name.is_empty() {
        Some("is empty, which some clients refuse")
    } else if name.len() > MODEL_NAME_MAX_CHARACTERS {
        Some("has more than 64 characters, which some clients refuse")
    } else {
        None
    }
}

/// The beginning of a name. Whoever shows it escapes what does not show.
fn shown(name: &str) -> String {
    name.chars().take(SHOWN_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn look_alike(one: &str, other: &str) -> bool {
        let (one, other) = (looks(one), looks(other));
        one.iter().zip(&other).any(|(one, other)| one == other)
    }

    #[test]
    fn names_that_look_alike_have_a_look_in_common() {
        for (one, other) in [
            ("echo", "еcho"),
            ("echo", "echo\u{200b}"),
            ("echo", " e cho "),
            ("echo", "ECHO"),
            ("echo", "EСHO"),
            ("echo", "\u{202e}echo"),
            ("echo", "echo\n"),
            ("echo", "echo\u{e0041}"),
            ("écho", "e\u{301}cho"),
            ("list", "LIST"),
            ("list", "1ist"),
            ("Item", "ltem"),
            ("modern", "rnodern"),
            ("a-b", "a‐b"),
        ] {
            assert!(look_alike(one, other), "{one:?} {other:?}");
        }
        for (one, other) in [
            ("echo", "écho"),
            ("echo", "echo2"),
            ("mail", "mall"),
            ("get_user", "get-user"),
            ("", "a"),
        ] {
            assert!(!look_alike(one, other), "{one:?} {other:?}");
        }
        let long = "\u{fdfa}".repeat(10_000_000);
        assert!(looks(&long)[0].len() < 100_000, "it is bounded");
    }

    #[test]
    fn each_fault_of_a_name_has_its_words() {
        for (name, words) in [
            ("echo", None),
            ("echo\n\u{202e}", Some("control characters")),
            ("\u{202e}ohce", Some("do not show")),
            ("ec\u{200b}ho", Some("do not show")),
            ("ec\u{2028}ho", Some("do not show")),
            ("ec\u{e0041}ho", Some("do not show")),
            ("größe 📏", Some("some clients refuse")),
            ("issues.list", Some("some clients refuse")),
            (&"a".repeat(64), None),
            (&"a".repeat(65), Some("more than 64 characters")),
            (&"a".repeat(129), Some("more than 128 characters")),
        ] {
            let found = advice(name);
            let is_it = |found: &String| words.is_some_and(|words| found.contains(words));
            assert_eq!(found.as_ref().map(is_it), words.map(|_| true), "{found:?}");
            assert!(
                !found.unwrap_or_default().contains(is_misleading),
                "{name:?}"
            );
        }
    }

    #[test]
    fn properties_of_every_depth_are_looked_at() {
        let schema = json!({"properties": {
            "a": {"properties": {"ids[]": {"enum": ["x y"]}}},
            "first name": true,
            "b-B_2": {"default": {"properties": {"x y": 1}}},
        }});
        let advice = property_advice("t", &schema);
        assert_eq!(advice.len(), 2, "{advice:?}");
        for name in ["ids[]", "first name"] {
            let begin = format!("the property {name:?} of tool \"t\" holds other characters");
            assert!(
                advice.iter().any(|one| one.starts_with(&begin)),
                "{advice:?}"
            );
        }
        let many: Map<String, Value> = (0..9).map(|n| (format!("{n}."), json!({}))).collect();
        assert_eq!(property_advice("t", &json!({"properties": many})).len(), 5);
    }
}
