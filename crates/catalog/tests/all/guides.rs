//! The definitions of the guides and of files that the JavaScript server wrote, as YAML.

use serde_json::json;

use crate::support::{TestHome, entries, raw, read};

const PLUGINS: &str = r#"about: |
  The plugins of the publishing guide.
plugins:
  - name: character-name-generator
    path: ./bucket/character-name-generator.wasm
    version: 1.0.0
    description: a character name generator
    functions:
      - displayName: GenerateCharacterName
        function: GenerateCharacterName
        arguments: []
        description: a function to generate a character name
  - name: roll-dice
    path: ./bucket/wasimancer-plugin-roll-dice.wasm
    version: "1.1.0"
    description: enhanced dice rolling with detailed results
    functions:
      - displayName: rollDice
        function: rollDice
        arguments:
          - name: numFaces
            type: number
            description: number of faces on the dice
          - name: numDice
            type: number
            description: number of dice to roll
        description: a function to roll dice and get detailed results
"#;

fn guide() -> TestHome {
    TestHome::with_plugins(PLUGINS)
        .example("character-names", "bucket/character-name-generator.wasm")
        .example("roll-dice", "bucket/wasimancer-plugin-roll-dice.wasm")
}

#[test]
fn the_plugins_are_listed_with_their_descriptions() {
    let snapshot = guide().open_whole();
    assert_eq!(
        entries(snapshot.tool_list()),
        [
            json!({
                "name": "GenerateCharacterName",
                "description": "a function to generate a character name",
                "inputSchema": {"type": "object", "properties": {}, "additionalProperties": false},
            }),
            json!({
                "name": "rollDice",
                "description": "a function to roll dice and get detailed results",
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "numFaces": {"type": "number", "description": "number of faces on the dice"},
                        "numDice": {"type": "number", "description": "number of dice to roll"},
                    },
                    "required": ["numFaces", "numDice"],
                    "additionalProperties": false,
                },
            }),
        ]
    );
    assert_eq!(snapshot.counts().plugins, 2);
}

#[tokio::test]
async fn the_plugins_answer() {
    let snapshot = guide().open_whole();
    let tool = snapshot.tool("rollDice").unwrap();
    assert_eq!(tool.plugin(), "roll-dice");
    let input = tool
        .input(0, Some(&raw(r#"{"numDice":3,"numFaces":1}"#)))
        .await
        .unwrap();
    assert_eq!(
        String::from_utf8(input.clone()).unwrap(),
        r#"{"numFaces":1,"numDice":3}"#
    );
    assert_eq!(
        String::from_utf8(tool.call(&input).await.unwrap()).unwrap(),
        "3"
    );

    let tool = snapshot.tool("GenerateCharacterName").unwrap();
    let input = tool.input(0, None).await.unwrap();
    let name = String::from_utf8(tool.call(&input).await.unwrap()).unwrap();
    assert!(
        name.chars().next().is_some_and(char::is_uppercase),
        "{name:?}"
    );
}

#[test]
fn the_resources_are_static_and_dynamic() {
    let home = TestHome::with_resources(
        r#"resources:
  static:
    - name: example-info
      uri: info://example
      contents:
        - text: This is an example static resource
        - text: Additional information
          customField: Custom value
    - name: server-info
      uri: config://server-details
      contents:
        - text: Updated server configuration details
          version: 1.1.0
          environment: production
          updatedAt: "2025-03-12"
  dynamic:
    - name: greet-user
      uri: greet-user://{firstName}/{lastName}
      arguments:
        - name: firstName
          type: string
        - name: lastName
          type: string
      contents:
        - text: Hello ${firstName} ${lastName}, welcome!
    - name: welcome-message
      uri: message://{username}/{language}
      arguments:
        - {name: username, type: string}
        - {name: language, type: string}
      contents:
        - text: Welcome ${username}! You selected ${language} as your preferred language.
"#,
    );
    let snapshot = home.open_whole();
    assert_eq!(
        entries(snapshot.resource_list()),
        [
            json!({"uri": "info://example", "name": "example-info"}),
            json!({"uri": "config://server-details", "name": "server-info"}),
        ]
    );
    assert_eq!(
        entries(snapshot.resource_template_list()),
        [
            json!({"uriTemplate": "greet-user://{firstName}/{lastName}", "name": "greet-user"}),
            json!({"uriTemplate": "message://{username}/{language}", "name": "welcome-message"}),
        ]
    );
    assert_eq!(
        read(&snapshot, "info://example"),
        Some(json!([
            {"uri": "info://example", "text": "This is an example static resource"},
            {"uri": "info://example", "text": "Additional information", "customField": "Custom value"},
        ]))
    );
    assert_eq!(
        read(&snapshot, "config://server-details"),
        Some(json!([{
            "uri": "config://server-details",
            "text": "Updated server configuration details",
            "version": "1.1.0",
            "environment": "production",
            "updatedAt": "2025-03-12",
        }]))
    );
    assert_eq!(
        read(&snapshot, "greet-user://Bob/Morane"),
        Some(json!([{"uri": "greet-user://Bob/Morane", "text": "Hello Bob Morane, welcome!"}]))
    );
    assert_eq!(
        read(&snapshot, "message://Ann%20Lee/fran%C3%A7ais").unwrap()[0]["text"],
        "Welcome Ann Lee! You selected français as your preferred language."
    );
}

#[test]
fn a_prompt_of_the_java_script_server_loads() {
    let home = TestHome::with_prompts(
        r"prompts:
  predefined:
    - name: roll-dice
      arguments:
        - name: numFaces
          type: number
        - name: numDice
          type: number
      messages:
        - role: user
          text: Rolling ${numDice} dice(s) with ${numFaces} faces
",
    );
    let snapshot = home.open_whole();
    assert_eq!(
        entries(snapshot.prompt_list()),
        [json!({
            "name": "roll-dice",
            "arguments": [{"name": "numFaces", "required": true}, {"name": "numDice", "required": true}],
        })]
    );
}
