//! Users and rights of the real program: password files, ACL files, SCRAM, their reload, and `culex passwd`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/program.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod program;

use base64::{Engine, engine::general_purpose::STANDARD};
use program::{BROKER, CULEX, Folder, Program, connect_packet, culex, read_packet, text};
use ring::{digest, hmac, pbkdf2};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs `culex passwd`, giving it a line of input.
fn passwd(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(CULEX)
        .arg("passwd")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that refuses its arguments may have gone without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn password_file(folder: &Folder, users: &[(&str, &str)]) -> String {
    let path = folder.0.join("passwords").display().to_string();
    fs::write(&path, "").unwrap();
    for (name, password) in users {
        assert!(passwd(&["-I", "101", "-b", &path, name, password], "").status.success());
    }
    path
}

#[test]
fn password_files_are_made_and_edited_as_with_mosquittos_program() {
    let folder = Folder::new("passwd");
    let path = folder.0.join("file").display().to_string();
    assert!(passwd(&["-c", &path, "one"], "secret 1\n").status.success());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for (hash, mark) in
        [("sha512", "two:$6$"), ("argon2id", "two:$argon2id$v=19$"), ("sha512-pbkdf2", "two:$7$4096$")]
    {
        assert!(passwd(&["-H", hash, "-b", &path, "two", "secret 2"], "").status.success());
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.lines().any(|line| line.starts_with(mark)), "{text}");
        assert_eq!(text.matches("two:$").count(), 1, "{text}");
        let broker = Program::configured(&folder, &format!("password_file {path}\n"));
        assert_eq!(broker.connect("a", Some(("one", "secret 1"))).1, Some(0));
        assert_eq!(broker.connect("a", Some(("two", "secret 2"))).1, Some(0), "{hash}");
        assert_eq!(broker.connect("a", Some(("two", "secret 1"))).1, Some(0x87));
    }
    assert!(passwd(&["-D", &path, "one"], "").status.success());
    assert!(!fs::read_to_string(&path).unwrap().contains("one"));

    for (arguments, input, fault) in [
        (&["-D", &path, "one"][..], "", "User one not found."),
        (&["/nonexistent/x", "one"], "x\n", "Unable to open password file /nonexistent/x"),
        (&["-c", "/nonexistent/x", "one"], "x\n", "Unable to write password file /nonexistent/x"),
        (&[&path, "a:b"], "x\n", "The user name contains a ':'."),
        (&[&path, "one"], "", "Unable to read the password"),
        (&["-b", &path, "one"], "", "-b needs a password"),
    ] {
        let output = passwd(arguments, input);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(text(&output.stderr).starts_with("Error: "), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(fault), "{arguments:?}: {}", text(&output.stderr));
    }
    // A password on the command line must have been asked for.
    assert!(!passwd(&[&path, "one", "secret"], "").status.success());
}

#[test]
fn plain_password_files_are_hashed() {
    let folder = Folder::new("upgrade");
    let path = folder.file("file", "# mine\n\none:secret:1\n");
    assert!(passwd(&["-U", path.to_str().unwrap()], "").status.success());
    let upgraded = fs::read_to_string(&path).unwrap();
    assert!(upgraded.starts_with("# mine\n\none:$7$") && !upgraded.contains("secret"), "{upgraded}");
    assert!(passwd(&["-U", path.to_str().unwrap()], "").status.success());
    assert_eq!(fs::read_to_string(&path).unwrap(), upgraded, "what is hashed stays");
    let broker = Program::configured(&folder, &format!("password_file {}\n", path.display()));
    assert_eq!(broker.connect("a", Some(("one", "secret:1"))).1, Some(0));
}

#[test]
fn mosquitto_reads_our_files_and_we_read_its() {
    let folder = Folder::new("both");
    let path = folder.0.join("file").display().to_string();
    let made = Command::new("mosquitto_passwd").args(["-c", "-b", &path, "theirs", "secret"]).output();
    if !made.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("CULEX_REQUIRE_PEERS").is_none(), "mosquitto_passwd is missing");
        println!("skipped: no mosquitto_passwd");
        return;
    }
    assert!(passwd(&["-b", &path, "ours", "secret"], "").status.success());
    // It keeps our lines when it writes the file anew.
    let added = Command::new("mosquitto_passwd").args(["-b", &path, "third", "secret"]).status().unwrap();
    assert!(added.success());
    let broker = Program::configured(&folder, &format!("password_file {path}\n"));
    for name in ["theirs", "ours", "third"] {
        assert_eq!(broker.connect("a", Some((name, "secret"))).1, Some(0), "{name}");
        assert_eq!(broker.connect("a", Some((name, "Secret"))).1, Some(0x87), "{name}");
    }
    assert_eq!(scram(&broker, "SCRAM-SHA-256", "ours", "secret"), Ok(()));
}

