//! Secrets: from a variable, or from the file that another one names.

use std::path::PathBuf;

use super::{ClientToken, Resolver};
use crate::auth::{self, NO_AUTHENTICATION, Token};

/// Least bytes of a secret that others must not guess.
const STATE_SECRET_MIN_BYTES: usize = 32;

impl Resolver<'_> {
    /// A secret: the variable of this name, or the file that the one with `_FILE` names.
    fn secret(&mut self, name: &str) -> Option<Token> {
        let in_file = format!("{name}_FILE");
        match (self.variable(name), self.variable(&in_file)) {
            (None, None) => None,
            (Some(text), None) => Some(Token::new(&text)),
            (None, Some(file)) => match Token::read(PathBuf::from(file)) {
                Ok(secret) => Some(secret),
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
    fn token(&mut self, name: &str) -> Option<Token> {
        let token = self.secret(name)?;
        if let Err(wrong) = auth::check(&token.reveal()) {
            self.errors.push(format!("{name}: {wrong}"));
        }
        Some(token)
    }

    pub(super) fn admin_token(&mut self) -> Option<Token> {
        let name = "WASIMANCER_ADMIN_TOKEN";
        let token = self.token(name)?;
        if *token.reveal() == NO_AUTHENTICATION {
            self.errors.push(format!(
                "{name}: {NO_AUTHENTICATION} is no token, and the administration is never open: give one, or leave it out"
            ));
        }
        Some(token)
    }

    pub(super) fn client_token(&mut self) -> ClientToken {
        match self.token("WASIMANCER_AUTHENTICATION_TOKEN") {
            None => ClientToken::Generate,
            Some(token) if *token.reveal() == NO_AUTHENTICATION => ClientToken::Off,
            Some(token) => ClientToken::Given(token),
        }
    }

    pub(super) fn state_secret(&mut self) -> Option<Token> {
        let secret = self.secret("WASIMANCER_STATE_SECRET")?;
        if secret.reveal().len() < STATE_SECRET_MIN_BYTES {
            self.errors.push(format!(
                "WASIMANCER_STATE_SECRET: is shorter than {STATE_SECRET_MIN_BYTES} bytes: give a long random text, or leave it out"
            ));
        }
        Some(secret)
    }
}
