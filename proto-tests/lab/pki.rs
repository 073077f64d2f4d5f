//! A certification authority with one intermediate, and a leaf for each end of a tunnel; made by `openssl`.
//!
//! ```text
//!   root -- intermediate --+-- our leaf     (chain file: leaf, intermediate)
//!                          '-- peer's leaf
//! ```

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Result, run, write_file};

/// How long certificates below the root are good for.
const DAYS: u32 = 20;

/// The kind of every key in a hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyKind {
    /// RSA of 2048 bits.
    Rsa2048,
    /// RSA of 3072 bits.
    Rsa3072,
    /// ECDSA on P-256.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// ECDSA on P-521.
    EcdsaP521,
}

/// The files of a hierarchy.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Root certificate: what both ends trust.
    pub ca: PathBuf,
    /// Certificate of the intermediate authority.
    pub intermediate: PathBuf,
    /// Our leaf and the intermediate.
    pub our_chain: PathBuf,
    /// Our private key, PKCS#8.
    pub our_key: PathBuf,
    /// The peer's leaf and the intermediate.
    pub peer_chain: PathBuf,
    /// The peer's leaf alone.
    pub peer_leaf: PathBuf,
    /// The peer's private key, PKCS#8.
    pub peer_key: PathBuf,
    /// Our leaf alone.
    pub our_leaf: PathBuf,
}

impl KeyKind {
    /// As people call it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Rsa2048 => "rsa2048",
            Self::Rsa3072 => "rsa3072",
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::EcdsaP521 => "ecdsa-p521",
        }
    }

    const fn options(self) -> [&'static str; 4] {
        match self {
            Self::Rsa2048 => ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            Self::Rsa3072 => ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
            Self::EcdsaP256 => ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            Self::EcdsaP384 => ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            Self::EcdsaP521 => ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
        }
    }
}

impl Credentials {
    /// Makes a hierarchy in `directory`. The alternative names are openssl's: `DNS:gw.example`, `IP:192.0.2.1`.
    ///
    /// # Errors
    /// When `openssl` is missing or refuses.
    pub fn make(directory: &Path, kind: KeyKind, our_name: &str, peer_name: &str) -> Result<Self> {
        std::fs::create_dir_all(directory).map_err(super::LabError::io(format!("make {}", directory.display())))?;
        let root = Authority::root(directory, kind)?;
        let intermediate = root.issue(
            kind,
            "intermediate",
            "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n",
            DAYS,
        )?;
        let ours = intermediate.leaf(kind, "us", our_name, DAYS)?;
        let theirs = intermediate.leaf(kind, "peer", peer_name, DAYS)?;
        let (our_chain, peer_chain) = (directory.join("us-chain.pem"), directory.join("peer-chain.pem"));
        concatenate(&[&ours.certificate, &intermediate.certificate], &our_chain)?;
        concatenate(&[&theirs.certificate, &intermediate.certificate], &peer_chain)?;
        Ok(Self {
            ca: root.certificate,
            intermediate: intermediate.certificate,
            our_chain,
            our_key: ours.key,
            peer_chain,
            peer_leaf: theirs.certificate,
            peer_key: theirs.key,
            our_leaf: ours.certificate,
        })
    }

    /// Replaces both leaves and their keys, in the same files, by others of the same authority that end in so many days.
    ///
    /// # Errors
    /// As [`Credentials::make`].
    pub fn renew(&self, kind: KeyKind, our_name: &str, peer_name: &str, days: u32) -> Result<()> {
        let directory = self.intermediate.parent().unwrap_or(Path::new(".")).to_owned();
        let certificate = self.intermediate.clone();
        let intermediate = Authority { key: certificate.with_extension("key"), certificate, directory };
        for (leaf, name, chain) in [("us", our_name, &self.our_chain), ("peer", peer_name, &self.peer_chain)] {
            let renewed = intermediate.leaf(kind, leaf, name, days)?;
            concatenate(&[&renewed.certificate, &self.intermediate], chain)?;
        }
        Ok(())
    }

    /// With the ends exchanged.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        Self {
            our_chain: self.peer_chain.clone(),
            our_key: self.peer_key.clone(),
            our_leaf: self.peer_leaf.clone(),
            peer_chain: self.our_chain.clone(),
            peer_key: self.our_key.clone(),
            peer_leaf: self.our_leaf.clone(),
            ..self.clone()
        }
    }
}

/// A key with its certificate.
#[derive(Debug)]
struct Authority {
    certificate: PathBuf,
    key: PathBuf,
    directory: PathBuf,
}

impl Authority {
    fn root(directory: &Path, kind: KeyKind) -> Result<Self> {
        let (certificate, key) = (directory.join("root.pem"), directory.join("root.key"));
        make_key(kind, &key)?;
        openssl(
            &[
                "req",
                "-x509",
                "-new",
                "-days",
                "30",
                "-subj",
                "/O=Lab/CN=root",
                "-addext",
                "keyUsage=critical,keyCertSign,cRLSign",
                "-key",
            ],
            &[&key, Path::new("-out"), &certificate],
        )?;
        Ok(Self { certificate, key, directory: directory.to_owned() })
    }

    /// A certificate for one end.
    fn leaf(&self, kind: KeyKind, name: &str, alternative: &str, days: u32) -> Result<Self> {
        let extensions = format!(
            "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n\
             extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName={alternative}\n"
        );
        self.issue(kind, name, &extensions, days)
    }

    fn issue(&self, kind: KeyKind, name: &str, extensions: &str, days: u32) -> Result<Self> {
        let file = |suffix: &str| self.directory.join(format!("{name}.{suffix}"));
        let (certificate, key, request, extension_file) = (file("pem"), file("key"), file("csr"), file("ext"));
        make_key(kind, &key)?;
        let subject = format!("/O=Lab/CN={name}");
        openssl(&["req", "-new", "-subj", &subject, "-key"], &[&key, Path::new("-out"), &request])?;
        write_file(&extension_file, extensions)?;
        openssl(
            &["x509", "-req", "-days", &days.to_string(), "-CAcreateserial", "-in"],
            &[
                &request,
                Path::new("-CA"),
                &self.certificate,
                Path::new("-CAkey"),
                &self.key,
                Path::new("-extfile"),
                &extension_file,
                Path::new("-out"),
                &certificate,
            ],
        )?;
        Ok(Self { certificate, key, directory: self.directory.clone() })
    }
}

fn make_key(kind: KeyKind, path: &Path) -> Result<()> {
    let mut arguments = vec!["genpkey"];
    arguments.extend(kind.options());
    arguments.push("-out");
    openssl(&arguments, &[path])
}

fn concatenate(parts: &[&Path], into: &Path) -> Result<()> {
    let mut text = String::new();
    for part in parts {
        text += &std::fs::read_to_string(part).map_err(super::LabError::io(format!("read {}", part.display())))?;
    }
    write_file(into, &text)
}

fn openssl(words: &[&str], paths: &[&Path]) -> Result<()> {
    run(Command::new("openssl").args(words).args(paths)).map(drop)
}
