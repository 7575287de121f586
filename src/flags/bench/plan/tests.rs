//! What the flags mean.

use super::*;
use clap::Parser;

fn plan(words: &str) -> Result<Plan, String> {
    let argv = ["culex-bench"].into_iter().chain(words.split_whitespace());
    let flags = Bench::try_parse_from(argv).map_err(|error| error.to_string())?;
    flags.plan(1).map_err(|error| error.to_string())
}

#[test]
fn no_flag_at_all_is_a_useful_load() {
    let plan = plan("").unwrap();
    assert_eq!((plan.mode, plan.publishers, plan.subscribers), (Mode::Run, 10, 10));
    assert_eq!(plan.rate_asked(), Some(1000.0));
    assert_eq!(plan.message.stamp, StampForm::Full);
    assert_eq!(plan.filters(plan.members().next().unwrap()), ["bench/0"]);
}

#[test]
fn rates_are_total_or_for_each_client_and_max_is_a_closed_loop() {
    assert_eq!(plan("-c 20 --rate-per-client 5").unwrap().rate_asked(), Some(100.0));
    assert_eq!(plan("-c 20 -I 100").unwrap().rate_asked(), Some(200.0));
    assert_eq!(plan("--rate 50k/s").unwrap().rate_asked(), Some(50_000.0));
    assert!(plan("--rate max").unwrap().load.schedule.is_none());
    assert!(plan("--rate 5 --closed").unwrap().load.schedule.is_none());
    assert!(plan("--rate 5 --rate-per-client 5").unwrap_err().contains("cannot be used with"));
    assert!(plan("--closed --max-lag 1s").unwrap_err().contains("--max-lag needs a rate"));
    let ramp = plan("--ramp 0..100/10s --warmup 0 -W 10").unwrap();
    assert_eq!(ramp.rate_asked(), Some(50.0));
}

#[test]
fn stamp_fits_the_payload_or_says_why_not() {
    let stamp = |words: &str| plan(words).map(|plan| plan.message.stamp);
    assert_eq!(stamp("-s 23"), Ok(StampForm::Short));
    assert_eq!(stamp("-s 7"), Ok(StampForm::Off));
    assert_eq!(stamp("-s 7 --stamp property"), Ok(StampForm::Property));
    assert_eq!(stamp("-m hello"), Ok(StampForm::Property), "the payload is the user's own");
    assert_eq!(stamp("-m hello -V 311"), Ok(StampForm::Off));
    assert!(stamp("-s 7 --stamp full").unwrap_err().contains("no room for a stamp of 24"));
    assert!(stamp("-V 311 --stamp property").unwrap_err().contains("needs MQTT 5"));
}

#[test]
fn who_hears_whom() {
    let fan_out = plan("--fan-out 5").unwrap();
    assert_eq!((fan_out.publishers, fan_out.subscribers), (1, 5));
    let fan_in = plan("-c 8 --fan-in 2").unwrap();
    assert_eq!((fan_in.publishers, fan_in.subscribers), (8, 2));
    assert_eq!(fan_in.filters(fan_in.members().next().unwrap()), ["bench/+"]);
    assert_eq!(plan("sub -c 3").unwrap().clients(), 3);
    assert_eq!(plan("conn -c 3").unwrap().message.stamp, StampForm::Off);
}

