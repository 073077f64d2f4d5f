//! The one place where randomness comes from the operating system.

use wire::Entropy;

/// The kernel's generator.
///
/// # Panics
///
/// Never on Linux: what the process seeds its secrets with is there before it is.
#[must_use]
pub fn system_entropy() -> Box<dyn Entropy> {
    Box::new(|out: &mut [u8]| {
        getrandom::fill(out).expect("getrandom(2) cannot fail on Linux once the kernel's pool is seeded");
    })
}
