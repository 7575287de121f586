//! Configurations that are read and ones that are refused.

use super::*;
use crate::net::server::{AddressFamily, ListenAddress, ProxyProtocol};
use crate::net::store::StorePlan;
use crate::net::tls::{Identity, ServerIdentity, TlsServerSettings};
use crate::net::websocket::WebSocketPlan;
use crate::packet::Qos;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A folder with files, gone at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("culex-conf-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn read(text: &str) -> Result<Settings, ConfigurationError> {
    let folder = Folder::new();
    Settings::read(&folder.file("x.conf", text))
}

/// The message, with the folder's name left out.
fn refusal(text: &str) -> String {
    let folder = Folder::new();
    let error = Settings::read(&folder.file("x.conf", text)).unwrap_err();
    error.to_string().replace(&format!("{}/", folder.0.display()), "")
}

#[test]
fn a_wrong_line_is_named_with_its_number_and_one_sentence() {
    let table = [
        ("foo bar", "Unknown configuration variable \"foo\"."),
        ("listener", "Empty listener value in configuration."),
        ("listener 70000", "Invalid port value (70000)."),
        ("listener x", "Invalid port value (x)."),
        ("listener 0", "A listener with port 0 must provide a Unix socket path."),
        ("port 0", "Invalid port value (0)."),
        ("persistence maybe", "Invalid persistence value (maybe)."),
        ("max_keepalive abc", "Invalid max_keepalive value (abc)."),
        ("max_keepalive 65536", "max_keepalive must be between 0 and 65535 inclusive."),
        ("max_keepalive -1", "max_keepalive must be between 0 and 65535 inclusive."),
        ("max_qos 3", "max_qos must be between 0 and 2 inclusive."),
        ("maximum_qos x", "Invalid maximum_qos value (x)."),
        ("max_packet_size 19", "Invalid max_packet_size value (19)."),
        ("max_connections", "Empty max_connections value in configuration."),
        ("max_inflight_messages 1.5", "Invalid max_inflight_messages value (1.5)."),
        ("message_size_limit 268435456", "message_size_limit must be between 0 and 268435455 inclusive."),
        ("persistent_client_expiration 3x", "Invalid persistent_client_expiration value (3x)."),
        ("persistent_client_expiration 0d", "Invalid persistent_client_expiration value (0d)."),
        ("persistent_client_expiration d", "Invalid persistent_client_expiration value (d)."),
        ("accept_protocol_versions 3,6", "Invalid accept_protocol_versions value (3,6)."),
        ("log_dest foo", "Invalid log_dest value (foo)."),
        ("log_dest syslog", "The log_dest syslog option is not supported by culex."),
        ("log_type foo", "Invalid log_type value (foo)."),
        ("protocol foo", "Invalid protocol value (foo)."),
        ("protocol http_api", "The protocol http_api option is not supported by culex."),
        ("tls_version tlsv2", "Invalid tls_version value (tlsv2)."),
        ("tls_keyform engine", "The tls_keyform engine option is not supported by culex."),
        ("tls_keyform der", "Invalid tls_keyform value (der)."),
        ("enable_proxy_protocol 3", "Invalid enable_proxy_protocol value (3)."),
        ("socket_domain unix", "Invalid socket_domain value (unix)."),
        ("bind_interface", "Empty bind_interface value in configuration."),
        ("websockets_headers_size x", "Invalid websockets_headers_size value (x)."),
        (
            "websockets_log_level 255\nlistener 1884\nkeyfile k",
            "A listener with TLS must have both certfile and keyfile.",
        ),
        ("listener 1884\ncafile k", "A listener with TLS must have both certfile and keyfile."),
        ("certfile c\nkeyfile k\nrequire_certificate true", "require_certificate needs cafile or capath."),
        (
            "certfile c\nkeyfile k\nuse_identity_as_username true",
            "use_identity_as_username and use_subject_as_username need require_certificate true.",
        ),
        ("psk_hint", "Empty psk_hint value in configuration."),
        ("psk_file", "Empty psk_file value in configuration."),
        ("use_psk maybe", "Invalid use_psk value (maybe)."),
        ("listener 1884\nuse_psk true", "A listener with pre-shared keys needs psk_file."),
        (
            "psk_file p\nlistener 1884\ncertfile c\nkeyfile k\npsk_hint h",
            "A listener has either a certificate or pre-shared keys: give each a listener of its own.",
        ),
        ("allow_anonymous yes", "Invalid allow_anonymous value (yes)."),
        ("auto_id_prefix", "Empty auto_id_prefix value in configuration."),
        ("password_file", "Empty password_file value in configuration."),
        ("acl_file", "Empty acl_file value in configuration."),
        ("connection bridge", "The connection option is not supported by culex."),
        ("bridge_tls_version tlsv1.2", "The bridge_tls_version option is not supported by culex."),
        ("plugin_opt_x y", "The plugin_opt_x option is not supported by culex."),
        (
            "password_file x\nper_listener_settings true",
            "per_listener_settings must be set before any other security settings.",
        ),
        (
            "allow_anonymous true\nper_listener_settings true",
            "per_listener_settings must be set before any other security settings.",
        ),
    ];
    for (text, sentence) in table {
        let line = 2 + text.lines().count();
        let expected = format!("Error: {sentence}\nError found at x.conf:{line}.");
        assert_eq!(refusal(&format!("# first\n\n{text}\n")), expected, "{text}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Settings::read(Path::new("/nonexistent/x.conf")).unwrap_err();
    assert_eq!(error.to_string(), "Error: Unable to open config file /nonexistent/x.conf.");
}

#[test]
fn limits_reach_the_broker() {
    let settings = read(
        "max_keepalive 90\nmax_inflight_messages 5\nmax_inflight_bytes 500\nmax_queued_messages 7\n\
         max_queued_bytes 700\nqueue_qos0_messages true\nmessage_size_limit 1000\nmax_packet_size 2000\n\
         maximum_qos 1\nretain_available false\nupgrade_outgoing_qos true\nallow_duplicate_messages true\n\
         max_topic_alias 3\nmax_topic_alias_broker 4\npersistent_client_expiration 2d\n\
         retain_expiry_interval 60\ncheck_retain_source false\nsys_interval 0\nglobal_max_clients 8\n\
         global_max_connections -1\nset_tcp_nodelay false\npersistence false\nautosave_interval 30\n",
    )
    .unwrap();
    let broker = &settings.broker;
    assert_eq!((broker.max_keepalive, broker.max_inflight_messages, broker.max_inflight_bytes), (90, 5, 500));
    assert_eq!((broker.max_queued_messages, broker.max_queued_bytes), (7, 700));
    assert_eq!((broker.message_size_limit, broker.max_packet_size), (1000, 2000));
    assert_eq!((broker.listeners[0].max_topic_alias, broker.max_topic_alias_broker), (3, 4));
    assert_eq!(broker.listeners[0].maximum_qos, Qos::AtLeastOnce);
    assert_eq!(broker.persistent_client_expiration, Some(Duration::from_secs(2 * 24 * 3600)));
    assert_eq!((broker.retain_expiry_interval, broker.sys_interval), (60, Duration::ZERO));
    assert_eq!((broker.global_max_clients, broker.global_max_connections), (8, 0));
    assert!(broker.queue_qos0_messages && broker.upgrade_outgoing_qos && broker.allow_duplicate_messages);
    assert!(!broker.retain_available && !broker.check_retain_source);
    assert!(settings.default_listener.is_some_and(|listener| !listener.nodelay));
}

#[test]
fn what_is_persisted_goes_where_the_configuration_says() {
    let store = |text: &str| read(text).unwrap().store;
    assert_eq!(store("persistence_location /var/lib/mosquitto/\n"), None);
    let plan = |path: &str, sync| Some(StorePlan { path: path.into(), sync });
    assert_eq!(store("persistence true\n"), plan("culex.db", false));
    let text = "persistence true\npersistence_location /var/lib/mosquitto/\n";
    assert_eq!(store(text), plan("/var/lib/mosquitto/culex.db", false));
    let text = format!("{text}persistence_file x y.db\npersistence_sync true\n");
    assert_eq!(store(&text), plan("/var/lib/mosquitto/x y.db", true));
}

#[test]
fn an_option_without_effect_is_warned_about_with_its_line() {
    let warnings = read("\nlog_facility 5\nautosave_interval 30\n").unwrap().warnings;
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].starts_with("Warning: The log_facility option has no effect ("), "{warnings:?}");
    assert!(warnings[0].ends_with(":2).") && warnings[1].ends_with(":3)."), "{warnings:?}");
    assert!(read("log_facility\n").is_err());
}

