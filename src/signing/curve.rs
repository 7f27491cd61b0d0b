//! Which 32 bytes are a safe Ed25519 public key.
//!
//! aws-lc verifies without looking at the key's order: for the identity point it accepts a signature that nobody made
//! (`tests.rs` shows one). So the agent refuses, before it trusts a key, everything that is not the canonical encoding
//! of a curve point (RFC 8032, 5.1.3) and every point of small order. Public data only: nothing here is constant-time.

/// A number modulo p = 2^255 - 19, little-endian words, any value below 2^256.
type Field = [u64; 4];

/// p.
const P: Field = [0xffff_ffff_ffff_ffed, u64::MAX, u64::MAX, 0x7fff_ffff_ffff_ffff];
/// (p - 1) / 2, the exponent of Euler's criterion.
const HALF: Field = [0xffff_ffff_ffff_fff6, u64::MAX, u64::MAX, 0x3fff_ffff_ffff_ffff];
/// The curve's d = -121665/121666 (RFC 8032, 5.1).
const D: Field = [0x75eb_4dca_1359_78a3, 0x0070_0a4d_4141_d8ab, 0x8cc7_4079_7779_e898, 0x5203_6cee_2b6f_fe73];
const ONE: Field = [1, 0, 0, 0];

/// The y coordinates of all eight points of small order: orders 4, 1, 2, and the two of order 8
/// (the list libsodium keeps in `ge25519_has_small_order`).
const SMALL_ORDER: [Field; 5] = [
    [0, 0, 0, 0],
    ONE,
    [P[0] - 1, P[1], P[2], P[3]],
    [0xb027_b2c2_8f95_e826, 0xf098_eff2_89f4_c345, 0x3933_c6d3_05ac_dfd5, 0x05fc_536d_8802_38b1],
    [0x4fd8_4d3d_706a_17c7, 0x0f67_100d_760b_3cba, 0xc6cc_392c_fa53_202a, 0x7a03_ac92_77fd_c74e],
];

/// Why a public key must not be trusted; nothing for a sound one.
#[must_use]
pub fn weak_key(key: &[u8; 32]) -> Option<&'static str> {
    let mut y: Field = [0; 4];
    for (word, bytes) in y.iter_mut().zip(key.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    // The top bit is the sign of x.
    y[3] &= 0x7fff_ffff_ffff_ffff;
    if !less(&y, &P) {
        return Some("it is not the canonical encoding of a curve point");
    }
    if SMALL_ORDER.contains(&y) {
        return Some("it is a point of small order, for which anyone can make signatures");
    }
    let square = multiply(&y, &y);
    let numerator = add(&square, &subtract_one(&P));
    let denominator = add(&multiply(&D, &square), &ONE);
    // x² = n / d has a solution where n / d, and so n · d, is a square. d is never 0: -1/D is not a square.
    let product = multiply(&numerator, &denominator);
    (canonical(power(&product, &HALF)) != ONE).then_some("it is not a point on the curve")
}

/// a < b as plain numbers.
fn less(a: &Field, b: &Field) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

fn subtract_one(a: &Field) -> Field {
    // Only used for p, whose lowest word is not 0.
    [a[0] - 1, a[1], a[2], a[3]]
}

/// Adds `times · 38` (2^256 = 38 modulo p) until nothing is carried out of the top word.
fn fold(mut value: Field, mut times: u64) -> Field {
    while times != 0 {
        let mut carry = u128::from(times) * 38;
        for word in &mut value {
            carry += u128::from(*word);
            *word = carry as u64;
            carry >>= 64;
        }
        times = carry as u64;
    }
    value
}

fn add(a: &Field, b: &Field) -> Field {
    let (mut sum, mut carry) = ([0; 4], 0_u128);
    for (word, (x, y)) in sum.iter_mut().zip(a.iter().zip(b)) {
        carry += u128::from(*x) + u128::from(*y);
        *word = carry as u64;
        carry >>= 64;
    }
    fold(sum, carry as u64)
}

fn multiply(a: &Field, b: &Field) -> Field {
    let mut wide = [0_u64; 8];
    for (i, x) in a.iter().enumerate() {
        let mut carry = 0_u128;
        for (j, y) in b.iter().enumerate() {
            carry += u128::from(*x) * u128::from(*y) + u128::from(wide[i + j]);
            wide[i + j] = carry as u64;
            carry >>= 64;
        }
        wide[i + 4] = carry as u64;
    }
    let (mut low, mut carry) = ([0; 4], 0_u128);
    for (i, word) in low.iter_mut().enumerate() {
        carry += u128::from(wide[i]) + u128::from(wide[i + 4]) * 38;
        *word = carry as u64;
        carry >>= 64;
    }
    fold(low, carry as u64)
}

fn power(base: &Field, exponent: &Field) -> Field {
    let mut result = ONE;
    for bit in (0..256).rev() {
        result = multiply(&result, &result);
        if exponent[bit / 64] >> (bit % 64) & 1 == 1 {
            result = multiply(&result, base);
        }
    }
    result
}

/// The one representative below p. The value is below 2^256 = 2p + 38, so at most two subtractions.
fn canonical(mut value: Field) -> Field {
    while !less(&value, &P) {
        let mut borrow = false;
        for (word, p) in value.iter_mut().zip(P) {
            let (difference, first) = word.overflowing_sub(p);
            let (difference, second) = difference.overflowing_sub(u64::from(borrow));
            (*word, borrow) = (difference, first || second);
        }
    }
    value
}
