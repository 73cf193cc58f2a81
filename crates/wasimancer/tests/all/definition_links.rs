//! Definition files that are links, or somebody else's: what is written through, and whose it is afterwards.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{Home, Launch, Operator, Sample, Server, command, finish};

/// A user and group that nothing on the machine belongs to.
const STRANGER: u32 = 54_321;
/// The list of a program that keeps its own in it. YAML takes it for a map.
const NO_DEFINITIONS: &str = "root:*:20228:0:99999:7:::\nnats:!:20787::::::\n";

fn runs_as_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A server that does not run as root, on a home that belongs to its user.
fn start_unprivileged(home: Home) -> Server {
    let folder = home.path().to_owned();
    let launch = Launch::of(home).env("WASIMANCER_CACHE_FOLDER", "");
    if !runs_as_root() {
        return launch.start();
    }
    give(&folder, STRANGER);
    // Where the binary lies, the other user may not be able to look.
    let copy = folder.join("wasimancer");
    let script = format!(
        "cp \"$1\" {0}; set -- setpriv --reuid {STRANGER} --regid {STRANGER} --clear-groups -- {0} \"${{@:2}}\"",
        copy.display()
    );
    launch.after(&script).start()
}

/// Gives a folder and everything in it to a user.
fn give(path: &Path, user: u32) {
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), user);
        }
    }
    std::os::unix::fs::lchown(path, Some(user), Some(user)).unwrap();
}

/// A home whose plugins are defined where a link leads.
fn linked(text: &str) -> (Home, PathBuf) {
    let home = Home::new();
    home.file("elsewhere/list", text);
    let target = home.path().join("elsewhere/list");
    symlink(&target, home.path().join("plugins/plugins.yml")).unwrap();
    (home, target)
}

async fn refused(operator: &Operator, query: &str, reason: &str) {
    let told = operator.upload(query, &Sample::new("p", "1", "one")).await;
    let told = told.declined(409, "definition_file_linked");
    for part in [
        "plugins.yml is a link to",
        "elsewhere/list",
        reason,
        "follow_links",
    ] {
        assert!(told.contains(part), "{told}");
    }
}

#[tokio::test]
async fn a_link_to_a_definition_file_of_the_servers_user_is_written_through() {
    let (home, target) = linked("plugins: []\n");
    let link = home.path().join("plugins/plugins.yml");
    let server = start_unprivileged(home);
    let operator = Operator::of(&server);
    let sample = Sample::new("p", "1", "one");
    operator.upload("", &sample).await.granted();
    assert!(link.is_symlink());
    assert!(fs::read_to_string(&target).unwrap().contains("name: p"));
}

#[tokio::test]
async fn a_link_to_a_file_of_something_else_is_left_alone() {
    let (home, target) = linked(NO_DEFINITIONS);
    let server = start_unprivileged(home);
    let operator = Operator::of(&server);
    for query in ["", "?dryRun=true"] {
        refused(&operator, query, "no definition file of this kind").await;
    }
    assert_eq!(fs::read_to_string(&target).unwrap(), NO_DEFINITIONS);
    // Nothing is there to be replaced.
    fs::remove_file(&target).unwrap();
    refused(&operator, "", "which is not there").await;
    assert!(!target.exists());
}

/// Also that of a resource or prompt.
#[tokio::test]
async fn a_link_of_any_kind_is_looked_at() {
    let home = Home::new();
    home.file("list", NO_DEFINITIONS);
    for kind in ["resources", "prompts"] {
        symlink("../list", home.path().join(format!("{kind}/{kind}.yml"))).unwrap();
    }
    let list = home.path().join("list");
    let server = start_unprivileged(home);
    let operator = Operator::of(&server);
    let resource = json!({"name": "r", "uri": "info://r", "contents": [{"text": "x"}]});
    let told = operator.post("/add-resource", resource).await;
    told.declined(409, "definition_file_linked");
    let prompt = json!({"name": "p", "arguments": [], "messages": [{"role": "user", "text": "x"}]});
    let told = operator.post("/add-prompt", prompt).await;
    told.declined(409, "definition_file_linked");
    assert_eq!(fs::read_to_string(list).unwrap(), NO_DEFINITIONS);
}

#[tokio::test]
async fn a_link_to_the_file_of_another_user_is_left_alone() {
    if !runs_as_root() {
        return;
    }
    let (home, target) = linked("plugins: []\n");
    let server = start_unprivileged(home);
    let operator = Operator::of(&server);
    chown(&target, Some(0), Some(0)).unwrap();
    refused(&operator, "", "not a file of the server's own user").await;
    assert_eq!(fs::read_to_string(&target).unwrap(), "plugins: []\n");
}

#[tokio::test]
async fn as_root_no_link_is_written_through_unless_it_is_said() {
    if !runs_as_root() {
        return;
    }
    let (home, target) = linked("plugins: []\n");
    let folder = home.path().to_owned();
    {
        let server = Launch::again(&folder).start();
        refused(&Operator::of(&server), "", "runs as root").await;
        assert_eq!(fs::read_to_string(&target).unwrap(), "plugins: []\n");
        server.logs("the server runs as root").await;
    }
    for followed in ["false", "true"] {
        let launch = Launch::again(&folder).env("WASIMANCER_FOLLOW_LINKS", followed);
        let server = launch.start();
        let operator = Operator::of(&server);
        if followed == "false" {
            refused(&operator, "", "runs as root").await;
        } else {
            let sample = Sample::new("p", "1", "one");
            operator.upload("", &sample).await.granted();
            assert!(fs::read_to_string(&target).unwrap().contains("name: p"));
        }
    }
}

/// Owner, group and mode of a definition file once something was published.
async fn after_a_publication(server: &Server, file: &Path) -> (u32, u32, u32) {
    let sample = Sample::new("p", "1", "one");
    Operator::of(server).upload("", &sample).await.granted();
    let found = fs::metadata(file).unwrap();
    (found.uid(), found.gid(), found.mode() & 0o7777)
}

#[tokio::test]
async fn the_definition_file_keeps_its_owner_and_group() {
    if !runs_as_root() {
        return;
    }
    let home = Home::with_plugins("plugins: []\n");
    let file = home.path().join("plugins/plugins.yml");
    chown(&file, Some(STRANGER), Some(STRANGER + 1)).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o664)).unwrap();
    let server = Launch::of(home).start();
    let found = after_a_publication(&server, &file).await;
    assert_eq!(found, (STRANGER, STRANGER + 1, 0o664));
}

/// Who cannot give a file to a group gives its own group no more than everybody has.
#[tokio::test]
async fn a_group_that_cannot_be_kept_gets_nothing() {
    if !runs_as_root() {
        return;
    }
    let home = Home::with_plugins("plugins: []\n");
    let file = home.path().join("plugins/plugins.yml");
    let server = start_unprivileged(home);
    chown(&file, Some(0), Some(0)).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o664)).unwrap();
    let found = after_a_publication(&server, &file).await;
    assert_eq!(found, (STRANGER, STRANGER, 0o644));
    server.logs("only root can give it back").await;
}

#[test]
fn check_says_that_it_runs_as_root() {
    let home = Home::with_plugins("plugins: []\n");
    let ended = finish(command(["check", "--home"]).arg(home.path()));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let told = ended.stderr.contains("runs as root");
    assert_eq!(told, runs_as_root(), "{}", ended.stderr);
}
