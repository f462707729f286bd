//! Rows of `sys_attachment`: files and their changes.

use super::record::{CREATED_BY, CREATED_ON, DOMAIN, SYS_ID};
use super::{Column, Out, Skip, View};

pub(super) const COLUMNS: &[Column] = &[SYS_ID, CREATED_ON, CREATED_BY, DOMAIN];

pub(super) fn normalise(_: &View<'_>, _: Out<'_>) -> Result<(), Skip> {
    Err(Skip::Noise("not read yet"))
}
