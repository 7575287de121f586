use super::*;
use crate::packet::{ProtocolVersion, Qos};

fn read_words(tool: Tool, words: &str) -> Result<Invocation, Box<Ending>> {
    read(tool, std::iter::once("mosquitto_x").chain(words.split_whitespace()).map(OsString::from))
}

fn read_friendly(tool: Tool, words: &str) -> Result<Invocation, Box<Ending>> {
    read(tool, std::iter::once("culex-x").chain(words.split_whitespace()).map(OsString::from))
}

#[test]
fn every_declared_option_does_something() {
    for tool in [Tool::Publish, Tool::Subscribe, Tool::Request, Tool::Record, Tool::Replay, Tool::Health] {
        let command = tool.command();
        for arg in command.get_arguments() {
            let id = arg.get_id().as_str();
            if matches!(id, "help" | "version" | "strict" | "property") {
                continue;
            }
            // These read what they name at once; cases of tests/cli show them.
            if matches!(
                id,
                "pw_file" | "pw_stdin" | "keypass_file" | "ready_fd" | "ready_file" | "after_suback"
            ) {
                continue;
            }
            let mut walker = Walker::new(tool, Face::Strict, &command);
            if arg.get_action().takes_values() {
                let candidates = ["31", "1", "always", "5", "mqtt://h/t", "socks5h://h", "a=b", "json"];
                let is_applied =
                    candidates.iter().any(|value| apply::value(&mut walker, id, value.as_bytes()).is_ok());
                assert!(is_applied, "{id}");
                assert!(!fault::missing_value(id).starts_with("argument"), "{id}");
            } else {
                assert_eq!(apply::switch(&mut walker, id), Ok(()), "{id}");
            }
        }
    }
}

#[test]
fn the_last_of_a_single_value_wins_and_lists_add_up() {
    let draft = read_words(Tool::Subscribe, "-t a -p 1 -t b -p 2").unwrap().draft;
    assert_eq!(draft.connection.port, Some(2));
    assert_eq!(draft.subscription.topics, ["a", "b"]);
}

#[test]
fn a_version_behind_a_property_wins_and_one_before_it_loses() {
    let version = |words| read_words(Tool::Publish, words).unwrap().draft.connection.protocol_version;
    assert_eq!(version("-V 311 -D connect receive-maximum 5"), Some(ProtocolVersion::V5));
    assert_eq!(version("-D connect receive-maximum 5 -V 311"), Some(ProtocolVersion::V311));
    assert_eq!(version("-x 5 -V 31"), Some(ProtocolVersion::V31));
}

#[test]
fn a_value_is_whatever_follows() {
    let draft = read_words(Tool::Publish, "-i -d -t --help").unwrap().draft;
    assert_eq!(draft.connection.id.as_deref(), Some(&b"-d"[..]));
    assert_eq!(draft.message.topic.as_deref(), Some("--help"));
}

#[test]
fn the_first_fault_from_the_left_ends_the_walk() {
    let ending = read_words(Tool::Publish, "--foo --version").unwrap_err();
    assert_eq!(ending.stderr, "Error: Unknown option '--foo'.\n\nUse 'mosquitto_pub --help' to see usage.\n");
    assert_eq!(ending.status, 1);
    let ending = read_words(Tool::Publish, "--version --foo").unwrap_err();
    assert_eq!(ending.stdout, "mosquitto_pub version 2.1.2 running on libmosquitto 2.1.0.\n");
    assert_eq!(ending.status, 1);
}

#[test]
fn attached_values_belong_to_our_own_manner_alone() {
    let draft = read_friendly(Tool::Subscribe, "--port=1884 -q1 -k=7 -t a").unwrap().draft;
    assert_eq!(draft.connection.port, Some(1884));
    assert_eq!(draft.connection.keepalive, Some(7));
    assert_eq!(draft.subscription.qos, Some(Qos::AtLeastOnce));
    for word in ["--port=1884", "-q1", "-dv"] {
        let ending = read_words(Tool::Subscribe, word).unwrap_err();
        assert!(ending.stderr.starts_with(&format!("Error: Unknown option '{word}'.\n")));
    }
}

#[test]
fn a_misspelt_option_is_answered_with_the_one_meant() {
    let ending = read_friendly(Tool::Publish, "--prot 1").unwrap_err();
    assert!(
        ending.stderr.starts_with("Error: Unknown option '--prot'.\nA similar option exists: '--port'.\n")
    );
}

#[test]
fn the_path_of_a_websocket_url_is_the_topic_to_the_reference_alone() {
    let words = "-L wss://u:p@h:9/x/y?z -t a";
    let draft = read_words(Tool::Subscribe, words).unwrap().draft;
    assert_eq!(draft.connection.websocket_path, None);
    assert_eq!(draft.subscription.topics, ["x/y?z", "a"]);
    let draft = read_friendly(Tool::Subscribe, words).unwrap().draft;
    assert_eq!(draft.connection.websocket_path.as_deref(), Some("/x/y?z"));
    assert_eq!(draft.subscription.topics, ["a"]);
    // Without one the usual path is asked for.
    let draft = read_friendly(Tool::Subscribe, "-L ws://h -t a").unwrap().draft;
    assert_eq!(draft.connection.websocket_path, None);
    assert!(draft.connection.websocket);
}
