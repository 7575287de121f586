//! SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, 7677), the server's side, as MQTT 5 carries them in AUTH (section 4.12).

use super::{random, stored};
use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;
use subtle::ConstantTimeEq;

/// A SCRAM mechanism.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mechanism {
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl Mechanism {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The Authentication Method that names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// The mechanism of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }

    fn mac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), message).as_ref().to_vec()
    }

    fn hash(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes).as_ref().to_vec()
    }
}

/// What a server keeps of a password: enough to check a client, not enough to be one.
#[derive(Clone, Eq, PartialEq)]
pub struct Verifier {
    mechanism: Mechanism,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl std::fmt::Debug for Verifier {
    /// Without the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Makes one with a fresh salt; `None` without randomness, or for no rounds.
    #[must_use]
    pub fn new(mechanism: Mechanism, password: &[u8], iterations: u32) -> Option<Self> {
        let salt = random::<16>()?.to_vec();
        let iterations = NonZeroU32::new(iterations)?;
        let salted = match mechanism {
            Mechanism::Sha256 => {
                let mut salted = vec![0; digest::SHA256_OUTPUT_LEN];
                pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, password, &mut salted);
                salted
            }
            Mechanism::Sha512 => stored::derive_sha512(password, &salt, iterations),
        };
        Some(Self::from_salted(mechanism, iterations, salt, &salted))
    }

    /// Makes one from the salted password, which is what PBKDF2 gives.
    pub(super) fn from_salted(
        mechanism: Mechanism,
        iterations: NonZeroU32,
        salt: Vec<u8>,
        salted: &[u8],
    ) -> Self {
        let stored_key = mechanism.hash(&mechanism.mac(salted, b"Client Key"));
        let server_key = mechanism.mac(salted, b"Server Key");
        Self { mechanism, iterations, salt, stored_key, server_key }
    }

    /// Reads `SCRAM-SHA-256$ROUNDS:SALT$STORED:SERVER`, the form that PostgreSQL writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('$');
        let (name, head, keys) = (parts.next()?, parts.next()?, parts.next()?);
        let mechanism = Mechanism::named(name)?;
        let (iterations, salt) = head.split_once(':')?;
        let (stored_key, server_key) = keys.split_once(':')?;
        let decode = |text| STANDARD.decode(text).ok();
        let verifier = Self {
            mechanism,
            iterations: NonZeroU32::new(iterations.parse().ok()?)?,
            salt: decode(salt)?,
            stored_key: decode(stored_key)?,
            server_key: decode(server_key)?,
        };
        let length = mechanism.hash(b"").len();
        let is_whole = verifier.stored_key.len() == length && verifier.server_key.len() == length;
        (is_whole && parts.next().is_none()).then_some(verifier)
    }

    /// See [`Verifier::parse`].
    #[must_use]
    pub fn to_text(&self) -> String {
        let encode = |bytes: &[u8]| STANDARD.encode(bytes);
        format!(
            "{}${}:{}${}:{}",
            self.mechanism.name(),
            self.iterations,
            encode(&self.salt),
            encode(&self.stored_key),
            encode(&self.server_key)
        )
    }

    /// What a user that does not exist seems to have: always the same for a name, and nobody's.
    fn decoy(mechanism: Mechanism, secret: &[u8], name: &str) -> Self {
        let mark = Mechanism::Sha512.mac(secret, name.as_bytes());
        let iterations = NonZeroU32::new(stored::ITERATIONS_DEFAULT).unwrap_or(NonZeroU32::MIN);
        Self::from_salted(mechanism, iterations, mark[..16].to_vec(), &mark[16..])
    }
}

/// What an exchange comes to.
#[derive(Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The client is to be sent this, and answers.
    Continue(Vec<u8>),
    /// It is this user; the last data to send.
    Accept(String, Vec<u8>),
    /// It is nobody, or does not speak SCRAM.
    Refuse,
}

/// One exchange: the client's first message, our challenge, its proof, our signature.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    state: State,
}

#[derive(Debug)]
enum State {
    Begun,
    Challenged {
        user_name: String,
        is_known: bool,
        verifier: Verifier,
        nonce: String,
        messages: String,
        header: String,
    },
    Over,
}

impl Exchange {
    /// One of `mechanism`.
    #[must_use]
    pub const fn new(mechanism: Mechanism) -> Self {
        Self { mechanism, state: State::Begun }
    }

