//! TLS, pre-shared keys and WebSocket between our clients and both brokers, and Debian's clients and our broker.
//!
//! Certificates are made on the fly. Debian's mosquitto 2.0.11 is built without WebSocket, so that part says so and goes on.

use crate::support::{Broker, program, scratch};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TLS_ERROR: &str = "Unable to connect (A TLS error occurred).\n";
const LOST: &str = "Error: The connection was lost\n";

/// Files of certificates in a folder of their own.
struct Certificates {
    folder: PathBuf,
    authority: CertifiedIssuer<'static, KeyPair>,
}

fn parameters(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = parameters(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl Certificates {
    /// `ca.pem`, `other.pem` (of another authority), a folder `hashed`, and pairs `server`, `expired` and `client`.
    fn new() -> Self {
        let folder = scratch("certificates");
        std::fs::create_dir_all(folder.join("hashed")).unwrap();
        let this = Self { folder, authority: authority("authority") };
        std::fs::write(this.path("ca.pem"), this.authority.pem()).unwrap();
        std::fs::write(this.path("hashed/0a1b2c3d.0"), this.authority.pem()).unwrap();
        std::fs::write(this.path("other.pem"), authority("other").pem()).unwrap();
        this.issue("server", &parameters("server", &["localhost"]));
        this.issue("client", &parameters("client", &[]));
        let mut expired = parameters("expired", &["localhost"]);
        expired.not_after = rcgen::date_time_ymd(2001, 1, 1);
        this.issue("expired", &expired);
        this
    }

    fn issue(&self, name: &str, params: &CertificateParams) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        std::fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A broker's lines for the pair `name`.
    fn listener(&self, name: &str) -> String {
        let path = |name: &str| self.path(name).display().to_string();
        format!(
            "cafile {}\ncertfile {}\nkeyfile {}\n",
            path("ca.pem"),
            path(&format!("{name}.pem")),
            path(&format!("{name}.key"))
        )
    }

    /// Words in which `@` stands for the folder.
    fn words(&self, line: &str) -> Vec<String> {
        line.split_whitespace().map(|word| word.replace('@', self.folder.to_str().unwrap())).collect()
    }
}

/// Both brokers, as far as they are there, with the same lines of configuration.
fn brokers(options: &str) -> Vec<(&'static str, Broker)> {
    let mosquitto = Broker::mosquitto_with(options).map(|broker| ("mosquitto", broker));
    [("culex", Broker::ours_with(options))].into_iter().chain(mosquitto).collect()
}

/// Publishes one message of QoS 1; status and standard error.
fn publish(maker: &str, port: u16, arguments: &[String]) -> (Option<i32>, String) {
    let mut command = match maker {
        "mosquitto" => Command::new("mosquitto_pub"),
        _ => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_culex-pub"));
            command.arg("--strict");
            command
        }
    };
    let output = command
        .args(["-p", &port.to_string(), "-q", "1", "-t", "t", "-m", "x"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Arguments and what must come of them, at every broker.
fn hold(certificates: &Certificates, options: &str, cases: &[(&str, i32, &str)]) {
    for (broker, running) in brokers(options) {
        for (line, status, complaint) in cases {
            let got = publish("culex", running.port, &certificates.words(line));
            assert_eq!(got, (Some(*status), (*complaint).to_owned()), "{broker}: {line}");
        }
    }
}

#[test]
fn a_server_is_trusted_for_its_name_by_its_authority() {
    let certificates = Certificates::new();
    let cases = [
        ("-h localhost --cafile @/ca.pem", 0, ""),
        ("-h localhost --capath @/hashed", 0, ""),
        ("-h localhost --cafile @/ca.pem --tls-version tlsv1.3", 0, ""),
        ("-h localhost --cafile @/ca.pem --tls-version tlsv1.2", 0, ""),
        ("-h localhost --cafile @/ca.pem --ciphers ECDHE-ECDSA-AES128-GCM-SHA256", 0, ""),
        ("-h localhost --cafile @/ca.pem --ciphers TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", 0, ""),
        ("-h localhost --cafile @/other.pem", 1, TLS_ERROR),
        ("-h localhost --cafile @/other.pem --insecure", 1, TLS_ERROR),
        ("-h localhost --tls-use-os-certs", 1, TLS_ERROR),
        ("-h localhost --tls-use-os-certs --cafile @/ca.pem", 0, ""),
        ("-h 127.0.0.1 --cafile @/ca.pem", 1, TLS_ERROR),
        ("-h 127.0.0.1 --cafile @/ca.pem --insecure", 0, ""),
        ("-h localhost --cafile @/ca.pem --cert @/server.pem --key @/client.key", 1, TLS_ERROR),
    ];
    hold(&certificates, &certificates.listener("server"), &cases);
}

/// Debian's broker says nothing to a client that speaks no TLS; ours sends an alert, which is no MQTT.
#[test]
fn a_client_without_tls_is_turned_away() {
    let certificates = Certificates::new();
    for (broker, running) in brokers(&certificates.listener("server")) {
        let expected = match broker {
            "mosquitto" => (Some(7), LOST.to_owned()),
            _ => (Some(14), "Error: Protocol error\n".to_owned()),
        };
        for line in ["-h localhost --cafile @/ca.pem --no-tls", "-h localhost"] {
            assert_eq!(
                publish("culex", running.port, &certificates.words(line)),
                expected,
                "{broker}: {line}"
            );
        }
    }
}

#[test]
fn an_expired_server_is_not_trusted() {
    let certificates = Certificates::new();
    let cases = [
        ("-h localhost --cafile @/ca.pem", 1, TLS_ERROR),
        ("-h localhost --cafile @/ca.pem --insecure", 1, TLS_ERROR),
        ("-h localhost --cafile @/expired.pem", 1, TLS_ERROR),
    ];
    hold(&certificates, &certificates.listener("expired"), &cases);
}

#[test]
fn a_server_that_speaks_no_tls_is_a_tls_error() {
    let certificates = Certificates::new();
    hold(&certificates, "", &[("-h localhost --cafile @/ca.pem", 1, TLS_ERROR)]);
}

#[test]
fn a_server_may_ask_for_a_certificate_of_the_client() {
    let certificates = Certificates::new();
    let options = certificates.listener("server") + "require_certificate true\n";
    let cases = [
        ("-h localhost --cafile @/ca.pem --cert @/client.pem --key @/client.key", 0, ""),
        ("-h localhost --cafile @/ca.pem --tls-version tlsv1.3", 7, LOST),
    ];
    hold(&certificates, &options, &cases);
}

/// `sub` does not come back for ever to a server that does not want it.
#[test]
fn sub_ends_when_the_server_wants_a_certificate() {
    let certificates = Certificates::new();
    for (broker, running) in brokers(&(certificates.listener("server") + "require_certificate true\n")) {
        let output = Command::new(env!("CARGO_BIN_EXE_culex-sub"))
            .args(["-h", "localhost", "-p", &running.port.to_string(), "-t", "t", "--cafile"])
            .arg(certificates.path("ca.pem"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(7), "{broker}: {complaint}");
        assert!(
            complaint.starts_with(LOST) && complaint.contains("CertificateRequired"),
            "{broker}: {complaint}"
        );
    }
}

#[test]
fn encrypted_keys_of_every_form_open_with_their_pass_phrase() {
    let certificates = Certificates::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
    let fixture = |name: &str| fixtures.join(name).display().to_string();
    let pass = certificates.path("pass");
    std::fs::write(&pass, "sesame\n").unwrap();
    let options = certificates.listener("server");
    // The client's certificate of these keys is of version 1 and another authority.
    let options = options.replace(certificates.path("ca.pem").to_str().unwrap(), &fixture("ca.crt"));
    let Some(broker) = Broker::mosquitto_with(&(options + "require_certificate true\n")) else { return };
    let publish = |key: &str, pass: &Path| {
        Command::new(env!("CARGO_BIN_EXE_culex-pub"))
            .args([
                "-h",
                "localhost",
                "-p",
                &broker.port.to_string(),
                "-t",
                "t",
                "-m",
                "x",
                "-q",
                "1",
                "--cafile",
            ])
            .arg(certificates.path("ca.pem"))
            .args(["--cert", &fixture("v1.crt"), "--key", &fixture(key), "--keypass-file"])
            .arg(pass)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    for key in ["v1.key", "v1-aes128-legacy.key", "v1-des3-legacy.key", "v1-pkcs8.key"] {
        let output = publish(key, &pass);
        assert!(output.status.success(), "{key}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let wrong = certificates.path("wrong");
    std::fs::write(&wrong, "open\n").unwrap();
    let output = publish("v1-pkcs8.key", &wrong);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.starts_with(TLS_ERROR.as_bytes()), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_key_log_has_the_secrets_of_the_connection() {
    let certificates = Certificates::new();
    let log = certificates.path("keys.log");
    let cases = [
        ("-h localhost --cafile @/ca.pem --tls-keylog @/keys.log --tls-version tlsv1.3", 0, ""),
        ("-h localhost --cafile @/ca.pem --tls-keylog @/keys.log --ciphers HIGH", 0, ""),
    ];
    hold(&certificates, &certificates.listener("server"), &cases);
    let text = std::fs::read_to_string(log).unwrap();
    for label in ["CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"] {
        let mut lines = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let line = lines.find(|words| words[0] == label).expect(label);
        assert_eq!((line.len(), line[1].len()), (3, 64), "{line:?}");
    }
}

/// Debian's clients, which are OpenSSL's, take our broker for what it says it is.
#[test]
fn debians_clients_speak_tls_with_our_broker() {
    if program("mosquitto_pub").is_none() {
        return;
    }
    let certificates = Certificates::new();
    let ours = Broker::ours_with(&(certificates.listener("server") + "require_certificate true\n"));
    let with_certificate = "-h localhost --cafile @/ca.pem --cert @/client.pem --key @/client.key";
    let got = publish("mosquitto", ours.port, &certificates.words(with_certificate));
    assert_eq!(got, (Some(0), String::new()));
    let (status, _) = publish("mosquitto", ours.port, &certificates.words("-h localhost --cafile @/ca.pem"));
    assert_ne!(status, Some(0));
}

#[test]
fn messages_travel_over_websocket_with_and_without_tls() {
    let certificates = Certificates::new();
    for (options, url, tls) in [
        ("protocol websockets\n".to_owned(), "ws", ""),
        (certificates.listener("server") + "protocol websockets\n", "wss", "--cafile @/ca.pem"),
    ] {
        let broker = Broker::ours_with(&options);
        let flags = format!("-h localhost --ws {tls}");
        assert_eq!(publish("culex", broker.port, &certificates.words(&flags)), (Some(0), String::new()));
        let url = format!("-L {url}://localhost:{}/t -r -q 2 {tls}", broker.port);
        assert_eq!(publish("culex", broker.port, &certificates.words(&url)), (Some(0), String::new()));
        let output = Command::new(env!("CARGO_BIN_EXE_culex-sub"))
            .args(["-p", &broker.port.to_string(), "-t", "t", "-q", "2", "-C", "1", "-F", "%q %r %p"])
            .args(certificates.words(&flags))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "2 1 x\n", "{options}");
    }
}

/// With the feature only: Debian's mosquitto is built with pre-shared keys.
#[cfg(feature = "psk")]
#[test]
fn a_pre_shared_key_is_enough_for_both_sides() {
    let certificates = Certificates::new();
    std::fs::write(certificates.path("keys"), "me:c0ffee\nzero:00c0ffee\n").unwrap();
    let options = format!("psk_hint hint\npsk_file {}\n", certificates.path("keys").display());
    let Some(broker) = Broker::mosquitto_with(&options) else { return };
    for (line, status, complaint) in [
        ("--psk c0ffee --psk-identity me", 0, ""),
        ("--psk 00C0FFEE --psk-identity zero", 0, ""),
        ("--psk c0ffee --psk-identity zero", 1, TLS_ERROR),
        ("--psk c0ffee --psk-identity me --ciphers PSK-AES128-CBC-SHA256", 0, ""),
        ("--psk c0ffee --psk-identity me --ciphers ECDHE-RSA-AES128-GCM-SHA256", 1, TLS_ERROR),
        ("--psk c0ffee --psk-identity me --ciphers NO-SUCH", 1, TLS_ERROR),
        ("--psk c0ffee --psk-identity me --tls-version tlsv1.3", 1, TLS_ERROR),
        ("--psk c0ff --psk-identity me", 1, TLS_ERROR),
        ("--psk c0ffee --psk-identity nobody", 1, TLS_ERROR),
    ] {
        let got = publish("culex", broker.port, &certificates.words(&format!("-h localhost {line}")));
        assert_eq!(got, (Some(status), complaint.to_owned()), "{line}");
    }
}

#[cfg(feature = "psk")]
#[test]
fn debians_clients_prove_their_keys_to_our_broker() {
    if program("mosquitto_pub").is_none() {
        return;
    }
    let certificates = Certificates::new();
    std::fs::write(certificates.path("keys"), "me:c0ffee\nzero:00c0ffee\n").unwrap();
    let options = format!("psk_hint hint\npsk_file {}\n", certificates.path("keys").display());
    let ours = Broker::ours_with(&options);
    let publish = |line: &str| publish("mosquitto", ours.port, &certificates.words(line)).0;
    assert_eq!(publish("-h localhost --psk c0ffee --psk-identity me"), Some(0));
    assert_eq!(publish("-h localhost --psk 00C0FFEE --psk-identity zero"), Some(0));
    assert_ne!(publish("-h localhost --psk c0ffee --psk-identity zero"), Some(0));
    assert_ne!(publish("-h localhost --psk c0ffee --psk-identity nobody"), Some(0));
}
