//! Names of tools that mislead whoever reads or chooses them, or that some clients refuse.

use unicode_security::confusable_detection::skeleton;
use wasimancer_runtime::is_misleading;

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
    name.contains(char::is_control).then(|| {
        format!(
            "the tool name {:?} holds control characters: leave them out",
            shown(name)
        )
    })
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

/// Advice on a name that some clients refuse (MCP 2026-07-28, server/tools, "Tool Names").
fn unusual(name: &str) -> Option<String> {
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let fault = if name.len() > 128 {
        "has more than 128 characters"
    } else if !name.bytes().all(usual) {
        "holds other characters than letters, digits, `_`, `-` and `.`"
    } else {
        return None;
    };
    let name = shown(name);
    Some(format!(
        "the tool name {name:?} {fault}, which some clients refuse"
    ))
}

/// The beginning of a name. Whoever shows it escapes what does not show.
fn shown(name: &str) -> String {
    name.chars().take(SHOWN_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
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
}
