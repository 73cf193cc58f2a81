//! A server that is killed at any moment comes back as it was before the change in flight, or after.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Answer, Home, Launch, MODERN, Operator, Sample, Server, files};

/// How often the server is killed.
const KILLS: usize = 300;
/// The longest that a server lives under changes: some of them, on a slow disk too.
const LIFE_MAX_MS: u64 = 120;
/// Changes happen to a few entries, so that they meet each other.
const NAMES: usize = 3;
const TEXTS: u64 = 5;

/// What is on offer: plugins, resources and prompts by name, each with its text.
type Offer = [BTreeMap<String, String>; 3];

const PLUGINS: usize = 0;
const RESOURCES: usize = 1;
// Prompts are the third.

/// The texts of the versions of each plugin, as far as they were acknowledged.
type History = BTreeMap<String, BTreeSet<String>>;

/// One change: to which kind, to which name, and the text that it gives or none where it removes.
#[derive(Clone)]
struct Step {
    kind: usize,
    name: String,
    text: Option<String>,
    /// Whether the text is that of an earlier version, to be rolled back to.
    is_rollback: bool,
}

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    /// A number below a bound (`SplitMix64`).
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn step(&mut self, offer: &Offer) -> Step {
        let kind = if self.below(2) == 0 {
            PLUGINS
        } else {
            1 + self.below(2) as usize
        };
        let name = format!(
            "{}-{}",
            ["tool", "text", "ask"][kind],
            self.below(NAMES as u64)
        );
        let text = format!("{name} says {}", self.below(TEXTS));
        let is_there = offer[kind].contains_key(&name);
        let removes = is_there && self.below(3) == 0;
        Step {
            is_rollback: kind == PLUGINS && is_there && self.below(3) == 0,
            text: (!removes).then_some(text),
            kind,
            name,
        }
    }
}

fn after(offer: &Offer, step: &Step) -> Offer {
    let mut offer = offer.clone();
    match &step.text {
        Some(text) => offer[step.kind].insert(step.name.clone(), text.clone()),
        None => offer[step.kind].remove(&step.name),
    };
    offer
}

/// Takes down what has happened to the versions of a plugin.
fn take_down(history: &mut History, step: &Step) {
    match (step.kind, &step.text) {
        (PLUGINS, Some(text)) => {
            history
                .entry(step.name.clone())
                .or_default()
                .insert(text.clone());
        }
        (PLUGINS, None) => {
            history.remove(&step.name);
        }
        _ => {}
    }
}

async fn make(operator: &Operator, offer: &Offer, step: &Step) -> Answer {
    let Step {
        kind, name, text, ..
    } = step;
    let is_there = offer[*kind].contains_key(name);
    match (*kind, text, is_there) {
        (PLUGINS, None, _) => operator.delete(&format!("/remove-plugin/{name}")).await,
        (PLUGINS, Some(text), true) if step.is_rollback => {
            let to = format!("/rollback-plugin/{name}?to={}", text.replace(' ', "+"));
            operator.post(&to, json!({})).await
        }
        (PLUGINS, Some(text), true) => operator.update("", &Sample::new(name, text, text)).await,
        (PLUGINS, Some(text), false) => operator.upload("", &Sample::new(name, text, text)).await,
        (RESOURCES, None, _) => operator.delete(&format!("/remove-resource/{name}")).await,
        (RESOURCES, Some(text), true) => {
            operator
                .put(&format!("/update-resource/{name}"), resource(name, text))
                .await
        }
        (RESOURCES, Some(text), false) => {
            operator.post("/add-resource", resource(name, text)).await
        }
        (_, None, _) => operator.delete(&format!("/remove-prompt/{name}")).await,
        (_, Some(text), true) => {
            operator
                .put(&format!("/update-prompt/{name}"), prompt(name, text))
                .await
        }
        (_, Some(text), false) => operator.post("/add-prompt", prompt(name, text)).await,
    }
}

fn resource(name: &str, text: &str) -> Value {
    json!({"name": name, "uri": format!("info://{name}"), "contents": [{"text": text}]})
}

fn prompt(name: &str, text: &str) -> Value {
    json!({"name": name, "arguments": [], "messages": [{"role": "user", "text": text}]})
}

