//! What single options of `culex-bench` do, and what it says when they cannot, as a user sees it.
#![cfg(feature = "bench")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::Value;
use socket2::{Domain, SockAddr, Socket, Type};
use std::path::PathBuf;
use std::process::{Command, Output};

const BENCH: &str = env!("CARGO_BIN_EXE_culex-bench");
const CULEX: &str = env!("CARGO_BIN_EXE_culex");

fn run(words: &str) -> Output {
    Command::new(BENCH).args(words.split_whitespace()).env_remove("MQTT_URL").output().unwrap()
}

/// The result of a run of `words` against a broker of its own.
fn embedded(words: &str) -> Value {
    let output = run(&format!("{words} --embedded --quiet --json -"));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{words}: {output:?}"))
}

fn count(result: &Value, name: &str) -> u64 {
    result["counts"][name].as_u64().unwrap()
}

/// A port that nobody listens on, as long as the socket lives.
fn silent_port() -> (Socket, u16) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SockAddr::from(std::net::SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
    let port = socket.local_addr().unwrap().as_socket_ipv4().unwrap().port();
    (socket, port)
}

fn temporary(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("culex-options-{}-{name}", std::process::id()))
}

#[test]
fn what_cannot_be_read_is_told_before_the_first_connection() {
    for (words, expected) in [
        ("find x<1", "find: 'x' is nothing that is measured"),
        ("--baseline /nowhere/x --fail-regress p99>10%", "reading /nowhere/x"),
        ("--calibration /nowhere/x", "reading /nowhere/x"),
        ("-h 127.0.0.1 --cafile /nowhere/x", "TLS: /nowhere/x"),
        ("-h 127.0.0.1 --tls --ciphers nonsense", "no supported cipher"),
        ("merge", "Usage: culex-bench merge <file>..."),
        ("conn --rate 5", "--rate does nothing in conn"),
    ] {
        let output = run(words);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(expected), "{words}: {text}");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{words}");
    }
}

#[test]
fn no_broker_at_all_is_status_3() {
    let (_socket, port) = silent_port();
    for words in [
        format!("-h 127.0.0.1 -p {port} --quiet"),
        format!("-h 127.0.0.1 -p {port} --quiet --check-sys"),
        format!("--url mqtt://127.0.0.1:{port} --quiet"),
        "-h broker.invalid --quiet".to_owned(),
    ] {
        assert_eq!(run(&words).status.code(), Some(3), "{words}");
    }
}

#[test]
fn pairs_find_each_other_whatever_their_topics_are_made_of() {
    for topic in ["a/%i", "a/%c", "%u/%c/%s", "%g/%i"] {
        let result = embedded(&format!("-c 3 -L 60 -W 60 --rate 5k -u user%i --groups 2 -t {topic}"));
        assert_eq!((count(&result, "expected"), count(&result, "lost")), (60, 0), "{topic}");
    }
}

#[test]
fn each_request_has_one_responder_however_many_there_are() {
    for subs in [1, 2, 5, 7] {
        let result = embedded(&format!("rr -c 5 --subs {subs} -L 100 -W 60 --rate 5k -q 1"));
        assert_eq!((count(&result, "received"), count(&result, "duplicate")), (100, 0), "{subs}");
    }
}

#[test]
fn segments_are_asked_for_their_share_and_the_whole_for_all_of_it() {
    let files = [0, 1, 2].map(|segment| temporary(&format!("share-{segment}.mbr")));
    for (segment, file) in files.iter().enumerate() {
        let words = format!("pub -c 4 -L 400 -W 60 --rate 4k --segment {segment}/3 --out {}", file.display());
        let result = embedded(&words);
        assert_eq!(result["rates"]["asked"], if segment == 0 { 2000.0 } else { 1000.0 });
    }
    let names = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" ");
    let output = run(&format!("merge --force {names} --json -"));
    files.iter().for_each(|file| std::fs::remove_file(file).unwrap());
    let whole: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(whole["rates"]["asked"], 4000.0);
}

#[test]
fn share_of_the_ceiling_is_told_of_loads_and_not_of_its_own_measurement() {
    let file = temporary("ceiling.json");
    let calibrate = run(&format!("calibrate -c 1 -L 1000 -W 60 --quiet --out {}", file.display()));
    let words = "-c 1 -L 100 -W 60 --rate 5k --embedded --quiet";
    let load = run(&format!("{words} --calibration {}", file.display()));
    std::fs::remove_file(&file).unwrap();
    let text = |output: Output| String::from_utf8(output.stdout).unwrap();
    assert!(!text(calibrate).contains("of this machine's calibrated"));
    assert!(text(load).contains("of this machine's calibrated"));
}

