//! What a scenario may not say.

use super::*;

fn complaint(steps: &str) -> Option<String> {
    let scenario: Scenario = super::super::load::parse(steps).unwrap();
    let names = ["t0".to_owned()].into_iter().collect();
    validate(&Loaded::made("made", scenario), &names).err().map(|wrong| wrong.text)
}

#[test]
fn what_is_right_passes() {
    let right = "
devices: { a: { run: [x] }, b: { run: y, stop: { signal: INT } } }
steps:
  - fault: { name: f, do: hold }
  - fault: { release: f }
  - mark: here
  - expect: { topic: 'a/${t0}/{id}', since: mark here, hex: '${t0}', at: { /n: { near: '${t0}', tol: 1 } } }
  - expect: { topic: a, none: settled }
  - expect: { topic: a, exactly: 2, for: 10ms }
  - expect: { event: connect, client: c, session_present: true }
  - expect: { all: [{ topic: a, text: x }, { event: close }], within: 1s }
  - device: { name: a, log: '^x' }
  - client: { id: c, connect: { will: { topic: w } }, receive: { topic: a, within: 1s }, disconnect: 0x04 }
";
    assert_eq!(complaint(right), None);
}

#[test]
fn what_would_be_left_out_is_told() {
    for (steps, part) in [
        ("steps: [{ expect: { event: close, json: { equals: 1 } } }]", "'json' means nothing for an event"),
        ("steps: [{ expect: { topic: a, none: true, exactly: 1 } }]", "'exactly' means nothing for 'none'"),
        ("steps: [{ expect: { topic: a, none: false } }]", "asks for nothing"),
        ("steps: [{ expect: { all: [{ topic: a }], topic: b } }]", "'topic' means nothing for all"),
        ("steps: [{ expect: { any: [{ topic: a, exactly: 1 }] } }]", "a part of 'any'"),
        ("steps: [{ expect: { topic: a, for: 1s } }]", "'for' goes with"),
        ("steps: [{ expect: { topic: a, client: x } }]", "'client' means nothing for a message"),
        ("steps: [{ fault: {} }]", "what? 'do' for a new one"),
        ("steps: [{ fault: { on: { packet: publish } } }]", "which has a 'do'"),
        ("steps: [{ broker: { freeze: false } }]", "asks for nothing"),
        ("steps: [{ publish: { topic: a, nowait: true, acked_by: x } }]", "'nowait' waits for no"),
        ("steps: [{ client: { id: a, publish: { topic: a, client: b } } }]", "names no other"),
        ("steps: [{ client: { id: a, receive: { topic: a, since: start } } }]", "'since' means nothing"),
        ("steps: [{ respond: { when: { topic: a }, publish: { topic: b, repeat: 2 } } }]", "in an answer"),
        ("device: { run: x }\nsteps: [{ device: {} }]", "what? start"),
        ("steps: [{ publish: { topic: a, repeat: 0 } }]", "counts from 1"),
        ("steps: [{ publish: { topic: a, reason: 0 } }]", "at QoS 0 there is no answer"),
        ("steps: [{ respond: { when: { topic: a }, publish: { topic: b }, times: 0 } }]", "counts from 1"),
        ("device: { run: x, ready: { within: 1s } }", "ready: what?"),
        ("timeout: 0", "leaves no time"),
        ("broker: { embedded: { certificate: expired } }", "needs a listener tls"),
        ("broker: { embedded: { acl: [{ user: a }] } }", "acl: what?"),
        ("steps: [{ expect: { event: connect, qos: 1 } }]", "never has 'qos'"),
        ("steps: [{ expect: { event: close, packet: publish } }]", "'close' has no packet"),
        ("steps: [{ expect: { packet: connect, text: x } }]", "'packet connect' event never has 'text'"),
        (
            "steps: [{ expect: { event: connect, record: { clean_strat: true } } }]",
            "did you mean 'clean_start'",
        ),
        ("steps: [{ state: {} }]", "what? retained"),
        ("steps: [{ settle: false }]", "asks for nothing"),
        ("steps: [{ client: { id: a } }]", "what? connect"),
        ("steps: [{ client: { id: a, connect: false } }]", "asks for nothing"),
        (
            "steps: [{ fault: { name: f, do: drop } }, { fault: { fired: { name: f, times: 0 } } }]",
            "always so",
        ),
        ("steps: [{ expect: { topic: a, at_least: 0 } }]", "always so"),
        ("steps: [{ expect: { topic: a, at_least: 3, at_most: 2 } }]", "at least 3 and at most 2"),
        ("steps: [{ expect: { topic: a, json: {} } }]", "json: what?"),
        ("broker: { url: 'mqtt://x' }\nsteps: [{ settle: true }]", "needs the embedded broker"),
        ("broker: { url: 'mqtt://x' }\nsteps: [{ expect: { topic: a, from: b } }]", "embedded broker only"),
        ("steps: [{ expect: { all: [{ topic: a }], since: mark x } }]", "there is no mark 'x'"),
        ("steps: [{ expect: { topic: a, size: { mni: 4 } } }]", "size: there is no 'mni'"),
        ("steps: [{ expect: { topic: a, size: { min: 4, max: 3 } } }]", "nothing has at least 4"),
    ] {
        let complaint = complaint(steps).unwrap_or_default();
        assert!(complaint.contains(part), "{steps}: {complaint}");
    }
}

