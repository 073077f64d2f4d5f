//! Diffie-Hellman modulo a prime (RFC 7296 B, RFC 3526, RFC 5114), in constant time.
//!
//! Exponents are short (RFC 3526 8): for a safe prime, twice the group's strength is enough, and an
//! exponentiation costs in proportion to the exponent's length. Where the generator has a small order (groups 22
//! to 24), exponents are as long as that order, and a peer's value is taken only if it has the order too: any
//! other would tell the peer something of the exponent (RFC 6989 2.2).
//!
//! Our public value is g^x, so its base never changes and a comb of precomputed powers serves (Lim and Lee
//! 1994). The bits of x are laid out as 4 rows of 8 blocks; `table[block]` has the product of each subset of
//! the rows' base powers of that block. One column of every block is handled per squaring:
//!
//! ```text
//!           block 7      ...          block 1      block 0
//!  row 3 |  ..... k   |  ..... k   |  ..... k   |  ..... k   |
//!  row 2 |  ..... k   |  ..... k   |  ..... k   |  ..... k   |   at column k:
//!  row 1 |  ..... k   |  ..... k   |  ..... k   |  ..... k   |     acc = acc^2
//!  row 0 |  ..... k   |  ..... k   |  ..... k   |  ..... k   |     acc = acc * table[block][4 bits], 8 times
//! ```
//!
//! so that a 224-bit exponent takes 7 squarings and 56 multiplications instead of about 290 of both.

pub(crate) mod constants;

use std::sync::OnceLock;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{CtAssign, CtEq, Odd, U768, U1024, U1536, U2048, U3072, U4096, U6144, U8192, Uint};
use wire::{Entropy, Secret};
use zeroize::{Zeroize, Zeroizing};

use constants::{
    GENERATOR_1024_160, GENERATOR_2048_224, GENERATOR_2048_256, ORDER_1024_160, ORDER_2048_224, ORDER_2048_256,
    PRIME_768, PRIME_1024, PRIME_1024_160, PRIME_1536, PRIME_2048, PRIME_2048_224, PRIME_2048_256, PRIME_3072,
    PRIME_4096, PRIME_6144, PRIME_8192,
};

/// A group, by the size of its prime and, where the generator has a small one, its order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Modulus {
    Bits768,
    Bits1024,
    Bits1536,
    Bits2048,
    Bits3072,
    Bits4096,
    Bits6144,
    Bits8192,
    Bits1024Order160,
    Bits2048Order224,
    Bits2048Order256,
}

/// Draws an exponent; returns the public value and the exponent.
pub(super) fn generate(modulus: Modulus, entropy: &mut dyn Entropy) -> (Vec<u8>, Secret) {
    group(modulus).generate(entropy)
}

/// Raises `peer` to `exponent`; `None` if `peer` is not in 2..=p-2, or not of the group's order. Its length must be
/// that of the prime.
pub(super) fn agree(modulus: Modulus, exponent: &Secret, peer: &[u8]) -> Option<Secret> {
    group(modulus).agree(exponent, peer)
}

/// What every size can do.
trait Group: Sync {
    fn generate(&self, entropy: &mut dyn Entropy) -> (Vec<u8>, Secret);
    fn agree(&self, exponent: &Secret, peer: &[u8]) -> Option<Secret>;
}

macro_rules! groups {
    ($modulus:expr; $($name:ident: $size:ty, $new:expr;)*) => {
        match $modulus {$(
            Modulus::$name => {
                static GROUP: OnceLock<Modp<{ <$size>::LIMBS }>> = OnceLock::new();
                GROUP.get_or_init(|| $new)
            }
        )*}
    };
}

/// Twice the strength of the group, so that the exponent is not what an attacker goes for: NIST SP 800-56A revision 3
/// appendix D wants at least 224 bits in group 14, 256 in 15, 304 in 16, 352 in 17 and 400 in 18; RFC 3526 8 estimates
/// 220 to 320, 260 to 420, 310 to 480, 340 to 540, 380 to 620. Rounded up to what fills a comb.
fn group(modulus: Modulus) -> &'static dyn Group {
    groups! { modulus;
        Bits768: U768, Modp::safe(PRIME_768, 256);
        Bits1024: U1024, Modp::safe(PRIME_1024, 256);
        Bits1536: U1536, Modp::safe(PRIME_1536, 256);
        Bits2048: U2048, Modp::safe(PRIME_2048, 224);
        Bits3072: U3072, Modp::safe(PRIME_3072, 320);
        Bits4096: U4096, Modp::safe(PRIME_4096, 320);
        Bits6144: U6144, Modp::safe(PRIME_6144, 384);
        Bits8192: U8192, Modp::safe(PRIME_8192, 448);
        Bits1024Order160: U1024, Modp::subgroup(PRIME_1024_160, GENERATOR_1024_160, ORDER_1024_160);
        Bits2048Order224: U2048, Modp::subgroup(PRIME_2048_224, GENERATOR_2048_224, ORDER_2048_224);
        Bits2048Order256: U2048, Modp::subgroup(PRIME_2048_256, GENERATOR_2048_256, ORDER_2048_256);
    }
}

const ROWS: usize = 4;
const BLOCKS: usize = 8;
const SUBSETS: usize = 1 << ROWS;

