//! TLS, WebSocket and PROXY protocol listeners of the real program.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![cfg(feature = "cli")]

#[path = "support/program.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod program;

use program::{Folder, Program, connect_packet, culex, read_packet, text};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Command;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn parameters(common_name: &str, names: &[&str]) -> CertificateParams {
    let mut params =
        CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn authority(name: &str) -> Authority {
    let mut params = parameters(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Writes `NAME.pem` and `NAME.key`.
fn issue(
    folder: &Folder,
    name: &str,
    params: &CertificateParams,
    authority: &Authority,
) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    (
        folder.file(&format!("{name}.pem"), certificate.pem()),
        folder.file(&format!("{name}.key"), key.serialize_pem()),
    )
}

/// An authority, and a listener's options with a certificate of its.
fn server(folder: &Folder) -> (Authority, String) {
    let authority = authority("authority");
    let ca = folder.file("ca.pem", authority.pem());
    let (certificate, key) =
        issue(folder, "server", &parameters("localhost", &["localhost", "127.0.0.1"]), &authority);
    let options =
        format!("certfile {}\nkeyfile {}\ncafile {}\n", certificate.display(), key.display(), ca.display());
    (authority, options)
}

/// Publishes over TLS with further arguments; whether that worked, and the standard error.
fn publish(broker: &Program, folder: &Folder, arguments: &[&str]) -> (bool, String) {
    let ca = folder.0.join("ca.pem");
    let (port, ca) = (broker.port().to_string(), ca.to_str().unwrap());
    let fixed =
        ["pub", "-h", "127.0.0.1", "-p", &port, "--cafile", ca, "-t", "t", "-m", "x", "-q", "1", "-V", "5"];
    let output = culex(&[&fixed[..], arguments].concat());
    (output.status.success(), text(&output.stderr))
}

fn as_client(pair: &(PathBuf, PathBuf)) -> [&str; 4] {
    ["--cert", pair.0.to_str().unwrap(), "--key", pair.1.to_str().unwrap()]
}

#[test]
fn messages_travel_over_tls_and_its_versions_are_kept() {
    let folder = Folder::new("tls");
    let (_, options) = server(&folder);
    let mut broker = Program::configured(&folder, &options);
    assert_eq!(publish(&broker, &folder, &[]), (true, String::new()));
    assert!(publish(&broker, &folder, &["--tls-version", "tlsv1.3"]).0);
    let large = folder.file("large", vec![b'x'; 1_000_000]);
    let script = format!(
        "culex sub -p {0} --cafile {1} -t big -C 1 > {2}.out & sub=$!; \
         until culex pub -p {0} --cafile {1} -t big -f {2} -r -q 1; do :; done; wait $sub && cmp {2} {2}.out",
        broker.port(),
        folder.0.join("ca.pem").display(),
        large.display()
    );
    // `cmp` sees one byte more: the line's end.
    let output = Command::new("sh")
        .args([
            "-c",
            &format!("PATH={}:$PATH; {script} || test $(wc -c < {}.out) = 1000001", bin(), large.display()),
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));

    // Bytes that are no TLS get an alert, the connection ends, and the log says so.
    let mut plain = broker.open();
    plain.write_all(&connect_packet("plain", None)).unwrap();
    let mut rest = Vec::new();
    let _ = plain.read_to_end(&mut rest);
    assert_ne!(rest.first(), Some(&0x20));
    broker.wait_for("Client <unknown> [127.0.0.1:");
}

fn bin() -> String {
    PathBuf::from(program::CULEX).parent().unwrap().display().to_string()
}

#[test]
fn clients_without_a_valid_certificate_are_refused() {
    let folder = Folder::new("mutual");
    let (authority, options) = server(&folder);
    let broker = Program::configured(&folder, &format!("{options}require_certificate true\n"));
    let good = issue(&folder, "good", &parameters("good", &[]), &authority);
    assert_eq!(publish(&broker, &folder, &as_client(&good)), (true, String::new()));
    assert!(!publish(&broker, &folder, &[]).0, "no certificate");
    let stranger = issue(&folder, "stranger", &parameters("good", &[]), &self::authority("authority"));
    assert!(!publish(&broker, &folder, &as_client(&stranger)).0, "another authority of the same name");
    let mut old = parameters("good", &[]);
    old.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let old = issue(&folder, "old", &old, &authority);
    assert!(!publish(&broker, &folder, &as_client(&old)).0, "expired");
    let log = broker.stop();
    assert!(log.to_lowercase().contains("expired"), "{log}");
}

#[test]
fn authorities_may_lie_in_a_folder() {
    let folder = Folder::new("capath");
    let (authority, options) = server(&folder);
    std::fs::create_dir(folder.0.join("authorities")).unwrap();
    // As `openssl rehash` names them; files of other names are passed over.
    folder.file("authorities/0a1b2c3d.0", authority.pem());
    let other = self::authority("other");
    folder.file("authorities/other.pem", other.pem());
    let options = options.replace("cafile", "capath").replace("ca.pem", "authorities");
    let broker = Program::configured(&folder, &format!("{options}require_certificate true\n"));
    let good = issue(&folder, "good", &parameters("good", &[]), &authority);
    assert_eq!(publish(&broker, &folder, &as_client(&good)), (true, String::new()));
    let stranger = issue(&folder, "stranger", &parameters("good", &[]), &other);
    assert!(!publish(&broker, &folder, &as_client(&stranger)).0);
}

#[test]
fn dates_of_client_certificates_can_be_ignored() {
    let folder = Folder::new("dates");
    let (authority, options) = server(&folder);
    let options = format!("{options}require_certificate true\ndisable_client_cert_date_checks true\n");
    let broker = Program::configured(&folder, &options);
    let mut old = parameters("good", &[]);
    (old.not_before, old.not_after) = (rcgen::date_time_ymd(2000, 1, 1), rcgen::date_time_ymd(2001, 1, 1));
    let old = issue(&folder, "old", &old, &authority);
    assert_eq!(publish(&broker, &folder, &as_client(&old)), (true, String::new()));
    let stranger = issue(&folder, "stranger", &parameters("good", &[]), &self::authority("authority"));
    assert!(!publish(&broker, &folder, &as_client(&stranger)).0);
}

#[test]
fn revoked_clients_are_refused_and_the_rest_is_not() {
    let folder = Folder::new("crl");
    let (authority, options) = server(&folder);
    let serial = |number: u8| Some(SerialNumber::from_slice(&[number]));
    let mut params = parameters("good", &[]);
    params.serial_number = serial(7);
    let good = issue(&folder, "good", &params, &authority);
    params.serial_number = serial(8);
    let bad = issue(&folder, "bad", &params, &authority);
    let list = |revoked: &[u8], authority: &Authority| {
        let entry = |number: &u8| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&[*number]),
            revocation_time: rcgen::date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2024, 1, 1),
            next_update: rcgen::date_time_ymd(2999, 1, 1),
            crl_number: SerialNumber::from_slice(&[1]),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(authority).unwrap().pem().unwrap()
    };
    let crl = folder.file("crl.pem", list(&[8], &authority));
    let options = format!("{options}require_certificate true\ncrlfile {}\nlog_type all\n", crl.display());
    let mut broker = Program::configured(&folder, &options);
    assert_eq!(publish(&broker, &folder, &as_client(&good)), (true, String::new()));
    assert!(!publish(&broker, &folder, &as_client(&bad)).0);

    // Another list holds after SIGHUP; one that cannot be read changes nothing.
    folder.file("crl.pem", list(&[7], &authority));
    broker.signal(libc::SIGHUP);
    broker.wait_for("Reloading config.");
    while publish(&broker, &folder, &as_client(&good)).0 {}
    assert!(publish(&broker, &folder, &as_client(&bad)).0);
    folder.file("crl.pem", "nonsense");
    broker.signal(libc::SIGHUP);
    broker.wait_for("no certificate revocation list found");
    assert!(publish(&broker, &folder, &as_client(&bad)).0);

    // A list that the issuer has not signed is worth nothing.
    folder.file("crl.pem", list(&[], &self::authority("authority")));
    broker.signal(libc::SIGHUP);
    broker.wait_for("Reloading config.");
    while publish(&broker, &folder, &as_client(&bad)).0 {}
}

