#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use proptest::prelude::*;

fn of(values: &[u64]) -> Histogram {
    let mut histogram = Histogram::default();
    for value in values {
        histogram.record_microseconds(*value);
    }
    histogram
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn merged_segments_have_the_buckets_of_one_recording(
        segments in prop::collection::vec(prop::collection::vec(0..2 * HIGHEST_MICROSECONDS, 0..60), 1..6)
    ) {
        let mut merged = Histogram::default();
        for segment in &segments {
            merged.merge(&of(segment).pack().unpack().unwrap());
        }
        let one = of(&segments.concat());
        prop_assert_eq!(merged.pack(), one.pack());
        prop_assert_eq!(merged.buckets().collect::<Vec<_>>(), one.buckets().collect::<Vec<_>>());
        prop_assert_eq!((merged.min(), merged.max(), merged.mean()), (one.min(), one.max(), one.mean()));
    }

    #[test]
    fn three_digits_are_kept(value in 1..HIGHEST_MICROSECONDS) {
        let read = of(&[value]).percentile(50.0);
        prop_assert!(read >= value && read - value <= value / 1000, "{} read as {}", value, read);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[A-Za-z0-9+/]{0,200}") {
        let _ = Packed::new(text).unpack();
    }

    #[test]
    fn damaged_histograms_are_read_or_refused(at in 0_usize..200, letter in "[A-Za-z0-9+/]") {
        let mut text = of(&[1, 20, 300, 4000, 50_000]).pack().text().to_owned();
        let at = at % text.len();
        text.replace_range(at..=at, &letter);
        let _ = Packed::new(text).unpack();
    }
}

#[test]
fn an_hour_is_the_longest_duration() {
    let mut histogram = Histogram::default();
    histogram.record(Duration::from_secs(7200));
    histogram.record(Duration::MAX);
    assert_eq!(histogram.count(), 2);
    assert!(histogram.min() <= HIGHEST_MICROSECONDS && histogram.max() >= HIGHEST_MICROSECONDS);
}

#[test]
fn the_empty_histogram_is_the_empty_text() {
    assert_eq!(Histogram::default().pack().text(), "");
    assert_eq!(Packed::default().unpack(), Ok(Histogram::default()));
}

#[test]
fn histograms_of_other_bounds_are_refused() {
    let mut other = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 1000, 2).unwrap();
    other.record(7).unwrap();
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(&other, &mut bytes).unwrap();
    assert_eq!(Packed::new(BASE64_STANDARD.encode(bytes)).unpack(), Err(HistogramError::OtherBuckets));
}

#[test]
fn a_bomb_is_not_inflated() {
    use flate2::{Compression, write::ZlibEncoder};
    use std::io::Write;
    let mut encoder = ZlibEncoder::new(vec![0x1c, 0x84, 0x93, 0x14, 0, 0, 0, 0], Compression::best());
    encoder.write_all(&vec![0; 64 << 20]).unwrap();
    let text = BASE64_STANDARD.encode(encoder.finish().unwrap());
    assert_eq!(Packed::new(text).unpack(), Err(HistogramError::TooLarge));
}

#[test]
fn garbage_is_refused_with_its_reason() {
    assert_eq!(Packed::new("?".into()).unpack(), Err(HistogramError::NotBase64));
    assert_eq!(Packed::new("AAAA".into()).unpack(), Err(HistogramError::NotV2));
}

#[test]
fn counts_up_to_a_value_include_it() {
    let histogram = of(&[1, 2, 2, 3, 1000, 5000]);
    assert_eq!(histogram.count_up_to(2), 3);
    assert_eq!(histogram.count_up_to(1000), 5);
    assert_eq!(histogram.count_up_to(0), 0);
}
