//! Options of the configuration whose effect is on the program as a whole: where it listens and what it logs.
//!
//! `broker_options/options.txt` names the tests of all of them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/program.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod program;

use program::{Folder, Program, connect_packet, read_packet, text};
use rcgen::{CertificateParams, KeyPair};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

/// A command that runs against a broker with this configuration, to its end.
fn around(folder: &Folder, configuration: &str, script: &str) -> Output {
    let file = folder.file("broker.conf", configuration);
    Command::new(program::CULEX)
        .args(["broker", "-c", file.to_str().unwrap(), "--exec", "--", "sh", "-c", script])
        .output()
        .unwrap()
}

/// A subscriber that gets one message and leaves.
const A_MESSAGE: &str = "culex pub -i p -t a -m x -r; culex sub -i s -t a -C 1 -W 20 >/dev/null";

#[test]
fn the_configuration_that_debian_installs_starts_unchanged() {
    let folder = Folder::new("debian");
    let root = folder.0.display();
    for name in ["run/mosquitto", "var/lib/mosquitto", "var/log/mosquitto", "etc/mosquitto/conf.d"] {
        fs::create_dir_all(folder.0.join(name)).unwrap();
    }
    folder.file(
        "etc/mosquitto/conf.d/README",
        "Any files placed in this directory that have a .conf ending ...\n",
    );
    let configuration = format!(
        "# Place your local configuration in /etc/mosquitto/conf.d/\n#\n\
         # A full description of the configuration file is at\n\
         # /usr/share/doc/mosquitto/examples/mosquitto.conf.example\n\n\
         pid_file {root}/run/mosquitto/mosquitto.pid\n\npersistence true\n\
         persistence_location {root}/var/lib/mosquitto/\n\n\
         log_dest file {root}/var/log/mosquitto/mosquitto.log\n\ninclude_dir {root}/etc/mosquitto/conf.d\n"
    );
    let pid_file = folder.0.join("run/mosquitto/mosquitto.pid");
    let output = around(&folder, &configuration, &format!("{A_MESSAGE}; cat {}", pid_file.display()));
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    assert!(text(&output.stdout).parse::<u32>().is_ok(), "{}", text(&output.stdout));
    assert!(!pid_file.exists());
    assert!(folder.0.join("var/lib/mosquitto/culex.db").exists());
    let log = fs::read_to_string(folder.0.join("var/log/mosquitto/mosquitto.log")).unwrap();
    assert!(log.contains("Starting in local only mode.") || log.contains("New client connected"), "{log}");
    // The message has survived.
    let output = around(&folder, &configuration, "culex sub -t a -C 1 -W 20");
    assert_eq!(text(&output.stdout), "x\n");
}

#[test]
fn the_example_that_mosquitto_brings_is_read_unchanged() {
    let example = Path::new("/usr/share/doc/mosquitto/examples/mosquitto.conf");
    if !example.exists() {
        assert!(std::env::var_os("CULEX_REQUIRE_PEERS").is_none(), "mosquitto's example is not there");
        eprintln!("skipped: no {}", example.display());
        return;
    }
    let output = Command::new(program::BROKER).arg("--test-config").arg("-c").arg(example).output().unwrap();
    assert_eq!(text(&output.stderr), "Configuration file is OK.\n");
}

#[test]
fn log_types_choose_the_lines() {
    let folder = Folder::new("log-types");
    let logged = |configuration: &str| text(&around(&folder, configuration, A_MESSAGE).stderr);
    let all = logged("log_type all\n");
    for (kind, sample) in [
        ("notice", "New client connected"),
        ("information", "running"),
        ("debug", "Received PUBLISH from p"),
        ("subscribe", "s 0 a"),
        ("none", ""),
        ("error", ""),
    ] {
        assert!(all.contains(sample), "{all}");
        let log = logged(&format!("log_type {kind}\n"));
        assert!(log.contains(sample), "{kind}: {log}");
        if sample.is_empty() {
            assert_eq!(log, "", "{kind}");
        } else {
            assert!(log.lines().count() < all.lines().count(), "{kind}: {log}");
        }
    }
    let log = logged("connection_messages false\nlog_type all\n");
    assert!(log.contains("Received PUBLISH from p"), "{log}");
    for line in ["New connection", "New client", " disconnected."] {
        assert!(all.contains(line) && !log.contains(line), "{line}: {log}");
    }
}