#[test]
fn the_certificate_names_the_user() {
    let folder = Folder::new("identity");
    let (authority, options) = server(&folder);
    let mut params = parameters("device 7", &[]);
    params.distinguished_name.push(DnType::OrganizationName, "Example");
    let client = issue(&folder, "client", &params, &authority);
    for (option, name) in [("use_identity", "device 7"), ("use_subject", "O=Example,CN=device 7")] {
        let options =
            format!("allow_anonymous false\n{options}require_certificate true\n{option}_as_username true\n");
        let mut broker = Program::configured(&folder, &options);
        assert_eq!(publish(&broker, &folder, &as_client(&client)), (true, String::new()));
        assert!(broker.wait_for("New client connected").contains(&format!("u'{name}'")), "{}", broker.seen);
    }
}

#[test]
fn certificates_that_cannot_serve_end_the_start() {
    let folder = Folder::new("wrong-tls");
    let (authority, options) = server(&folder);
    let (_, other_key) = issue(&folder, "other", &parameters("x", &[]), &authority);
    let no_list = folder.file("crl.pem", "");
    let cases = [
        (format!("{options}certfile /nonexistent/c.pem\n"), "/nonexistent/c.pem: No such file"),
        (format!("{options}certfile {}\n", other_key.display()), "no certificate found"),
        (format!("{options}keyfile {}\n", folder.0.join("ca.pem").display()), "no usable private key"),
        (format!("{options}keyfile {}\n", other_key.display()), "does not belong to the certificate"),
        (format!("{options}ciphers RC4-MD5\n"), "no supported cipher in 'RC4-MD5'"),
        (format!("{options}ciphers_tls1.3 NO\n"), "no supported cipher in 'NO'"),
        (
            format!("{options}require_certificate true\ncrlfile {}\n", no_list.display()),
            "no certificate revocation list",
        ),
    ];
    for (configuration, sentence) in cases {
        let file = folder.file("broker.conf", &configuration);
        for flags in [&["--test-config", "-c"][..], &["-p", "0", "-c"]] {
            let output = Command::new(program::BROKER).args(flags).arg(&file).output().unwrap();
            let error = text(&output.stderr);
            assert!(matches!(output.status.code(), Some(1 | 3)), "{configuration}");
            assert!(error.contains(sentence), "{configuration}: {error}");
        }
    }
}