#[test]
fn capabilities_can_differ_between_listeners() {
    let settings =
        read("listener 1884\nmax_qos 1\nlistener 1885\nmax_topic_alias 0\nmaximum_qos 0\n").unwrap();
    let of = |index: usize| {
        let listener = &settings.broker.listeners[index];
        (listener.maximum_qos, listener.max_topic_alias)
    };
    assert_eq!((of(0), of(1)), ((Qos::AtLeastOnce, 10), (Qos::AtMostOnce, 0)));
}

#[test]
fn each_listener_has_its_section() {
    let settings = read(
        "listener 1884\nmount_point a/\nlistener 1885 ::1\nmax_connections 9\nuse_username_as_clientid true\n\
         accept_protocol_versions 4, 5\nlistener_allow_anonymous true\nlistener 0 /run/x y.sock\n\
         listener 1884\nmax_connections 3\n",
    )
    .unwrap();
    let addresses: Vec<_> = settings.listeners.iter().map(|listener| listener.address.clone()).collect();
    let expected = [
        ListenAddress::Tcp { host: None, port: 1884 },
        ListenAddress::Tcp { host: Some("::1".to_owned()), port: 1885 },
        ListenAddress::Unix("/run/x y.sock".into()),
    ];
    assert_eq!(addresses, expected);
    let [first, second, third] = &settings.broker.listeners[..] else {
        panic!("one configuration a listener");
    };
    assert_eq!(first.mount_point.as_deref(), Some("a/"));
    assert_eq!((first.port, first.max_connections, first.allow_anonymous), (1884, 3, false));
    assert_eq!((second.port, second.max_connections, second.allow_anonymous), (1885, 9, true));
    assert_eq!(second.accept_protocol_versions, [false, true, true]);
    assert!(second.use_username_as_clientid && !first.use_username_as_clientid);
    assert_eq!((third.port, third.max_connections), (0, 0));
}

