//! When a call of a tool becomes a task.

use std::time::Duration;

use wasimancer_runtime::parse_duration;

use crate::definition::quantity;
use crate::node::{Data, Node, Reader};

/// When a call of a tool becomes a task, and what becomes of the task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskPolicy {
    /// How long a call runs before it becomes one; none for at once.
    pub after: Option<Duration>,
    /// Whether the tool is for clients alone that know tasks.
    pub required: bool,
    /// How long the task is kept; none for as long as the server keeps tasks.
    pub ttl: Option<Duration>,
}

impl TaskPolicy {
    /// Reads `task`: the word `always`, or a map.
    pub(crate) fn read(map: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let node = map.get("task")?;
        match &node.data {
            Data::Text(word) if word == "always" => Some(Self::default()),
            Data::Map(_) => Some(Self::of_map(node, &mut reader.inside("task"))),
            _ => {
                let found = node.describe();
                let message =
                    format!("is {found}: write always, or a map of after, required and ttl");
                reader.wrong(map, "task", message);
                None
            }
        }
    }

    fn of_map(map: &Node, reader: &mut Reader<'_>) -> Self {
        let mut policy = Self::default();
        for (key, value) in map.fields().iter().filter(|(_, value)| !value.is_null()) {
            match key.as_str() {
                "after" => policy.after = quantity(value, key, parse_duration, reader),
                "ttl" => policy.ttl = quantity(value, key, parse_duration, reader),
                "required" => {
                    policy.required = reader.optional_boolean(map, key).unwrap_or_default();
                }
                _ => reader.wrong(map, key, "means nothing here: write after, required or ttl"),
            }
        }
        policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Findings;
    use crate::yaml;

    fn read(task: &str) -> (Option<TaskPolicy>, Vec<String>) {
        let node = yaml::parse("f.yml", &format!("task: {task}")).expect(task);
        let mut findings = Findings::default();
        let policy = TaskPolicy::read(
            &node,
            &mut Reader::new("f.yml", String::new(), &mut findings),
        );
        let problems = findings
            .problems
            .iter()
            .map(|problem| format!("{}: {}", problem.field, problem.message));
        (policy, problems.collect())
    }

    #[test]
    fn each_field_is_read_into_its_own() {
        let at_once = TaskPolicy::default();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (task, policy) in [
            ("~", None),
            ("always", Some(at_once)),
            ("{}", Some(at_once)),
            ("{after: , required: ~, ttl: }", Some(at_once)),
            (
                "{after: 2s}",
                Some(TaskPolicy {
                    after: seconds(2),
                    ..at_once
                }),
            ),
            (
                "{after: 2s, required: true, ttl: 1h}",
                Some(TaskPolicy {
                    after: seconds(2),
                    required: true,
                    ttl: seconds(3600),
                }),
            ),
        ] {
            assert_eq!(read(task), (policy, vec![]), "{task}");
        }
    }

    #[test]
    fn what_is_wrong_names_its_field() {
        for (task, wanted) in [
            (
                "sometimes",
                "task: is \"sometimes\": write always, or a map of after, required and ttl",
            ),
            (
                "true",
                "task: is the boolean true: write always, or a map of after, required and ttl",
            ),
            (
                "{later: 2s}",
                "task.later: means nothing here: write after, required or ttl",
            ),
            (
                "{required: maybe}",
                "task.required: must be true or false and is \"maybe\"",
            ),
            ("{after: 2}", "task.after: `2`"),
            ("{after: 0s}", "task.after: `0s`"),
            ("{ttl: [1h]}", "task.ttl: a list is no duration"),
        ] {
            let (_, problems) = read(task);
            assert!(
                matches!(problems.as_slice(), [one] if one.starts_with(wanted)),
                "{wanted} in {problems:?}"
            );
        }
    }
}