/// Keys, and a listener's options that ask for them.
fn with_keys(folder: &Folder, keys: &str) -> String {
    format!("psk_file {}\npsk_hint somewhere\n", folder.file("keys", keys).display())
}

#[cfg(not(feature = "psk"))]
#[test]
fn pre_shared_keys_that_are_not_built_in_end_the_start() {
    let folder = Folder::new("no-psk");
    let file = folder.file("broker.conf", with_keys(&folder, "me:c0ffee\n"));
    let output = Command::new(program::BROKER).args(["-p", "0", "-c"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.ends_with("Error: pre-shared key: not built into this version\n"), "{error}");
}

/// Publishes with a pre-shared key; whether that worked, and the standard error.
#[cfg(feature = "psk")]
fn publish_with_key(broker: &Program, identity: &str, key: &str, arguments: &[&str]) -> (bool, String) {
    let port = broker.port().to_string();
    let fixed = ["pub", "-h", "127.0.0.1", "-p", &port, "-t", "t", "-m", "x", "-q", "1"];
    let output = culex(&[&fixed[..], &["--psk-identity", identity, "--psk", key], arguments].concat());
    (output.status.success(), text(&output.stderr))
}

#[cfg(feature = "psk")]
#[test]
fn clients_prove_that_they_know_a_key() {
    let folder = Folder::new("psk");
    let options = with_keys(&folder, "# whose is which\nme: c0ffee\r\n\nzero:00C0FFEE\n");
    let mut broker = Program::configured(&folder, &options);
    let good = (true, String::new());
    assert_eq!(publish_with_key(&broker, "me", "c0ffee", &[]), good);
    assert_eq!(publish_with_key(&broker, "zero", "00c0ffee", &[]), good);
    assert_eq!(publish_with_key(&broker, "me", "c0ffee", &["--ciphers", "PSK-AES128-GCM-SHA256"]), good);
    // Who is unknown and who has a wrong key hear the same.
    let wrong_key = publish_with_key(&broker, "me", "c0ffef", &[]);
    broker.wait_for("Client <unknown> [127.0.0.1:");
    let unknown = publish_with_key(&broker, "nobody", "c0ffee", &[]);
    assert!(!wrong_key.0);
    assert_eq!(wrong_key, unknown);
    // Without a key there is nothing to agree on, and bytes that are no TLS end the connection.
    assert!(
        !culex(&["pub", "-p", &broker.port().to_string(), "--tls-use-os-certs", "-t", "t", "-m", "x"])
            .status
            .success()
    );
    let mut plain = broker.open();
    plain.write_all(&connect_packet("plain", None)).unwrap();
    let mut rest = Vec::new();
    let _ = plain.read_to_end(&mut rest);
    assert_ne!(rest.first(), Some(&0x20));

    // Other keys hold after SIGHUP; ones that cannot be read change nothing.
    folder.file("keys", "me:c0ffef\n");
    broker.signal(libc::SIGHUP);
    broker.wait_for("Reloading config.");
    while publish_with_key(&broker, "me", "c0ffee", &[]).0 {}
    assert_eq!(publish_with_key(&broker, "me", "c0ffef", &[]), good);
    folder.file("keys", "me:c0ffee\nme\n");
    broker.signal(libc::SIGHUP);
    broker.wait_for("keys:2: a line has no ':'");
    assert_eq!(publish_with_key(&broker, "me", "c0ffef", &[]), good);
}

#[cfg(feature = "psk")]
#[test]
fn the_identity_of_a_key_names_the_user() {
    let folder = Folder::new("psk-identity");
    let options = with_keys(&folder, "device 7:c0ffee\n");
    let options = format!("allow_anonymous false\n{options}use_identity_as_username true\n");
    let mut broker = Program::configured(&folder, &options);
    assert_eq!(publish_with_key(&broker, "device 7", "c0ffee", &[]), (true, String::new()));
    assert!(broker.wait_for("New client connected").contains("u'device 7'"), "{}", broker.seen);
}

#[cfg(feature = "psk")]
#[test]
fn keys_that_cannot_be_used_end_the_start() {
    let folder = Folder::new("wrong-psk");
    let cases = [
        (with_keys(&folder, "me:c0ffeg\n"), "keys:1: the key is not hexadecimal"),
        ("use_psk true\npsk_file /nonexistent/keys\n".to_owned(), "/nonexistent/keys: No such file"),
        (format!("{}ciphers NO\n", with_keys(&folder, "me:c0ffee\n")), "pre-shared key: "),
        (
            format!(
                "use_psk true\npsk_file {}\npsk_hint {}\n",
                folder.file("k", "a:01").display(),
                "x".repeat(257)
            ),
            "the hint is too long",
        ),
    ];
    for (configuration, sentence) in cases {
        let is_wrong = sentence.starts_with("keys:");
        folder.file("keys", if is_wrong { "me:c0ffeg\n" } else { "me:c0ffee\n" });
        let file = folder.file("broker.conf", &configuration);
        for flags in [&["--test-config", "-c"][..], &["-p", "0", "-c"]] {
            let output = Command::new(program::BROKER).args(flags).arg(&file).output().unwrap();
            let error = text(&output.stderr);
            assert!(matches!(output.status.code(), Some(1 | 3)), "{configuration}");
            assert!(error.contains(sentence), "{configuration}: {error}");
        }
    }
}

#[test]
fn secrets_can_be_logged_for_those_who_look_at_packets() {
    let folder = Folder::new("keylog");
    let (_, options) = server(&folder);
    let file = folder.file("broker.conf", &options);
    let key_log = folder.0.join("keys");
    let arguments = ["--tls-keylog".as_ref(), key_log.as_os_str(), "-c".as_ref(), file.as_os_str()];
    let broker = Program::start(&arguments);
    assert!(publish(&broker, &folder, &[]).0);
    let keys = std::fs::read_to_string(&key_log).unwrap();
    assert!(keys.contains("SERVER_TRAFFIC_SECRET_0"), "{keys}");
}

#[test]
fn an_ephemeral_authority_lives_as_long_as_the_command() {
    let script = "culex pub -L \"$MQTTS_URL/t\" --cafile \"$MQTT_CA_FILE\" -m over-tls -r && \
                  culex sub -L \"$MQTT_URL/t\" -C 1 -W 20 && \
                  culex sub -L \"$MQTT_WS_URL\" -t t -C 1 -W 20 && \
                  echo \"$MQTT_CA_FILE\"; echo \"$MQTT_WSS_URL\"";
    let output = culex(&["broker", "--tls-ephemeral", "--ws-port", "0", "--exec", "--", "sh", "-c", script]);
    let out = text(&output.stdout);
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[..2], ["over-tls"; 2], "{out} {}", text(&output.stderr));
    let (ca_file, url) = (lines[lines.len() - 2], lines[lines.len() - 1]);
    assert!(ca_file.ends_with(".pem") && !std::path::Path::new(ca_file).exists(), "{ca_file}");
    assert!(url.starts_with("wss://127.0.0.1:") && url.ends_with("/mqtt"), "{url}");
}