    /// Takes the next message of the client; `look_up` finds users, and `secret` makes up those that there are not.
    pub fn step(
        &mut self,
        data: &[u8],
        secret: &[u8],
        look_up: impl FnOnce(&str, Mechanism) -> Option<Verifier>,
    ) -> Outcome {
        let text = std::str::from_utf8(data).ok();
        let outcome = match std::mem::replace(&mut self.state, State::Over) {
            // Without data the client waits to be asked.
            State::Begun if data.is_empty() => {
                self.state = State::Begun;
                Some(Outcome::Continue(Vec::new()))
            }
            State::Begun => text.and_then(|text| self.challenge(text, secret, look_up)),
            State::Challenged { user_name, is_known, verifier, nonce, messages, header } => text
                .and_then(|text| prove(text, &verifier, &nonce, &messages, &header))
                .filter(|_| is_known)
                .map(|signature| {
                    let last = format!("v={}", STANDARD.encode(signature));
                    Outcome::Accept(user_name, last.into_bytes())
                }),
            State::Over => None,
        };
        outcome.unwrap_or(Outcome::Refuse)
    }

    /// Answers the first message: `n,,n=USER,r=NONCE`.
    fn challenge(
        &mut self,
        first: &str,
        secret: &[u8],
        look_up: impl FnOnce(&str, Mechanism) -> Option<Verifier>,
    ) -> Option<Outcome> {
        let mut parts = first.splitn(3, ',');
        let (binding, identity, bare) = (parts.next()?, parts.next()?, parts.next()?);
        // Channels cannot be bound here; `y` is of a client that could and has heard that we cannot.
        if !matches!(binding, "n" | "y") {
            return None;
        }
        let mut attributes = bare.split(',');
        let user_name = unescape(attributes.next()?.strip_prefix("n=")?)?;
        let client_nonce = attributes.next()?.strip_prefix("r=").filter(|nonce| !nonce.is_empty())?;
        let is_other =
            |identity: &str| identity.strip_prefix("a=").and_then(unescape).as_ref() != Some(&user_name);
        if !identity.is_empty() && is_other(identity) {
            return None;
        }
        let nonce = format!("{client_nonce}{}", STANDARD.encode(random::<18>()?));
        let known = look_up(&user_name, self.mechanism);
        let is_known = known.is_some();
        let verifier = known.unwrap_or_else(|| Verifier::decoy(self.mechanism, secret, &user_name));
        let challenge = format!("r={nonce},s={},i={}", STANDARD.encode(&verifier.salt), verifier.iterations);
        let messages = format!("{bare},{challenge}");
        let header = STANDARD.encode(format!("{binding},{identity},"));
        self.state = State::Challenged { user_name, is_known, verifier, nonce, messages, header };
        Some(Outcome::Continue(challenge.into_bytes()))
    }
}

/// Checks the last message: `c=BINDING,r=NONCE,p=PROOF`; our signature if it is right.
fn prove(last: &str, verifier: &Verifier, nonce: &str, messages: &str, header: &str) -> Option<Vec<u8>> {
    let (without_proof, proof) = last.rsplit_once(",p=")?;
    let mut attributes = without_proof.split(',');
    let is_bound = attributes.next()?.strip_prefix("c=") == Some(header);
    let is_ours = attributes.next()?.strip_prefix("r=") == Some(nonce);
    let proof = STANDARD.decode(proof).ok()?;
    let mechanism = verifier.mechanism;
    let message = format!("{messages},{without_proof}");
    let signature = mechanism.mac(&verifier.stored_key, message.as_bytes());
    if proof.len() != signature.len() || !is_bound || !is_ours {
        return None;
    }
    let client_key: Vec<u8> =
        proof.iter().zip(&signature).map(|(proof, signature)| proof ^ signature).collect();
    let is_right = bool::from(mechanism.hash(&client_key).ct_eq(&verifier.stored_key));
    is_right.then(|| mechanism.mac(&verifier.server_key, message.as_bytes()))
}

