//! What a function may ask of a client while it is called.

use crate::node::{Node, Reader};
use crate::returns::Returns;

/// Something that a client may or may not be able to do for a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    /// To ask its user with a form.
    Elicitation,
    /// To send its user to an address.
    ElicitationUrl,
    /// To tell which folders it works in.
    Roots,
    /// To ask its model.
    Sampling,
    /// To ask its model, which may use tools of the server's.
    SamplingTools,
}

impl Capability {
    const ALL: [Self; 5] = [
        Self::Elicitation,
        Self::ElicitationUrl,
        Self::Roots,
        Self::Sampling,
        Self::SamplingTools,
    ];

    /// The word that a definition writes.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Elicitation => "elicitation",
            Self::ElicitationUrl => "elicitation.url",
            Self::Roots => "roots",
            Self::Sampling => "sampling",
            Self::SamplingTools => "sampling.tools",
        }
    }

    /// Reads the list under `requires`. `returns` is what the same map says of the output; none
    /// where it says it wrongly.
    pub(crate) fn read_all(
        map: &Node,
        returns: Option<&Returns>,
        reader: &mut Reader<'_>,
    ) -> Vec<Self> {
        let mut found = Vec::new();
        for (index, node) in reader.list(map, "requires").iter().enumerate() {
            let field = format!("requires[{index}]");
            let Some(word) = reader.text(node, &field) else {
                continue;
            };
            let known = Self::ALL.into_iter().find(|known| known.word() == word);
            match known {
                Some(known) if found.contains(&known) => {
                    let message = format!("{word:?} stands here twice: leave one of the two out");
                    reader.problem(node.line, &field, message);
                }
                Some(known) => found.push(known),
                None => {
                    let words = Self::ALL.map(Self::word).join(", ");
                    let message = format!("{word:?} is not known: write any of {words}");
                    reader.problem(node.line, &field, message);
                }
            }
        }
        if !found.is_empty() && returns.is_some_and(|returns| *returns != Returns::Result) {
            let message = "needs `returns: result`, since no other output can ask for anything";
            reader.wrong(map, "requires", message);
        }
        found
    }
}