/// Upgrades a connection by hand with these further headers; the status line.
fn upgrade(broker: &Program, headers: &str) -> (std::net::TcpStream, String) {
    let mut stream = broker.open();
    let request = format!(
        "GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) > 0 {
        answer.push(byte[0]);
    }
    let line = text(&answer).lines().next().unwrap_or_default().to_owned();
    (stream, line)
}

/// A frame of a client, masked with zeros.
fn frame(first: u8, content: &[u8]) -> Vec<u8> {
    assert!(content.len() < 126);
    [&[first, 0x80 | content.len() as u8, 0, 0, 0, 0][..], content].concat()
}

const MQTT: &str = "Sec-WebSocket-Protocol: mqtt\r\n";

#[test]
fn packets_may_lie_in_frames_as_they_like() {
    let folder = Folder::new("ws");
    let broker = Program::configured(&folder, "protocol websockets\n");
    let (mut stream, status) = upgrade(&broker, MQTT);
    assert_eq!(status, "HTTP/1.1 101 Switching Protocols");
    // One packet over two frames, of which one is a fragment; a ping between; then two packets in one frame.
    let connect = connect_packet("ws", None);
    stream.write_all(&frame(0x02, &connect[..5])).unwrap();
    stream.write_all(&frame(0x89, b"ping")).unwrap();
    stream.write_all(&frame(0x80, &connect[5..9])).unwrap();
    stream.write_all(&frame(0x82, &[&connect[9..], &[0xC0, 0, 0xC0, 0]].concat())).unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(&[0xD0, 0]) {
        let mut head = [0; 2];
        stream.read_exact(&mut head).unwrap();
        let mut content = vec![0; usize::from(head[1])];
        stream.read_exact(&mut content).unwrap();
        match head[0] {
            0x8A => assert_eq!(content, b"ping"),
            0x82 => seen.extend(content),
            other => panic!("a frame of kind {other:#x}"),
        }
    }
    assert_eq!(seen[0], 0x20);
    assert!(seen.ends_with(&[0xD0, 0, 0xD0, 0]));
    // A frame of text ends the connection [MQTT-6.0.0-1].
    stream.write_all(&frame(0x81, &[0xC0, 0])).unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(!rest.contains(&0xD0), "{rest:02x?}");
}