/// What the server offers: everything that it lists must answer.
async fn offered(server: &Server) -> Offer {
    let client = server.client(MODERN);
    let mut offer = Offer::default();
    let methods = [
        ("tools/list", "tools"),
        ("resources/list", "resources"),
        ("prompts/list", "prompts"),
    ];
    for (kind, (method, field)) in methods.into_iter().enumerate() {
        let list = client.ask(method, json!({})).await;
        for entry in list.result()[field].as_array().unwrap() {
            let name = entry["name"].as_str().unwrap();
            let answer = match kind {
                PLUGINS => client.call(name, "{}").await,
                RESOURCES => {
                    client
                        .ask("resources/read", json!({"uri": entry["uri"]}))
                        .await
                }
                _ => client.ask("prompts/get", json!({"name": name})).await,
            };
            let result = answer.result();
            let text = match kind {
                PLUGINS => answer.output().to_owned(),
                RESOURCES => result["contents"][0]["text"].as_str().unwrap().to_owned(),
                _ => result["messages"][0]["content"]["text"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            };
            offer[kind].insert(name.to_owned(), text);
        }
    }
    offer
}

/// The files that there are, against those that a definition or a version names.
async fn check_files(operator: &Operator, folder: &Path, offer: &Offer, history: &History) {
    let mut named: BTreeSet<String> = ["plugins/guest.wasm".to_owned()].into();
    for kind in ["plugins", "resources", "prompts"] {
        let file = format!("{kind}/{kind}.yml");
        named.extend(folder.join(&file).exists().then_some(file));
    }
    let mut histories = 0;
    for name in offer[PLUGINS].keys() {
        let shown = operator.get(&format!("/plugins/{name}")).await;
        let shown = shown.granted();
        let path = shown["definition"]["path"].as_str().unwrap();
        named.insert(format!("plugins/{}", path.trim_start_matches("./")));
        histories += 1;
        for version in shown["versions"].as_array().unwrap() {
            let known = version["version"].as_str().unwrap();
            assert!(history[name].contains(known), "{known} was never published");
            assert_eq!(
                version["served"] == true,
                known == offer[PLUGINS][name],
                "{shown}"
            );
            let digest = version["digest"].as_str().unwrap();
            let digest = digest.trim_start_matches("sha256:");
            named.insert(format!("plugins/bucket/.versions/modules/{digest}.wasm"));
        }
    }
    let found = files(folder);
    let is_history = |file: &&String| file.starts_with("plugins/bucket/.versions/plugins/");
    assert_eq!(
        found.iter().filter(is_history).count(),
        histories,
        "{found:?}"
    );
    let others: BTreeSet<String> = found
        .iter()
        .filter(|file| !is_history(file) && !file.ends_with("/.versions/reserve"))
        .cloned()
        .collect();
    assert_eq!(
        others, named,
        "no file is there that nothing names, and none is missing"
    );
    for (name, text) in &offer[PLUGINS] {
        let shown = operator.get(&format!("/plugins/{name}")).await;
        let path = shown.granted()["definition"]["path"]
            .as_str()
            .unwrap()
            .to_owned();
        let module = fs::read(folder.join("plugins").join(path)).unwrap();
        assert_eq!(module, Sample::new(name, "", text).module, "{name}");
    }
}

#[tokio::test]
async fn slow_after_every_kill_the_catalogue_is_as_before_the_change_in_flight_or_after() {
    let home = Home::new();
    let folder = home.path();
    let mut numbers = Numbers(20_260_728);
    let mut offer = Offer::default();
    let mut history = History::new();
    let (mut acknowledged, mut in_flight, mut had_happened) = (0, 0, 0);
    for kill in 0..KILLS {
        let server = Launch::again(folder).start();
        let operator = Operator::of(&server);
        let life = Duration::from_millis(1 + numbers.below(LIFE_MAX_MS));
        let mut flying = None;
        // What is not done by then is killed in the middle of it.
        let _ = timeout(life, async {
            loop {
                let step = numbers.step(&offer);
                let next = after(&offer, &step);
                flying = Some((next.clone(), step.clone()));
                let answer = make(&operator, &offer, &step).await;
                flying = None;
                match answer.status {
                    200 => {
                        acknowledged += 1;
                        take_down(&mut history, &step);
                        offer = next;
                    }
                    // There is no such version to roll back to, or it is served.
                    404 if step.is_rollback => {}
                    _ => panic!("{}", answer.text),
                }
            }
        })
        .await;
        server.signal("KILL");
        server.ended().await;

        let server = Launch::again(folder).start();
        let found = offered(&server).await;
        if let Some((next, step)) = flying {
            in_flight += 1;
            if found == next && found != offer {
                had_happened += 1;
                take_down(&mut history, &step);
            }
            assert!(
                found == offer || found == next,
                "kill {kill}: {found:?} is neither {offer:?} nor {next:?}"
            );
        } else {
            assert_eq!(found, offer, "kill {kill}");
        }
        let ready = server.client(MODERN).ready().await;
        assert_eq!(ready.json["status"], "ready", "kill {kill}: {}", ready.text);
        check_files(&Operator::of(&server), folder, &found, &history).await;
        offer = found;
        server.signal("KILL");
        server.ended().await;
    }
    println!(
        "{KILLS} kills: {acknowledged} changes acknowledged, {in_flight} in flight, of which {had_happened} had happened"
    );
    assert!(
        acknowledged > KILLS,
        "the server was killed among changes: {acknowledged}"
    );
    assert!(
        in_flight > KILLS / 2,
        "the server was killed within changes: {in_flight}"
    );
}
