//! Shared subscriptions (section 4.8.2).

use crate::harness::{Client, Lab};
use crate::wire::*;

rules![
    mqtt_4_8_2_1_a_share_name_is_at_least_one_character,
    mqtt_4_8_2_2_a_share_name_has_no_wildcard_and_a_filter_follows,
    each_message_goes_to_one_member,
    members_take_turns,
    groups_are_apart_by_name_and_by_filter,
    a_member_with_a_subscription_of_its_own_gets_both,
    mqtt_4_8_2_3_the_qos_is_the_chosen_members,
    a_member_that_is_away_does_not_hold_messages_up,
    qos_1_goes_to_another_member_when_the_session_ends,
    a_session_that_lives_on_keeps_its_qos_1,
    mqtt_4_8_2_5_qos_2_that_was_sent_is_never_given_to_another_member,
    mqtt_4_8_2_4_qos_2_is_completed_with_the_member_that_reconnects,
    mqtt_4_8_2_6_an_error_in_puback_or_pubrec_ends_the_message_for_all,
    a_member_that_cannot_take_it_is_passed_over,
    retained_messages_are_not_sent_to_shared_subscriptions,
    subscription_identifiers_are_the_chosen_members,
    shared_subscriptions_work_before_mqtt_5,
    somebody_in_a_group_counts_as_a_subscriber,
    groups_of_one_name_do_not_inherit_from_each_other,
    dollar_topics_are_not_seen_by_shared_wildcards,
];

fn members<'a>(lab: &'a Lab, filter: &str, qos: u8, count: usize) -> Vec<Client<'a>> {
    (0..count)
        .map(|number| {
            let client = lab.v5(&format!("member{number}"));
            client.subscribe(filter, qos);
            client
        })
        .collect()
}

/// How many messages wait for the client, none of which it has to acknowledge first.
fn count(client: &Client<'_>) -> usize {
    client.send(PINGREQ);
    let mut count = 0;
    while client.receive() != PINGRESP {
        count += 1;
    }
    count
}

fn mqtt_4_8_2_1_a_share_name_is_at_least_one_character(lab: &Lab) {
    lab.v5("a").fails(subscribe(V5, &[("$share//t", 0)]), 0x81);
    lab.v311("a").fails(subscribe(V311, &[("$share//t", 0)]), 0x81);
}

fn mqtt_4_8_2_2_a_share_name_has_no_wildcard_and_a_filter_follows(lab: &Lab) {
    for filter in ["$share", "$share/", "$share/g", "$share/g/", "$share/+/t", "$share/#/t", "$share/g+/t"] {
        lab.v5("a").fails(subscribe(V5, &[(filter, 0)]), 0x81);
    }
    let client = lab.v5("a");
    for filter in ["$share/g//", "$share/g/#", "$share/g/+/t", "$share/$x/$y"] {
        client.subscribe(filter, 0);
    }
}

fn each_message_goes_to_one_member(lab: &Lab) {
    for (filter, qos) in [("$share/g/t", 0), ("$share/g/+", 1), ("$share/g/#", 2)] {
        let members = members(lab, filter, qos, 3);
        let publisher = lab.v5("p");
        for _ in 0..9 {
            publisher.say("t", "x", qos);
        }
        assert_eq!(members.iter().map(count).sum::<usize>(), 9);
        members.into_iter().for_each(Client::vanish);
    }
}

fn members_take_turns(lab: &Lab) {
    let members = members(lab, "$share/g/t", 0, 3);
    let publisher = lab.v5("p");
    for number in 0..9 {
        publisher.say("t", &number.to_string(), 0);
        members[number % 3].expect_publish(&publish(V5, "t", number.to_string()));
    }
}

fn groups_are_apart_by_name_and_by_filter(lab: &Lab) {
    let one = lab.v5("one");
    let two = lab.v5("two");
    for filter in ["$share/g/t", "$share/h/t", "$share/g/#"] {
        one.subscribe(filter, 0);
        two.subscribe(filter, 0);
    }
    let publisher = lab.v5("p");
    for _ in 0..4 {
        publisher.say("t", "x", 0);
    }
    assert_eq!(count(&one) + count(&two), 12);
}

