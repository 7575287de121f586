//! Scenarios that must pass, scenarios that must fail with the very report beside them, and the schema of both.
//!
//! `CULEX_REGENERATE=1 cargo test --test check` writes the reports anew.
#![cfg(feature = "check")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use regex::Regex;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn check(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_culex-check"))
        .args(arguments)
        .current_dir(root())
        .env_remove("MQTT_URL")
        .env_remove("GITHUB_STEP_SUMMARY")
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The scenarios of a folder, without those that others include.
fn scenarios(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml")
                && !path.file_name().unwrap().to_string_lossy().starts_with('_')
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_scenario_that_must_pass_does() {
    let ran = check(&["run", "tests/check/pass", "tests/check/any-broker", "examples/check", "--seed", "1"]);
    assert!(ran.status.success(), "{}{}", text(&ran.stdout), text(&ran.stderr));
}

/// What differs from run to run becomes the same.
fn normalized(report: &str) -> String {
    let rules = [
        (r"\(\d+ ms\)|\(\d+\.\d s\)", "(TIME)"),
        (r"in \d+ ms|in \d+\.\d s", "in TIME"),
        (r"(?m)^( +) *\d+\.\d{6} ", "${1}TIME "),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r"auto-[0-9A-Fa-f-]{36}", "auto-ID"),
        (r"after \d+ ms", "after TIME"),
        (r"after \d+(\.\d+)?[µmn]?s", "after TIME"),
    ];
    let mut text = report.replace(&format!("{}/", root().display()), "");
    for (pattern, replacement) in rules {
        text = Regex::new(pattern).unwrap().replace_all(&text, replacement).into_owned();
    }
    // How far the time goes to the left is the time's own business.
    Regex::new(r"(?m)^ +TIME ").unwrap().replace_all(&text, "    TIME ").into_owned()
}

