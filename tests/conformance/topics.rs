//! Topic Names and Topic Filters (section 4.7).

use crate::harness::Lab;
use crate::wire::*;

rules![
    mqtt_4_7_1_1_hash_is_last_and_alone,
    mqtt_4_7_1_2_plus_fills_its_level,
    mqtt_4_7_2_1_wildcards_do_not_see_dollar_topics,
    mqtt_4_7_3_1_names_and_filters_have_at_least_one_character,
    mqtt_4_7_3_2_nul_is_refused,
    mqtt_4_7_3_3_names_and_filters_are_up_to_65535_bytes,
    mqtt_4_7_3_4_nothing_is_normalised,
    filters_match_as_the_standard_shows,
    at_most_200_separators,
    control_and_non_characters_are_refused_in_every_string,
    mqtt_1_5_4_3_a_byte_order_mark_is_an_ordinary_character,
];

fn mqtt_4_7_1_1_hash_is_last_and_alone(lab: &Lab) {
    for filter in ["#/", "a/#/", "a#", "#a", "##", "a/##", "a/b#/c"] {
        lab.v5("a").fails(subscribe(V5, &[(filter, 0)]), 0x81);
    }
    let client = lab.v5("a");
    for filter in ["#", "a/#", "/#", "+/#"] {
        client.subscribe(filter, 0);
    }
}

fn mqtt_4_7_1_2_plus_fills_its_level(lab: &Lab) {
    for filter in ["a+", "+a", "++", "a/b+/c", "+#"] {
        lab.v5("a").fails(subscribe(V5, &[(filter, 0)]), 0x81);
    }
    let client = lab.v5("a");
    for filter in ["+", "/+", "+/", "+/+/a/+", "a/+/b"] {
        client.subscribe(filter, 0);
    }
}

fn mqtt_4_7_2_1_wildcards_do_not_see_dollar_topics(lab: &Lab) {
    let client = lab.v5("a");
    for filter in ["#", "+", "+/b", "+/#"] {
        client.subscribe(filter, 0);
    }
    let publisher = lab.v5("p");
    for topic in ["$a", "$a/b", "$", "$/b"] {
        publisher.say(topic, "x", 0);
    }
    client.expect_nothing();
    client.subscribe("$a/+", 0);
    publisher.say("$a/b", "x", 0);
    client.expect_publish(&publish(V5, "$a/b", "x"));
    // A `$` anywhere else is an ordinary character.
    publisher.say("a/$b", "x", 0);
    client.expect_publish(&publish(V5, "a/$b", "x"));
    client.expect_nothing();
}

fn mqtt_4_7_3_1_names_and_filters_have_at_least_one_character(lab: &Lab) {
    lab.v5("a").fails(publish(V5, "", "x").bytes(), 0x82);
    lab.v311("a").fails(publish(V311, "", "x").bytes(), 0x82);
    lab.v5("a").fails(subscribe(V5, &[("", 0)]), 0x81);
    lab.v5("a").fails(unsubscribe(V5, &[""]), 0x81);
    let client = lab.v5("a");
    client.subscribe("/", 0);
    client.subscribe(" ", 0);
}

fn mqtt_4_7_3_2_nul_is_refused(lab: &Lab) {
    for text in ["\0", "a\0", "a/\0/b"] {
        lab.v5("a").fails(publish(V5, text, "x").bytes(), 0x81);
        lab.v311("a").fails(publish(V311, text, "x").bytes(), 0x81);
        lab.v5("a").fails(subscribe(V5, &[(text, 0)]), 0x81);
        lab.v5("a").fails(unsubscribe(V5, &[text]), 0x81);
    }
}

fn mqtt_4_7_3_3_names_and_filters_are_up_to_65535_bytes(lab: &Lab) {
    let long = "x".repeat(65_535);
    let client = lab.v5("a");
    client.subscribe(&long, 0);
    lab.v5("p").say(&long, "x", 0);
    client.expect_publish(&publish(V5, &long, "x"));
}