#[test]
fn what_cannot_be_is_told_before_anything_runs() {
    for (steps, part) in [
        ("steps: [{ publish: { topic: 'a/#' } }]", "step 1, publish: topic"),
        ("steps: [{ publish: { topic: a, qos: 3 } }]", "QoS 3 does not exist"),
        ("steps: [{ expect: { topic: 'error/lamp-{n}' } }]", "'lamp-{n}' is no name"),
        ("steps: [{ expect: { topic: 'a/{x}/{x}' } }]", "stands in it twice"),
        ("steps: [{ expect: { topic: $share/g/a } }]", "no message comes on"),
        ("steps: [{ run: { cmd: '' } }]", "at least one word"),
        ("steps: [{ run: { cmd: x, exit: 300 } }]", "between 0 and 255"),
        ("steps: [{ mark: a }, { mark: a }]", "step 2, mark: there is a mark 'a' already"),
        (
            "steps: [{ fault: { name: a, do: drop } }, { fault: { name: a, do: hold } }]",
            "a fault 'a' already",
        ),
        ("steps: [{ client: { id: a, receive_nothing: true } }]", "'a' has not connected"),
        ("steps: [{ client: { id: a, connect: true, subscribe: [] } }]", "there is no filter"),
        ("steps: [{ client: { id: a, connect: { session_expiry: 500ms } } }]", "whole seconds"),
        (
            "steps: [{ client: { id: a, connect: { version: 4, props: { receive_maximum: 5 } } } }]",
            "need MQTT 5",
        ),
        ("steps: [{ client: { id: a, connect: { version: 4, session_expiry: 5s } } }]", "needs MQTT 5"),
        ("broker: { url: nonsense }", "nonsense"),
        ("broker: { url: 'mqtt://x', clean: ['a/#/b'] }", "clean: a/#/b"),
        ("broker: { embedded: { acl: [{ publish: 'a/#/b' }] } }", "acl:"),
        ("steps: [{ publish: { topic: a, text: x, hex: '00' } }]", "one payload"),
        ("steps: [{ expect: { topic: 'a/#/b' } }]", "topic a/#/b"),
        ("steps: [{ expect: { topic: a, regex: '(' } }]", "step 1, expect"),
        ("steps: [{ expect: { topic: a, at: { /x: { ner: 1 } } } }]", "did you mean 'near'"),
        ("steps: [{ expect: { topic: a, at: { /x: { exists: maybe } } } }]", "neither true nor false"),
        ("steps: [{ expect: { topic: a, props: { colour: x } } }]", "no property 'colour'"),
        ("steps: [{ expect: { event: conect } }]", "did you mean 'connect'"),
        ("steps: [{ expect: { packet: pubak } }]", "pubak"),
        ("steps: [{ expect: { topic: a, since: mark x } }]", "there is no mark 'x'"),
        ("steps: [{ fault: { do: explode } }]", "there is no fault 'explode'"),
        ("steps: [{ fault: { release: f } }]", "there is no fault 'f'"),
        ("steps: [{ device: { kill: true } }]", "which of 0"),
        ("device: { run: x }\nsteps: [{ device: { name: b, kill: true } }]", "there is no device 'b'"),
        ("device: { run: x, stop: { signal: NONE } }", "there is no signal 'NONE'"),
        ("broker: { url: 'mqtt://x' }\nsteps: [{ advance: 1h }]", "needs the embedded broker"),
        ("broker: { url: 'mqtt://x', embedded: {} }", "either 'embedded' or 'url'"),
        ("broker: { embedded: { listeners: [quic] } }", "there is no 'quic'"),
    ] {
        let complaint = complaint(steps).unwrap_or_default();
        assert!(complaint.contains(part), "{steps}: {complaint}");
    }
}