#[test]
fn each_listener_has_its_transport() {
    let text = "listener 1884\nprotocol websockets\nwebsockets_origin https://a\nwebsockets_origin https://b\n\
                websockets_headers_size 4096\nenable_proxy_protocol 2\nsocket_domain ipv4\nbind_interface lo\n\
                listener 1885\ncertfile c.pem\nkeyfile k.pem\ncafile ca.pem\ncapath certs\ncrlfile crl.pem\n\
                require_certificate true\nuse_subject_as_username true\ntls_version tlsv1.3\n\
                ciphers HIGH\nciphers_tls1.3 TLS_AES_128_GCM_SHA256\ndisable_client_cert_date_checks true\n\
                dhparamfile dh.pem\ntls_keyform pem\nlistener 1886\n";
    let settings = read(text).unwrap();
    let [first, second, third] = &settings.listeners[..] else {
        panic!("three listeners");
    };
    let origins = vec!["https://a".to_owned(), "https://b".to_owned()];
    let websocket = WebSocketPlan { origins, header_bytes_max: 4096, frame_bytes_max: 2_065_536 };
    assert_eq!(first.websocket, Some(websocket));
    assert_eq!((first.proxy_protocol, first.family), (Some(ProxyProtocol::V2), Some(AddressFamily::V4)));
    assert_eq!(first.interface.as_deref(), Some("lo"));
    let identity = ServerIdentity::Files { certificate: "c.pem".into(), key: "k.pem".into() };
    let tls = TlsServerSettings {
        ca_file: Some("ca.pem".into()),
        ca_path: Some("certs".into()),
        crl_file: Some("crl.pem".into()),
        requires_certificate: true,
        identity_as_user_name: Some(Identity::Subject),
        ignores_dates: true,
        requires_tls13: true,
        ciphers: Some("HIGH".to_owned()),
        ciphers_tls13: Some("TLS_AES_128_GCM_SHA256".to_owned()),
        ..TlsServerSettings::new(identity)
    };
    assert_eq!(second.tls, Some(tls));
    assert_eq!(*third, ListenPlan::plain(ListenAddress::Tcp { host: None, port: 1886 }));
    assert_eq!(settings.warnings.len(), 1, "dhparamfile");
}