#[test]
fn strangers_are_refused_with_the_code_of_their_version() {
    let folder = Folder::new("refused");
    let path = password_file(&folder, &[("bob", "secret")]);
    let broker = Program::configured(&folder, &format!("password_file {path}\nallow_anonymous false\n"));
    for user in [None, Some(("bob", "wrong")), Some(("eve", "secret")), Some(("", ""))] {
        assert_eq!(broker.connect("a", user).1, Some(0x87), "{user:?}");
    }
    let mut stream = broker.open();
    stream.write_all(b"\x10\x13\x00\x04MQTT\x04\xc2\x00\x3c\x00\x00\x00\x01x\x00\x02yy").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, [0x20, 2, 0, 5]);
    let log = broker.stop();
    assert!(log.contains("not authorised") && !log.contains("secret") && !log.contains("wrong"), "{log}");
}

#[test]
fn a_large_message_may_follow_connect_while_the_password_is_checked() {
    let folder = Folder::new("pipelined");
    let path = password_file(&folder, &[("bob", "1")]);
    let broker = Program::configured(&folder, &format!("password_file {path}\n"));
    let payload = vec![b'x'; 1_500_000];
    let body = [b"\0\x01t\0\x07\0", &payload[..]].concat();
    let mut length = Vec::new();
    let mut rest = body.len();
    while rest > 0 {
        length.push(rest as u8 & 0x7F | if rest > 0x7F { 0x80 } else { 0 });
        rest >>= 7;
    }
    let publish = [&[0x32][..], &length, &body].concat();
    let mut stream = broker.open();
    stream.write_all(&[connect_packet("b", Some(("bob", "1"))), publish].concat()).unwrap();
    assert_eq!(read_packet(&mut stream).unwrap()[..1], [0x20]);
    assert_eq!(read_packet(&mut stream), Some(vec![0x40, 3, 0, 7, 0x10]));
}

#[test]
fn files_with_wrong_lines_end_the_start_with_their_place() {
    let folder = Folder::new("wrong");
    let passwords = folder.file("passwords", "# fine\nbob:plain\n");
    let rights = folder.file("rights", "user bob\n\ntopic read a/#/b\n");
    let misspelt = folder.file("misspelt", "topic raed a\n");
    let cases = [
        (format!("acl_file {}\n", misspelt.display()), format!("{}:1.", misspelt.display())),
        (format!("password_file {}\n", passwords.display()), format!("{}:2.", passwords.display())),
        (format!("acl_file {}\n", rights.display()), format!("{}:3.", rights.display())),
        (
            "password_file /nonexistent/p\n".to_owned(),
            "Unable to open password file /nonexistent/p".to_owned(),
        ),
        ("acl_file /nonexistent/a\n".to_owned(), "Unable to open acl file /nonexistent/a".to_owned()),
    ];
    for (configuration, place) in cases {
        let file = folder.file("broker.conf", &configuration);
        let output = Command::new(BROKER).args(["--test-config", "-c"]).arg(&file).output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{error}");
        assert!(error.contains(&place) && !error.contains("plain:"), "{error}");
    }
    for flags in [["--user", "bob"], ["--user", ":x"], ["--acl", "nonsense"]] {
        let output = Command::new(BROKER).args(flags).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{flags:?}");
        assert!(text(&output.stderr).contains(&format!("Error found at {}:1.", flags[0])));
    }
}

fn subscribe(stream: &mut TcpStream, filter: &str) -> u8 {
    let length = u8::try_from(filter.len()).unwrap();
    stream.write_all(&[&[0x82, length + 6, 0, 1, 0, 0, length], filter.as_bytes(), &[1]].concat()).unwrap();
    *read_packet(stream).unwrap().last().unwrap()
}

/// Publishes at QoS 1; the reason code.
fn publish(stream: &mut TcpStream, topic: &str) -> u8 {
    let length = u8::try_from(topic.len()).unwrap();
    stream.write_all(&[&[0x32, length + 6, 0, length], topic.as_bytes(), &[0, 7, 0, b'x']].concat()).unwrap();
    loop {
        let packet = read_packet(stream).unwrap();
        if packet[0] == 0x40 {
            return packet.get(4).copied().unwrap_or(0);
        }
    }
}

