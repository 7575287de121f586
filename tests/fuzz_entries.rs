//! The entries of the fuzz targets over a small budget of mutated vectors and random bytes.
//!
//! The seed is printed and can be given back: `FUZZ_SEED=7 cargo test --test fuzz_entries`.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a surprise ends the test, and it prints its seed

#[path = "../fuzz/entries.rs"]
#[allow(unreachable_pub)] // a library to the fuzz targets
mod entries;
#[path = "support/vectors.rs"]
mod vectors;

use entries::Entry;

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// Changes, drops and inserts up to three bytes.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..random.below(4) {
        let place = random.below(bytes.len());
        match random.below(3) {
            0 if !bytes.is_empty() => bytes[place] = random.byte(),
            1 if !bytes.is_empty() => drop(bytes.remove(place)),
            _ => bytes.insert(place, random.byte()),
        }
    }
}

fn run(entry: Entry, rounds: usize, make: impl Fn(&mut Random, &[Vec<u8>]) -> Vec<u8>) {
    let seed = match std::env::var("FUZZ_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        // Another budget at every run: the address of a local changes with each process.
        Err(_) => {
            let here = 0_u8;
            std::ptr::from_ref(&here).addr() as u64 ^ u64::from(std::process::id()) << 40
        }
    };
    println!("FUZZ_SEED={seed}");
    let mut seeds: Vec<_> = vectors::load().into_iter().map(|vector| vector.bytes).collect();
    seeds.retain(|bytes| bytes.len() < 500);
    let mut random = Random(seed);
    for _ in 0..rounds {
        let data = make(&mut random, &seeds);
        if std::panic::catch_unwind(|| entry(&data)).is_err() {
            panic!("FUZZ_SEED={seed}, input {}", vectors::hex(&data));
        }
    }
}

fn one_packet(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    mutate(&mut bytes, random);
    bytes
}

fn several_packets(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut stream = vec![random.byte()];
    for _ in 0..random.below(6) {
        stream.extend(one_packet(random, seeds));
    }
    stream
}

/// With `FUZZ_CORPUS=fuzz/corpus/decode` the rows are also written there, for the fuzzer to begin with.
#[test]
fn every_row_is_a_seed_that_the_entries_take() {
    let folder = std::env::var("FUZZ_CORPUS").ok();
    if let Some(folder) = &folder {
        std::fs::create_dir_all(folder).unwrap();
    }
    for (number, vector) in vectors::load().iter().enumerate() {
        entries::decode(&vector.bytes);
        entries::decode_encode_decode(&vector.bytes);
        if let Some(folder) = &folder {
            std::fs::write(format!("{folder}/row-{number}"), &vector.bytes).unwrap();
        }
    }
}

#[test]
fn decode_never_panics() {
    run(entries::decode, 5_000, one_packet);
}

#[test]
fn what_is_decoded_survives_encoding() {
    run(entries::decode_encode_decode, 5_000, one_packet);
}

#[test]
fn blocks_of_any_length_give_the_same_frames() {
    run(entries::frame_reader, 2_000, several_packets);
}

#[test]
fn filters_match_as_the_model_does() {
    run(entries::filter_match, 10_000, |random, _| {
        let length = random.below(12);
        let word =
            |random: &mut Random| -> Vec<u8> { (0..length).map(|_| b"ab/+#$\n/"[random.below(8)]).collect() };
        [word(random), b"\n".to_vec(), (0..length).map(|_| b"ab/$"[random.below(4)]).collect()].concat()
    });
}

#[test]
fn a_session_never_panics() {
    run(entries::session, 1_000, |random, seeds| several_packets(random, seeds)[1..].to_vec());
}

#[test]
fn a_broker_never_panics() {
    run(entries::broker, 500, |random, seeds| {
        let mut script = Vec::new();
        for _ in 0..random.below(30) {
            let bytes = one_packet(random, seeds);
            script.push(random.byte());
            script.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
            script.extend(bytes);
        }
        script
    });
}