fn a_member_with_a_subscription_of_its_own_gets_both(lab: &Lab) {
    let client = lab.v5("a");
    client.subscribe("$share/g/t", 0);
    client.subscribe("t", 0);
    lab.v5("p").say("t", "x", 0);
    assert_eq!(count(&client), 2);
}

fn mqtt_4_8_2_3_the_qos_is_the_chosen_members(lab: &Lab) {
    let members = [lab.v5("a"), lab.v5("b"), lab.v5("c")];
    for (member, qos) in members.iter().zip(0..) {
        member.subscribe("$share/g/t", qos);
    }
    let publisher = lab.v5("p");
    for (member, qos) in members.iter().zip(0..) {
        publisher.say("t", "x", 2);
        assert_eq!(member.receive_publish().qos, qos);
    }
}

fn a_member_that_is_away_does_not_hold_messages_up(lab: &Lab) {
    let away = lab.connect(&durable(V5, "away"));
    away.subscribe("$share/g/t", 1);
    away.vanish();
    let here = lab.v5("here");
    here.subscribe("$share/g/t", 1);
    let publisher = lab.v5("p");
    for number in 1..=6 {
        publisher.say("t", &number.to_string(), 1);
        assert_eq!(here.receive_publish().payload, number.to_string().as_bytes());
    }
    // With nobody there, the message waits for one of them.
    here.vanish();
    publisher.say("t", "kept", 1);
    let back = lab.connect(&durable(V5, "away"));
    assert!(back.connack[2] == 1);
    let mut payloads = Vec::new();
    back.send(PINGREQ);
    loop {
        let packet = back.receive();
        if packet == PINGRESP {
            break;
        }
        payloads.push(Publish::parse(V5, &packet).payload);
    }
    assert!(payloads.contains(&b"kept".to_vec()), "{payloads:?}");
}

fn qos_1_goes_to_another_member_when_the_session_ends(lab: &Lab) {
    let members = members(lab, "$share/g/t", 1, 2);
    let publisher = lab.v5("p");
    publisher.say("t", "x", 1);
    members[0].expect_publish(&publish(V5, "t", "x").qos(1, 1));
    let [first, second] = <[_; 2]>::try_from(members).ok().unwrap();
    first.vanish();
    let message = second.receive_publish();
    assert_eq!((message.payload.as_slice(), message.qos), (&b"x"[..], 1));
    second.puback(message.id);
    second.expect_nothing();
}

fn a_session_that_lives_on_keeps_its_qos_1(lab: &Lab) {
    let first = lab.connect(&durable(V5, "first"));
    first.subscribe("$share/g/t", 1);
    let second = lab.v5("second");
    second.subscribe("$share/g/t", 1);
    lab.v5("p").say("t", "x", 1);
    first.receive_publish();
    first.vanish();
    second.expect_nothing();
    let first = lab.connect(&durable(V5, "first"));
    first.expect_publish(&publish(V5, "t", "x").qos(1, 1).dup());
}

fn mqtt_4_8_2_5_qos_2_that_was_sent_is_never_given_to_another_member(lab: &Lab) {
    let members = members(lab, "$share/g/t", 2, 2);
    lab.v5("p").say("t", "x", 2);
    assert_eq!(members[0].receive_publish().qos, 2);
    let [first, second] = <[_; 2]>::try_from(members).ok().unwrap();
    first.vanish();
    second.expect_nothing();
}

fn mqtt_4_8_2_4_qos_2_is_completed_with_the_member_that_reconnects(lab: &Lab) {
    let first = lab.connect(&durable(V5, "first"));
    first.subscribe("$share/g/t", 2);
    let second = lab.v5("second");
    second.subscribe("$share/g/t", 2);
    lab.v5("p").say("t", "x", 2);
    first.receive_publish();
    first.vanish();
    second.expect_nothing();
    let first = lab.connect(&durable(V5, "first"));
    first.expect_publish(&publish(V5, "t", "x").qos(2, 1).dup());
    first.send(ack(PUBREC, 1));
    first.expect(ack(PUBREL, 1));
    first.send(ack(PUBCOMP, 1));
    first.expect_nothing();
    second.expect_nothing();
}

