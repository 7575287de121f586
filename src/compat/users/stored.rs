//! One user's secret as a password file keeps it.

use super::random;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use ring::{digest, pbkdf2};
use std::num::NonZeroU32;
use subtle::ConstantTimeEq;

/// Rounds of PBKDF2 unless something else is asked for; SCRAM wants at least 4096 (RFC 7677).
pub const ITERATIONS_DEFAULT: u32 = 4096;

/// The most rounds that are taken from a file: some seconds.
const ITERATIONS_MAX: u32 = 10_000_000;

/// The most memory that one argon2 hash may take, in KiB.
const ARGON2_KIB_MAX: u32 = 1024 * 1024;

const SALT_BYTES: usize = 12;
const HASH_BYTES: usize = digest::SHA512_OUTPUT_LEN;

/// How a password is hashed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// `$6$`: one round of salted SHA-512, for brokers before mosquitto 2.0.
    Sha512,
    /// `$7$`: PBKDF2 with HMAC-SHA-512, which SCRAM-SHA-512 works with as well.
    Sha512Pbkdf2,
    /// `$argon2id$`, as mosquitto 2.1 has it.
    Argon2id,
}

/// A hashed password.
#[derive(Clone, Eq, PartialEq)]
pub enum Stored {
    /// See [`Scheme::Sha512`].
    Sha512 {
        /// Hashed behind the password.
        salt: Vec<u8>,
        /// 64 bytes.
        hash: Vec<u8>,
    },
    /// See [`Scheme::Sha512Pbkdf2`].
    Sha512Pbkdf2 {
        /// Rounds.
        iterations: NonZeroU32,
        /// The salt.
        salt: Vec<u8>,
        /// 64 bytes.
        hash: Vec<u8>,
    },
    /// See [`Scheme::Argon2id`].
    Argon2id {
        /// KiB of memory.
        memory: u32,
        /// Passes.
        passes: u32,
        /// Lanes.
        lanes: u32,
        /// The salt.
        salt: Vec<u8>,
        /// At least 4 bytes.
        hash: Vec<u8>,
    },
}

impl std::fmt::Debug for Stored {
    /// Without salt and hash.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sha512 { .. } => "Sha512",
            Self::Sha512Pbkdf2 { .. } => "Sha512Pbkdf2",
            Self::Argon2id { .. } => "Argon2id",
        })
    }
}

impl Stored {
    /// Hashes `password` with a fresh salt; `iterations` counts only for PBKDF2. `None` without randomness.
    #[must_use]
    pub fn new(scheme: Scheme, password: &[u8], iterations: u32) -> Option<Self> {
        let salt = random::<SALT_BYTES>()?.to_vec();
        Some(match scheme {
            Scheme::Sha512 => Self::Sha512 { hash: salted_sha512(password, &salt), salt },
            Scheme::Sha512Pbkdf2 => {
                let iterations = NonZeroU32::new(iterations)?;
                Self::Sha512Pbkdf2 { iterations, hash: derive_sha512(password, &salt, iterations), salt }
            }
            Scheme::Argon2id => {
                // RFC 9106's second recommendation, for machines without memory to spare.
                let (memory, passes, lanes) = (64 * 1024, 3, 1);
                let salt = random::<16>()?.to_vec();
                let hash = derive_argon2(password, &salt, (memory, passes, lanes), 32)?;
                Self::Argon2id { memory, passes, lanes, salt, hash }
            }
        })
    }

    /// Reads what stands behind the colon of a line; `None` for what is no hash of a known scheme.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("$6$") {
            let (salt, hash) = rest.split_once('$')?;
            let (salt, hash) = (STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?);
            return (hash.len() == HASH_BYTES && !salt.is_empty()).then_some(Self::Sha512 { salt, hash });
        }
        if let Some(rest) = text.strip_prefix("$7$") {
            let (iterations, rest) = rest.split_once('$')?;
            let (salt, hash) = rest.split_once('$')?;
            let iterations = iterations.parse().ok().filter(|rounds: &u32| *rounds <= ITERATIONS_MAX)?;
            let (salt, hash) = (STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?);
            let iterations = NonZeroU32::new(iterations)?;
            return (hash.len() == HASH_BYTES && !salt.is_empty()).then_some(Self::Sha512Pbkdf2 {
                iterations,
                salt,
                hash,
            });
        }
        Self::parse_argon2(text.strip_prefix("$argon2id$v=19$")?)
    }

    fn parse_argon2(rest: &str) -> Option<Self> {
        let mut parts = rest.split('$');
        let (parameters, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
        let mut numbers = [("m=", 0), ("t=", 0), ("p=", 0)];
        for (parameter, (name, number)) in parameters.split(',').zip(&mut numbers) {
            *number = parameter.strip_prefix(*name)?.parse::<u32>().ok()?;
        }
        let [(_, memory), (_, passes), (_, lanes)] = numbers;
        let (salt, hash) = (STANDARD_NO_PAD.decode(salt).ok()?, STANDARD_NO_PAD.decode(hash).ok()?);
        let is_usable = memory <= ARGON2_KIB_MAX
            && Params::new(memory, passes, lanes, Some(hash.len())).is_ok()
            && salt.len() >= argon2::MIN_SALT_LEN
            && parts.next().is_none();
        is_usable.then_some(Self::Argon2id { memory, passes, lanes, salt, hash })
    }

    /// As it stands behind the colon of a line.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Sha512 { salt, hash } => format!("$6${}${}", STANDARD.encode(salt), STANDARD.encode(hash)),
            Self::Sha512Pbkdf2 { iterations, salt, hash } => {
                format!("$7${iterations}${}${}", STANDARD.encode(salt), STANDARD.encode(hash))
            }
            Self::Argon2id { memory, passes, lanes, salt, hash } => {
                let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
                format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${hash}")
            }
        }
    }

    /// Whether `password` is the one that was hashed. Takes its time: never to be called where others wait.
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        match self {
            Self::Sha512 { salt, hash } => bool::from(salted_sha512(password, salt).ct_eq(hash)),
            Self::Sha512Pbkdf2 { iterations, salt, hash } => {
                pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA512, *iterations, salt, password, hash).is_ok()
            }
            Self::Argon2id { memory, passes, lanes, salt, hash } => {
                let parameters = (*memory, *passes, *lanes);
                derive_argon2(password, salt, parameters, hash.len())
                    .is_some_and(|derived| bool::from(derived.ct_eq(hash)))
            }
        }
    }

    /// A secret that costs as much to verify, and that no password has.
    pub(super) fn decoy(&self) -> Self {
        let mut decoy = self.clone();
        let (Self::Sha512 { hash, .. } | Self::Sha512Pbkdf2 { hash, .. } | Self::Argon2id { hash, .. }) =
            &mut decoy;
        hash.fill(0);
        decoy
    }
}