#[test]
fn rights_hold_for_subscribing_publishing_and_receiving() {
    let flags = [
        "--user",
        "bob:1",
        "--user",
        "eve:2",
        "--acl",
        "topic news",
        "--acl",
        "user bob",
        "--acl",
        "topic read in/#",
        "--acl",
        "topic write out/#",
        "--acl",
        "topic deny in/secret",
        "--acl",
        "user eve",
        "--acl",
        "topic in/#",
        "--acl",
        "pattern readwrite own/%u/%c/#",
    ];
    let broker = Program::start(&flags);
    assert_eq!(broker.connect("a", None).1, Some(0x87), "there are users, so nobody else is let in");
    let (mut bob, reason) = broker.connect("b", Some(("bob", "1")));
    assert_eq!(reason, Some(0));
    assert_eq!(subscribe(&mut bob, "in/#"), 1);
    assert_eq!(subscribe(&mut bob, "out/#"), 0x87);
    assert_eq!(subscribe(&mut bob, "in/secret"), 0x87);
    assert_eq!(subscribe(&mut bob, "own/bob/b/+"), 1);
    assert_eq!(subscribe(&mut bob, "own/eve/+/+"), 0x87);
    assert_eq!(publish(&mut bob, "in/x"), 0x87);
    assert_eq!(publish(&mut bob, "out/x"), 0x10);
    let (mut eve, _) = broker.connect("e", Some(("eve", "2")));
    assert_eq!(publish(&mut eve, "in/secret"), 0, "bob's subscription matches, but he does not get it");
    assert_eq!(publish(&mut eve, "in/open"), 0);
    let got = text(&read_packet(&mut bob).unwrap());
    assert!(got.contains("in/open"), "{got}");
}

#[test]
fn a_reload_dismisses_those_who_changed_and_no_others() {
    let folder = Folder::new("reload");
    let path = password_file(&folder, &[("bob", "1"), ("eve", "2"), ("ann", "3")]);
    let rights = folder.file("rights", "user bob\ntopic a\nuser ann\ntopic a\n");
    let configuration = format!("password_file {path}\nacl_file {}\nmax_keepalive 1000\n", rights.display());
    let mut broker = Program::configured(&folder, &configuration);
    let (mut bob, _) = broker.connect("b", Some(("bob", "1")));
    let (mut eve, _) = broker.connect("e", Some(("eve", "2")));
    let (mut ann, _) = broker.connect("a", Some(("ann", "3")));
    assert_eq!(publish(&mut bob, "b"), 0x87);

    assert!(passwd(&["-D", &path, "eve"], "").status.success());
    assert!(passwd(&["-b", &path, "ann", "4"], "").status.success());
    folder.file("rights", "user bob\ntopic b\n");
    broker.signal(libc::SIGHUP);
    for stream in [&mut eve, &mut ann] {
        assert_eq!(read_packet(stream), Some(vec![0xE0, 1, 0x87]));
        assert_eq!(read_packet(stream), None);
    }
    assert_eq!(publish(&mut bob, "b"), 0x10);
    assert_eq!(publish(&mut bob, "a"), 0x87);
    assert_eq!(broker.connect("e", Some(("eve", "2"))).1, Some(0x87));
    assert_eq!(broker.connect("a", Some(("ann", "4"))).1, Some(0));

    // A file that is wrong changes nothing.
    fs::write(&path, "nonsense\n").unwrap();
    broker.signal(libc::SIGHUP);
    broker.wait_for("A password line has no ':'");
    assert_eq!(publish(&mut bob, "b"), 0x10);
    assert_eq!(broker.connect("c", Some(("bob", "1"))).1, Some(0));
}

#[test]
fn each_listener_can_have_its_own_users() {
    let folder = Folder::new("per-listener");
    let path = password_file(&folder, &[("bob", "1")]);
    let (one, two) = (folder.0.join("one.sock"), folder.0.join("two.sock"));
    let configuration = format!(
        "per_listener_settings true\nlistener 0 {}\npassword_file {path}\nlistener 0 {}\nallow_anonymous true\n",
        one.display(),
        two.display()
    );
    let _broker = Program::configured(&folder, &configuration);
    let connect = |path: &Path, user| {
        let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
        stream.write_all(&connect_packet("a", user)).unwrap();
        read_packet(&mut stream).unwrap()[3]
    };
    assert_eq!(connect(&one, None), 0x87);
    assert_eq!(connect(&one, Some(("bob", "1"))), 0);
    assert_eq!(connect(&two, None), 0);
    assert_eq!(connect(&two, Some(("anybody", "x"))), 0);
}

