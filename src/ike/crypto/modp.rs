//! Diffie-Hellman modulo a safe prime (RFC 7296 B.2, RFC 3526), in constant time.
//!
//! Exponents are short (RFC 3526 8): for a safe prime, twice the group's strength is enough, and an
//! exponentiation costs in proportion to the exponent's length.
//!
//! Our public value is 2^x, so its base never changes and a comb of precomputed powers serves (Lim and Lee
//! 1994). The bits of x are laid out as 4 rows of 4 blocks; `table[block]` has the product of each subset of
//! the rows' base powers of that block. One column of every block is handled per squaring:
//!
//! ```text
//!           block 3      block 2      block 1      block 0
//!  row 3 |  ..... k   |  ..... k   |  ..... k   |  ..... k   |
//!  row 2 |  ..... k   |  ..... k   |  ..... k   |  ..... k   |   at column k:
//!  row 1 |  ..... k   |  ..... k   |  ..... k   |  ..... k   |     acc = acc^2
//!  row 0 |  ..... k   |  ..... k   |  ..... k   |  ..... k   |     acc = acc * table[block][4 bits], 4 times
//! ```
//!
//! so that a 320-bit exponent takes 20 squarings and 80 multiplications instead of about 400 of both.

use std::sync::OnceLock;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{CtAssign, CtEq, Odd, U1024, U2048, U3072, U4096, Uint};
use wire::{Entropy, Secret};
use zeroize::{Zeroize, Zeroizing};

/// A group, by the size of its prime.
#[derive(Clone, Copy, Debug)]
pub(super) enum Modulus {
    Bits1024,
    Bits2048,
    Bits3072,
    Bits4096,
}

/// Draws an exponent; returns the public value and the exponent.
pub(super) fn generate(modulus: Modulus, entropy: &mut dyn Entropy) -> (Vec<u8>, Secret) {
    match modulus {
        Modulus::Bits1024 => modp1024().generate(entropy),
        Modulus::Bits2048 => modp2048().generate(entropy),
        Modulus::Bits3072 => modp3072().generate(entropy),
        Modulus::Bits4096 => modp4096().generate(entropy),
    }
}

/// Raises `peer` to `exponent`; `None` if `peer` is not in 2..=p-2. Its length must be that of the prime.
pub(super) fn agree(modulus: Modulus, exponent: &Secret, peer: &[u8]) -> Option<Secret> {
    match modulus {
        Modulus::Bits1024 => modp1024().agree(exponent, peer),
        Modulus::Bits2048 => modp2048().agree(exponent, peer),
        Modulus::Bits3072 => modp3072().agree(exponent, peer),
        Modulus::Bits4096 => modp4096().agree(exponent, peer),
    }
}

const ROWS: usize = 4;
const BLOCKS: usize = 4;
const SUBSETS: usize = 1 << ROWS;

struct Modp<const LIMBS: usize> {
    params: FixedMontyParams<LIMBS>,
    exponent_bits: usize,
    table: Box<[[FixedMontyForm<LIMBS>; SUBSETS]; BLOCKS]>,
}

impl<const LIMBS: usize> Modp<LIMBS> {
    fn new(prime: &str, exponent_bits: usize) -> Self {
        assert_eq!(exponent_bits % (ROWS * BLOCKS), 0, "an exponent fills its comb");
        let prime = Odd::new(Uint::from_be_hex(prime)).expect_copied("a prime above 2 is odd");
        let params = FixedMontyParams::new_vartime(prime);
        let one = FixedMontyForm::one(&params);
        let mut table = Box::new([[one; SUBSETS]; BLOCKS]);
        let columns = exponent_bits / (ROWS * BLOCKS);
        let mut power = FixedMontyForm::new(&Uint::from_u8(2), &params);
        for row in 0..ROWS {
            for block in table.iter_mut() {
                for subset in 0..1 << row {
                    block[subset | 1 << row] = block[subset] * power;
                }
                power = power.square_repeat_vartime(u32::try_from(columns).expect("a few dozen"));
            }
        }
        Self { params, exponent_bits, table }
    }

    fn generate(&self, entropy: &mut dyn Entropy) -> (Vec<u8>, Secret) {
        let mut exponent = vec![0; self.exponent_bits / 8];
        entropy.fill(&mut exponent);
        // The top bit is set: no draw is short.
        exponent[0] |= 0x80;
        let exponent = Secret::new(exponent);
        (octets(&self.power_of_two(exponent.expose()).retrieve()), exponent)
    }

