//! Which texts are no tokens, and which are weak ones.

use super::{NO_AUTHENTICATION, Token};

/// Tokens that guides and earlier versions of the README print.
const PUBLIC_TOKENS: [&str; 3] = ["wasimancer-rocks", "my-token", "my-admin-token"];

/// Whose a token is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Clients,
    Operators,
}

impl Owner {
    /// The variable that holds the token.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::Clients => "WASIMANCER_AUTHENTICATION_TOKEN",
            Self::Operators => "WASIMANCER_ADMIN_TOKEN",
        }
    }

    /// Least characters of a token that is not weak. An operator may publish any code, so theirs has
    /// twice as many.
    fn min_characters(self) -> usize {
        match self {
            Self::Clients => 8,
            Self::Operators => 16,
        }
    }

    /// Refuses a text that no client could send as its token, or that means something else.
    pub(crate) fn check(self, text: &str) -> Result<(), String> {
        if text.eq_ignore_ascii_case(NO_AUTHENTICATION) {
            if self == Self::Operators {
                return Err(format!(
                    "{NO_AUTHENTICATION} is no token, and the administration is never open: give one, or leave it out"
                ));
            }
            if text != NO_AUTHENTICATION {
                return Err(format!(
                    "looks like {NO_AUTHENTICATION} and is not: write it in capitals, or give another token"
                ));
            }
        }
        check_text(text).map_err(str::to_owned)
    }

    fn weaknesses(self, token: &Token) -> Vec<String> {
        let text = token.reveal();
        let min = self.min_characters();
        let mut found = Vec::new();
        if PUBLIC_TOKENS.contains(&text.as_str()) {
            found.push(
                "is printed in public guides, so that everybody knows it: give a random one"
                    .to_owned(),
            );
        } else if text.chars().count() < min {
            found.push(format!(
                "has fewer than {min} characters, so that it can be guessed: give a long random one"
            ));
        }
        if text.contains(' ') {
            found.push("holds a blank, which many clients cannot send: leave it out".to_owned());
        }
        let name = self.variable();
        let named = found.iter().map(|weakness| format!("{name}: {weakness}"));
        named.collect()
    }
}

fn check_text(text: &str) -> Result<(), &'static str> {
    let quoted = |quote| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
    if text.is_empty() {
        Err("is empty: put the token there")
    } else if text.trim() != text {
        Err("begins or ends with a blank or a line end, which no client can send: remove it")
    } else if quoted('"') || quoted('\'') {
        Err("is in quotes, as in a file of variables: remove them")
    } else if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        Err(
            "holds characters that no header can carry: use letters, digits and punctuation of ASCII",
        )
    } else {
        Ok(())
    }
}

/// What is weak about the tokens that are given, each as a sentence that does not repeat it.
pub(crate) fn weaknesses(clients: Option<&Token>, operators: Option<&Token>) -> Vec<String> {
    let mut found = Vec::new();
    for (owner, token) in [(Owner::Clients, clients), (Owner::Operators, operators)] {
        found.extend(token.into_iter().flat_map(|token| owner.weaknesses(token)));
    }
    if let (Some(clients), Some(operators)) = (clients, operators)
        && clients.reveal() == operators.reveal()
    {
        found.push(format!(
            "{} and {}: are the same, so that every client may administer: give two",
            Owner::Clients.variable(),
            Owner::Operators.variable()
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_no_client_can_send_are_refused() {
        for (text, words) in [
            ("", "is empty"),
            (" token", "a blank or a line end"),
            ("token\n", "a blank or a line end"),
            ("\"token\"", "in quotes"),
            ("'token'", "in quotes"),
            ("tok\nen", "no header"),
            ("tök", "no header"),
            ("no_authentication", "in capitals"),
        ] {
            let wrong = Owner::Clients.check(text).expect_err(text);
            assert!(wrong.contains(words), "{text:?}: {wrong}");
        }
        for right in ["token", "a\"b", "two words", "'", NO_AUTHENTICATION] {
            assert_eq!(Owner::Clients.check(right), Ok(()), "{right}");
        }
        for text in [NO_AUTHENTICATION, "No_Authentication"] {
            let wrong = Owner::Operators.check(text).expect_err(text);
            assert!(wrong.contains("never open"), "{wrong}");
        }
    }

    #[test]
    fn weak_tokens_are_named_without_their_text() {
        let strong = "a-long-random-token";
        for (clients, operators, words) in [
            (strong, "other-long-random-token", &[][..]),
            ("12345678", strong, &[]),
            (
                "1234567",
                strong,
                &["AUTHENTICATION_TOKEN: has fewer than 8"],
            ),
            (
                strong,
                "123456789abcdef",
                &["ADMIN_TOKEN: has fewer than 16"],
            ),
            (
                strong,
                "two long random words",
                &["ADMIN_TOKEN: holds a blank"],
            ),
            (strong, "wasimancer-rocks", &["ADMIN_TOKEN: is printed"]),
            ("my-token", strong, &["AUTHENTICATION_TOKEN: is printed"]),
            (strong, strong, &["are the same"]),
            (
                "a b",
                "a b",
                &["than 8", "a blank", "than 16", "a blank", "the same"],
            ),
        ] {
            let found = weaknesses(Some(&Token::new(clients)), Some(&Token::new(operators)));
            assert_eq!(found.len(), words.len(), "{found:?}");
            for (found, words) in found.iter().zip(words) {
                assert!(found.contains(words), "{found}");
                assert!(
                    !found.contains(strong) && !found.contains("rocks"),
                    "{found}"
                );
            }
        }
        assert_eq!(weaknesses(None, None), [""; 0]);
    }
}
