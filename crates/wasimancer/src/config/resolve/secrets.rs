//! Secrets: from a variable, or from the file that another one names.

use std::path::PathBuf;

use super::{ClientToken, Config, Resolver};
use crate::auth::{NO_AUTHENTICATION, Owner, Token, weaknesses};

/// Least bytes of a secret that others must not guess.
const STATE_SECRET_MIN_BYTES: usize = 32;

impl Resolver<'_> {
    /// A secret and the variable that it comes from: the one of this name, or the one with `_FILE`,
    /// which names a file.
    fn secret(&mut self, name: &str) -> Option<(Token, String)> {
        let in_file = format!("{name}_FILE");
        match (self.variable(name), self.variable(&in_file)) {
            (None, None) => None,
            (Some(text), None) => Some((Token::new(&text), name.to_owned())),
            (None, Some(file)) => match Token::read(PathBuf::from(file)) {
                Ok(secret) => Some((secret, in_file)),
                Err(wrong) => {
                    self.errors.push(format!("{in_file}: {wrong}"));
                    None
                }
            },
            (Some(_), Some(_)) => {
                self.errors.push(format!(
                    "{name} and {in_file}: both are set: leave one of them out"
                ));
                None
            }
        }
    }

    /// A secret that clients or operators send.
    fn token(&mut self, owner: Owner) -> Option<Token> {
        let (token, name) = self.secret(owner.variable())?;
        if let Err(wrong) = owner.check(&token.reveal()) {
            self.errors.push(format!("{name}: {wrong}"));
        }
        Some(token)
    }

    pub(super) fn admin_token(&mut self) -> Option<Token> {
        self.token(Owner::Operators)
    }

    pub(super) fn client_token(&mut self) -> ClientToken {
        match self.token(Owner::Clients) {
            None => ClientToken::Generate,
            Some(token) if *token.reveal() == NO_AUTHENTICATION => ClientToken::Off,
            Some(token) => ClientToken::Given(token),
        }
    }

    /// Refuses weak tokens, where that is asked for.
    pub(super) fn check_strictly(&mut self, config: &Config) {
        if config.strict_tokens {
            let weak = config.token_warnings();
            self.errors.extend(weak.into_iter().map(|weakness| {
                format!("{weakness} (or leave `strict_tokens` out, which refuses it)")
            }));
        }
    }

    pub(super) fn state_secret(&mut self) -> Option<Token> {
        let (secret, name) = self.secret("WASIMANCER_STATE_SECRET")?;
        if secret.reveal().len() < STATE_SECRET_MIN_BYTES {
            self.errors.push(format!(
                "{name}: is shorter than {STATE_SECRET_MIN_BYTES} bytes: give a long random text, or leave it out"
            ));
        }
        Some(secret)
    }
}

impl Config {
    /// What is weak about the tokens that are given, as sentences for operators.
    pub(crate) fn token_warnings(&self) -> Vec<String> {
        let clients = match &self.client_token {
            ClientToken::Given(token) => Some(token),
            ClientToken::Off | ClientToken::Generate => None,
        };
        weaknesses(clients, self.admin_token.as_ref())
    }
}