#[test]
fn retained_messages_are_passed_over_when_asked() {
    for version in ["311", "5"] {
        let script = format!(
            "culex pub -r -t a/1 -m old && \
             culex bench sub -c 2 -t 'a/#' -V {version} --stamp off $0 --warmup 0s -W 0.2s --drain 0s --quiet --json -"
        );
        let counted = |flag: &str| {
            let words = ["broker", "--exec", "--", "sh", "-c", &script, flag];
            let output = Command::new(CULEX).args(words).output().unwrap();
            let result: Value = serde_json::from_slice(&output.stdout).unwrap();
            count(&result, "received")
        };
        assert_eq!(counted("--no-retained"), 0, "{version}");
        assert_eq!(counted("--sub-qos=0"), 2, "{version}");
    }
}

#[test]
fn clients_that_never_connect_are_told_of() {
    // The last one has a source address of the wrong family.
    let result = embedded("conn -c 4 -A 127.0.0.1,127.0.0.1,127.0.0.1,::1 -W 0.1s");
    assert_eq!((count(&result, "connect_ok"), &result["verdict"]["status"]), (3, &"suspect".into()));
    assert_eq!(result["verdict"]["reasons"][0], "1 of 4 clients never connected");
}

#[test]
fn messages_without_a_stamp_are_told_apart_from_those_with_no_room() {
    let warning = |words: &str| {
        let result = embedded(&format!("{words} -c 1 -L 5 -W 60"));
        result["warnings"][0].as_str().unwrap_or_default().to_owned()
    };
    assert!(warning("--stamp off").starts_with("messages carry no stamp"));
    assert!(warning("-s 3").starts_with("the payload has no room"));
}

#[test]
fn rumqttc_speaks_tls_with_the_same_certificates() {
    for version in ["311", "5"] {
        let script = format!(
            "culex bench --engine rumqttc --url $MQTTS_URL $0 -V {version} -c 2 -q 1 -L 100 -W 60 --rate 2k --quiet --json -"
        );
        let through = |flag: &str| {
            let words = ["broker", "--tls-ephemeral", "--exec", "--", "sh", "-c"];
            let script = script.replace("$0", flag);
            let output =
                Command::new(CULEX).args(words).arg(&script).env_remove("MQTT_URL").output().unwrap();
            serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
        };
        let result = through("--cafile $MQTT_CA_FILE");
        assert_eq!((count(&result, "connect_ok"), count(&result, "received")), (4, 100), "{version}");
        let stranger = through("--tls");
        assert_eq!(stranger["counts"]["connect_fail"]["tls"], 4, "{}", stranger["errors"]);
    }
}

#[cfg(not(feature = "psk"))]
#[test]
fn pre_shared_keys_that_are_not_built_in_are_told_of() {
    let output = run("-h 127.0.0.1 --psk c0ffee --psk-identity me");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.ends_with("Error: TLS: pre-shared key: not built into this version\n"), "{text}");
    assert_eq!(output.status.code(), Some(2));
}

#[cfg(feature = "psk")]
#[test]
fn each_client_proves_that_it_knows_its_key() {
    let keys = temporary("keys");
    std::fs::write(&keys, "me0:c0ff0e\nme1:c0ff1e\nme2:c0ff2e\nme3:c0ff3e\n").unwrap();
    let configuration = temporary("psk.conf");
    let lines = format!("psk_hint x\npsk_file {}\n", keys.display());
    std::fs::write(&configuration, lines).unwrap();
    let through = |words: &str| {
        let script = format!("culex bench --url $MQTTS_URL --quiet --json - {words}");
        let output = Command::new(CULEX)
            .args([
                "broker",
                "-p",
                "0",
                "-c",
                configuration.to_str().unwrap(),
                "--exec",
                "--",
                "sh",
                "-c",
                &script,
            ])
            .env_remove("MQTT_URL")
            .output()
            .unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    };
    let load = "-c 2 -q 1 -L 400 -W 60 --rate 20k -s 1k";
    let result = through(&format!("{load} --psk c0ff%ie --psk-identity me%i"));
    assert_eq!((count(&result, "connect_ok"), count(&result, "received")), (4, 400));
    assert_eq!(result["latency_us"]["tls"]["count"], 4);
    // More than a socket takes at once, so that writes have to be taken up again.
    let flood = through("--psk c0ff0e --psk-identity me0 -c 2 -L 200 -W 60 --rate max -s 200k");
    assert_eq!((count(&flood, "sent"), count(&flood, "received")), (200, 200), "{}", flood["errors"]);
    let wrong = through(&format!("{load} --psk c0ffee --psk-identity me0"));
    assert_eq!(wrong["counts"]["connect_fail"]["tls"], 4, "{}", wrong["errors"]);
    assert_eq!(wrong["verdict"]["exit_code"], 3);
    [keys, configuration].iter().for_each(|file| std::fs::remove_file(file).unwrap());
}