#[test]
fn requests_that_are_no_upgrade_to_mqtt_are_refused_and_logged() {
    let folder = Folder::new("ws-refused");
    let configuration =
        "protocol websockets\nwebsockets_origin https://a.example\nwebsockets_headers_size 1000\n";
    let mut broker = Program::configured(&folder, configuration);
    let origin = "Origin: https://a.example\r\n";
    assert_eq!(upgrade(&broker, &format!("{MQTT}{origin}")).1, "HTTP/1.1 101 Switching Protocols");
    assert_eq!(upgrade(&broker, origin).1, "HTTP/1.1 400 Bad Request");
    broker.wait_for("the subprotocol mqtt was not offered");
    assert_eq!(upgrade(&broker, MQTT).1, "HTTP/1.1 403 Forbidden");
    broker.wait_for("this origin may not connect");
    let long = format!("{MQTT}{origin}Cookie: {}\r\n", "x".repeat(1000));
    assert_eq!(upgrade(&broker, &long).1, "HTTP/1.1 431 Request Header Fields Too Large");
    broker.wait_for("the headers are too long");
    for nonsense in [
        "GET / HTTP/1.1\r\n\r\n",
        "\x10\x0c\0\x04MQTT\x05\x02\0\x3c\0\0\0\r\n\r\n",
        "POST / HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = broker.open();
        stream.write_all(nonsense.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 101"), "{nonsense}");
        broker.wait_for("Client <unknown> [127.0.0.1:");
    }
}

#[test]
fn a_huge_frame_is_refused_when_it_is_announced() {
    let folder = Folder::new("ws-huge");
    let broker = Program::configured(&folder, "protocol websockets\n");
    let (mut stream, _) = upgrade(&broker, MQTT);
    let huge = [&[0x82, 0xFF][..], &(1_u64 << 40).to_be_bytes(), &[0; 4]].concat();
    stream.write_all(&huge).unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(!rest.contains(&0x20));
}

/// A peer that pings without end and takes no pong is answered from a bounded buffer, and others are served.
#[cfg(target_os = "linux")]
#[test]
fn pings_whose_pongs_are_not_read_cost_no_memory() {
    let folder = Folder::new("ws-pings");
    let broker = Program::configured(&folder, "protocol websockets\n");
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", broker.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<usize>().unwrap()
    };
    let (mut stream, _) = upgrade(&broker, MQTT);
    stream.write_all(&frame(0x82, &connect_packet("pings", None))).unwrap();
    let before = resident();
    let pings = frame(0x89, &[b'p'; 100]).repeat(1000);
    // 100 MB; the broker may also give up on such a peer.
    let sent = (0..950).take_while(|_| stream.write_all(&pings).is_ok()).count();
    let (mut other, _) = upgrade(&broker, MQTT);
    other.write_all(&frame(0x82, &connect_packet("other", None))).unwrap();
    assert!(other.read(&mut [0; 100]).unwrap() > 4);
    let grown = resident().saturating_sub(before);
    assert!(grown < 10_000, "{sent} times 100 kB of pings, and {grown} KiB more are held");
}

