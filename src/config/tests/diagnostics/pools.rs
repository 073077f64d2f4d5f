//! Mistakes in pools, and in the files of the servers they name.

use super::{Case, ROOT};
use crate::Code;

pub(super) const CASES: &[Case] = &[
    (
        Code::PoolConfig,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: absent.psk, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolConfig,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: client.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolConfig,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: broken.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (Code::PoolManagement, &[(ROOT, "pools:\n  - {name: p, openvpn: {config: server.ovpn}}\ntunnels:\n")]),
    (
        Code::PoolManagement,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: server.ovpn, management: '10.1.0.1:7505'}}\ntunnels:\n")],
    ),
    (
        Code::PoolManagement,
        &[(
            ROOT,
            "pools:\n  - {name: p, openvpn: {config: server.ovpn, management: /run/m, password-file: absent.psk}}\ntunnels:\n",
        )],
    ),
    (
        Code::PoolRoom,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: narrow.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolKeepalive,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: deaf.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolCipher,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: weak.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolOverlap,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: lan.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolOverlap,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: pushy.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::CertificateTime,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: old.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolConfig,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: lost.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolConfig,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: thin.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolConfig,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: vast.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolConfig,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: stray.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (Code::PoolManagement, &[(ROOT, "pools:\n  - {name: p, openvpn: {config: abroad.ovpn}}\ntunnels:\n")]),
    (Code::PoolManagement, &[(ROOT, "pools:\n  - {name: p, openvpn: {config: typed.ovpn}}\ntunnels:\n")]),
    (
        Code::PoolManagement,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: logins.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolManagement,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: asks.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::PoolCipher,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: rigid.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (
        Code::NetworkMartian,
        &[(ROOT, "pools:\n  - {name: p, openvpn: {config: link.ovpn, management: /run/m}}\ntunnels:\n")],
    ),
    (Code::DuplicateName, &[(ROOT, TWO_POOLS)]),
    (Code::MissingKey, &[(ROOT, "pools:\n  - {name: p}\ntunnels:\n")]),
];

const TWO_POOLS: &str = "pools:\n  - {name: p, openvpn: {config: server.ovpn, management: /run/m}}\n  \
                         - {name: p, openvpn: {config: server.ovpn, management: /run/n}}\ntunnels:\n";