#[test]
fn every_scenario_that_must_fail_does_with_its_report() {
    let writes = std::env::var_os("CULEX_REGENERATE").is_some();
    let mut wrong = Vec::new();
    for path in scenarios("tests/check/fail") {
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let ran = check(&["run", &name, "--seed", "1", "--var", "run=run"]);
        let status = ran.status.code().unwrap();
        let report =
            format!("{}{}status {status}\n", normalized(&text(&ran.stdout)), normalized(&text(&ran.stderr)));
        assert_ne!(status, 0, "{name} passed:\n{report}");
        let golden = path.with_extension("txt");
        if writes {
            fs::write(&golden, &report).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != report {
            wrong.push(format!("{name}:\n{report}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nIf that is right: CULEX_REGENERATE=1 cargo test --test check",
        wrong.join("\n")
    );
}

fn restore_names(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace("NAMENAME", "${name}"),
        Value::Array(elements) => elements.iter_mut().for_each(restore_names),
        Value::Object(members) => members.values_mut().for_each(restore_names),
        _ => {}
    }
}

#[test]
fn every_scenario_keeps_the_published_schema() {
    let schema: Value =
        serde_json::from_str(&fs::read_to_string(root().join("docs/check.schema.json")).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let all = [
        "tests/check/pass",
        "tests/check/any-broker",
        "tests/check/fail",
        "examples/check",
        "examples/device",
    ]
    .map(scenarios)
    .concat();
    let names = Regex::new(r"\$\{[^}]+\}").unwrap();
    let mut wrong = Vec::new();
    for path in all {
        let text = fs::read_to_string(&path).unwrap();
        // An editor's schema knows nothing of names in front of a brace.
        let text = names.replace_all(&text, "NAMENAME").into_owned();
        let options = serde_saphyr::options! { strict_booleans: true };
        let mut value: Value = match serde_saphyr::from_str_with_options(&text, options) {
            Ok(value) => value,
            // One that shows how a fault of YAML's own is told.
            Err(_) if path.to_string_lossy().contains("yaml-fault") => continue,
            Err(error) => panic!("{}: {error}", path.display()),
        };
        restore_names(&mut value);
        let is_right = validator.is_valid(&value);
        let must_be_wrong = path.to_string_lossy().contains("wrong-word");
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        if is_right == must_be_wrong {
            wrong.push(format!("{}: {errors:?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn reports_are_written_in_every_form() {
    let folder = std::env::temp_dir().join(format!("culex-check-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let mut arguments =
        vec!["run".to_owned(), "tests/check/fail/subset.yaml".into(), "tests/check/pass/lamp.yaml".into()];
    for (form, name) in [
        ("tap", "t.tap"),
        ("junit", "j.xml"),
        ("ndjson", "n.ndjson"),
        ("html", "h.html"),
        ("human", "t.txt"),
        ("github", "g.txt"),
    ] {
        arguments.extend(["--report".to_owned(), format!("{form}={}", file(name))]);
    }
    arguments.extend(["--artifacts".to_owned(), file("artifacts")]);
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(check(&words).status.code(), Some(1));
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert!(read("t.tap").starts_with("TAP version 14\n1..2\nnot ok 1 - "), "{}", read("t.tap"));
    assert!(read("j.xml").contains("failures=\"1\""));
    assert!(
        read("g.txt").starts_with("::error file=tests/check/fail/subset.yaml,line="),
        "{}",
        read("g.txt")
    );
    assert!(read("t.tap").contains("  steps:\n    - \"passed step 1, "), "{}", read("t.tap"));
    assert!(read("h.html").contains("</html>"));
    let lines: Vec<Value> =
        read("n.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.last().unwrap()["failed"], 1);
    assert!(fs::read_dir(folder.join("artifacts")).unwrap().count() >= 2);
    fs::remove_dir_all(folder).unwrap();
}

/// What is said about a step lands at its line, and scenarios of one name keep what is of use apart.
#[test]
fn reports_name_lines_and_artifacts_are_kept_apart() {
    let folder = std::env::temp_dir().join(format!("culex-same-{}", std::process::id()));
    for (name, text) in [("a", "a"), ("b", "b")] {
        fs::create_dir_all(folder.join(name)).unwrap();
        let text = format!("name: same\nsteps:\n  - wait: 1ms\n  - run: {{ cmd: [{text}] }}\n");
        fs::write(folder.join(name).join("x.yaml"), text).unwrap();
    }
    let (artifacts, place) = (folder.join("artifacts"), folder.to_string_lossy().into_owned());
    let words = [
        "run",
        &place,
        "-j",
        "1",
        "--report",
        "github",
        "--report",
        "tap",
        "--artifacts",
        artifacts.to_str().unwrap(),
    ];
    let said = text(&check(&words).stdout).replace(&place, "FOLDER");
    assert!(said.contains("::error file=FOLDER/a/x.yaml,line=4,title="), "{said}");
    assert!(said.contains("::warning file=FOLDER/b/x.yaml,line=3,title="), "{said}");
    assert!(said.contains("  warnings:\n    - \"step 1: 'wait: 1ms' waits blindly"), "{said}");
    assert_eq!(fs::read_dir(&artifacts).unwrap().count(), 3);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn flags_that_would_do_nothing_are_refused() {
    let lamp = "tests/check/pass/lamp.yaml";
    for (words, part) in [
        (["--repeat", "0"], "0"),
        (["--until-fail", "--bail"], "--repeat"),
        (["--var", "idd=1"], "--var idd: no scenario uses this name; did you mean 'id'?"),
    ] {
        let ran = check(&[&["run", lamp, "--dry-run"], &words[..]].concat());
        assert_eq!(ran.status.code(), Some(2), "{words:?}");
        assert!(text(&ran.stderr).contains(part), "{words:?}: {}", text(&ran.stderr));
    }
    let ran = check(&["run", lamp, "--dry-run", "--var", "run=1"]);
    assert_eq!(text(&ran.stdout), "1 scenario is right\n", "{}", text(&ran.stderr));
}

/// Contract, section 2.3: the command starts only when the subscription stands, and its status counts.
#[test]
fn one_line_checks_tell_by_their_status() {
    let publisher = env!("CARGO_BIN_EXE_culex");
    let publish = |payload: &str| format!("{publisher} pub -t dev/42/state -m '{payload}'");
    let expect = |payload: &str, more: &[&str]| {
        let line = publish(payload);
        let mut words =
            vec!["expect", "--embedded", "-t", "dev/{id}/state", "--json-subset", r#"{"on":true}"#];
        words.extend(more);
        words.extend(["--", "sh", "-c", &line]);
        check(&words)
    };
    let found = expect(r#"{"on":true,"level":3}"#, &[]);
    assert_eq!(found.status.code(), Some(0), "{}", text(&found.stderr));
    assert!(text(&found.stdout).starts_with("ok: "));
    let missed = expect(r#"{"on":false}"#, &["--within", "200ms"]);
    assert_eq!(missed.status.code(), Some(1));
    assert!(text(&missed.stderr).contains("/on: is false, must be true"), "{}", text(&missed.stderr));
    for (words, status) in [
        (vec!["none", "--embedded", "-t", "error/#", "--for", "10ms", "--", "true"], 0),
        (vec!["none", "--embedded", "-t", "error/#", "--for", "10ms", "--", "false"], 1),
        (vec!["expect", "--embedded", "-t", "a", "--", "false"], 1),
        (vec!["expect", "--embedded", "-t", "a", "--", "/no/such/program"], 3),
        (vec!["expect", "-L", "mqtt://127.0.0.1:1", "-t", "a", "--within", "1s"], 3),
        (vec!["expect", "-L", "http://x", "-t", "a"], 2),
        (vec!["expect", "--embedded", "-t", "a/#/b"], 2),
        (vec!["expect"], 2),
        (vec!["run", "/no/such/file.yaml"], 2),
    ] {
        let ran = check(&words);
        assert_eq!(ran.status.code(), Some(status), "{words:?}: {}", text(&ran.stderr));
    }
}

/// Starts a broker with a control socket and says `lines` to it; its answers, and the process's status.
fn converse(flags: &[&str], lines: &[&str]) -> (Vec<Value>, Option<i32>) {
    use std::io::{BufRead, BufReader, Write};
    let mut broker = Command::new(env!("CARGO_BIN_EXE_culex-broker"))
        .args(["--port", "0", "--control", "--print-env", "json", "--until-eof", "--quiet"])
        .args(flags)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut environment = String::new();
    BufReader::new(broker.stdout.as_mut().unwrap()).read_line(&mut environment).unwrap();
    let environment: Value = serde_json::from_str(&environment).unwrap();
    let mut control = std::net::TcpStream::connect(environment["CULEX_CONTROL"].as_str().unwrap()).unwrap();
    let mut answers = BufReader::new(control.try_clone().unwrap());
    let mut said = Vec::new();
    for line in lines {
        control.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        said.push(serde_json::from_str(&answer).unwrap());
    }
    drop((control, answers));
    drop(broker.stdin.take());
    (said, broker.wait().unwrap().code())
}

#[test]
fn a_control_socket_takes_steps_and_answers_each() {
    let (answers, status) = converse(
        &[],
        &[
            r#"{"client": {"id": "a", "connect": true, "subscribe": "x"}}"#,
            r#"{"publish": {"topic": "x", "json": {"n": 1}, "qos": 1, "acked_by": "a"}, "id": "seven"}"#,
            r#"{"expect": {"topic": "{t}", "since": "start", "json": {"subset": {"n": 1}}}}"#,
            r#"{"expect": {"topic": "y", "within": "10ms"}}"#,
            r#"{"ask": "snapshot"}"#,
            r#"{"bogus": 1}"#,
            "no json",
            r#"{"advance": "1h"}"#,
            r#"{"ask": "reset"}"#,
            r#"{"ask": "snapshot"}"#,
        ],
    );
    let oks: Vec<bool> = answers.iter().map(|answer| answer["ok"].as_bool().unwrap()).collect();
    assert_eq!(oks, [true, true, true, false, true, false, false, true, true, true], "{answers:?}");
    assert_eq!(answers[1]["id"], "seven");
    assert_eq!(
        (&answers[2]["captures"]["t"], &answers[2]["record"]["event"]),
        (&"x".into(), &"message".into())
    );
    assert!(answers[3]["error"].as_str().unwrap().contains("no message came at all"));
    assert_eq!(answers[4]["sessions"][0]["client"], "a");
    assert_eq!(answers[9]["sessions"].as_array().unwrap().len(), 0);
    assert_eq!(status, Some(0));
}

/// What one test of a suite leaves behind must not reach the next.
#[test]
fn a_reset_ends_all_that_a_conversation_has_begun() {
    let (answers, _) = converse(
        &[],
        &[
            r#"{"respond": {"when": {"topic": "ask/{n}"}, "publish": {"topic": "answer/${n}"}}}"#,
            r#"{"fault": {"name": "f", "do": "drop", "on": {"packet": "pingreq"}}}"#,
            r#"{"mark": "here"}"#,
            r#"{"publish": {"topic": "ask/1"}}"#,
            r#"{"expect": {"topic": "answer/{which}"}}"#,
            r#"{"ask": "reset"}"#,
            r#"{"expect": {"topic": "answer/1", "since": "start", "none": true, "for": "1ms"}}"#,
            r#"{"publish": {"topic": "ask/2"}}"#,
            r#"{"expect": {"topic": "answer/2", "none": true, "for": "50ms"}}"#,
            r#"{"publish": {"topic": "x/${which}"}}"#,
            r#"{"expect": {"topic": "a", "since": "mark here", "none": true, "for": "1ms"}}"#,
            r#"{"fault": {"release": "f"}}"#,
            r#"{"mark": "there"}"#,
        ],
    );
    let oks: Vec<bool> = answers.iter().map(|answer| answer["ok"].as_bool().unwrap()).collect();
    let (before, after) = ([true; 6], [true, true, true, false, false, false, true]);
    assert_eq!(oks, [&before[..], &after[..]].concat(), "{answers:?}");
    assert_eq!(answers[12]["captures"], serde_json::json!({}));
}

/// What ends with status 2 in a file is no less wrong here.
#[test]
fn a_control_socket_refuses_steps_that_a_file_may_not_have() {
    for (step, part) in [
        (r#"{"expect": {"topic": "a", "none": true, "exactly": 2}}"#, "'exactly' means nothing for 'none'"),
        (r#"{"expect": {"event": "close", "json": {"equals": 1}}}"#, "'json' means nothing for an event"),
        (r#"{"publish": {"topic": "a", "qos": 3}}"#, "publish: QoS 3 does not exist"),
        (r#"{"publish": {"topic": "${nobody}"}}"#, "'nobody' has no value"),
        (r#"{"device": {"kill": true}}"#, "which of 0"),
    ] {
        let (answers, _) = converse(&[], &[step]);
        assert_eq!(answers[0]["ok"], false, "{step}");
        assert!(answers[0]["error"].as_str().unwrap().contains(part), "{step}: {answers:?}");
    }
}

#[test]
fn a_control_socket_knows_the_names_that_scenarios_know() {
    let publish = r#"{"publish": {"topic": "${prefix}/${run}/${uuid}/${now}/${random}/${counter}", "text": "${env.CULEX_TEST_NAME} ${broker.url}"}}"#;
    let expect = r#"{"expect": {"topic": "${prefix}/#", "text": "${env.CULEX_TEST_NAME} ${broker.url}"}}"#;
    let named: Vec<String> =
        [publish, expect].iter().map(|step| step.replace("CULEX_TEST_NAME", "PATH")).collect();
    let (answers, _) = converse(&[], &[&named[0], &named[1]]);
    assert!(answers.iter().all(|answer| answer["ok"] == true), "{answers:?}");
}

#[test]
fn what_a_broker_must_be_at_the_end_decides_about_its_status() {
    let retain = r#"{"publish": {"topic": "left", "text": "x", "retain": true}}"#;
    let clear = r#"{"publish": {"topic": "left", "retain": true}}"#;
    let asserted =
        ["--assert", "retained-empty", "--assert", "no-protocol-errors", "--assert", "all-acknowledged"];
    assert_eq!(converse(&asserted, &[retain]).1, Some(1));
    assert_eq!(converse(&asserted, &[retain, clear]).1, Some(0));
    let folder = std::env::temp_dir().join(format!("culex-watched-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (record, junit) = (folder.join("r.ndjson"), folder.join("j.xml"));
    let pcap = folder.join("p.pcap");
    let files = [
        ["--record", record.to_str().unwrap()],
        ["--junit", junit.to_str().unwrap()],
        ["--pcap", pcap.to_str().unwrap()],
    ];
    assert_eq!(converse(&[&asserted[..2], &files.concat()[..]].concat(), &[retain]).1, Some(1));
    let records = fs::read_to_string(record).unwrap();
    assert!(
        records.lines().all(|line| serde_json::from_str::<Value>(line).is_ok())
            && records.contains("\"left\"")
    );
    assert!(fs::read_to_string(junit).unwrap().contains("failures=\"1\""));
    // Of the control socket's own publisher, nothing goes over a connection of a client.
    assert_eq!(fs::read(pcap).unwrap().len(), 24);
    fs::remove_dir_all(folder).unwrap();
}

/// What such a broker cannot do is an error and not left out.
#[test]
fn a_watched_broker_refuses_what_it_has_not() {
    let folder = std::env::temp_dir().join(format!("culex-refused-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let config = folder.join("broker.conf");
    for (line, word) in [
        ("persistence true", "persistence"),
        ("pid_file /nowhere/pid", "pid_file"),
        ("memory_limit 1000000", "memory_limit"),
    ] {
        let place = format!("persistence_location {}/\n", folder.display());
        fs::write(&config, format!("listener 0 127.0.0.1\n{place}{line}\n")).unwrap();
        let ran = Command::new(env!("CARGO_BIN_EXE_culex-broker"))
            .args(["-c", config.to_str().unwrap(), "--assert", "retained-empty", "--exec", "--", "true"])
            .output()
            .unwrap();
        assert!(!ran.status.success() && text(&ran.stderr).contains(word), "{line}: {}", text(&ran.stderr));
    }
    fs::remove_dir_all(folder).unwrap();
}

/// A broker starts a proxy, and the proxy a client: `culex broker --exec -- culex proxy -- culex pub`.
fn through_a_proxy(flags: &[&str], client: &[&str]) -> Output {
    let culex = env!("CARGO_BIN_EXE_culex");
    Command::new(env!("CARGO_BIN_EXE_culex-broker"))
        .args(["--port", "0", "--quiet", "--exec", "--", culex, "proxy"])
        .args(flags)
        .args(["--", culex])
        .args(client)
        .output()
        .unwrap()
}

#[test]
fn a_proxy_shows_what_goes_through_and_tampers_with_it() {
    let folder = std::env::temp_dir().join(format!("culex-proxy-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (journal, faults) = (folder.join("journal.ndjson"), folder.join("faults.yaml"));
    let pcap = folder.join("packets.pcap");
    let publish = ["pub", "-V", "5", "-i", "lamp", "-q", "1", "-t", "lamp/on", "-m", "yes"];
    let ran = through_a_proxy(
        &["--log", "--journal", journal.to_str().unwrap(), "--pcap", pcap.to_str().unwrap()],
        &publish,
    );
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
    let shown = text(&ran.stdout) + &text(&ran.stderr);
    assert!(shown.contains("lamp/on") && shown.contains("PUBACK"), "{shown}");
    let records = fs::read_to_string(&journal).unwrap();
    let packets =
        records.lines().filter(|line| serde_json::from_str::<Value>(line).unwrap()["event"] == "packet");
    assert!(packets.count() >= 5, "{records}");
    let bytes = fs::read(&pcap).unwrap();
    assert!(bytes.starts_with(&0xa1b2_3c4d_u32.to_le_bytes()));
    assert!(bytes.windows(7).any(|window| window == b"lamp/on"));

    fs::write(&faults, "- on: { to: lamp, packet: puback }\n  do: { reason: 0x97 }\n").unwrap();
    for fault in
        [["--faults", faults.to_str().unwrap()], ["-f", "{on: {packet: puback}, do: {reason: 0x97}}"]]
    {
        let ran = through_a_proxy(&fault, &publish);
        assert!(text(&ran.stderr).contains("Quota exceeded"), "{}", text(&ran.stderr));
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_a_proxy_cannot_do_is_told_with_its_status() {
    for (flags, status, word) in [
        (["-u", "mqtt://127.0.0.1:1", "--listen", "here"], 2, "'here' is no port"),
        (["-u", "mqtt://127.0.0.1:1", "--listen", ":70000"], 2, "'70000' is no port"),
        (["-u", "mqtt://127.0.0.1:1", "--fault", "{on: {packet: puback}, do: vanish}"], 2, "vanish"),
        (["-u", "mqtt://127.0.0.1:1", "--faults", "/no/such/file"], 2, "/no/such/file"),
        (["-u", "http://127.0.0.1:1", "--listen", "0"], 2, "http"),
        (["-u", "mqtt://127.0.0.1:1", "--journal", "/no/such/file"], 3, "/no/such/file"),
    ] {
        let ran = through_a_proxy(&flags, &["--version"]);
        assert_eq!(ran.status.code(), Some(status), "{flags:?}: {}", text(&ran.stderr));
        assert!(text(&ran.stderr).contains(word), "{flags:?}: {}", text(&ran.stderr));
    }
    let ran = through_a_proxy(&["--listen", ":0"], &["pub", "-t", "a", "-m", "b"]);
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
}

/// What `--broker` cannot be is told before anything runs, of what is to run there.
#[test]
fn what_only_an_embedded_broker_can_do_is_refused_for_another() {
    let folder = std::env::temp_dir().join(format!("culex-elsewhere-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    for (name, source, part) in [
        ("clock", "broker: { embedded: { clock: manual } }\nsteps: [{ mark: a }]\n", "means nothing for"),
        ("advance", "steps: [{ advance: 1h }]\n", "needs the embedded broker"),
        ("from", "steps: [{ expect: { topic: a, from: b } }]\n", "embedded broker only"),
    ] {
        let file = folder.join(format!("{name}.yaml"));
        fs::write(&file, source).unwrap();
        let file = file.to_str().unwrap();
        assert_eq!(check(&["run", "--dry-run", file]).status.code(), Some(0));
        for more in [&[][..], &["--dry-run"]] {
            let ran = check(&[&["run", "--broker", "mqtt://127.0.0.1:1", file], more].concat());
            assert_eq!(ran.status.code(), Some(2), "{}", text(&ran.stderr));
            assert!(text(&ran.stderr).contains(part), "{}", text(&ran.stderr));
        }
    }
    let there = ["run", "--dry-run", "--broker", "mqtt://127.0.0.1:1", folder.to_str().unwrap()];
    assert_eq!(check(&there).status.code(), Some(2));
    // What is not to run may be as it likes.
    fs::write(folder.join("plain.yaml"), "name: plain\nsteps: [{ mark: a }]\n").unwrap();
    assert_eq!(check(&[&there[..], &["--filter", "plain"]].concat()).status.code(), Some(0));
    fs::remove_dir_all(folder).unwrap();
}