#[test]
fn pre_shared_keys_belong_to_all_listeners_or_to_their_own() {
    let keys = |file: &str, hint: Option<&str>| {
        let hint = hint.map(str::to_owned);
        Some(TlsServerSettings::new(ServerIdentity::PreSharedKeys { file: file.into(), hint }))
    };
    let common = read("psk_file p\nlistener 1884\npsk_hint some where\nlistener 1885\n").unwrap();
    assert_eq!(common.listeners[0].tls, keys("p", Some("some where")));
    assert_eq!(common.listeners[1].tls, None);
    let text = "per_listener_settings true\nlistener 1884\nuse_psk true\npsk_file p\nlistener 1885\npsk_hint h\n\
                psk_file q\nciphers PSK-AES128-GCM-SHA256\nuse_identity_as_username true\ntls_version tlsv1.3\n";
    let own = read(text).unwrap();
    assert_eq!(own.listeners[0].tls, keys("p", None));
    let second = TlsServerSettings {
        ciphers: Some("PSK-AES128-GCM-SHA256".to_owned()),
        identity_as_user_name: Some(Identity::CommonName),
        requires_tls13: true,
        ..keys("q", Some("h")).unwrap()
    };
    assert_eq!(own.listeners[1].tls, Some(second));
}

#[test]
fn anonymous_clients_are_let_in_unless_a_listener_is_defined() {
    let allows = |text: &str| read(text).unwrap().broker.listeners[0].allow_anonymous;
    assert!(allows(""));
    assert!(!allows("allow_anonymous false\n"));
    assert!(!allows("listener 1884\n"));
    assert!(!allows("port 1884\n"));
    assert!(allows("allow_anonymous true\nlistener 1884\n"));
    assert!(allows("listener 1884\nallow_anonymous true\n"));
}

#[test]
fn per_listener_settings_hold_for_their_listener_alone() {
    let text = "per_listener_settings true\nlistener 1884\nallow_anonymous true\nauto_id_prefix one-\n\
                listener 1885\nallow_zero_length_clientid false\n";
    let settings = read(text).unwrap();
    let [first, second] = &settings.broker.listeners[..] else {
        panic!("two listeners");
    };
    assert!(first.allow_anonymous && first.allow_zero_length_clientid);
    assert_eq!(&*first.auto_id_prefix, "one-");
    assert!(!second.allow_anonymous && !second.allow_zero_length_clientid);
    assert_eq!(&*second.auto_id_prefix, "auto-");
}

#[test]
fn users_belong_to_all_listeners_or_to_their_own() {
    let files = |passwords: &str, rights: &str| UserFiles {
        password_file: Some(passwords.into()),
        acl_file: Some(rights.into()),
    };
    let common = read("listener 1884\nlistener 1885\npassword_file p\nacl_file a\n").unwrap();
    assert_eq!(common.users, [files("p", "a"), files("p", "a")]);
    assert!(
        common.broker.listeners.iter().all(|listener| listener.authenticate && !listener.allow_anonymous)
    );
    let text = "per_listener_settings true\nlistener 1884\npassword_file p\nacl_file a\nlistener 1885\n\
                allow_anonymous true\n";
    let own = read(text).unwrap();
    assert_eq!(own.users, [files("p", "a"), UserFiles::default()]);
    assert!(own.broker.listeners[0].authenticate && !own.broker.listeners[1].authenticate);
}

#[test]
fn old_options_still_work_with_a_warning() {
    let settings = read("port 1884\nbind_address 127.0.0.1\nretry_interval 20\n").unwrap();
    assert_eq!(
        settings.listeners[0].address,
        ListenAddress::Tcp { host: Some("127.0.0.1".to_owned()), port: 1884 }
    );
    assert_eq!(settings.warnings.len(), 2);
    assert_eq!(settings.warnings[1], "Warning: The retry_interval option is no longer available.");
}

