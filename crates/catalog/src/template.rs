//! `${name}` in texts: replaced literally and in a single pass, within a bound for the whole answer.
//!
//! A text may name an argument a thousand times, and a caller may make the argument a megabyte.

/// Most bytes that are made of the texts of one prompt or resource: as many as an answer may have.
pub(crate) const FILLED_MAX_BYTES: usize = 32 * 1024 * 1024;

/// The texts of one answer would have more than [`FILLED_MAX_BYTES`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Fills the texts of one answer.
pub(crate) struct Filling {
    /// Bytes that they may still have.
    left: usize,
}

impl Filling {
    pub(crate) fn new() -> Self {
        Self::within(FILLED_MAX_BYTES)
    }

    pub(crate) fn within(bytes: usize) -> Self {
        Self { left: bytes }
    }

    /// Counts a text that the answer holds as it is.
    pub(crate) fn hold(&mut self, text: &str) -> Result<(), TooLong> {
        self.left = self.left.checked_sub(text.len()).ok_or(TooLong)?;
        Ok(())
    }

    /// Replaces every `${name}` that `value` knows. What it does not know stays as it is, and what a
    /// value holds is never looked at again.
    pub(crate) fn substitute<'v>(
        &mut self,
        text: &str,
        value: impl Fn(&str) -> Option<&'v str>,
    ) -> Result<String, TooLong> {
        let mut out = String::new();
        let mut push = |text: &str| -> Result<(), TooLong> {
            self.hold(text)?;
            out.push_str(text);
            Ok(())
        };
        // Behind what is done; where a name begins, and where the next brace is that ends one.
        let (mut done, mut at, mut end) = (0, 0, 0);
        while let Some(start) = text[at..].find("${") {
            let name = at + start + 2;
            // Many names may begin before one that ends, so the brace is not looked for each time.
            if end < name {
                let Some(brace) = text[name..].find('}') else {
                    break;
                };
                end = name + brace;
            }
            at = match value(&text[name..end]) {
                Some(value) => {
                    push(&text[done..name - 2])?;
                    push(value)?;
                    done = end + 1;
                    done
                }
                // The name may hold the start of another placeholder.
                None => name,
            };
        }
        push(&text[done..])?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::{Filling, TooLong};

    fn with_names(text: &str) -> String {
        let value = |name: &str| match name {
            "first" => Some("${last}"),
            "last" => Some("$& $1 \\0"),
            "empty" => Some(""),
            _ => None,
        };
        let filled = Filling::new().substitute(text, value);
        filled.expect("it is short")
    }

    #[test]
    fn all_texts_of_an_answer_have_one_bound() {
        let mut filling = Filling::within(10);
        let value = |_: &str| Some("1234");
        assert_eq!(filling.substitute("a${b}", value), Ok("a1234".to_owned()));
        assert_eq!(filling.hold("1"), Ok(()));
        assert_eq!(filling.substitute("${b}", value), Ok("1234".to_owned()));
        assert_eq!(filling.substitute("${b}", value), Err(TooLong));
        assert_eq!(Filling::within(3).substitute("1234", value), Err(TooLong));
    }

    /// As many steps as bytes: looking for the brace from each beginning would take days.
    #[test]
    fn names_without_an_end_are_passed_over() {
        let text = format!("{}}}", "${".repeat(5_000_000));
        let filled = Filling::new().substitute(&text, |_| None);
        assert_eq!(filled.map(|filled| filled.len()), Ok(text.len()));
    }

    #[test]
    fn replacement_is_literal_and_single_pass() {
        assert_eq!(with_names("Hello ${first}!"), "Hello ${last}!");
        assert_eq!(with_names("${last}${last}"), "$& $1 \\0$& $1 \\0");
        assert_eq!(with_names("a${empty}b"), "ab");
        assert_eq!(with_names("${empty}"), "");
    }

    #[test]
    fn what_is_unknown_stays() {
        assert_eq!(
            with_names("costs $5 {first} ${nobody} ${"),
            "costs $5 {first} ${nobody} ${"
        );
        assert_eq!(with_names("${a${first}"), "${a${last}");
        assert_eq!(with_names("é ${first} 🌍"), "é ${last} 🌍");
    }
}
