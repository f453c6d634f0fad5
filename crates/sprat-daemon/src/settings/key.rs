//! What is known of a setting besides its value: its name, its meaning, and when a change of it takes effect.

use serde::Serialize;
use utoipa::ToSchema;

/// How a setting may change while the daemon runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Through the API or the file; takes effect at once.
    AtOnce,
    /// Through the API or the file; takes effect at the next start.
    AtRestart,
    /// In the file only, and at the next start: who has a token of the API must not be able to open more doors with it.
    InFile,
}

/// A setting as it is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The table of the file that it stands in.
    pub section: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// What it means, in lines.
    pub documentation: &'static [&'static str],
    /// How it may change.
    pub change: Change,
    /// A value in TOML, where the default alone shows nothing.
    pub example: Option<&'static str>,
}

impl Key {
    /// `limits.memory`
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }
}

/// Declares a table of the configuration file: the type, the defaults, the documentation and the keys, once.
///
/// Each key is `name: Type [Change] = default;`, with `as Type` after the type where the schema does not know it, and
/// `, example "in TOML"` where the default shows nothing.
macro_rules! section {
    (
        $(#[doc = $section_doc:tt])*
        $section:ident: $group:ident {
            $(
                $(#[doc = $doc:tt])*
                $name:ident: $type:ty $(as $shown:ty)? [$change:ident] = $default:expr $(, example $example:literal)?;
            )*
        }
    ) => {
        $(#[doc = $section_doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct $group {
            $( $(#[doc = $doc])* $(#[schema(value_type = $shown)])? pub $name: $type, )*
        }

        impl Default for $group {
            fn default() -> Self {
                Self { $( $name: $default, )* }
            }
        }

        impl $crate::settings::key::Section for $group {
            const NAME: &'static str = stringify!($section);
            const DOCUMENTATION: &'static [&'static str] = &[$($section_doc),*];
            const KEYS: &'static [$crate::settings::key::Key] = &[$(
                $crate::settings::key::Key {
                    section: stringify!($section),
                    name: stringify!($name),
                    documentation: &[$($doc),*],
                    change: $crate::settings::key::Change::$change,
                    example: $crate::settings::key::first(&[$($example)?]),
                },
            )*];

            fn differing(&self, other: &Self) -> Vec<&'static $crate::settings::key::Key> {
                let equal = [$( self.$name == other.$name, )*];
                Self::KEYS.iter().zip(equal).filter_map(|(key, equal)| (!equal).then_some(key)).collect()
            }
        }
    };
}
pub(super) use section;

/// A table of the configuration file, made by [`section`].
pub(super) trait Section: Default + PartialEq + Serialize {
    const NAME: &'static str;
    const DOCUMENTATION: &'static [&'static str];
    const KEYS: &'static [Key];

    /// The settings that are not the same.
    fn differing(&self, other: &Self) -> Vec<&'static Key>;
}

/// For [`section`]: its example, if it was given one.
pub(super) const fn first(given: &[&'static str]) -> Option<&'static str> {
    given.first().copied()
}