    fn agree(&self, exponent: &Secret, peer: &[u8]) -> Option<Secret> {
        let base = Uint::from_be_slice(peer);
        // RFC 6989 2.1: 1 < r < p - 1.
        let last = self.params.modulus().as_ref().wrapping_sub(&Uint::ONE);
        if base <= Uint::ONE || base >= last {
            return None;
        }
        let mut padded = Zeroizing::new(vec![0; Uint::<LIMBS>::BYTES]);
        let start = padded.len() - exponent.len();
        padded[start..].copy_from_slice(exponent.expose());
        let exponent = Zeroizing::new(Uint::<LIMBS>::from_be_slice(&padded));
        let bits = u32::try_from(self.exponent_bits).expect("a few hundred");
        let mut shared = FixedMontyForm::new(&base, &self.params).pow_amm_bounded_exp(&exponent, bits).retrieve();
        // RFC 7296 2.14: g^ir is padded with zeros to the length of the modulus.
        let octets = Secret::new(octets(&shared));
        shared.zeroize();
        Some(octets)
    }

    /// 2^exponent; the exponent is big-endian and fills the comb.
    fn power_of_two(&self, exponent: &[u8]) -> FixedMontyForm<LIMBS> {
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

/// RFC 3526 8 estimates 220 to 320 bits for group 14, 260 to 420 for 15, 310 to 480 for 16; the upper figures
/// are taken, rounded to what fills a comb.
fn modp2048() -> &'static Modp<{ U2048::LIMBS }> {
    static GROUP: OnceLock<Modp<{ U2048::LIMBS }>> = OnceLock::new();
    GROUP.get_or_init(|| Modp::new(PRIME_2048, 320))
}

fn modp3072() -> &'static Modp<{ U3072::LIMBS }> {
    static GROUP: OnceLock<Modp<{ U3072::LIMBS }>> = OnceLock::new();
    GROUP.get_or_init(|| Modp::new(PRIME_3072, 432))
}

fn modp4096() -> &'static Modp<{ U4096::LIMBS }> {
    static GROUP: OnceLock<Modp<{ U4096::LIMBS }>> = OnceLock::new();
    GROUP.get_or_init(|| Modp::new(PRIME_4096, 480))
}

fn modp1024() -> &'static Modp<{ U1024::LIMBS }> {
    static GROUP: OnceLock<Modp<{ U1024::LIMBS }>> = OnceLock::new();
    GROUP.get_or_init(|| Modp::new(PRIME_1024, 256))
}

/// RFC 7296 B.2: 2^1024 - 2^960 - 1 + 2^64 * (floor(2^894 pi) + 129093).
pub(super) const PRIME_1024: &str = "\
    FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
    EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
    EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF";

/// RFC 3526 3: 2^2048 - 2^1984 - 1 + 2^64 * (floor(2^1918 pi) + 124476).
pub(super) const PRIME_2048: &str = "\
    FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
    EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
    EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F\
    83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
    E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510\
    15728E5A8AACAA68FFFFFFFFFFFFFFFF";

/// RFC 3526 4: 2^3072 - 2^3008 - 1 + 2^64 * (floor(2^2942 pi) + 1690314).
pub(super) const PRIME_3072: &str = "\
    FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
    EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
    EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F\
    83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
    E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510\
    15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7\
    ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C\
    BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF";

/// RFC 3526 5: 2^4096 - 2^4032 - 1 + 2^64 * (floor(2^3966 pi) + 240904).
pub(super) const PRIME_4096: &str = "\
    FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
    EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
    EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F\
    83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
    E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510\
    15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7\
    ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C\
    BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A92108011A723C12A787E6D7\
    88719A10BDBA5B2699C327186AF4E23C1A946834B6150BDA2583E9CA2AD44CE8DBBBC2DB04DE8EF92E8EFC141FBECAA6\
    287C59474E6BC05D99B2964FA090C3A2233BA186515BE7ED1F612970CEE2D7AFB81BDD762170481CD0069127D5B05AA9\
    93B4EA988D8FDDC186FFB7DC90A6C08F4DF435C934063199FFFFFFFFFFFFFFFF";