#[test]
fn a_reload_never_gives_a_listener_what_was_meant_for_another() {
    let folder = Folder::new("reorder");
    let path = password_file(&folder, &[("bob", "1")]);
    let [open, closed, new] = ["open", "closed", "new"].map(|name| folder.0.join(name));
    let open_section = format!("listener 0 {}\nallow_anonymous true\nmax_qos 1\n", open.display());
    let closed_section = format!("listener 0 {}\npassword_file {path}\n", closed.display());
    let write = |keep_alive: u8, sections: &[&str]| {
        let common = format!("max_keepalive {keep_alive}\nper_listener_settings true\n");
        folder.file("broker.conf", common + &sections.concat());
    };
    write(9, &[&closed_section, &open_section]);
    let file = folder.0.join("broker.conf");
    let mut broker = Program::start(&[Path::new("-c"), &file]);
    let connect = |path: &Path| {
        let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
        stream.write_all(&connect_packet("a", None)).unwrap();
        let connack = read_packet(&mut stream).unwrap();
        // Server Keep Alive comes first; Maximum QoS is told by one listener alone.
        let keep_alive = connack.get(5..8).filter(|bytes| bytes[..2] == [0x13, 0]).map(|bytes| bytes[2]);
        (connack[3], keep_alive, connack.windows(2).any(|pair| pair == [0x24, 1]))
    };
    assert_eq!([connect(&closed), connect(&open)], [(0x87, None, false), (0, Some(9), true)]);

    // In another order, without one of them, with another one.
    let new_section = format!("listener 0 {}\nallow_anonymous true\n", new.display());
    for (keep_alive, sections, warning) in [
        (8, &[&*open_section, &closed_section][..], "Reloading config."),
        (7, &[&*open_section], "is closed by a restart only."),
        (6, &[&*new_section, &closed_section, &open_section], "is opened by a restart only."),
    ] {
        write(keep_alive, sections);
        broker.signal(libc::SIGHUP);
        broker.wait_for(warning);
        let told = std::iter::repeat_with(|| connect(&open)).find(|(_, told, _)| *told == Some(keep_alive));
        assert_eq!(told, Some((0, Some(keep_alive), true)), "{sections:?}");
        assert_eq!(connect(&closed), (0x87, None, false), "{sections:?}");
    }
    assert!(!new.exists());
}

#[test]
fn our_clients_find_the_user_in_the_environment() {
    let script =
        "culex pub -t a -m hello -r && culex sub -t a -C 1 -W 20 && ! culex pub -u bob -P wrong -t a -m x";
    let output = culex(&["broker", "--user", "bob:secret", "--exec", "--", "sh", "-c", script]);
    assert_eq!(text(&output.stdout), "hello\n", "{}", text(&output.stderr));
    assert!(output.status.success());
}

/// The two algorithms behind a SCRAM method.
fn algorithms(method: &str) -> (hmac::Algorithm, &'static digest::Algorithm, pbkdf2::Algorithm) {
    match method {
        "SCRAM-SHA-256" => (hmac::HMAC_SHA256, &digest::SHA256, pbkdf2::PBKDF2_HMAC_SHA256),
        _ => (hmac::HMAC_SHA512, &digest::SHA512, pbkdf2::PBKDF2_HMAC_SHA512),
    }
}

fn method_and_data(method: &str, data: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    let properties =
        [&[0x15][..], &length(method.as_bytes()), method.as_bytes(), &[0x16], &length(data), data].concat();
    [number(properties.len()), properties].concat()
}

fn number(value: usize) -> Vec<u8> {
    if value < 128 { vec![value as u8] } else { vec![0x80 | (value % 128) as u8, (value / 128) as u8] }
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first][..], &number(body.len()), body].concat()
}

/// The Authentication Data of a packet, which stands behind its method.
fn data_of(packet: &[u8], method: &str) -> Vec<u8> {
    let at =
        packet.windows(method.len()).position(|window| window == method.as_bytes()).unwrap() + method.len();
    assert_eq!(packet[at], 0x16, "{packet:02x?}");
    let length = usize::from(u16::from_be_bytes([packet[at + 1], packet[at + 2]]));
    packet[at + 3..at + 3 + length].to_vec()
}

