//! Diffie-Hellman groups.

use aws_lc_rs::digest::{SHA256, digest};
use hex_literal::hex;

use crate::modp::constants;
use crate::{Group, GroupId, KeyExchangeError};
use fixtures::Seeded;

use super::once;

/// Exponent lengths in octets.
const MODP: [(Group, usize); 8] = [
    (Group::Modp768, 32),
    (Group::Modp1024, 32),
    (Group::Modp1536, 32),
    (Group::Modp2048, 28),
    (Group::Modp3072, 40),
    (Group::Modp4096, 40),
    (Group::Modp6144, 48),
    (Group::Modp8192, 56),
];

#[test]
fn both_ends_agree_in_every_group() {
    let mut entropy = Seeded::new(1);
    for group in Group::ALL {
        for _ in 0..3 {
            let ours = group.generate(&mut entropy);
            let a = ours.public().to_vec();
            let theirs = group.answer(&a, &mut entropy).unwrap();
            let b = theirs.public().to_vec();
            assert_eq!((a.len(), b.len()), (group.public_len(), group.answer_len()), "{group}");
            assert_ne!(a, b, "{group}");
            assert_eq!(ours.agree(&b).unwrap(), theirs.agree(&a).unwrap(), "{group}");
        }
    }
}

#[test]
fn the_same_entropy_gives_the_same_keys() {
    // The library draws the keys of a KEM itself.
    for group in Group::ALL.into_iter().filter(|group| !group.is_kem()) {
        let public = |seed| group.generate(&mut Seeded::new(seed)).public().to_vec();
        assert_eq!(public(7), public(7), "{group}");
        assert_ne!(public(7), public(8), "{group}");
    }
}

#[test]
fn even_broken_entropy_yields_usable_keys() {
    for group in Group::ALL {
        for octet in [0, 0xff] {
            let mut stuck = move |out: &mut [u8]| out.fill(octet);
            let pair = group.generate(&mut stuck);
            let peer = group.answer(pair.public(), &mut Seeded::new(2)).unwrap();
            assert!(pair.agree(peer.public()).is_ok(), "{group} {octet}");
        }
    }
}

#[test]
fn numbers_and_groups_correspond() {
    for group in Group::ALL {
        assert_eq!(Group::from_id(group.id()), Some(group));
        assert!(group.id().name().is_some(), "{group}");
    }
    assert_eq!(Group::from_id(GroupId::NONE), None);
    assert_eq!(Group::from_id(GroupId::CURVE448), None);
}

#[test]
fn modp_powers_equal_those_of_an_independent_implementation() {
    let expected = [
        (
            hex!("24da0ab0a4202b7e9210bb1d6908a8ec3aa64f25208eaed07934e48957384153"),
            hex!("3d181abe94d397632100a244c78e42c1f11f4b3a7135a597cbd383468eec6d7c"),
        ),
        (
            hex!("2963f96caa115e3d59da73ea769621662937a3484097bac8e8aa9c2384fd397d"),
            hex!("85851150048bef63e09c2d79e908852997b6b541aae870a3103f12549edf4419"),
        ),
        (
            hex!("df3e7398f51bbecb3d2be6b28a17ac68ae7ae1454164a436f74790bdfb668fa2"),
            hex!("d8e707c22cad2d6320cc7594d96db4ebc8cf6d81bc06f3b09aa0b3b38ecbc0c7"),
        ),
        (
            hex!("f91ed1640e9f1b2393f85ee04c7bc0449569525eb0648bee1ba81e54bec2c1e3"),
            hex!("5f712608d8875ebf14a34584c46ddb843e11e2d66a70afd368e152d006e64431"),
        ),
        (
            hex!("b637aec97607d535a66c0d06fb60b0bf864b3d6f02487695854ee44c9d35fc01"),
            hex!("2cc0cd73b2139e31a9654a332508bb5b33295aef95c8230c4f6b3d2d555abac3"),
        ),
        (
            hex!("3b7fc7a8fa5c1a02b58c8f3f4180ab43cf3b186298b80425b4b0dbaa5022ba35"),
            hex!("c4b1757e5aa31cf4ec07088b268c6e07aa0601f4447cc3a566cb305f177c7bb2"),
        ),
        (
            hex!("afa03a2cd233612832c15876ee5554663dd052f7daedaf9e26afc6c5d9e00dcb"),
            hex!("351166f9c8982037fe6a65eb89c4f4362ea2e68a1242dd311489e1e0df6e5e30"),
        ),
        (
            hex!("0fcdb8293a81aa92e4a81ec672ab40c750f9600cb6b0b7bdc11ac9acc263b640"),
            hex!("26c80b93add02f518c7b1800a4334fa694b6d4a71e9ab78f117850469268ac7e"),
        ),
    ];
    for ((group, exponent_len), (public, shared)) in MODP.into_iter().zip(expected) {
        let exponent: Vec<u8> = (0..exponent_len).map(|i| (i * 7 + 3).to_le_bytes()[0]).collect();
        let pair = group.generate(&mut once(&exponent));
        assert_eq!(digest(&SHA256, pair.public()).as_ref(), public, "{group}");
        // The peer's value is 3 * 2^1000 + 5, or 3 * 2^600 + 5 where the prime is shorter.
        let bits = if group == Group::Modp768 { 600 } else { 1000 };
        let mut peer = vec![0; group.public_len()];
        peer[group.public_len() - 1] = 5;
        peer[group.public_len() - 1 - bits / 8] = 3;
        assert_eq!(digest(&SHA256, pair.agree(&peer).unwrap().expose()).as_ref(), shared, "{group}");
    }
}