#[test]
fn what_mqtt_does_not_take_is_refused_before_the_first_connection() {
    for (words, expected) in [
        ("-t a/#", "--topic: 'a/#' cannot be used"),
        ("--filter a#", "--filter: 'a#' cannot be used"),
        ("-t %q", "--topic: %q stands for nothing"),
        ("--share a/b", "--share: the name of a group"),
        ("-A 127.0.0.9-127.0.0.2", "neither an address nor a range"),
        ("-A here", "neither an address nor a range"),
        ("-D publish payload-format-indicator 7", "-D publish payload-format-indicator 7"),
        ("-D publish server-keep-alive 7", "-D publish server-keep-alive 7"),
        (
            "-D connack user-property a b",
            "there are connect, will, publish, subscribe, unsubscribe and disconnect",
        ),
        ("-V 311 -x 5", "-x needs MQTT 5"),
        ("-c 0", "0 is not in"),
        ("storm", "--kind"),
        ("--kind will", "only storm takes a --kind"),
        ("--reconnect 9s..2s", "does not grow"),
        ("--slow-consumer 0", "must be above 0"),
        ("--slow-consumer 5:x", "names no number of subscribers"),
        ("--tls-resume", "--tls-resume is for TLS"),
        ("--gate a/#/b", "--gate: 'a/#/b' cannot be used"),
        ("--gate a --start-at +1s", "cannot be used with"),
        ("--embedded --tls", "--embedded speaks plain MQTT"),
        ("--cert a.pem", "--key"),
        ("--credentials does-not-exist", "does-not-exist"),
        ("-s 999M", "a payload holds at most"),
    ] {
        let error = plan(words).map(|_| ()).unwrap_err();
        assert!(error.contains(expected), "{words}: {error}");
    }
}

#[test]
fn segment_comes_from_the_flag_or_from_what_started_the_copies() {
    let flags = |words: &str| {
        Bench::try_parse_from(["culex-bench"].into_iter().chain(words.split_whitespace())).unwrap()
    };
    let slurm = |name: &str| match name {
        "SLURM_PROCID" => Some("1".to_owned()),
        "SLURM_NTASKS" => Some("4".to_owned()),
        _ => None,
    };
    assert_eq!(flags("").segment(slurm).unwrap(), (1, 4));
    assert_eq!(flags("--segment 0/2").segment(slurm).unwrap(), (0, 2));
    assert_eq!(flags("").segment(|_| None).unwrap(), (0, 1));
    let wrong = |name: &str| (name == "SLURM_NTASKS" || name == "SLURM_PROCID").then(|| "1".to_owned());
    assert!(flags("").segment(wrong).is_err());
}

#[test]
fn segments_share_the_clients_and_keep_their_indices() {
    let parts: Vec<Vec<u32>> = (0..3)
        .map(|part| {
            let plan = plan(&format!("-c 7 --segment {part}/3")).unwrap();
            plan.members().filter(|member| member.role.publishes()).map(|member| member.index).collect()
        })
        .collect();
    assert_eq!(parts, [vec![0, 3, 6], vec![1, 4], vec![2, 5]]);
}

#[test]
fn properties_go_to_their_packets() {
    let plan = plan("-D publish user-property a b -D connect receive-maximum 5 -x 60").unwrap();
    let publish = plan.message.properties.as_ref();
    assert_eq!(publish.user_properties().collect::<Vec<_>>(), [("a", "b")]);
    let connect = plan.identity.connect.properties.as_ref();
    assert_eq!(connect.number(PropertyIdentifier::ReceiveMaximum), Some(5));
    assert_eq!(connect.number(PropertyIdentifier::SessionExpiryInterval), Some(60));
}

#[test]
fn source_addresses_are_single_ones_and_ranges() {
    let plan = plan("-A 127.0.0.2-127.0.0.4,127.0.0.9").unwrap();
    let expected: Vec<IpAddr> =
        ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.9"].map(|address| address.parse().unwrap()).into();
    assert_eq!(plan.transport.sources, expected);
}

#[test]
fn two_sides_of_one_measurement_have_different_client_identifiers() {
    let identifiers = |words: &str| -> Vec<String> {
        let plan = plan(words).unwrap();
        plan.members().map(|member| plan.connect(member).client_identifier.to_string()).collect()
    };
    for (one, other) in [("pub -c 3", "sub -c 3"), ("rr -c 3 --subs 0", "reflect -c 3")] {
        let (one, other) = (identifiers(one), identifiers(other));
        assert!(one.iter().all(|identifier| !other.contains(identifier)), "{one:?} {other:?}");
    }
}
