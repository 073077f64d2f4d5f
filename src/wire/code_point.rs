//! Newtypes over registry numbers.

/// Declares a newtype over an unsigned integer with one constant per registered value.
///
/// A value without a name survives decoding and re-encoding, and prints as `Type(number)`.
///
/// ```
/// wire::code_point! {
///     /// <https://www.iana.org/assignments/example>
///     pub struct Colour(u8) {
///         /// RFC 9999
///         RED = 1;
///         GREEN = 2;
///     }
/// }
/// assert_eq!(Colour::RED.to_string(), "RED");
/// assert_eq!(Colour(77).to_string(), "Colour(77)");
/// ```
#[macro_export]
macro_rules! code_point {
    (
        $(#[$outer:meta])*
        $vis:vis struct $name:ident($int:ty) {
            $( $(#[$inner:meta])* $constant:ident = $value:expr; )*
        }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis struct $name(pub $int);

        impl $name {
            $(
                $(#[$inner])*
                #[doc = concat!("Registered as ", stringify!($value), ".")]
                pub const $constant: Self = Self($value);
            )*

            /// The registered name, if this value has one here.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $( $value => Some(stringify!($constant)), )*
                    _ => None,
                }
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, concat!(stringify!($name), "({})"), self.0),
                }
            }
        }

        impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Display::fmt(self, f)
            }
        }
    };
}
