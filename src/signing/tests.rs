use proptest::prelude::*;

use super::*;
use crate::agent_api;

const SEED: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

fn key() -> AgentKey {
    AgentKey::parse(&format!("deploy-agent-key-v1:vps-1:ci:{SEED}\n")).unwrap()
}

fn bytes32(hex: &str) -> [u8; 32] {
    let bytes: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
    bytes.try_into().unwrap()
}

fn with_sign(mut key: [u8; 32]) -> [u8; 32] {
    key[31] |= 0x80;
    key
}

/// RFC 8032, 7.1: public keys of the first four test vectors.
const RFC: [&str; 4] = [
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    "278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e",
];

const SMALL: [&str; 5] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
];

#[test]
fn sound_keys_pass() {
    for hex in RFC {
        assert_eq!(weak_key(&bytes32(hex)), None, "{hex}");
    }
    for _ in 0..100 {
        let public = AgentKey::generate("a", "k").unwrap().public_base64();
        assert!(parse_public(&public).is_ok(), "{public}");
    }
}

#[test]
fn the_rfc_key_pair_is_reproduced() {
    let public = STANDARD.encode(bytes32(RFC[0]));
    assert_eq!(key().public_base64(), public);
    assert_eq!(key().text().expose(), &format!("deploy-agent-key-v1:vps-1:ci:{SEED}"));
}

#[test]
fn points_of_small_order_are_refused_with_either_sign() {
    for hex in SMALL {
        for key in [bytes32(hex), with_sign(bytes32(hex))] {
            assert!(weak_key(&key).is_some_and(|why| why.contains("small order")), "{hex}");
        }
    }
}

#[test]
fn coordinates_off_the_curve_are_refused() {
    // Found with Python's integers: (y² - 1) / (d y² + 1) is not a square.
    for y in [2_u8, 7, 8, 11, 12, 13, 17, 20, 22, 31, 34, 36, 38] {
        let mut key = [0; 32];
        key[0] = y;
        assert_eq!(weak_key(&key), Some("it is not a point on the curve"), "{y}");
    }
    for y in [3_u8, 4, 5, 6, 9, 10, 14, 15, 16, 18, 19, 21, 23] {
        let mut key = [0; 32];
        key[0] = y;
        assert_eq!(weak_key(&key), None, "{y}");
    }
    for (hex, sound) in [
        ("38b4e652e44da7f2370d9e260e27136550a4a3a6d07f5c0c332f8b1212841f69", false),
        ("2b902f8911e81818f8c99d5d5d9831957504d90e945de2e8f54ee781e63a7b1b", false),
        ("b5769fa0f1483f95a90d9df2f130d60fcf04bd93f50ae69514da8c654ef15806", false),
        ("264aad6cb6dd210faf94acd3cf92c190237cb11f5d108cf2593026399c59b850", true),
        ("8b15442ee2db611a91bfe39469733a9247d58fa3c55018300372555fe99a780c", true),
    ] {
        assert_eq!(weak_key(&bytes32(hex)).is_none(), sound, "{hex}");
    }
}