#[test]
fn every_option_that_scripts_may_use_is_known() {
    let options = "allow_anonymous true\nport 1884\nbind_address ::1\nbind_interface lo\nsocket_domain ipv6\n\
        protocol mqtt\nprotocol websockets\nwebsockets_origin x\nwebsockets_headers_size 1\nmax_connections 1\n\
        global_max_clients 1\nglobal_max_connections 1\nmount_point x/\nuse_username_as_clientid true\n\
        accept_protocol_versions 3,4,5\nauto_id_prefix x\nlistener_allow_anonymous true\n\
        listener_auto_id_prefix x\nallow_zero_length_clientid true\npassword_file x\nacl_file x\n\
        clientid_prefixes x\nmax_inflight_messages 1\nmax_inflight_bytes 1\nmax_queued_messages 1\n\
        max_queued_bytes 1\nqueue_qos0_messages true\nmessage_size_limit 1\nmax_packet_size 20\n\
        max_keepalive 1\nmax_topic_alias 1\nmax_topic_alias_broker 1\nmaximum_qos 1\nmax_qos 1\n\
        retain_available true\ncheck_retain_source true\nretain_expiry_interval 1\nupgrade_outgoing_qos true\n\
        allow_duplicate_messages true\npersistent_client_expiration 1d\npersistence false\npersistence_file x\n\
        persistence_location x\nautosave_interval 1\nautosave_on_changes true\nset_tcp_nodelay true\n\
        sys_interval 1\nlog_dest stderr\nlog_dest stdout\nlog_dest file x\nlog_dest none\nlog_type all\n\
        log_timestamp true\nlog_timestamp_format %s\nlog_facility 1\nconnection_messages true\npid_file x\n\
        user x\nmemory_limit 1\ndhparamfile x\ncafile x\ncapath x\ncertfile x\nkeyfile x\ncrlfile x\n\
        ciphers x\nciphers_tls1.3 x\ntls_version tlsv1.2\nrequire_certificate true\n\
        use_identity_as_username true\nuse_subject_as_username true\ndisable_client_cert_date_checks true\n\
        enable_proxy_protocol 1\nretry_interval 1\npacket_buffer_size 1\nstore_clean_interval 1\n\
        upgrade_interval 1\nautosave_on_changes_interval 1\nwebsockets_log_level 1\nlistener 1885\n\
        reason_strings true\nresponse_information x\npsk_file x\nuse_psk true\npsk_hint x\n";
    read(options).unwrap();
    assert!(read(&format!("per_listener_settings true\n{options}")).is_ok());
    // One that takes a value takes none without.
    for name in options.lines().filter_map(|line| line.split(' ').next()) {
        let is_obsolete =
            ["retry", "packet_b", "store_c", "upgrade_i", "autosave_on_changes_", "websockets_log"];
        let is_obsolete = is_obsolete.iter().any(|prefix| name.starts_with(prefix));
        assert_eq!(read(&format!("{name}\n")).is_err(), !is_obsolete, "{name}");
    }
}

#[test]
fn logging_options_add_up() {
    let text = "log_dest stderr\nlog_dest file /var/log/a b.log\nlog_type error\nlog_type debug\nlog_timestamp false\n\
                log_timestamp_format %H:%M\nconnection_messages false\n";
    let log = read(text).unwrap().log;
    let file = LogDestination::File("/var/log/a b.log".into());
    assert_eq!(log.destinations, [LogDestination::StandardError, file]);
    assert_eq!(log.types, LogTypes::ERROR | LogTypes::DEBUG);
    assert!(!log.has_timestamp && !log.connection_messages);
    assert_eq!(log.timestamp_format.as_deref(), Some("%H:%M"));
    assert_eq!(read("log_dest none\n").unwrap().log.destinations, []);
    assert_eq!(read("").unwrap().log, LogPlan::default());
}

#[test]
fn files_of_a_folder_are_read_by_name_and_their_lines_named() {
    let folder = Folder::new();
    folder.file("b.conf", "max_keepalive 2\n");
    folder.file("a.conf", "\tmax_keepalive 1  \r\nmax_connections 4\n");
    folder.file("c.txt", "nonsense\n");
    let main = folder.file("main.cf", &format!("include_dir {}\n", folder.0.display()));
    let settings = Settings::read(&main).unwrap();
    assert_eq!((settings.broker.max_keepalive, settings.broker.listeners[0].max_connections), (2, 4));

    folder.file("d.conf", "\nnonsense\n");
    let error = Settings::read(&main).unwrap_err().to_string();
    assert!(error.ends_with("d.conf:2."), "{error}");
}

#[test]
fn a_folder_that_includes_itself_ends() {
    let folder = Folder::new();
    let line = format!("include_dir {}\n", folder.0.display());
    let error = Settings::read(&folder.file("x.conf", &line)).unwrap_err().to_string();
    assert!(error.contains("nested too deeply"), "{error}");
}
