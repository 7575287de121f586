//! Finding who gets a message, and which retained messages a filter gets: `cargo bench --bench routing`.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use culex::broker::retained::Retained;
use culex::broker::subscriptions::{Matches, SessionKey, Subscription, Subscriptions};
use culex::packet::Text;
use std::hint::black_box;

const FILTERS: u32 = 100_000;

fn topic(number: u32) -> String {
    format!("site{}/line{}/machine{}/temperature", number % 10, number / 10 % 100, number / 1000)
}

/// 100,000 filters without wildcards, each of another session.
fn exact() -> Subscriptions {
    let mut subscriptions = Subscriptions::default();
    for number in 0..FILTERS {
        subscriptions.subscribe(SessionKey(number), &topic(number), Subscription::default());
    }
    subscriptions
}

/// 100,000 filters that each have a `+` in the middle and match nothing else.
fn wildcards() -> Subscriptions {
    let mut subscriptions = Subscriptions::default();
    for number in 0..FILTERS {
        let filter = format!("site{}/+/machine{}/temperature", number % 1000, number / 1000);
        subscriptions.subscribe(SessionKey(number), &filter, Subscription::default());
    }
    subscriptions
}

fn with(mut subscriptions: Subscriptions, filters: &[&str]) -> Subscriptions {
    for (filter, session) in filters.iter().zip(FILTERS..) {
        subscriptions.subscribe(SessionKey(session), filter, Subscription::default());
    }
    subscriptions
}

fn routing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("match");
    let mut matches = Matches::default();
    let mut bench = |name: &str, subscriptions: &Subscriptions, expected: usize| {
        let topics: Vec<_> = (0..1000).map(|number| topic(number * 97 % FILTERS)).collect();
        subscriptions.matching(&topics[0], &mut matches);
        assert_eq!(matches.subscribers().len(), expected, "{name}");
        let mut topics = topics.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let topic = topics.next().map_or("", String::as_str);
                subscriptions.matching(black_box(topic), &mut matches);
                matches.subscribers().len()
            });
        });
    };
    bench("one subscription", &with(Subscriptions::default(), &["site0/line0/machine0/temperature"]), 1);
    bench("exact among 100k", &exact(), 1);
    bench("+ among 100k wildcards", &wildcards(), 1);
    bench("# beside 100k exact", &with(exact(), &["#"]), 2);
    bench("#, a/# and + beside 100k exact", &with(exact(), &["#", "site0/#", "+/line0/+/temperature"]), 4);
    let mut hundred = Subscriptions::default();
    for session in 0..100 {
        hundred.subscribe(SessionKey(session), "site0/#", Subscription::default());
    }
    bench("100 subscribers", &hundred, 100);
    group.finish();
}

fn changing(criterion: &mut Criterion) {
    let mut subscriptions = wildcards();
    criterion.bench_function("subscribe and unsubscribe beside 100k wildcards", |bencher| {
        bencher.iter(|| {
            let session = SessionKey(FILTERS);
            subscriptions.subscribe(session, black_box("site7/+/new/#"), Subscription::default());
            subscriptions.unsubscribe(session, "site7/+/new/#")
        });
    });
}

fn retained(criterion: &mut Criterion) {
    let mut retained = Retained::default();
    for number in 0..FILTERS {
        retained.set(Text::try_from(topic(number)).expect("an ASCII topic"), number);
    }
    let mut group = criterion.benchmark_group("retained, 100k");
    for (name, filter, expected) in [
        ("exact", "site3/line3/machine33/temperature", 1),
        ("+ of 100 machines", "site3/line3/+/temperature", 100),
        ("+ of 10 sites", "+/line3/machine33/temperature", 10),
        ("#", "#", FILTERS as usize),
    ] {
        assert_eq!(retained.matching(filter).count(), expected, "{name}");
        group.bench_function(name, |bencher| bencher.iter(|| retained.matching(black_box(filter)).count()));
    }
    let topic = Text::try_from("site3/line3/machine33/temperature").expect("an ASCII topic");
    group.bench_function("replace", |bencher| {
        bencher.iter_batched(|| topic.clone(), |topic| retained.set(topic, 1), BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, routing, changing, retained);
criterion_main!(benches);
