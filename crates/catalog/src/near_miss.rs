//! Keys and words that are nearly those of a definition: what somebody meant is said, since a key that means
//! nothing is a wish that nobody hears.

use strsim::osa_distance;

/// Longest word that is looked at, in bytes: no known one is half as long.
const WORD_MAX_BYTES: usize = 64;
/// Most slips of a word: of a letter that is another, lacks, is too many, or stands before the one before it.
const SLIPS_MAX: usize = 2;
/// Shortest word that may have as many, in characters.
const LONG_WORD: usize = 6;

/// The known word that another one stands for, where it is nearly that one.
pub(crate) fn likely<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > WORD_MAX_BYTES {
        return None;
    }
    let plain = plain(word);
    let distances = known.into_iter().filter_map(|known| {
        let known_plain = self::plain(known);
        if known_plain.len().abs_diff(plain.len()) > SLIPS_MAX {
            return None;
        }
        let slips = osa_distance(&plain, &known_plain);
        let shorter = plain.chars().count().min(known_plain.chars().count());
        let may_have = match shorter {
            0..3 => 0,
            3..LONG_WORD => 1,
            _ => SLIPS_MAX,
        };
        (slips <= may_have).then_some((slips, known))
    });
    distances
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, known)| known)
}

/// A word as it is compared: how names are put together differs from file to file.
fn plain(word: &str) -> String {
    let letters = word
        .chars()
        .filter(|letter| !matches!(letter, '_' | '-' | ' '));
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let known = [
            "plugins",
            "limits",
            "returns",
            "type",
            "text",
            "timeout",
            "inputSchema",
        ];
        for (word, meant) in [
            ("plugin", Some("plugins")),
            ("limit", Some("limits")),
            ("retuns", Some("returns")),
            ("reutrns", Some("returns")),
            ("timout", Some("timeout")),
            ("input_schema", Some("inputSchema")),
            ("Type", Some("type")),
            ("tpye", Some("type")),
            ("about", None),
            ("category", None),
            ("tag", None),
            ("t", None),
            ("", None),
        ] {
            assert_eq!(likely(word, known), meant, "{word}");
        }
        assert_eq!(likely(&"t".repeat(100_000), known), None);
    }
}