fn salted_sha512(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA512);
    context.update(password);
    context.update(salt);
    context.finish().as_ref().to_vec()
}

pub(super) fn derive_sha512(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Vec<u8> {
    let mut hash = vec![0; HASH_BYTES];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, iterations, salt, password, &mut hash);
    hash
}

fn derive_argon2(
    password: &[u8],
    salt: &[u8],
    (memory, passes, lanes): (u32, u32, u32),
    length: usize,
) -> Option<Vec<u8>> {
    let params = Params::new(memory, passes, lanes, Some(length)).ok()?;
    let mut hash = vec![0; length];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password, salt, &mut hash)
        .ok()?;
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_knows_its_password_again_and_no_other() {
        for scheme in [Scheme::Sha512, Scheme::Sha512Pbkdf2, Scheme::Argon2id] {
            let stored = Stored::new(scheme, b"sesame", 101).unwrap();
            let text = stored.to_text();
            let read = Stored::parse(&text).unwrap();
            assert!(read == stored && read.verify(b"sesame"), "{scheme:?}");
            assert!(!read.verify(b"Sesame") && !read.verify(b""), "{scheme:?}");
            assert!(!read.decoy().verify(b"sesame"));
            assert_ne!(Stored::new(scheme, b"sesame", 101).unwrap().to_text(), text, "the salt is fresh");
        }
    }

    #[test]
    fn hashes_of_other_programs_are_read() {
        // Made by mosquitto_passwd 2.0.11; the last one is of the tests of argon2's reference implementation.
        let table = [
            (PBKDF2_OF_MOSQUITTO, "sesame"),
            (SHA512_OF_MOSQUITTO, "sesame"),
            (ARGON2ID_OF_REFERENCE, "password"),
        ];
        for (text, password) in table {
            let stored = Stored::parse(text).unwrap();
            assert!(stored.verify(password.as_bytes()), "{text}");
            assert!(!stored.verify(b"open"), "{text}");
        }
    }

    const ARGON2ID_OF_REFERENCE: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    const PBKDF2_OF_MOSQUITTO: &str = "$7$101$m8R7e7kEuVVUlwv0$ZaVUx73zYaE+wLKVOQYN0Yj3QZt2qVQ4Rcc90snzUAh+mz+TDTMg/5rq1iH74Y23GvMh/vchxqbs3C3sHKLp0Q==";
    const SHA512_OF_MOSQUITTO: &str = "$6$8kxBEqZaXMKnMVSy$ZGo4rXcQ3Nzkaxov1i1kG7RmikSWQzon7Fjub52nAYnYZB/bQmjNvT+lHXzQicXIEmFn3MCpg3dyLQI62tz61g==";

    #[test]
    fn what_is_no_hash_is_not_taken_for_one() {
        let good = Stored::new(Scheme::Sha512Pbkdf2, b"x", 101).unwrap().to_text();
        for text in [
            "",
            "plain",
            "$5$AAAA$AAAA",
            "$6$$",
            "$6$AAAA$AAAA",
            "$7$0$AAAA$AAAA",
            &good.replace("$101$", "$0$"),
            &good.replace("$101$", "$4000000000$"),
            &good.replace("$101$", "$x$"),
            &good[..good.len() - 5],
            "$argon2id$v=19$m=4000000000,t=1,p=1$c29tZXNhbHQ$c29tZXNhbHQ",
            "$argon2id$v=19$m=64,t=0,p=1$c29tZXNhbHQ$c29tZXNhbHQ",
            "$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHQ$c29tZXNhbHQ",
            "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ",
        ] {
            assert!(Stored::parse(text).is_none(), "{text}");
        }
    }
}