#[test]
fn the_log_names_whom_the_proxy_connects_for() {
    let folder = Folder::new("forwarded");
    let mut broker = Program::configured(&folder, "protocol websockets\n");
    let (_stream, _) = upgrade(&broker, &format!("{MQTT}X-Forwarded-For: 192.0.2.7, 198.51.100.1\r\n"));
    broker.wait_for("New connection from 192.0.2.7:");

    let mut broker = Program::configured(&folder, "enable_proxy_protocol 1\n");
    let mut stream = broker.open();
    stream.write_all(b"PROXY TCP4 192.0.2.8 198.51.100.1 4711 1883\r\n").unwrap();
    stream.write_all(&connect_packet("a", None)).unwrap();
    assert_eq!(read_packet(&mut stream).unwrap()[3], 0);
    broker.wait_for("New connection from 192.0.2.8:4711 on port");
    // Without the header nobody is let in.
    let mut stream = broker.open();
    stream.write_all(&connect_packet("a", None)).unwrap();
    assert_eq!(read_packet(&mut stream), None);
    broker.wait_for("no valid PROXY protocol header");

    let mut broker = Program::configured(&folder, "enable_proxy_protocol 2\n");
    let mut stream = broker.open();
    let header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x09\xc6\x33\x64\x01\x12\x67\x07\x5b";
    stream.write_all(&[&header[..], &connect_packet("a", None)].concat()).unwrap();
    assert_eq!(read_packet(&mut stream).unwrap()[3], 0);
    broker.wait_for("New connection from 192.0.2.9:4711 on port");
}