#[test]
fn log_lines_go_where_and_begin_as_configured() {
    let folder = Folder::new("log-form");
    let file = folder.0.join("log");
    let configuration =
        format!("log_dest stdout\nlog_dest file {}\nlog_timestamp_format at %Y\n", file.display());
    let output = around(&folder, &configuration, "true");
    assert_eq!(text(&output.stderr), "");
    let lines = text(&output.stdout);
    assert_eq!(lines, fs::read_to_string(&file).unwrap());
    let first = lines.lines().next().unwrap();
    let year =
        first.strip_prefix("at ").and_then(|rest| rest.split_once(": culex-broker version")).unwrap().0;
    assert!(year.len() == 4 && year.parse::<u16>().is_ok(), "{first}");

    let output = around(&folder, "log_timestamp false\n", "true");
    assert!(text(&output.stderr).starts_with("culex-broker version "), "{}", text(&output.stderr));
    let output = around(&folder, "log_dest none\n", "true");
    assert_eq!(text(&output.stderr) + &text(&output.stdout), "");
}

/// The identifier that a listener assigns, or the code with which it refuses.
fn assigned(path: &Path) -> Result<String, u8> {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(&connect_packet("", None)).unwrap();
    let connack = read_packet(&mut stream).unwrap();
    if connack[3] != 0 {
        return Err(connack[3]);
    }
    let all = text(&connack);
    Ok(["one-", "all-"].into_iter().find(|prefix| all.contains(prefix)).unwrap_or("auto-").to_owned())
}

#[test]
fn a_listener_may_differ_from_the_others_in_whom_it_lets_in_and_how_it_names_them() {
    let folder = Folder::new("own");
    let path = |name: &str| folder.0.join(name);
    let configuration = format!(
        "allow_anonymous false\nauto_id_prefix all-\nlistener 0 {}\nlistener_allow_anonymous true\n\
         listener_auto_id_prefix one-\nlistener 0 {}\nlistener_allow_anonymous true\nlistener 0 {}\n",
        path("one").display(),
        path("two").display(),
        path("three").display()
    );
    let _broker = Program::configured(&folder, &configuration);
    assert_eq!(assigned(&path("one")), Ok("one-".to_owned()));
    assert_eq!(assigned(&path("two")), Ok("all-".to_owned()));
    assert_eq!(assigned(&path("three")), Err(0x87));
}

#[test]
fn mount_points_keep_listeners_apart() {
    let folder = Folder::new("mounts");
    let path = |name: &str| folder.0.join(name).display().to_string();
    let configuration = format!(
        "allow_anonymous true\nlistener 0 {}\nmount_point house/\nlistener 0 {}\n",
        path("inside"),
        path("outside")
    );
    let script = format!(
        "culex pub --unix {} -t a -m x -r && culex sub --unix {} -t '#' -F %t -C 1 -W 20 && \
         culex sub --unix {} -t '#' -F %t -C 1 -W 20",
        path("inside"),
        path("outside"),
        path("inside")
    );
    let output = around(&folder, &configuration, &script);
    assert!(text(&output.stdout).ends_with("house/a\na\n"), "{}", text(&output.stdout));
}

#[test]
fn port_and_bind_address_still_say_where_to_listen() {
    let folder = Folder::new("old-listener");
    // A port that is free on an address that nobody else here uses.
    let port = TcpListener::bind(("127.0.0.2", 0)).unwrap().local_addr().unwrap().port();
    let configuration = format!("port {port}\nbind_address 127.0.0.2\nallow_anonymous true\n");
    let broker = Program::configured(&folder, &configuration);
    assert_eq!(broker.port(), port);
    let mut stream = TcpStream::connect(("127.0.0.2", port)).unwrap();
    stream.write_all(&connect_packet("a", None)).unwrap();
    assert_eq!(read_packet(&mut stream).unwrap()[3], 0);
    // Only there.
    let elsewhere = TcpListener::bind(("127.0.0.1", port));
    assert!(elsewhere.is_ok(), "{elsewhere:?}");
}

/// Shakes hands by TLS 1.2 alone, or by any version; the suite that was agreed on.
fn agreed_suite(broker: &Program, only_tls12: bool) -> Option<rustls::CipherSuite> {
    /// Trusts everybody: this is about versions and suites.
    #[derive(Debug)]
    struct Trusting;

    impl rustls::client::danger::ServerCertVerifier for Trusting {
        fn verify_server_cert(
            &self,
            _: &rustls::pki_types::CertificateDer<'_>,
            _: &[rustls::pki_types::CertificateDer<'_>],
            _: &rustls::pki_types::ServerName<'_>,
            _: &[u8],
            _: rustls::pki_types::UnixTime,
        ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
            Ok(rustls::client::danger::ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &rustls::pki_types::CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &rustls::pki_types::CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            vec![rustls::SignatureScheme::ECDSA_NISTP256_SHA256]
        }
    }

    let versions: &[_] = if only_tls12 {
        &[&rustls::version::TLS12]
    } else {
        &[&rustls::version::TLS13, &rustls::version::TLS12]
    };
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Trusting))
            .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = broker.open();
    while connection.is_handshaking() {
        connection.complete_io(&mut socket).ok()?;
    }
    connection.negotiated_cipher_suite().map(|suite| suite.suite())
}