fn mqtt_4_7_3_4_nothing_is_normalised(lab: &Lab) {
    let client = lab.v5("a");
    let topics = ["a/b", "A/b", "a//b", "/a/b", "a/b/", "a /b", "ä/b", "a\u{308}/b"];
    for (topic, identifier) in topics.iter().zip(1..) {
        client.subscribe_as(identifier, topic, 0);
    }
    for (topic, identifier) in topics.iter().zip(1..) {
        lab.v5("p").say(topic, "x", 0);
        let properties = number(SUBSCRIPTION_IDENTIFIER, identifier);
        client.expect_publish(&publish(V5, topic, "x").properties(&properties));
    }
}

fn filters_match_as_the_standard_shows(lab: &Lab) {
    let matching = [
        ("sport/tennis/player1/#", "sport/tennis/player1"),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"),
        ("sport/#", "sport"),
        ("#", "/"),
        ("sport/+", "sport/"),
        ("+/+", "/finance"),
        ("/+", "/finance"),
        ("+/tennis/#", "sport/tennis"),
    ];
    let apart = [
        ("sport/tennis/+", "sport/tennis/player1/ranking"),
        ("sport/+", "sport"),
        ("+", "/finance"),
        ("sport/#", "sports"),
        ("a/b", "a/b/"),
    ];
    let publisher = lab.v5("p");
    for (filter, topic) in matching {
        let client = lab.v5("a");
        client.subscribe(filter, 0);
        publisher.say(topic, "x", 0);
        client.expect_publish(&publish(V5, topic, "x"));
        client.vanish();
    }
    for (filter, topic) in apart {
        let client = lab.v5("a");
        client.subscribe(filter, 0);
        publisher.say(topic, "x", 0);
        client.expect_nothing();
        client.vanish();
    }
}

fn at_most_200_separators(lab: &Lab) {
    let deepest = "/".repeat(200);
    let too_deep = "/".repeat(201);
    let client = lab.v5("a");
    client.subscribe(&deepest, 0);
    lab.v5("p").say(&deepest, "x", 0);
    client.expect_publish(&publish(V5, &deepest, "x"));
    lab.v5("b").fails(subscribe(V5, &[(&too_deep, 0)]), 0x81);
    lab.v5("b").fails(publish(V5, &too_deep, "x").bytes(), 0x81);
    lab.v311("b").fails(publish(V311, &too_deep, "x").bytes(), 0x81);
    lab.v311("b").fails(subscribe(V311, &[(&too_deep, 0)]), 0x81);
}

fn control_and_non_characters_are_refused_in_every_string(lab: &Lab) {
    for bad in ["\u{1}", "\u{1f}", "\u{7f}", "\u{85}", "\u{9f}", "\u{fdd0}", "\u{fffe}", "\u{1ffff}"] {
        let text = format!("a{bad}b");
        lab.v5("a").fails(publish(V5, &text, "x").bytes(), 0x81);
        lab.v5("a").fails(subscribe(V5, &[(&text, 0)]), 0x81);
        for wire in [user(&text, "v"), user("n", &text), string(CONTENT_TYPE, &text)] {
            lab.v5("a").fails(publish(V5, "t", "x").properties(&wire).bytes(), 0x81);
        }
        lab.refuses(&connect(V5, &text).bytes(), &refusal(0x81));
    }
}

fn mqtt_1_5_4_3_a_byte_order_mark_is_an_ordinary_character(lab: &Lab) {
    // [MQTT-1.5.4-3]
    let client = lab.v5("a");
    client.subscribe("\u{feff}t", 0);
    lab.v5("p").say("t", "without", 0);
    lab.v5("p").say("\u{feff}t", "with", 0);
    client.expect_publish(&publish(V5, "\u{feff}t", "with"));
}
