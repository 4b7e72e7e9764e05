//! Topics: listed, created, described, changed, deleted; and their partitions fenced.

mod configure;
mod create;
mod describe;
mod fence;
mod lookup;

pub(crate) use configure::{__path_configure, configure};
pub(crate) use create::{__path_create, content_length, create, create_on_first_use, in_time};
pub(crate) use describe::{__path_delete, __path_describe, __path_list, delete, describe, list};
pub(crate) use fence::{__path_fence, fence};
pub(crate) use lookup::{Named, partition_of};
