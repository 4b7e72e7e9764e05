//! Structs and enums that are stored as they are declared.

/// Declares structs that are encoded field by field, in the order written. Changing one changes bytes at rest: the thing
/// it is stored in then needs a new version.
#[macro_export]
macro_rules! stored_struct {
    ($($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $ty:ty),* $(,)? })*) => {$(
        $(#[$meta])*
        pub struct $name { $($(#[$field_meta])* pub $field: $ty),* }
        impl $crate::codec::Encode for $name {
            fn encode(&self, out: &mut $crate::codec::Writer) {
                $($crate::codec::Encode::encode(&self.$field, out);)*
            }
        }
        impl $crate::codec::Decode for $name {
            fn decode(input: &mut $crate::codec::Reader) -> Result<Self, $crate::codec::Corrupt> {
                $(let $field = $crate::codec::Decode::decode(input)?;)*
                Ok($name { $($field),* })
            }
        }
    )*};
}

/// Declares enums that are encoded as the number written at each variant, then its fields. Numbers once written are never
/// reused.
#[macro_export]
macro_rules! stored_enum {
    ($($(#[$meta:meta])* pub enum $name:ident {
        $($(#[$variant_meta:meta])* $number:literal => $variant:ident
            $({ $($(#[$field_meta:meta])* $field:ident: $ty:ty),* $(,)? })?
            $(( $inner:ty ))?
        ),* $(,)?
    })*) => {$(
        $(#[$meta])*
        pub enum $name { $($(#[$variant_meta])* $variant $({ $($(#[$field_meta])* $field: $ty),* })? $(( $inner ))?),* }
        impl $crate::codec::Encode for $name {
            fn encode(&self, out: &mut $crate::codec::Writer) {
                $($crate::stored_enum!(@encode self, out, $name, $number, $variant $({ $($field),* })? $(( $inner ))?);)*
            }
        }
        impl $crate::codec::Decode for $name {
            fn decode(input: &mut $crate::codec::Reader) -> Result<Self, $crate::codec::Corrupt> {
                match input.byte()? {
                    $($number => $crate::stored_enum!(@decode input, $name, $variant $({ $($field),* })? $(( $inner ))?),)*
                    other => Err(input.corrupt(format!("{} has no variant {other}", stringify!($name)))),
                }
            }
        }
    )*};
    (@encode $self:ident, $out:ident, $name:ident, $number:literal, $variant:ident) => {
        if let $name::$variant = $self { $out.byte($number); }
    };
    (@encode $self:ident, $out:ident, $name:ident, $number:literal, $variant:ident { $($field:ident),* }) => {
        if let $name::$variant { $($field),* } = $self {
            $out.byte($number);
            $($crate::codec::Encode::encode($field, $out);)*
        }
    };
    (@encode $self:ident, $out:ident, $name:ident, $number:literal, $variant:ident ( $inner:ty )) => {
        if let $name::$variant(inner) = $self {
            $out.byte($number);
            $crate::codec::Encode::encode(inner, $out);
        }
    };
    (@decode $input:ident, $name:ident, $variant:ident) => { Ok($name::$variant) };
    (@decode $input:ident, $name:ident, $variant:ident { $($field:ident),* }) => {{
        $(let $field = $crate::codec::Decode::decode($input)?;)*
        Ok($name::$variant { $($field),* })
    }};
    (@decode $input:ident, $name:ident, $variant:ident ( $inner:ty )) => {
        Ok($name::$variant($crate::codec::Decode::decode($input)?))
    };
}