struct Modp<const LIMBS: usize> {
    params: FixedMontyParams<LIMBS>,
    exponent_bits: usize,
    /// Of the generator, where it is not half the group.
    order: Option<Uint<LIMBS>>,
    table: Box<[[FixedMontyForm<LIMBS>; SUBSETS]; BLOCKS]>,
}

impl<const LIMBS: usize> Modp<LIMBS> {
    /// Of a safe prime, with generator 2.
    fn safe(prime: &str, exponent_bits: usize) -> Self {
        Self::new(prime, &Uint::from_u8(2), exponent_bits, None)
    }

    /// Of a prime with a subgroup of small prime order.
    fn subgroup(prime: &str, generator: &str, order: &str) -> Self {
        let digits = 2 * Uint::<LIMBS>::BYTES;
        let padded = Uint::from_be_hex(&format!("{order:0>digits$}"));
        Self::new(prime, &Uint::from_be_hex(generator), 4 * order.len(), Some(padded))
    }

    fn new(prime: &str, generator: &Uint<LIMBS>, exponent_bits: usize, order: Option<Uint<LIMBS>>) -> Self {
        assert_eq!(exponent_bits % (ROWS * BLOCKS), 0, "an exponent fills its comb");
        let prime = Odd::new(Uint::from_be_hex(prime)).expect_copied("a prime above 2 is odd");
        let params = FixedMontyParams::new_vartime(prime);
        let one = FixedMontyForm::one(&params);
        let mut table = Box::new([[one; SUBSETS]; BLOCKS]);
        let columns = exponent_bits / (ROWS * BLOCKS);
        let mut power = FixedMontyForm::new(generator, &params);
        for row in 0..ROWS {
            for block in table.iter_mut() {
                for subset in 0..1 << row {
                    block[subset | 1 << row] = block[subset] * power;
                }
                power = power.square_repeat_vartime(u32::try_from(columns).expect("a few dozen"));
            }
        }
        Self { params, exponent_bits, order, table }
    }

    /// g^exponent; the exponent is big-endian and fills the comb.
    fn power_of_generator(&self, exponent: &[u8]) -> FixedMontyForm<LIMBS> {
        let columns = self.exponent_bits / (ROWS * BLOCKS);
        let bit = |index: usize| exponent[exponent.len() - 1 - index / 8] >> (index % 8) & 1;
        let mut power = FixedMontyForm::one(&self.params);
        for column in (0..columns).rev() {
            power = power.square();
            for (block, subsets) in self.table.iter().enumerate() {
                let subset =
                    (0..ROWS).rev().fold(0, |subset, row| subset << 1 | bit((row * BLOCKS + block) * columns + column));
                power *= select(subsets, subset);
            }
        }
        power
    }
}

impl<const LIMBS: usize> Group for Modp<LIMBS> {
    fn generate(&self, entropy: &mut dyn Entropy) -> (Vec<u8>, Secret) {
        let mut exponent = vec![0; self.exponent_bits / 8];
        entropy.fill(&mut exponent);
        match self.order {
            // The top bit is set: no draw is short.
            None => exponent[0] |= 0x80,
            // The order has its top bit set; without that bit, the draw is below the order.
            Some(_) => exponent[0] = exponent[0] & 0x7f | 0x40,
        }
        let exponent = Secret::new(exponent);
        (octets(&self.power_of_generator(exponent.expose()).retrieve()), exponent)
    }

    fn agree(&self, exponent: &Secret, peer: &[u8]) -> Option<Secret> {
        let base = Uint::from_be_slice(peer);
        // RFC 6989 2.1: 1 < r < p - 1.
        let last = self.params.modulus().as_ref().wrapping_sub(&Uint::ONE);
        if base <= Uint::ONE || base >= last {
            return None;
        }
        let bits = u32::try_from(self.exponent_bits).expect("a few hundred");
        let base = FixedMontyForm::new(&base, &self.params);
        // RFC 6989 2.2: r^q = 1, or the peer may learn the exponent modulo the small factors of p - 1.
        if self.order.is_some_and(|order| base.pow_amm_bounded_exp(&order, bits).retrieve() != Uint::ONE) {
            return None;
        }
        let mut padded = Zeroizing::new(vec![0; Uint::<LIMBS>::BYTES]);
        let start = padded.len() - exponent.len();
        padded[start..].copy_from_slice(exponent.expose());
        let exponent = Zeroizing::new(Uint::<LIMBS>::from_be_slice(&padded));
        let mut shared = base.pow_amm_bounded_exp(&exponent, bits).retrieve();
        // RFC 7296 2.14: g^ir is padded with zeros to the length of the modulus.
        let octets = Secret::new(octets(&shared));
        shared.zeroize();
        Some(octets)
    }
}

/// Reads every entry, so that the access tells nothing of `index`.
fn select<const LIMBS: usize>(entries: &[FixedMontyForm<LIMBS>; SUBSETS], index: u8) -> FixedMontyForm<LIMBS> {
    let mut chosen = entries[0];
    for (number, entry) in (0_u8..).zip(entries) {
        chosen.as_montgomery_mut().ct_assign(entry.as_montgomery(), number.ct_eq(&index));
    }
    chosen
}

fn octets<const LIMBS: usize>(number: &Uint<LIMBS>) -> Vec<u8> {
    number.as_words().iter().rev().flat_map(|word| word.to_be_bytes()).collect()
}
