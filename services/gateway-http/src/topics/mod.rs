//! Topics: listed, created, described, deleted.

mod create;
mod describe;
mod lookup;

pub(crate) use create::{__path_create, content_length, create, create_on_first_use};
pub(crate) use describe::{__path_delete, __path_describe, __path_list, delete, describe, list};
pub(crate) use lookup::{Named, partition_of};
