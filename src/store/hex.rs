//! 128-bit values as 32 lowercase hexadecimal digits, the only spelling that ids and digests have.
//!
//! Parsing is strict, so that one value has one name and one path.

/// The value of exactly 32 lowercase hexadecimal digits.
pub(crate) fn parse(text: &str) -> Option<u128> {
    let strict = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if strict { u128::from_str_radix(text, 16).ok() } else { None }
}

/// Defines a newtype of 128 bits that is printed, parsed and serialised as 32 lowercase hexadecimal digits.
macro_rules! hex128 {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// Wraps the 128 bits.
            pub const fn from_u128(bits: u128) -> Self {
                Self(bits)
            }

            /// The 128 bits.
            pub const fn as_u128(self) -> u128 {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({:032x})"), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::error::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::store::hex::parse(text).map(Self).ok_or_else(|| {
                    let shown: String = text.chars().take(64).collect();
                    $crate::error::Error::new(
                        $crate::error::Code::InvalidArgument,
                        format!(concat!("'{}' is no ", $what, ": give 32 lowercase hexadecimal digits"), shown.escape_debug()),
                    )
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                $crate::store::hex::parse(&text)
                    .map(Self)
                    .ok_or_else(|| serde::de::Error::custom(concat!($what, " must have 32 lowercase hexadecimal digits")))
            }
        }
    };
}

pub(crate) use hex128;