#[test]
fn tls_versions_and_suites_are_those_configured() {
    use rustls::CipherSuite;
    let folder = Folder::new("tls-options");
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let options = format!(
        "certfile {}\nkeyfile {}\ntls_keyform pem\n",
        folder.file("server.pem", certificate.pem()).display(),
        folder.file("server.key", key.serialize_pem()).display()
    );
    let with = |further: &str| Program::configured(&folder, &format!("{options}{further}"));
    let broker = with("tls_version tlsv1.3\n");
    assert_eq!(agreed_suite(&broker, true), None);
    assert!(agreed_suite(&broker, false).is_some());
    let broker = with("tls_version tlsv1.2\nciphers ECDHE-ECDSA-AES128-GCM-SHA256\n");
    let suite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    assert_eq!(agreed_suite(&broker, true), Some(suite));
    let broker = with("ciphers_tls1.3 TLS_CHACHA20_POLY1305_SHA256\ndhparamfile dh.pem\n");
    assert_eq!(agreed_suite(&broker, false), Some(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256));
    assert!(broker.stop().contains("dhparamfile option has no effect"));
}

#[test]
fn nothing_is_kept_where_persistence_is_off() {
    let folder = Folder::new("no-persistence");
    let configuration = format!("persistence_location {}/\npersistence_file x.db\n", folder.0.display());
    assert!(around(&folder, &format!("persistence false\n{configuration}"), A_MESSAGE).status.success());
    assert!(!folder.0.join("x.db").exists());
    let persistent = format!("persistence true\npersistence_sync true\n{configuration}");
    assert!(around(&folder, &persistent, A_MESSAGE).status.success());
    assert!(folder.0.join("x.db").exists());
    let output = around(&folder, &persistent, "culex sub -t a -C 1 -W 20");
    assert_eq!(text(&output.stdout), "x\n", "{}", text(&output.stderr));
}

#[test]
fn the_sys_topics_are_mosquittos() {
    let folder = Folder::new("sys");
    let broker = Program::configured(&folder, "sys_interval 1\n");
    let (mut client, reason) = broker.connect("s", None);
    assert_eq!(reason, Some(0));
    client.write_all(b"\x82\x0c\0\x01\0\0\x06$SYS/#\0").unwrap();
    let wanted: BTreeSet<_> = include_str!("broker_options/sys-topics.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|topic| format!("$SYS/broker/{topic}"))
        .filter(|topic| cfg!(target_env = "gnu") || !topic.contains("/heap/"))
        .collect();
    let mut found = BTreeSet::new();
    while !wanted.is_subset(&found) {
        let packet =
            read_packet(&mut client).unwrap_or_else(|| panic!("missing: {:?}", wanted.difference(&found)));
        if packet[0] & 0xF0 == 0x30 {
            let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
            found.insert(text(&packet[4..4 + length]));
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the tests of an option are, as `options.txt` writes it.
fn source_of(file: &str) -> PathBuf {
    match file.strip_prefix("src/") {
        Some(_) => root().join(file),
        None => root().join("tests").join(file),
    }
}

#[test]
fn every_option_has_a_test_of_its_effect() {
    let table = fs::read_to_string(root().join("tests/broker_options/options.txt")).unwrap();
    let mut listed = BTreeSet::new();
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (option, test) = line.split_once(' ').unwrap_or_else(|| panic!("no test: {line}"));
        let (file, test) = test.trim().rsplit_once("::").unwrap_or_else(|| panic!("no file: {line}"));
        let source = fs::read_to_string(source_of(file)).unwrap_or_else(|_| panic!("no file {file}"));
        assert!(source.contains(&format!("fn {test}(")), "{option}: no test {test} in {file}");
        assert!(listed.insert(option.to_owned()), "{option} stands there twice");
    }
    let known: BTreeSet<_> = culex::compat::mosquitto_conf::option_names().map(str::to_owned).collect();
    let difference: Vec<_> = known.symmetric_difference(&listed).collect();
    assert!(difference.is_empty(), "options and their table differ in {difference:?}");
}

#[test]
fn the_man_page_names_every_option_that_works() {
    let page = fs::read_to_string(root().join("src/commands/man/culex-broker.roff")).unwrap();
    let words: BTreeSet<_> = page.split([' ', '\n', ',']).collect();
    let table = fs::read_to_string(root().join("tests/broker_options/options.txt")).unwrap();
    let effective =
        table.lines().filter(|line| !line.contains("old_options") && !line.contains("without_effect"));
    let options = effective.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' '));
    let missing: Vec<_> =
        options.map(|(option, _)| option).filter(|option| !words.contains(option)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