fn mqtt_4_8_2_6_an_error_in_puback_or_pubrec_ends_the_message_for_all(lab: &Lab) {
    for (qos, first) in [(1, PUBACK), (2, PUBREC)] {
        let members = members(lab, "$share/g/t", qos, 2);
        lab.v5("p").say("t", "x", qos);
        let id = members[0].receive_publish().id;
        members[0].send(ack_with(first, id, 0x83));
        members[0].expect_nothing();
        members[1].expect_nothing();
        let [first, second] = <[_; 2]>::try_from(members).ok().unwrap();
        first.vanish();
        second.expect_nothing();
        second.vanish();
    }
}

fn a_member_that_cannot_take_it_is_passed_over(lab: &Lab) {
    let small = lab.connect(&Connect { properties: four(MAXIMUM_PACKET_SIZE, 50), ..connect(V5, "small") });
    small.subscribe("$share/g/t", 1);
    let large = lab.v5("large");
    large.subscribe("$share/g/t", 1);
    let publisher = lab.v5("p");
    for _ in 0..4 {
        publisher.publish(&publish(V5, "t", [b'x'; 100]).qos(1, 0));
    }
    assert_eq!((count(&small), count(&large)), (0, 4));
}

fn retained_messages_are_not_sent_to_shared_subscriptions(lab: &Lab) {
    lab.v5("p").publish(&publish(V5, "t", "x").retain());
    let client = lab.v5("a");
    client.subscribe("$share/g/t", 0);
    client.subscribe("$share/g/#", 0x10);
    client.expect_nothing();
}

fn subscription_identifiers_are_the_chosen_members(lab: &Lab) {
    let members = [lab.v5("a"), lab.v5("b")];
    for (member, identifier) in members.iter().zip(1..) {
        member.subscribe_as(identifier, "$share/g/t", 0);
    }
    for (member, identifier) in members.iter().zip(1..) {
        lab.v5("p").say("t", "x", 0);
        let properties = number(SUBSCRIPTION_IDENTIFIER, identifier);
        member.expect_publish(&publish(V5, "t", "x").properties(&properties));
    }
}

fn shared_subscriptions_work_before_mqtt_5(lab: &Lab) {
    let members = [lab.v311("a"), lab.connect(&connect(V31, "b"))];
    for member in &members {
        member.subscribe("$share/g/t", 1);
    }
    for member in &members {
        lab.v5("p").say("t", "x", 1);
        member.expect_publish(&publish(member.version, "t", "x").qos(1, 1));
    }
}

fn somebody_in_a_group_counts_as_a_subscriber(lab: &Lab) {
    lab.v5("a").subscribe("$share/g/t", 0);
    let publisher = lab.v5("p");
    publisher.send(publish(V5, "t", "x").qos(1, 1).bytes());
    publisher.expect(ack(PUBACK, 1));
}

fn groups_of_one_name_do_not_inherit_from_each_other(lab: &Lab) {
    let stranger = lab.v5("stranger");
    stranger.subscribe("$share/g/t", 1);
    let first = lab.v5("first");
    first.subscribe("$share/g/#", 1);
    let second = lab.v5("second");
    second.subscribe("$share/g/#", 1);
    lab.v5("p").say("t", "x", 1);
    let own = stranger.receive_publish();
    stranger.puback(own.id);
    first.receive_publish();
    first.vanish();
    stranger.expect_nothing();
    assert_eq!(second.receive_publish().payload, b"x");
}

fn dollar_topics_are_not_seen_by_shared_wildcards(lab: &Lab) {
    let client = lab.v5("a");
    client.subscribe("$share/g/#", 0);
    client.subscribe("$share/g/+/x", 0);
    lab.v5("p").say("$mine/x", "x", 0);
    client.expect_nothing();
}
