//! The tokens in use: which of them were generated, what is weak about them, and how they are read anew.

use crate::auth::{Owner, Token, weaknesses};
use crate::config::resolve::{ClientToken, Config};

/// The tokens in use. Clones share them.
#[derive(Clone)]
pub(crate) struct Tokens {
    /// None where clients need no token.
    pub(crate) client: Option<Token>,
    pub(crate) client_is_generated: bool,
    pub(crate) admin: Token,
    pub(crate) admin_is_generated: bool,
    /// Whether weak ones are refused.
    are_strict: bool,
}

impl Tokens {
    pub(crate) fn resolve(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            client: match &config.client_token {
                ClientToken::Off => None,
                ClientToken::Given(token) => Some(token.clone()),
                ClientToken::Generate => Some(Token::generate()?),
            },
            client_is_generated: matches!(config.client_token, ClientToken::Generate),
            admin: match &config.admin_token {
                Some(token) => token.clone(),
                None => Token::generate()?,
            },
            admin_is_generated: config.admin_token.is_none(),
            are_strict: config.strict_tokens,
        })
    }

    /// What is weak about them, as sentences for operators.
    pub(crate) fn warnings(&self) -> Vec<String> {
        weaknesses(self.client.as_ref(), Some(&self.admin))
    }

    /// Reads those anew that come from files. One that would be refused at a start stays as it was.
    pub(crate) fn reload(&self) {
        let mut is_new = false;
        for owner in [Owner::Clients, Owner::Operators] {
            match self.reload_one(owner) {
                Ok(false) => {}
                Ok(true) => {
                    is_new = true;
                    tracing::info!("a token is another one now");
                }
                Err(reason) => tracing::error!("a token stays as it was: {reason}"),
            }
        }
        if is_new {
            self.log_warnings();
        }
    }

    /// Whether it is another one now, or why not.
    fn reload_one(&self, owner: Owner) -> Result<bool, String> {
        let token = match owner {
            Owner::Clients => self.client.as_ref(),
            Owner::Operators => Some(&self.admin),
        };
        let Some((token, text)) = token.and_then(|token| Some((token, token.read_again()?))) else {
            return Ok(false);
        };
        let named = |wrong| format!("{}: {wrong}", owner.variable());
        let read = Token::new(&text.map_err(named)?);
        owner.check(&read.reveal()).map_err(named)?;
        if self.are_strict {
            let weak = match owner {
                Owner::Clients => weaknesses(Some(&read), Some(&self.admin)),
                Owner::Operators => weaknesses(self.client.as_ref(), Some(&read)),
            };
            // Where the other one was let pass, it is not what this change is about.
            let before = self.warnings();
            if let Some(weakness) = weak.into_iter().find(|weak| !before.contains(weak)) {
                return Err(weakness);
            }
        }
        Ok(token.replace(read.reveal()))
    }

    pub(crate) fn log_warnings(&self) {
        for warning in self.warnings() {
            tracing::warn!("{warning}");
        }
    }
}