/// Goes through an exchange of which `first` is the packet that begins it, with the first message left out.
fn exchange(
    stream: &mut TcpStream,
    method: &str,
    user: &str,
    password: &str,
    first: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Result<Vec<u8>, u8> {
    let bare = format!("n={user},r=0123456789");
    stream.write_all(&first(&method_and_data(method, format!("n,,{bare}").as_bytes()))).unwrap();
    let answer = read_packet(stream).unwrap();
    if answer[0] != 0xF0 {
        return Err(answer[if answer[0] == 0x20 { 3 } else { 2 }]);
    }
    let challenge = text(&data_of(&answer, method));
    let parts: Vec<_> = challenge.split(',').map(|part| &part[2..]).collect();
    let (mac, hash, derive) = algorithms(method);
    let sign = |key: &[u8], message: &[u8]| hmac::sign(&hmac::Key::new(mac, key), message).as_ref().to_vec();
    let mut salted = vec![0; hash.output_len()];
    let rounds = NonZeroU32::new(parts[2].parse().unwrap()).unwrap();
    pbkdf2::derive(derive, rounds, &STANDARD.decode(parts[1]).unwrap(), password.as_bytes(), &mut salted);
    let client_key = sign(&salted, b"Client Key");
    let last = format!("c=biws,r={}", parts[0]);
    let message = format!("{bare},{challenge},{last}");
    let signature = sign(digest::digest(hash, &client_key).as_ref(), message.as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, signature)| key ^ signature).collect();
    let last = format!("{last},p={}", STANDARD.encode(proof));
    let auth = [&[0x18][..], &method_and_data(method, last.as_bytes())].concat();
    stream.write_all(&packet(0xF0, &auth)).unwrap();
    let answer = read_packet(stream).unwrap();
    let reason = answer[match answer[0] {
        0x20 => 3,
        // AUTH and DISCONNECT; AUTH here is longer than 127 bytes only with SHA-512.
        _ => 1 + number(answer.len() - 3).len(),
    }];
    if reason != 0 {
        return Err(reason);
    }
    let server = sign(&sign(&salted, b"Server Key"), message.as_bytes());
    assert_eq!(text(&data_of(&answer, method)), format!("v={}", STANDARD.encode(server)));
    Ok(answer)
}

/// A CONNECT whose properties are `properties`.
fn connect_with(properties: &[u8]) -> Vec<u8> {
    packet(0x10, &[b"\x00\x04MQTT\x05\x02\x00\x3c", properties, b"\x00\x01s"].concat())
}

fn scram(broker: &Program, method: &str, user: &str, password: &str) -> Result<(), u8> {
    exchange(&mut broker.open(), method, user, password, connect_with).map(drop)
}

#[test]
fn scram_lets_users_in_and_nobody_else() {
    let folder = Folder::new("scram");
    let path = password_file(&folder, &[("bob", "secret"), ("eve", "other")]);
    assert!(passwd(&["-H", "sha512", "-b", &path, "old", "secret"], "").status.success());
    let mut broker = Program::configured(&folder, &format!("password_file {path}\nallow_anonymous false\n"));
    for method in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
        assert_eq!(scram(&broker, method, "bob", "secret"), Ok(()));
        broker.wait_for("u'bob'");
        for (user, password) in [("bob", "other"), ("nobody", "secret"), ("old", "secret")] {
            assert_eq!(scram(&broker, method, user, password), Err(0x87), "{method} {user}");
        }
    }
    assert_eq!(scram(&broker, "SCRAM-SHA-1", "bob", "secret"), Err(0x8C));
    assert_eq!(scram(&broker, "PLAIN", "bob", "secret"), Err(0x8C));
}

#[test]
fn who_authenticates_again_must_be_the_same() {
    let broker = Program::start(&["--user", "bob:secret", "--user", "eve:other"]);
    let again = |properties: &[u8]| packet(0xF0, &[&[0x19], properties].concat());
    for method in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let mut stream = broker.open();
        exchange(&mut stream, method, "bob", "secret", connect_with).unwrap();
        exchange(&mut stream, method, "bob", "secret", again).unwrap();
        stream.write_all(&[0xC0, 0]).unwrap();
        assert_eq!(read_packet(&mut stream), Some(vec![0xD0, 0]));
        assert_eq!(exchange(&mut stream, method, "eve", "other", again), Err(0x87));
        assert_eq!(read_packet(&mut stream), None);
        let mut stream = broker.open();
        exchange(&mut stream, method, "bob", "secret", connect_with).unwrap();
        assert_eq!(exchange(&mut stream, method, "bob", "wrong", again), Err(0x87));
    }
}
