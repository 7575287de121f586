//! Cipher lists as OpenSSL spells them (`--ciphers`), mapped to the suites that rustls has.

use rustls::{CipherSuite, SupportedCipherSuite};

/// Suites below TLS 1.3 by OpenSSL's name; rustls's own names are accepted too.
const OPENSSL_NAMES: [(&str, CipherSuite); 6] = [
    ("ECDHE-ECDSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
];

/// Words of OpenSSL's cipher language that name whole groups, and how a suite's name shows that it belongs.
const GROUPS: [(&str, &str); 17] = [
    ("DEFAULT", ""),
    ("ALL", ""),
    ("HIGH", ""),
    ("TLSv1.2", ""),
    ("FIPS", "GCM"),
    ("ECDHE", "ECDHE"),
    ("EECDH", "ECDHE"),
    ("kECDHE", "ECDHE"),
    ("kEECDH", "ECDHE"),
    ("aECDSA", "ECDSA"),
    ("ECDSA", "ECDSA"),
    ("aRSA", "-RSA-"),
    ("AESGCM", "GCM"),
    ("AES", "AES"),
    ("AES128", "AES128"),
    ("AES256", "AES256"),
    ("CHACHA20", "CHACHA20"),
];

/// Chooses from `all` what `list` names, in its order; the suites of TLS 1.3 stay as they are, as with OpenSSL.
///
/// `None` when no word of the list names a suite below TLS 1.3 (or a TLS 1.3 suite by name): OpenSSL's "no cipher
/// match". Words that name nothing known are passed over.
pub(super) fn choose(list: &str, all: &[SupportedCipherSuite]) -> Option<Vec<SupportedCipherSuite>> {
    let mut chosen: Vec<CipherSuite> = Vec::new();
    let mut killed: Vec<CipherSuite> = Vec::new();
    for word in list.split([':', ',', ' ', ';']).filter(|word| !word.is_empty() && !word.starts_with('@')) {
        let (operator, name) = match word.split_at_checked(1) {
            Some((operator @ ("!" | "-" | "+"), name)) => (operator, name),
            _ => ("", word),
        };
        let named = named_by(name);
        match operator {
            "!" => {
                chosen.retain(|suite| !named.contains(suite));
                killed.extend(named);
            }
            "-" => chosen.retain(|suite| !named.contains(suite)),
            "+" => {
                let (moved, mut rest): (Vec<_>, Vec<_>) =
                    chosen.iter().copied().partition(|suite| named.contains(suite));
                rest.extend(moved);
                chosen = rest;
            }
            _ => {
                for suite in named {
                    if !chosen.contains(&suite) && !killed.contains(&suite) {
                        chosen.push(suite);
                    }
                }
            }
        }
    }
    if chosen.is_empty() {
        return None;
    }
    let of = |wanted: &CipherSuite| all.iter().copied().find(|suite| suite.suite() == *wanted);
    let newer = all.iter().copied().filter(|suite| suite.tls13().is_some());
    let older = chosen.iter().filter_map(of).filter(|suite| suite.tls13().is_none());
    Some(newer.chain(older).collect())
}

/// Puts those TLS 1.3 suites of `all` that `list` names, in its order, in the place of all TLS 1.3 suites.
///
/// `None` when it names none, or names one that is not known: OpenSSL is as strict here.
pub(super) fn choose_tls13(list: &str, all: &[SupportedCipherSuite]) -> Option<Vec<SupportedCipherSuite>> {
    let mut chosen = Vec::new();
    for word in list.split(':').filter(|word| !word.is_empty()) {
        let named = named_by(word);
        let is_named =
            |suite: &&SupportedCipherSuite| suite.tls13().is_some() && named.contains(&suite.suite());
        chosen.push(*all.iter().find(is_named)?);
    }
    if chosen.is_empty() {
        return None;
    }
    chosen.extend(all.iter().filter(|suite| suite.tls13().is_none()));
    Some(chosen)
}

/// The suites that one word names; with `+` between words all of them must hold.
fn named_by(word: &str) -> Vec<CipherSuite> {
    let mut suites: Vec<(&str, CipherSuite)> = OPENSSL_NAMES.to_vec();
    for part in word.split('+') {
        let group = GROUPS.iter().find(|(name, _)| *name == part).map(|(_, mark)| *mark);
        suites.retain(|(name, suite)| match group {
            Some(mark) => name.contains(mark),
            None => *name == part || suite.as_str() == Some(part),
        });
    }
    let thirteen = [
        CipherSuite::TLS13_AES_256_GCM_SHA384,
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        CipherSuite::TLS13_AES_128_GCM_SHA256,
    ];
    let newer = thirteen.into_iter().filter(|suite| {
        suite.as_str().is_some_and(|name| name == word || name.replacen("TLS13_", "TLS_", 1) == word)
    });
    suites.into_iter().map(|(_, suite)| suite).chain(newer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn older(list: &str) -> Option<Vec<CipherSuite>> {
        let all = rustls::crypto::ring::default_provider().cipher_suites;
        let chosen = choose(list, &all)?;
        Some(chosen.iter().filter(|suite| suite.tls13().is_none()).map(SupportedCipherSuite::suite).collect())
    }

    #[test]
    fn names_of_both_spellings_choose_in_the_order_given() {
        let both = "ECDHE-RSA-AES128-GCM-SHA256:TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:NO-SUCH";
        let expected = [
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        ];
        assert_eq!(older(both).as_deref(), Some(&expected[..]));
    }

    #[test]
    fn groups_exclusions_and_intersections_work_as_in_openssl() {
        assert_eq!(older("HIGH:!aNULL:!MD5").map(|suites| suites.len()), Some(6));
        assert_eq!(older("ECDHE+AESGCM:!ECDSA").map(|suites| suites.len()), Some(2));
        assert_eq!(older("ALL:!AES:-CHACHA20"), None);
    }

    #[test]
    fn suites_of_tls_13_are_chosen_by_name_and_all_must_be_known() {
        let all = rustls::crypto::ring::default_provider().cipher_suites;
        let chosen = choose_tls13("TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256", &all).unwrap();
        let newer: Vec<_> =
            chosen.iter().filter(|suite| suite.tls13().is_some()).map(|suite| suite.suite()).collect();
        let expected = [CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, CipherSuite::TLS13_AES_128_GCM_SHA256];
        assert_eq!(newer, expected);
        assert_eq!(chosen.len(), all.len() - 1);
        assert!(choose_tls13("TLS_AES_128_CCM_SHA256", &all).is_none());
        assert!(choose_tls13("ECDHE-RSA-AES128-GCM-SHA256", &all).is_none());
        assert!(choose_tls13("", &all).is_none());
    }

    #[test]
    fn a_list_that_names_nothing_is_no_list() {
        assert_eq!(older("AES256-SHA:RC4-MD5"), None);
        assert_eq!(older(""), None);
    }
}