/// The prime as octets.
fn prime(group: Group) -> Vec<u8> {
    let text = match group {
        Group::Modp768 => constants::PRIME_768,
        Group::Modp1024 => constants::PRIME_1024,
        Group::Modp1536 => constants::PRIME_1536,
        Group::Modp2048 => constants::PRIME_2048,
        Group::Modp3072 => constants::PRIME_3072,
        Group::Modp4096 => constants::PRIME_4096,
        Group::Modp6144 => constants::PRIME_6144,
        Group::Modp8192 => constants::PRIME_8192,
        Group::Modp1024s160 => constants::PRIME_1024_160,
        Group::Modp2048s224 => constants::PRIME_2048_224,
        Group::Modp2048s256 => constants::PRIME_2048_256,
        Group::Ecp256
        | Group::Ecp384
        | Group::Ecp521
        | Group::X25519
        | Group::MlKem512
        | Group::MlKem768
        | Group::MlKem1024 => unreachable!("not modular"),
    };
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn degenerate_modp_values_are_refused() {
    for (group, _) in MODP {
        let (prime, len) = (prime(group), group.public_len());
        let plus = |octets: &[u8], delta: i8| {
            let mut octets = octets.to_vec();
            // No prime here ends in an octet that would carry.
            octets[len - 1] = octets[len - 1].wrapping_add_signed(delta);
            octets
        };
        let mut zero = vec![0; len];
        let agree = |peer: &[u8]| group.generate(&mut Seeded::new(3)).agree(peer).map(|_| ());
        let refused = Err(KeyExchangeError::Element(group));
        assert_eq!(agree(&zero), refused);
        zero[len - 1] = 1;
        assert_eq!(agree(&zero), refused);
        zero[len - 1] = 2;
        assert_eq!(agree(&zero), Ok(()));
        assert_eq!(agree(&plus(&prime, -2)), Ok(()));
        assert_eq!(agree(&plus(&prime, -1)), refused);
        assert_eq!(agree(&prime), refused);
        assert_eq!(agree(&vec![0xff; len]), refused);
    }
}

#[test]
fn values_of_the_wrong_length_are_refused() {
    for group in Group::ALL {
        let expected = group.answer_len();
        for found in [0, 1, expected - 1, expected + 1] {
            let result = group.generate(&mut Seeded::new(4)).agree(&vec![2; found]);
            assert_eq!(result, Err(KeyExchangeError::Length { group, expected, found }), "{group}");
        }
    }
}

#[test]
fn points_off_the_curve_and_of_small_order_are_refused() {
    for group in [Group::Ecp256, Group::Ecp384, Group::Ecp521] {
        let mut point = group.generate(&mut Seeded::new(5)).public().to_vec();
        *point.last_mut().unwrap() ^= 1;
        let pair = group.generate(&mut Seeded::new(6));
        assert_eq!(pair.agree(&point), Err(KeyExchangeError::Element(group)));
        let pair = group.generate(&mut Seeded::new(6));
        assert_eq!(pair.agree(&vec![0; group.public_len()]), Err(KeyExchangeError::Element(group)));
    }
    // RFC 7748 6.1: points of small order give zero.
    let order_eight = hex!("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800");
    for point in [[0; 32], order_eight] {
        let pair = Group::X25519.generate(&mut Seeded::new(6));
        assert_eq!(pair.agree(&point), Err(KeyExchangeError::Element(Group::X25519)));
    }
}

#[test]
fn powers_in_groups_of_small_order_equal_those_of_an_independent_implementation() {
    // Exponent length; public value hashed; the peer's value, g^12345; the shared secret hashed.
    type Row = (Group, usize, [u8; 32], &'static [u8], [u8; 32]);
    let table: [Row; 3] = [
        (
            Group::Modp1024s160,
            20,
            hex!("5205a1b3aa5f262e6a4426ce0043e7608afdd077c96422aaf1aab3a222413118"),
            &hex!(
                "4e5513c6620c3cb4f343cc1967d26b6b9077c28a862f1988e16b10cff3c190c59376f9e217551d7fab45438dad0ba075e77be9f76628a0462e72670af6b563bc830c68d2f0e1ea491daa51dc566d2a64ce1509dd2fff78a7026a4c77b26f08eb04f8038143dcf6786a5c389894d51650a3b71457a59a6bc2936f1f1fee088f45"
            ),
            hex!("303f8ccb745a1291ade507fd1abd7535167f9b7010c1075b8a74b2195c2ea90c"),
        ),
        (
            Group::Modp2048s224,
            28,
            hex!("526eb08bb6a0a6bfeefaaae740664eebf3ad6b6319f88f25fb6d2e01925228e1"),
            &hex!(
                "104dbe74d83453b503a0de1aaf2d73282a23f6e58e6381caffa40ccd59e9d1c0949a70cf6c79bb302d5899fae8f034ea8714838110cf52502de95dec8d853a4a8ddc18ddf392121705b80cbe8da98cf295c260fb3785125304b051864799d6a4e7ca4031dbdf84493f9c9d9def62def8b1c11ccee09d7855f2cc4e80b584f210f40ad6736b02f962c920efe5f5b358dac935e88be5a8a575c36347aafdf86171bfefbd8fe87988bf8cc5ef6d7f040f66f2019d5f7f8c4da2971e4294a1565e60e3806af65808a4cbceffe9f57e5985dbc9eebae1cce6a55db1b0bdd6f7b228bc69587ebc66f094500c72a6f671e1a4e04f9f995796bd8a70f570b21a344d1a0e"
            ),
            hex!("9e0f75393b56f90bfa6a16a00e9814a2afdfe550d93559f7549143908e193530"),
        ),
        (
            Group::Modp2048s256,
            32,
            hex!("40650bd5982abf43e2ecc3d106186e733e9b37f750e735fb52b30945b450270a"),
            &hex!(
                "5f01e85ceff1b64bcc2bfb6470deee217655eab3776dbd7161ec62f0831767ff43dd19eec84d9a5bdca699971c72b7aa44a207944886c259335da33632611f0d099a8b3386b475e16e32228ccf8aff72416c2b1e93a97170cd04a0948bb736f9b948ea793e152b6fea889eb6378952a9b29ba823e66a9d99faf9f7b1697b231d76236fe80e3d704f35f950e4789a46a38f0670ac5b9783d5ae50806be7217be38d4e5eaf9a73ae00d1a7d596acc397775ec16867786c86edb6a8d49fa7cd3c360a68b11c1a1fc0195019a0d1efa562324d65bb8938fe587bd19dffef015998a30fc2f912332c959efa2a298e188842b45741c9a08c52cf56c47619affdc5488a"
            ),
            hex!("55554a274b25fb312de8003b35e64749ea9aa220bcf7a87983dfa6a8c6d2e447"),
        ),
    ];
    for (group, exponent_len, public, peer, shared) in table {
        let exponent: Vec<u8> = (0..exponent_len).map(|i| (i * 7 + 3).to_le_bytes()[0]).collect();
        let pair = group.generate(&mut once(&exponent));
        assert_eq!(digest(&SHA256, pair.public()).as_ref(), public, "{group}");
        assert_eq!(digest(&SHA256, pair.agree(peer).unwrap().expose()).as_ref(), shared, "{group}");
    }
}

#[test]
fn groups_with_a_small_order_take_only_values_of_that_order() {
    for group in [Group::Modp1024s160, Group::Modp2048s224, Group::Modp2048s256] {
        let refused = Err(KeyExchangeError::Element(group));
        let (prime, len) = (prime(group), group.public_len());
        let agree = |peer: &[u8]| group.generate(&mut Seeded::new(3)).agree(peer).map(drop);
        // In range, but generators of more than the subgroup.
        for value in 2..6 {
            let mut peer = vec![0; len];
            peer[len - 1] = value;
            assert_eq!(agree(&peer), refused, "{group} {value}");
        }
        let mut last = prime.clone();
        last[len - 1] -= 1;
        assert_eq!(agree(&last), refused, "{group}");
        assert_eq!(agree(&prime), refused, "{group}");
        assert_eq!(agree(group.generate(&mut Seeded::new(9)).public()), Ok(()), "{group}");
    }
}

struct Vector<'a> {
    group: Group,
    initiator: &'a [u8],
    initiator_public: &'a [u8],
    responder: &'a [u8],
    responder_public: &'a [u8],
    shared: &'a [u8],
}

fn check(vector: &Vector<'_>) {
    let initiator = vector.group.generate(&mut once(vector.initiator));
    let responder = vector.group.generate(&mut once(vector.responder));
    assert_eq!(initiator.public(), vector.initiator_public);
    assert_eq!(responder.public(), vector.responder_public);
    assert_eq!(initiator.agree(vector.responder_public).unwrap().expose(), vector.shared);
    assert_eq!(responder.agree(vector.initiator_public).unwrap().expose(), vector.shared);
}

/// RFC 7748 6.1
#[test]
fn x25519_vector() {
    check(&Vector {
        group: Group::X25519,
        initiator: &hex!("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"),
        initiator_public: &hex!("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"),
        responder: &hex!("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"),
        responder_public: &hex!("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"),
        shared: &hex!("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"),
    });
}

/// RFC 5903 8.1
#[test]
fn ecp256_vector() {
    check(&Vector {
        group: Group::Ecp256,
        initiator: &hex!("c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433"),
        initiator_public: &hex!(
            "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180"
            "5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3"
        ),
        responder: &hex!("c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53"),
        responder_public: &hex!(
            "d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63"
            "56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab"
        ),
        shared: &hex!("d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de"),
    });
}

/// RFC 5903 8.2
#[test]
fn ecp384_vector() {
    check(&Vector {
        group: Group::Ecp384,
        initiator: &hex!(
            "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f16"
            "0647b67414dce655e35b538041e649ee3faef896783ab194"
        ),
        initiator_public: &hex!(
            "667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6de3ac808acb4bdb4c88732aee95f41aa"
            "9482ed1fc0eeb9cafc4984625ccfc23f65032149e0e144ada024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c"
        ),
        responder: &hex!(
            "41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060"
            "855cc9bda0aa2942e0308312916b8ed2960e4bd55a7448fc"
        ),
        responder_public: &hex!(
            "e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d0d1ac43a0336def96fda41d0774a3571"
            "dcfbec7aacf3196472169e838430367f66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c"
        ),
        shared: &hex!(
            "11187331c279962d93d604243fd592cb9d0a926f422e4718"
            "7521287e7156c5c4d603135569b9e9d09cf5d4a270f59746"
        ),
    });
}

/// RFC 5903 8.3
#[test]
fn ecp521_vector() {
    check(&Vector {
        group: Group::Ecp521,
        initiator: &hex!(
            "0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a0"
            "95aa85a30fe1c2952c6771d937ba9777f5957b2639bab072462f68c27a57382d4a52"
        ),
        initiator_public: &hex!(
            "0015417e84dbf28c0ad3c278713349dc7df153c897a1891bd98bab4357c9ecbe"
            "e1e3bf42e00b8e380aeae57c2d107564941885942af5a7f4601723c4195d176ced3e"
            "017cae20b6641d2eeb695786d8c946146239d099e18e1d5a514c739d7cb4a10a"
            "d8a788015ac405d7799dc75e7b7d5b6cf2261a6a7f1507438bf01beb6ca3926f9582"
        ),
        responder: &hex!(
            "0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e"
            "9c677d600b343757a3bdbf2a3163e4c2f869cca7458aa4a4effc311f5cb151685eb9"
        ),
        responder_public: &hex!(
            "00d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a21"
            "9b97c356436adc6e95bb0352f6be64a6c2912d4ef2d0433ced2b6171640012d9460f"
            "015c68226383956e3bd066e797b623c27ce0eac2f551a10c2c724d9852077b87"
            "220b6536c5c408a1d2aebb8e86d678ae49cb57091f4732296579ab44fcd17f0fc56a"
        ),
        shared: &hex!(
            "01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04"
            "d1427e73ca4baa240a34786859810c06b3c715a3a8cc3151f2bee417996d19f3ddea"
        ),
    });
}

#[test]
fn an_encapsulation_key_beyond_the_modulus_is_refused() {
    // FIPS 203 7.2.
    for group in [Group::MlKem512, Group::MlKem768, Group::MlKem1024] {
        let mut key = group.generate(&mut Seeded::new(1)).public().to_vec();
        assert!(group.answer(&key, &mut Seeded::new(2)).is_ok(), "{group}");
        key[..3].copy_from_slice(&[0x01, 0x0d, 0x00]);
        assert!(matches!(group.answer(&key, &mut Seeded::new(2)), Err(KeyExchangeError::Element(_))), "{group}: 3329");
        key[..3].copy_from_slice(&[0x00, 0x0d, 0x00]);
        assert!(group.answer(&key, &mut Seeded::new(2)).is_ok(), "{group}: 3328");
        assert!(group.answer(&key[1..], &mut Seeded::new(2)).is_err(), "{group}");
    }
}