#[test]
fn encodings_at_or_above_p_are_refused() {
    let p = bytes32("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
    for low in 0xed..=0xff_u8 {
        let mut key = p;
        key[0] = low;
        for key in [key, with_sign(key)] {
            assert_eq!(weak_key(&key), Some("it is not the canonical encoding of a curve point"), "{low}");
        }
    }
}

#[test]
fn aws_lc_accepts_a_signature_that_nobody_made() {
    // For the identity point [s]B = R + [h]A holds for s = 0, R = identity and every message.
    let identity = bytes32(SMALL[1]);
    let mut forged = [0; 64];
    forged[0] = 1;
    assert!(verify(&identity, b"any message", &forged));
    assert!(verify(&identity, b"any other message", &forged));
    assert!(parse_public(&STANDARD.encode(identity)).is_err());
}

#[test]
fn a_signed_request_verifies_and_nothing_else_does() {
    let key = key();
    let public = parse_public(&key.public_base64()).unwrap();
    let header = key.authorization("POST", "/v1/x?y=1", 1_700_000_000, &[7; 16], b"{}");
    let shown = parse_authorization(&header).unwrap();
    assert_eq!((shown.key.as_str(), shown.unix), ("ci", 1_700_000_000));
    let bytes = |agent: &str, method: &str, path: &str, unix, nonce: &str, body: &[u8]| {
        agent_api::signed_bytes(agent, method, path, unix, nonce, &body_hash(body))
    };
    let nonce = shown.nonce.as_str();
    let sound = bytes("vps-1", "POST", "/v1/x?y=1", 1_700_000_000, nonce, b"{}");
    assert!(verify(&public, &sound, &shown.signature));
    for other in [
        bytes("vps-2", "POST", "/v1/x?y=1", 1_700_000_000, nonce, b"{}"),
        bytes("vps-1", "GET", "/v1/x?y=1", 1_700_000_000, nonce, b"{}"),
        bytes("vps-1", "POST", "/v1/x?y=2", 1_700_000_000, nonce, b"{}"),
        bytes("vps-1", "POST", "/v1/x?y=1", 1_700_000_001, nonce, b"{}"),
        bytes("vps-1", "POST", "/v1/x?y=1", 1_700_000_000, "AAAAAAAAAAAAAAAAAAAAAA", b"{}"),
        bytes("vps-1", "POST", "/v1/x?y=1", 1_700_000_000, nonce, b"{ }"),
    ] {
        assert!(!verify(&public, &other, &shown.signature));
    }
    assert_eq!(body_hash(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

#[test]
fn bad_private_keys_say_which_part_without_showing_it() {
    let cases = [
        ("", KeyError::Prefix),
        ("canary", KeyError::Prefix),
        ("deploy-agent-key-v2:a:k:canary", KeyError::Prefix),
        ("deploy-agent-key-v1:canary", KeyError::Parts),
        ("deploy-agent-key-v1:a:k:canary:x", KeyError::Parts),
        ("deploy-agent-key-v1:Canary:k:AA", KeyError::Seed),
        ("deploy-agent-key-v1:a:k:canary", KeyError::Seed),
        ("deploy-agent-key-v1:a:k:nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=", KeyError::Seed),
        ("deploy-agent-key-v1:Canary:k:nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", KeyError::AgentId),
        ("deploy-agent-key-v1:a::nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", KeyError::KeyId),
    ];
    for (text, expected) in cases {
        let error = AgentKey::parse(text).unwrap_err();
        assert_eq!(error, expected, "{text}");
        assert!(!error.to_string().contains("anary"), "{error}");
    }
    assert!(!format!("{:?}", key()).contains(SEED));
}

#[test]
fn bad_headers_say_which_member() {
    let sound = key().authorization("GET", "/", 1, &[0; 16], b"");
    let cases = [
        ("Bearer x".to_owned(), AuthorizationError::Scheme),
        ("Deploy-Agent-V1 key=ci".to_owned(), AuthorizationError::Members),
        (sound.replace("t=1", "u=1"), AuthorizationError::Members),
        (sound.replace("key=ci", "key=C I"), AuthorizationError::Key),
        (sound.replace("t=1", "t=-1"), AuthorizationError::Time),
        (sound.replace("t=1", "t=999999999999"), AuthorizationError::Time),
        (sound.replace("n=AAAA", "n=AA"), AuthorizationError::Nonce),
        (format!("{sound}A"), AuthorizationError::Signature),
        (format!("{sound},x=1"), AuthorizationError::Members),
    ];
    for (header, expected) in cases {
        assert_eq!(parse_authorization(&header).unwrap_err(), expected, "{header}");
    }
}

proptest! {
    #[test]
    fn reading_any_text_never_fails_badly(text in ".{0,200}") {
        let _ = AgentKey::parse(&text);
        let _ = parse_authorization(&text);
        let _ = parse_public(&text);
    }

    #[test]
    fn what_is_written_is_read_back(unix in 0_i64..99_999_999_999, nonce: [u8; 16]) {
        let shown = parse_authorization(&key().authorization("GET", "/v1", unix, &nonce, b"")).unwrap();
        prop_assert_eq!(shown.unix, unix);
        prop_assert_eq!(shown.nonce, URL_SAFE_NO_PAD.encode(nonce));
    }

    #[test]
    fn any_key_is_judged_without_failing(key: [u8; 32]) {
        let _ = weak_key(&key);
    }
}