/// `=2C` is a comma and `=3D` an equals sign; no other `=` may stand in a name.
fn unescape(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        let (sign, rest) = if let Some(rest) = part.strip_prefix("2C") {
            (',', rest)
        } else {
            ('=', part.strip_prefix("3D")?)
        };
        text.push(sign);
        text.push_str(rest);
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's proof, from the other side of the arithmetic.
    fn client_last(
        mechanism: Mechanism,
        password: &[u8],
        bare: &str,
        challenge: &str,
        header: &str,
    ) -> (String, Vec<u8>) {
        let mut parts = challenge.split(',');
        let nonce = parts.next().unwrap().strip_prefix("r=").unwrap();
        let salt = STANDARD.decode(parts.next().unwrap().strip_prefix("s=").unwrap()).unwrap();
        let iterations: u32 = parts.next().unwrap().strip_prefix("i=").unwrap().parse().unwrap();
        let algorithm = match mechanism {
            Mechanism::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Mechanism::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let mut salted = mechanism.hash(b"");
        pbkdf2::derive(algorithm, NonZeroU32::new(iterations).unwrap(), &salt, password, &mut salted);
        let client_key = mechanism.mac(&salted, b"Client Key");
        let without_proof = format!("c={},r={nonce}", STANDARD.encode(header));
        let message = format!("{bare},{challenge},{without_proof}");
        let signature = mechanism.mac(&mechanism.hash(&client_key), message.as_bytes());
        let proof: Vec<u8> =
            client_key.iter().zip(&signature).map(|(key, signature)| key ^ signature).collect();
        let server = mechanism.mac(&mechanism.mac(&salted, b"Server Key"), message.as_bytes());
        (format!("{without_proof},p={}", STANDARD.encode(proof)), server)
    }

    fn run(mechanism: Mechanism, password: &[u8], header: &str, bare: &str) -> (Outcome, Vec<u8>) {
        let verifier = Verifier::new(mechanism, b"sesame", 4096).unwrap();
        let verifier = Verifier::parse(&verifier.to_text()).unwrap();
        let mut exchange = Exchange::new(mechanism);
        let look_up = |name: &str, _| (name == "us,er").then(|| verifier.clone());
        let first = format!("{header}{bare}");
        let Outcome::Continue(challenge) = exchange.step(first.as_bytes(), b"secret", look_up) else {
            return (Outcome::Refuse, Vec::new());
        };
        let challenge = String::from_utf8(challenge).unwrap();
        let (last, server) = client_last(mechanism, password, bare, &challenge, header);
        (exchange.step(last.as_bytes(), b"secret", |_, _| None), server)
    }

    #[test]
    fn the_right_password_is_accepted_and_the_server_proves_itself() {
        for mechanism in Mechanism::ALL {
            for header in ["n,,", "y,,", "n,a=us=2Cer,"] {
                let (outcome, server) = run(mechanism, b"sesame", header, "n=us=2Cer,r=abc");
                let last = format!("v={}", STANDARD.encode(server)).into_bytes();
                assert_eq!(outcome, Outcome::Accept("us,er".to_owned(), last), "{header}");
            }
        }
    }

    #[test]
    fn wrong_passwords_users_and_messages_are_refused() {
        for mechanism in Mechanism::ALL {
            let refused =
                |password: &[u8], header, bare| run(mechanism, password, header, bare).0 == Outcome::Refuse;
            assert!(refused(b"open", "n,,", "n=us=2Cer,r=abc"));
            assert!(refused(b"sesame", "n,,", "n=nobody,r=abc"));
            assert!(refused(b"sesame", "n,a=other,", "n=us=2Cer,r=abc"));
            assert!(refused(b"sesame", "p=tls-exporter,,", "n=us=2Cer,r=abc"));
            for bare in [
                "n=,r=abc",
                "n=us=2Der,r=abc",
                "n=us=2Cer,r=",
                "r=abc",
                "n=us=2Cer",
                "",
                "m=x,n=us=2Cer,r=abc",
            ] {
                assert!(refused(b"sesame", "n,,", bare), "{bare}");
            }
        }
        let mut exchange = Exchange::new(Mechanism::Sha256);
        assert_eq!(exchange.step(&[0xFF], b"", |_, _| None), Outcome::Refuse);
        assert_eq!(exchange.step(b"n,,n=u,r=x", b"", |_, _| None), Outcome::Refuse, "it is over");
    }

    #[test]
    fn a_user_that_does_not_exist_looks_like_one_that_does() {
        let challenge = |secret: &[u8]| {
            let mut exchange = Exchange::new(Mechanism::Sha256);
            match exchange.step(b"n,,n=nobody,r=abc", secret, |_, _| None) {
                Outcome::Continue(challenge) => {
                    String::from_utf8(challenge).unwrap().split_once(",s=").unwrap().1.to_owned()
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(challenge(b"one"), challenge(b"one"), "the salt of a name is always the same");
        assert_ne!(challenge(b"one"), challenge(b"two"));
        assert!(challenge(b"one").ends_with(",i=4096"));
    }

    #[test]
    fn the_example_of_rfc_7677_is_understood() {
        let salted = {
            let mut salted = [0; 32];
            let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
            pbkdf2::derive(
                pbkdf2::PBKDF2_HMAC_SHA256,
                NonZeroU32::new(4096).unwrap(),
                &salt,
                b"pencil",
                &mut salted,
            );
            salted
        };
        let verifier =
            Verifier::from_salted(Mechanism::Sha256, NonZeroU32::new(4096).unwrap(), Vec::new(), &salted);
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let messages = format!("n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let last = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let signature = prove(&last, &verifier, nonce, &messages, "biws").unwrap();
        assert_eq!(STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert_eq!(prove(&last, &verifier, "other", &messages, "biws"), None);
    }
}
